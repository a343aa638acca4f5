# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an instance is, and what becomes of its record when something is requested of it (the seed's steps 2, 3, 7 and
13); pure."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Mapping

from ..core.diff import line, showing
from ..core.errors import Conflict, LaunchError
from ..core.states import POWER
from . import attachments, definitions, located, misfit, rebuild
from .wires import Wires

# An instance's status in the Compute API, from what the record keeps (nova/api/openstack/common.py).
STATUS = {"building": "BUILD", "active": "ACTIVE", "stopped": "SHUTOFF", "error": "ERROR", "deleted": "DELETED"}

# What is recorded of a guest that is as asked for: the state that is asked for, vm_state and power_state.
AS_ASKED = {"started": ("active", "running"), "stopped": ("stopped", "shutdown")}

# What a row has from the request as it is; and of whose it is, from the first.
ASKED = ("name", "project_id", "flavor", "image", "group", "availability_zone")
OWNER = ("user_id", "user_name", "project_name")

# What of an entry a guest that was launched keeps for life.
FIXED = ("ssh_keys", "user_data_digest", "availability_zone", "scheduler_hints")


@dataclass(frozen=True)
class Instance:
    """One instance, as its row has it: what was asked for and what has become of it.

    flavor: {name, vcpus, ram (MiB), disk (GiB), extra_specs}; it and the image are None where a request named none
    that there is. ports and volumes are the items that the stages of these names take; one that a running guest is to
    lose is `leaving`. group: {name, policy, max_server_per_host}. attempted_hosts failed it in this launch, the last of
    them by last_error. seconds passed from the request to ACTIVE. fault is what stopped it. user_data itself is never
    here, only its SHA-256. target_state is what is asked for, started or stopped; power_state what the host said of the
    guest at the last look: running, paused, shutdown, crashed, suspended or nostate. rebuild_id is the identity of its
    last rebuild, by which its host knows whether that is done. record_id is the record's own; remains are the hosts
    that it has left and that may still have something of it. lease (record/lease.py) says who
    drives the instance, and is no part of what it is.
    """

    name: str
    project_id: str
    uuid: str
    vm_state: str = "building"
    task_state: str | None = None
    target_state: str = "started"
    power_state: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    project_name: str | None = None
    host: str | None = None
    attempted_hosts: list = field(default_factory=list)
    flavor: dict | None = None
    image: dict | None = None
    ports: list = field(default_factory=list)
    volumes: list = field(default_factory=list)
    metadata: dict = field(default_factory=dict)
    ssh_keys: list = field(default_factory=list)
    user_data_digest: str | None = None
    group: dict | None = None
    availability_zone: str | None = None
    scheduler_hints: dict = field(default_factory=dict)
    launched: bool = False
    seconds: float | None = None
    fault: str | None = None
    last_error: str | None = None
    rebuild_id: str | None = None
    record_id: str | None = field(default=None, compare=False)
    remains: list = field(default_factory=list, compare=False)
    lease: Any = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """The name, unique among a project's living instances."""
        return self.name

    @property
    def status(self) -> str:
        """BUILD, ACTIVE, SHUTOFF, PAUSED, SUSPENDED, ERROR or DELETED, as the Compute API says it."""
        return status_of(self.vm_state, self.power_state)

    def to_result(self) -> dict[str, Any]:
        """The document that travels through the stages."""
        return to_document(self)


def status_of(vm_state: str, power_state: str | None, silent: bool = False) -> str:
    """An instance's status: what was made of it; of a guest that there is, what its host said of it.

    silent: its host does not answer, and nobody knows what has become of such a guest.
    """
    known = POWER[power_state] if power_state and vm_state in ("active", "stopped") else STATUS[vm_state]
    return "UNKNOWN" if silent and known in POWER.values() else known


def seconds_to_launch(requested_at: datetime, launched_at: datetime | None) -> float | None:
    """What passed from the request to ACTIVE."""
    return None if launched_at is None else round((launched_at - requested_at).total_seconds(), 1)


