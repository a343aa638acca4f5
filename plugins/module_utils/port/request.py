# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a user asks for, checked as far as it can be without looking at what is there."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any, Callable, Mapping

from ..core.convert import is_uuid, printable
from ..core.errors import InvalidRequest
from ..core.names import checked_name
from ..core.specs import REQUIRED
from ..network.addresses import checked_ip, checked_mac, checked_prefix
from ..network.fixed_ips import check_first_ip, check_fixed_ip
from ..network.names import DEFAULT_PROJECT
from ..network.request import Definitions, definitions
from ..network.security import DEFAULT
from ..router.request import hosts_of
from .addresses import counted_ips, first_and_further
from .floating import check_floating, is_address
from .item import Pair, Request, called
from .qos import limits
from .trunk import check_subport, checked_vlan, with_parents

# Options that are texts as they are, and whose empty text is none.
NAMES = ("network", "port", "host", "availability_zone", "record_id", "dns_name", "parent")
# What to do about it with neutron.
BEYOND_NEUTRON = {
    "qos": "give the port or its network a QoS policy in neutron",
    "fixed_ips": "make the port in neutron, and name it as port",
}
# By these a port is known.
IDENTITY = ("id", "name", "instance_uuid", "network", "port", "parent", "record_id")

# An item, as an argument spec has it.
PAIR = {"ip_address": REQUIRED, "mac_address": {"type": "str"}}
TEXTS = ("network", "port", "host", "availability_zone", "mac_address", "fixed_ip", "record_id", "project_id")
TEXTS += ("dns_name", "parent")
OPTIONS = {
    **dict.fromkeys(("id", "name", "instance_uuid"), REQUIRED),
    **dict.fromkeys(TEXTS, {"type": "str"}),
    **dict.fromkeys(("fixed_ips", "security_groups"), {"type": "list", "elements": "str"}),
    "port_security": {"type": "bool"},
    "vlan": {"type": "int"},
    "allowed_address_pairs": {"type": "list", "elements": "dict", "options": PAIR},
    **dict.fromkeys(("qos", "floating_ip"), {"type": "raw"}),
    "network_info": {"type": "dict"},
}


def parse(params: Mapping[str, Any]) -> list[Request]:
    """The ports of a request. What makes no sense is the fault of its port alone; a repeated id is everybody's.

    To be removed a port need only be known.
    """
    neutron = params.get("service") == "neutron"
    present = params.get("state", "present") == "present"
    defined = _planning_definitions(params) if present and not neutron else Definitions()
    check = _check_neutron if neutron else _check_ovn
    gateways = hosts_of(params["gateways"]) if present and params.get("gateways") is not None else None
    requests = [replace(_check(port, defined, check, present), gateways=gateways) for port in params["ports"]]
    repeated = sorted(identity for identity, number in Counter(each.id for each in requests).items() if number > 1)
    if repeated:
        raise InvalidRequest("id %s is asked for several times" % ", ".join(repeated))
    return _without_rivals(with_parents(requests))


def _planning_definitions(params: Mapping[str, Any]) -> Definitions:
    """The definitions of what is not there yet, with neutron's default group."""
    defined = definitions(params)
    return replace(defined, groups={"default": DEFAULT, **defined.groups})


def _check(port: Mapping[str, Any], defined: Definitions, check: Callable, present: bool) -> Request:
    """One port of the request, with its fault if it has one."""
    known = Request(**{name: port.get(name) or None for name in IDENTITY}, definitions=defined)
    known = replace(known, project_id=port.get("project_id") or DEFAULT_PROJECT, shared=defined.shares(known.network))
    try:
        request = _request(port, known) if present else known
        _check_identity(request)
        if present:
            check_subport(request)
        check(request, present)
    except InvalidRequest as error:
        return replace(known, fault=error)
    return request


