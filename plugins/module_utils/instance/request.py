# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The launch request as a person writes it, checked whole before anything is created.

A wrong shape (an unknown key, a size of 0, a name with a slash) refuses the request. A reference
that leads nowhere (a flavor or image that is not defined) is that one instance's fault.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from typing import Any, Callable

from ..core.convert import LARGEST, choice, json_object, labels, mapping, sequence, text, whole
from ..core.errors import InvalidRequest, LaunchError, NotFound
from ..core.names import checked_name, port_id
from ..core.properties import renamed
from ..image.model import Image
from ..image.request import check as check_image
from ..network.request import parse as parse_networks
from ..port.request import parse as parse_ports
from . import attachments, parts, scheduling
from .definitions import CUSTOM
from .model import InstanceRequest

INSTANCE_KEYS = {
    "name", "count", "state", "flavor", "image", "networks", "volumes", "ssh_keys", "metadata", "group",
    "availability_zone", "scheduler_hints",
}  # fmt: skip
FLAVOR_KEYS = {"vcpus", "ram", "disk", "extra_specs"}
IMAGE_KEYS = {"url", "checksum", "disk_format", "min_disk", "min_ram", "properties"}
STATES = ("started", "stopped", "absent")
MAX_COUNT = 1000
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
    """Every instance the request asks for, counts expanded; InvalidRequest names all that is wrong at once.

    What should be absent needs no more than its name. With the parameter state absent that is all of them.
    """
    params = {**params, "texts": json_object(params.get("user_data"), "user_data")}
    instances, wrong = [], []
    for entry in params["instances"]:
        try:
            instances += _expand(entry, params)
        except InvalidRequest as error:
            wrong.append(str(error))
    counted = Counter(instance.name for instance in instances)
    wrong += ["two instances are named %s" % name for name, count in sorted(counted.items()) if count > 1]
    if params["state"] == "present":
        wrong += scheduling.wrong_groups(params["groups"])
    if not wrong and params["state"] == "present":
        wrong += _network_faults(instances, params)
    if wrong:
        raise InvalidRequest("; ".join(wrong))
    return instances


def _network_faults(instances: list[InstanceRequest], params: dict[str, Any]) -> list[str]:
    """What the stage port would refuse of the networks, security groups and addresses; better told before all else.

    A network service judges that by itself.
    """
    if params["network_service"] != "ovn":
        return []
    ports = [
        {**port, "id": port_id(ANY, "network", instance.name, index), "instance_uuid": ANY, "name": instance.name}
        for instance in instances
        for index, port in enumerate(attachments.to_data(instance.ports or ()))
    ]
    definitions = {"networks": params["networks"], "security_groups": params["security_groups"]}
    items = parse_networks(definitions)
    try:
        items += parse_ports({**definitions, "ports": ports, "state": "present"})
    except InvalidRequest as error:
        return [str(error)]
    return list(dict.fromkeys("%s: %s" % (item.name, item.fault) for item in items if item.fault is not None))


def names(entries: list[dict[str, Any]]) -> list[str]:
    """The instance names a request stands for: web with a count of 2 is web-1 and web-2."""
    return [name for entry in entries for name, _index in _number(entry)]


def _number(entry: dict[str, Any]) -> list[tuple[str, int]]:
    if entry.get("name") is None:
        raise InvalidRequest("an instance without a name: %s" % ", ".join(sorted(entry)))
    name, count = entry["name"], entry.get("count")
    if count is None:
        return [(checked_name(name, "instance"), 0)]
    count = whole(count, "%s: count" % name, least=1, most=MAX_COUNT)
    return [(checked_name("%s-%d" % (name, index + 1), "instance"), index) for index in range(count)]


def _expand(entry: dict[str, Any], params: dict[str, Any]) -> list[InstanceRequest]:
    entry = {key: value for key, value in entry.items() if value is not None}
    numbered = _number(entry)
    if params["state"] == "absent" or state_of(entry) == "absent":
        return [InstanceRequest(name, params["project_id"], absent=True) for name, _index in numbered]
    mapping(entry, str(entry["name"]), sorted(INSTANCE_KEYS))
    return [_instance(name, index, len(numbered), entry, params) for name, index in numbered]


