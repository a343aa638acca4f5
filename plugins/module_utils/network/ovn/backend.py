# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Networks and security groups in the OVN northbound: everything a request changes is one OVSDB transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping
from uuid import UUID

from ...core.change import Change
from ...router.ovn.marks import PLUG
from ..model import NETWORK, SECURITY_GROUP, Current, Item, Request, key_of, plan
from ..names import SHARED, Name, name_in
from ..request import definitions, reachable
from . import northbound
from .addresses import AddressBook, values
from .conditions import by_mark, by_uuid, definition_conditions, with_wires
from .rows import group_name, mark, name_of
from .view import View, try_read
from .write import Writer

# So many of the ports that use a network or a group are named.
NAMED = 3


class Networks:
    """What is in the northbound of networks and groups, and the way to change them."""

    def __init__(self, params: Mapping[str, Any], link: northbound.Northbound):
        self.state = params.get("state", "present")
        self.link = link
        self.book = AddressBook(link.select)
        self.defined = definitions(params).groups
        self.wanted: list[Request] = []

    def read(self, wanted: list[Request]) -> Current:
        """What is there, as far as the wanted items are concerned."""
        self.wanted = wanted
        return self.link.steady(self._look)[1]

    def apply(self, changes: list[Change]) -> dict[str, Any]:
        """Make the changes in one transaction; the items as they now are, or why one could not be made."""
        return self.link.carry_out(changes, self._look, self._plan, self._fill)

    def find(self, params: Mapping[str, Any]) -> list[Item]:
        """Our networks and groups, of these names and kinds; None does not narrow."""
        self.link.replicate(lambda tables: _of_names(tables, params.get("names")))
        view = View(self.link.tables)
        names, groups = _named(view, "Logical_Switch", "network"), _named(view, "Port_Group", "security_group")
        items = [try_read(view.network, name) for name in names] + [try_read(view.group, name) for name in groups]
        empty = self._empty() & view.port_groups.keys()
        found = [replace(item, used=view.used(item, empty)) for item in items if isinstance(item, Item)]
        for option, value in (("names", "name"), ("kinds", "kind")):
            if params.get(option) is not None:
                found = [item for item in found if getattr(item, value) in params[option]]
        if params.get("project_id"):
            found = [item for item in found if item.definition.full_name.project in (SHARED, params["project_id"])]
        return found

    def _empty(self) -> set[str]:
        """The port groups without members, which are not replicated."""
        where = [["ports", "==", ["set", []]]]
        (rows,) = self.link.select([{"table": "Port_Group", "where": where, "columns": ["name"]}])
        return {row["name"] for row in rows}

    def _look(self) -> tuple[View, Current]:
        """The view of this moment, and what it says of the wanted items."""
        self.link.replicate(self._conditions)
        view = View(self.link.tables)
        items: dict[str, Any] = {}
        for request in self._sound():
            network = request.kind == NETWORK
            item = try_read(view.network if network else view.group, request.full_name)
            if isinstance(item, Item):
                ports = self._ports(view, request)
                item = replace(item, ports=ports, groups=() if network else tuple(view.speaking_of(request.full_name)))
            if item is not None:
                items[request.key] = item
            for remote in sorted(getattr(request.definition, "full_remotes", ())):
                existing = try_read(view.group, remote)
                if existing is not None:
                    items.setdefault(key_of(SECURITY_GROUP, remote), existing)
        held = self.book.held(self.link.tables, self._crowded(view))
        return view, Current(items, held, view.on_wires())

    def _ports(self, view: View, request: Request) -> tuple[str, ...]:
        """Some of the ports that use the item, as far as that matters."""
        if request.kind == NETWORK:
            uuids = view.guests(request.full_name)
        elif self.state == "absent":
            uuid = view.port_groups[group_name(request.full_name)].uuid
            where = [["_uuid", "==", ["uuid", str(uuid)]]]
            (rows,) = self.link.select([{"table": "Port_Group", "where": where, "columns": ["ports"]}])
            uuids = _uuids(rows[0]["ports"]) if rows else []
        else:
            return ()
        select = {"table": "Logical_Switch_Port", "columns": ["name", "external_ids"]}
        found = self.link.select([{**select, "where": [clause]} for clause in by_uuid(uuids[:NAMED])])
        names = sorted(_label(row) for rows in found for row in rows)
        names += view.ways_out(request.full_name) if request.kind == NETWORK else []
        return tuple(names + (["%d more" % (len(uuids) - NAMED)] if len(uuids) > NAMED else []))

    def _conditions(self, tables: Any) -> dict[str, list]:
        """The rows that the request concerns."""
        networks = {request.full_name for request in self._sound() if request.kind == NETWORK}
        groups = [request for request in self._sound() if request.kind == SECURITY_GROUP]
        names = {
            name_in(request.project_id, name)
            for request in groups
            for name in reachable(request.name, self.defined) | {request.name}
        }
        conditions = definition_conditions(tables, networks, map(group_name, names))
        return with_wires(tables, conditions, self._wires())

    def _wires(self) -> set[str]:
        """The physical networks that definitions say."""
        wires = {getattr(request.definition, "physical_network", None) for request in self._sound()}
        return set(filter(None, wires))

    def _crowded(self, view: View) -> set[Name]:
        """The networks whose ports may have the address that a definition gives to something else."""
        crowded = set()
        for request in self._sound():
            item = try_read(view.network, request.full_name) if request.kind == NETWORK else None
            if self.state == "present" and request.definition and isinstance(item, Item):
                before, after = item.definition, request.definition
                if {after.gateway, after.server} - {before.gateway, before.server, None}:
                    crowded.add(request.full_name)
        return crowded

    def _sound(self) -> list[Request]:
        """The requests that make sense."""
        return [request for request in self.wanted if request.fault is None]

    def _plan(self, current: Current) -> list[Change]:
        return plan(self.wanted, current, self.state)

    def _fill(self, txn: Any, view: View, changes: list[Change]) -> None:
        """Write the changes."""
        writer = Writer(txn, view)
        for change in changes:
            if change.after is None and change.wanted.kind == NETWORK:
                writer.remove_network(change.before.definition.full_name)
            elif change.after is None:
                writer.remove_port_group(group_name(change.before.definition.full_name))
            elif change.wanted.kind == NETWORK:
                writer.put_network(change.after)
            else:
                writer.put_group(change.after, self.defined.get)


