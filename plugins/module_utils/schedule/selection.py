# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The specification of a choice, in the plainest way: every filter, every weigher, every host (nova's `_schedule`).

equivalence.py makes the same choices faster, and a test holds it to this.
"""

from __future__ import annotations

import hashlib
from typing import Callable, Mapping, Sequence

from .filters.rule import applicable
from .hardware.fit import fit
from .host_state import HostState
from .model import Policy, Request, Selection
from .refusals import Refusals, no_valid_host, summarise
from .weighers import Weigher


class PlainSelector:
    """The hosts of one decision, each looked at for each request."""

    def __init__(self, hosts: Mapping[str, HostState], policy: Policy):
        self.hosts = dict(hosts)
        self.policy = policy

    def select(self, request: Request) -> Selection:
        """The selection for the request; NoValidHost if there is none."""
        return select(request, list(self.hosts.values()), self.policy)

    def consume(self, selection: Selection) -> None:
        """Take the selection's share from its host, before the next choice."""
        host = self.hosts[selection.host]
        self.hosts[host.host] = host.consume(selection.request, selection.allocation)


def select(request: Request, hosts: Sequence[HostState], policy: Policy) -> Selection:
    """The best host for a request, and its alternates; NoValidHost explains when there is none."""
    filters = applicable(policy.filters, request)
    left, refusals = filter_hosts(sorted(hosts, key=lambda host: host.host), request, filters)
    known = {host.host: host for host in hosts}
    if not left:
        raise no_valid_host(request, known, refusals, policy)
    return make_selection(request, known, rank(left, request, policy.weighers), refusals, policy)


def filter_hosts(
    hosts: list[HostState], request: Request, filters: Sequence[tuple[str, Callable]]
) -> tuple[list[HostState], dict[str, dict[str, list[str]]]]:
    """The hosts that no filter refuses, and for each filter those that it was the first to refuse, by reason."""
    refusals: dict[str, dict[str, list[str]]] = {}
    for name, refuses in filters:
        mine = refusals[name] = {}
        reasons = [refuses(host, request) for host in hosts]
        for host, reason in zip(hosts, reasons):
            if reason is not None:
                mine.setdefault(reason, []).append(host.host)
        if mine:
            hosts = [host for host, reason in zip(hosts, reasons) if reason is None]
    return hosts, refusals


def rank(
    hosts: Sequence[HostState], request: Request, weighers: dict[str, tuple[Weigher, float]]
) -> list[tuple[str, float]]:
    """Hosts with their weights, best first; equal weights go by name.

    Each weigher's values are laid on 0..1 over these hosts and multiplied (nova/weights.py).
    """
    totals = [0.0] * len(hosts)
    for weigher, multiplier in applicable_weighers(request, hosts, weighers):
        values = normalise([weigher.weigh(host, request) for host in hosts], weigher.least)
        for index, value in enumerate(values):
            totals[index] += weigher.multiplied(hosts[index], multiplier) * value
    weights = [(host.host, round(total, 6)) for host, total in zip(hosts, totals)]
    return sorted(weights, key=lambda pair: (-pair[1], pair[0]))


def applicable_weighers(
    request: Request, hosts: Sequence[HostState], weighers: dict[str, tuple[Weigher, float]]
) -> list[tuple[Weigher, float]]:
    """The weighers that can make a difference, those that look at the request last: in the order they are added up."""
    overridden = any(host.aggregates for host in hosts)
    return sorted(
        (
            (weigher, multiplier)
            for weigher, multiplier in weighers.values()
            if (multiplier or overridden) and (weigher.applies is None or weigher.applies(request))
        ),
        key=lambda pair: pair[0].by_request,
    )


def normalise(values: list[float], least: float | None = None) -> list[float]:
    """Values laid on 0..1 from their least, or the one given, to their greatest; all 0 when they are equal."""
    if least is not None:
        values = [max(value, least) for value in values]
    lowest, highest = min(values) if least is None else least, max(values)
    spread = highest - lowest
    return [(value - lowest) / spread if spread else 0.0 for value in values]


def make_selection(
    request: Request, hosts: Mapping[str, HostState], best: list[tuple[str, float]], refusals: Refusals, policy: Policy
) -> Selection:
    """The selection of one of the best hosts: the first, or with a subset of them one that the UUID decides."""
    best = list(best)
    index = 0
    if policy.host_subset_size > 1:
        index = int(hashlib.sha256(request.key.encode()).hexdigest(), 16) % min(policy.host_subset_size, len(best))
    best.insert(0, best.pop(index))
    best = best[: 1 + policy.alternates]
    chosen = best[0][0]
    return Selection(
        request,
        chosen,
        alternates=tuple(host for host, _weight in best[1:]),
        weights=tuple(best),
        allocation=fit(hosts[chosen], request).allocation or None,
        refused=summarise(request, hosts, refusals, policy),
        limits=hosts[chosen].limits,
        zone=hosts[chosen].zone,
    )
