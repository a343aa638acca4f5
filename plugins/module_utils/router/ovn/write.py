# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rows that make a router, within one transaction."""

from __future__ import annotations

from typing import Any

from ...network.names import Name
from ...network.ovn import write as networks
from ...network.ovn.rows import mark, switch_name
from ..model import Item
from .leave import release, remove_router, unplug
from .marks import EXTERNAL, JOINS, router_name
from .rows import (
    Columns,
    chassis,
    lrp_name,
    part_ids,
    router_columns,
    router_ports,
    source_nats,
    static_routes,
    switch_ports,
)
from .view import View


class Writer:
    """Fills a transaction. What a decision rests on is verified: had it changed meanwhile, nothing would be written."""

    def __init__(self, txn: Any, view: View):
        self.view = view
        self.rows = networks.Writer(txn, view.networks)

    def put(self, item: Item) -> None:
        """Make or update the router and all that is its own."""
        called, columns = router_name(item.definition.full_name), router_columns(item)
        row = self.view.row(item.definition.full_name)
        if row is None:
            # Two logical routers can have one name: who makes one too must see this one first.
            self.rows.number()
            row = self.rows.insert("Logical_Router", {"name": called, **columns})
        else:
            for column in ("external_ids", "ports"):
                self.rows.verify(row, column)
            options = {**row.options, **columns["options"]}
            self.rows.set(row, {"options": options}, columns["external_ids"])
        self._claim(item)
        group = self._put_group(item, called)
        left = self._put_ports(row, item, called, group)
        self._put_switch_ports(item, called)
        self._put_list(row, "nat", "NAT", self.view.source_nats(called), source_nats(item))
        routes = self.view.routes[called]
        self._put_list(row, "static_routes", "Logical_Router_Static_Route", routes, static_routes(item))
        for switch in left:
            release(self.rows, switch)

    def remove(self, name: Name) -> None:
        """Remove the router."""
        row = self.view.row(name)
        self.rows.verify(row, "ports")
        remove_router(self.rows, row)

    def _claim(self, item: Item) -> None:
        """Who gives out an address of the external network at the same time must see that this one is given."""
        if item.external is None:
            return
        outer = lrp_name(item, item.external)
        wanted = router_ports(item)[outer]["networks"]
        ports = {row.name: row for row in self.view.ports[router_name(item.definition.full_name)]}
        if outer not in ports or ports[outer].networks != wanted:
            self.rows.verify(self._switch(switch_name(item.external.full_name)), "ports")
            self.rows.number()

    def _put_group(self, item: Item, called: str) -> Any:
        """The group of the hosts that may be the way out; None where there is none."""
        group, wanted = self.view.groups.get(called), dict(chassis(item))
        if not wanted:
            if group is not None:
                for port in self.view.ports[called]:
                    port.ha_chassis_group = []
                group.delete()
            return None
        if group is None:
            group = self.rows.insert("HA_Chassis_Group", {"name": called, "external_ids": part_ids(item)})
        there = {each.chassis_name: each for each in getattr(group, "ha_chassis", ())} if group._data else {}
        for host, each in there.items():
            if host not in wanted:
                group.delvalue("ha_chassis", each)
            elif each.priority != wanted[host]:
                each.priority = wanted[host]
        for host in wanted.keys() - there.keys():
            columns = {"chassis_name": host, "priority": wanted[host]}
            group.addvalue("ha_chassis", self.rows.insert("HA_Chassis", columns))
        return group

    def _put_ports(self, router: Any, item: Item, called: str, group: Any) -> list[str]:
        """Make the router's ports what they are to be; the switches of external networks that it has left."""
        wanted, there = router_ports(item), {row.name: row for row in self.view.ports[called]}
        for name, columns in wanted.items():
            outer = mark(EXTERNAL) in columns["external_ids"]
            row = there.get(name)
            if row is None:
                row = self.rows.insert("Logical_Router_Port", {"name": name, **columns})
                router.addvalue("ports", row)
            else:
                self.rows.set(row, columns, columns["external_ids"])
            if outer and (row._data is None or row.ha_chassis_group != [group]):
                row.ha_chassis_group = [group]
        left = []
        for name, row in there.items():
            if name not in wanted:
                if mark(EXTERNAL) in row.external_ids:
                    row.ha_chassis_group = []
                    left.append(row.external_ids[mark(JOINS)])
                router.delvalue("ports", row)
        return left

    def _put_switch_ports(self, item: Item, called: str) -> None:
        """Plug the router into its networks' switches, and out of others."""
        wanted, there = switch_ports(item), {row.name: row for row in self.view.switch_ports[called]}
        for name, columns in wanted.items():
            if name in there:
                self.rows.set(there[name], columns, columns["external_ids"])
                continue
            switch = self._switch(columns["external_ids"][mark(JOINS)])
            self.rows.verify(switch, "ports")
            switch.addvalue("ports", self.rows.insert("Logical_Switch_Port", {"name": name, **columns}))
        for name, row in there.items():
            if name not in wanted:
                unplug(self.rows, row)

    def _put_list(self, router: Any, column: str, table: str, rows: list[Any], wanted: list[Columns]) -> None:
        """Make these rows of the router those that it is to have."""
        missing = list(wanted)
        for row in rows:
            columns = {name: getattr(row, name) for name in (wanted[0] if wanted else ())}
            if columns in missing:
                missing.remove(columns)
            else:
                router.delvalue(column, row)
        for columns in missing:
            router.addvalue(column, self.rows.insert(table, columns))

    def _switch(self, name: str) -> Any:
        """The switch of a network of the router's."""
        return self.view.networks.switches[name][0]
