# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a user asks for, checked: all of it is refused when any of it makes no sense."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from ipaddress import ip_network
from typing import Any, Callable, Mapping

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..core.errors import InvalidRequest
from ..network import model as networks
from ..network import security
from ..network.model import Network
from ..network.security import Group
from .item import Definitions, Pair, Request
from .neutron.floating import is_address


def parse(params: Mapping[str, Any]) -> list[Request]:
    """The ports of a request; InvalidRequest names everything that is wrong with it."""
    faults: list[str] = []
    neutron = params.get("service") == "neutron"
    definitions = Definitions() if neutron else _definitions(params, faults)
    check = _check_neutron if neutron else _check_ovn
    requests = []
    for said in params["ports"]:
        with_definitions = {**said, "definitions": definitions}
        what = "port %s" % (said["name"] or said["id"])
        for request in _collected(faults, what, _request, with_definitions):
            _collected(faults, what, check, request, params.get("state", "present"))
            requests.append(request)
    faults.extend(_repeated(requests))
    if faults:
        raise InvalidRequest("; ".join(faults))
    return requests


def _definitions(params: Mapping[str, Any], faults: list[str]) -> Definitions:
    """The networks and groups that the parameters define."""
    made, groups = {}, {}
    for name, options in (params.get("networks") or {}).items():
        for network in _collected(faults, "network %s" % name, _define_network, name, options):
            made[name] = network
    for name, rules in (params.get("security_groups") or {}).items():
        for group in _collected(faults, "security group %s" % name, _define_group, name, rules):
            groups[name] = group
    for group in groups.values():
        for remote in sorted(group.remotes - set(params["security_groups"]) - {"default"}):
            faults.append("security group %s: remote %s is neither a CIDR nor a defined group" % (group.name, remote))
    return Definitions(made, groups)


def _define_network(name: Any, options: Any) -> Network:
    no_gateway = isinstance(options, dict) and "gateway" in options and not options["gateway"]
    return networks.define_network(name, _validated(networks.OPTIONS, options), no_gateway)


def _define_group(name: Any, rules: Any) -> Group:
    if not isinstance(rules, list):
        raise InvalidRequest("write its rules as a list")
    return security.define_group(name, [_validated(security.OPTIONS, rule) for rule in rules])


def _validated(options: dict[str, Any], said: Any) -> dict[str, Any]:
    """What is said, in the types and with the defaults of an argument spec."""
    if not isinstance(said, dict):
        raise InvalidRequest("write it as a mapping of %s" % ", ".join(sorted(options)))
    result = ArgumentSpecValidator(options).validate({k: v for k, v in said.items() if v is not None})
    if result.error_messages:
        raise InvalidRequest(", ".join(result.error_messages))
    return result.validated_parameters


def _request(said: Mapping[str, Any]) -> Request:
    """One port of the request, checked as far as it can be without looking at what is there."""
    for what in ("id", "instance_uuid"):
        _check_uuid(said[what], what)
    if not said["name"] or not said["name"].isprintable() or len(said["name"]) > 255:
        raise InvalidRequest("name %r: use 1 to 255 printable characters" % said["name"])
    if said.get("host") and not re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", said["host"]):
        raise InvalidRequest("host %r is not a host's name" % said["host"])
    groups, pairs = said.get("security_groups"), said.get("allowed_address_pairs")
    request = Request(
        id=said["id"],
        name=said["name"],
        instance_uuid=said["instance_uuid"],
        mac_address=networks.checked_mac(said["mac_address"]) if said.get("mac_address") else None,
        fixed_ip=networks.checked_ip(said["fixed_ip"]) if said.get("fixed_ip") else None,
        security_groups=None if groups is None else tuple(sorted(set(groups))),
        port_security=said.get("port_security"),
        allowed_address_pairs=None if pairs is None else tuple(sorted({_pair(pair) for pair in pairs}, key=str)),
        floating_ip=_floating_ip(said.get("floating_ip")),
        definitions=said["definitions"],
        **{name: said.get(name) or None for name in ("network", "port", "host", "availability_zone")},
    )
    if request.port_security is False and (request.security_groups or request.allowed_address_pairs):
        raise InvalidRequest("a port with port_security: false can have no security groups and no address pairs")
    return request


def _pair(said: Mapping[str, Any]) -> Pair:
    """An allowed address pair: an address or a CIDR, as neutron keeps it."""
    try:
        allowed = ip_network(said["ip_address"], strict=False)
    except ValueError as error:
        raise InvalidRequest("allowed_address_pairs: %s" % error) from error
    one = allowed.prefixlen == allowed.max_prefixlen
    mac = networks.checked_mac(said["mac_address"]) if said.get("mac_address") else None
    return Pair(str(allowed.network_address if one else allowed), mac)


def _floating_ip(said: Any) -> str | bool | None:
    """True, False, a text, or None if nothing is said; Jinja makes texts of the first two."""
    if said is None or isinstance(said, bool):
        return said
    if not isinstance(said, str):
        raise InvalidRequest("floating_ip %r: write true, or a network's name or an address as a text" % (said,))
    return {"true": True, "false": False, "": None}.get(said.lower(), said)


def _check_ovn(request: Request, state: str) -> None:
    """What only OVN asks for, and what it has not."""
    for what in ("port", "allowed_address_pairs", "floating_ip"):
        if getattr(request, what):
            raise InvalidRequest("%s needs service: neutron" % what)
    if not request.network:
        raise InvalidRequest("say the network that it is on")
    network = request.definitions.networks.get(request.network)
    if network and request.fixed_ip:
        networks.check_fixed_ip(network, request.fixed_ip)


def _check_neutron(request: Request, state: str) -> None:
    """What only neutron asks for."""
    if state == "present" and bool(request.network) == bool(request.port):
        raise InvalidRequest("say either the network that it is on, or the port of yours that it is")


def _check_uuid(text: str, what: str) -> None:
    try:
        sound = str(uuid.UUID(text)) == text
    except ValueError:
        sound = False
    if not sound:
        raise InvalidRequest("%s %r is not a UUID in lower case" % (what, text))


def _repeated(requests: list[Request]) -> list[str]:
    """What two ports of one request ask for and only one can have."""
    words = [("id", request.id) for request in requests]
    words += [("fixed_ip", "%s on network %s" % (r.fixed_ip, r.network)) for r in requests if r.fixed_ip]
    words += [("mac_address", "%s on network %s" % (r.mac_address, r.network)) for r in requests if r.mac_address]
    words += [("port", r.port) for r in requests if r.port]
    words += [
        ("floating_ip", r.floating_ip) for r in requests if isinstance(r.floating_ip, str) and is_address(r.floating_ip)
    ]
    return ["%s %s is asked for %d times" % (what, word, n) for (what, word), n in Counter(words).items() if n > 1]


def _collected(faults: list[str], what: str, make: Callable, *arguments: Any) -> list[Any]:
    """What make() makes, in a list; or an empty list and its complaint among the faults."""
    try:
        return [make(*arguments)]
    except InvalidRequest as error:
        faults.append("%s: %s" % (what, error))
        return []
