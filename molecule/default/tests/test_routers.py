# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routers and floating IPs: guests behind one go out and are reached, though their host is on no wire."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time

import pytest

from ansible_collections.kvmstack.launch.molecule.default.tests.test_provider import (
    GROUPS,
    MACHINE,
    OUTSIDE,
    SCRIPT,
    fetch,
    wire,
    within,
)
from ansible_collections.kvmstack.launch.molecule.shared.launching import ROOT, Site, on_host, request

__all__ = ["wire"]  # a fixture

NETWORKS = {
    "outer": {
        "cidr": "172.30.0.0/24",
        "physical_network": "physnet1",
        "allocation_pool": {"start": "172.30.0.60", "end": "172.30.0.69"},
        "ipv6_cidr": "2001:db8:30::/64",
        "ipv6_gateway": "2001:db8:30::1",
    },
    "six": {"ipv6_cidr": "fd00:32::/64", "router": "main"},
    "lab": {"cidr": "10.30.0.0/24", "router": "main"},
    "data": {"cidr": "10.31.0.0/24", "router": "main"},
}
ROUTERS = {"main": {"external_network": "outer"}}
DISTRIBUTED = {"main": {"external_network": "outer", "distributed": True}}
FLOATING, OWN = "172.30.0.61", "172.30.0.67"
OUTSIDE_6 = "2001:db8:30::1"
GROUPS_6 = {**GROUPS, "open6": [{"protocol": protocol, "remote": "::/0"} for protocol in ("ipv6-icmp", "tcp")]}

# On IPv6 alone: the router's announcement, and pings of it and of the machine on the wire.
SCRIPT_6 = """#!/bin/sh
echo "hello from $(hostname)" >> /www/index.html
global() { ip -6 addr show dev eth0 scope global | awk '$1 == "inet6" { print $2 }'; }
answers() { ping -6 -c 3 -W 5 "$1" | grep -c ' bytes from '; }
for _try in $(seq 60); do [ -n "$(global)" ] && break; sleep 1; done
sleep 2
echo "TRY-ADDRESS $(global)"
for address in fd00:32::1 OUTSIDE; do
  for _try in $(seq 10); do told=$(answers $address); [ "$told" = 3 ] && break; done
  echo "TRY-PING $told."
done
echo TRY-END
"""
TABLES = ("Logical_Router", "Logical_Router_Port", "NAT", "HA_Chassis_Group", "Logical_Router_Static_Route")

# One datagram of 1500 bytes that must not be cut; then what the kernel has learned of the way.
PROBE = """
import socket, sys, time
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
probe.setsockopt(socket.IPPROTO_IP, 10, 2)
probe.connect((sys.argv[1], 9))
for _try in range(20):
    try:
        probe.send(bytes(1472))
    except OSError:
        pass
    mtu = probe.getsockopt(socket.IPPROTO_IP, 14)
    if mtu < 1500:
        break
    time.sleep(0.5)
print(mtu)
"""
# A request of which the second half is sent when somebody says so.
HALVES = """
import socket, sys
stream = socket.create_connection((sys.argv[1], 80), timeout=60)
stream.sendall(b"GET / HTTP/1.0\\r\\n")
print("open", flush=True)
sys.stdin.readline()
stream.sendall(b"\\r\\n")
said = b""
while True:
    more = stream.recv(4096)
    if not more:
        break
    said += more
print(said.decode().split("\\n")[-2], flush=True)
"""


def guest(name, host, network, **entry):
    return request(
        name,
        image="demo",
        networks=[{"network": network, "security_groups": ["default", "open"], **entry}],
        user_data=SCRIPT.replace("MACHINE", OUTSIDE),
        volumes=[],
        scheduler_hints=on_host(host),
    )["launch_instances"]


def wanted(*guests):
    whole = {**request(), "launch_networks": NETWORKS, "launch_security_groups": GROUPS, "launch_routers": ROUTERS}
    return {**whole, "launch_instances": [entry for each in guests for entry in each]}


FAR = guest("routed", "compute-3", "lab", floating_ip=True)
NEAR = guest("behind", "compute-1", "data")
# Its host is on the wire, and not the gateway.
WIRED = guest("wired", "compute-2", "data", floating_ip=OWN)


def rows(site):
    """How many rows of a router's there are, by table."""
    count = "for table in %s; do ovn-nbctl --bare --columns=_uuid list $table | grep -c . || true; done"
    return dict(zip(TABLES, map(int, site.on(site.central, count % " ".join(TABLES)).split())))


