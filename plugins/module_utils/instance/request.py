# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The launch request as a person writes it, every value checked before anything is created.

What makes no sense (an unknown key, a size of 0, a name with a slash) is refused, and never recorded. A reference that
leads nowhere (a flavor or image that is not defined) is recorded as the instance's fault. Both are that one's alone.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from typing import Any, Callable

from ..core.convert import choice, json_object, labels, mapping, printable, sequence, shown, text, whole
from ..core.errors import InvalidRequest, NotFound
from ..core.names import checked_name, port_id
from ..core.request import Unsound
from ..core.states import REBUILT, RESTARTS
from ..core.user_data import as_bytes
from ..port.request import parse as parse_ports
from ..volume.request import OPTIONS as VOLUME_OPTIONS
from ..volume.request import parse as parse_volumes
from . import attachments, catalog, counts, parts, scheduling
from .model import InstanceRequest
from .wires import wires

INSTANCE_KEYS = {
    "name", "count", "state", "flavor", "image", "networks", "volumes", "ssh_keys", "metadata", "group",
    "availability_zone", "scheduler_hints",
}  # fmt: skip
# Who asks: names are as their service has them.
OWNER = {"project_id": printable, "project_name": text, "user_id": printable, "user_name": text}
DEFAULT_KEYS = "the controller's own key (launch_default_keys: false does without)"
STATES = ("started", "stopped", *RESTARTS, REBUILT, "absent")
# What each service of volumes knows an image by, and what to do about one that lacks it.
SOURCES = {
    "cinder": ("id", "Cinder makes volumes from images of Glance: set launch_image_service to glance"),
    "rbd": (
        "direct_url",
        "Ceph makes volumes from its own raw images: Glance is to have it there, and say where (show_image_direct_url)",
    ),
}
ANY = "00000000-0000-0000-0000-000000000000"


def parse(params: dict[str, Any]) -> list[InstanceRequest]:
    """Every instance the request asks for, counts expanded; what is wrong with an entry is its instances' refusal.

    What should be absent needs no more than its name. With the parameter state absent that is all of them.
    """
    said = [name for name in OWNER if params.get(name) or name == "project_id"]
    owner = {name: OWNER[name](params[name], name) for name in said}
    params = {**params, "owner": owner, "texts": json_object(params.get("user_data"), "user_data")}
    known = params["networks"] if params["network_service"] == "ovn" else {}
    params["wires"] = wires(known, params.get("host_settings") or {})
    asked = [instance for index, entry in enumerate(params["instances"]) for instance in _expand(index, entry, params)]
    asked = [replace(instance, volume_service=params["volume_service"]) for instance in asked]
    counted = Counter(instance.name for instance in asked)
    return _with_addresses(
        [_refused(each, "two instances have this name") if counted[each.name] > 1 else each for each in asked], params
    )


def _refused(instance: InstanceRequest, why: str) -> InstanceRequest:
    """No more than the name of an instance, and why the request makes no sense there."""
    return InstanceRequest(instance.name, instance.project_id, absent=instance.absent, refusal=InvalidRequest(why))


def _with_addresses(instances: list[InstanceRequest], params: dict[str, Any]) -> list[InstanceRequest]:
    """The same, refused what the stage port would refuse of networks, security groups and addresses.

    It is better told before all else. A network service judges that by itself.
    """
    if params["network_service"] != "ovn":
        return instances
    ports = [
        {**port, "name": instance.name}
        for instance in instances
        for port in attachments.to_data(attachments.ports(instance, _any_uuid(instance), None))
    ]
    definitions = {key: params[key] for key in ("networks", "security_groups", "routers")}
    faults: dict[str, list[str]] = {}
    for port in parse_ports({**definitions, "ports": ports, "state": "present"}):
        if port.fault is not None:
            faults.setdefault(port.name, []).append(str(port.fault))
    return [_refused(each, "; ".join(faults[each.name])) if each.name in faults else each for each in instances]


