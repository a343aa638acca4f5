# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The choices of selection.py, made fast for many requests among many hosts.

Three things make the difference, and none changes a choice:

* Requests of one shape (all that filters and weighers may look at is the same) share one pass over the hosts.
* A claim changes one host; only that host is filtered and weighed again, by each shape when it is next used.
* A weight is a sum of multiplied values, each laid on 0..1 between the least and the greatest value left. These
  two rarely move, and then little. So hosts stay sorted by the weights of an earlier moment, together with a
  bound (drift) on how far any weight can have moved since. A choice looks at hosts from the top until no host
  further down can reach the best ones, and computes the exact weights of these few. When looking has cost as
  much as sorting does, they are sorted again. Hosts with equal values (one model of server, equally full) are
  one entry, so that equal weights cost nothing.
"""

from __future__ import annotations

import json
from bisect import bisect_left, insort
from collections import Counter, OrderedDict
from heapq import heapify, heappop, heappush
from typing import Any, Mapping

from .model import Host, NoValidHost, Placement, Request
from .selection import Policy, concerned, no_valid_host, placed, refusal, sifted, weighing

MOST_SHAPES = 64  # shapes kept at once, the least recently used go: some MiB each among 10,000 hosts
SLACK = 1e-5  # weights are rounded to 6 digits, and sums of floats are not exact


def shape_of(request: Request) -> Any:
    """All that may matter in the choice for a request. An affinity group that has its host is another shape."""
    instance, group = request.instance, request.group
    texts = [
        instance.project_id, instance.user_id, instance.flavor, instance.image and instance.image.get("name"),
        instance.metadata, dict(request.extra_specs), dict(request.image_properties), dict(request.hints),
        sorted(port.get("network") or "" for port in instance.ports or ()),
    ]  # fmt: skip
    together = group and group.policy == "affinity" and tuple(sorted(group.hosts))
    return (
        request.vcpus, request.memory_mb, request.disk_gb, request.attempted, request.pinned,
        request.availability_zone, request.topology, request.devices, request.same_host, request.different_host,
        group and (group.name, group.policy, group.max_server_per_host), together,
        json.dumps(texts, sort_keys=True, default=str),
    )  # fmt: skip


class Shapes:
    """The hosts of one decision, with what each shape of request has found out about them."""

    def __init__(self, hosts: Mapping[str, Host], policy: Policy):
        self.hosts = dict(hosts)
        self.names = sorted(self.hosts)
        self.policy = policy
        self.changed: list[str] = []
        self.shapes: OrderedDict[Any, _Shape] = OrderedDict()
        self.common: dict[str, tuple] = {}
        self.greatest: dict[int, float] = {}

    def choose(self, request: Request) -> Placement:
        """The request's placement; NoValidHost if there is none."""
        key = shape_of(request)
        shape = self.shapes.pop(key, None) or _Shape(self, request)
        self.shapes[key] = shape
        if len(self.shapes) > MOST_SHAPES:
            self.shapes.popitem(last=False)
        shape.catch_up(request)
        if not shape.left:
            raise shape.refused(request)
        count = max(self.policy.host_subset_size, 1) + self.policy.alternates
        return placed(request, self.hosts, shape.best(count), shape.refusals, self.policy)

    def take(self, placement: Placement) -> None:
        """Consume the placement's room, before the next choice."""
        host = self.hosts[placement.host]
        self.hosts[host.host] = host.claimed(placement.request, placement.resources)
        self.common.pop(host.host, None)
        self.changed.append(host.host)

    def values(self, host: Host, shape: _Shape) -> tuple:
        """The host's values for the shape's weighers, and its multipliers; what all shapes have alike is kept."""
        kept = self.common.get(host.host)
        if kept is None:
            kept = self.common[host.host] = _entry(host, shape.request, shape.common)
        if not shape.own:
            return kept
        own = _entry(host, shape.request, shape.own)
        return kept[0] + own[0], kept[1] + own[1]


def _entry(host: Host, request: Request, weighers: list) -> tuple:
    """What is the same for hosts that are alike to these weighers: their values and multipliers."""
    return (
        tuple([_value(each, host, request) for each, _multiplier in weighers]),
        tuple([each.multiplied(host, multiplier) for each, multiplier in weighers]),
    )


