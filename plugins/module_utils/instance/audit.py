# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What exists with our mark and should not, and what is recorded and does not exist: nothing but a comparison.

A mark says which record it is of. An orphan is what this record knows to be deleted, or to be elsewhere: only that can
be repaired away. What another record made is foreign. What this record has never had is unknown, and so is what
contradicts it (it may be an older copy, or another database): both are told, and left to whoever knows. What is on its
way, an instance that is being built or deleted, is left to the run that drives it. A host that could not be looked at
is not judged: it is unseen.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Callable, Iterable, Iterator, NamedTuple

from ..core.change import Change
from ..core.diff import showing
from ..network.model import NETWORK
from .attachments import boot_volume
from .model import Instance

ORPHAN, FOREIGN, UNKNOWN, MISSING, UNSEEN = "orphan", "foreign", "unknown", "missing", "unseen"

# What a compute host tells of, all of it.
THINGS = ("domains", "directories", "volumes", "gateways")

# What a diff shows of a claim that is given back.
as_text = showing("allocation", "host", "instance_uuid")


@dataclass(frozen=True)
class Found:
    """One thing, on a host or in the network, by its identity; problem is one of the words above.

    network: of a port or a gateway the name of its network, of a network its own. shared: of networks of one name, the
    one of all projects.
    """

    kind: str
    id: str
    name: str
    instance_uuid: str | None
    host: str | None
    reason: str
    network: str | None = None
    problem: str = ORPHAN
    record_id: str | None = None
    shared: bool = False

    @property
    def key(self) -> tuple:
        """Which thing, and where."""
        return self.kind, self.id, self.host, self.shared

    def to_result(self) -> dict[str, Any]:
        """Its fields."""
        return dict(vars(self))


@dataclass(frozen=True)
class Recorded:
    """The living instances of all projects, the volumes' rows by id, and the hosts of the claims by instance UUID.

    record_id is the record's own, None for one that was never written; deleted are the UUIDs of instances that were.
    """

    instances: list[Instance]
    volumes: dict[str, dict]
    claims: dict[str, str]
    record_id: str | None = None
    deleted: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Existing:
    """What was found: by host the domains, directories (of instances), volumes and gateways; and the ports.

    ports is None if nobody looked for any; networks are those of OVN, and its security groups. project is the only one
    whose ports could be seen, None if all could be. unseen are the hosts that could not be looked at, each with the
    reason.
    """

    hosts: dict[str, dict[str, list]]
    ports: list[dict] | None
    project: str | None = None
    unseen: dict[str, str] = field(default_factory=dict)
    networks: list[dict] = field(default_factory=list)

    @cached_property
    def guests(self) -> dict[str, dict[str, dict]]:
        """The domains by the UUIDs of their instances, and by their hosts."""
        found: dict[str, dict[str, dict]] = {}
        for host, here in self.hosts.items():
            for domain in here["domains"]:
                found.setdefault(domain["uuid"], {})[host] = domain
        return found


class Verdict(NamedTuple):
    """Why a thing should not be where it is."""

    problem: str
    reason: str


def compare(recorded: Recorded, existing: Existing) -> list[Found]:
    """What exists and should not, what should exist and does not, and the hosts of which that is not known."""
    lost = [replace(found, problem=MISSING) for found in _missing(recorded, existing)]
    unseen = list(_unseen(recorded, existing))
    return [*sorted(_surplus(recorded, existing), key=_order), *sorted(lost, key=_order), *sorted(unseen, key=_order)]


def planner(repair: bool) -> Callable[[Iterable[Any], list[Found], str], list[Change]]:
    """What becomes of what was found: nothing, or to repair, claims that are nobody's are given back.

    What is on hosts or in the network goes by the stages' own ways.
    """

    def plan(wanted: Iterable[Any], found: list[Found], state: str) -> list[Change]:
        goes = [repair and each.kind == "allocation" and each.problem == ORPHAN for each in found]
        return [Change(each, each, None if gone else each) for each, gone in zip(found, goes)]

    return plan


