# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The security groups of servers that there are: the row changes at once, the ports when a worker has come by.

(nova/network/security_group_api.py, `add_to_instance` and `remove_from_instance`.) A group is added to all interfaces
of a server and taken from all; of sub-ports nova knows nothing. What an interface has, its row says, where it says
anything; else it has what Neutron says, and with OVN the group default.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple

from ..instance.attachments import NetworkRequest
from ..instance.model import Instance, InstanceRequest
from . import asking, attaching, services
from .accepting import Accepting
from .asked import Asked
from .errors import ApiError
from .front import Front
from .identifiers import identity
from .identity import Look
from .model import Server

# What the groups of an interface become.
Change = Callable[[List[str]], List[str]]
# The ports of a server by id, as Neutron has them; none with OVN.
Seen = Dict[str, Mapping[str, Any]]

INSECURE = "Network requires port_security_enabled and subnet associated in order to apply security groups."


class Group(NamedTuple):
    """A security group; word is what a row calls it: its name, or of several of one name the id."""

    id: str
    name: str
    word: str


def add(front: Front, asked: Asked, server_id: str, said: Mapping[str, Any]) -> None:
    """Have a server's interfaces in a group. Again is as good."""
    server, look = _server(front, asked, server_id, "add_security_group")
    known, seen = _known(front, look, server), _seen(look, server)
    group = _found(known, said["name"], server)
    if not all(_is_secured(port, front.known, seen) for port in _interfaces(server)):
        raise ApiError(400, INSECURE)

    def more(words: list[str]) -> list[str]:
        return words if {group.id, group.name}.intersection(words) else [*words, group.word]

    _change(front, asked, server, "add_security_group", _groups_of(front, known, seen), more)


def remove(front: Front, asked: Asked, server_id: str, said: Mapping[str, Any]) -> None:
    """Take a server's interfaces out of a group, also of one that there is no more; ApiError 404 if none is in it."""
    server, look = _server(front, asked, server_id, "remove_security_group")
    known, seen = _known(front, look, server), _seen(look, server)
    groups_of = _groups_of(front, known, seen)
    has = dict.fromkeys(word for port in _interfaces(server) for word in groups_of(port))
    named = {word for group in known for word in group}
    lost = [_embedded(word, server) if look is None else Group(word, word, word) for word in has if word not in named]
    group = _found([*known, *lost], said["name"], server)

    def less(words: list[str]) -> list[str]:
        return [word for word in words if word not in (group.id, group.name)]

    if less(list(has)) == list(has):
        told = (said["name"], server.id)
        raise ApiError(404, "Security group %.80s not associated with the instance %s" % told)
    _change(front, asked, server, "remove_security_group", groups_of, less)


def _server(front: Front, asked: Asked, server_id: str, word: str) -> tuple[Server, Look | None]:
    """A server that is to have other groups, and how Neutron is asked of them; with OVN nobody is asked."""
    server = asking.changeable(front, asked, server_id)
    asking.check_rests(server, word)
    if not _interfaces(server):
        raise ApiError(404, "instance_id %s could not be found as device id on any ports" % server.id)
    if front.known["network_service"] == "ovn":
        return server, None
    if asked.identity.look is None:
        raise ApiError(409, "Which security groups Neutron has is not known here without an identity service.")
    return server, asked.identity.look


def _interfaces(server: Server) -> list[NetworkRequest]:
    return [port for port in attaching.interfaces(server) if not port.leaving]


def _known(front: Front, look: Look | None, server: Server) -> list[Group]:
    """The groups of a server's project."""
    if look is None:
        return [_embedded(name, server) for name in dict.fromkeys(["default", *front.known["security_groups"]])]
    rows = services.security_groups(look, server.instance.project_id)
    names = [row["name"] for row in rows]
    words = [row["name"] if names.count(row["name"]) == 1 else row["id"] for row in rows]
    return [Group(row["id"], row["name"], word) for row, word in zip(rows, words)]


def _embedded(name: str, server: Server) -> Group:
    return Group(identity("security group", name, server.instance.project_id), name, name)


def _found(known: Iterable[Group], text: str, server: Server) -> Group:
    """The group of this id, or else of this name."""
    known = list(known)
    found = [group for group in known if group.id == text] or [group for group in known if group.name == text]
    if not found:
        told = (text, server.instance.project_id)
        raise ApiError(404, "Security group %.80s is not found for project %s" % told)
    if len(found) > 1:
        raise ApiError(409, "There are several security groups of the name %.80s: give the id of one." % text)
    return found[0]


def _seen(look: Look | None, server: Server) -> Seen:
    return {} if look is None else {row["id"]: row for row in services.ports(look, server.id)}


def _is_secured(port: NetworkRequest, known: Mapping[str, Any], seen: Seen) -> bool:
    """Whether an interface can be in groups."""
    if port.port_security is not None:
        return port.port_security
    defined = known["networks"].get(port.network) if known["network_service"] == "ovn" else None
    insecure = defined.get("port_security") if isinstance(defined, Mapping) else None
    return insecure is not False and seen.get(port.public_id or "", {}).get("port_security_enabled") is not False


def _groups_of(front: Front, known: Iterable[Group], seen: Seen) -> Callable[[NetworkRequest], list[str]]:
    """What tells the groups of an interface, in the words of its row."""
    words = {group.id: group.word for group in known}

    def groups_of(port: NetworkRequest) -> list[str]:
        if port.security_groups is not None:
            return list(port.security_groups)
        if port.public_id in seen:
            return [words.get(each, each) for each in seen[port.public_id].get("security_groups") or ()]
        return ["default"] if _is_secured(port, front.known, seen) else []

    return groups_of


def _change(
    front: Front,
    asked: Asked,
    server: Server,
    word: str,
    groups_of: Callable[[NetworkRequest], list[str]],
    change: Change,
) -> None:
    """Write the groups of all interfaces that get others, and ask a worker for them."""

    def changed(port: NetworkRequest) -> NetworkRequest:
        has = groups_of(port)
        after = has if port.parent else change(has)
        return port if after == has else replace(port, security_groups=after)

    def parts(wanted: InstanceRequest, before: Instance) -> InstanceRequest:
        return replace(wanted, ports=[changed(port) for port in before.ports if not port.leaving])

    if any(changed(port) != port for port in _interfaces(server)):
        Accepting(front, asked, word).exchange(server, asking.as_it_is(server), parts)
