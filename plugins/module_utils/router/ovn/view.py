# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the northbound has of routers at one moment, in the model's terms."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

from ...core.errors import Conflict
from ...network.definition import Network
from ...network.model import Item as NetworkItem
from ...network.names import Name, name_in
from ...network.ovn import view as networks
from ...network.ovn.conditions import references
from ...network.ovn.rows import mark, name_of, project_of
from ...network.ovn.view import Unreadable, reading, try_read
from ..definition import read_router
from ..model import Item
from .marks import EXTERNAL, JOINS, OF_ROUTER, named_router, router_name
from .rows import (
    OPTIONS,
    chassis,
    router_ids,
    router_ports,
    source_nats,
    static_routes,
    switch_ports,
)


class View:
    """The routers by their full names, and the rows of each. Valid until the replica next changes."""

    def __init__(self, tables: Any, of_networks: networks.View):
        self.tables = tables
        self.networks = of_networks
        self.routers = defaultdict(list)
        for row in tables["Logical_Router"].rows.values():
            self.routers[row.name].append(row)
        self.groups = {row.name: row for row in tables["HA_Chassis_Group"].rows.values()}
        self.ports, self.nats, self.routes, self.switch_ports = (
            _by_router(tables[table])
            for table in ("Logical_Router_Port", "NAT", "Logical_Router_Static_Route", "Logical_Switch_Port")
        )
        self._read: dict[Name, Any] = {}

    def router(self, name: Name) -> Item | None:
        """The router of this name; Conflict if its logical router is not ours."""
        if name not in self._read:
            self._read[name] = self._read_router(name)
        return self._read[name]

    def row(self, name: Name) -> Any:
        """The router's row, or None."""
        return next(iter(self.routers[router_name(name)]), None)

    def joined(self, name: Name) -> tuple[Network, ...]:
        """The networks that name this router as theirs, by name."""
        rows = (row for found in self.networks.switches.values() for row in found)
        found = [self._definition(row) for row in rows if named_router(row) == name]
        return tuple(sorted(filter(None, found), key=lambda network: network.name))

    def network_of(self, row: Any) -> Network | None:
        """The network that a row says that it is of."""
        switch = next(iter(self.networks.switches[row.external_ids.get(mark(JOINS), "")]), None)
        return self._definition(switch) if switch else None

    def _definition(self, switch: Any) -> Network | None:
        """The network of a switch of ours; Unreadable, as a router would lose one that is taken for none."""
        item = try_read(self.networks.network, name_of(switch.external_ids, "network"))
        if isinstance(item, Unreadable):
            raise item
        return replace(item.definition, in_sync=True) if isinstance(item, NetworkItem) else None

    def _read_router(self, name: Name) -> Item | None:
        called = router_name(name)
        rows = self.routers[called]
        if not rows:
            self._check_group(called)
            return None
        ids = rows[0].external_ids
        if len(rows) > 1 or name_in(project_of(ids), ids.get(mark("router"))) != name or mark("definition") not in ids:
            raise Conflict(
                "logical router %s is not ours: give the router another name, or remove the logical router" % called
            )
        self._check_group(called)
        item = self._item(name, rows[0])
        return item if self._as_written(item, rows[0]) else replace(item, in_sync=False)

    def _check_group(self, called: str) -> None:
        """Conflict if the group of gateways that has the router's name is another's."""
        group = self.groups.get(called)
        if group is not None and group.external_ids.get(mark(OF_ROUTER)) != called:
            raise Conflict(
                "HA chassis group %s is not ours: give the router another name, or remove the group" % called
            )

    def _item(self, name: Name, row: Any) -> Item:
        """The router as its rows tell."""
        ids, ports = row.external_ids, self.ports[row.name]
        inner = [self.network_of(port) for port in ports if mark(EXTERNAL) not in port.external_ids]
        outer = next((port for port in ports if mark(EXTERNAL) in port.external_ids), None)
        group = self.groups.get(row.name)
        hosts = sorted(group.ha_chassis if group else (), key=lambda each: (-each.priority, each.chassis_name))
        with reading("logical router %s" % row.name):
            definition = read_router(name.name, project_of(ids), ids[mark("definition")])
        return Item(
            definition=definition,
            networks=tuple(sorted(filter(None, inner), key=lambda network: (network.name, network.full_name))),
            external=self.network_of(outer) if outer else None,
            external_ip=_address(outer, ipv6=False),
            external_ipv6=_address(outer, ipv6=True),
            gateways=tuple(each.chassis_name for each in hosts),
            keep=ids.get(mark("keep")) != "false",
            record_id=ids.get(mark("record")),
        )

    def _as_written(self, item: Item, row: Any) -> bool:
        """Whether the rows are what we would write for this router."""
        ours = {key: value for key, value in row.external_ids.items() if key.startswith(mark(""))}
        group = self.groups.get(row.name)
        hosts = sorted((each.chassis_name, each.priority) for each in group.ha_chassis) if group else []
        linked = {row.uuid for row in self.ports[row.name]} <= set(references(row, "ports"))
        return (
            ours == router_ids(item)
            and OPTIONS.items() <= row.options.items()
            and linked
            and hosts == sorted(chassis(item))
            and have(self.ports[row.name], router_ports(item))
            and all(
                bool(port.ha_chassis_group) == (mark(EXTERNAL) in port.external_ids) for port in self.ports[row.name]
            )
            and have(self.switch_ports[row.name], switch_ports(item))
            and are(self.source_nats(row.name), source_nats(item))
            and are(self.routes[row.name], static_routes(item))
        )

    def source_nats(self, called: str) -> list[Any]:
        """The rows by which guests leave with the router's address."""
        return [row for row in self.nats[called] if row.type == "snat"]


def _address(port: Any, ipv6: bool) -> str | None:
    """The first address of a family that a router's port has."""
    addresses = (text.partition("/")[0] for text in (port.networks if port else ()))
    return next((address for address in addresses if (":" in address) == ipv6), None)


def have(rows: list[Any], columns: dict[str, dict[str, Any]]) -> bool:
    """Whether these are the rows of these names, with these columns."""
    there = {row.name: {column: getattr(row, column) for column in columns.get(row.name, ())} for row in rows}
    return there == columns and len(rows) == len(columns)


def are(rows: list[Any], columns: list[dict[str, Any]]) -> bool:
    """Whether these are the rows with these columns, in whatever order."""
    names = list(columns[0]) if columns else ["external_ids"]
    there = [{name: getattr(row, name) for name in names} for row in rows]
    return sorted(map(str, map(_ordered, there))) == sorted(map(str, map(_ordered, columns)))


def _ordered(columns: dict[str, Any]) -> list[Any]:
    return [
        (key, sorted(value.items()) if isinstance(value, dict) else value) for key, value in sorted(columns.items())
    ]


def _by_router(table: Any) -> defaultdict[str, list]:
    """The rows of ours by the logical router that they say they are of."""
    found = defaultdict(list)
    for row in table.rows.values():
        if mark(OF_ROUTER) in row.external_ids:
            found[row.external_ids[mark(OF_ROUTER)]].append(row)
    return found
