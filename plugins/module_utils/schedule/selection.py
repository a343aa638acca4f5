# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which host a request goes to, in the plainest way: every filter, every weigher, every host (nova's `_schedule`).

This is the specification. equivalence.py makes the same choices faster, and a test holds it to that.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Callable, Mapping, Sequence

from ..core.change import Change
from ..core.errors import LaunchError
from .filters.rule import concerns, shown
from .hardware.fit import fit
from .model import Cluster, Group, Host, NoValidHost, Placement, Request
from .weighers import Weigher

EXAMPLES = 3  # hosts whose own numbers are shown for each filter
REASONS = 5  # reasons counted apart for each filter

# For each filter the hosts it refused, by reason, in order of their names.
Refusals = Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class Policy:
    """How hosts are chosen: filters by name, weighers by name with their multiplier.

    alternates is their number; host_subset_size how many of the best hosts the one chosen may be of.
    """

    filters: dict[str, Callable]
    weighers: dict[str, tuple[Weigher, float]]
    alternates: int = 2
    host_subset_size: int = 1


class Plain:
    """The hosts of one decision, each looked at for each request."""

    def __init__(self, hosts: Mapping[str, Host], policy: Policy):
        self.hosts = dict(hosts)
        self.policy = policy

    def choose(self, request: Request) -> Placement:
        """The request's placement; NoValidHost if there is none."""
        return choose(request, list(self.hosts.values()), self.policy)

    def take(self, placement: Placement) -> None:
        """Consume the placement's room, before the next choice."""
        host = self.hosts[placement.host]
        self.hosts[host.host] = host.claimed(placement.request, placement.resources)


def planner(policy: Policy, chooser: Callable = Plain) -> Callable:
    """The plan of this stage, under one policy: every request paired with its placement."""

    def plan(wanted: list[Request], cluster: Cluster, state: str) -> list[Change]:
        table, groups, places = chooser(cluster.hosts, policy), dict(cluster.groups), dict(cluster.places)
        changes = []
        for asked in wanted:
            standing = cluster.claims.get(asked.key)
            if standing:
                placement = Placement(asked, standing.host, resources=standing.resources)
                changes.append(Change(asked, placement, placement))
                continue
            request = located(asked, groups, places)
            try:
                if request.fault:
                    raise request.fault
                placement = table.choose(request)
                table.take(placement)
            except LaunchError as error:
                changes.append(Change(replace(asked, refused=getattr(error, "refused", {})), None, None, error))
                continue
            changes.append(Change(asked, None, placement))
            places.update({asked.key: placement.host, asked.name: placement.host})
            if request.group:
                groups[group_key(request)] = request.group.joined(placement.host)
        return changes

    return plan


def group_key(request: Request) -> tuple[str, str]:
    """A server group's identity: its project and its name."""
    return request.instance.project_id, request.group.name


def located(request: Request, groups: Mapping[tuple[str, str], Group], places: Mapping[str, str]) -> Request:
    """The request with the hosts of its server group, and of the instances that its hints name."""
    if request.group:
        known = groups.get(group_key(request))
        request = replace(request, group=replace(request.group, hosts=known.hosts if known else {}))
    for hint in ("same_host", "different_host"):
        if request.hints.get(hint):
            hosts = frozenset(places[name] for name in hinted(request, hint) if name in places)
            request = replace(request, **{hint: hosts})
    return request


def hinted(request: Request, hint: str) -> list[str]:
    """The instances that a hint names, by UUID or by name."""
    said = request.hints.get(hint) or []
    return [said] if isinstance(said, str) else list(said)


def choose(request: Request, hosts: Sequence[Host], policy: Policy) -> Placement:
    """The best host for a request, and its alternates; NoValidHost explains when there is none."""
    rules = concerned(request, policy)
    left, refusals = sifted(sorted(hosts, key=lambda host: host.host), request, rules)
    known = {host.host: host for host in hosts}
    if not left:
        raise no_valid_host(request, known, refusals, policy)
    return placed(request, known, rank(left, request, policy.weighers), refusals, policy)


def sifted(
    hosts: list[Host], request: Request, rules: Sequence[tuple[str, Callable]]
) -> tuple[list[Host], dict[str, dict[str, list[str]]]]:
    """The hosts that no filter refuses, and for each filter those that it was the first to refuse, by reason."""
    refusals: dict[str, dict[str, list[str]]] = {}
    for name, refuses in rules:
        mine = refusals[name] = {}
        reasons = [refuses(host, request) for host in hosts]
        for host, reason in zip(hosts, reasons):
            if reason is not None:
                mine.setdefault(reason, []).append(host.host)
        if mine:
            hosts = [host for host, reason in zip(hosts, reasons) if reason is None]
    return hosts, refusals