def _surplus(recorded: Recorded, existing: Existing) -> Iterator[Found]:
    known = {instance.uuid: instance for instance in recorded.instances}
    things = [
        (kind, thing.get("id") or thing["uuid"], thing, host)
        for host, here in existing.hosts.items()
        for kind, name in (("domain", "domains"), ("disk", "directories"), ("volume", "volumes"))
        for thing in here[name]
    ] + [("port", port["id"], port, port["host"]) for port in existing.ports or []]
    for kind, identity, thing, host in things:
        owner = thing.get("instance_uuid") if kind in ("volume", "port") else identity
        # A volume outlives the instance that its mark names; where it is recorded, its row says whose it is.
        user = None if kind == "volume" and identity in recorded.volumes else owner
        verdict = _judge_owner(recorded, thing.get("record_id"), user)
        verdict = verdict or _judge(recorded, existing, known, kind, thing, host)
        if verdict:
            yield Found(
                kind=kind,
                id=identity,
                name=thing.get("name") or identity,
                instance_uuid=owner,
                host=host,
                reason=verdict.reason,
                network=thing.get("network"),
                problem=verdict.problem,
                record_id=thing.get("record_id"),
            )
    for host, gateway, verdict in _gateways(recorded, known, existing):
        if verdict:
            yield _found_gateway(host, gateway, verdict)
    yield from _networks(recorded, existing)
    for identity, host in recorded.claims.items():
        if identity not in known:
            yield Found("allocation", identity, identity, identity, host, "no such instance is recorded")


def _networks(recorded: Recorded, existing: Existing) -> Iterator[Found]:
    """The networks and security groups that this record's launches made, and that should have gone; routers go along.

    A run that was killed between the two makes its ports yet, on its networks and in groups of its project.
    """
    moving = [each for each in recorded.instances if not _settled(each)]
    networks, projects = {port.network for each in moving for port in each.ports}, {each.project_id for each in moving}
    for found in existing.networks:
        kind, name, project = found["kind"], found["name"], found["project_id"]
        mine = recorded.record_id is not None and found["record_id"] == recorded.record_id
        coming = name in networks if kind == NETWORK else project in projects
        if mine and not found["keep"] and not found["used"] and not coming:
            reason = "nothing uses it, and it was to go with the last that did"
            whose = {"record_id": recorded.record_id, "shared": found.get("shared", False)}
            place = name if kind == NETWORK else None
            yield Found(kind, "%s/%s" % (project, name), name, None, None, reason, place, **whose)


def _gateways(
    recorded: Recorded, known: dict[str, Instance], existing: Existing
) -> Iterator[tuple[str, dict[str, Any], Verdict | None]]:
    """Every gateway and its host, and why it should not be there, if no instance that uses it is there rightly."""
    for host, here in existing.hosts.items():
        records = {each["uuid"]: each.get("record_id") for each in here["directories"]}
        for gateway in here["gateways"]:
            verdicts = [
                _judge_owner(recorded, records.get(user, recorded.record_id), user)
                or _judge_place(existing, known[user], host)
                for user in gateway["instances"]
            ]
            # An orphan goes: so it is none if one of its users is not ours to judge.
            verdicts.sort(key=lambda verdict: verdict is not None and verdict.problem == ORPHAN)
            yield host, gateway, verdicts[0] if all(verdicts) else None


def _found_gateway(host: str, gateway: dict[str, Any], verdict: Verdict) -> Found:
    """A gateway as it is told; by one of its users it is taken away."""
    user, network = gateway["instances"][0], gateway["network"]
    return Found(
        "gateway", gateway["interface"], gateway["interface"], user, host, verdict.reason, network, verdict.problem
    )


def _judge_owner(recorded: Recorded, record_id: str | None, owner: str | None) -> Verdict | None:
    """Whether a thing is of another record, or of an instance that was deleted, or that this record never had."""
    if recorded.record_id is None or (record_id is not None and record_id != recorded.record_id):
        return Verdict(FOREIGN, "it belongs to another record (%s)" % (record_id or "it does not say which"))
    if owner in recorded.deleted:
        return Verdict(ORPHAN, "its instance was deleted")
    if owner is not None and owner not in {instance.uuid for instance in recorded.instances}:
        return Verdict(UNKNOWN, "this record has never had its instance: is this the right database?")
    return None


def _judge(
    recorded: Recorded, existing: Existing, known: dict[str, Instance], kind: str, thing: dict[str, Any], host: str
) -> Verdict | None:
    """Whether a thing of an instance that lives, or a volume of none, should not be where it is."""
    if kind == "volume":
        return _judge_volume(recorded.volumes.get(thing["id"]), known, thing, host)
    instance = known[thing["instance_uuid"] if kind == "port" else thing["uuid"]]
    if kind == "port":
        return _judge_port(existing, instance, thing)
    return _judge_place(existing, instance, host)


def _judge_port(existing: Existing, instance: Instance, port: dict[str, Any]) -> Verdict | None:
    """Whether a port of an instance that lives should not be there: not if its guest has it, whatever is recorded.

    Of a trunk a guest has the parent.
    """
    if not _settled(instance) or port["id"] in {each.id for each in instance.ports}:
        return None
    reason, guests = "the instance is not recorded with it", existing.guests.get(instance.uuid, {})
    if any({port["id"], port.get("parent")} & _ids(guest.get("ports")) for guest in guests.values()):
        return Verdict(UNKNOWN, "%s, and its guest has it: is this the right database?" % reason)
    if not guests and (existing.unseen or instance.host not in (None, *existing.hosts)):
        return Verdict(UNKNOWN, "%s, and whether its guest has it was not seen" % reason)
    return Verdict(ORPHAN, reason)


