# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The choices of selection.py, made faster for many requests among many hosts.

Three things make the difference, and none changes a choice:

* Requests of one equivalence class (all that filters and weighers may look at is the same) share one pass over
  the hosts.
* A claim changes one host; only that host is filtered and weighed again, by each class when it is next used.
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
from typing import Any, Mapping

from .columns import Column, differing, lay, weigh
from .filters.rule import applicable, first_refusal
from .host_state import HostState
from .model import NoValidHost, Policy, Request, Selection
from .refusals import no_valid_host
from .selection import applicable_weighers, filter_hosts, make_selection

MOST_CLASSES = 64  # classes kept at once, the least recently used go: some MiB each among 10,000 hosts
SLACK = 1e-5  # weights are rounded to 6 digits, and sums of floats are not exact


def equivalence_key(request: Request) -> Any:
    """All that may matter in the choice for a request. An affinity group that has its host is another class."""
    instance, group, image = request.instance, request.group, request.instance.image or {}
    texts = [
        instance.project_id, instance.user_id, instance.flavor, image.get("name"), image.get("id"),
        instance.metadata, dict(request.extra_specs), dict(request.image_properties), dict(request.hints),
        sorted(port.network or "" for port in instance.ports),
    ]  # fmt: skip
    together = group and group.policy == "affinity" and tuple(sorted(group.hosts))
    return (
        request.vcpus, request.memory_mb, request.disk_gb, request.waiting_gb, request.attempted, request.pinned,
        request.availability_zone, request.physical_networks, request.numa_topology, request.pci_requests,
        request.same_host, request.different_host,
        group and (group.name, group.policy, group.max_server_per_host), together,
        json.dumps(texts, sort_keys=True, default=str),
    )  # fmt: skip


class EquivalenceSelector:
    """The hosts of one decision, with what each class of requests has found out about them."""

    def __init__(self, hosts: Mapping[str, HostState], policy: Policy):
        self.hosts = dict(hosts)
        self.names = sorted(self.hosts)
        self.policy = policy
        self.changed: list[str] = []
        self.classes: OrderedDict[Any, EquivalenceClass] = OrderedDict()
        self.common: dict[str, tuple] = {}
        self.greatest: dict[int, float] = {}

    def select(self, request: Request) -> Selection:
        """The selection for the request; NoValidHost if there is none."""
        key = equivalence_key(request)
        equivalent = self.classes.pop(key, None) or EquivalenceClass(self, request)
        self.classes[key] = equivalent
        if len(self.classes) > MOST_CLASSES:
            self.classes.popitem(last=False)
        equivalent.catch_up(request)
        if not equivalent.left:
            raise equivalent.refusal(request)
        count = max(self.policy.host_subset_size, 1) + self.policy.alternates
        return make_selection(request, self.hosts, equivalent.best(count), equivalent.refusals, self.policy)

    def consume(self, selection: Selection) -> None:
        """Take the selection's share from its host, before the next choice."""
        host = self.hosts[selection.host]
        self.hosts[host.host] = host.consume(selection.request, selection.allocation)
        self.common.pop(host.host, None)
        self.changed.append(host.host)

    def values(self, host: HostState, of: EquivalenceClass) -> tuple:
        """The host's values for the class's weighers, and its multipliers; what all classes have alike is kept."""
        kept = self.common.get(host.host)
        if kept is None:
            kept = self.common[host.host] = _entry(host, of.request, of.common)
        if not of.own:
            return kept
        own = _entry(host, of.request, of.own)
        return kept[0] + own[0], kept[1] + own[1]


def _entry(host: HostState, request: Request, weighers: list) -> tuple:
    """What is the same for hosts that are alike to these weighers: their values and multipliers."""
    return (
        tuple([_value(each, host, request) for each, _multiplier in weighers]),
        tuple([each.multiplied(host, multiplier) for each, multiplier in weighers]),
    )


def _value(weigher: Any, host: HostState, request: Request) -> float:
    value = weigher.weigh(host, request)
    return value if weigher.least is None else max(value, weigher.least)


class EquivalenceClass:
    """What is known of all hosts for the requests of one class."""

    def __init__(self, table: EquivalenceSelector, request: Request):
        self.table = table
        self.request = request
        self.filters = applicable(table.policy.filters, request)
        self.weighers = applicable_weighers(request, list(table.hosts.values()), table.policy.weighers)
        self.common = [each for each in self.weighers if not each[0].by_request]
        self.own = [each for each in self.weighers if each[0].by_request]
        self.position = len(table.changed)
        self.verdict: tuple[int, NoValidHost] | None = None
        hosts, self.refusals = filter_hosts([table.hosts[name] for name in table.names], request, self.filters)
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
        self.columns = [Column(each.least, Counter(column)) for (each, _m), column in zip(self.weighers, values)]
        self._sort()

    def catch_up(self, request: Request) -> None:
        """Look again at the hosts that have changed since this class was last asked for."""
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

    def refusal(self, request: Request) -> NoValidHost:
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
        drift, now = self._drift() + SLACK, differing(self.now)
        found: list[tuple[float, str]] = []
        for old, entry in self.order:
            if len(found) == count and drift - old < -found[-1][0]:
                break
            self.looked += 1
            weight = round(weigh(entry, now), 6)
            for name in self.alike[entry][:count]:
                insort(found, (-weight, name))
            del found[count:]
        return [(name, -negative) for negative, name in found]

    def _place(self, name: str) -> tuple | None:
        """Filter and weigh a host. The entry it is in, if that is new."""
        host = self.table.hosts[name]
        found = first_refusal(host, self.request, self.filters)
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
        self.differing = differing(self.then)
        self.order = sorted((-self._old_weight(entry), entry) for entry in self.alike)
        self.looked = 0

    def _old_weight(self, entry: tuple) -> float:
        return weigh(entry, self.differing)

    def _drift(self) -> float:
        """How far any host's weight can have moved since the hosts were sorted: most at one end of the values."""
        drift = 0.0
        for column, then, now, (weigher, multiplier) in zip(self.columns, self.then, self.now, self.weighers):
            if then != now:
                moved = max(abs(lay(value, now) - lay(value, then)) for value in column.ends())
                drift += moved * self._greatest(weigher, multiplier)
        return drift

    def _greatest(self, weigher: Any, multiplier: float) -> float:
        """The greatest multiplier of a weigher on any host."""
        known = self.table.greatest
        if id(weigher) not in known:
            known[id(weigher)] = max(abs(weigher.multiplied(host, multiplier)) for host in self.table.hosts.values())
        return known[id(weigher)]