def _any_uuid(instance: InstanceRequest) -> str:
    """A UUID in place of the one that an instance has or is to have."""
    return port_id(ANY, "instance", instance.name, 0)


def names(entry: Any) -> list[str]:
    """The instance names an entry stands for: web with a count of 2 is web-1 and web-2; InvalidRequest if it has none.

    Nothing is shown of what is no mapping, as secrets may be in it.
    """
    if not isinstance(entry, dict):
        raise InvalidRequest("is not a mapping of keys to values")
    name = checked_name(entry.get("name"), "instance")
    count = _count(entry)
    return [name] if count is None else [checked_name(each, "instance") for each in counts.named(name, count)]


def _count(entry: dict[str, Any]) -> int | None:
    count = entry.get("count")
    return None if count is None else whole(count, "count of %s" % entry["name"], least=1, most=counts.MOST)


def _expand(index: int, entry: Any, params: dict[str, Any]) -> list[InstanceRequest]:
    """The instances of an entry; one that has no name is called by its place."""
    place, project = "launch_instances[%d]" % index, params["project_id"]
    try:
        named = names(entry)
    except InvalidRequest as error:
        return [_refused(InstanceRequest(place, project, absent=params["state"] == "absent"), str(error))]
    first, *others = [_sound(name, number, len(named), entry, params) for number, name in enumerate(named)]
    count = _count(entry)
    return [first if count is None else replace(first, counted=(entry["name"], count)), *others]


def _sound(name: str, index: int, count: int, entry: dict[str, Any], params: dict[str, Any]) -> InstanceRequest:
    """The index-th instance of an entry, or with its refusal what is wrong with it."""
    try:
        if params["state"] == "absent" or state_of(entry) == "absent":
            return InstanceRequest(name, params["project_id"], absent=True)
        known = {
            key: value for key, value in mapping(entry, "entry", sorted(INSTANCE_KEYS)).items() if value is not None
        }
        return _instance(name, index, count, known, params)
    except InvalidRequest as error:
        return _refused(InstanceRequest(name, params["project_id"]), str(error))


def state_of(entry: dict[str, Any]) -> str:
    """What an entry is to be; InvalidRequest if it is none of STATES."""
    state = entry.get("state")
    return "started" if state is None else choice(state, "state", STATES)


def _instance(name: str, index: int, count: int, entry: dict[str, Any], params: dict[str, Any]) -> InstanceRequest:
    faults: dict[tuple[str, str], str] = {}
    flavor_ref, group_ref = entry.get("flavor"), entry.get("group")
    flavor = _look_up(faults, "flavor", flavor_ref, lambda: catalog.flavor(flavor_ref, params["flavors"]))
    group = _look_up(faults, "group", group_ref, lambda: catalog.group(group_ref, params["groups"]))
    ports = _ports(index, entry.get("networks"), params, faults)
    asked = _volumes(name, count, entry.get("volumes"), params)
    boot = attachments.boot_volume(asked)
    image_ref = entry.get("image") if boot is None else boot.image
    image = _look_up(faults, "image", image_ref, lambda: _root(entry, boot, params))
    state = state_of(entry)
    return InstanceRequest(
        name=name,
        **params["owner"],
        flavor=flavor,
        image=image,
        image_ref=image_ref,
        ports=ports,
        volumes=_with_images(asked, params, faults),
        metadata=_unless_none(entry.get("metadata"), "metadata", labels),
        ssh_keys=_unless_none(entry.get("ssh_keys"), "ssh_keys", _ssh_keys),
        default_ssh_keys=None if "ssh_keys" in entry else _ssh_keys(params.get("default_ssh_keys") or [], DEFAULT_KEYS),
        user_data_digest=_unless_none(params["texts"].get(name), "user_data", _digest),
        group=group,
        availability_zone=_unless_none(entry.get("availability_zone"), "availability_zone", printable),
        scheduler_hints=_unless_none(entry.get("scheduler_hints"), "scheduler_hints", scheduling.hints),
        target_state="started" if state in RESTARTS else None if state == REBUILT else state,
        restart=RESTARTS.get(state),
        rebuild=state == REBUILT,
        faults=faults,
        networks=tuple(params["networks"]) if params["network_service"] == "ovn" else None,
        wires=params["wires"],
    )


