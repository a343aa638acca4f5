# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A server as it is asked for, made the entry of launch_instances that means the same; pure.

What nova would do and this collection cannot is an ApiError 400 in words. Nothing that is asked for is ignored but
adminPass, as with nova's enable_instance_password = false: clients send it whether anybody wants it or not.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any, Mapping

from ..core.convert import boolean
from ..core.user_data import BEGINNINGS
from .errors import ApiError
from .identifiers import by_identity, named

# What a body may mention, and cannot have, unless it is empty.
BEYOND = {
    "personality": "no files are put into guests; user_data can make them",
    "block_device_mapping": "block_device_mapping_v2 says the same",
    "trusted_image_certificates": "signatures of images are not checked",
    "host": "hosts are chosen by the scheduler; an availability zone or a hint may guide it",
    "hypervisor_hostname": "hosts are chosen by the scheduler; an availability zone or a hint may guide it",
}
# What a device may mention beside what it is made from: the words that are true here, and why no others can be had.
DEVICE_BEYOND = {
    "disk_bus": ("virtio", "all disks are virtio"),
    "device_type": ("disk", "all devices are disks"),
    "guest_format": (None, "guests format their disks"),
    **dict.fromkeys(("snapshot_id", "image_id", "virtual_name"), (None, "source_type and uuid say what it is")),
    **dict.fromkeys(("connection_info", "no_device"), (None, "there is no such thing here")),
}
STAYS = "delete_on_termination: a volume that there was before a server stays when that goes"
SEVERAL = "Multiple possible networks found, use a Network ID to be more specific."


def entry_of(
    body: Mapping[str, Any],
    known: Mapping[str, Any],
    project_id: str,
    keys: Mapping[str, str],
    groups: Mapping[str, Any],
) -> dict[str, Any]:
    """The entry that a body of POST /servers asks for, without its user data. keys: the user's public ones by name;
    groups: what an entry says of each server group, by name."""
    server = body["server"]
    for name, why in BEYOND.items():
        if server.get(name):
            raise ApiError(400, "%s: %s" % (name, why))
    if server.get("hostname", server["name"]) != server["name"]:
        raise ApiError(400, "hostname: a guest is called as its server")
    volumes, boots = _volumes(server, known)
    entry = {
        "name": server["name"],
        "state": "started",
        "flavor": _flavor(str(server["flavorRef"]), known),
        "image": None if boots else image_name(server.get("imageRef"), known),
        "networks": _networks(server, known, project_id),
        "volumes": volumes or None,
        "ssh_keys": keys_of(server.get("key_name"), keys),
        "metadata": server.get("metadata") or {},
        "availability_zone": server.get("availability_zone"),
        **_hints(body, groups, project_id),
    }
    return {key: value for key, value in entry.items() if value is not None}


def user_data_of(server: Mapping[str, Any]) -> str | None:
    """The user data as an entry has it: text, and the base64 of what is none."""
    if server.get("user_data") is None:
        return None
    data = b64decode("".join(server["user_data"].split()))
    if data.startswith(BEGINNINGS):
        return b64encode(data).decode()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = None
    if text is None or "\0" in text:  # which no database keeps in a text
        raise ApiError(400, "user_data: is neither text nor what cloud-init knows")
    return text


def _flavor(asked: str, known: Mapping[str, Any]) -> str:
    if asked not in known["flavors"]:
        raise ApiError(400, "Flavor %.80s could not be found." % asked)
    return asked


def image_name(asked: str | None, known: Mapping[str, Any]) -> str:
    """What an entry calls the image of this id; ApiError 400 where the site has none."""
    if not asked:
        raise ApiError(400, "Invalid imageRef provided.")
    if known["image_service"] != "url":
        return asked
    name = named("image", asked, known["images"])
    if name is None:
        raise ApiError(400, "Image %.80s could not be found." % asked)
    return name


def _networks(server: Mapping[str, Any], known: Mapping[str, Any], project_id: str) -> list[dict[str, Any]] | None:
    """Its networks, each with its groups; None for the only one there is."""
    asked = server.get("networks")
    if asked == "none":
        return []
    groups = _groups(server.get("security_groups") or (), known, project_id)
    if not asked or asked == "auto":
        if groups is None or known["network_service"] != "ovn":
            return None
        if len(known["networks"]) != 1:
            raise ApiError(409, SEVERAL)
        asked = [{"uuid": name} for name in known["networks"]]
    return [network_of(each, groups, known) for each in asked]


