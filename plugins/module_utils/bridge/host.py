# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bridges on the wires of a compute host, in its Open vSwitch: what is made is one transaction, and its own record.

external_ids:kvmstack-bridges of the table Open_vSwitch has what was made; bridges and ports that we made say so. All of
that lasts over a boot; an interface is brought up by the unit kvmstack-link@INTERFACE (the role compute_host).
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Any, Iterator, Mapping

from ..core.change import Change
from ..core.command import command
from ..core.errors import Conflict, LaunchError
from .model import Bridge, Current, Link, Switch

RECORD, MAPPINGS, MARK = "kvmstack-bridges", "ovn-bridge-mappings", "kvmstack"
# What ovn-controller puts into the bridges itself.
OF_OVN = ("ovn-localnet-port", "ovn-l3gateway-port")
# The units that Open vSwitch brings along.
WANTS = "/etc/systemd/system/ovs-vswitchd.service.wants"
UNIT = "kvmstack-link@%s.service"


class Bridges:
    """Reads and changes the bridges of this host."""

    def __init__(self) -> None:
        self.current = Current()

    def read(self, wanted: list[Bridge]) -> Current:
        """What there is."""
        self.current = _read()
        return self.current

    def apply(self, changes: list[Change]) -> dict[str, Bridge | LaunchError]:
        """Make the bridges that are to be, and take away those that are not."""
        if not changes:
            return {}
        made = dict(self.current.made)
        for change in changes:
            made.pop(change.key, None)
            made.update({change.key: change.after} if change.after else {})
        going = [change.before for change in changes if change.before is not None]
        coming = [change.after for change in changes if change.after is not None]
        up = {bridge.interface for bridge in made.values() if bridge.interface}
        for interface in sorted({bridge.interface for bridge in going if bridge.interface} - up):
            command("systemctl", "disable", "--quiet", "--now", UNIT % interface, package="systemd")
        words = [*_removals(going, made, self.current), *_additions(coming, self.current)]
        command("ovs-vsctl", "--timeout=20", *words, *_record(made, self.current), package="openvswitch-switch")
        for bridge in coming:
            if bridge.interface:
                # One that was brought up before, and is down, is not up for its unit's being active.
                command("systemctl", "enable", "--quiet", UNIT % bridge.interface, package="systemd")
                command("systemctl", "restart", UNIT % bridge.interface, package="systemd")
        return {bridge.key: bridge for bridge in coming}


def connect(params: Mapping[str, Any]) -> Bridges:
    """The bridges of this host."""
    return Bridges()


def _removals(going: list[Bridge], made: Mapping[str, Bridge], current: Current) -> list[str]:
    """The words that take away what we made of these, as far as the bridges that are to be need none of it."""
    words = []
    kept = {bridge.bridge: bridge.interface for bridge in made.values()}
    for bridge in going:
        switch = current.switches.get(bridge.bridge)
        if switch is None:
            continue
        ports = sorted(switch.our_ports - {kept.get(bridge.bridge)})
        if bridge.bridge not in kept and switch.ours and not switch.other_ports:
            words += ["--", "--if-exists", "del-br", bridge.bridge]
            continue
        for port in ports:
            words += ["--", "--if-exists", "del-port", bridge.bridge, port]
        if bridge.bridge not in kept and switch.ours:
            # Others have ports in it: it is theirs now.
            words += ["--", "remove", "Bridge", bridge.bridge, "external_ids", MARK]
    return words


def _additions(coming: list[Bridge], current: Current) -> list[str]:
    """The words that make these."""
    words = []
    for bridge in coming:
        switch = current.switches.get(bridge.bridge)
        words += ["--", "--may-exist", "add-br", bridge.bridge]
        if switch is None or switch.ours:
            words += ["--", "set", "Bridge", bridge.bridge, "fail_mode=standalone", "external_ids:%s=made" % MARK]
            words += ["datapath_type=" + bridge.datapath_type]
        there = switch.our_ports | switch.other_ports if switch else ()
        if bridge.interface and bridge.interface not in there:
            words += ["--", "add-port", bridge.bridge, bridge.interface]
            words += ["--", "set", "Port", bridge.interface, "external_ids:%s=made" % MARK]
    return words


