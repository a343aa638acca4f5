# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Provider networks: guests on a wire of their hosts', untagged and in a VLAN, beside a machine that is nobody's."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from ansible_collections.kvmstack.launch.molecule.shared.launching import ROOT, on_host, request

# Compute-3 has no bridge mapped to the wire. It is the machine there, by a switch of its own that knows VLANs: the
# kernel under the hosts may not.
WIRED, OUTSIDE, VLAN = ("compute-1", "compute-2"), "172.30.0.1", "172.31.0.1"
MACHINE, BRIDGE = "compute-3", "provider"
SWITCH = """
ovs-vsctl --if-exists del-br outside -- add-br outside -- set Bridge outside datapath_type=netdev
ovs-vsctl add-port outside eth2 -- add-port outside flat0 -- set Interface flat0 type=internal
ovs-vsctl add-port outside vlan0 tag=100 -- set Interface vlan0 type=internal
sysctl --quiet --write net.ipv4.conf.eth2.arp_ignore=1
ip address add 172.30.0.1/24 dev flat0
ip address add 172.31.0.1/24 dev vlan0
for link in eth2 flat0 vlan0; do ip link set $link up; done
"""
MAPPINGS = {"physnet1": {"bridge": "br-ex", "interface": "eth2"}}
NETWORKS = {
    "wire": {
        "cidr": "172.30.0.0/24",
        "physical_network": "physnet1",
        "allocation_pool": {"start": "172.30.0.50", "end": "172.30.0.59"},
    },
    "tagged": {
        "cidr": "172.31.0.0/24",
        "gateway": "",
        "physical_network": "physnet1",
        "vlan": 100,
        "allocation_pool": {"start": "172.31.0.50", "end": "172.31.0.59"},
    },
}
GROUPS = {"open": [{"protocol": protocol, "remote": "0.0.0.0/0"} for protocol in ("icmp", "tcp")]}
SIZE = 300000

# What a guest says of a machine on its wire: a page of many full packets, and one that just fits, out and back.
SCRIPT = """#!/bin/sh
page() { printf 'GET /page HTTP/1.0\\r\\n\\r\\n' | nc -w 10 MACHINE 8080 | wc -c; }
for _try in 1 2 3 4 5; do size=$(page); [ "$size" -gt 300000 ] && break; sleep 1; done
echo "TRY-PAGE $([ "$size" -gt 300000 ] && echo whole)."
echo "TRY-PING $(ping -c 3 -W 5 -s 1472 MACHINE | grep -c '1480 bytes from').$(cat /sys/class/net/eth0/mtu)."
echo TRY-END
"""

# A socket of the kernel's by which offloading of checksums is turned off: ethtool -K NAME tx off.
OFFLOAD = """
import array, fcntl, socket, struct, sys
value = array.array("B", struct.pack("II", 0x17, 0))
request = struct.pack("16sP", sys.argv[1].encode(), value.buffer_info()[0])
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8946, request)
"""
FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=10).read().decode().split('\\n')[-2])"


def ip(*words):
    """Run ip(8) on this machine."""
    subprocess.run(["ip", *words], check=True, timeout=20, capture_output=True)


def within(host, *words):
    """What a command of this machine prints in the network of a host."""
    command = ["ip", "netns", "exec", "kvmstack-" + host if host else "kvmstack", *words]
    return subprocess.run(command, check=True, timeout=60, capture_output=True, text=True).stdout


def plug(host):
    """Give a host an interface on the wire, without offloading: Open vSwitch sees frames as they are sent."""
    end = "wire-" + host
    ip("-n", "kvmstack", "link", "add", end, "type", "veth", "peer", "name", "eth2", "netns", "kvmstack-" + host)
    ip("-n", "kvmstack", "link", "set", end, "master", BRIDGE, "up")
    within(host, sys.executable, "-c", OFFLOAD, "eth2")
    within("", sys.executable, "-c", OFFLOAD, end)


def unplug(site):
    """Take the wire and the switch of the machine on it away; what is not there is not missed."""
    site.on(MACHINE, "ovs-vsctl --if-exists del-br outside")
    ends = [["-n", "kvmstack-" + host, "link", "delete", "eth2"] for host in (*WIRED, MACHINE)]
    for words in (*ends, ["-n", "kvmstack", "link", "delete", BRIDGE]):
        subprocess.run(["ip", *words], check=False, timeout=20, capture_output=True)