def gateway(site):
    """The host that is the way out."""
    find = "ovn-sbctl --bare --columns=chassis find Port_Binding type=chassisredirect"
    chassis = site.on(site.central, find).strip()
    return site.on(site.central, "ovn-sbctl --bare --columns=name list Chassis %s" % chassis).strip()


@pytest.fixture(scope="module")
def routed(site, wire):
    wire.connect()
    yield wire
    site.destroy(request("routed", "behind", "six", "wired"))


def test_guests_go_out_and_are_reached(site, routed):
    before = rows(site)
    run = routed.launch(wanted(FAR, NEAR), "--check", "--diff")
    assert "router main: external_network outer, external_ip 172.30.0.60" in run.output
    assert "floating_ip_address %s" % FLOATING in run.output
    assert rows(site) == before == dict.fromkeys(TABLES, 0)
    run = routed.launch(wanted(FAR, NEAR))
    assert FLOATING in run.output
    assert rows(site) == dict(zip(TABLES, (1, 3, 3, 1, 2)))
    for name in ("routed", "behind"):
        text = site.console(name, "TRY-END", seconds=180)
        assert "TRY-PAGE whole." in text, text
    [port] = site.record("routed")["ports"]
    assert port["network_info"]["floating_ip_address"] == FLOATING
    assert "hello from routed" in fetch(FLOATING)


def test_a_second_run_changes_nothing(site, routed):
    assert routed.launch(wanted(FAR, NEAR), "--diff").changed == 0


def test_a_packet_that_is_too_long_is_answered(site, routed):
    assert within(MACHINE, sys.executable, "-c", PROBE, FLOATING).strip() == "1442"


def test_the_inventory_has_the_floating_address(site, routed, tmp_path):
    source = tmp_path / "vms.kvmstack.yml"
    source.write_text(json.dumps({"plugin": "kvmstack.launch.instances", "database": site.database}))
    files = ["-i", str(ROOT / site.inventory), "-i", str(source)]
    done = subprocess.run(["ansible-inventory", *files, "--host", "routed"], check=True, capture_output=True, cwd=ROOT)
    known = json.loads(done.stdout)
    assert known["ansible_host"] == FLOATING
    assert "Proxy" not in known["ansible_ssh_common_args"]


@contextlib.contextmanager
def leaving(site, host):
    """Have a host say that it is a gateway no more."""
    site.on(host, "systemctl stop ovn-controller")
    try:
        yield
    finally:
        site.on(host, "systemctl start ovn-controller")


def until_gateway(site, host, seconds=60):
    """Wait until the way out is by this host."""
    ends = time.monotonic() + seconds
    while gateway(site) != host:
        assert time.monotonic() < ends, "the gateway is %s, not %s" % (gateway(site), host)
        time.sleep(0.5)


@pytest.mark.parametrize(
    "gone",
    [
        pytest.param(leaving, id="it says so"),
        pytest.param(Site.silenced, id="without a word"),
    ],
)
def test_connections_outlive_their_gateway(site, routed, gone):
    until_gateway(site, "compute-1")
    command = ["ip", "netns", "exec", "kvmstack-" + MACHINE, sys.executable, "-c", HALVES, FLOATING]
    pipes = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, **pipes) as stream:
        assert stream.stdout.readline() == "open\n"
        with gone(site, "compute-1"):
            until_gateway(site, "compute-2")
            said, _errors = stream.communicate("\n", timeout=60)
            assert "hello from routed" in said
            assert "hello from routed" in fetch(FLOATING)
    until_gateway(site, "compute-1")
    assert "hello from routed" in fetch(FLOATING)


def test_a_floating_ip_comes_and_goes_while_its_guest_runs(site, routed):
    near = guest("behind", "compute-1", "data", floating_ip="172.30.0.66")
    routed.launch(wanted(FAR, near))
    assert "hello from behind" in fetch("172.30.0.66")
    run = routed.launch(wanted(FAR, guest("behind", "compute-1", "data", floating_ip=FLOATING)), status=2)
    assert "floating_ip %s of network outer belongs to port" % FLOATING in run.output
    routed.launch(wanted(FAR, guest("behind", "compute-1", "data", floating_ip=False)))
    assert rows(site)["NAT"] == 3


