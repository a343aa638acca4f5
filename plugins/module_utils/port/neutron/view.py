# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What neutron has at one moment, in the model's terms: one request for each kind of thing, several at once.

What the user names is looked up with the user's token, so that what the user may see is found. Ports of ours are
looked up by the launcher's account, as only that is told to which host a port is bound.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Iterable

from ...core.errors import InvalidRequest, NotFound
from ...core.parallel import run_parallel
from ..item import Request
from . import rows
from .floating import Floating, is_address, stray
from .item import Current, Group, Network, Port
from .names import is_id, mark
from .trunk import Place, places_in


class View:
    """What neutron shows, and the names of what the ports are on and in."""

    def __init__(self, cloud: Any):
        # Each account is asked for here, once, before there are threads.
        self.project_id = cloud.project_id
        if not self.project_id:
            # A filter for no project is one for all of them.
            raise InvalidRequest("ports belong to a project: the user's token is for none; say which in the cloud")
        self.roles = cloud.roles
        self.user = cloud.api("network")
        self.launcher = cloud.api("network", as_service=True)
        self.networks: dict[str, Network] = {}
        self.groups: dict[str, Group] = {}
        self.places: dict[str, Place] = {}
        self.made: dict[str, Port] = {}

    def current(self, wanted: list[Request], state: str) -> Current:
        """What concerns these ports. Of what is to be removed only its identity is looked at."""
        present = state == "present"
        asked = [request for request in wanted if present]
        ours, lent, offered, networks, groups = run_parallel(
            [
                lambda: self._made(wanted),
                lambda: self._lent([request for request in wanted if request.port or not present]),
                lambda: self.named("ports", [request.port for request in asked if request.port]),
                lambda: self.named("networks", [request.network for request in asked if request.network]),
                lambda: self._groups([name for request in asked for name in request.security_groups or ()], asked),
            ]
        )
        existing = [*ours, *lent, *offered]
        self.places.update(places_in(existing))
        self.groups.update(groups)
        with_floating = not present or bool(ours or lent or offered) or any(each.floating_ip for each in asked)
        _nothing, floatings, externals = run_parallel(
            [
                lambda: self._learn(networks, existing if present else []),
                lambda: self._floatings() if with_floating else [],
                lambda: self._externals(asked),
            ]
        )
        return Current(
            project_id=self.project_id,
            ports=self._ours([*ours, *lent], wanted, floatings, not present),
            offered=tuple(self.port(row, floatings) for row in offered),
            networks=tuple(self.networks[row["id"]] for row in networks),
            externals=tuple(externals),
            groups=tuple(self.groups.values()),
            floatings=tuple(floatings),
        )

    def _ours(
        self, existing: list[rows.Row], wanted: list[Request], floatings: list[Floating], removing: bool
    ) -> dict[str, Port]:
        """The ports with our mark by our id; what is left of one that someone else removed, if that is to go."""
        self.made = found = {port.id: port for port in (self.port(row, floatings) for row in existing)}
        ours = {}
        for request in wanted:
            port, left = found.get(request.id), stray(request.id, floatings)
            if port is not None:
                ours[request.id] = _rename(port, request)
            elif removing and left is not None:
                ours[request.id] = _remains(request, left)
        return ours

    def port(self, row: rows.Row, floatings: Iterable[Floating] = ()) -> Port:
        """A port as neutron tells of it."""
        port, place = rows.port(row, self.networks, self.groups, floatings), self.places.get(row["id"])
        if place is None:
            return port
        return replace(port, parent=place.parent, vlan=place.vlan, instance=place.device)

    def again(self, request: Request) -> Port | None:
        """The port that we made for a request, as it now is, if there is one."""
        return next(map(self.port, self._made([request])), None)

    def statuses(self, port_ids: list[str]) -> dict[str, str]:
        """The ports' statuses by neutron's ids."""
        found = self.launcher.list("ports", "ports", "the ports' status", id=port_ids, fields=["id", "status"])
        return {row["id"]: row["status"] for row in found}

    def find(self, instance_uuids: list[str] | None) -> list[Port]:
        """All ports of the project that have our mark, and the sub-ports of these."""
        existing = self.launcher.list("ports", "ports", "ports", project_id=self.project_id, device_id=instance_uuids)
        self.places.update(places_in(existing))
        missing = sorted(self.places.keys() - {row["id"] for row in existing})
        existing += self.launcher.list("ports", "ports", "sub-ports", id=missing)
        existing = [row for row in existing if rows.identity(row)]
        groups, floatings, _nothing = run_parallel(
            [lambda: self._groups([], existing), self._floatings, lambda: self._learn([], existing)]
        )
        self.groups.update(groups)
        return [self.port(row, floatings) for row in existing]

    def _made(self, requests: list[Request]) -> list[rows.Row]:
        """Ports that we made, and the parents of those that are sub-ports."""
        ids = dict.fromkeys(each for request in requests for each in (request.id, request.parent) if each)
        marks = [mark(each) for each in ids]
        return self.launcher.list("ports", "ports", "ports", project_id=self.project_id, description=marks)

    def _lent(self, requests: list[Request]) -> list[rows.Row]:
        marks = [mark(request.id) for request in requests]
        return self.launcher.list("ports", "ports", "ports", project_id=self.project_id, **{"tags-any": marks})

    def named(self, what: str, texts: list[str]) -> list[rows.Row]:
        """Things of the user by name or id: neutron cannot be asked for either in one request."""
        texts = sorted(set(texts))
        by_id = self.user.list(what, what, what, id=list(filter(is_id, texts)))
        names = [text for text in texts if text not in {row["id"] for row in by_id}]
        return by_id + self.user.list(what, what, what, name=names)

    def _groups(self, names: list[str], anything: list[Any]) -> dict[str, Group]:
        """The project's security groups, and those of others that are named by id and shared with it."""
        if not anything:
            return {}
        fields = {"fields": ["id", "name"]}
        what = "security groups"
        found = self.user.list("security-groups", "security_groups", what, project_id=self.project_id, **fields)
        missing = set(filter(is_id, names)) - {row["id"] for row in found}
        found += self.user.list("security-groups", "security_groups", what, id=sorted(missing), **fields)
        return {row["id"]: Group(row["id"], row["name"]) for row in found}

    def _learn(self, networks: list[rows.Row], ports: list[rows.Row]) -> None:
        """Keep these networks and those of these ports, with their subnets."""
        missing = {row["network_id"] for row in ports} - {row["id"] for row in networks}
        ids = sorted(missing | {row["id"] for row in networks})
        others, subnets = run_parallel(
            [
                lambda: self.user.list("networks", "networks", "networks", id=sorted(missing)),
                lambda: self.user.list("subnets", "subnets", "subnets", network_id=ids),
            ]
        )
        for row in networks + others:
            self.networks[row["id"]] = rows.network(row, subnets, self.project_id, self.roles)

    def _floatings(self) -> list[Floating]:
        """The project's floating IPs; none where neutron has no routers."""
        try:
            found = self.user.list("floatingips", "floatingips", "floating IPs", project_id=self.project_id)
        except NotFound:
            return []
        return [rows.floating(row) for row in found]

    def _externals(self, requests: list[Request]) -> list[Network]:
        """The external networks, if one has to be known."""
        asked = [request.floating_ip for request in requests if request.floating_ip]
        if all(isinstance(each, str) and is_address(each) for each in asked):
            return []
        found = self.user.list("networks", "networks", "external networks", **{"router:external": True})
        return [rows.network(row, [], self.project_id, self.roles) for row in found]


def _rename(port: Port, request: Request) -> Port:
    """The port under the names of the request: the user's own keeps its name, and no network was looked up to remove
    a port."""
    if port.adopted:
        port = replace(port, name=request.name)
    if port.network.name == port.network.id and request.network:
        port = replace(port, network=replace(port.network, name=request.network))
    return port


def _remains(request: Request, floating: Floating) -> Port:
    """A port that is gone, and left a floating IP of ours behind."""
    network = Network("", request.network or "")
    silent = dict.fromkeys(("host", "mac_address", "fixed_ip"))
    return Port(
        request.id,
        request.name,
        request.instance_uuid,
        network,
        **silent,
        security_groups=(),
        port_security=True,
        floating=floating,
    )
