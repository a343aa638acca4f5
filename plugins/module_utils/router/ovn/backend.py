# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routers in the OVN northbound: everything a request changes is one OVSDB transaction."""

from __future__ import annotations

from typing import Any, Mapping

from ...core.change import Change
from ...network.names import name_in
from ...network.ovn import northbound
from ...network.ovn import view as networks
from ...network.ovn.addresses import AddressBook
from ...network.ovn.conditions import by_mark, by_name, definition_conditions, joined_switches
from ...network.ovn.rows import mark, name_of, project_of
from ...network.ovn.view import try_read
from ..model import Current, Item, Request, plan
from .marks import OF_ROUTER, named_router, router_name
from .view import View
from .write import Writer


class Routers:
    """What is in the northbound of routers, and the way to change them."""

    def __init__(self, params: Mapping[str, Any], link: northbound.Northbound):
        self.state = params.get("state", "present")
        self.link = link
        self.book = AddressBook(link.select)
        self.wanted: list[Request] = []

    def read(self, wanted: list[Request]) -> Current:
        """What is there, as far as the wanted routers are concerned."""
        self.wanted = [request for request in wanted if request.fault is None]
        return self.link.steady(self._look)[1]

    def apply(self, changes: list[Change]) -> dict[str, Any]:
        """Make the changes in one transaction; the routers as they now are, or why one could not be made."""
        return self.link.carry_out(changes, self._look, self._plan, self._fill)

    def find(self, params: Mapping[str, Any]) -> list[Item]:
        """Our routers, of these names and this project; None does not narrow."""
        self.link.replicate(lambda tables: _of_names(tables, params.get("names")))
        view = self._view()
        names = {
            name_in(project_of(ids), ids[mark("router")]) for ids in _marks(self.link.tables) if mark("router") in ids
        }
        found = [try_read(view.router, name) for name in sorted(names, key=lambda name: (name.name, name.project))]
        project = params.get("project_id")
        return [item for item in found if isinstance(item, Item) and project in (None, item.definition.project_id)]

    def _look(self) -> tuple[View, Current]:
        """The view of this moment, and what it says of the wanted routers."""
        self.link.replicate(self._conditions)
        view = self._view()
        routers = {request.key: try_read(view.router, request.full_name) for request in self.wanted}
        known = {request.full_name: view.joined(request.full_name) for request in self.wanted}
        externals = {request.definition.external for request in self.wanted if request.definition} - {None}
        items = [item for item in routers.values() if isinstance(item, Item)]
        externals |= {item.external.full_name for item in items if item.external}
        there = {name: try_read(view.networks.network, name) for name in externals}
        return view, Current(
            routers={key: item for key, item in routers.items() if item is not None},
            joined=known,
            networks={name: getattr(item, "definition", item) for name, item in there.items()},
            held=self.book.held(self.link.tables, externals if self.state == "present" else ()),
            floating=self._floating(routers),
        )

    def _floating(self, routers: Mapping[str, Any]) -> dict[str, int]:
        """How many floating IPs each router has that is to go out by another network."""
        leaving = [
            request
            for request in self.wanted
            if request.definition
            and isinstance(routers[request.key], Item)
            and routers[request.key].definition.external != request.definition.external
        ]
        table = {"table": "NAT", "columns": ["external_ip"]}
        asked = [
            {**table, "where": [["type", "==", "dnat_and_snat"], *by_mark(OF_ROUTER, [router_name(each.full_name)])]}
            for each in leaving
        ]
        return {request.key: len(rows) for request, rows in zip(leaving, self.link.select(asked))}

    def _conditions(self, tables: Any) -> dict[str, list]:
        """The rows that the request concerns: the routers, their networks and their external ones."""
        routers = {router_name(request.full_name) for request in self.wanted}
        externals = {request.definition.external for request in self.wanted if request.definition} - {None}
        reached = by_name(joined_switches(tables, routers))
        naming = reached + by_mark("router", {request.name for request in self.wanted})
        joined = {
            name_of(row.external_ids, "network")
            for row in tables["Logical_Switch"].rows.values()
            if named_router(row) and router_name(named_router(row)) in routers
        }
        conditions = definition_conditions(tables, externals | joined, (), routers)
        return {**conditions, "Logical_Switch": conditions["Logical_Switch"] + naming}

    def _view(self) -> View:
        return View(self.link.tables, networks.View(self.link.tables))

    def _plan(self, current: Current) -> list[Change]:
        return plan(self.wanted, current, self.state)

    @staticmethod
    def _fill(txn: Any, view: View, changes: list[Change]) -> None:
        """Write the changes."""
        writer = Writer(txn, view)
        for change in changes:
            if change.after is None:
                writer.remove(change.before.definition.full_name)
            else:
                writer.put(change.after)


def connect(params: Mapping[str, Any]) -> Routers:
    """The routers of a northbound."""
    return Routers(params, northbound.connect(params))


def _of_names(tables: Any, names: list[str] | None) -> dict[str, list]:
    """The rows of the routers of these names in any project, or of all."""
    routers = {row.name for row in tables["Logical_Router"].rows.values()}
    found = definition_conditions(tables, (), (), routers)
    switches = found["Logical_Switch"] + by_name(joined_switches(tables, routers))
    asked = [True] if names is None else by_mark("router", names)
    return {**found, "Logical_Switch": switches, "Logical_Router": asked}


def _marks(tables: Any) -> list[dict[str, str]]:
    """What the logical routers say of themselves."""
    return [row.external_ids for row in tables["Logical_Router"].rows.values()]