def _request(port: Mapping[str, Any], known: Request) -> Request:
    """One port of the request, checked as far as it can be without looking at what is there."""
    if port.get("host") and not re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", port["host"]):
        raise InvalidRequest("host %r is not a host's name" % port["host"])
    groups, pairs, qos = (port.get(name) for name in ("security_groups", "allowed_address_pairs", "qos"))
    fixed_ip = checked_ip(port["fixed_ip"]) if port.get("fixed_ip") else None
    listed = None if port.get("fixed_ips") is None else counted_ips(port["fixed_ips"], 0, "fixed_ips")
    fixed_ip, further_ips = first_and_further(fixed_ip, listed)
    request = replace(
        known,
        mac_address=checked_mac(port["mac_address"]) if port.get("mac_address") else None,
        fixed_ip=fixed_ip,
        further_ips=further_ips,
        security_groups=None if groups is None else tuple(sorted(set(groups))),
        port_security=port.get("port_security"),
        allowed_address_pairs=None if pairs is None else tuple(sorted({_pair(pair) for pair in pairs}, key=str)),
        qos=None if qos is None else limits(qos, "qos"),
        floating_ip=floating_ip(port.get("floating_ip"), "floating_ip"),
        vlan=None if port.get("vlan") is None else checked_vlan(port["vlan"], "vlan"),
        **{name: port.get(name) or None for name in NAMES},
    )
    if request.port_security is False and (request.security_groups or request.allowed_address_pairs):
        raise InvalidRequest("a port with port_security: false can have no security groups and no address pairs")
    return request


def _pair(pair: Mapping[str, Any]) -> Pair:
    """An allowed address pair: an address or a CIDR, as neutron keeps it."""
    allowed = checked_prefix(pair["ip_address"], "allowed_address_pairs", strict=False)
    one = allowed.prefixlen == allowed.max_prefixlen
    mac = checked_mac(pair["mac_address"]) if pair.get("mac_address") else None
    return Pair(str(allowed.network_address if one else allowed), mac)


def floating_ip(value: Any, what: str) -> str | bool | None:
    """True, False, a text, or None if nothing is asked for; Jinja makes texts of the first two."""
    if isinstance(value, bool) or value in (None, ""):
        return value if isinstance(value, bool) else None
    words = {"true": True, "false": False}
    asked = printable(value, "%s (true, or a network's name or an address as a text)" % what)
    return words.get(asked.lower(), asked)


def _check_ovn(request: Request, present: bool) -> None:
    """What only OVN asks for, and what it has not."""
    if request.port:
        raise InvalidRequest("port needs service: neutron")
    if not request.network:
        raise InvalidRequest("say the network that it is on")
    checked_name(request.network, "network")
    if request.dns_name:
        checked_name(request.dns_name, "DNS")
    network = request.definitions.network(request.network)
    for group in request.security_groups or ():
        checked_name(group, "security group")
        request.definitions.group(group)
    if network and request.fixed_ip:
        check_first_ip(network, request.fixed_ip, request.mac_address)
    for address in request.further_ips or () if network else ():
        check_fixed_ip(network, address, request.mac_address)
    check_floating(request)


def _check_neutron(request: Request, present: bool) -> None:
    """What only neutron asks for, and what is not asked of it here."""
    for what, instead in BEYOND_NEUTRON.items():
        if getattr(request, what):
            raise InvalidRequest("%s needs service: ovn; %s" % (what, instead))
    if present and bool(request.network) == bool(request.port):
        raise InvalidRequest("say either the network that it is on, or the port of yours that it is")


def _check_identity(request: Request) -> None:
    """What every port must say of itself."""
    for what in ("id", "instance_uuid"):
        _check_uuid(getattr(request, what), what)
    if not request.name or not request.name.isprintable() or len(request.name) > 255:
        raise InvalidRequest("name %r: use 1 to 255 printable characters" % request.name)


def _check_uuid(text: str, what: str) -> None:
    if not is_uuid(text):
        raise InvalidRequest("%s %r is not a UUID in lower case" % (what, text))


def _without_rivals(requests: list[Request]) -> list[Request]:
    """The requests; those that ask for what an earlier one asks for as well, and only one can have, with that fault."""
    first: dict[tuple[str, str], Request] = {}
    checked = []
    for request in requests:
        rivals = [(word, first.setdefault(word, request)) for word in (() if request.fault else _exclusive(request))]
        taken = [
            "%s %s: port %s asks for it too" % (*word, other.name) for word, other in rivals if other is not request
        ]
        checked.append(replace(request, fault=InvalidRequest("; ".join(taken))) if taken else request)
    return checked


def _exclusive(request: Request) -> list[tuple[str, str]]:
    """What only one port can have, of what this one asks for."""
    words = [
        ("mac_address" if word == request.mac_address else "fixed_ip", "%s on network %s" % (word, network))
        for network in [called(request.full_network)]
        for word in request.addresses
    ]
    if request.port:
        words.append(("port", request.port))
    if request.parent and request.vlan:
        words.append(("vlan", "%s of port %s" % (request.vlan, request.parent)))
    if isinstance(request.floating_ip, str) and is_address(request.floating_ip):
        words.append(("floating_ip", request.floating_ip))
    return words
