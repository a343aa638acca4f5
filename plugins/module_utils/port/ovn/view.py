# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the northbound has of ports at one moment, in the model's terms."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Callable, Iterable, Mapping
from uuid import UUID

from ...core.errors import Conflict
from ...network.definition import Network
from ...network.model import Item
from ...network.names import Name, name_in
from ...network.ovn import view as networks
from ...network.ovn.rows import DROP_GROUP, drop_acls, group_name, mark, name_of, project_of
from ...network.ovn.view import has_acls, reading, try_read
from ...router.definition import Router
from ...router.ovn.view import View as Routers
from ..item import Pair, Request
from ..model import Current, Port
from ..qos import Limit
from .dns import has_dns
from .floating import has_floating, left_by, read_floating
from .qos import has_limits
from .rows import port_columns, port_groups


class View:
    """The ports, and the networks and groups that they are on and in. Valid until the replica next changes.

    members has the port groups, by name, that have ports of the request as members, and these; held the addresses in
    use on networks where one is to be given out.
    """

    def __init__(
        self,
        tables: Any,
        members: Mapping[str, set[UUID]] = MappingProxyType({}),
        held: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    ):
        self.held = held
        self.networks = networks.View(tables)
        self.lsps = {row.name: row for row in tables["Logical_Switch_Port"].rows.values()}
        self.routers = Routers(tables, self.networks)
        self.limits, self.dns = _by_port(tables["QoS"]), _by_port(tables["DNS"])
        self.floating = _by_port(tables["NAT"])
        self.port_groups = self.networks.port_groups
        self.drop = self.port_groups.get(DROP_GROUP)
        if self.drop is not None and not self.networks.is_ours(DROP_GROUP):
            raise Conflict("port group %s is not ours: rename or remove it, we need the name" % DROP_GROUP)
        self.members = {
            name: set(uuids)
            for name, uuids in members.items()
            if name in self.port_groups and self.networks.is_ours(name)
        }

    def current(self, wanted: Iterable[Request], state: str = "present") -> Current:
        """What concerns these ports; to remove them, also what they left behind."""
        wanted = list(wanted)
        ports, left = self._there(wanted, state)
        on = _defined(self.networks.network, {request.full_network for request in wanted})
        groups = {name for request in wanted for name in _groups_of(request, ports.get(request.id))}
        found = {name: try_read(self.networks.group, name) for name in groups}
        on_routers = {network.full_router for network in on.values() if isinstance(network, Network)} - {None}
        routers = _present(_defined(self.routers.router, on_routers))
        external = {router.external for router in routers.values() if isinstance(router, Router)} - {None}
        return Current(
            ports=ports,
            networks={**on, **_present(_defined(self.networks.network, external))},
            groups={name: True if isinstance(group, Item) else group for name, group in found.items()},
            held=self.held,
            routers=routers,
            left=left,
        )

    def _there(self, wanted: Iterable[Request], state: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The ports by id, or the Conflict that one is another's; and what those have left that are gone."""
        ports, left = {}, {}
        for request in wanted:
            row, floating = self.lsps.get(request.id), self.floating[request.id]
            if row is not None:
                ports[request.id] = self._of_instance(row, request)
            elif floating:
                remains = self._remains(floating[0], request)
                if state == "absent" or isinstance(remains, Conflict):
                    ports[request.id] = remains
                else:
                    left[request.id] = remains.floating
        return ports, left

    def ports(self) -> list[Port]:
        """All ports of ours."""
        rows = (row for row in self.lsps.values() if mark("instance_uuid") in row.external_ids)
        ports = (try_read(self.port, row) for row in rows)
        return [port for port in ports if isinstance(port, Port)]

    def port(self, row: Any) -> Port:
        """The port of a row of ours."""
        ids = row.external_ids
        network = self.networks.network(network_of(row))
        if network is None:
            raise Conflict(
                "port %s is marked as ours but is on no network of ours: see to it with ovn-nbctl" % row.name
            )
        with reading("logical switch port %s" % row.name):
            marked = _marked(ids)
        mac, fixed_ip = own_address(row)
        return Port(
            id=row.name,
            name=ids.get(mark("port_name"), ""),
            instance_uuid=ids[mark("instance_uuid")],
            network=network.definition,
            host=row.options.get("requested-chassis"),
            mac_address=mac and mac.lower(),
            fixed_ip=fixed_ip,
            floating=next(map(read_floating, self.floating[row.name]), None),
            parent=next(iter(row.parent_name), None),
            vlan=next(iter(row.tag_request), None),
            project_id=project_of(ids),
            record_id=ids.get(mark("record")),
            dns_name=ids.get(mark("dns_name")),
            up=row.up == [True],
            **marked,
        )

    def _of_instance(self, row: Any, request: Request) -> Any:
        """The port of a row, or the Conflict that it is another's."""
        ids = row.external_ids
        owner, record = ids.get(mark("instance_uuid")), ids.get(mark("record"))
        if owner != request.instance_uuid:
            return Conflict(
                "logical switch port %s is not this instance's but %s: remove it, or give the port another id"
                % (row.name, "instance %s's" % owner if owner else "someone else's")
            )
        if request.record_id and record and record != request.record_id:
            return Conflict(
                "logical switch port %s is of another record of instances, %s, not of %s: its owner must remove it"
                % (row.name, record, request.record_id)
            )
        port = try_read(self.port, row)
        return port if not isinstance(port, Port) or self._as_written(row, port) else replace(port, in_sync=False)

    def _remains(self, row: Any, request: Request) -> Any:
        """What is left of a port that is gone, or the Conflict that it is another's."""
        owner, record = (row.external_ids.get(mark(key)) for key in ("instance_uuid", "record"))
        if owner != request.instance_uuid or (request.record_id and record and record != request.record_id):
            return Conflict("floating IP %s says that it is of another port of this id" % row.external_ip)
        return left_by(row, request)

    def _as_written(self, row: Any, port: Port) -> bool:
        """Whether the row, its DHCP options, port groups and limits are what we would write for this port."""
        for column, value in port_columns(port).items():
            is_there = getattr(row, column)
            if is_there != value and not (isinstance(value, dict) and value.items() <= is_there.items()):
                return False
        dhcp = [self.networks.dhcp_row(port.network.full_name)] if port.network.dhcp else []
        member_of = {name for name, members in self.members.items() if row.uuid in members}
        guarded = not port.port_security or (self.drop is not None and has_acls(self.drop, drop_acls()))
        grouped = member_of == port_groups(port) and guarded
        described = has_limits(self.limits[row.name], port) and has_dns(self.dns[row.name], port)
        described = described and has_floating(self.floating[row.name], port)
        return row.dhcpv4_options == list(filter(None, dhcp)) and grouped and described


def _groups_of(request: Request, port: Any) -> set[Name]:
    """The security groups that a port is in, or is to come into."""
    asked = {name_in(request.project_id, name) for name in ("default", *(request.security_groups or ()))}
    return asked | port.full_groups if isinstance(port, Port) else asked


def _defined(read: Callable[[Name], Any], names: Iterable[Name]) -> dict[Name, Any]:
    """By name what the items that are there define, the Conflict about one, or None."""
    found = {name: try_read(read, name) for name in names}
    return {name: getattr(item, "definition", item) for name, item in found.items()}


def _present(found: Mapping[Name, Any]) -> dict[Name, Any]:
    """What there is of these."""
    return {name: each for name, each in found.items() if each is not None}


def _by_port(table: Any) -> defaultdict[str, list]:
    """The rows of ours by the ports that they say they are of."""
    found = defaultdict(list)
    for row in table.rows.values():
        found[row.external_ids.get(mark("port"))].append(row)
    return found


def _marked(ids: Mapping[str, str]) -> dict[str, Any]:
    """What a port's row says of it in JSON (rows.py's port_columns)."""
    return {
        "further_ips": tuple(map(str, _list(ids, "further_ips"))),
        "allowed_address_pairs": tuple(Pair(*pair) for pair in _list(ids, "allowed_address_pairs")),
        "qos": tuple(Limit(*limit) for limit in _list(ids, "qos")),
        "security_groups": tuple(map(str, _list(ids, "security_groups"))),
        "port_security": json.loads(ids.get(mark("port_security"), "true")),
    }


def _list(ids: Mapping[str, str], key: str) -> list[Any]:
    """A list in JSON, empty where there is none."""
    return list(json.loads(ids.get(mark(key), "[]")))


def network_of(row: Any) -> Name:
    """The network that a port's row says it is on."""
    return name_of(row.external_ids, "network")


def port_groups_of(row: Any) -> set[str]:
    """The port groups that a port's row says it is in."""
    ids, names = row.external_ids, []
    with suppress(TypeError, ValueError):  # it is told when the port is read
        names = _list(ids, "security_groups")
    return {group_name(name_in(project_of(ids), str(name))) for name in names}


def own_address(row: Any) -> tuple[str | None, str | None]:
    """The MAC address and the first IP address of a port's row; what has no IP address is another's MAC address."""
    found = (text.split() for text in row.addresses)
    return next(((words[0], words[1]) for words in found if len(words) > 1), (None, None))


def further_ips_of(row: Any) -> tuple[str, ...]:
    """The addresses that a port's row says it has beside its first."""
    with suppress(TypeError, ValueError):  # it is told when the port is read
        return tuple(map(str, _list(row.external_ids, "further_ips")))
    return ()


def lacks(row: Any, addresses: Iterable[str]) -> bool:
    """Whether any of these is not yet the port's, so that another port may have it."""
    return not set(addresses) <= {word for text in row.addresses for word in text.split()}