def connect(params: Mapping[str, Any]) -> Networks:
    """The networks of a northbound."""
    return Networks(params, northbound.connect(params))


def _of_names(tables: Any, names: list[str] | None) -> dict[str, list]:
    """The rows of the networks and groups of these names in any project, or of all."""
    if names is not None:
        rows = {table: tables[table].rows.values() for table in ("Logical_Switch", "Port_Group")}
        networks = {name_of(row.external_ids, "network") for row in rows["Logical_Switch"]}
        found = definition_conditions(tables, networks, {row.name for row in rows["Port_Group"]})
        asked = {"Logical_Switch": by_mark("network", names), "Port_Group": by_mark("security_group", names)}
        return {**found, **asked, "DHCP_Options": by_mark("network", names)}
    own = {
        "Logical_Switch_Port": [clause for key in ("gateway", "localnet", PLUG) for clause in by_mark(key, ["true"])]
    }
    everything = ("NB_Global", "Logical_Switch", "DHCP_Options", "Port_Group", "ACL")
    return {table: [True] if table in everything else [] for table in tables} | own


def _uuids(column: list) -> list[UUID]:
    """The UUIDs of a set as OVSDB writes it."""
    return [UUID(text) for _kind, text in values(column)]


def _label(row: Mapping[str, Any]) -> str:
    """A port as messages name it."""
    return dict(row["external_ids"][1]).get(mark("port_name")) or row["name"]


def _named(view: View, table: str, key: str) -> list[Name]:
    """The names that the rows of a table say they have; by name, then by project."""
    names = {name_of(row.external_ids, key) for row in view.tables[table].rows.values()}
    return sorted((name for name in names if name.name), key=lambda name: (name.name, name.project))