class _Shape:
    """What is known of all hosts for the requests of one shape."""

    def __init__(self, table: Shapes, request: Request):
        self.table = table
        self.request = request
        self.rules = concerned(request, table.policy)
        self.weighers = weighing(request, list(table.hosts.values()), table.policy.weighers)
        self.common = [each for each in self.weighers if not each[0].by_request]
        self.own = [each for each in self.weighers if each[0].by_request]
        self.position = len(table.changed)
        self.verdict: tuple[int, NoValidHost] | None = None
        hosts, self.refusals = sifted([table.hosts[name] for name in table.names], request, self.rules)
        self.left = len(hosts)
        self.where: dict[str, tuple] = {
            name: (rule, reason)
            for rule, mine in self.refusals.items()
            for reason, names in mine.items()
            for name in names
        }
        self.alike: dict[tuple, list[str]] = {}
        for host in hosts:
            entry = self.where[host.host] = table.values(host, self)
            self.alike.setdefault(entry, []).append(host.host)
        values = list(zip(*(self.where[host.host][0] for host in hosts))) or [()] * len(self.weighers)
        self.columns = [_Column(each.least, Counter(column)) for (each, _m), column in zip(self.weighers, values)]
        self._sort()

    def catch_up(self, request: Request) -> None:
        """Look again at the hosts that have changed since this shape was last asked for."""
        self.request = request
        changed = self.table.changed
        for name in dict.fromkeys(changed[self.position :]):
            gone = self._displace(name)
            new = self._place(name)
            if gone is not None:
                del self.order[bisect_left(self.order, (-self._old_weight(gone), gone))]
            if new is not None:
                insort(self.order, (-self._old_weight(new), new))
        self.position = len(changed)

    def refused(self, request: Request) -> NoValidHost:
        """Why no host is left; asked again before any host has changed, the same."""
        if self.verdict is None or self.verdict[0] != self.position:
            error = no_valid_host(request, self.table.hosts, self.refusals, self.table.policy)
            self.verdict = (self.position, error)
        return self.verdict[1]

    def best(self, count: int) -> list[tuple[str, float]]:
        """The best hosts with their weights, as rank() orders them, at least `count` if there are so many."""
        self.now = [column.bounds() for column in self.columns]
        if self.looked > len(self.order):
            self._sort()
        drift, now = self._drift() + SLACK, _spread(self.now)
        found: list[tuple[float, str]] = []
        for old, entry in self.order:
            if len(found) == count and drift - old < -found[-1][0]:
                break
            self.looked += 1
            weight = round(_weight(entry, now), 6)
            for name in self.alike[entry][:count]:
                insort(found, (-weight, name))
            del found[count:]
        return [(name, -negative) for negative, name in found]

    def _place(self, name: str) -> tuple | None:
        """Filter and weigh a host. The entry it is in, if that is new."""
        host = self.table.hosts[name]
        found = refusal(host, self.request, self.rules)
        if found is not None:
            self.where[name] = found
            insort(self.refusals[found[0]].setdefault(found[1], []), name)
            return None
        entry = self.where[name] = self.table.values(host, self)
        self.left += 1
        for column, value in zip(self.columns, entry[0]):
            column.add(value)
        names = self.alike.get(entry)
        if names is None:
            self.alike[entry] = [name]
            return entry
        insort(names, name)
        return None

    def _displace(self, name: str) -> tuple | None:
        """Forget a host. The entry it was in, if that is now empty."""
        was = self.where[name]
        if isinstance(was[0], str):
            names = self.refusals[was[0]][was[1]]
            del names[bisect_left(names, name)]
            if not names:
                del self.refusals[was[0]][was[1]]
            return None
        self.left -= 1
        for column, value in zip(self.columns, was[0]):
            column.remove(value)
        names = self.alike[was]
        del names[bisect_left(names, name)]
        if names:
            return None
        del self.alike[was]
        return was

    def _sort(self) -> None:
        self.then = [column.bounds() for column in self.columns]
        self.differing = _spread(self.then)
        self.order = sorted((-self._old_weight(entry), entry) for entry in self.alike)
        self.looked = 0

    def _old_weight(self, entry: tuple) -> float:
        return _weight(entry, self.differing)

    def _drift(self) -> float:
        """How far any host's weight can have moved since the hosts were sorted: most at one end of the values."""
        drift = 0.0
        for column, then, now, (weigher, multiplier) in zip(self.columns, self.then, self.now, self.weighers):
            if then != now:
                moved = max(abs(_laid(value, now) - _laid(value, then)) for value in column.ends())
                drift += moved * self._greatest(weigher, multiplier)
        return drift

    def _greatest(self, weigher: Any, multiplier: float) -> float:
        """The greatest multiplier of a weigher on any host."""
        known = self.table.greatest
        if id(weigher) not in known:
            known[id(weigher)] = max(abs(weigher.multiplied(host, multiplier)) for host in self.table.hosts.values())
        return known[id(weigher)]


class _Column:
    """The values of one weigher over the hosts left: how often each occurs, the least and the greatest."""

    def __init__(self, least: float | None, counts: dict[float, int]):
        self.least = least
        self.counts = counts
        self.heaps: tuple[list[float], list[float]] | None = None

    def add(self, value: float) -> None:
        count = self.counts.get(value, 0)
        self.counts[value] = count + 1
        if not count and self.heaps:
            heappush(self.heaps[0], value)
            heappush(self.heaps[1], -value)

    def remove(self, value: float) -> None:
        if self.counts[value] == 1:
            del self.counts[value]
        else:
            self.counts[value] -= 1

    def ends(self) -> tuple[float, float]:
        """The least and the greatest value; what has left the heaps' tops is dropped."""
        if self.heaps is None:
            self.heaps = (list(self.counts), [-value for value in self.counts])
            heapify(self.heaps[0])
            heapify(self.heaps[1])
        low, high = self.heaps
        while low[0] not in self.counts:
            heappop(low)
        while -high[0] not in self.counts:
            heappop(high)
        return low[0], -high[0]

    def bounds(self) -> tuple[float, float]:
        """What becomes 0, and the spread up to what becomes 1."""
        if not self.counts:
            return 0.0, 0.0
        low, high = self.ends()
        low = low if self.least is None else self.least
        return low, high - low


def _value(weigher: Any, host: Host, request: Request) -> float:
    value = weigher.weigh(host, request)
    return value if weigher.least is None else max(value, weigher.least)


def _laid(value: float, bounds: tuple[float, float]) -> float:
    low, spread = bounds
    return (value - low) / spread if spread else 0.0


def _weight(entry: tuple, bounds: list[tuple[int, float, float]]) -> float:
    """As rank() adds it up, in the same order; what is the same for all hosts adds nothing."""
    values, multipliers = entry
    total = 0.0
    for index, low, spread in bounds:
        total += multipliers[index] * ((values[index] - low) / spread)
    return total


def _spread(bounds: list[tuple[float, float]]) -> list[tuple[int, float, float]]:
    """The bounds of the weighers whose values differ, with their index."""
    return [(index, low, spread) for index, (low, spread) in enumerate(bounds) if spread]
