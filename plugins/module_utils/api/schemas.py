# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The schemas of bodies, each as a function of the version; pure data.

What nova knows and this API cannot do is let through here, and refused in words where it is read (entry.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

from ..instance.scheduling import POLICIES

Schema = dict

NAME = {"type": "string", "minLength": 1, "maxLength": 255, "format": "line"}
TEXT = {"type": ["string", "null"], "maxLength": 255, "format": "text"}
UUID = {"type": "string", "format": "uuid"}
BOOLEAN = {"enum": [True, False, "True", "False", "true", "false", "1", "0", 1, 0, "on", "off", "yes", "no"]}
COUNT = {"type": ["integer", "string"], "pattern": "^[0-9]+$", "minimum": 1, "maximum": 1000}
LABELS = {
    "type": "object",
    "patternProperties": {r"^[a-zA-Z0-9-_:. ]{1,255}$": {"type": "string", "maxLength": 255}},
    "additionalProperties": False,
}
TAG = {**NAME, "maxLength": 60, "pattern": "^[^,/]*$"}
TAGS = {"type": "array", "items": TAG, "maxItems": 50}
DISK_CONFIG = {"enum": ["AUTO", "MANUAL"]}
ADDRESS_4 = {"oneOf": [{"type": "string", "format": "ipv4"}, {"enum": ["", None]}]}
ADDRESS_6 = {"oneOf": [{"type": "string", "format": "ipv6"}, {"enum": ["", None]}]}
LENGTH = {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]{1,9}$", "minimum": -1}
REBOOT = {"enum": ["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]}
STATE = {"enum": ["active", "error"]}
DEVICE = {"type": ["string", "null"], "pattern": "^/dev/[a-z]+[0-9]*$"}
NUMBER = {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$"}


def _object(properties: Schema, required: tuple[str, ...] = (), **more: Any) -> Schema:
    """An object of these properties, and no others."""
    said = {"type": "object", "properties": properties, "additionalProperties": False, **more}
    return {**said, "required": list(required)} if required else said


def _alone(name: str, value: Schema, **beside: Schema) -> Schema:
    """A body that has one thing."""
    return _object({name: value, **beside}, (name,))


def _block_device(version: int) -> Schema:
    said = {
        **dict.fromkeys(("virtual_name", "volume_id", "snapshot_id", "image_id", "guest_format"), TEXT),
        **dict.fromkeys(("device_type", "disk_bus", "device_name", "connection_info"), TEXT),
        "uuid": {**TEXT, "pattern": "^[a-zA-Z0-9._-]*$"},
        "source_type": {"enum": ["volume", "image", "snapshot", "blank"]},
        "destination_type": {"enum": ["local", "volume"]},
        "boot_index": NUMBER,
        "volume_size": NUMBER,
        "delete_on_termination": BOOLEAN,
        "no_device": {},
    }
    if version == 32 or version >= 42:
        said["tag"] = TAG
    if version >= 67:
        said["volume_type"] = TEXT
    return {"type": "array", "items": _object(said)}


def _networks(version: int) -> Schema:
    said = {"fixed_ip": {"type": "string", "format": "ip"}, "port": {"type": ["string", "null"], "format": "uuid"}}
    said["uuid"] = UUID if version >= 37 else {"type": "string"}
    if 32 <= version < 37 or version >= 42:
        said["tag"] = TAG
    several = {"type": "array", "items": _object(said)}
    return {"oneOf": [several, {"enum": ["none", "auto"]}]} if version >= 37 else several


def _create(version: int) -> Schema:
    server = {
        "name": NAME,
        "imageRef": {"oneOf": [UUID, {"enum": [""]}]},
        "flavorRef": {"type": ["string", "integer"], "minLength": 1},
        "adminPass": {"type": "string"},
        "metadata": LABELS,
        "networks": _networks(version),
        "OS-DCF:diskConfig": DISK_CONFIG,
        "accessIPv4": ADDRESS_4,
        "accessIPv6": ADDRESS_6,
        "availability_zone": NAME,
        "block_device_mapping": {"type": "array", "items": {"type": "object"}},
        "block_device_mapping_v2": _block_device(version),
        "config_drive": BOOLEAN,
        "key_name": NAME,
        "min_count": COUNT,
        "max_count": COUNT,
        "return_reservation_id": BOOLEAN,
        "security_groups": {"type": "array", "items": _object({"name": NAME})},
        "user_data": {"type": "string", "format": "base64", "maxLength": 65535},
        # openstack.cloud sends an empty list of tags in every version.
        "tags": TAGS if version >= 52 else {"type": "array", "maxItems": 0},
        **_created_since(version),
    }
    required = ("name", "flavorRef", "networks") if version >= 37 else ("name", "flavorRef")
    hints = {"type": "object"}
    beside = {"os:scheduler_hints": hints, "OS-SCH-HNT:scheduler_hints": hints}
    return _alone("server", _object(server, required), **beside)


def _created_since(version: int) -> Schema:
    """What came, or went, later."""
    said: Schema = {}
    if version < 57:
        said["personality"] = {"type": "array"}
    if version >= 19:
        said["description"] = TEXT
    if version >= 63:
        said["trusted_image_certificates"] = {"type": ["array", "null"], "items": {"type": "string"}}
    if version >= 74:
        said.update(host=NAME, hypervisor_hostname=NAME)
    if version >= 90:
        said["hostname"] = NAME
    return said


def _update(version: int) -> Schema:
    server = {"name": NAME, "OS-DCF:diskConfig": DISK_CONFIG, "accessIPv4": ADDRESS_4, "accessIPv6": ADDRESS_6}
    if version >= 19:
        server["description"] = TEXT
    if version >= 90:
        server["hostname"] = NAME
    return _alone("server", _object(server))


def _rebuild(version: int) -> Schema:
    said = {"name": NAME, "imageRef": UUID, "adminPass": {"type": "string"}, "metadata": LABELS}
    said.update(preserve_ephemeral=BOOLEAN, accessIPv4=ADDRESS_4, accessIPv6=ADDRESS_6)
    said.update({"OS-DCF:diskConfig": DISK_CONFIG})
    if version < 57:
        said["personality"] = {"type": "array"}
    if version >= 19:
        said["description"] = TEXT
    if version >= 54:
        said["key_name"] = {**NAME, "type": ["string", "null"]}
    if version >= 57:
        said["user_data"] = {"type": ["string", "null"], "format": "base64", "maxLength": 65535}
    if version >= 63:
        said["trusted_image_certificates"] = {"type": ["array", "null"], "items": {"type": "string"}}
    if version >= 90:
        said["hostname"] = NAME
    return _alone("rebuild", _object(said, ("imageRef",)))


def _keypair(version: int) -> Schema:
    # What nova takes (keypairs.py); another could not be named in an address.
    name = {**NAME, "pattern": "^[a-zA-Z0-9 _@.-]+$"}
    said = {"name": name, "public_key": {"type": "string", "minLength": 1, "maxLength": 16384, "format": "text"}}
    if version >= 2:
        said["type"] = {"enum": ["ssh", "x509"]}
    if version >= 10:
        said["user_id"] = NAME
    return _alone("keypair", _object(said, ("name", "public_key") if version >= 92 else ("name",)))


def _lock(version: int) -> Schema:
    if version < 73:
        return _alone("lock", {})
    reason = _object({"locked_reason": {**NAME, "format": "text"}}, ("locked_reason",))
    return _alone("lock", {"oneOf": [reason, {"type": "null"}]})


def _server_group(version: int) -> Schema:
    if version < 64:
        policy = {"enum": [*POLICIES[: 4 if version >= 15 else 2]]}
        policies = {"type": "array", "items": policy, "minItems": 1, "maxItems": 1}
        return _alone("server_group", _object({"name": NAME, "policies": policies}, ("name", "policies")))
    rules = _object({"max_server_per_host": {**COUNT, "maximum": 2**31 - 1}})
    group = {"name": NAME, "policy": {"enum": [*POLICIES]}, "rules": rules}
    return _alone("server_group", _object(group, ("name", "policy")))


def _attach_volume(version: int) -> Schema:
    said: Schema = {"volumeId": UUID, "device": DEVICE}
    if version >= 49:
        said["tag"] = TAG
    if version >= 79:
        said["delete_on_termination"] = BOOLEAN
    return _alone("volumeAttachment", _object(said, ("volumeId",)))


def _update_volume(version: int) -> Schema:
    said: Schema = {"volumeId": UUID}
    if version >= 85:
        said.update(id=UUID, serverId=UUID, device=DEVICE, tag=TAG, delete_on_termination=BOOLEAN)
    return _alone("volumeAttachment", _object(said, ("volumeId",)))


def _attach_interface(version: int) -> Schema:
    address = _object({"ip_address": {"type": "string", "format": "ip"}}, ("ip_address",))
    said: Schema = {"net_id": UUID, "port_id": {"type": ["string", "null"], "format": "uuid"}}
    said["fixed_ips"] = {"type": "array", "minItems": 1, "maxItems": 1, "items": address}
    if version >= 49:
        said["tag"] = TAG
    return _object({"interfaceAttachment": _object(said)})


GROUP = _object({"name": {"type": "string", "pattern": r"\S"}}, ("name",))


@dataclass(frozen=True)
class Versioned:
    """A schema by version, and the versions in which it changes."""

    made: Callable[[int], Schema]
    steps: tuple[int, ...] = (1,)


SCHEMAS = {
    "create": Versioned(_create, (1, 19, 32, 33, 37, 42, 52, 57, 63, 67, 74, 90)),
    "update": Versioned(_update, (1, 19, 90)),
    "metadata": Versioned(lambda version: _alone("metadata", LABELS)),
    "meta": Versioned(lambda version: _alone("meta", {**LABELS, "minProperties": 1, "maxProperties": 1})),
    "tags": Versioned(lambda version: _alone("tags", TAGS)),
    "keypair": Versioned(_keypair, (1, 2, 10, 92)),
    "action": Versioned(lambda version: {"type": "object", "minProperties": 1, "maxProperties": 1}),
    "reboot": Versioned(lambda version: _alone("reboot", _object({"type": REBOOT}, ("type",)))),
    "rebuild": Versioned(_rebuild, (1, 19, 54, 57, 63, 90)),
    "lock": Versioned(_lock, (1, 73)),
    "os-resetState": Versioned(lambda version: _alone("os-resetState", _object({"state": STATE}, ("state",)))),
    "addSecurityGroup": Versioned(lambda version: _alone("addSecurityGroup", GROUP)),
    "removeSecurityGroup": Versioned(lambda version: _alone("removeSecurityGroup", GROUP)),
    "os-getConsoleOutput": Versioned(lambda version: _alone("os-getConsoleOutput", _object({"length": LENGTH}))),
    "server group": Versioned(_server_group, (1, 15, 64)),
    "attach volume": Versioned(_attach_volume, (1, 49, 79)),
    "update volume": Versioned(_update_volume, (1, 85)),
    "attach interface": Versioned(_attach_interface, (1, 49)),
}


def schema_of(name: str, version: int) -> Schema:
    """The schema of this name in this version."""
    return SCHEMAS[name].made(version)
