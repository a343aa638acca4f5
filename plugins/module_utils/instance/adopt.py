# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Instances that there are and the record has never had: which of a request they are, and what is recorded of them.

A record that was lost, or put back from an old copy, lacks instances that go on running. Their marks tell name, project
and UUID, and the ids of ports and volumes derive from these. So what is found is recorded as it is, and nothing of it
is touched; a launch of the same list then finds them as its own. What is not as the request says is refused. With the
mark of another record only that is taken whose loss the operator vouches for; this record goes on in its place.

The volumes that an instance has had, and that were kept, come along: beside one that is recorded they would be orphans.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Iterator, Mapping

from ..core.change import Change
from ..core.errors import Conflict, LaunchError, Unavailable
from ..core.states import POWER
from . import attachments
from .audit import Existing
from .guest import Guest, as_found, differences
from .model import AS_ASKED, Instance, InstanceRequest
from .plan import Recorded, check_group, complete

NOT_CHECKED = "keys and user data are recorded as the request has them: what the guest was given cannot be seen"
NOT_FOUND = "no compute host has it, and a launch makes it anew"


@dataclass(frozen=True)
class Adoption(Change):
    """An instance that is taken into the record. allocation: what it has of its host beside amounts, as its guest's
    mark says it. kept: the volumes that it had, and that wait on their hosts, as rows of the record."""

    allocation: Mapping | None = None
    kept: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Seen:
    """The record beside what was found. known are the UUIDs of what was found that it has, or had. bare: nothing
    outside can have its mark."""

    recorded: Recorded
    known: set[str]
    bare: bool


def planner(existing: Existing, lost: str | None) -> Callable[[list[InstanceRequest], Seen, str], list[Change]]:
    """What of a request is taken into the record. lost: the identity of a record that is lost, in whose place this one
    goes on."""

    def plan(wanted: list[InstanceRequest], seen: Seen, _state: str) -> list[Change]:
        return [_plan(item, seen, existing, lost or None) for item in wanted]

    return plan


def _plan(item: InstanceRequest, seen: Seen, existing: Existing, lost: str | None) -> Change:
    before = seen.recorded.instances.get(item.key)
    try:
        if item.refusal:
            raise item.refusal
        if before is not None or item.absent:
            return Change(item, before, before)
        guest = _find(item, seen, existing)
        if guest is None:
            return Change(item, None, None, notes=(NOT_FOUND,))
        _check_record(guest, seen, lost)
        check_group(item, seen.recorded.groups)
        after = _instance(item, guest)
        kept = tuple(_kept(after, existing))
    except LaunchError as error:
        return Change(item, before, before, error)
    told = (NOT_CHECKED,) if item.ssh_keys or item.user_data_digest else ()
    return Adoption(item, None, after, notes=told, allocation=guest.domain.get("allocation"), kept=kept)


def _find(item: InstanceRequest, seen: Seen, existing: Existing) -> Guest | None:
    """The guest of that name and project that the record does not know; Conflict if there are several."""
    found = [
        (host, domain)
        for host, here in existing.hosts.items()
        for domain in here["domains"]
        if (domain["name"], domain.get("project_id")) == (item.name, item.project_id)
        and domain["uuid"] not in seen.known
    ]
    if len(found) > 1:
        named = ", ".join("%s on %s" % (domain["uuid"], host) for host, domain in found)
        raise Conflict("there are %d of that name: %s: remove all but one of them by hand" % (len(found), named))
    if not found:
        if existing.unseen:
            hosts = ", ".join(sorted(existing.unseen))
            raise Unavailable(
                "it is on none of the hosts that answered, and may be on %s: run again with these" % hosts
            )
        return None
    [(host, domain)] = found
    here = existing.hosts[host]
    return Guest(
        host=host,
        domain=domain,
        ports=existing.ports and [port for port in existing.ports if port["instance_uuid"] == domain["uuid"]],
        volumes={volume["id"]: volume for volume in here["volumes"]},
        has_directory=domain["uuid"] in {each["uuid"] for each in here["directories"]},
    )


def _check_record(guest: Guest, seen: Seen, lost: str | None) -> None:
    """Conflict if the guest is of another record, unless that one is lost and nothing has the mark of this one."""
    if guest.record_id in (None, seen.recorded.record_id):
        return
    if guest.record_id != lost:
        raise Conflict(
            "instance %s on %s belongs to another record, %s: if that one is lost for good, run again with "
            "launch_adopt_record=%s" % (guest.uuid, guest.host, guest.record_id, guest.record_id)
        )
    if not seen.bare:
        raise Conflict(
            "this record has instances or volumes of its own, or its mark is on something, and it cannot go on in the "
            "place of %s: destroy them first, or adopt with an empty launch_database" % guest.record_id
        )


def _instance(item: InstanceRequest, guest: Guest) -> Instance:
    """The instance as it is recorded; Conflict if the guest is not as the request says."""
    begun = complete(item).over(Instance(item.name, item.project_id, guest.uuid, host=guest.host))
    if begun.fault:
        raise Conflict(begun.fault)
    differing = differences(begun, guest)
    if differing:
        raise Conflict(
            "instance %s on %s is not as the request says: %s: mend the request"
            % (guest.uuid, guest.host, "; ".join(differing))
        )
    status = guest.domain["status"]
    state = "stopped" if status == "SHUTOFF" else "started"
    made = {port["id"]: port for port in guest.ports or ()}
    return replace(
        begun,
        vm_state=AS_ASKED[state][0],
        power_state=next(power for power, word in POWER.items() if word == status),
        target_state=state,
        task_state=None,
        launched=True,
        ports=[attachments.learn_port(port, made[port.id]) for port in begun.ports],
        volumes=[as_found(volume, guest) for volume in begun.volumes],
        record_id=guest.record_id,
    )


def _kept(instance: Instance, existing: Existing) -> Iterator[dict[str, Any]]:
    """The rows of volumes that were this instance's; Conflict for one that nobody can tell by name."""
    attached, seen = {volume.id for volume in instance.volumes}, set()
    for host, here in existing.hosts.items():
        for volume in here["volumes"]:
            identity = volume["id"]
            if volume["instance_uuid"] != instance.uuid or identity in attached:
                continue
            if identity in seen or not volume.get("size") or volume.get("name") in (None, identity):
                raise Conflict(
                    "volume %s on %s was the instance's, and has no name or no disk, or is on two hosts: move it "
                    "away from there, then adopt again" % (identity, host)
                )
            seen.add(identity)
            known = {key: volume[key] for key in ("id", "name", "size", "format")}
            unattached = {"instance_uuid": None, "delete_on_termination": False, "made": True}
            yield {**known, **unattached, "project_id": instance.project_id, "host": host}