def state_of(entry: dict[str, Any]) -> str:
    """What an entry is to be; InvalidRequest if it is none of STATES."""
    return choice(entry.get("state") or "started", "%s: state" % entry.get("name"), STATES)


def _instance(name: str, index: int, count: int, entry: dict[str, Any], params: dict[str, Any]) -> InstanceRequest:
    faults: dict[tuple[str, str], str] = {}
    flavor_ref, group_ref = entry.get("flavor"), entry.get("group")
    flavor = _look_up(faults, "flavor", flavor_ref, lambda: _flavor(name, flavor_ref, params["flavors"]))
    group = _look_up(faults, "group", group_ref, lambda: _group(name, group_ref, params["groups"]))
    ports = _ports(name, index, entry.get("networks"), params, faults)
    asked = _volumes(name, count, entry.get("volumes"), params)
    boot = attachments.boot_volume(asked)
    image_ref = entry.get("image") if boot is None else boot.image
    image = _look_up(faults, "image", image_ref, lambda: _root(name, entry, boot, params))
    return InstanceRequest(
        name=name,
        project_id=params["project_id"],
        project_name=params.get("project_name"),
        user_id=params.get("user_id"),
        user_name=params.get("user_name"),
        flavor=flavor,
        image=image,
        image_ref=image_ref,
        ports=ports,
        volumes=_with_images(name, asked, params, faults),
        metadata=_metadata(name, entry.get("metadata")),
        ssh_keys=_ssh_keys(name, entry.get("ssh_keys")),
        user_data_digest=_digest(name, params["texts"].get(name)),
        group=group,
        availability_zone=scheduling.zone(name, entry.get("availability_zone")),
        scheduler_hints=scheduling.hints(name, entry.get("scheduler_hints")),
        target_state=state_of(entry),
        faults=faults,
    )


def _look_up(faults: dict[tuple[str, str], str], kind: str, called: Any, look_up: Callable) -> Any:
    """What an entry names; no more than its name, and a fault, where there is no such thing."""
    try:
        return look_up()
    except InvalidRequest:
        raise
    except LaunchError as error:
        faults[kind, called] = str(error)
        return {"name": called}


def _flavor(name: str, flavor: Any, flavors: dict[str, Any]) -> dict[str, Any]:
    if flavor is None:
        raise InvalidRequest("%s: flavor is missing" % name)
    known = CUSTOM
    if not isinstance(flavor, dict):
        known = text(flavor, "%s: flavor" % name)
        if known not in flavors:
            raise NotFound(_unknown("flavor", known, flavors, "launch_flavors"))
        flavor = flavors[known]
    what = "%s: flavor %s" % (name, known)
    flavor = mapping(flavor, what, sorted(FLAVOR_KEYS))
    specs = flavor.get("extra_specs")
    return {
        "name": known,
        "vcpus": whole(flavor.get("vcpus"), "%s: vcpus" % what, least=1, most=LARGEST),
        "ram": whole(flavor.get("ram"), "%s: ram (MiB)" % what, least=1, most=LARGEST),
        "disk": whole(flavor.get("disk", 0), "%s: disk (GiB; 0 is the image's own size)" % what, least=0, most=LARGEST),
        "extra_specs": {} if specs is None else labels(specs, "%s: extra_specs" % what),
    }


def _image(name: str, image: Any, params: dict[str, Any]) -> dict[str, Any]:
    """The image's definition as documents have it; a NotFound is the fault of its instance."""
    image = text(image, "%s: image" % name)
    if image not in params["images"]:
        raise NotFound(_unknown("image", image, params["images"], "launch_images"))
    what = "image %s" % image
    found = mapping(params["images"][image], what)
    if found.get("fault"):
        raise NotFound(found["fault"])
    served = {key: found[key] for key in ("id", "direct_url") if found.get(key)}
    if not served:
        _check_defined(what, found)
    return {
        "name": found.get("name") or image,
        "url": text(found["url"], "%s: url" % what),
        "checksum": found.get("checksum"),
        "disk_format": found.get("disk_format", "qcow2"),
        "min_disk": whole(found.get("min_disk") or 0, "%s: min_disk (GiB)" % what, least=0, most=LARGEST),
        "min_ram": whole(found.get("min_ram") or 0, "%s: min_ram (MiB)" % what, least=0, most=LARGEST),
        "properties": renamed(labels(found.get("properties") or {}, "%s: properties" % what)),
        **served,
    }


