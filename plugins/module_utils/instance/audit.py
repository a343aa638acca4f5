# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What exists with our mark and no living record, and what is recorded and does not exist: nothing but a comparison.

What is on its way, an instance that is being built or deleted, is left to the run that drives it.
A host that was not looked at is not judged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Iterator

from .attachments import boots
from .model import Instance

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Found:
    """One thing, on a host or (a port) in the network, by its identity; problem is orphan or missing."""

    kind: str
    id: str
    name: str
    instance_uuid: str | None
    host: str | None
    reason: str
    network: str | None = None
    problem: str = "orphan"

    def to_result(self) -> dict[str, Any]:
        """Its fields."""
        return dict(vars(self))


@dataclass(frozen=True)
class Recorded:
    """The living instances of all projects, the volumes' rows by id, and the hosts of the claims by instance UUID."""

    instances: list[Instance]
    volumes: dict[str, dict]
    claims: dict[str, str]


@dataclass(frozen=True)
class Existing:
    """What was found: by host the domains, disks (UUIDs of instances) and volumes; the ports, None if nobody looked.

    project is the only one whose ports could be seen, None if all could be.
    """

    hosts: dict[str, dict[str, list]]
    ports: list[dict] | None
    project: str | None = None


def compare(recorded: Recorded, existing: Existing) -> list[Found]:
    """What exists and should not, then what should exist and does not."""
    lost = [replace(found, problem="missing") for found in _missing(recorded, existing)]
    return sorted(_orphans(recorded, existing), key=_order) + sorted(lost, key=_order)


def _orphans(recorded: Recorded, existing: Existing) -> Iterator[Found]:
    known = {instance.uuid: instance for instance in recorded.instances}
    for host, things in existing.hosts.items():
        for domain in things["domains"]:
            why = _misplaced(known.get(domain["uuid"]), host)
            if why:
                yield Found("domain", domain["uuid"], domain["name"], domain["uuid"], host, why)
        for identity in filter(_UUID.fullmatch, things["disks"]):
            why = _misplaced(known.get(identity), host)
            if why:
                yield Found("disk", identity, identity, identity, host, why)
        for volume in things["volumes"]:
            why = _unclaimed(recorded.volumes.get(volume["id"]), known, host)
            if why:
                yield Found("volume", volume["id"], volume["name"], volume["instance_uuid"], host, why)
    for port in existing.ports or []:
        instance = known.get(port["instance_uuid"])
        if instance is None or (_settled(instance) and port["id"] not in _ids(instance.ports)):
            why = "no such instance is recorded" if instance is None else "the instance is not recorded with it"
            yield Found("port", port["id"], port["name"], port["instance_uuid"], port["host"], why, port["network"])
    for identity, host in recorded.claims.items():
        if identity not in known:
            yield Found("allocation", identity, identity, identity, host, "no such instance is recorded")


def _missing(recorded: Recorded, existing: Existing) -> Iterator[Found]:
    ports = None if existing.ports is None else _ids(existing.ports)
    for instance in recorded.instances:
        if not _settled(instance) or not instance.launched:
            continue
        mine = {"name": instance.name, "instance_uuid": instance.uuid, "host": instance.host}
        here = existing.hosts.get(instance.host)
        if here is not None and instance.uuid not in {domain["uuid"] for domain in here["domains"]}:
            yield Found("domain", instance.uuid, reason="it is not on its host", **mine)
        if here is not None and instance.uuid not in here["disks"] and not boots(instance.volumes):
            yield Found("disk", instance.uuid, reason="it is not on its host", **mine)
        seen = existing.project in (None, instance.project_id)
        for port in (instance.ports or []) if seen else []:
            if ports is not None and port["id"] not in ports:
                told = {**mine, "name": port["name"], "network": port["network"]}
                yield Found("port", port["id"], reason="it is not in the network", **told)
        if instance.uuid not in recorded.claims:
            yield Found("allocation", instance.uuid, reason="nothing is claimed for it", **mine)
    moving = {instance.uuid for instance in recorded.instances if not _settled(instance) or not instance.launched}
    for row in recorded.volumes.values():
        here = existing.hosts.get(row["host"])
        if here is not None and row["instance_uuid"] not in moving and row["id"] not in _ids(here["volumes"]):
            yield Found("volume", row["id"], row["name"], row["instance_uuid"], row["host"], "it is not on its host")


def _misplaced(instance: Instance | None, host: str) -> str | None:
    """Why a thing of this instance should not be on this host; None if it may be there."""
    if instance is None:
        return "no such instance is recorded"
    if not _settled(instance) or instance.host == host:
        return None
    return "the instance is on %s" % instance.host if instance.host else "the instance is on no host"


def _unclaimed(row: dict | None, known: dict[str, Instance], host: str) -> str | None:
    if row is None:
        return "no such volume is recorded"
    instance = known.get(row["instance_uuid"])
    if row["host"] in (None, host) or (instance is not None and not _settled(instance)):
        return None
    return "the volume is on %s" % row["host"]


def _settled(instance: Instance) -> bool:
    return instance.task_state is None


def _ids(things: list[dict] | None) -> set[str]:
    return {thing["id"] for thing in things or []}


def _order(found: Found) -> tuple:
    return found.kind, found.host or "", found.name, found.id
