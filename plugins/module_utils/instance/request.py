# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The launch request as a person writes it, checked whole before anything is created.

A wrong shape (an unknown key, a size of 0, a name with a slash) refuses the request. A reference
that leads nowhere (a flavor or image that is not defined) is that one instance's fault.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections import Counter
from typing import Any, Callable

from ..core.errors import InvalidRequest, LaunchError, NotFound
from ..core.names import checked_name, port_id, volume_id
from ..image.model import Image
from ..image.model import check as check_image
from ..port.request import parse as parse_ports
from . import placement
from .model import Instance

INSTANCE_KEYS = {
    "name", "count", "flavor", "image", "networks", "volumes", "ssh_keys", "metadata", "group", "availability_zone",
    "scheduler_hints",
}  # fmt: skip
FLAVOR_KEYS = {"vcpus", "ram", "disk", "extra_specs"}
IMAGE_KEYS = {"url", "checksum", "disk_format", "min_disk", "min_ram", "properties"}
NETWORK_KEYS = {"network", "fixed_ip", "security_groups", "port_security"}
VOLUME_KEYS = {"name", "size", "format", "delete_on_termination"}
MAX_COUNT = 1000
ANY = "00000000-0000-0000-0000-000000000000"
MAX_VOLUMES = 24  # vdb to vdy; vda is the root disk, vdz the config drive


def parse(params: dict[str, Any]) -> list[Instance]:
    """Every instance the request asks for, counts expanded; InvalidRequest names all that is wrong at once.

    What should be absent needs no more than its name.
    """
    expanded = _expanded if params["state"] == "present" else _named
    instances, wrong = [], []
    for entry in params["instances"]:
        try:
            instances += expanded(entry, params)
        except InvalidRequest as error:
            wrong.append(str(error))
    counted = Counter(instance.name for instance in instances)
    wrong += ["two instances are named %s" % name for name, count in sorted(counted.items()) if count > 1]
    if params["state"] == "present":
        wrong += placement.wrong_groups(params["groups"])
    if not wrong and params["state"] == "present":
        wrong += _refused_by_the_network(instances, params)
    if wrong:
        raise InvalidRequest("; ".join(wrong))
    return instances


def _refused_by_the_network(instances: list[Instance], params: dict[str, Any]) -> list[str]:
    """What the stage port would refuse of the networks, security groups and addresses; better told before all else."""
    ports = [
        {**port, "id": port_id(ANY, instance.name, index), "instance_uuid": ANY, "name": instance.name}
        for instance in instances
        for index, port in enumerate(instance.ports or [])
    ]
    definitions = {"networks": params["networks"], "security_groups": params["security_groups"]}
    try:
        parse_ports({**definitions, "ports": ports, "state": "present"})
    except InvalidRequest as error:
        return [str(error)]
    return []


def names(entries: list[dict[str, Any]]) -> list[str]:
    """The instance names a request stands for: web with a count of 2 is web-1 and web-2."""
    return [name for entry in entries for name, _index in _numbered(entry)]


def _numbered(entry: dict[str, Any]) -> list[tuple[str, int]]:
    if entry.get("name") is None:
        raise InvalidRequest("an instance without a name: %s" % ", ".join(sorted(entry)))
    name, count = entry["name"], entry.get("count")
    if count is None:
        return [(checked_name(name, "instance"), 0)]
    if not _is_whole(count, 1) or count > MAX_COUNT:
        raise InvalidRequest("%s: count is %r, it must be a whole number from 1 to %d" % (name, count, MAX_COUNT))
    return [(checked_name("%s-%d" % (name, index + 1), "instance"), index) for index in range(count)]


def _named(entry: dict[str, Any], params: dict[str, Any]) -> list[Instance]:
    return [Instance(name, params["project_id"], vm_state="deleted") for name, _index in _numbered(entry)]


def _expanded(entry: dict[str, Any], params: dict[str, Any]) -> list[Instance]:
    entry = {key: value for key, value in entry.items() if value is not None}
    numbered = _numbered(entry)
    _only_keys(entry, INSTANCE_KEYS, entry["name"])
    return [_instance(name, index, len(numbered), entry, params) for name, index in numbered]


