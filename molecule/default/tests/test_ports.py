# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A port's addresses, address pairs and limits: what the guest is let do with them, and changes while it runs."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest

from ansible_collections.kvmstack.launch.molecule.shared.launching import on_host, request

MAC, PEER = "fa:16:3e:0a:00:07", "10.20.0.90"

# The guest takes all these addresses, whatever its port says, and asks its peer from each of them, again and again.
SCRIPT = """#!/bin/sh
echo "TRY-MAC $(cat /sys/class/net/eth0/address)"
for address in 71 200 201; do ip address add 10.20.0.$address/24 dev eth0; done
while true; do
  for address in 70 71 200 201; do
    ping -c 1 -W 2 -I 10.20.0.$address PEER > /dev/null && said=yes || said=no
    printf 'TRY-PING %s %s\\n' $address $said
  done
  echo TRY-ROUND
done
"""


def a_port(**more):
    """The networks of an instance with this one port."""
    return [{"network": "private", "security_groups": ["default", "web"], **more}]


def answered(site):
    """Which of its addresses get an answer, by the guest's next round but one; all of that is after this moment."""
    seen = site.console("out", "TRY-ROUND").count("TRY-ROUND")
    rounds = site.console("out", "TRY-ROUND", times=seen + 2).split("TRY-ROUND")
    words = [line.split() for line in rounds[seen + 1].splitlines() if line.startswith("TRY-PING")]
    return {int(address) for _word, address, said in words if said == "yes"}


def limits(site):
    """The rows of QoS in OVN's northbound database."""
    return json.loads(site.on(site.central, "ovn-nbctl --format=json --columns=action,bandwidth list QoS"))["data"]


@pytest.fixture
def two(site):
    """The instances `out` and `peer` on hosts of their own; gone at the end, with all that they had."""
    full = a_port(
        mac_address=MAC,
        fixed_ips=["10.20.0.70", "10.20.0.71"],
        allowed_address_pairs=["10.20.0.200"],
        qos=[{"max_kbps": 8000}, {"max_kbps": 8000, "direction": "ingress"}],
    )
    wanted = request("out", "peer", image="demo", volumes=[])
    out, peer = wanted["launch_instances"]
    out.update(networks=full, user_data=SCRIPT.replace("PEER", PEER), scheduler_hints=on_host("compute-1"))
    peer.update(networks=a_port(fixed_ip=PEER, security_groups=["ping"]), scheduler_hints=on_host("compute-2"))
    wanted["launch_security_groups"]["ping"] = [{"protocol": "icmp", "remote": "10.20.0.0/24"}]
    site.launch(wanted)
    yield wanted
    site.destroy(wanted)
    assert not [port for port in site.ports() if MAC in str(port) or PEER in str(port)]
    assert not limits(site)


def test_a_port_has_what_it_was_given_and_changes_while_its_guest_runs(site, two):
    assert "TRY-MAC %s" % MAC in site.console("out", "TRY-MAC")
    assert answered(site) == {70, 71, 200}
    assert "hello from out" in site.page("compute-1", "10.20.0.200")
    assert len(limits(site)) == 2
    meters = "ovs-ofctl -O OpenFlow15 dump-meters br-int"
    assert "rate=8000" in site.on("compute-1", meters)
    site.unchanged(two)
    domain = site.on("compute-1", "virsh domid out")
    fewer = deepcopy(two)
    fewer["launch_instances"][0]["networks"] = a_port(
        mac_address=MAC, fixed_ips=["10.20.0.70"], allowed_address_pairs=[], qos={}
    )
    site.launch(fewer)
    assert site.on("compute-1", "virsh domid out") == domain
    assert answered(site) == {70}
    assert not limits(site)
    assert "rate=" not in site.on("compute-1", meters)
    site.unchanged(fewer)


def test_a_port_that_makes_no_sense_stops_no_other(site):
    wanted = request("good", "bad-mac", "bad-limit", volumes=[])
    _good, mac, limit = wanted["launch_instances"]
    mac["networks"] = a_port(mac_address="01:00:5e:00:00:01")
    limit["networks"] = a_port(qos={"max_kbps": "fast"})
    run = site.launch(wanted, status=2)
    assert site.record("good")["vm_state"] == "active"
    assert "bad-mac is ERROR: networks[0]: mac_address '01:00:5e:00:00:01' is not one machine's" in run.output
    assert "bad-limit is ERROR: networks[0]: qos: max_kbps: 'fast' is not a whole number" in run.output
    site.destroy(wanted)
