# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The security groups of servers that there are: the row changes at once, the ports when a worker has come by.

(nova/network/security_group_api.py, `add_to_instance` and `remove_from_instance`.) A group is added to all interfaces
of a server and taken from all; of sub-ports nova knows nothing. What an interface has, its row says, where it says
anything; else it has what Neutron says, and with OVN the group default.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Iterable, List, Mapping, NamedTuple

from ..instance.attachments import NetworkRequest
from ..instance.model import Instance, InstanceRequest
from . import asking, attaching, services
from .accepting import Accepting
from .context import RequestContext
from .errors import ApiError
from .identifiers import identity
from .model import Server
from .site import Site

# What the groups of an interface become.
Change = Callable[[List[str]], List[str]]

INSECURE = "Network requires port_security_enabled and subnet associated in order to apply security groups."


class Group(NamedTuple):
    """A security group; word is what a row calls it: its name, or of several of one name the id."""

    id: str
    name: str
    word: str


@dataclass(frozen=True)
class Groups:
    """The groups that a project has, and what is known of a server's interfaces beside their rows.

    settings: those of the API; ports: the server's by id, as Neutron has them, none with OVN.
    """

    project_id: str
    settings: Mapping[str, Any]
    known: tuple[Group, ...]
    ports: Mapping[str, Mapping[str, Any]]

    @property
    def is_embedded(self) -> bool:
        """Whether the groups are those of the settings, as with OVN."""
        return self.settings["network_service"] == "ovn"

    def of(self, port: NetworkRequest) -> list[str]:
        """The groups of an interface, in the words of a row."""
        if port.security_groups is not None:
            return list(port.security_groups)
        if port.public_id in self.ports:
            words = {group.id: group.word for group in self.known}
            return [words.get(each, each) for each in self.ports[port.public_id].get("security_groups") or ()]
        return ["default"] if self.is_secured(port) else []

    def of_all(self, ports: Iterable[NetworkRequest]) -> list[Group]:
        """The groups of interfaces, each once, also such as there are no more."""
        words = dict.fromkeys(word for port in ports for word in self.of(port))
        return [self._called(word) for word in words]

    def is_secured(self, port: NetworkRequest) -> bool:
        """Whether an interface can be in groups."""
        if port.port_security is not None:
            return port.port_security
        if not self.is_embedded:
            return self.ports.get(port.public_id or "", {}).get("port_security_enabled") is not False
        defined = self.settings["networks"].get(port.network)
        return not isinstance(defined, Mapping) or defined.get("port_security") is not False

    def found(self, text: str, lost: Iterable[Group] = ()) -> Group:
        """The group of this id, or else of this name; lost: those beside that there are no more."""
        groups = [*self.known, *(group for group in lost if group not in self.known)]
        found = [group for group in groups if group.id == text] or [group for group in groups if group.name == text]
        if not found:
            raise ApiError(404, "Security group %.80s is not found for project %s" % (text, self.project_id))
        if len(found) > 1:
            raise ApiError(409, "There are several security groups of the name %.80s: give the id of one." % text)
        return found[0]

    def _called(self, word: str) -> Group:
        lost = _embedded(word, self.project_id) if self.is_embedded else Group(word, word, word)
        return next((group for group in self.known if word in group), lost)


def listed(site: Site, context: RequestContext, server: Server) -> list[Group]:
    """The groups of a server, by name."""
    groups = _read(site, context, server)
    return sorted(groups.of_all(attaching.interfaces(server)), key=lambda group: group.name)


def add(site: Site, context: RequestContext, server_id: str, body: Mapping[str, Any]) -> None:
    """Have a server's interfaces in a group. Again is as good."""
    server, groups = _changing(site, context, server_id, "add_security_group")
    group = groups.found(body["name"])
    if not all(map(groups.is_secured, _staying(server))):
        raise ApiError(400, INSECURE)

    def more(words: list[str]) -> list[str]:
        return words if {group.id, group.name}.intersection(words) else [*words, group.word]

    _change(site, context, server, "add_security_group", groups, more)


def remove(site: Site, context: RequestContext, server_id: str, body: Mapping[str, Any]) -> None:
    """Take a server's interfaces out of a group, also of one that there is no more; ApiError 404 if none is in it."""
    server, groups = _changing(site, context, server_id, "remove_security_group")
    has = groups.of_all(_staying(server))
    group = groups.found(body["name"], has)
    if group not in has:
        told = (body["name"], server.id)
        raise ApiError(404, "Security group %.80s not associated with the instance %s" % told)

    def less(words: list[str]) -> list[str]:
        return [word for word in words if word not in (group.id, group.name)]

    _change(site, context, server, "remove_security_group", groups, less)


def _changing(site: Site, context: RequestContext, server_id: str, word: str) -> tuple[Server, Groups]:
    """A server that is to have other groups, and those that there are."""
    server = asking.changeable(site, context, server_id)
    asking.check_rests(server, word)
    if not _staying(server):
        raise ApiError(404, "instance_id %s could not be found as device id on any ports" % server.id)
    groups = _read(site, context, server)
    if not groups.is_embedded and context.identity.look is None:
        raise ApiError(409, "Which security groups Neutron has is not known here without an identity service.")
    return server, groups


def _staying(server: Server) -> list[NetworkRequest]:
    return [port for port in attaching.interfaces(server) if not port.leaving]


def _read(site: Site, context: RequestContext, server: Server) -> Groups:
    """The groups that there are: those of the settings, or as Neutron shows them."""
    project, look = server.instance.project_id, context.identity.look
    if site.known["network_service"] == "ovn" or look is None:
        names = dict.fromkeys(["default", *site.known["security_groups"]])
        return Groups(project, site.known, tuple(_embedded(name, project) for name in names), {})
    rows = services.security_groups(look, project)
    names = [row["name"] for row in rows]
    words = [row["name"] if names.count(row["name"]) == 1 else row["id"] for row in rows]
    known = tuple(Group(row["id"], row["name"], word) for row, word in zip(rows, words))
    return Groups(project, site.known, known, {row["id"]: row for row in services.ports(look, server.id)})


def _embedded(name: str, project_id: str) -> Group:
    return Group(identity("security group", name, project_id), name, name)


def _change(site: Site, context: RequestContext, server: Server, word: str, groups: Groups, change: Change) -> None:
    """Write the groups of all interfaces that get others, and ask a worker for them."""

    def changed(port: NetworkRequest) -> NetworkRequest:
        has = groups.of(port)
        after = has if port.parent else change(has)
        return port if after == has else replace(port, security_groups=after)

    def parts(wanted: InstanceRequest, before: Instance) -> InstanceRequest:
        return replace(wanted, ports=[changed(port) for port in before.ports if not port.leaving])

    if any(changed(port) != port for port in _staying(server)):
        Accepting(site, context, word).exchange(server, asking.as_it_is(server), parts)
