# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which host an instance goes to: a decision instead of a resource (the seed's steps 4 and 5).

Filters say which hosts can take it, weighers which of those is best, alternates are the next best
(nova/scheduler/manager.py, `_schedule`). Every choice consumes the host's room before the next one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Callable, Sequence

from ..core.change import Change
from ..core.errors import LaunchError
from ..instance.model import Instance, from_document


class NoValidHost(LaunchError):
    """No host can take the instance; the message counts for each filter the hosts it refused, and why."""

    abort = True


@dataclass(frozen=True)
class Host:
    """A compute node as the scheduler sees it: its room in vCPUs, MiB and GiB, what is claimed of it, its facts.

    generation counts the changes to its claims: a claim is good only against the generation it was decided on.
    """

    host: str
    generation: int
    enabled: bool
    disabled_reason: str | None
    vcpus: int
    memory_mb: int
    disk_gb: int
    vcpus_reserved: int
    memory_mb_reserved: int
    disk_gb_reserved: int
    cpu_allocation_ratio: float
    ram_allocation_ratio: float
    disk_allocation_ratio: float
    vcpus_used: int
    memory_mb_used: int
    disk_gb_used: int
    facts: dict

    @property
    def free_vcpus(self) -> float:
        """vCPUs that can still be claimed: (total - reserved) * ratio - used, placement's formula."""
        return (self.vcpus - self.vcpus_reserved) * self.cpu_allocation_ratio - self.vcpus_used

    @property
    def free_memory_mb(self) -> float:
        """MiB of RAM that can still be claimed."""
        return (self.memory_mb - self.memory_mb_reserved) * self.ram_allocation_ratio - self.memory_mb_used

    @property
    def free_disk_gb(self) -> float:
        """GiB of disk that can still be claimed."""
        return (self.disk_gb - self.disk_gb_reserved) * self.disk_allocation_ratio - self.disk_gb_used

    def claimed(self, request: Request) -> Host:
        """The host with the request's share taken."""
        return replace(
            self,
            vcpus_used=self.vcpus_used + request.vcpus,
            memory_mb_used=self.memory_mb_used + request.memory_mb,
            disk_gb_used=self.disk_gb_used + request.disk_gb,
        )


@dataclass(frozen=True)
class Request:
    """What one instance asks of its host. attempted are hosts that failed it; pinned are hosts that hold its volumes."""

    instance: Instance
    vcpus: int
    memory_mb: int
    disk_gb: int
    attempted: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The instance's UUID, the consumer of the claim."""
        return self.instance.uuid

    @property
    def name(self) -> str:
        """The instance's name."""
        return self.instance.name

    def to_result(self) -> dict[str, Any]:
        """The instance's document, still without a host."""
        return self.instance.to_result()


@dataclass(frozen=True)
class Placement:
    """A request and where it goes, with the next best hosts and the weights of all of these."""

    request: Request
    host: str | None
    alternates: tuple[str, ...] = ()
    weights: tuple[tuple[str, float], ...] = ()

    def to_result(self) -> dict[str, Any]:
        """The instance's document with its host, the host's alternates and their weights."""
        document = replace(self.request.instance, host=self.host).to_result()
        return {**document, "alternates": list(self.alternates), "weights": dict(self.weights)}


@dataclass(frozen=True)
class Cluster:
    """What the decision is made from: the hosts that may be chosen, and the claims that stand, by instance UUID."""

    hosts: dict[str, Host]
    claims: dict[str, str]


@dataclass(frozen=True)
class Policy:
    """How hosts are chosen: filters by name, weighers by name with their multiplier, number of alternates."""

    filters: dict[str, Callable]
    weighers: dict[str, tuple[Callable, float]]
    alternates: int = 2


def parse(params: dict[str, Any]) -> list[Request]:
    """The scheduler's requests; an instance that failed before it came here is left out by its status."""
    return [_request(from_document(document)) for document in params["instances"]]


def _request(instance: Instance) -> Request:
    flavor, volumes = instance.flavor, instance.volumes or []
    image_gb = instance.image["min_disk"]
    return Request(
        instance=instance,
        vcpus=flavor["vcpus"],
        memory_mb=flavor["ram"],
        disk_gb=(flavor["disk"] or image_gb) + sum(volume["size"] for volume in volumes if not volume.get("host")),
        attempted=tuple(instance.attempted_hosts or ()),
        pinned=tuple(sorted({volume["host"] for volume in volumes if volume.get("host")})),
    )


def planner(policy: Policy) -> Callable:
    """The plan of this stage, under one policy: every request paired with its placement."""

    def plan(wanted: list[Request], cluster: Cluster, state: str) -> list[Change]:
        hosts, changes = dict(cluster.hosts), []
        for request in wanted:
            standing = cluster.claims.get(request.key)
            if standing:
                placement = Placement(request, standing)
                changes.append(Change(request, placement, placement))
                continue
            try:
                placement = choose(request, list(hosts.values()), policy)
                hosts[placement.host] = hosts[placement.host].claimed(request)
                changes.append(Change(request, None, placement))
            except NoValidHost as error:
                changes.append(Change(request, None, None, error))
        return changes

    return plan


def choose(request: Request, hosts: Sequence[Host], policy: Policy) -> Placement:
    """The best host for a request, and its alternates; NoValidHost explains when there is none."""
    left, refused = list(hosts), []
    for name, refuses in policy.filters.items():
        reasons = [(host, refuses(host, request)) for host in left]
        left = [host for host, reason in reasons if reason is None]
        refused.append((name, len(reasons), Counter(reason for _host, reason in reasons if reason)))
    if not left:
        raise NoValidHost(_explanation(len(hosts), refused))
    ranked = rank(left, request, policy.weighers)
    best = ranked[: 1 + policy.alternates]
    return Placement(request, best[0][0], tuple(host for host, _weight in best[1:]), tuple(best))


def rank(hosts: Sequence[Host], request: Request, weighers: dict[str, tuple[Callable, float]]) -> list[tuple[str, float]]:
    """Hosts with their weights, best first; equal weights go by name.

    Each weigher's values are normalised to 0..1 over these hosts and multiplied (nova/weights.py).
    """
    totals = [0.0] * len(hosts)
    for weigh, multiplier in weighers.values():
        for index, value in enumerate(normalised([weigh(host, request) for host in hosts])):
            totals[index] += multiplier * value
    weighed = [(host.host, round(total, 6)) for host, total in zip(hosts, totals)]
    return sorted(weighed, key=lambda pair: (-pair[1], pair[0]))


def normalised(values: list[float]) -> list[float]:
    """Values laid on 0..1 from their least to their greatest; all 0 when they are equal."""
    least, greatest = min(values), max(values)
    spread = greatest - least
    return [(value - least) / spread if spread else 0.0 for value in values]


def _explanation(total: int, refused: list[tuple[str, int, Counter]]) -> str:
    if not total:
        return "no valid host: no compute host is known; add one to the inventory's group of compute hosts"
    parts = [
        "%s: %s" % (name, ", ".join("%d of %d %s" % (count, seen, reason) for reason, count in reasons.most_common()))
        for name, seen, reasons in refused
        if reasons
    ]
    return "no valid host: %s" % "; ".join(parts)
