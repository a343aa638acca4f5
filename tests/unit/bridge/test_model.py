# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules about bridges on wires, as tables: what is made, kept, taken back, and above all refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.bridge.model import (
    Bridge,
    Current,
    Link,
    Switch,
    as_text,
    plan,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.bridge.request import parse
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest

WIRE = Bridge("physnet1", "br-ex", "eth2", "system")
FREE = {"eth0": Link(addresses=("192.0.2.11/24",)), "eth2": Link(up=False)}
NEW = Current(links=FREE, routes=frozenset({"eth0"}))
MADE = Current(
    made={"physnet1": WIRE},
    mappings={"physnet1": "br-ex"},
    switches={"br-ex": Switch("system", True, frozenset({"eth2"}))},
    links={"eth0": FREE["eth0"], "eth2": Link(master="ovs-system"), "ovs-system": Link()},
    routes=frozenset({"eth0"}),
    kept_up=frozenset({"eth2"}),
)


def with_links(**links):
    return replace(NEW, links={**FREE, **links})


@pytest.mark.parametrize(
    ("wanted", "current", "actions"),
    [
        pytest.param([], NEW, [], id="nothing"),
        pytest.param([WIRE], NEW, ["create"], id="new"),
        pytest.param([WIRE], MADE, ["keep"], id="as it is"),
        pytest.param([], MADE, ["delete"], id="not named any more"),
        pytest.param([replace(WIRE, bridge="br-two")], MADE, ["update"], id="the interface goes to another bridge"),
        pytest.param([replace(WIRE, interface=None)], MADE, ["update"], id="the wire's way becomes the user's"),
        pytest.param([replace(WIRE, datapath_type="netdev")], MADE, ["update"], id="another datapath"),
        pytest.param(
            [replace(WIRE, physical_network="two")], MADE, ["delete", "create"], id="another name of the wire"
        ),
        pytest.param([WIRE], replace(MADE, mappings={}), ["update"], id="the mapping is gone"),
        pytest.param([WIRE], replace(MADE, switches={}), ["update"], id="the bridge is gone"),
        pytest.param([WIRE], replace(MADE, kept_up=frozenset()), ["update"], id="nobody brings it up at boot"),
        pytest.param([WIRE], replace(MADE, links=FREE), ["update"], id="the link is down"),
        pytest.param(
            [WIRE], replace(MADE, switches={"br-ex": Switch("system", True)}), ["update"], id="the port is gone"
        ),
        pytest.param(
            [replace(WIRE, interface=None)],
            replace(NEW, switches={"br-ex": Switch("system", False, frozenset(), frozenset({"bond0"}))}),
            ["create"],
            id="a bridge of the user's, with the host's address on it",
        ),
        pytest.param([WIRE], replace(NEW, mappings={"physnet1": "br-ex"}), ["create"], id="mapped as it is to be"),
        pytest.param([WIRE], with_links(eth2=Link(addresses=())), ["create"], id="a link that is up already"),
        pytest.param(
            [WIRE],
            with_links(eth2=Link(lower="veth9"), veth9=Link(addresses=("192.0.2.11/24",), lower="eth2")),
            ["create"],
            id="one end of a pair, whose other end has an address",
        ),
    ],
)
def test_plan(wanted, current, actions):
    changes = plan(wanted, current, "present")
    assert ([change.action for change in changes], [change.error for change in changes]) == (
        actions,
        [None] * len(changes),
    )


HOSTS = Link(addresses=("192.0.2.11/24",))


@pytest.mark.parametrize(
    ("wanted", "current", "words"),
    [
        ({"interface": "eth0"}, NEW, "interface eth0 has the address 192.0.2.11/24, and in the bridge nobody would"),
        ({"interface": "eth9"}, NEW, "interface eth9 is not there"),
        ({}, replace(NEW, routes=frozenset({"eth2"})), "interface eth2 has the default route"),
        (
            {},
            with_links(vlan7=replace(HOSTS, lower="eth2")),
            "interface eth2 (vlan7 over it) has the address 192.0.2.1",
        ),
        ({}, with_links(eth2=Link(master="bond0"), bond0=HOSTS), "interface eth2 (bond0 over it) has the address"),
        (
            {},
            with_links(eth2=Link(master="bond0"), bond0=Link(), v=replace(HOSTS, lower="bond0")),
            "interface eth2 (v over it) has the address 192.0.2.11/24",
        ),
        (
            {},
            with_links(eth2=Link(master="bond0"), bond0=Link()),
            "interface eth2 belongs to bond0: take one that is f",
        ),
        ({"bridge": "br-int"}, NEW, "bridge br-int is OVN's own"),
        ({"bridge": "eth0"}, NEW, "eth0 is an interface of this host, not a bridge"),
        ({}, replace(NEW, mappings={"physnet1": "br-two"}), "it is mapped to bridge br-two already, and not by us"),
        (
            {},
            replace(NEW, switches={"br-ex": Switch("netdev")}),
            "bridge br-ex has the datapath_type netdev, and OVN's bridges have system",
        ),
        (
            {},
            replace(NEW, switches={"br-two": Switch("system", False, frozenset(), frozenset({"eth2"}))}),
            "interface eth2 is a port of bridge br-two: take it out there first",
        ),
    ],
)
def test_what_is_refused(wanted, current, words):
    [change] = plan([replace(WIRE, **wanted)], current, "present")
    assert words in str(change.error)
    assert not change.pending


def test_what_was_made_stays_whatever_the_interface_became():
    addressed = {**MADE.links, "eth2": Link(addresses=("192.0.2.99/24",), master="ovs-system")}
    [change] = plan([WIRE], replace(MADE, links=addressed), "present")
    assert (change.action, change.error) == ("keep", None)


@pytest.mark.parametrize(
    ("mappings", "words"),
    [
        ({"physnet1": {"bridge": "br-ex", "interface": "eth2;x"}}, "mappings: physnet1: interface: 'eth2;x'"),
        ({"a": {"bridge": "one", "interface": "e"}, "b": {"bridge": "two", "interface": "e"}}, "interface e is of one"),
    ],
)
def test_what_makes_no_sense(mappings, words):
    with pytest.raises(InvalidRequest, match=words):
        parse({"mappings": mappings, "datapath_type": ""})


def test_the_datapath_is_the_kernels_unless_it_is_said():
    asked = {"physnet1": {"bridge": "br-ex", "interface": "eth2"}, "two": {"bridge": "br-two", "interface": None}}
    assert parse({"mappings": asked, "datapath_type": ""}) == [WIRE, Bridge("two", "br-two", None, "system")]
    assert {each.datapath_type for each in parse({"mappings": asked, "datapath_type": "netdev"})} == {"netdev"}


def test_a_diff_is_a_line():
    assert as_text(WIRE, False) == "physical_network physnet1: bridge br-ex, interface eth2, datapath_type system\n"
    assert "drift" in as_text(replace(WIRE, in_sync=False), False)