def as_text(instance: Instance, whole: bool) -> str:
    """What a diff shows of an instance: what no other stage shows."""
    if whole:
        return showing("")(instance, True)
    names = {name: (getattr(instance, name) or {}).get("name") for name in ("flavor", "image", "group")}
    words = {"metadata": instance.metadata, "availability_zone": instance.availability_zone, "fault": instance.fault}
    task = None if instance.task_state == "scheduling" else instance.task_state
    return line("instance " + instance.name, {**names, **words, "task": task})


# What is attached to an instance, by the field that has it.
PARTS = {"ports": attachments.NetworkRequest, "volumes": attachments.BlockDeviceMapping}
DOCUMENT = tuple(each.name for each in fields(Instance) if each.name != "lease")


def to_document(instance: Instance) -> dict[str, Any]:
    """The instance's record as data, whole, and its status; from_document() makes the same instance of it."""
    parts = {name: attachments.to_data(getattr(instance, name)) for name in PARTS}
    return {**{name: getattr(instance, name) for name in DOCUMENT}, **parts, "status": instance.status}


def from_document(document: Mapping[str, Any]) -> Instance:
    """The instance that a document tells of; what the stages have added to it beside is left out."""
    parts = {name: attachments.from_data(kind, document.get(name) or ()) for name, kind in PARTS.items()}
    return Instance(**{**{name: document[name] for name in DOCUMENT if name in document}, **parts})


@dataclass(frozen=True)
class InstanceRequest:
    """What a request says of one instance; None means not mentioned.

    faults are why it cannot be as it says, each by what it is about: ("flavor", its name), ("network", its name),
    ("volume", its name) and so on. A flavor, image or group that has one is no more than its name. image_ref is what
    the entry calls its image, by name or by id. restart is the task state of a guest that runs and is to start anew.
    rebuild: its root disk is to be made anew, from its image or from another.
    With absent it says that there is to be none of that name. refusal is why it makes no sense at all; then there is
    nothing to record. networks are the names of those that there are, for
    an entry that mentions none; None where only their service knows. default_ssh_keys are those of a new instance that
    mentions none. counted is, for the first instance of an entry with a count, the entry's name and its count.
    wires are those that networks and hosts are said to be on. volume_service is the one that this run asks for volumes.
    """

    name: str
    project_id: str
    user_id: str | None = None
    user_name: str | None = None
    project_name: str | None = None
    flavor: dict | None = None
    image: dict | None = None
    ports: list | None = None
    volumes: list | None = None
    metadata: dict | None = None
    ssh_keys: list | None = None
    default_ssh_keys: list | None = None
    user_data_digest: str | None = None
    group: dict | None = None
    availability_zone: str | None = None
    scheduler_hints: dict | None = None
    image_ref: str | None = None
    target_state: str | None = None
    restart: str | None = None
    rebuild: bool = False
    faults: Mapping[tuple[str, str], str] = field(default_factory=dict)
    absent: bool = False
    refusal: LaunchError | None = None
    networks: tuple[str, ...] | None = ()
    counted: tuple[str, int] | None = None
    wires: Wires = Wires()
    volume_service: str | None = None

    @property
    def key(self) -> str:
        """The name, unique among a project's living instances."""
        return self.name

    @property
    def fault(self) -> str | None:
        """Why it cannot be launched as it says."""
        return "; ".join(dict.fromkeys(self.faults.values())) or None

    def sound(self, name: str) -> Any:
        """A field of it; None for a definition that there is not."""
        return None if name in {kind for kind, _name in self.faults} else getattr(self, name, None)

    def over(self, before: Instance | None) -> Instance:
        """The record's next state when this is requested of it."""
        if before is None or not before.launched:
            return _begin(self, before)
        _refuse_changes(rebuild.kept(self), before)
        return rebuild.over(self, before, _update(self, before))

    def to_result(self) -> dict[str, Any]:
        """The document of an instance that there is not, or that was refused before it was recorded."""
        known = {name: value for name in DOCUMENT if (value := self.sound(name)) is not None}
        wrong = self.fault or self.refusal
        state = "error" if wrong else "deleted" if self.absent else "building"
        return {**to_document(Instance(uuid="", vm_state=state, **known)), "uuid": None}


