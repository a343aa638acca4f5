# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the northbound has of networks and security groups at one moment, in the model's terms."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Iterator
from uuid import UUID

from ...core.errors import Conflict, LaunchError
from ...router.ovn.marks import EXTERNAL, JOINS, marked
from ..definition import Network, read_network
from ..model import NETWORK, Item
from ..names import Name, gateway_port, localnet_port
from ..security import read_group, unspoken
from .conditions import references
from .rows import (
    DROP_GROUP,
    Acl,
    dhcp_columns,
    gateway_columns,
    group_acls,
    group_ids,
    group_name,
    is_drop_group,
    localnet_columns,
    mark,
    name_of,
    network_ids,
    project_of,
    remote_key,
    switch_name,
)


class View:
    """The rows by the names they go by, and what they say. Valid until the replica next changes."""

    def __init__(self, tables: Any):
        self.tables = tables
        self.switches = defaultdict(list)
        for row in tables["Logical_Switch"].rows.values():
            self.switches[row.name].append(row)
        self.dhcp = defaultdict(list)
        for row in tables["DHCP_Options"].rows.values():
            self.dhcp[name_of(row.external_ids, "network")].append(row)
        self.ports = {row.name: row for row in tables["Logical_Switch_Port"].rows.values()}
        self.port_groups = {row.name: row for row in tables["Port_Group"].rows.values()}
        self._networks: dict[Name, Any] = {}
        self._groups: dict[Name, Any] = {}

    def network(self, name: Name) -> Item | None:
        """The network of this name; Conflict if its switch is not ours."""
        if name not in self._networks:
            self._networks[name] = self._read_network(name)
        return self._networks[name]

    def group(self, name: Name) -> Item | None:
        """The security group of this name; Conflict if its port group is not ours."""
        if name not in self._groups:
            self._groups[name] = self._read_group(name)
        return self._groups[name]

    def dhcp_row(self, network: Name) -> Any:
        """The network's DHCP options, or None."""
        return next(iter(self.dhcp[network]), None)

    def gateway_row(self, network: Name) -> Any:
        """The port by which compute hosts are the network's gateway, or None."""
        return self.ports.get(gateway_port(network))

    def localnet_row(self, network: Name) -> Any:
        """The port by which the network is on its wire, or None."""
        return self.ports.get(localnet_port(network))

    def on_wires(self) -> dict[Name, Network]:
        """The networks of ours that are on wires."""
        ports = marked(self.tables["Logical_Switch_Port"], "localnet", "true")
        items = [try_read(self.network, name_of(row.external_ids, "network")) for row in ports]
        return {item.definition.full_name: item.definition for item in items if isinstance(item, Item)}

    def guests(self, network: Name) -> list[UUID]:
        """The network's ports that are of guests, or of whoever else, but not its own, nor those of our routers."""
        own = {row.uuid for row in (self.gateway_row(network), self.localnet_row(network)) if row is not None}
        own |= {row.uuid for row in self.ports.values() if row.external_ids.get(mark(JOINS)) == switch_name(network)}
        uuids = [uuid for row in self.switches[switch_name(network)] for uuid in references(row, "ports")]
        return [uuid for uuid in uuids if uuid not in own]

    def ways_out(self, network: Name) -> list[str]:
        """The routers of ours whose external network it is."""
        ports = marked(self.tables["Logical_Switch_Port"], JOINS, switch_name(network))
        outer = [row.external_ids for row in ports if mark(EXTERNAL) in row.external_ids]
        return sorted("router %s" % ids.get(mark("router")) for ids in outer)

    def speaking_of(self, group: Name) -> set[Name]:
        """The groups whose rules speak of this one: its project's."""
        rows = [row.external_ids for row in self.port_groups.values()]
        names = {name_of(ids, "security_group") for ids in rows if mark(remote_key(group.name)) in ids}
        return {name for name in names if name.name and name.project == group.project}

    def used(self, item: Item, empty: set[str]) -> bool:
        """Whether anything uses a network or a group; empty are the port groups without members."""
        name = item.definition.full_name
        if item.kind == NETWORK:
            return bool(self.guests(name) or self.ways_out(name))
        group = group_name(name)
        return group not in empty or bool(self._speakers(group) - self.unneeded(empty) - {group})

    def unneeded(self, empty: set[str]) -> set[str]:
        """Of the port groups without members those that nobody needs: no rule of one that stays speaks of them."""
        return unspoken({name for name in empty if not self._is_kept(name)}, self._speakers)

    def _is_kept(self, name: str) -> bool:
        """Whether the port group stays without members; that of the default deny does not."""
        item = self.group_of(name)
        return name != DROP_GROUP and (item is None or item.keep)

    def group_of(self, name: str) -> Item | None:
        """The security group of a port group of ours."""
        ids = self.port_groups[name].external_ids
        group = name_of(ids, "security_group") if mark("security_group") in ids else None
        item = try_read(self.group, group) if group else None
        return item if isinstance(item, Item) else None

    def _speakers(self, name: str) -> set[str]:
        """The port groups whose rules speak of this one."""
        item = self.group_of(name)
        return set(map(group_name, self.speaking_of(item.definition.full_name))) if item else set()

    def is_ours(self, name: str) -> bool:
        """Whether the port group is one that we made."""
        ids = self.port_groups[name].external_ids
        return is_drop_group(ids) or (mark("definition") in ids and name == group_name(name_of(ids, "security_group")))

    def _read_network(self, name: Name) -> Item | None:
        switches = self.switches[switch_name(name)]
        if not switches:
            return None
        ids = switches[0].external_ids
        if len(switches) > 1 or name_of(ids, "network") != name or mark("definition") not in ids:
            raise Conflict(
                "logical switch %s is not ours: give the network another name, or remove the switch" % switch_name(name)
            )
        with reading("logical switch %s" % switch_name(name)):
            item = _item(read_network(name.name, project_of(ids), ids[mark("definition")]), ids)
        in_sync = (
            _are(self.dhcp[name], dhcp_columns(item.definition))
            and _is(self.gateway_row(name), gateway_columns(item.definition))
            and _is(self.localnet_row(name), localnet_columns(item.definition))
            and _ours(ids) == network_ids(item)
        )
        return item if in_sync else _out_of_sync(item)

    def _read_group(self, name: Name) -> Item | None:
        row = self.port_groups.get(group_name(name))
        if row is None:
            return None
        ids = row.external_ids
        if name_of(ids, "security_group") != name or mark("definition") not in ids:
            raise Conflict(
                "port group %s is not security group %s of ours: give the group another name" % (group_name(name), name)
            )
        with reading("port group %s" % group_name(name)):
            item = _item(read_group(name, ids[mark("definition")]), ids)
        remotes = set(map(group_name, item.definition.full_remotes))
        in_sync = (
            has_acls(row, group_acls(item.definition))
            and _ours(ids) == group_ids(item)
            and remotes <= self.port_groups.keys()
        )
        return item if in_sync else _out_of_sync(item)


