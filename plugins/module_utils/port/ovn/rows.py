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
    address = "%s %s" % (port.mac_address, port.fixed_ip)
    return {
        "type": "",
        "enabled": [True],
        "addresses": [address] if port.port_security else [address, "unknown"],
        "port_security": [address] if port.port_security else [],
        "options": {"requested-chassis": port.host} if port.host else {},
        "external_ids": {
            mark("instance_uuid"): port.instance_uuid,
            mark("port_name"): port.name,
            mark("network"): port.network.name,
            mark("port_security"): json.dumps(port.port_security),
            mark("security_groups"): json.dumps(list(port.security_groups)),
            **({mark("record"): port.record_id} if port.record_id else {}),
            **project_ids(port.project_id, port.network.shared),
        },
    }


def known_by(row: Mapping[str, Any]) -> Request:
    """What a row of ours, in OVSDB's JSON, says of whose it is and where."""
    ids, options = (dict(row[column][1]) for column in ("external_ids", "options"))
    marked = ("instance_uuid", "network")
    return Request(
        id=row["name"],
        name=ids.get(mark("port_name"), ""),
        host=options.get("requested-chassis"),
        record_id=ids.get(mark("record")),
        **{key: ids.get(mark(key)) for key in marked},
    )


def port_groups(port: Port) -> set:
    """The port groups that the port is in."""
    if not port.port_security:
        return set()
    return {DROP_GROUP, *map(group_name, port.full_groups)}