def _unless_none(value: Any, what: str, convert: Callable[[Any, str], Any]) -> Any:
    """A value of an entry by its converter; what is not mentioned is none."""
    return None if value is None else convert(value, what)


def _look_up(faults: dict[tuple[str, str], str], kind: str, called: Any, look_up: Callable) -> Any:
    """What an entry names; no more than its name, and a fault, where there is no such thing."""
    try:
        return look_up()
    except NotFound as error:
        faults[kind, called] = str(error)
        return {"name": called}


def _image(asked: Any, params: dict[str, Any]) -> dict[str, Any]:
    return catalog.image(asked, params["images"], params["image_service"])


def _root(entry: dict[str, Any], boot: Any, params: dict[str, Any]) -> dict[str, Any] | None:
    """The image that the instance's root disk is made from, or that of the volume it boots from, which has no url."""
    if boot is None:
        return _image(entry["image"], params) if entry.get("image") is not None else None
    if entry.get("image") is not None:
        raise InvalidRequest("boots from volume %s, leave image out" % boot.name)
    return {**_image(boot.image, params), "url": None} if boot.image else None


def _ports(index: int, entries: Any, params: dict[str, Any], faults: dict) -> list | None:
    """The ports; a network that the embedded service does not know is the instance's fault."""
    if entries is None:
        return None
    made = parts.ports(index, entries, params["network_service"])
    known = params["networks"] if params["network_service"] == "ovn" else {}
    for port in [*made, *(subport for each in made for subport in each.subports or ())]:
        if known and port.network not in known:
            faults["network", port.network] = catalog.unknown("network", port.network, known, "launch_networks")
    return made


def _volumes(name: str, count: int, entries: Any, params: dict[str, Any]) -> list | None:
    if entries is None:
        return None
    return parts.volumes(name, count, entries, params["project_id"], params["volume_service"])


def _with_images(volumes: list | None, params: dict[str, Any], faults: dict) -> list | None:
    """The volumes, those made from an image with what their service knows it by; without that is their fault."""
    source, cure = SOURCES.get(params["volume_service"], ("id", ""))
    made = []
    for volume in volumes or ():
        image = volume.image and _look_up(
            faults, "volume", volume.name, lambda asked=volume.image: _image(asked, params)
        )
        if image and source not in image:
            faults.setdefault(("volume", volume.name), "volume %s: image %s: %s" % (volume.name, image["name"], cure))
        made.append(replace(volume, image=image.get(source)) if image else volume)
    _check_volumes(made, params["volume_service"])
    return None if volumes is None else made


def _check_volumes(volumes: list, service: str) -> None:
    """InvalidRequest for what the stage volume would refuse; better told before all else."""
    items = [{key: part.get(key) for key in VOLUME_OPTIONS} for part in attachments.to_data(volumes)]
    for each in parse_volumes({"service": service, "volumes": items, "state_path": "/"}):
        if isinstance(each, Unsound):
            raise InvalidRequest("volume %s: %s" % (each.name, each.fault))


def _ssh_keys(value: Any, what: str) -> list[str]:
    """Public keys, a line each."""
    keys = [text(key, "%s[%d]" % (what, index)).strip() for index, key in enumerate(sequence(value, what))]
    for key in keys:
        if "\n" in key or len(key.split()) < 2:
            raise InvalidRequest(
                "%s: %s is not a public key such as 'ssh-ed25519 AAAA... me@here'" % (what, shown(key))
            )
    return keys


def _digest(value: Any, what: str) -> str:
    """What the record keeps of user_data, which may hold secrets: enough to see that it changed."""
    return hashlib.sha256(as_bytes(value, what)).hexdigest()
