# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Networks and security groups as rows of the OVN northbound: names, marks and columns. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Mapping, NamedTuple

from ...core.names import MARK
from ..definition import Network
from ..model import Item
from ..names import DEFAULT_PROJECT, Name, name_in
from ..security import Group, Rule

# neutron's priorities (neutron/common/ovn/constants.py).
DROP_PRIORITY, ALLOW_PRIORITY = 1001, 1002
# Every port with port security is in this group: what no rule allows is dropped.
DROP_GROUP = MARK + "_drop"


class Acl(NamedTuple):
    """The columns of an ACL that make it what it is."""

    direction: str
    priority: int
    match: str
    action: str


def mark(key: str) -> str:
    """The key of ours in a row's external_ids."""
    return "%s:%s" % (MARK, key)


def switch_name(network: Name) -> str:
    """The logical switch of a network. The default project's is called by the network alone, as names have no '@'."""
    name = "%s-%s" % (MARK, network.name)
    return name if network.project == DEFAULT_PROJECT else "%s@%s" % (name, network.project)


def group_name(group: Name) -> str:
    """The port group of a security group. OVN knows no '-', so '.' is an escape; no two groups have one name."""
    name = "%s_sg_%s" % (MARK, group.name.translate({ord("-"): "_", ord("_"): "._", ord("."): ".."}))
    if group.project == DEFAULT_PROJECT:
        return name
    return "%s.p%s" % (name, hashlib.sha256(group.project.encode("utf-8", "surrogateescape")).hexdigest()[:16])


def project_ids(project_id: str, shared: bool = False) -> dict[str, str]:
    """How a row says whose it is; one that says nothing is the default project's."""
    project = {} if project_id == DEFAULT_PROJECT else {mark("project"): project_id}
    return {**project, **({mark("shared"): "true"} if shared else {})}


def name_of(external_ids: Mapping[str, str], key: str) -> Name:
    """The network, or whatever the key is of, that a row speaks of."""
    return name_in(project_of(external_ids), external_ids.get(mark(key), ""), mark("shared") in external_ids)


def project_of(external_ids: Mapping[str, str]) -> str:
    """The project that a row says it is of."""
    return external_ids.get(mark("project"), DEFAULT_PROJECT)


def drop_ids() -> dict[str, str]:
    """What the port group of the default deny says about itself."""
    return {mark("drop"): "true"}


def drop_acls() -> frozenset:
    """Default deny in both directions. DHCP may leave, or a port without any group would have no address.

    Neighbour discovery and router advertisements pass before any ACL (ovn-northd(8)), as one of these is stateful.
    """
    return frozenset(
        (
            Acl("to-lport", DROP_PRIORITY, "outport == @%s && ip" % DROP_GROUP, "drop"),
            Acl("from-lport", DROP_PRIORITY, "inport == @%s && ip" % DROP_GROUP, "drop"),
            Acl(
                "from-lport",
                ALLOW_PRIORITY,
                "inport == @%s && ip4 && udp.src == 68 && udp.dst == 67" % DROP_GROUP,
                "allow-related",
            ),
        )
    )


def group_acls(group: Group) -> frozenset:
    """One ACL for each rule."""
    return frozenset(_acl(group, rule) for rule in group.rules)


def _acl(group: Group, rule: Rule) -> Acl:
    """A rule of a group in OVN's words, as neutron writes them."""
    port_group = group_name(group.full_name)
    inward = rule.direction == "ingress"
    family = "4" if rule.ethertype == "IPv4" else "6"
    terms = ["%s == @%s" % ("outport" if inward else "inport", port_group), "ip" + family]
    other_side = "ip%s.%s" % (family, "src" if inward else "dst")
    if rule.remote_cidr:
        terms.append("%s == %s" % (other_side, rule.remote_cidr))
    if rule.remote_group:
        terms.append("%s == $%s_ip%s" % (other_side, _remote(group, rule), family))
    if rule.protocol.isdecimal():
        terms.append("ip.proto == %s" % rule.protocol)
    elif rule.protocol != "any":
        terms.append("icmp" + family if rule.protocol == "icmp" else rule.protocol)
    if rule.ports and rule.protocol == "icmp":
        terms += ["icmp%s.%s == %d" % (family, *pair) for pair in zip(("type", "code"), rule.ports)]
    elif rule.ports:
        first, last = rule.ports
        port = rule.protocol + ".dst"
        terms.append(
            "%s == %d" % (port, first) if first == last else "%s >= %d && %s <= %d" % (port, first, port, last)
        )
    return Acl("to-lport" if inward else "from-lport", ALLOW_PRIORITY, " && ".join(terms), "allow-related")