def _instance(name: str, index: int, count: int, entry: dict[str, Any], params: dict[str, Any]) -> Instance:
    faults: list[str] = []
    flavor = _looked_up(faults, lambda: _flavor(name, entry.get("flavor"), params["flavors"]))
    image = _looked_up(faults, lambda: _image(name, entry.get("image"), params["images"]))
    group = _looked_up(faults, lambda: _group(name, entry.get("group"), params["groups"]))
    networks = entry.get("networks")
    volumes = entry.get("volumes")
    return Instance(
        name=name,
        project_id=params["project_id"],
        user_id=params.get("user_id"),
        flavor=flavor,
        image=image,
        ports=None if networks is None else _ports(name, index, networks, params["networks"], faults),
        volumes=None if volumes is None else _volumes(name, count, volumes, params["project_id"]),
        metadata=_metadata(name, entry.get("metadata")),
        ssh_keys=_ssh_keys(name, entry.get("ssh_keys")),
        user_data_digest=_digest(params["user_data"].get(name)),
        group=group,
        availability_zone=placement.zone(name, entry.get("availability_zone")),
        scheduler_hints=placement.hints(name, entry.get("scheduler_hints")),
        fault="; ".join(faults) or None,
    )


def _looked_up(faults: list[str], look_up: Callable) -> Any:
    try:
        return look_up()
    except InvalidRequest:
        raise
    except LaunchError as error:
        faults.append(str(error))
        return None


def _flavor(name: str, flavor: Any, flavors: dict[str, Any]) -> dict[str, Any]:
    if flavor is None:
        raise InvalidRequest("%s: flavor is missing" % name)
    if isinstance(flavor, str):
        if flavor not in flavors:
            raise NotFound(_unknown("flavor", flavor, flavors, "launch_flavors"))
        label, flavor = flavor, flavors[flavor]
    else:
        label = "custom"
    what = "%s: flavor %s" % (name, label)
    _is_mapping(flavor, what)
    _only_keys(flavor, FLAVOR_KEYS, what)
    for key, least in (("vcpus", 1), ("ram", 1), ("disk", 0)):
        if not _is_whole(flavor.get(key, 0 if key == "disk" else None), least):
            unit = {"vcpus": "", "ram": " of MiB", "disk": " of GiB (0: the image's own size)"}[key]
            raise InvalidRequest(
                "%s: %s is %r, it must be a whole number%s, at least %d" % (what, key, flavor.get(key), unit, least)
            )
    return {
        "name": label,
        "vcpus": int(flavor["vcpus"]),
        "ram": int(flavor["ram"]),
        "disk": int(flavor.get("disk", 0)),
        "extra_specs": {str(key): str(value) for key, value in (flavor.get("extra_specs") or {}).items()},
    }


def _image(name: str, image: Any, images: dict[str, Any]) -> dict[str, Any]:
    if image is None:
        raise InvalidRequest("%s: image is missing" % name)
    if not isinstance(image, str):
        raise InvalidRequest("%s: image is %r, it must be the name of one in launch_images" % (name, image))
    if image not in images:
        raise NotFound(_unknown("image", image, images, "launch_images"))
    what = "image %s" % image
    found = images[image]
    _is_mapping(found, what)
    _only_keys(found, IMAGE_KEYS, what)
    try:
        check_image(
            Image(
                None,
                image,
                **{key: found.get(key) for key in ("url", "checksum")},
                disk_format=found.get("disk_format", "qcow2"),
            )
        )
    except InvalidRequest as error:
        raise InvalidRequest("%s: %s" % (what, error)) from None
    return {
        "name": image,
        "url": str(found["url"]),
        "checksum": found.get("checksum"),
        "disk_format": found.get("disk_format", "qcow2"),
        "min_disk": int(found.get("min_disk") or 0),
        "min_ram": int(found.get("min_ram") or 0),
        "properties": {str(key): str(value) for key, value in (found.get("properties") or {}).items()},
    }


def _group(name: str, group: Any, groups: dict[str, Any]) -> dict[str, Any] | None:
    if group is None:
        return None
    if not isinstance(group, str):
        raise InvalidRequest("%s: group is %r, it must be the name of one in launch_server_groups" % (name, group))
    if group not in groups:
        raise NotFound(_unknown("group", group, groups, "launch_server_groups"))
    return placement.group(group, groups[group])