class Wire:
    """The inventory that says who is on the wire, and the playbooks run by it."""

    def __init__(self, site, path):
        self.site, self.path = site, path

    def says(self, mappings, hosts=WIRED):
        said = {"compute_host_bridge_mappings": mappings}
        self.path.write_text(json.dumps({"all": {"hosts": dict.fromkeys(hosts, said)}}))

    @property
    def options(self):
        return ("--inventory", str(self.path))

    def prepare(self, *options, status=0, playbook="prepare.yml"):
        limit = ("--limit", "compute-1,compute-2")
        return self.site.run(playbook, {}, *self.options, *limit, *options, status=status)

    def connect(self, *options, status=0):
        """The part of it that the wire is."""
        return self.prepare(*options, status=status, playbook=str(ROOT / "molecule/default/wires.yml"))

    def launch(self, wanted, *options, status=0):
        return self.site.launch(wanted, *self.options, *options, status=status)


@pytest.fixture(scope="module")
def wire(site, tmp_path_factory):
    """The wire, with two of the hosts and a machine on it."""
    folder = tmp_path_factory.mktemp("wire")
    (folder / "page").write_text("x" * SIZE)
    unplug(site)
    ip("-n", "kvmstack", "link", "add", BRIDGE, "up", "type", "bridge")
    for host in (*WIRED, MACHINE):
        plug(host)
    site.on(MACHINE, SWITCH)
    server = subprocess.Popen(
        [
            "ip",
            "netns",
            "exec",
            "kvmstack-" + MACHINE,
            sys.executable,
            "-m",
            "http.server",
            "8080",
            "--directory",
            str(folder),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    found = Wire(site, folder / "wire.json")
    found.says(MAPPINGS)
    yield found
    if any(bridges(site, host)[0] for host in WIRED):
        site.destroy(request("flat", "far", "vlan", "nowhere"))
        found.says({})
        found.connect()
    server.kill()
    server.wait()
    unplug(site)


def guest(name, host, network, machine, **entry):
    """A guest on a wire, which tries its machine."""
    return request(
        name,
        image="demo",
        networks=[{"network": network, "security_groups": ["default", "open"], **entry}],
        user_data=SCRIPT.replace("MACHINE", machine),
        volumes=[],
        scheduler_hints=on_host(host),
    )["launch_instances"]


def wanted(*guests):
    whole = {**request(), "launch_networks": NETWORKS, "launch_security_groups": GROUPS}
    return {**whole, "launch_instances": [entry for each in guests for entry in each]}


FLAT = guest("flat", "compute-1", "wire", OUTSIDE)
FAR = guest("far", "compute-2", "wire", OUTSIDE, fixed_ip="172.30.0.55")
TAGGED = guest("vlan", "compute-1", "tagged", VLAN)


def bridges(site, host):
    """A host's bridges, which of them is mapped, and what is in it."""
    ids = "ovs-vsctl --if-exists get Open_vSwitch . external_ids:ovn-bridge-mappings"
    ports = "ovs-vsctl list-ports br-ex 2> /dev/null || true"
    return site.on(host, ids).strip().strip('"'), site.on(host, ports).split()


def fetch(address, seconds=30):
    """The last line of a guest's page, as the machine on the wire sees it."""
    ends = time.monotonic() + seconds
    while True:
        try:
            return within(MACHINE, sys.executable, "-c", FETCH, "http://%s/" % address).strip()
        except subprocess.CalledProcessError:
            if time.monotonic() > ends:
                raise
            time.sleep(1)


def test_a_host_is_connected_to_the_wire_once(site, wire):
    before = [bridges(site, host) for host in WIRED]
    run = wire.connect("--check", "--diff")
    assert "physical_network physnet1: bridge br-ex, interface eth2, datapath_type netdev" in run.output
    assert [bridges(site, host) for host in WIRED] == before == [("", [])] * 2
    wire.prepare()
    assert [bridges(site, host) for host in WIRED] == [("physnet1:br-ex", ["eth2"])] * 2


def test_the_way_to_the_host_is_no_wire(site, wire):
    wire.says({"physnet1": {"bridge": "br-ex", "interface": "eth0"}})
    try:
        run = wire.connect(status=2)
    finally:
        wire.says(MAPPINGS)
    assert "interface eth0 has the address 198.51.100.11/24, and in the bridge nobody would reach" in run.output
    assert bridges(site, "compute-1") == ("physnet1:br-ex", ["eth2"])


def test_guests_and_the_machine_reach_each_other(site, wire):
    asked = wanted(FLAT, FAR, TAGGED)
    wire.launch(asked)
    for name in ("flat", "far", "vlan"):
        text = site.console(name, "TRY-END", seconds=180)
        assert "TRY-PAGE whole." in text, text
        assert "TRY-PING 3.1500." in text, text
    [flat], [far], [vlan] = (site.record(name)["ports"] for name in ("flat", "far", "vlan"))
    assert [port["fixed_ip"] for port in (flat, far, vlan)] == ["172.30.0.50", "172.30.0.55", "172.31.0.50"]
    assert "ip=172.30.0.50/24 router=172.30.0.1" in site.console("flat", "GUEST-LEASE")
    assert "router= " in site.console("vlan", "GUEST-LEASE")
    for name, port in (("flat", flat), ("far", far), ("vlan", vlan)):
        assert "hello from %s" % name in fetch(port["fixed_ip"])
        assert port["network_info"]["physical_network"] == "physnet1"
    # The machine's switch has seen the tag on each frame.
    seen = [line.split()[1:3] for line in site.on(MACHINE, "ovs-appctl fdb/show outside").splitlines()]
    assert all(["0", port["mac_address"]] in seen for port in (flat, far))
    assert ["100", vlan["mac_address"]] in seen
    assert ["0", vlan["mac_address"]] not in seen
    localnets = [port for port in site.ports() if port["type"] == "localnet"]
    assert sorted(str(port["tag_request"]) for port in localnets) == ["100", "['set', []]"]
    assert wire.launch(asked, "--diff").changed == 0


def test_a_guest_on_the_wire_is_reached_straight(site, wire, tmp_path):
    source = tmp_path / "vms.kvmstack.yml"
    source.write_text(json.dumps({"plugin": "kvmstack.launch.instances", "database": site.database}))
    files = ["-i", str(ROOT / site.inventory), "-i", str(wire.path), "-i", str(source)]
    done = subprocess.run(["ansible-inventory", *files, "--host", "flat"], check=True, capture_output=True, cwd=ROOT)
    known = json.loads(done.stdout)
    assert known["ansible_host"] == "172.30.0.50"
    assert "Proxy" not in known["ansible_ssh_common_args"]


def test_a_host_without_the_wire_gets_none(site, wire):
    nowhere = wanted(guest("nowhere", "compute-3", "wire", OUTSIDE))
    run = wire.launch(nowhere, status=2)
    assert "have no bridge mapping for physnet1" in run.output
    outside_pool = wanted(guest("nowhere", "compute-1", "wire", OUTSIDE, fixed_ip="172.30.0.77"))
    site.destroy(request("nowhere"))
    run = wire.launch(outside_pool, status=2)
    assert "fixed_ip 172.30.0.77 is outside the allocation_pool of network wire" in run.output
    site.destroy(request("nowhere"))


def test_who_runs_on_a_host_without_the_wire_gets_none(site, wire):
    inner = {"inner": {"cidr": "10.44.0.0/24"}}
    [plain], [both] = (
        request("nowhere", networks=networks, volumes=[], scheduler_hints=on_host("compute-3"))["launch_instances"]
        for networks in (["inner"], ["inner", "wire"])
    )
    asked = {**wanted([plain]), "launch_networks": {**NETWORKS, **inner}}
    wire.launch(asked)
    before = site.state()
    for options, status in ((("--check", "--diff"), 0), ((), 2)):
        run = wire.launch({**asked, "launch_instances": [both]}, *options, status=status)
        assert "it runs on host compute-3, which has no bridge mapping for physnet1 of network wire" in run.output
        assert site.state() == before
    assert wire.launch(asked).changed == 0
    site.destroy(request("nowhere"))


def test_all_of_it_is_there_after_a_boot(site, wire):
    site.on("compute-1", "ip link set eth2 down")
    site.reboot("compute-1", "flat")
    site.console("flat", "GUEST-READY", seconds=120)
    assert "hello from flat" in fetch("172.30.0.50", seconds=90)
    assert wire.prepare().changed == 0


def test_all_of_it_goes(site, wire):
    site.destroy(request("flat", "far", "vlan"))
    assert [port for port in site.ports() if port["type"] == "localnet"] == []
    wire.says({})
    assert wire.connect().changed >= len(WIRED)
    assert [bridges(site, host) for host in WIRED] == [("", [])] * 2
    assert wire.connect().changed == 0
    units = site.on("compute-1", "systemctl list-unit-files 'kvmstack-link@*' --state enabled --no-legend || true")
    assert "eth2" not in units