def _is(row: Any, columns: dict[str, Any] | None) -> bool:
    """Whether the row has these columns, or is none where there is to be none."""
    return _are([] if row is None else [row], columns)


def _are(rows: list[Any], columns: dict[str, Any] | None) -> bool:
    """Whether the rows are the one that has these columns, or none where there is to be none."""
    there = [{column: getattr(row, column) for column in columns or ()} for row in rows]
    return there == ([] if columns is None else [columns])


def has_acls(row: Any, acls: frozenset) -> bool:
    """Whether the port group has exactly these ACLs."""
    return sorted(acl_of(acl) for acl in row.acls) == sorted(acls)


def acl_of(row: Any) -> Acl:
    """What makes an ACL row what it is."""
    return Acl(row.direction, row.priority, row.match, row.action)


class Unreadable(Conflict):
    """What a row of ours says of itself cannot be read: a later release has written it, or somebody by hand."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Unreadable for this row, if what it says is none of what this release writes."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Unreadable(
            "what %s says in its external_ids %s cannot be read (%s): if a later release of this collection wrote it, "
            "use that; else put it right with ovn-nbctl, or remove the row" % (what, mark("*"), error)
        ) from None


def try_read(read: Any, *arguments: Any) -> Any:
    """What read() returns, or the LaunchError that it raises."""
    try:
        return read(*arguments)
    except LaunchError as error:
        return error


def _item(definition: Any, ids: dict[str, str]) -> Item:
    """What is defined, with what the row says of where it comes from."""
    return Item(definition, keep=ids.get(mark("keep")) != "false", record_id=ids.get(mark("record")))


def _ours(ids: dict[str, str]) -> dict[str, str]:
    """The keys of ours."""
    return {key: value for key, value in ids.items() if key.startswith(mark(""))}


def _out_of_sync(item: Item) -> Item:
    """The item, known not to be as we would write it."""
    return replace(item, definition=replace(item.definition, in_sync=False))
