# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Neutron's JSON as the model's terms, and the other way round. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Iterable, Mapping

from ...schedule.host_state import DEFAULT_ZONE
from ..item import Pair, Request, own_pairs
from .floating import Floating, held_by
from .item import Group, Network, Port, Subnet, sorted_groups
from .names import mark, marked

Row = Mapping[str, Any]

# The roles whose bearers may do with every network what its owner may (neutron's context_is_admin).
ADMIN = "admin"
# What neutron says of a port that the host cannot take.
UNBOUND = ("unbound", "binding_failed")
GIVEN_BACK = {"device_id": "", "device_owner": "", "binding:host_id": None}


def network(row: Row, subnets: Iterable[Row], project_id: str | None, roles: Iterable[str]) -> Network:
    """A network with its subnets, IPv4 first."""
    existing = [subnet(each) for each in subnets if each["network_id"] == row["id"]]
    return Network(
        id=row["id"],
        name=row["name"],
        own=row.get("project_id") == project_id or ADMIN in roles,
        shared=bool(row.get("shared")),
        mtu=row.get("mtu"),
        domain=(row.get("dns_domain") or "").rstrip(".") or None,
        port_security=row.get("port_security_enabled", True),
        subnets=tuple(sorted(existing, key=lambda each: (":" in each.cidr, each.cidr))),
    )


def subnet(row: Row) -> Subnet:
    """A subnet."""
    dns = tuple(row.get("dns_nameservers") or ())
    return Subnet(row["id"], row["cidr"], row.get("gateway_ip"), dns, bool(row.get("enable_dhcp")))


def floating(row: Row) -> Floating:
    """A floating IP."""
    return Floating(
        network_id=row["floating_network_id"],
        id=row["id"],
        address=row["floating_ip_address"],
        ours=marked([row.get("description")]),
        port_id=row.get("port_id"),
    )


def identity(row: Row) -> str | None:
    """Our id of a port, by its mark."""
    return marked([row.get("description"), *(row.get("tags") or ())])


def port(row: Row, networks: Mapping[str, Network], groups: Mapping[str, Group], floatings: Iterable[Floating]) -> Port:
    """A port; what it is on or in and the user does not see is known by its id alone."""
    addresses = [fixed["ip_address"] for fixed in row.get("fixed_ips") or ()]
    pairs = [Pair(pair["ip_address"], pair.get("mac_address")) for pair in row.get("allowed_address_pairs") or ()]
    host = row.get("binding:host_id") or None
    return Port(
        id=identity(row) or "",
        name=row["name"] or row["id"],
        device=row.get("device_id") or "",
        network=networks.get(row["network_id"]) or Network(row["network_id"], row["network_id"]),
        host=host,
        mac_address=row["mac_address"],
        fixed_ip=min(addresses, key=lambda address: ":" in address, default=None),
        security_groups=sorted_groups(
            groups.get(each) or Group(each, each) for each in row.get("security_groups") or ()
        ),
        port_security=row.get("port_security_enabled", True),
        allowed_address_pairs=own_pairs(pairs, row["mac_address"]),
        floating=held_by(row["id"], floatings),
        adopted=not marked([row.get("description")]),
        marked=bool(identity(row)),
        bound=not host or row.get("binding:vif_type") not in UNBOUND,
        port_id=row["id"],
        trunk=bool(row.get("trunk_details")),
        trunk_id=(row.get("trunk_details") or {}).get("trunk_id"),
        status=row.get("status"),
        owner=row.get("device_owner") or "",
        project_id=row.get("project_id"),
    )


def creation(request: Request, after: Port, by_user: bool) -> dict[str, Any]:
    """What makes a port, with what only the launcher may say unless the user makes it. The parent of a trunk is bound
    when it has that.
    """
    body = {
        "name": after.name,
        "description": mark(after.id),
        "network_id": after.network.id,
    }
    if after.device:
        body.update(device_id=after.device, device_owner=device_owner(request))
    if not by_user:
        body["project_id"] = after.project_id
        body["binding:host_id"] = None if after.trunk else after.host
    if after.mac_address:
        body["mac_address"] = after.mac_address
    if after.fixed_ip:
        body["fixed_ips"] = [{"ip_address": after.fixed_ip}]
    if request.port_security is not None:
        body["port_security_enabled"] = after.port_security
    if after.port_security:
        body["security_groups"] = [group.id for group in after.security_groups]
    if after.allowed_address_pairs:
        body["allowed_address_pairs"] = _pairs(after)
    return {name: value for name, value in body.items() if value is not None}


def user_changes(before: Port, after: Port) -> dict[str, Any]:
    """What changes of what the user may say, with the user's own rights."""
    body: dict[str, Any] = {}
    if after.name != before.name:
        body["name"] = after.name
    if after.port_security != before.port_security:
        body["port_security_enabled"] = after.port_security
    if after.security_groups != before.security_groups:
        body["security_groups"] = [group.id for group in after.security_groups]
    if after.allowed_address_pairs != before.allowed_address_pairs:
        body["allowed_address_pairs"] = _pairs(after)
    return body


def launcher_changes(request: Request, before: Port, after: Port) -> dict[str, Any]:
    """What changes of who has the port, and where."""
    body: dict[str, Any] = {}
    if after.device != before.device:
        body.update(device_id=after.device, device_owner=device_owner(request))
    if (after.host, after.bound) != (before.host, before.bound):
        body["binding:host_id"] = after.host
    return body


def device_owner(request: Request) -> str:
    """Whose the port is, in nova's words."""
    return "compute:%s" % (request.availability_zone or DEFAULT_ZONE)


def as_asked(made: Port, after: Port) -> Port:
    """A port as neutron has made it, under the name by which it was asked for, with its floating IP and its trunk."""
    known = {name: getattr(after, name) for name in ("id", "name", "floating", "trunk", "parent", "vlan", "instance")}
    return replace(made, **known, trunk_id=after.trunk_id or made.trunk_id)


def _pairs(port: Port) -> list[dict[str, str]]:
    """Allowed address pairs; the port's own MAC address is neutron's default."""
    return [{name: value for name, value in pair._asdict().items() if value} for pair in port.allowed_address_pairs]