def network_of(asked: Mapping[str, Any], groups: list[str] | None, known: Mapping[str, Any]) -> dict[str, Any]:
    """What an entry says of one of a body's networks, and of the groups of its port."""
    untagged(asked, "networks: ")
    if asked.get("port"):
        if asked.get("fixed_ip"):
            said = (asked["fixed_ip"], asked["port"])
            raise ApiError(400, "Specified Fixed IP '%s' cannot be used with port '%s': a port has its own." % said)
        return {"port": asked["port"]}
    name = asked.get("uuid") or ""
    if known["network_service"] == "ovn":
        found = named("network", name, known["networks"])
        if found is None:
            raise ApiError(400, "Network %.80s could not be found." % name)
        name = found
    said = {"network": name, "fixed_ip": asked.get("fixed_ip"), "security_groups": groups}
    return {key: value for key, value in said.items() if value is not None}


def untagged(device: Mapping[str, Any], where: str = "") -> None:
    """ApiError 400 for a tag, by which a guest would find the device in its metadata; where: in a body, it is."""
    if device.get("tag"):
        raise ApiError(400, where + "tag: devices have no tags here")


def _groups(asked: Any, known: Mapping[str, Any], project_id: str) -> list[str] | None:
    """The names of the groups; None where none are mentioned, which is the group default."""
    names = []
    for each in asked:
        name = each.get("name")
        if not name:  # nova passes over those
            continue
        if known["network_service"] == "ovn":
            found = by_identity("security group", name, ["default", *known["security_groups"]], project_id)
            if found is None:
                raise ApiError(400, "Security group %.80s not found." % name)
            name = found
        names.append(name)
    return list(dict.fromkeys(names)) or None


def keys_of(name: str | None, keys: Mapping[str, str]) -> list[str]:
    """The public key of this name, of those of its user, if one is named; ApiError 400 where there is none."""
    if name is None:
        return []
    if name not in keys:
        raise ApiError(400, "Invalid key_name provided.")
    return [keys[name]]


def _hints(body: Mapping[str, Any], groups: Mapping[str, Any], project_id: str) -> dict[str, Any]:
    """The server group, and the other hints."""
    said = {**(body.get("os:scheduler_hints") or {}), **(body.get("OS-SCH-HNT:scheduler_hints") or {})}
    asked = said.pop("group", None)
    asked = asked[0] if isinstance(asked, list) and len(asked) == 1 else asked
    if asked is None:
        return {"scheduler_hints": said} if said else {}
    name = by_identity("server group", str(asked), groups, project_id)
    if name is None:
        raise ApiError(400, "Instance group %.80s could not be found." % asked)
    return {"group": groups[name], **({"scheduler_hints": said} if said else {})}


def _volumes(server: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[list[dict[str, Any]], bool]:
    """Its volumes, and whether it boots from one. A local disk of its own image is the root disk, and no volume."""
    volumes = []
    for place, device in enumerate(server.get("block_device_mapping_v2") or ()):
        for name, (only, why) in DEVICE_BEYOND.items():
            if device.get(name) not in (None, "", False, only):
                raise ApiError(400, "block_device_mapping_v2[%d]: %s: %s" % (place, name, why))
        if _is_root(device, server):
            continue
        untagged(device, "block_device_mapping_v2: ")
        volumes.append(_volume(place, device, known))
    return volumes, any(volume.get("boot") for volume in volumes)


def _is_root(device: Mapping[str, Any], server: Mapping[str, Any]) -> bool:
    local = device.get("source_type") == "image" and device.get("destination_type", "local") == "local"
    return local and str(device.get("boot_index", 0)) == "0" and device.get("uuid") == server.get("imageRef")


def _volume(place: int, device: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    source, where = device.get("source_type"), device.get("destination_type") or "volume"
    if where == "local":
        raise ApiError(400, "block_device_mapping_v2[%d]: the only local disk is that of the image" % place)
    identity = device.get("uuid") or device.get("volume_id")
    boots = str(device.get("boot_index")) == "0"
    if source == "volume":
        _check_as_it_is(place, device)
        said: dict[str, Any] = {"name": identity}
    else:
        said = {
            "name": "root" if boots else "disk-%d" % place,
            "size": device.get("volume_size"),
            "type": device.get("volume_type"),
        }
        if source == "image":
            said["image"] = image_name(identity, known)
        elif source == "snapshot":
            said["snapshot"] = identity
    said.update(boot=boots or None, delete_on_termination=device.get("delete_on_termination"))
    return {key: value for key, value in said.items() if value is not None}


def _check_as_it_is(place: int, device: Mapping[str, Any]) -> None:
    """ApiError 400 for what a volume that there is cannot become by a server's request."""
    why = ""
    if device.get("volume_size"):
        why = "volume_size: a volume that there is has its own"
    elif boolean(device.get("delete_on_termination") or False, "delete_on_termination"):
        why = STAYS
    if why:
        raise ApiError(400, "block_device_mapping_v2[%d]: %s" % (place, why))
