# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gateways on a host whose commands are only noted down; the files are real."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import LaunchError, Unavailable
from ansible_collections.kvmstack.launch.plugins.module_utils.gateway import host, peers
from ansible_collections.kvmstack.launch.plugins.module_utils.gateway.model import Peer, Use, plan

from .test_model import DUAL, A, B

WEB, DB = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"
UNITS = Path(__file__).parents[3] / "roles" / "compute_host" / "templates"
UNIT = "kvmstack-gateway@%s.service" % A.interface


class Machine:
    """What runs on a host, and what it was told."""

    def __init__(self, path, monkeypatch):
        self.path, self.said, self.broken, self.up, self.routes, self.routes_6 = path, [], None, set(), "[]", "[]"
        self.peers, self.enabled = [], set()
        self.forwarding_6 = path / "forwarding"
        self.forwarding_6.write_text("0\n")
        monkeypatch.setattr(host, "IP6_FORWARD", str(self.forwarding_6))
        monkeypatch.setattr(host, "command", self.command)
        monkeypatch.setattr(peers, "found", lambda: self.peers)
        monkeypatch.setattr(host.Gateways, "_is_up", lambda _self, port: host.interface_name(port) in self.up)

    def command(self, *words, package):
        self.said.append(" ".join(words))
        if words[:3] == ("ip", "-json", "route"):
            return self.routes
        if words == ("ip", "-6", "-json", "route"):
            return self.routes_6
        if self.broken and self.broken in self.said[-1]:
            raise Unavailable("it is broken")
        interface = words[-1].partition("@")[2].partition(".")[0]
        if words[1] == "enable":
            self.enabled.add(interface)
        elif words[1] == "restart":
            self.up.add(interface)
        elif words[1] == "disable":
            self.enabled.discard(interface)
            self.up.discard(interface)
        return ""

    def run(self, *uses, state="present"):
        """The actions, and the errors, of one run."""
        self.said.clear()
        stage = host.connect({"state_path": str(self.path)})
        changes = plan(uses, stage.read(list(uses)), state)
        outcome = stage.apply([change for change in changes if change.pending])
        errors = [str(each) for each in outcome.values() if isinstance(each, LaunchError)]
        return [change.action for change in changes], errors

    def kept(self):
        folder = self.path / "gateways"
        return sorted(name for name in os.listdir(folder) if (folder / name).is_dir()) if folder.exists() else []


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


def test_the_first_user_makes_it_and_the_last_takes_it_away(machine):
    assert machine.run(Use(WEB, (A,)), Use(DB, (A, B))) == (["create", "create"], [])
    assert machine.kept() == sorted([A.interface, B.interface])
    assert [said for said in machine.said if "restart" in said and A.interface in said] == ["systemctl restart " + UNIT]
    listed = [each.to_result() for each in host.find({"state_path": str(machine.path)})]
    assert [(each["interface"], each["up"], each["instances"]) for each in listed] == [
        (A.interface, True, [WEB, DB]),
        (B.interface, True, [DB]),
    ]
    assert machine.run(Use(WEB, (A,)), Use(DB, (A, B))) == (["keep", "keep"], [])
    assert machine.said == []
    assert machine.run(Use(WEB), state="absent") == (["delete"], [])
    assert machine.kept() == sorted([A.interface, B.interface])
    assert machine.run(Use(DB), state="absent") == (["delete"], [])
    assert machine.kept() == []
    assert "ovs-vsctl --timeout=20 --if-exists del-port " + A.interface in machine.said
    assert machine.run(Use(DB), state="absent") == (["keep"], [])


def test_who_makes_this_host_a_router_is_the_unit_and_nobody_makes_it_none(machine):
    machine.run(Use(WEB, (DUAL,)))
    machine.forwarding_6.write_text("1\n")
    machine.run(Use(WEB), state="absent")
    assert machine.forwarding_6.read_text() == "1\n"
    assert not any("forward" in said for said in machine.said)
    unit = (UNITS / "gateway.service").read_text()
    assert "net.ipv4.ip_forward=1" in unit
    assert "net.ipv4.ip_forward=0" not in unit


def test_a_network_of_ipv4_alone_asks_for_nothing_of_ipv6(machine):
    machine.forwarding_6.unlink()
    assert machine.run(Use(WEB, (B,))) == (["create"], [])
    assert not any("-6" in said for said in machine.said)


def test_of_ipv6_alone_ways_of_ipv4_are_not_asked_for(machine):
    alone = replace(DUAL, address=None)
    machine.routes = '[{"dst": "10.0.0.0/8", "dev": "tun0"}]'
    assert machine.run(Use(WEB, (alone,))) == (["create"], [])
    assert machine.run(Use(WEB, (alone,))) == (["keep"], [])
    machine.run(Use(WEB), state="absent")
    assert machine.kept() == []


def test_ipv6_comes_to_a_gateway_that_is_there(machine):
    machine.run(Use(WEB, (A,)))
    assert machine.run(Use(WEB, (DUAL,))) == (["update"], [])
    assert "ip -6 -json route" in machine.said
    assert machine.said[-1] == "systemctl restart " + UNIT


