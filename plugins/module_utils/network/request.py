# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which networks and security groups are asked for, and how they are defined.

What makes no sense is the fault of the item alone, and of those that need it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Callable, Iterable, Mapping

from ..core.carry import items, parts_of
from ..core.convert import mapping, sequence
from ..core.errors import InvalidRequest
from ..core.names import checked_name
from ..core.specs import REQUIRED
from ..router.definition import (
    Router,
    check_external_ip,
    check_external_ipv6,
    check_external_network,
    check_together,
    define_router,
)
from . import security
from .definition import HOST, NONE, Network, define_network
from .model import NETWORK, SECURITY_GROUP, Request
from .names import DEFAULT_PROJECT
from .options import NETWORK_OPTIONS, ROUTER_OPTIONS, RULE_OPTIONS, converted
from .security import DEFAULT, Group


@dataclass(frozen=True)
class Definitions:
    """What a request defines of networks, security groups and routers, by name; an InvalidRequest for a wrong one."""

    networks: Mapping[str, Network | InvalidRequest] = field(default_factory=dict)
    groups: Mapping[str, Group | InvalidRequest] = field(default_factory=dict)
    routers: Mapping[str, Router | InvalidRequest] = field(default_factory=dict)

    def network(self, name: str | None) -> Network | None:
        """The network's definition, if there is one; raised if it is wrong."""
        return _sound(self.networks.get(str(name)))

    def shares(self, name: str | None) -> bool:
        """Whether a network is defined as one that all projects share."""
        return getattr(self.networks.get(str(name)), "shared", False)

    def group(self, name: str) -> Group | None:
        """The group's definition, if there is one; raised if it is wrong."""
        return _sound(self.groups.get(name))

    def router(self, name: str, project_id: str) -> Router | None:
        """The router's definition, as that of a project, if there is one; raised if it is wrong."""
        router = _sound(self.routers.get(name))
        return router and replace(router, project_id=project_id)


def parse(params: Mapping[str, Any]) -> list[Request]:
    """The items that are asked for; if none are named, all that are defined and the group of ports that name none."""
    present = params.get("state", "present") == "present"
    defined = definitions(params)
    asked = params.get("wanted")
    if asked is None:
        groups = dict.fromkeys([*defined.groups, *(["default"] if present else [])])
        asked = [{"kind": NETWORK, "name": name} for name in defined.networks]
        asked += [{"kind": SECURITY_GROUP, "name": name} for name in groups]
    requests = [_request(each, params.get("project_id"), defined, present) for each in asked]
    keys = [request.key for request in requests]
    repeated = sorted({"%s %s" % (each.kind, each.name) for each in requests if keys.count(each.key) > 1})
    if repeated:
        raise InvalidRequest("asked for several times: %s" % ", ".join(repeated))
    return requests


def definitions(params: Mapping[str, Any]) -> Definitions:
    """The networks and groups that the parameters define."""
    networks = {
        name: _define("network %s" % name, _network, name, options)
        for name, options in (params.get("networks") or {}).items()
    }
    groups = {
        name: _define("security group %s" % name, _group, name, rules)
        for name, rules in (params.get("security_groups") or {}).items()
    }
    routers = {
        name: _define("router %s" % name, _router, name, options, networks)
        for name, options in (params.get("routers") or {}).items()
    }
    if params.get("routers") is not None:
        networks = {name: _on_router(network, routers) for name, network in networks.items()}
    return Definitions(networks, _with_remotes(groups), routers)


# An item, as an argument spec has it.
WANTED = {
    "kind": {"type": "str", "choices": [NETWORK, SECURITY_GROUP], "default": NETWORK},
    "name": REQUIRED,
    "keep": {"type": "bool", "default": True},
    "record_id": {"type": "str"},
    "project_id": {"type": "str"},
    "shared": {"type": "bool"},
}