def _ports(name: str, index: int, entries: Any, networks: dict, faults: list[str]) -> list[dict[str, Any]]:
    _is_list(entries, "%s: networks" % name)
    ports = []
    for entry in entries:
        entry = {"network": entry} if isinstance(entry, str) else entry
        _is_mapping(entry, "%s: a network" % name)
        _only_keys(entry, NETWORK_KEYS, "%s: network %s" % (name, entry.get("network")))
        network = entry.get("network")
        if not network:
            raise InvalidRequest("%s: a network without a name" % name)
        if networks and network not in networks:
            faults.append(_unknown("network", network, networks, "launch_networks"))
        ports.append(
            {
                "network": network,
                "fixed_ip": _address(name, entry.get("fixed_ip"), index),
                "security_groups": entry.get("security_groups"),
                "port_security": entry.get("port_security"),
            }
        )
    return ports


def _address(name: str, address: Any, index: int) -> str | None:
    """The fixed_ip of the index-th of a count: the first has the address given, the others those that follow."""
    if address is None:
        return None
    try:
        return str(ipaddress.ip_address(address) + index)
    except ValueError as error:
        raise InvalidRequest("%s: fixed_ip: %s" % (name, error)) from None


def _volumes(name: str, count: int, entries: Any, project_id: str) -> list[dict[str, Any]]:
    _is_list(entries, "%s: volumes" % name)
    volumes = []
    for entry in entries:
        _is_mapping(entry, "%s: a volume" % name)
        label = checked_name(entry.get("name"), "%s: volume" % name)
        _only_keys(entry, VOLUME_KEYS, "%s: volume %s" % (name, label))
        size, form = entry.get("size"), entry.get("format", "raw")
        if size is not None and not _is_whole(size, 1):
            raise InvalidRequest(
                "%s: volume %s: size is %r, it must be a whole number of GiB, at least 1" % (name, label, size)
            )
        if size is None and count > 1:
            raise InvalidRequest(
                "%s: volume %s is an existing one (no size) and cannot serve %d instances" % (name, label, count)
            )
        if form not in ("raw", "qcow2"):
            raise InvalidRequest("%s: volume %s: format is %r, it must be raw or qcow2" % (name, label, form))
        full_name = label if size is None else "%s-%s" % (name, label)
        volumes.append(
            {
                "id": volume_id(project_id, full_name),
                "name": full_name,
                "size": None if size is None else int(size),
                "format": form,
                "delete_on_termination": bool(entry.get("delete_on_termination", False)) and size is not None,
            }
        )
    if len(volumes) > MAX_VOLUMES:
        raise InvalidRequest("%s: %d volumes, there is room for %d" % (name, len(volumes), MAX_VOLUMES))
    labels = [volume["name"] for volume in volumes]
    if len(set(labels)) < len(labels):
        raise InvalidRequest("%s: two volumes have the same name" % name)
    return volumes


def _metadata(name: str, metadata: Any) -> dict[str, str] | None:
    if metadata is None:
        return None
    _is_mapping(metadata, "%s: metadata" % name)
    return {str(key): str(value) for key, value in metadata.items()}


def _ssh_keys(name: str, keys: Any) -> list[str] | None:
    if keys is None:
        return None
    _is_list(keys, "%s: ssh_keys" % name)
    for key in keys:
        if not isinstance(key, str) or "\n" in key.strip() or len(key.split()) < 2:
            raise InvalidRequest(
                "%s: ssh_keys: %.40r is not a public key such as 'ssh-ed25519 AAAA... me@here'" % (name, key)
            )
    return [key.strip() for key in keys]


def _digest(user_data: str | None) -> str | None:
    """What the record keeps of user_data, which may hold secrets: enough to see that it changed."""
    return None if user_data is None else hashlib.sha256(user_data.encode()).hexdigest()


def _unknown(what: str, name: str, known: dict[str, Any], variable: str) -> str:
    have = ", ".join(sorted(known)) or "it has none"
    return "%s %s is not defined in %s (%s)" % (what, name, variable, have)


def _only_keys(entry: dict[str, Any], keys: set[str], what: str) -> None:
    unknown = sorted(str(key) for key in set(entry) - keys)
    if unknown:
        raise InvalidRequest("%s: unknown key %s (known: %s)" % (what, ", ".join(unknown), ", ".join(sorted(keys))))


def _is_mapping(value: Any, what: str) -> None:
    if not isinstance(value, dict):
        raise InvalidRequest("%s must be a mapping, it is %r" % (what, value))


def _is_list(value: Any, what: str) -> None:
    if not isinstance(value, list):
        raise InvalidRequest("%s must be a list, it is %r" % (what, value))


def _is_whole(value: Any, least: int) -> bool:
    """Whether value is a whole number of at least `least`; a text of digits, as templates make it, counts."""
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