def test_ipv6_is_routed_and_a_machine_outside_reaches_the_guest_by_its_own_address(site, routed):
    site.on(MACHINE, "ip -6 address replace %s/64 dev flat0 nodad" % OUTSIDE_6)
    networks = [{"network": "six", "security_groups": ["default", "open6"]}]
    script = SCRIPT_6.replace("OUTSIDE", OUTSIDE_6)
    six = guest("six", "compute-2", "six")
    six[0].update(networks=networks, user_data=script)
    whole = {**wanted(FAR, NEAR, six), "launch_security_groups": GROUPS_6}
    routed.launch(whole)
    networks = site.on(site.central, "ovn-nbctl --bare --columns=networks list Logical_Router_Port").split()
    [outer] = [address.partition("/")[0] for address in networks if address.startswith("2001:db8:30:")]
    site.on(MACHINE, "ip -6 route replace fd00:32::/64 via %s" % outer)
    try:
        text = site.console("six", "TRY-END", seconds=180)
        [port] = site.record("six")["ports"]
        assert "TRY-ADDRESS %s/64" % port["fixed_ip"] in text, text
        assert text.count("TRY-PING 3.") == 2, text
        assert "hello from six" in fetch("[%s]" % port["fixed_ip"])
        assert routed.launch(whole, "--diff").changed == 0
        first = gateway(site)
        site.on(first, "systemctl stop ovn-controller")
        try:
            assert "hello from six" in fetch("[%s]" % port["fixed_ip"])
            assert gateway(site) != first
        finally:
            site.on(first, "systemctl start ovn-controller")
        assert "hello from six" in fetch("[%s]" % port["fixed_ip"])
        asked = {**six[0], "networks": [{"network": "six", "floating_ip": True}]}
        run = routed.launch({**whole, "launch_instances": [asked]}, status=2)
        assert "network six has no cidr, and a floating IP is translated to an address of IPv4" in run.output
    finally:
        site.destroy(request("six"))
        site.on(MACHINE, "ip -6 route del fd00:32::/64; ip -6 address del %s/64 dev flat0" % OUTSIDE_6)


def test_a_floating_ip_is_its_own_hosts_where_that_is_on_the_wire(site, routed):
    """It is reached while the gateway is cut off the wire; that of a host without the wire is the gateway's as ever."""
    both = {**wanted(FAR, WIRED), "launch_routers": DISTRIBUTED}
    run = routed.launch(both, "--diff")
    assert "distributed true" in run.output
    assert gateway(site) == "compute-1"
    where = "ovn-nbctl --bare --columns=external_mac find NAT external_ip=%s"
    assert not site.on(site.central, where % FLOATING).strip()
    mac = site.on(site.central, where % OWN).strip()
    for address, name in ((OWN, "wired"), (FLOATING, "routed")):
        assert "hello from %s" % name in fetch(address)
    assert mac in within(MACHINE, "ip", "neighbour", "show", OWN)
    assert "TRY-PAGE whole." in site.console("wired", "TRY-END", seconds=180)
    assert within(MACHINE, sys.executable, "-c", PROBE, OWN).strip() == "1442"
    assert routed.launch(both).changed == 0
    cut = ["ip", "-n", "kvmstack", "link", "set", "wire-compute-1"]
    subprocess.run([*cut, "down"], check=True)
    try:
        assert "hello from wired" in fetch(OWN)
    finally:
        subprocess.run([*cut, "up"], check=True)
    routed.launch(wanted(FAR, WIRED))
    assert not site.on(site.central, where % OWN).strip()
    assert "hello from wired" in fetch(OWN)
    site.destroy(request("wired"))


def test_all_of_it_goes_with_the_last(site, routed):
    site.destroy(request("routed"))
    assert rows(site)["NAT"] == 1
    site.destroy(request("behind"))
    assert rows(site) == dict.fromkeys(TABLES, 0)
    assert not [port for port in site.ports() if port["type"] in ("router", "localnet")]
    site.destroy(request("routed", "behind"))


def test_what_a_killed_launch_left_goes(site, routed):
    """Its next run goes on; if there is none, and it is destroyed before it has a port, the audit finds the rest."""
    site.launch_killed_at(wanted(FAR), "launch : Port]", *routed.options)
    assert rows(site)["Logical_Router"] == 1
    site.destroy(request("routed"))
    defined = {"launch_networks": NETWORKS, "launch_routers": ROUTERS}
    left = rows(site)["Logical_Router"]
    run = site.run("audit.yml", defined)
    assert run.changed == 0
    assert run.output.count("nothing uses it, and it was to go with the last that did") == left, run.output
    assert site.run("audit.yml", {**defined, "launch_repair": True}).changed == left
    assert rows(site) == dict.fromkeys(TABLES, 0)
    assert "all agrees" in site.run("audit.yml", defined).output
