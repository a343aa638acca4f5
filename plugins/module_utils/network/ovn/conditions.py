# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which rows of the northbound a request concerns, as conditions of OVSDB's monitor (ovsdb-server(7)).

A table's clauses are OR-ed. They follow from what is replicated so far: what a row refers to is asked for once that row
is here. Pure.
"""

from __future__ import annotations

from typing import Any, Container, Iterable
from uuid import UUID

from ...router.ovn.marks import EXTERNAL, JOINS, OF_ROUTER, named_router, router_name
from ..names import Name, gateway_port, localnet_port, name_in
from .rows import group_name, mark, name_of, project_of, remote_key, switch_name

# By table.
Conditions = "dict[str, list[Any]]"


def by_name(names: Iterable[str]) -> list[Any]:
    """The rows of these names."""
    return [["name", "==", name] for name in sorted(set(names))]


def by_mark(key: str, values: Iterable[str]) -> list[Any]:
    """The rows whose mark of this key has one of these values."""
    return [["external_ids", "includes", ["map", [[mark(key), value]]]] for value in sorted(set(values))]


def by_uuid(uuids: Iterable[UUID]) -> list[Any]:
    """The rows of these UUIDs."""
    return [["_uuid", "==", ["uuid", str(uuid)]] for uuid in uuids]


def references(row: Any, column: str) -> list[UUID]:
    """The UUIDs in a column. The IDL's own accessor leaves out those whose rows are not replicated."""
    return row._data[column].as_list() if row._data is not None else []


def definition_conditions(
    tables: Any, networks: Iterable[Name], port_groups: Iterable[str], routers: Iterable[str] = ()
) -> Conditions:
    """The switches of these networks with their DHCP options and own ports, and these port groups with their rules.

    Also these logical routers, with those that the networks are on, and their external networks.
    """
    names, networks = set(port_groups), set(networks)
    existing = [row for row in tables["Port_Group"].rows.values() if row.name in names]
    groups = {
        row.external_ids[mark("security_group")] for row in existing if mark("security_group") in row.external_ids
    }
    remotes = {name_in(project_of(row.external_ids), remote) for row in existing for remote in _remotes(row)}
    routers = {*routers, *_routers_of(tables, networks)}
    outside = {row.external_ids.get(mark(EXTERNAL), "") for row in _named(tables, "Logical_Router", routers)} - {""}
    networks |= {name_of(row.external_ids, "network") for row in _named(tables, "Logical_Switch", outside)}
    speaking = [clause for group in sorted(groups) for clause in by_mark(remote_key(group), ["true"])]
    conditions = {
        "NB_Global": [True],
        "Logical_Switch": by_name({*map(switch_name, networks), *outside}),
        "DHCP_Options": by_mark("network", (network.name for network in networks)),
        "Port_Group": by_name(names | set(map(group_name, remotes))) + speaking,
        "ACL": by_uuid(sorted({uuid for row in existing for uuid in references(row, "acls")})),
        "Logical_Switch_Port": by_name(port(network) for network in networks for port in (gateway_port, localnet_port))
        + by_mark(JOINS, map(switch_name, networks)),
        "DNS": [],
        "QoS": [],
    }
    return _with_routers(tables, conditions, routers, set(map(switch_name, networks)))


def joined_switches(tables: Any, routers: Iterable[str]) -> set[str]:
    """The switches of the networks that these logical routers are on."""
    ports = tables["Logical_Router_Port"].rows.values()
    return {row.external_ids.get(mark(JOINS), "") for row in ports if row.external_ids.get(mark(OF_ROUTER)) in routers}


def _routers_of(tables: Any, networks: Iterable[Name]) -> set[str]:
    """The logical routers that these networks are on."""
    rows = _named(tables, "Logical_Switch", set(map(switch_name, networks)))
    return {router_name(name) for name in map(named_router, rows) if name is not None}


def _with_routers(tables: Any, conditions: Conditions, routers: set[str], switches: set[str]) -> Conditions:
    """The conditions, for these logical routers as well, with all that is their own; not with floating IPs.

    switches are those of networks that may be on them.
    """
    mine, groups = by_mark(OF_ROUTER, routers), _named(tables, "HA_Chassis_Group", routers)
    return {
        **conditions,
        "Logical_Switch_Port": conditions["Logical_Switch_Port"] + mine,
        "Logical_Router": by_name(routers),
        "Logical_Router_Port": mine,
        "Logical_Router_Static_Route": mine,
        "NAT": by_mark(JOINS, joined_switches(tables, routers) | switches),
        "HA_Chassis_Group": by_name(routers),
        "HA_Chassis": by_uuid(sorted({uuid for row in groups for uuid in references(row, "ha_chassis")})),
    }


def _named(tables: Any, table: str, names: Container[str]) -> list[Any]:
    """The rows of these names."""
    return [row for row in tables[table].rows.values() if row.name in names]


def with_ports(conditions: Conditions, ports: list[Any]) -> Conditions:
    """The conditions, for these ports as well."""
    return {**conditions, "Logical_Switch_Port": conditions["Logical_Switch_Port"] + ports}


def with_wires(tables: Any, conditions: Conditions, wires: Iterable[str]) -> Conditions:
    """The conditions, for the networks of ours on these physical networks as well, without their own DHCP options."""
    ports = [row for row in tables["Logical_Switch_Port"].rows.values() if mark("localnet") in row.external_ids]
    mine = [["options", "includes", ["map", [["network_name", wire]]]] for wire in sorted(wires)]
    switches = by_name(switch_name(name_of(row.external_ids, "network")) for row in ports)
    conditions = with_ports(conditions, mine)
    return {**conditions, "Logical_Switch": conditions["Logical_Switch"] + switches}


def _remotes(row: Any) -> list[str]:
    """The groups that a port group's rules speak of."""
    prefix = mark(remote_key(""))
    return [key[len(prefix) :] for key in row.external_ids if key.startswith(prefix)]
