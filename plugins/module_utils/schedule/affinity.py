# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the neighbours of a request are: its server group's members, and the instances that its hints name."""

from __future__ import annotations

from dataclasses import replace
from typing import Mapping

from .model import Group, Request

INSTANCE_HINTS = ("same_host", "different_host")


def group_key(request: Request) -> tuple[str, str]:
    """A server group's identity: its project and its name."""
    return request.instance.project_id, request.group.name


def named_instances(request: Request, hint: str) -> list[str]:
    """The instances that a hint names, by UUID or by name."""
    names = request.hints.get(hint) or []
    return [names] if isinstance(names, str) else list(names)


def locate(request: Request, groups: Mapping[tuple[str, str], Group], places: Mapping[str, str]) -> Request:
    """The request with the hosts of its server group, and of the instances that its hints name."""
    if request.group:
        known = groups.get(group_key(request))
        request = replace(request, group=replace(request.group, hosts=known.hosts if known else {}))
    for hint in INSTANCE_HINTS:
        if request.hints.get(hint):
            hosts = frozenset(places[name] for name in named_instances(request, hint) if name in places)
            request = replace(request, **{hint: hosts})
    return request
