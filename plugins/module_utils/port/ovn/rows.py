# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports as rows of the OVN northbound. Pure."""

from __future__ import annotations

import json
from typing import Any, Mapping

from ...network.ovn.rows import DROP_GROUP, group_name, mark, project_ids
from ..item import Request
from ..model import Port


def port_columns(port: Port) -> dict[str, Any]:
    """The columns of the logical switch port. Without port security any address may come and go, as in neutron."""
    return {
        "type": "",
        "enabled": [True],
        "addresses": addresses(port),
        "port_security": sources(port) if port.port_security else [],
        "parent_name": [port.parent] if port.parent else [],
        "tag_request": [port.vlan] if port.vlan else [],
        "options": {"requested-chassis": port.host} if port.host else {},
        "external_ids": {
            mark("instance_uuid"): port.instance_uuid,
            mark("port_name"): port.name,
            mark("network"): port.network.name,
            mark("port_security"): json.dumps(port.port_security),
            mark("security_groups"): json.dumps(list(port.security_groups)),
            **_marks(port),
            **({mark("record"): port.record_id} if port.record_id else {}),
            **({mark("dns_name"): port.dns_name} if port.dns_name else {}),
            **project_ids(port.project_id, port.network.shared),
        },
    }


def addresses(port: Port) -> list[str]:
    """Where frames are sent to the port: its own MAC address with its addresses, and the MAC addresses it may use."""
    own = " ".join((str(port.mac_address), *port.fixed_ips))
    others = {pair.mac_address for pair in port.allowed_address_pairs if pair.mac_address}
    return sorted([own, *others] if port.port_security else [own, "unknown"])


def sources(port: Port) -> list[str]:
    """What the port may send from: a text for each MAC address, with the IP addresses that go with it."""
    allowed = {str(port.mac_address): list(port.fixed_ips)}
    for pair in port.allowed_address_pairs:
        allowed.setdefault(pair.mac_address or str(port.mac_address), []).append(pair.ip_address)
    return sorted(" ".join((mac, *dict.fromkeys(ips))) for mac, ips in allowed.items())


def _marks(port: Port) -> dict[str, str]:
    """What the row says of what most ports have none of."""
    values = {name: getattr(port, name) for name in ("further_ips", "allowed_address_pairs", "qos")}
    return {mark(name): json.dumps(value) for name, value in values.items() if value}


def known_by(row: Mapping[str, Any]) -> Request:
    """What a row of ours, in OVSDB's JSON, says of whose it is and where."""
    ids, options = (dict(row[column][1]) for column in ("external_ids", "options"))
    marked = ("instance_uuid", "network")
    return Request(
        id=row["name"],
        name=ids.get(mark("port_name"), ""),
        host=options.get("requested-chassis"),
        parent=row["parent_name"] if isinstance(row["parent_name"], str) else None,
        record_id=ids.get(mark("record")),
        **{key: ids.get(mark(key)) for key in marked},
    )


def port_groups(port: Port) -> set:
    """The port groups that the port is in."""
    if not port.port_security:
        return set()
    return {DROP_GROUP, *map(group_name, port.full_groups)}
