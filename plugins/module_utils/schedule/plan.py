# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan of this stage: every request paired with its selection, each on what the ones before it have left."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable

from ..core.change import Change
from ..core.errors import LaunchError
from .affinity import group_key, locate
from .filters.registry import check_heard
from .host_state import Cluster
from .model import Policy, Request


def planner(policy: Policy, selector: Callable) -> Callable:
    """The plan under one policy. selector(hosts, policy) makes what selects: PlainSelector or EquivalenceSelector."""

    def plan(wanted: list[Request], cluster: Cluster, state: str) -> list[Change]:
        hosts, groups, places = selector(cluster.hosts, policy), dict(cluster.groups), dict(cluster.places)
        changes = []
        for asked in wanted:
            kept = cluster.selections.get(asked.key)
            if kept:
                changes.append(Change(asked, kept, kept))
                continue
            request = locate(asked, groups, places)
            try:
                if request.fault:
                    raise request.fault
                check_heard((request.extra_specs, request.image_properties), policy.filters)
                selection = hosts.select(request)
                hosts.consume(selection)
            except LaunchError as error:
                refused = replace(asked, refused=getattr(error, "refused", {}))
                changes.append(Change(refused, None, None, error, cluster.notes))
                continue
            changes.append(Change(asked, None, selection, notes=cluster.notes))
            places.update({asked.key: selection.host, asked.name: selection.host})
            if request.group:
                groups[group_key(request)] = request.group.add(selection.host)
        return changes

    return plan
