# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is in the northbound at one moment, in the model's terms."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from typing import Any, Iterable

from ...core.errors import Conflict, LaunchError
from ...network.model import Network, read_network
from ...network.security import Group, read_group
from ..item import Request
from ..model import Current, Port
from .rows import (
    DROP_GROUP,
    Acl,
    dhcp_columns,
    drop_acls,
    drop_ids,
    group_acls,
    group_ids,
    group_name,
    mark,
    network_ids,
    port_columns,
    port_groups,
    switch_name,
)


class View:
    """The rows by the names they go by, and what they say. Valid until the replica next changes."""

    def __init__(self, tables: Any):
        self.tables = tables
        self.switches = defaultdict(list)
        for row in tables["Logical_Switch"].rows.values():
            self.switches[row.name].append(row)
        self.lsps = {row.name: row for row in tables["Logical_Switch_Port"].rows.values()}
        self.dhcp = defaultdict(list)
        for row in tables["DHCP_Options"].rows.values():
            self.dhcp[row.external_ids.get(mark("network"))].append(row)
        self.port_groups = {row.name: row for row in tables["Port_Group"].rows.values()}
        drop = self.port_groups.get(DROP_GROUP)
        if drop is not None and not self._ours(DROP_GROUP, drop):
            raise Conflict("port group %s is not ours: rename or remove it, we need the name" % DROP_GROUP)
        self.members = {
            name: {lsp.uuid for lsp in row.ports} for name, row in self.port_groups.items() if self._ours(name, row)
        }
        self._networks: dict[str, Any] = {}
        self._groups: dict[str, Any] = {}

    def current(self, wanted: Iterable[Request]) -> Current:
        """What concerns these ports."""
        ports, networks, groups, held = {}, {}, {}, {}
        for request in wanted:
            row = self.lsps.get(request.id)
            if row is not None:
                ports[request.id] = self._of_instance(row, request)
            names = {"default", *(request.security_groups or ()), *request.definitions.groups}
            if isinstance(ports.get(request.id), Port):
                names.update(group.name for group in ports[request.id].security_groups)
            for name in names - groups.keys():
                groups[name] = self._excused(self.group, name)
            if request.network not in networks:
                networks[request.network] = self._excused(self.network, request.network)
                held[request.network] = self._held(request.network)
        return Current(ports, networks, groups, held)

    def ports(self) -> list[Port]:
        """All ports of ours."""
        rows = (row for row in self.lsps.values() if mark("instance_uuid") in row.external_ids)
        ports = (self._excused(self.port, row) for row in rows)
        return [port for port in ports if isinstance(port, Port)]

    def network(self, name: str) -> Network | None:
        """The network of this name; Conflict if its switch is not ours."""
        if name not in self._networks:
            self._networks[name] = self._read_network(name)
        return self._networks[name]

    def group(self, name: str) -> Group | None:
        """The security group of this name; Conflict if its port group is not ours."""
        if name not in self._groups:
            self._groups[name] = self._read_group(name)
        return self._groups[name]

    def port(self, row: Any) -> Port:
        """The port of a row of ours."""
        ids = row.external_ids
        network = self.network(ids.get(mark("network"), ""))
        if network is None:
            raise Conflict(
                "port %s is marked as ours but is on no network of ours: see to it with ovn-nbctl" % row.name
            )
        names = json.loads(ids.get(mark("security_groups"), "[]"))
        first = (row.addresses or [""])[0].split()
        port = Port(
            id=row.name,
            name=ids.get(mark("port_name"), ""),
            instance_uuid=ids[mark("instance_uuid")],
            network=network,
            host=row.options.get("requested-chassis"),
            mac_address=first[0].lower() if len(first) == 2 else None,
            fixed_ip=first[1] if len(first) == 2 else None,
            security_groups=tuple(self.group(name) or Group(name, (), intact=False) for name in names),
            port_security=json.loads(ids.get(mark("port_security"), "true")),
            up=row.up == [True],
        )
        return port if self._as_written(row, port) else _damaged(port)

    def dhcp_row(self, network: str) -> Any:
        """The network's DHCP options, or None."""
        return next(iter(self.dhcp[network]), None)

    def has_acls(self, row: Any, acls: frozenset) -> bool:
        """Whether the port group has exactly these ACLs."""
        return sorted(acl_of(acl) for acl in row.acls) == sorted(acls)

    def _read_network(self, name: str) -> Network | None:
        switches = self.switches[switch_name(name)]
        if not switches:
            return None
        ids = switches[0].external_ids
        if len(switches) > 1 or ids.get(mark("network")) != name or mark("definition") not in ids:
            raise Conflict(
                "logical switch %s is not ours: give the network another name, or remove the switch" % switch_name(name)
            )
        network = read_network(name, ids[mark("definition")])
        rows = [
            {column: getattr(row, column) for column in ("cidr", "options", "external_ids")} for row in self.dhcp[name]
        ]
        intact = rows == list(filter(None, [dhcp_columns(network)])) and network_ids(network).items() <= ids.items()
        return network if intact else _damaged(network)

    def _read_group(self, name: str) -> Group | None:
        row = self.port_groups.get(group_name(name))
        if row is None:
            return None
        ids = row.external_ids
        if ids.get(mark("security_group")) != name or mark("definition") not in ids:
            raise Conflict(
                "port group %s is not security group %s of ours: give the group another name" % (group_name(name), name)
            )
        group = read_group(name, ids[mark("definition")])
        intact = self.has_acls(row, group_acls(group)) and group_ids(group).items() <= ids.items()
        return group if intact else _damaged(group)

    def _as_written(self, row: Any, port: Port) -> bool:
        """Whether the row, its DHCP options and its port groups are what we would write for this port."""
        for column, value in port_columns(port).items():
            is_there = getattr(row, column)
            if is_there != value and not (isinstance(value, dict) and value.items() <= is_there.items()):
                return False
        dhcp = [self.dhcp_row(port.network.name)] if port.network.dhcp else []
        member_of = {name for name, members in self.members.items() if row.uuid in members}
        drop = self.port_groups.get(DROP_GROUP)
        guarded = not port.port_security or (drop is not None and self.has_acls(drop, drop_acls()))
        return row.dhcpv4_options == dhcp and member_of == port_groups(port) and guarded

    def _of_instance(self, row: Any, request: Request) -> Any:
        """The port of a row, or the Conflict that it is another's."""
        owner = row.external_ids.get(mark("instance_uuid"))
        if owner != request.instance_uuid:
            return Conflict(
                "logical switch port %s is not this instance's but %s: remove it, or give the port another id"
                % (row.name, "instance %s's" % owner if owner else "someone else's")
            )
        return self._excused(self.port, row)

    def _held(self, network: str) -> dict[str, str]:
        """Every address and MAC address in use on the network's switch, and the port that has it."""
        held = {}
        for switch in self.switches[switch_name(network)]:
            for lsp in switch.ports:
                for text in lsp.addresses + lsp.dynamic_addresses:
                    held.update((word.lower(), lsp.name) for word in text.split())
                if lsp.type == "router":
                    held.update((word, lsp.name) for word in self._router_words(lsp.options.get("router-port")))
        return {word: holder for word, holder in held.items() if word not in ("router", "unknown", "dynamic")}

    def _router_words(self, name: str | None) -> list[str]:
        """The addresses of a router's port."""
        for row in self.tables["Logical_Router_Port"].rows.values():
            if row.name == name:
                return [row.mac.lower()] + [address.partition("/")[0] for address in row.networks]
        return []

    @staticmethod
    def _ours(name: str, row: Any) -> bool:
        """Whether the port group is one that we made."""
        ids = row.external_ids
        return drop_ids().items() <= ids.items() or (
            mark("definition") in ids and name == group_name(ids.get(mark("security_group"), ""))
        )

    @staticmethod
    def _excused(read: Any, *arguments: Any) -> Any:
        """What read() returns, or the LaunchError that it raises."""
        try:
            return read(*arguments)
        except LaunchError as error:
            return error


def acl_of(row: Any) -> Acl:
    """What makes an ACL row what it is."""
    return Acl(row.direction, row.priority, row.match, row.action)


def _damaged(item: Any) -> Any:
    """The item, known not to be as we would write it."""
    return replace(item, intact=False)
