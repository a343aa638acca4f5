# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The part of the northbound's schema that is used here: only these columns are ever replicated.

Declared rather than fetched, so that the connection is one round trip and has one timeout. The types are those of
ovn-nb.ovsschema since OVN 20.03; a test compares them. Where releases differ in the least number of values, it is the
least of them (OVN 25.03 lets a router's port have no networks): a client refuses a row that has fewer than declared.
"""

from __future__ import annotations

from typing import Any


def _set(key: Any) -> dict[str, Any]:
    return {"type": {"key": key, "min": 0, "max": "unlimited"}}


def _optional(key: Any) -> dict[str, Any]:
    return {"type": {"key": key, "min": 0, "max": 1}}


def _rows(table: str, strength: str = "strong") -> dict[str, str]:
    return {"type": "uuid", "refTable": table, "refType": strength}


_TEXT = {"type": "string"}
_MAP = {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}

SCHEMA = {
    "name": "OVN_Northbound",
    "version": "5.20.0",
    "tables": {
        "NB_Global": {"isRoot": True, "maxRows": 1, "columns": {"external_ids": _MAP}},
        "Logical_Switch": {
            "isRoot": True,
            "columns": {
                "name": _TEXT,
                "ports": _set(_rows("Logical_Switch_Port")),
                "dns_records": _set(_rows("DNS", "weak")),
                "qos_rules": _set(_rows("QoS")),
                "external_ids": _MAP,
            },
        },
        "Logical_Switch_Port": {
            "isRoot": False,
            "indexes": [["name"]],
            "columns": {
                "name": _TEXT,
                "type": _TEXT,
                "enabled": _optional("boolean"),
                "up": _optional("boolean"),
                "addresses": _set("string"),
                "port_security": _set("string"),
                "parent_name": _optional("string"),
                "tag_request": _optional("integer"),
                "dhcpv4_options": _optional(_rows("DHCP_Options", "weak")),
                "options": _MAP,
                "external_ids": _MAP,
            },
        },
        "DHCP_Options": {"isRoot": True, "columns": {"cidr": _TEXT, "options": _MAP, "external_ids": _MAP}},
        "Port_Group": {
            "isRoot": True,
            "indexes": [["name"]],
            "columns": {
                "name": _TEXT,
                "ports": _set(_rows("Logical_Switch_Port", "weak")),
                "acls": _set(_rows("ACL")),
                "external_ids": _MAP,
            },
        },
        "ACL": {
            "isRoot": False,
            "columns": {
                "direction": _TEXT,
                "priority": {"type": "integer"},
                "match": _TEXT,
                "action": _TEXT,
            },
        },
        "Logical_Router": {
            "isRoot": True,
            "columns": {
                "name": _TEXT,
                "ports": _set(_rows("Logical_Router_Port")),
                "static_routes": _set(_rows("Logical_Router_Static_Route")),
                "nat": _set(_rows("NAT")),
                "options": _MAP,
                "external_ids": _MAP,
            },
        },
        "Logical_Router_Port": {
            "isRoot": False,
            "indexes": [["name"]],
            "columns": {
                "name": _TEXT,
                "mac": _TEXT,
                "networks": _set("string"),
                "ha_chassis_group": _optional(_rows("HA_Chassis_Group")),
                "ipv6_ra_configs": _MAP,
                "options": _MAP,
                "external_ids": _MAP,
            },
        },
        "Logical_Router_Static_Route": {
            "isRoot": False,
            "columns": {
                "ip_prefix": _TEXT,
                "nexthop": _TEXT,
                "output_port": _optional("string"),
                "external_ids": _MAP,
            },
        },
        "NAT": {
            "isRoot": False,
            "columns": {
                "type": {"type": {"key": {"type": "string", "enum": ["set", ["dnat", "snat", "dnat_and_snat"]]}}},
                "logical_ip": _TEXT,
                "external_ip": _TEXT,
                "external_mac": _optional("string"),
                "logical_port": _optional("string"),
                "external_ids": _MAP,
            },
        },
        "HA_Chassis_Group": {
            "isRoot": True,
            "indexes": [["name"]],
            "columns": {"name": _TEXT, "ha_chassis": _set(_rows("HA_Chassis")), "external_ids": _MAP},
        },
        "HA_Chassis": {
            "isRoot": False,
            "columns": {
                "chassis_name": _TEXT,
                "priority": {"type": {"key": {"type": "integer", "minInteger": 0, "maxInteger": 32767}}},
            },
        },
        "DNS": {"isRoot": True, "columns": {"records": _MAP, "external_ids": _MAP}},
        "QoS": {
            "isRoot": False,
            "columns": {
                "direction": _TEXT,
                "priority": {"type": "integer"},
                "match": _TEXT,
                "bandwidth": {"type": {"key": "string", "value": "integer", "min": 0, "max": "unlimited"}},
                "external_ids": _MAP,
            },
        },
    },
}