def _remote(group: Group, rule: Rule) -> str:
    """The port group that a rule speaks of: one of the same project."""
    return group_name(name_in(group.project_id, rule.remote_group))


def network_ids(item: Item) -> dict[str, str]:
    """What a switch says about the network it is; its DHCP options say only the first."""
    network = item.definition
    known = {mark("network"): network.name, mark("definition"): network.definition()}
    routed = {mark("router"): network.router} if network.full_router else {}
    return {**known, **routed, **_whose(network), **_origin(item)}


def _whose(network: Network) -> dict[str, str]:
    return project_ids(network.project_id, network.shared)


def dhcp_columns(network: Network) -> dict[str, Any] | None:
    """The row of DHCP_Options, or None without DHCP."""
    if not network.dhcp:
        return None
    options = {
        "server_id": network.server,
        "server_mac": network.server_mac,
        "lease_time": "43200",
        "mtu": str(network.mtu),
    }
    if network.gateway:
        options["router"] = network.gateway
    # DHCP is of IPv4 only.
    servers = [server for server in network.dns if ":" not in server]
    if servers:
        options["dns_server"] = "{%s}" % ", ".join(servers)
    if network.domain:
        options["domain_name"] = '"%s"' % network.domain
    ids = {mark("network"): network.name, **_whose(network)}
    return {"cidr": network.cidr, "options": options, "external_ids": ids}


def gateway_columns(network: Network) -> dict[str, Any] | None:
    """The port by which each compute host is the network's gateway; None where they are not.

    A localport is on every host, and what it sends stays there (ovn-architecture(7)).
    """
    if network.gateway_port is None:
        return None
    return {
        "type": "localport",
        "addresses": [" ".join(filter(None, (network.server_mac, network.gateway, network.ipv6_gateway)))],
        "external_ids": {mark("gateway"): "true", mark("network"): network.name, **_whose(network)},
    }


def localnet_columns(network: Network) -> dict[str, Any] | None:
    """The port by which the network is on its wire, on each host that has a bridge mapped to it; None without a wire.

    As neutron's, whose localnet ports have these options as well (neutron/plugins/ml2/drivers/ovn).
    """
    if network.localnet_port is None:
        return None
    return {
        "type": "localnet",
        "addresses": ["unknown"],
        "tag_request": [network.vlan] if network.vlan else [],
        "options": {
            "network_name": str(network.physical_network),
            "mcast_flood": "false",
            "mcast_flood_reports": "true",
        },
        "external_ids": {mark("localnet"): "true", mark("network"): network.name, **_whose(network)},
    }


def group_ids(item: Item) -> dict[str, str]:
    """What a port group says about the security group it is; a key for each group that its rules speak of."""
    group = item.definition
    speaks_of = {mark(remote_key(remote)): "true" for remote in group.remotes}
    known = {mark("security_group"): group.name, mark("definition"): group.definition()}
    return {**known, **project_ids(group.project_id), **_origin(item), **speaks_of}


def remote_key(group: str) -> str:
    """The key of a port group whose rules speak of this group: by it they are found."""
    return "remote:" + group


def merge_ids(existing: dict[str, str], ours: dict[str, str]) -> dict[str, str]:
    """external_ids with exactly these keys of ours; those of others stay."""
    return {**{key: value for key, value in existing.items() if not key.startswith(mark(""))}, **ours}


def is_drop_group(external_ids: dict[str, str]) -> bool:
    """Whether a port group is the default deny that we made."""
    return drop_ids().items() <= external_ids.items()


def _origin(item: Item) -> dict[str, str]:
    """Whether the item stays without ports, and the record that it was made for."""
    keep = {mark("keep"): json.dumps(item.keep)}
    return {**keep, mark("record"): item.record_id} if item.record_id else keep
