# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports in the OVN northbound: everything a request changes is one OVSDB transaction."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any, Callable, Mapping
from uuid import UUID

from ...core.change import Change
from ...core.errors import LaunchError, NotFound
from ...network.names import Name, name_in
from ...network.ovn import northbound
from ...network.ovn.addresses import AddressBook
from ...network.ovn.conditions import by_mark, by_name, definition_conditions, with_ports
from ...network.ovn.rows import DROP_GROUP, group_name, mark, name_of
from ...network.request import Definitions
from ...router.ovn.marks import EXTERNAL
from ..item import Request
from ..model import Current, NotMade, Port, plan
from . import floating
from .rows import known_by
from .vacated import Vacated, find_vacated
from .view import View, further_ips_of, lacks, network_of, own_address, port_groups_of
from .write import Writer

# The options of a query by the key of the mark that they are about: the first that is given selects.
NARROWING = {"instance_uuids": "instance_uuid", "names": "port_name", "networks": "network"}


class Ports:
    """What is in the northbound of the ports that are asked for, and the way to change them."""

    def __init__(self, params: Mapping[str, Any], link: northbound.Northbound):
        self.state = params.get("state", "present")
        self.link = link
        self.book = AddressBook(link.select)
        self.wanted: list[Request] = []
        self.joined: set[str] = set()

    def read(self, wanted: list[Request]) -> Current:
        """What is there, as far as the wanted ports are concerned."""
        self.wanted = [request for request in wanted if request.fault is None]
        return self.link.steady(lambda: self.look().current(self.wanted, self.state))

    def apply(self, changes: list[Change]) -> dict[str, Any]:
        """Make the changes in one transaction; the ports as they now are, or why one could not be made."""
        if not changes:
            return {}
        command = Apply(self, {change.key for change in changes})
        self.link.commit(command.prepare)
        return command.result

    def find(self, params: Mapping[str, Any]) -> list[Port] | list[Request]:
        """Our ports, of these instances, names and networks; None does not narrow. Of a record its, by their marks."""
        if params.get("record_id"):
            return self._of_record(params["record_id"])
        self.link.replicate(lambda tables: _of_query(tables, params))
        ports = View(self.link.tables).ports()
        for option, field in (("instance_uuids", "instance_uuid"), ("names", "name")):
            if params[option] is not None:
                ports = [port for port in ports if getattr(port, field) in params[option]]
        if params["networks"] is not None:
            ports = [port for port in ports if port.network.name in params["networks"]]
        return sorted(ports, key=lambda port: (port.name, port.id))

    def _of_record(self, record_id: str) -> list[Request]:
        """The ports of a record: asked for by select, as there may be so many, and no column but those of identity."""
        self.link.replicate(lambda tables: dict.fromkeys(tables, []))
        table = {"table": "Logical_Switch_Port", "columns": ["name", "external_ids", "options", "parent_name"]}
        where = {"where": by_mark("record", [record_id])}
        rows, nats = self.link.select([{**table, **where}, {"table": "NAT", "columns": ["external_ids"], **where}])
        left = {port.id: port for port in map(floating.known_by, nats)}
        found = {**left, **{port.id: port for port in map(known_by, rows)}}
        return sorted(found.values(), key=lambda port: (port.name, port.id))

    def look(self) -> View:
        """The view of this moment, with the port groups that the ports are really in."""
        while True:
            self.link.replicate(self._conditions)
            members = self._members()
            if members.keys() <= self.joined:
                return View(self.link.tables, members, self._held())
            self.joined |= members.keys()

    def _members(self) -> dict[str, set[UUID]]:
        """The port groups that the ports of the request are members of, and these."""
        ids = {request.id for request in self.wanted}
        uuids = [row.uuid for row in self.link.tables["Logical_Switch_Port"].rows.values() if row.name in ids]
        members: dict[str, set[UUID]] = {}
        found = self.link.select(
            [
                {
                    "table": "Port_Group",
                    "where": [["ports", "includes", ["set", [["uuid", str(uuid)]]]]],
                    "columns": ["name"],
                }
                for uuid in uuids
            ]
        )
        for uuid, rows in zip(uuids, found):
            for row in rows:
                members.setdefault(row["name"], set()).add(uuid)
        return members

    def _conditions(self, tables: Any) -> dict[str, list]:
        """The rows that the request concerns: its own ports, their networks and their groups."""
        ids = {request.id for request in self.wanted}
        rows = [row for row in tables["Logical_Switch_Port"].rows.values() if row.name in ids]
        networks = {request.full_network for request in self.wanted} | set(map(network_of, rows))
        groups = {DROP_GROUP, *self.joined}
        for request in self.wanted:
            names = ("default", *(request.security_groups or ()))
            groups.update(group_name(name_in(request.project_id, name)) for name in names)
        for row in rows:
            groups |= port_groups_of(row)
        definitions = with_ports(definition_conditions(tables, networks, groups), by_name(ids))
        nats = definitions["NAT"] + by_mark("port", ids)
        return {**definitions, **dict.fromkeys(("DNS", "QoS"), by_mark("port", ids)), "NAT": nats}

    def _held(self) -> dict[Name, dict[str, str]]:
        """The addresses in use on the networks where one is to be given out."""
        rows = {row.name: row for row in self.link.tables["Logical_Switch_Port"].rows.values()}
        crowded = {request.full_network for request in self.wanted if _needs_address(rows.get(request.id), request)}
        have = {row.external_ids.get(mark("port")) for row in self.link.tables["NAT"].rows.values()}
        asking = [request for request in self.wanted if request.floating_ip]
        if any(request.floating_ip is not True or request.id not in have for request in asking):
            crowded |= self._externals() | set(filter(None, map(_external, asking)))
        return self.book.held(self.link.tables, crowded if self.state == "present" else ())

    def _externals(self) -> set[Name]:
        """The external networks of the routers that are there."""
        outer = {row.external_ids.get(mark(EXTERNAL)) for row in self.link.tables["Logical_Router"].rows.values()}
        rows = [row for row in self.link.tables["Logical_Switch"].rows.values() if row.name in outer]
        return {name_of(row.external_ids, "network") for row in rows}