def items_of(document: Mapping[str, Any], params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the ports of an instance need."""
    ports = items([document], parts_of("port"))
    return wanted_for(ports, params.get("networks") or {}, params.get("routers") or {})


def wanted_for(
    ports: Iterable[Mapping[str, Any]], networks: Mapping[str, Any], routers: Mapping[str, Any] = MappingProxyType({})
) -> list[dict[str, Any]]:
    """The option `wanted` for a launch of these ports: what they name, not to be kept after the last of them.

    `networks` and `routers` are their definitions as the user wrote them; a router needs its external network.
    """
    asked = {}
    for port in ports:
        network, groups = port.get("network"), port.get("security_groups")
        options = networks.get(network)
        secured = port.get("port_security")
        if secured is None:
            secured = not isinstance(options, dict) or options.get("port_security") is not False
        if groups is None:
            groups = ["default"] if secured else []
        common = {"keep": False, **{key: port.get(key) for key in ("record_id", "project_id")}}
        outer = [(NETWORK, name) for name in _externals(options, routers)]
        for kind, name in [(NETWORK, network), *outer, *((SECURITY_GROUP, group) for group in groups)]:
            asked.setdefault((kind, name, common["project_id"]), {"kind": kind, "name": name, **common})
    return list(asked.values())


def reachable(name: str, groups: Mapping[str, Any]) -> set[str]:
    """The names of the groups that a group's rules speak of, and those of these."""
    reachable: set[str] = set()
    queue = [name]
    while queue:
        group = groups.get(queue.pop())
        new = group.remotes - reachable if isinstance(group, Group) else set()
        reachable |= new
        queue.extend(new)
    return reachable


def _request(asked: Mapping[str, Any], project_id: str | None, defined: Definitions, present: bool) -> Request:
    """One item that is asked for; what is to go needs no definition if it is said whether it is a shared one."""
    kind, name = asked.get("kind") or NETWORK, asked["name"]
    project_id = asked.get("project_id") or project_id or DEFAULT_PROJECT
    keep = asked.get("keep") is None or asked["keep"]
    request = Request(kind, name, keep=keep, record_id=asked.get("record_id") or None, project_id=project_id)
    try:
        checked_name(name, kind.replace("_", " "))
        request = replace(request, shared=_shared(kind, name, asked.get("shared"), defined))
        definition = _definition(request, defined) if present else None
    except InvalidRequest as error:
        return replace(request, fault=error)
    return replace(request, definition=definition and replace(definition, project_id=project_id))


def _shared(kind: str, name: str, shared: bool | None, defined: Definitions) -> bool:
    """Whether the network of all projects is meant: as is said, else as it is defined."""
    if kind == SECURITY_GROUP:
        if shared:
            raise InvalidRequest("security group %s is its project's own: leave shared out" % name)
        return False
    return defined.shares(name) if shared is None else shared


def _definition(request: Request, defined: Definitions) -> Network | Group | None:
    """The definition of what is asked for, if there is one."""
    if request.kind == SECURITY_GROUP:
        return defined.group(request.name)
    network = defined.network(request.name)
    if network is not None and network.shared != request.shared:
        known = "not defined as shared" if request.shared else "defined as shared"
        raise InvalidRequest("network %s is %s, and is asked for otherwise: leave shared out" % (request.name, known))
    return network


def _network(name: Any, options: Any) -> Network:
    given = dict(mapping(options, "the definition", sorted(NETWORK_OPTIONS)))
    no_gateway = "gateway" in given and (given["gateway"] in (None, "") or given["gateway"] is False)
    if no_gateway:
        del given["gateway"]
    return define_network(name, converted(NETWORK_OPTIONS, given), no_gateway)


def _externals(options: Any, routers: Mapping[str, Any]) -> list[str]:
    """The external network of the router of a network, as the user wrote them."""
    router = routers.get(str(options.get("router"))) if isinstance(options, dict) else None
    external = router.get("external_network") if isinstance(router, dict) else None
    return [external] if isinstance(external, str) and external else []


def _router(name: Any, options: Any, networks: Mapping[str, Any]) -> Router:
    """A router, checked with the networks that are defined: those that are on it, and its external one."""
    given = converted(
        ROUTER_OPTIONS, mapping({} if options is None else options, "the definition", sorted(ROUTER_OPTIONS))
    )
    router = define_router(name, given)
    mine = [network for network in networks.values() if isinstance(network, Network) and network.router == name]
    external = networks.get(router.external_network or "")
    if isinstance(external, InvalidRequest):
        raise external
    if external is not None:
        router = replace(router, external_shared=external.shared)
        check_external_network(external)
        if router.external_ip:
            check_external_ip(external, router.external_ip, "external_ip")
        check_external_ipv6(external, router.external_ipv6)
    check_together([*mine, *filter(None, [external])])
    return router


def _on_router(network: Any, routers: Mapping[str, Any]) -> Any:
    """The network; it is wrong if the router that it names is not defined, or is wrong."""
    if not isinstance(network, Network) or network.router in (HOST, NONE):
        return network
    router = routers.get(network.router)
    if isinstance(router, InvalidRequest):
        return InvalidRequest("network %s is on it: %s" % (network.name, router))
    if router is None:
        return InvalidRequest(
            "network %s: router %s is neither host nor none, nor the name of a router that is defined (%s)"
            % (network.name, network.router, ", ".join(sorted(map(str, routers))) or "there is none")
        )
    return network


def _group(name: Any, rules: Any) -> Group:
    made = []
    for position, rule in enumerate(sequence(rules, "the rules"), 1):
        try:
            made.append(security.define_rule(converted(RULE_OPTIONS, mapping(rule, "the rule", sorted(RULE_OPTIONS)))))
        except InvalidRequest as error:
            raise InvalidRequest("rule %d: %s" % (position, error)) from error
    return security.define_group(name, made)


def _define(what: str, make: Callable, *arguments: Any) -> Any:
    """What make() makes, or the InvalidRequest that it raises, with the thing's name."""
    try:
        return make(*arguments)
    except InvalidRequest as error:
        return InvalidRequest("%s: %s" % (what, error))


def _with_remotes(groups: Mapping[str, Any]) -> dict[str, Any]:
    """The groups; those that speak of one that is not defined, or is wrong, are wrong as well."""
    known = {"default": DEFAULT, **groups}
    return {name: _remote_fault(name, known) or group for name, group in groups.items()}


def _remote_fault(name: str, groups: Mapping[str, Any]) -> InvalidRequest | None:
    """Why a group cannot be, by those that its rules speak of, and theirs."""
    for remote in sorted(reachable(name, groups) - {name}):
        if remote not in groups:
            return InvalidRequest("security group %s: remote %s is neither a CIDR nor a defined group" % (name, remote))
        if isinstance(groups[remote], InvalidRequest):
            return InvalidRequest("security group %s needs another: %s" % (name, groups[remote]))
    return None


def _sound(definition: Any) -> Any:
    """The definition itself; raised if it is an error."""
    if isinstance(definition, InvalidRequest):
        raise definition
    return definition
