# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A port's floating IP as a row of the OVN northbound: a router's, which says whose port it is.

Without a MAC address of its own it is the router's gateway that translates it (ovn-nb(5), NAT), on whatever host the
port is: that host need not be on the wire. With one, and the port's name, the port's own host does.
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ...network.definition import Network
from ...network.names import SHARED, name_in
from ...network.ovn.conditions import references
from ...network.ovn.rows import mark, project_ids, project_of, switch_name
from ...router.ovn.marks import EXTERNAL, OF_ROUTER, router_name
from ..floating import Floating
from ..item import Request
from ..model import Port


def floating_columns(port: Port) -> dict[str, Any] | None:
    """The row; None without a floating IP."""
    floating = port.floating
    if floating is None:
        return None
    shared = {mark("external_shared"): "true"} if floating.network.project == SHARED else {}
    record = {mark("record"): port.record_id} if port.record_id else {}
    return {
        "type": "dnat_and_snat",
        "logical_ip": str(port.fixed_ip),
        "external_ip": floating.address,
        "external_mac": [floating.mac_address] if floating.mac_address else [],
        "logical_port": [port.id] if floating.mac_address else [],
        "external_ids": {
            mark("port"): port.id,
            mark("port_name"): port.name,
            mark("instance_uuid"): port.instance_uuid,
            mark("of_network"): port.network.name,
            mark(OF_ROUTER): router_name(floating.router),
            mark("router"): floating.router.name,
            mark(EXTERNAL): switch_name(floating.network),
            mark("external_network"): floating.network.name,
            **project_ids(floating.router.project),
            **shared,
            **record,
        },
    }


def read_floating(row: Any) -> Floating:
    """The floating IP of a row."""
    ids = row.external_ids
    project, shared = project_of(ids), mark("external_shared") in ids
    network = name_in(project, ids.get(mark("external_network")), shared)
    mac = next(iter(row.external_mac), None)
    return Floating(row.external_ip, network, name_in(project, ids.get(mark("router"))), mac)


def left_by(row: Any, request: Request) -> Port:
    """A port that is gone, and left this row behind."""
    network = Network(str(request.network), cidr="", gateway=None, first="", last="", project_id=request.project_id)
    known: dict[str, Any] = {name: getattr(request, name) for name in ("id", "name", "instance_uuid", "project_id")}
    known.update(dict.fromkeys(("host", "mac_address", "fixed_ip")), security_groups=(), port_security=False)
    record_id = row.external_ids.get(mark("record"))
    return Port(network=network, floating=read_floating(row), record_id=record_id, **known)


def known_by(row: Mapping[str, Any]) -> Request:
    """What a row, in OVSDB's JSON, says of the port whose it is, as if that were gone."""
    ids = dict(row["external_ids"][1])
    keys = {"id": "port", "name": "port_name", "instance_uuid": "instance_uuid", "network": "of_network"}
    known = {name: ids.get(mark(key), "") for name, key in keys.items()}
    return Request(**known, record_id=ids.get(mark("record")), left=True)


def has_floating(rows: Iterable[Any], port: Port) -> bool:
    """Whether these rows are exactly the port's floating IP."""
    wanted = floating_columns(port)
    there = [{column: getattr(row, column) for column in wanted or ()} for row in rows]
    return there == ([] if wanted is None else [wanted])


def put_floating(writer: Any, routers: Any, rows: list[Any], port: Port) -> None:
    """Make one of these rows the port's floating IP, or a new one; the others go.

    writer is that of networks, routers the view of routers.
    """
    wanted = floating_columns(port)
    mine = [row for row in rows if port.floating and _router_name(row) == router_name(port.floating.router)]
    for row in rows:
        if row not in mine[:1]:
            take_floating(routers, row)
    if wanted is None:
        return
    router = routers.row(port.floating.router)
    if not mine or mine[0].external_ip != wanted["external_ip"]:
        # Who gives one out at the same time must see that this one is given.
        for switch in routers.networks.switches[switch_name(port.floating.network)]:
            writer.verify(switch, "ports")
        writer.verify(router, "nat")
        writer.number()
    if mine:
        writer.set(mine[0], wanted, wanted["external_ids"])
    else:
        router.addvalue("nat", writer.insert("NAT", wanted))


def take_floating(routers: Any, row: Any) -> None:
    """Take a floating IP from its router, if that is there yet."""
    for router in routers.routers[_router_name(row)]:
        if row.uuid in references(router, "nat"):
            router.delvalue("nat", row)


def _router_name(row: Any) -> str:
    """The logical router that a row says it is of."""
    return row.external_ids.get(mark(OF_ROUTER), "")