def concerned(request: Request, policy: Policy) -> list[tuple[str, Callable]]:
    """The filters that can refuse a host this request, in their order."""
    return [(name, refuses) for name, refuses in policy.filters.items() if concerns(refuses, request)]


def refusal(host: Host, request: Request, rules: Sequence[tuple[str, Callable]]) -> tuple[str, str] | None:
    """The first filter that refuses the host, and why; None if the host can take the request."""
    for name, refuses in rules:
        reason = refuses(host, request)
        if reason is not None:
            return name, reason
    return None


def rank(
    hosts: Sequence[Host], request: Request, weighers: dict[str, tuple[Weigher, float]]
) -> list[tuple[str, float]]:
    """Hosts with their weights, best first; equal weights go by name.

    Each weigher's values are laid on 0..1 over these hosts and multiplied (nova/weights.py).
    """
    totals = [0.0] * len(hosts)
    for weigher, multiplier in weighing(request, hosts, weighers):
        values = normalised([weigher.weigh(host, request) for host in hosts], weigher.least)
        for index, value in enumerate(values):
            totals[index] += weigher.multiplied(hosts[index], multiplier) * value
    weighed = [(host.host, round(total, 6)) for host, total in zip(hosts, totals)]
    return sorted(weighed, key=lambda pair: (-pair[1], pair[0]))


def weighing(
    request: Request, hosts: Sequence[Host], weighers: dict[str, tuple[Weigher, float]]
) -> list[tuple[Weigher, float]]:
    """The weighers that can make a difference, those that look at the request last: in the order they are added up."""
    overridden = any(host.aggregates for host in hosts)
    mattering = [pair for pair in weighers.values() if pair[1] or overridden]
    return sorted(
        (pair for pair in mattering if pair[0].applies is None or pair[0].applies(request)),
        key=lambda pair: pair[0].by_request,
    )


def normalised(values: list[float], least: float | None = None) -> list[float]:
    """Values laid on 0..1 from their least, or the one given, to their greatest; all 0 when they are equal."""
    if least is not None:
        values = [max(value, least) for value in values]
    lowest, highest = min(values) if least is None else least, max(values)
    spread = highest - lowest
    return [(value - lowest) / spread if spread else 0.0 for value in values]


def placed(
    request: Request, hosts: Mapping[str, Host], best: list[tuple[str, float]], refusals: Refusals, policy: Policy
) -> Placement:
    """The placement on one of the best hosts: the first, or with a subset of them one that the UUID decides."""
    best = list(best)
    index = 0
    if policy.host_subset_size > 1:
        index = int(hashlib.sha256(request.key.encode()).hexdigest(), 16) % min(policy.host_subset_size, len(best))
    best.insert(0, best.pop(index))
    best = best[: 1 + policy.alternates]
    chosen = best[0][0]
    return Placement(
        request,
        chosen,
        tuple(host for host, _weight in best[1:]),
        tuple(best),
        fit(hosts[chosen], request).resources or None,
        told(request, hosts, refusals, policy),
    )


def told(request: Request, hosts: Mapping[str, Host], refusals: Refusals, policy: Policy) -> dict[str, Any]:
    """For each filter how many hosts it removed, why, and a few of them with their own numbers."""
    answer = {}
    for name, reasons in refusals.items():
        if not reasons:
            continue
        counted = sorted(
            ((len(names), reason) for reason, names in reasons.items()), key=lambda pair: (-pair[0], pair[1])
        )
        shows = {}
        for _count, reason in counted[:REASONS]:
            for host in reasons[reason][: EXAMPLES - len(shows)]:
                shows[host] = shown(policy.filters[name], hosts[host], request) or reason
        answer[name] = {
            "count": sum(count for count, _reason in counted),
            "reasons": {reason: count for count, reason in counted[:REASONS]},
            "examples": shows,
        }
    return answer


def no_valid_host(request: Request, hosts: Mapping[str, Host], refusals: Refusals, policy: Policy) -> NoValidHost:
    """The refusal of a request, with for each filter how many of the hosts it saw it removed, and why."""
    if not hosts:
        return NoValidHost(
            "no valid host: no compute host is known; mend what the hosts said when they were asked,"
            " or add one to the inventory's group of compute hosts"
        )
    refused, seen, parts = told(request, hosts, refusals, policy), len(hosts), []
    for name, each in refused.items():
        reasons = ", ".join("%d of %d %s" % (count, seen, reason) for reason, count in each["reasons"].items())
        own = ["%s %s" % pair for pair in each["examples"].items() if pair[1] not in each["reasons"]]
        parts.append("%s: %s%s" % (name, reasons, " (%s)" % ", ".join(own) if own else ""))
        seen -= each["count"]
    return NoValidHost("no valid host: %s" % "; ".join(parts), refused)
