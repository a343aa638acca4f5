# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bridges in a real database of Open vSwitch, without its switch; interfaces and units are only noted down."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.bridge import host, model, request
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, LaunchError
from ansible_collections.kvmstack.launch.tests.unit.ovsdb import Server

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
WIRE = {"physnet1": {"bridge": "br-ex", "interface": "eth2"}}
TWO = {**WIRE, "two": {"bridge": "br-two", "interface": "eth3"}}


class Machine:
    """A host's Open vSwitch, its interfaces by name with their addresses, and the units that are enabled."""

    def __init__(self, folder, monkeypatch):
        self.wants = os.path.join(folder, "wants")
        self.links = {"eth0": ["192.0.2.11"], "eth2": [], "eth3": []}
        self.up = {"eth0"}
        self.server = Server(folder, SCHEMA, "ovs-vsctl")
        self.vsctl("init")
        monkeypatch.setattr(host, "command", self.command)
        monkeypatch.setattr(host, "WANTS", self.wants)

    def vsctl(self, *words):
        """Nobody is there who would make the switch what the database says."""
        command = ["ovs-vsctl", "--timeout=10", "--no-wait", "--db=" + self.server.endpoint, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout

    def command(self, *words, package):
        assert package
        if words[0] == "ovs-vsctl":
            return self.vsctl(*words[2:])
        if words[0] == "ip":
            return self.ip(*words[2:])
        verb, unit = words[1], words[-1]
        link, path = unit.partition("@")[2].partition(".")[0], os.path.join(self.wants, unit)
        if verb == "enable":
            os.makedirs(self.wants, exist_ok=True)
            open(path, "w").close()
        elif verb == "disable":
            os.unlink(path)
        elif verb == "restart":
            self.up.add(link)
        return ""

    def ip(self, *words):
        if words == ("address", "show"):
            return json.dumps([self.link(name, addresses) for name, addresses in self.links.items()])
        return json.dumps([{"dst": "default", "nexthops": [{"dev": "eth0"}]}] if words[0] == "-4" else [])

    def link(self, name, addresses):
        told = [{"local": address, "prefixlen": 24, "scope": "global"} for address in addresses]
        told.append({"local": "fe80::1", "prefixlen": 64, "scope": "link"})
        return {"ifname": name, "flags": ["UP"] if name in self.up else [], "addr_info": told}

    def run(self, mappings):
        """The actions and the errors of a run."""
        stage = host.connect({})
        wanted = request.parse({"mappings": mappings, "datapath_type": "netdev"})
        changes = model.plan(wanted, stage.read(wanted), "present")
        outcome = stage.apply([change for change in changes if change.pending])
        assert not any(isinstance(each, LaunchError) for each in outcome.values())
        return [change.action for change in changes], [str(change.error) for change in changes if change.error]

    @property
    def ids(self):
        return host._read().mappings

    def bridges(self):
        return {name: self.vsctl("list-ports", name).split() for name in self.vsctl("list-br").split()}


@pytest.fixture
def machine(monkeypatch):
    with tempfile.TemporaryDirectory(prefix="vs") as folder:
        made = Machine(folder, monkeypatch)
        yield made
        made.server.stop()


def test_it_comes_stays_and_goes(machine):
    before = machine.vsctl("list", "Open_vSwitch")
    assert machine.run(TWO) == (["create", "create"], [])
    assert machine.bridges() == {"br-ex": ["eth2"], "br-two": ["eth3"]}
    assert machine.vsctl("get", "Bridge", "br-ex", "datapath_type", "fail_mode").split() == ["netdev", "standalone"]
    mappings = machine.vsctl("get", "Open_vSwitch", ".", "external_ids:ovn-bridge-mappings")
    assert mappings.strip() == '"physnet1:br-ex,two:br-two"'
    assert (machine.up, sorted(os.listdir(machine.wants))) == (
        {"eth0", "eth2", "eth3"},
        ["kvmstack-link@eth2.service", "kvmstack-link@eth3.service"],
    )
    assert machine.run(TWO) == (["keep", "keep"], [])
    assert machine.run(WIRE) == (["delete", "keep"], [])
    assert (machine.bridges(), machine.ids) == ({"br-ex": ["eth2"]}, {"physnet1": "br-ex"})
    assert machine.run({}) == (["delete"], [])
    assert (machine.bridges(), os.listdir(machine.wants)) == ({}, [])
    assert "external_ids        : {}" in machine.vsctl("list", "Open_vSwitch")
    assert "external_ids        : {}" in before
    assert machine.run({}) == ([], [])


def test_what_others_made_stays(machine):
    machine.vsctl(
        "add-br", "theirs", "--", "set", "Bridge", "theirs", "datapath_type=netdev", "--", "add-port", "theirs", "bond0"
    )
    machine.vsctl("set", "Open_vSwitch", ".", "external_ids:ovn-bridge-mappings=other:theirs")
    mine = {"physnet1": {"bridge": "theirs", "interface": "eth2"}}
    assert machine.run(mine) == (["create"], [])
    assert (machine.bridges(), machine.ids) == (
        {"theirs": ["bond0", "eth2"]},
        {"other": "theirs", "physnet1": "theirs"},
    )
    assert machine.run(mine) == (["keep"], [])
    assert machine.run({}) == (["delete"], [])
    assert (machine.bridges(), machine.ids) == ({"theirs": ["bond0"]}, {"other": "theirs"})
    # A bridge of ours into which others have put a port becomes theirs.
    machine.run(WIRE)
    machine.vsctl("add-port", "br-ex", "tap0")
    machine.run({})
    assert machine.bridges() == {"br-ex": ["tap0"], "theirs": ["bond0"]}
    machine.run({"two": {"bridge": "br-ex", "interface": "eth3"}})
    machine.run({})
    assert machine.bridges() == {"br-ex": ["tap0"], "theirs": ["bond0"]}


def test_what_ovn_puts_into_it_is_nobodys(machine):
    machine.run(WIRE)
    patch = ("add-port", "br-ex", "patch", "--", "set", "Port", "patch", "external_ids:ovn-localnet-port=provnet-a")
    machine.vsctl(*patch)
    assert machine.run(WIRE) == (["keep"], [])
    machine.run({})
    assert machine.bridges() == {}


def test_what_is_changed_is_mended_and_moved(machine):
    machine.run(WIRE)
    machine.vsctl("del-port", "eth2")
    assert machine.run(WIRE) == (["update"], [])
    machine.up.discard("eth2")
    assert machine.run(WIRE) == (["update"], [])
    assert (machine.bridges(), "eth2" in machine.up) == ({"br-ex": ["eth2"]}, True)
    assert machine.run({"physnet1": {"bridge": "br-ex", "interface": "eth3"}}) == (["update"], [])
    assert (machine.bridges(), os.listdir(machine.wants)) == ({"br-ex": ["eth3"]}, ["kvmstack-link@eth3.service"])
    assert machine.run({"physnet1": {"bridge": "br-new", "interface": "eth3"}}) == (["update"], [])
    assert (machine.bridges(), machine.ids) == ({"br-new": ["eth3"]}, {"physnet1": "br-new"})


def test_one_that_is_refused_stops_no_other(machine):
    actions, errors = machine.run({**WIRE, "two": {"bridge": "br-two", "interface": "eth0"}})
    assert actions == ["create", "keep"]
    assert "interface eth0 has the address 192.0.2.11/24" in errors[0]
    assert machine.bridges() == {"br-ex": ["eth2"]}


@pytest.mark.parametrize("written", ["[{", "5", '"text"', '{"physnet1": "br-ex"}', '[{"bridge": "br-ex"}]', "[[]]"])
def test_what_nobody_of_ours_has_written_down_is_told_and_can_be_mended(machine, written):
    machine.run(WIRE)
    key = "kvmstack-bridges"
    machine.vsctl("set", "Open_vSwitch", ".", "external_ids:%s=%s" % (key, json.dumps(written)))
    with pytest.raises(Conflict) as told:
        machine.run(WIRE)
    assert "external_ids:%s of this host's Open vSwitch" % key in str(told.value)
    [mend] = re.findall("`ovs-vsctl (.*?)`", str(told.value))
    machine.vsctl(*mend.split())
    assert machine.run(WIRE) == (["create"], [])
    assert machine.run(WIRE) == (["keep"], [])
    assert machine.bridges() == {"br-ex": ["eth2"]}