def test_a_host_without_ipv6_or_with_another_way_there_makes_nothing(machine):
    machine.routes_6 = '[{"dst": "default", "dev": "eth0"}, {"dst": "fd00:20::/48", "dev": "tun0"}]'
    _actions, [error] = machine.run(Use(WEB, (DUAL,)))
    assert "network private is fd00:20::/64, but this host reaches fd00:20::/48 by its interface tun0" in error
    machine.routes_6 = "[]"
    machine.forwarding_6.unlink()
    _actions, [error] = machine.run(Use(WEB, (DUAL,)))
    assert "is IPv6 turned off?" in error
    assert machine.kept() == []


def test_a_network_less(machine):
    machine.run(Use(WEB, (A, B)))
    assert machine.run(Use(WEB, (B,))) == (["update"], [])
    assert machine.kept() == [B.interface]


def test_another_definition_takes_the_old_one_away_first(machine):
    machine.run(Use(WEB, (A,)))
    other = host.read_gateway({**A.to_record(), "address": "10.20.0.9/24"}, up=True)
    assert machine.run(Use(WEB, (other,))) == (["update"], [])
    words = [said.split()[1] for said in machine.said]
    assert words.index("disable") < words.index("enable") < words.index("restart")
    assert "ADDRESS=10.20.0.9/24" in (machine.path / "gateways" / A.interface / "environment").read_text()


def test_what_does_not_start_leaves_nothing_and_stops_no_other(machine):
    machine.broken = "restart " + UNIT
    actions, [error] = machine.run(Use(WEB, (A,)), Use(DB, (B,)))
    assert "the gateway of network private does not start: it is broken; see journalctl --unit=" + UNIT in error
    assert machine.kept() == [B.interface]
    machine.broken = None
    assert machine.run(Use(WEB, (A,))) == (["create"], [])


def test_without_the_unit_the_error_is_the_first_one(machine):
    machine.broken = "able --quiet"
    _actions, [error] = machine.run(Use(WEB, (A,)))
    assert "run prepare.yml again if there is no such unit" in error


def test_what_could_not_be_taken_away_is_taken_away_by_the_next_run(machine):
    machine.run(Use(WEB, (A,)))
    machine.broken = "del-port"
    assert machine.run(Use(WEB), state="absent") == (["delete"], ["it is broken"])
    machine.broken = None
    assert machine.run(Use(WEB), state="absent") == (["delete"], [])
    assert machine.kept() == []


def test_one_that_was_killed_in_the_middle_is_made_in_the_next_run(machine):
    machine.run(Use(WEB, (A,)))
    machine.up.clear()
    assert machine.run(Use(WEB, (A,))) == (["update"], [])
    assert A.interface in machine.up


@pytest.mark.parametrize("killed_at", ["_note", "_start"])
def test_one_that_was_killed_at_a_change_does_not_begin_as_it_was(machine, monkeypatch, killed_at):
    machine.run(Use(WEB, (A,)))
    other = host.read_gateway({**A.to_record(), "address": "10.20.0.9/24"}, up=True)

    def killed(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(host.Gateways, killed_at, killed)
        with pytest.raises(KeyboardInterrupt):
            machine.run(Use(WEB, (other,)))
    machine.up |= machine.enabled  # the host is booted
    assert machine.run(Use(WEB, (other,))) == (["update"], [])
    assert "ADDRESS=10.20.0.9/24" in (machine.path / "gateways" / A.interface / "environment").read_text()
    assert machine.up == machine.enabled == {A.interface}


def test_who_is_not_here_any_more_keeps_no_gateway(machine):
    machine.run(Use(WEB, (A,)), Use(DB, (A,)))
    os.rmdir(machine.path / "instances" / DB)
    machine.run(Use(WEB), state="absent")
    assert machine.kept() == []


def test_another_run_takes_nothing_from_an_instance_that_has_nothing_else_yet(machine):
    machine.run(Use(WEB, (A,)))
    assert os.listdir(machine.path / "instances") == [WEB]
    machine.run(Use(DB, (B,)))
    assert machine.kept() == sorted([A.interface, B.interface])
    machine.run(Use(WEB), Use(DB), state="absent")
    assert os.listdir(machine.path / "instances") == []


def test_a_host_with_another_way_there_makes_nothing(machine):
    machine.routes = '[{"dst": "10.0.0.0/8", "dev": "tun0"}]'
    _actions, [error] = machine.run(Use(WEB, (A,)))
    assert "reaches 10.0.0.0/8 by its interface tun0" in error
    assert machine.kept() == []
    machine.routes = "[]"
    machine.run(Use(WEB, (A,)))
    machine.routes = '[{"dst": "10.0.0.0/8", "dev": "tun0"}]'
    assert machine.run(Use(DB, (A,))) == (["create"], [])


def test_a_host_that_talks_to_one_of_the_addresses_makes_nothing_new(machine):
    controller = Peer("10.20.0.5", "the other end of a connection", "10.5.0.7")
    machine.peers = [controller]
    _actions, [error] = machine.run(Use(WEB, (A,)))
    assert "network private is 10.20.0.0/24, and this host would lose 10.20.0.5" in error
    assert machine.kept() == []
    machine.peers = []
    machine.run(Use(WEB, (A,)))
    machine.peers = [controller]
    assert machine.run(Use(DB, (A,))) == (["create"], [])
    assert machine.run(Use(DB, (replace(A, mtu=1400),))) == (["update"], [])