def _check_defined(what: str, found: Any) -> None:
    """InvalidRequest if what launch_images says of an image is wrong; what an image service says is not checked."""
    mapping(found, what, sorted(IMAGE_KEYS))
    said = {key: _text(found.get(key), "%s: %s" % (what, key)) for key in ("url", "checksum")}
    try:
        check_image(Image(None, what, disk_format=found.get("disk_format", "qcow2"), **said))
    except InvalidRequest as error:
        raise InvalidRequest("%s: %s" % (what, error)) from None


def _text(value: Any, what: str) -> str | None:
    return None if value is None else text(value, what)


def _root(name: str, entry: dict[str, Any], boot: Any, params: dict[str, Any]) -> dict[str, Any] | None:
    """The image that the instance's root disk is made from, or that of the volume it boots from, which has no url."""
    if boot is None:
        if entry.get("image") is None:
            raise InvalidRequest("%s: image is missing, and no volume has boot: true" % name)
        return _image(name, entry["image"], params)
    if entry.get("image") is not None:
        raise InvalidRequest("%s: boots from volume %s, leave image out" % (name, boot.name))
    return {**_image(name, boot.image, params), "url": None} if boot.image else None


def _ports(name: str, index: int, entries: Any, params: dict[str, Any], faults: dict) -> list | None:
    """The ports; a network that the embedded service does not know is the instance's fault."""
    if entries is None:
        return None
    made = parts.ports(name, index, entries, params["network_service"])
    known = params["networks"] if params["network_service"] == "ovn" else {}
    for port in made:
        if known and port.network not in known:
            faults["network", port.network] = _unknown("network", port.network, known, "launch_networks")
    return made


def _volumes(name: str, count: int, entries: Any, params: dict[str, Any]) -> list | None:
    if entries is None:
        return None
    return parts.volumes(name, count, entries, params["project_id"], params["volume_service"])


def _with_images(name: str, volumes: list | None, params: dict[str, Any], faults: dict) -> list | None:
    """The volumes, those made from an image with what their service knows it by; without that is their fault."""
    source, cure = SOURCES.get(params["volume_service"], ("id", ""))
    made = []
    for volume in volumes or ():
        image = volume.image and _look_up(
            faults, "volume", volume.name, lambda asked=volume.image: _image(name, asked, params)
        )
        if image and source not in image:
            faults.setdefault(("volume", volume.name), "volume %s: image %s: %s" % (volume.name, image["name"], cure))
        made.append(replace(volume, image=image.get(source)) if image else volume)
    return None if volumes is None else made


def _group(name: str, group: Any, groups: dict[str, Any]) -> dict[str, Any] | None:
    if group is None:
        return None
    if not isinstance(group, str):
        raise InvalidRequest("%s: group is %r, it must be the name of one in launch_server_groups" % (name, group))
    if group not in groups:
        raise NotFound(_unknown("group", group, groups, "launch_server_groups"))
    return scheduling.group(group, groups[group])


def _metadata(name: str, metadata: Any) -> dict[str, str] | None:
    if metadata is None:
        return None
    return labels(metadata, "%s: metadata" % name)


def _ssh_keys(name: str, keys: Any) -> list[str] | None:
    if keys is None:
        return None
    keys = sequence(keys, "%s: ssh_keys" % name)
    for key in keys:
        if not isinstance(key, str) or "\n" in key.strip() or len(key.split()) < 2:
            raise InvalidRequest(
                "%s: ssh_keys: %.40r is not a public key such as 'ssh-ed25519 AAAA... me@here'" % (name, key)
            )
    return [key.strip() for key in keys]


def _digest(name: str, user_data: str | None) -> str | None:
    """What the record keeps of user_data, which may hold secrets: enough to see that it changed."""
    if user_data is None:
        return None
    try:
        return hashlib.sha256(user_data.encode("utf-8", "surrogateescape")).hexdigest()
    except (AttributeError, UnicodeEncodeError):
        raise InvalidRequest("%s: user_data: a text is needed" % name) from None


def _unknown(what: str, name: str, known: dict[str, Any], variable: str) -> str:
    have = ", ".join(sorted(known)) or "it has none"
    return "%s %s is not defined in %s (%s)" % (what, name, variable, have)