class Apply:
    """What is written: planned anew from what is there each time, and of that the changes with these keys."""

    def __init__(self, ports: Ports, keys: set[str]):
        self.ports = ports
        self.keys = keys
        self.result: dict[str, Any] = {}

    def prepare(self) -> Callable:
        """Plan; return what fills the transaction."""
        view = self.ports.look()
        # A network that is only defined is not made here.
        wanted = [replace(request, definitions=Definitions()) for request in self.ports.wanted]
        state = self.ports.state
        changes = [each for each in plan(wanted, view.current(wanted, state), state) if each.key in self.keys]
        errors = {change.key: _final(change.error) for change in changes if change.error is not None}
        self.result = {**{change.key: change.after for change in changes if change.after is not None}, **errors}
        changes = [change for change in changes if change.error is None]
        left = find_vacated(view, changes, self.ports.link.select)
        return lambda txn: self._fill(Writer(txn, view), changes, left)

    @staticmethod
    def _fill(writer: Writer, changes: list[Change], left: Vacated) -> None:
        """Write the changes."""
        for change in changes:
            if change.after is not None:
                writer.put(change)
            elif change.before is not None:
                writer.remove(change.before)
        writer.sweep(left)


def connect(params: Mapping[str, Any]) -> Ports:
    """The ports of a northbound."""
    return Ports(params, northbound.connect(params))


def _needs_address(row: Any, request: Request) -> bool:
    """Whether the port of this row is to get an address that it has not."""
    if row is None or own_address(row)[1] is None:
        return True
    return lacks(row, further_ips_of(row) if request.further_ips is None else request.further_ips)


def _external(request: Request) -> Name | None:
    """The external network of the router that the request's network is to be on."""
    with suppress(LaunchError):
        network = request.definitions.network(request.network)
        router = request.definitions.router(network.router, request.project_id) if network else None
        return router and router.external
    return None


def _final(error: LaunchError) -> LaunchError:
    """Why a port that was planned cannot be made. What it was planned by was there, or is defined: it may come."""
    return error.within(NotMade, "%s") if isinstance(error, NotFound) else error


def _of_query(tables: Any, params: Mapping[str, Any]) -> dict[str, list]:
    """The ports of a query and the networks that they are on; without a filter all."""
    narrow = [(key, params[option]) for option, key in NARROWING.items() if params[option] is not None]
    if not narrow:
        everything = ("Logical_Switch", "Logical_Switch_Port", "DHCP_Options", "NAT")
        return {table: [True] if table in everything else [] for table in tables}
    rows = tables["Logical_Switch_Port"].rows.values()
    conditions = definition_conditions(tables, {network_of(row) for row in rows}, ())
    floating = by_mark("port", [row.name for row in rows])
    return {**with_ports(conditions, by_mark(*narrow[0])), "NAT": floating}
