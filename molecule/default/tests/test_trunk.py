# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VLAN-aware guests: two talk by their sub-ports, each with its own tag, and by nothing else."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.molecule.shared.launching import on_host, request

MACS = {"trunk": "fa:16:3e:0a:00:30", "other": "fa:16:3e:0a:00:40"}
ADDRESSES = {"trunk": "10.40.0.30", "other": "10.40.0.40"}
TAGS = {"trunk": 30, "other": 40}
HOSTS = {"trunk": "compute-1", "other": "compute-2"}
NETWORKS = {"private": {"cidr": "10.20.0.0/24"}, "storage": {"cidr": "10.40.0.0/24", "router": "none"}}

# The guest takes a lease by its tag, and asks its peer with that one, with another, and without any, again and again.
SCRIPT = """#!/bin/sh
while read -r module; do insmod "/modules/$module.ko"; done </etc/modules.vlan
for tag in TAG 31; do
  ip link add link eth0 name v$tag type vlan id $tag
  ip link set v$tag address MAC
  ip link set v$tag up
done
udhcpc -n -q -i vTAG -s /dhcp -t 30 -T 1
while true; do
  for link in vTAG v31 eth0; do
    ping -c 1 -W 2 -I $link PEER > /dev/null && said=yes || said=no
    printf 'TRY-PING %s %s\\n' $link $said
  done
  echo TRY-ROUND
done
"""


def guests(*with_subports):
    """Both guests; these have their sub-ports."""
    wanted = {**request(*TAGS, image="demo", volumes=[]), "launch_networks": NETWORKS}
    for entry in wanted["launch_instances"]:
        name = entry["name"]
        peer = next(each for each in TAGS if each != name)
        words = {"TAG": str(TAGS[name]), "MAC": MACS[name], "PEER": ADDRESSES[peer]}
        script = SCRIPT
        for word, value in words.items():
            script = script.replace(word, value)
        subport = {"network": "storage", "vlan": TAGS[name], "mac_address": MACS[name], "fixed_ip": ADDRESSES[name]}
        subports = [subport] if name in with_subports else []
        entry.update(
            networks=[{"network": "private", "subports": subports}],
            user_data=script,
            scheduler_hints=on_host(HOSTS[name]),
        )
    return wanted


def answered(site, name):
    """By which links a guest gets an answer, by its next round but one; all of that is after this moment."""
    seen = site.console(name, "TRY-ROUND", seconds=180).count("TRY-ROUND")
    rounds = site.console(name, "TRY-ROUND", times=seen + 2).split("TRY-ROUND")
    words = [line.split() for line in rounds[seen + 1].splitlines() if line.startswith("TRY-PING")]
    return {link for _word, link, said in words if said == "yes"}


def tags(site):
    """The tags of sub-ports in OVN's northbound database."""
    return sorted(port["tag"] for port in site.ports() if isinstance(port["parent_name"], str))


@pytest.fixture
def both(site):
    """The instances on hosts of their own; gone at the end, with all that they had."""
    wanted = guests("trunk", "other")
    site.launch(wanted)
    yield wanted
    site.destroy(wanted)
    assert not [port for port in site.ports() if any(mac in str(port["addresses"]) for mac in MACS.values())]
    assert not tags(site)


def test_two_guests_talk_by_their_tags_and_sub_ports_come_and_go(site, both):
    assert tags(site) == [30, 40]
    for name, tag in TAGS.items():
        assert answered(site, name) == {"v%d" % tag}
        lease = "GUEST-LEASE dev=v%d mac=%s ip=%s/24" % (tag, MACS[name], ADDRESSES[name])
        assert lease in site.console(name, "GUEST-LEASE dev=v")
        assert site.on(HOSTS[name], "virsh domiflist %s" % name).count("kvt") == 1
    [parent, child] = site.record("trunk")["ports"]
    assert (child["parent"], child["vlan"], child["fixed_ip"]) == (parent["id"], 30, ADDRESSES["trunk"])
    site.unchanged(both)
    assert "all agrees" in site.run("audit.yml", {"launch_networks": NETWORKS}).output
    domain = site.on("compute-1", "virsh domid trunk")
    site.launch(guests("other"))
    assert tags(site) == [40]
    assert answered(site, "trunk") == set()
    site.launch(both)
    assert answered(site, "trunk") == {"v30"}
    assert site.on("compute-1", "virsh domid trunk") == domain
