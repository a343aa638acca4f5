# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A network leaves its router; what nothing uses any more goes with it, unless it is kept, all in one transaction.

The writer is that of networks (network/ovn/write.py).
"""

from __future__ import annotations

from typing import Any

from ...network.names import Name
from ...network.ovn.conditions import references
from ...network.ovn.rows import mark, name_of, switch_name
from .marks import EXTERNAL, JOINS, OF_ROUTER, marked


def leave(writer: Any, network: Name) -> None:
    """Take a network off its router, if it is on one; a router of no network goes, unless it is kept."""
    switch = switch_name(network)
    for port in marked(writer.tables["Logical_Router_Port"], JOINS, switch):
        if mark(EXTERNAL) in port.external_ids or port.uuid in writer.left:
            continue
        writer.left.add(port.uuid)
        for router in _named(writer, "Logical_Router", port.external_ids[mark(OF_ROUTER)]):
            _take_off(writer, router, port, switch)


def remove_router(writer: Any, router: Any) -> None:
    """Remove a router with all that is its own, and its external network if nothing else uses that."""
    called = router.name
    ports = marked(writer.tables["Logical_Router_Port"], OF_ROUTER, called)
    outer = [port for port in ports if mark(EXTERNAL) in port.external_ids]
    for port in outer:
        # A group that is referred to cannot be removed, not even with what refers to it.
        port.ha_chassis_group = []
        writer.left.add(port.uuid)
    for group in _named(writer, "HA_Chassis_Group", called):
        if group.external_ids.get(mark(OF_ROUTER)) == called:
            group.delete()
    for port in marked(writer.tables["Logical_Switch_Port"], OF_ROUTER, called):
        unplug(writer, port)
    router.delete()
    for port in outer:
        release(writer, port.external_ids[mark(JOINS)])


def release(writer: Any, switch: str) -> None:
    """Remove an external network that no port and no router uses any more, unless it is kept."""
    for row in writer.view.switches.get(switch, ()):
        name = name_of(row.external_ids, "network")
        routers = [
            port for port in marked(writer.tables["Logical_Switch_Port"], JOINS, switch) if _plugged(writer, port)
        ]
        kept = row.external_ids.get(mark("keep")) != "false"
        if not kept and not routers and not writer.view.guests(name):
            writer.remove_network(name)


def unplug(writer: Any, port: Any) -> None:
    """Take a router's port from its switch."""
    for switch in writer.view.switches.get(port.external_ids[mark(JOINS)], ()):
        if port.uuid in references(switch, "ports") and _plugged(writer, port):
            switch.delvalue("ports", port)
    writer.left.add(port.uuid)


def _take_off(writer: Any, router: Any, port: Any, switch: str) -> None:
    """Take a network's port, and what is translated for the network, from the router."""
    writer.verify(router, "ports")
    router.delvalue("ports", port)
    for nat in marked(writer.tables["NAT"], JOINS, switch):
        if nat.uuid in references(router, "nat"):
            router.delvalue("nat", nat)
    for plug in marked(writer.tables["Logical_Switch_Port"], JOINS, switch):
        if plug.external_ids.get(mark(OF_ROUTER)) == router.name:
            unplug(writer, plug)
    ways_out = {each.uuid for each in marked(writer.tables["Logical_Router_Port"], EXTERNAL, "true")}
    if (
        not set(references(router, "ports")) - ways_out - writer.left
        and router.external_ids.get(mark("keep")) == "false"
    ):
        remove_router(writer, router)


def _plugged(writer: Any, port: Any) -> bool:
    return port.uuid not in writer.left


def _named(writer: Any, table: str, name: str) -> list[Any]:
    return [row for row in writer.tables[table].rows.values() if row.name == name]
