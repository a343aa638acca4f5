# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan of this stage: every request paired with its selection, each on what the ones before it have left."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable

from ..core.change import Change
from ..core.errors import LaunchError
from .affinity import group_key, locate
from .filters.registry import check_enabled
from .host_state import Cluster
from .model import Policy, Request, Selection


def planner(policy: Policy, selector: Callable) -> Callable:
    """The plan under one policy. selector(hosts, policy) makes what selects: PlainSelector or EquivalenceSelector."""

    def plan(wanted: list[Request], cluster: Cluster, state: str) -> list[Change]:
        decision = _Decision(policy, selector, cluster)
        return [decision.change(request) for request in wanted]

    return plan


class _Decision:
    """One request after the other: what a selection takes is not there for the next."""

    def __init__(self, policy: Policy, selector: Callable, cluster: Cluster):
        self.policy = policy
        self.cluster = cluster
        self.hosts = selector(cluster.hosts, policy)
        self.groups, self.places = dict(cluster.groups), dict(cluster.places)

    def change(self, asked: Request) -> Change:
        """The request with its selection: one that holds a claim already, else a new one, else why there is none."""
        kept = self.cluster.selections.get(asked.key)
        if kept:
            return Change(asked, kept, kept)
        try:
            selection = self._select(locate(asked, self.groups, self.places))
        except LaunchError as error:
            refused = replace(asked, refused=getattr(error, "refused", {}))
            return Change(refused, None, None, error, self.cluster.notes)
        return Change(asked, None, selection, notes=self.cluster.notes)

    def _select(self, request: Request) -> Selection:
        if request.fault:
            raise request.fault
        check_enabled((request.extra_specs, request.image_properties), self.policy.filters)
        selection = self.hosts.select(request)
        self.hosts.consume(selection)
        self.places.update({request.key: selection.host, request.name: selection.host})
        if request.group:
            self.groups[group_key(request)] = request.group.add(selection.host)
        return selection