def _begin(wanted: InstanceRequest, before: Instance | None) -> Instance:
    """A launch that has not succeeded yet begins, or begins again: what was made keeps its identity."""
    identity = before.uuid if before else str(uuid.uuid4())
    failed = wanted.fault or misfit.reason(wanted.flavor, wanted.image, wanted.volumes)
    going_on = before is not None and before.vm_state == "building" and not failed
    return Instance(
        **{name: wanted.sound(name) for name in ASKED},
        **{name: getattr(before, name, None) or getattr(wanted, name) for name in OWNER},
        uuid=identity,
        vm_state="error" if failed else "building",
        task_state=before.task_state if going_on else None if failed else "scheduling",
        target_state=wanted.target_state or (before.target_state if before else "started"),
        host=before.host if before else None,
        attempted_hosts=before.attempted_hosts if going_on else [],
        last_error=before.last_error if going_on else None,
        ports=_begun_ports(wanted, identity, before),
        volumes=located.begin(wanted, identity, before),
        metadata=wanted.metadata or {},
        ssh_keys=_begun_keys(wanted, before),
        scheduler_hints=wanted.scheduler_hints or {},
        user_data_digest=wanted.user_data_digest or (before and before.user_data_digest),
        fault=failed,
    )


def _begun_keys(wanted: InstanceRequest, before: Instance | None) -> list:
    """The keys of a launch; where none are mentioned those that its attempts have had, whoever makes the next one."""
    if wanted.ssh_keys is not None:
        return wanted.ssh_keys
    return (before.ssh_keys if before else None) or wanted.default_ssh_keys or []


def _begun_ports(wanted: InstanceRequest, identity: str, before: Instance | None) -> list:
    """The ports of a launch; one that an earlier attempt has made, and that is asked for no more, is taken back."""
    made = [port for port in before.ports if port.mac_address] if before else []
    return attachments.exchange(attachments.ports(wanted, identity, before.ports if before else None), made)


def _refuse_changes(wanted: InstanceRequest, before: Instance) -> None:
    """Conflict naming every field that differs and that a running guest cannot change."""
    fixed = definitions.changes(wanted, before)
    for name in FIXED:
        asked, have = getattr(wanted, name), getattr(before, name)
        if asked is not None and asked != have:
            fixed.append(_differing(name, asked, have))
    fixed += attachments.fixed_changes(wanted, before)
    if fixed:
        raise Conflict(
            "%s cannot be changed while the instance exists: restore the old value, or destroy the instance first"
            % "; ".join(fixed)
        )


def _differing(name: str, asked: Any, have: Any) -> str:
    if name == "user_data_digest":
        return "user_data"
    return "%s (%s, now %s)" % (name, asked, have)


def _update(wanted: InstanceRequest, before: Instance) -> Instance:
    """An instance that was launched with the changes it can take: its state, metadata, what is attached to it, where
    its image is."""
    target = wanted.target_state or before.target_state
    ports, volumes = before.ports, before.volumes
    if wanted.ports is not None:
        ports = attachments.exchange(attachments.ports(wanted, before.uuid, before.ports), before.ports)
    if wanted.volumes is not None:
        volumes = attachments.exchange(attachments.volumes(wanted, before.uuid, before.volumes), before.volumes)
    metadata = before.metadata if wanted.metadata is None else wanted.metadata
    return replace(
        before,
        ports=ports,
        volumes=volumes,
        metadata=metadata,
        image=definitions.renew(wanted, before),
        target_state=target,
        task_state=_task(target, before) or (wanted.restart if target == "started" else None),
    )


def _task(target: str, before: Instance) -> str | None:
    """What is to be done for an instance that was launched to be in that state (nova's task states)."""
    if target == "stopped":
        return None if (before.vm_state, before.status) == ("stopped", "SHUTOFF") else "powering-off"
    return "powering-on" if before.vm_state == "stopped" or before.status == "SHUTOFF" else None