def _judge_place(existing: Existing, instance: Instance, host: str) -> Verdict | None:
    """Whether what an instance has on a host should not be there.

    It goes only if the instance was seen where it is recorded, or is recorded to have left something here.
    """
    if not _settled(instance) or instance.host == host:
        return None
    reason = "the instance is on %s" % (instance.host or "no host")
    if host in instance.remains or instance.host in existing.guests.get(instance.uuid, {}):
        return Verdict(ORPHAN, reason)
    return Verdict(UNKNOWN, "%s by this record, and was not seen there: is it the right database?" % reason)


def _judge_volume(row: dict | None, known: dict[str, Instance], thing: dict[str, Any], host: str) -> Verdict | None:
    owner = known.get(thing["instance_uuid"])
    if owner is not None and not _settled(owner):
        return None
    if row is None and owner is None:
        return Verdict(UNKNOWN, "no such volume is recorded, and nobody says whose it was")
    if row is None:
        return Verdict(
            UNKNOWN, "the instance is not recorded with it, and may have had it: is this the right database?"
        )
    user = known.get(row["instance_uuid"])
    if row["host"] in (None, host) or (user is not None and not _settled(user)):
        return None
    return Verdict(ORPHAN, "the volume is on %s" % row["host"])


def _missing(recorded: Recorded, existing: Existing) -> Iterator[Found]:
    # Of one that is left nothing is there but its floating IP.
    ports = None if existing.ports is None else _ids([port for port in existing.ports if not port.get("left")])
    for instance in recorded.instances:
        if not _settled(instance) or not instance.launched:
            continue
        mine = {"name": instance.name, "instance_uuid": instance.uuid, "host": instance.host}
        here = existing.hosts.get(instance.host)
        if here is not None and instance.uuid not in {domain["uuid"] for domain in here["domains"]}:
            yield Found("domain", instance.uuid, reason="it is not on its host", **mine)
        if (
            here is not None
            and instance.uuid not in {each["uuid"] for each in here["directories"]}
            and not boot_volume(instance.volumes)
        ):
            yield Found("disk", instance.uuid, reason="it is not on its host", **mine)
        seen = existing.project in (None, instance.project_id)
        for port in instance.ports if seen else ():
            if ports is not None and port.id not in ports:
                fields = {**mine, "name": port.name, "network": port.network}
                yield Found("port", port.id, reason="it is not in the network", **fields)
        if instance.uuid not in recorded.claims:
            yield Found("allocation", instance.uuid, reason="nothing is claimed for it", **mine)
    moving = {instance.uuid for instance in recorded.instances if not _settled(instance) or not instance.launched}
    for row in recorded.volumes.values():
        here = existing.hosts.get(row["host"])
        if here is not None and row["instance_uuid"] not in moving and row["id"] not in _ids(here["volumes"]):
            yield Found("volume", row["id"], row["name"], row["instance_uuid"], row["host"], "it is not on its host")
    known = {instance.uuid: instance for instance in recorded.instances}
    for host, gateway, verdict in _gateways(recorded, known, existing):
        if verdict is None and not gateway["up"]:
            cure = "it does not work: systemctl restart kvmstack-gateway@%s on its host" % gateway["interface"]
            yield _found_gateway(host, gateway, Verdict(MISSING, cure))


def _unseen(recorded: Recorded, existing: Existing) -> Iterator[Found]:
    """The hosts that could not be looked at, also those that only the record knows."""
    here = {
        "instances": [instance.host for instance in recorded.instances],
        "volumes": [row["host"] for row in recorded.volumes.values()],
        "claims": list(recorded.claims.values()),
    }
    left_out = {host for hosts in here.values() for host in hosts if host} - set(existing.hosts)
    reasons = {**dict.fromkeys(left_out, "it is not among the hosts of this audit"), **existing.unseen}
    for host, reason in reasons.items():
        counts = ", ".join("%d %s" % (hosts.count(host), kind) for kind, hosts in here.items() if host in hosts)
        told = "%s; recorded there: %s" % (reason, counts) if counts else reason
        yield Found("host", host, host, None, host, told, problem=UNSEEN)


def _settled(instance: Instance) -> bool:
    return instance.task_state is None


def _ids(things: list[dict] | None) -> set[str]:
    return {thing["id"] for thing in things or []}


def _order(found: Found) -> tuple:
    return found.kind, found.host or "", found.name, found.id
