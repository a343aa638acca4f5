# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a request makes of the record as it is: a change of each instance, and why there can be none; pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Mapping

from ..core.change import Change
from ..core.errors import Conflict, InvalidRequest, LaunchError
from . import attachments, counts, definitions, located, quota, rebuild, room
from .model import Instance, InstanceRequest
from .wires import check_wires

BEING_DELETED = "it is being deleted, and a destroy of it has not ended: run destroy again, then launch it anew"


@dataclass(frozen=True)
class Recorded:
    """What the record has of a request: instances by name, the volumes it names by id, its project's groups by name.

    A group is {name, policy, max_server_per_host, members}, the last a number of living instances. limits are the
    quotas that are set, used is what the project uses of each resource. room are the GiB that the hosts of instances
    that run have left of their disks. record_id is the record's own identity.
    deleted are the UUIDs, of those that documents name, of instances that are gone. living are the names of all the
    project's instances, where an entry counts its own. queued is by name what workers are still to do (queued.py).
    """

    instances: dict[str, Instance]
    volumes: dict[str, dict]
    groups: dict[str, dict] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=lambda: quota.NOTHING)
    record_id: str | None = None
    room: Mapping[str, float] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    living: tuple[str, ...] = ()
    queued: Mapping[str, Any] = field(default_factory=dict)


class Driven(Change):
    """A change of an instance that this run drives; also where it stays as it is, who drives it is written."""

    @property
    def pending(self) -> bool:
        """Whether there is a record to write to."""
        return self.before is not None or (self.error is None and self.after is not None)


def plan(wanted: list[InstanceRequest], current: Recorded, _state: str) -> list[Change]:
    """Pair requests with records; what is to go is marked as deleting, and goes when its parts have gone."""
    changes, used, left = [], current.used, current.room
    names = {item.name for item in wanted}
    for item in wanted:
        before = current.instances.get(item.key)
        told = counts.beyond(*item.counted, current.living, names) if item.counted else ()
        try:
            if item.refusal:
                raise item.refusal
            check_lease(before)
            located.check_service(item, before)
            if item.absent:
                gone = before and replace(before, task_state="deleting", fault=None)
                changes.append(Driven(item, before, gone, notes=told))
                continue
            after = _plan_present(item, before, current)
            check_wires(item.wires, before, after)
            left = room.admit(left, before, after, current.volumes)
            used = quota.add(current.limits, used, quota.increase(before, after, current.volumes))
            if before is not None and before.launched:
                told = (*definitions.notes(rebuild.kept(item), before), *told)
            changes.append(Driven(item, before, after, notes=told))
        except LaunchError as error:
            changes.append(Change(item, before, before, error, told))
    return changes


def _plan_present(item: InstanceRequest, before: Instance | None, current: Recorded) -> Instance:
    if before is not None and before.task_state == "deleting":
        raise Conflict(BEING_DELETED)
    if before is not None and before.launched:
        faults = definitions.open_faults(item, before)
        if faults:
            raise Conflict("; ".join(faults))
    else:
        check_group(item, current.groups)
        item = complete(item)
    after = replace(item, volumes=located.locate(item, before, current.volumes)).over(before)
    return replace(after, record_id=current.record_id)


def complete(item: InstanceRequest) -> InstanceRequest:
    """The request of a new instance, which has to say of what it is made; InvalidRequest where it does not."""
    if item.flavor is None:
        raise InvalidRequest("flavor is missing: name one of launch_flavors, or write {vcpus, ram, disk}")
    if item.image is None and attachments.boot_volume(item.volumes) is None:
        raise InvalidRequest("image is missing, and none of the volumes has boot: true")
    return _with_ports(item)


def _with_ports(item: InstanceRequest) -> InstanceRequest:
    """One that mentions no networks has the only one there is, or must say (as nova)."""
    if item.ports is not None or item.networks == ():
        return item
    if item.networks is None or len(item.networks) > 1:
        known = ", ".join(sorted(item.networks)[:5]) if item.networks else "those of the network service"
        raise InvalidRequest("networks is missing: name some of %s, or write networks: [] for none" % known)
    return replace(item, ports=[attachments.NetworkRequest(network) for network in item.networks])


def check_lease(before: Instance | None) -> None:
    """Conflict if another run drives the instance."""
    if before is not None and before.lease is not None and before.lease.busy:
        raise Conflict(before.lease.busy)


def check_group(wanted: Instance | InstanceRequest, groups: dict[str, dict]) -> None:
    """Conflict if the wanted instance's group has other rules by which instances have already been placed."""
    group = wanted.group or {}
    known = groups.get(group.get("name"))
    if known and known["members"] and {**known, **group} != known:
        raise Conflict(
            "group %s has the policy %s (max_server_per_host: %s) and %d instances: restore it, or name another group"
            % (known["name"], known["policy"], known["max_server_per_host"], known["members"])
        )