def _record(made: Mapping[str, Bridge], current: Current) -> list[str]:
    """The words that write down what is ours, and map it; mappings of others stay."""
    others = {name: bridge for name, bridge in current.mappings.items() if name not in current.made}
    mappings = {**others, **{bridge.key: bridge.bridge for bridge in made.values()}}
    facts = [{key: value for key, value in asdict(bridge).items() if key != "in_sync"} for bridge in made.values()]
    texts = {
        MAPPINGS: ",".join("%s:%s" % each for each in sorted(mappings.items())),
        RECORD: json.dumps(facts, sort_keys=True) if facts else "",
    }
    words = []
    for key, text in texts.items():
        told = ["set", "Open_vSwitch", ".", "external_ids:%s=%s" % (key, json.dumps(text))]
        words += ["--", *(told if text else ["remove", "Open_vSwitch", ".", "external_ids", key])]
    return words


def _read() -> Current:
    lines = command(
        "ovs-vsctl", "--timeout=20", "--format=json",
        "--", "--columns=external_ids", "list", "Open_vSwitch",
        "--", "--columns=name,datapath_type,external_ids,ports", "list", "Bridge",
        "--", "--columns=_uuid,name,external_ids", "list", "Port",
        package="openvswitch-switch",
    ).splitlines()  # fmt: skip
    [[ids]], bridges, ports = (list(_rows(json.loads(each))) for each in lines)
    return Current(
        made=_made(ids.get(RECORD, "[]")),
        mappings=dict(each.split(":", 1) for each in ids.get(MAPPINGS, "").split(",") if ":" in each),
        switches=_switches(bridges, ports),
        links={each["ifname"]: _link(each) for each in _ip("address", "show")},
        routes=frozenset(_default_routes()),
        kept_up=frozenset(_kept_up()),
    )


def _made(written: str) -> dict[str, Bridge]:
    """What was made, as _record() has written it down; Conflict for what it cannot have written."""
    try:
        return {each["physical_network"]: Bridge(**each) for each in json.loads(written)}
    except (ValueError, TypeError, KeyError):
        raise Conflict(
            "external_ids:%s of this host's Open vSwitch, where it is written down which bridges were made, cannot "
            "be read, as somebody else wrote there: %.80s. Run `ovs-vsctl remove Open_vSwitch . external_ids %s`, and "
            "this again: what is named is taken up as it is, and other bridges are yours to take away"
            % (RECORD, written, RECORD)
        ) from None


def _switches(bridges: list[list[Any]], ports: list[list[Any]]) -> dict[str, Switch]:
    """The bridges by name. The port of the bridge itself, and what OVN connects it by, are nobody's."""
    named = {identity: (name, ids) for identity, name, ids in ports}
    switches = {}
    for name, datapath_type, ids, members in bridges:
        inside = [named[each] for each in members if each in named and named[each][0] != name]
        switches[name] = Switch(
            datapath_type=datapath_type or "system",
            ours=MARK in ids,
            our_ports=frozenset(port for port, its in inside if MARK in its),
            other_ports=frozenset(port for port, its in inside if MARK not in its and not set(OF_OVN) & its.keys()),
        )
    return switches


def _link(told: Mapping[str, Any]) -> Link:
    """An interface as `ip` tells of it. Its link-local addresses it gives itself."""
    addresses = ["%(local)s/%(prefixlen)d" % each for each in told["addr_info"] if each.get("scope") != "link"]
    return Link("UP" in told["flags"], tuple(addresses), told.get("master"), told.get("link"))


def _default_routes() -> Iterator[str]:
    """The interfaces of the default routes."""
    for family in ("-4", "-6"):
        for route in _ip(family, "route", "show", "default"):
            yield from (hop["dev"] for hop in (route, *route.get("nexthops", ())) if "dev" in hop)


def _ip(*words: str) -> list[dict[str, Any]]:
    return json.loads(command("ip", "-json", *words, package="iproute2") or "[]")


def _kept_up() -> Iterator[str]:
    """The interfaces that are brought up at boot."""
    before, after = UNIT.split("%s")
    for name in os.listdir(WANTS) if os.path.isdir(WANTS) else ():
        if name.startswith(before) and name.endswith(after):
            yield name[len(before) : -len(after)]


def _rows(table: Mapping[str, Any]) -> Iterator[list[Any]]:
    """The rows of a table as ovs-vsctl writes it (--format=json), with maps and sets as Python has them."""
    return ([_value(cell) for cell in row] for row in table["data"])


def _value(cell: Any) -> Any:
    if not isinstance(cell, list):
        return cell
    kind, value = cell
    if kind == "map":
        return dict(value)
    return [_value(each) for each in value] if kind == "set" else value
