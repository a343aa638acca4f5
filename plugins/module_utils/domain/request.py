# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From instance documents and the results of their ports, volumes and images to the domains wanted; pure."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import replace
from typing import Any

from ..core.errors import InvalidRequest, LaunchError, NotFound
from ..core.names import checked_name, instance_path, tap_name
from . import connection
from .changes import HARDWARE
from .config_drive import files
from .device import Disk, Interface
from .model import Domain, Labels, PartFailed

# What XML 1.0 cannot hold, and the carriage return, which it does not keep.
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Whose the instance is.
OWNER = ("project_id", "project_name", "user_id", "user_name")

# The options beside the documents: of the host, the results of other stages, and what is shown nowhere.
OPTIONS = {
    "virt_type": {"type": "str", "choices": ["auto", "kvm", "qemu"], "default": "auto"},
    "cpu_model": {"type": "str"},
    "vnc": {"type": "bool", "default": False},
    "integration_bridge": {"type": "str", "default": "br-int"},
    "vif_plugging_timeout": {"type": "int", "default": 60},
    **{name: {"type": "list", "elements": "dict", "default": []} for name in ("ports", "volumes", "images")},
    **{name: {"type": "dict", "default": {}, "no_log": True} for name in ("user_data", "volume_secrets")},
    # A text, as the values of a dictionary would each be masked, wherever they occur in a result.
    "vendor_data": {"type": "str", "default": "{}", "no_log": True},
}

_CDROM_TARGETS = {"ide": "hda", "sata": "sda", "scsi": "sda", "usb": "sda"}


def parse(params: dict[str, Any]) -> list[Domain]:
    """The domains that the module's parameters ask for; InvalidRequest names every document that is wrong.

    A domain whose parts failed or are missing carries that as its fault, and stops nobody else.
    """
    user_data = params.get("user_data") or {}
    vendor_data = _json_object(params.get("vendor_data"), "vendor_data")
    wanted, problems = [], []
    for document in params["domains"]:
        try:
            wanted.append(_domain(document, params, user_data, vendor_data))
        except InvalidRequest as error:
            problems.append(str(error))
    said = [domain.uuid for domain in wanted]
    problems += ["uuid %s is given twice" % value for value in sorted(set(said)) if said.count(value) > 1]
    if problems:
        raise InvalidRequest("; ".join(problems))
    return wanted


def _json_object(text: str | None, name: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise InvalidRequest("%s: the text of a JSON object is needed" % name)
    return value


def _domain(document: dict[str, Any], params: dict[str, Any], user_data: dict, vendor_data: dict) -> Domain:
    """One wanted domain: identity first, which is all that absent needs."""
    name = checked_name(document.get("name"), "domain")
    try:
        identity = str(uuid.UUID(document.get("uuid")))
    except (AttributeError, TypeError, ValueError):
        raise InvalidRequest("domain %s: uuid %r is not a UUID" % (name, document.get("uuid"))) from None
    domain = Domain(
        uuid=identity,
        name=name,
        labels=_labels(document),
        cpu_model=params.get("cpu_model"),
        vnc=bool(params.get("vnc")),
        console=instance_path(params["state_path"], identity, "console.log"),
    )
    if params.get("state") == "absent":
        return replace(domain, status="DELETED")
    try:
        return _furnished(domain, document, params, user_data.get(name), vendor_data)
    except InvalidRequest:
        raise
    except LaunchError as error:
        return replace(domain, fault=error)


def _labels(document: dict[str, Any]) -> Labels:
    """Everything the domain's metadata is to say; values that XML cannot hold are refused."""
    metadata = document.get("metadata")
    labels = Labels(
        flavor=(document.get("flavor") or {}).get("name"),
        image=(document.get("image") or {}).get("name"),
        metadata=None if metadata is None else tuple(sorted(metadata.items())),
        **{name: document.get(name) for name in OWNER},
    )
    said = {name: value for name, value in vars(labels).items() if name != "metadata"}
    for key, value in (labels.metadata or ()) + tuple(said.items()):
        if value is not None and (not isinstance(value, str) or _NOT_XML.search(key + value)):
            raise InvalidRequest(
                "domain %s: %s %r: use text without control characters" % (document["name"], key, value)
            )
    return labels


def _furnished(
    domain: Domain, document: dict[str, Any], params: dict[str, Any], user_data: Any, vendor_data: dict
) -> Domain:
    """The domain with all its parts; a LaunchError if one of them failed or is missing."""
    if user_data is not None and not isinstance(user_data, str):
        raise InvalidRequest("user_data of %s: a text is needed" % domain.name)
    flavor, image = document.get("flavor") or {}, document.get("image") or {}
    ports = _parts("port", domain.uuid, document.get("ports"), params.get("ports"))
    volumes = _parts("volume", domain.uuid, document.get("volumes"), params.get("volumes"))
    ports = ports and [{**port, "tap": port.get("tap") or tap_name(_port_id(port))} for port in ports]
    disks = volumes and tuple(connection.disk(volume, domain.uuid, params["state_path"]) for volume in volumes)
    properties = image.get("properties") or {}
    return replace(
        domain,
        vcpus=_positive(domain, "vcpus", flavor),
        ram=_positive(domain, "ram", flavor),
        hardware=_hardware(domain, properties),
        root=None if any(disk.boot for disk in disks or ()) else _root(domain, image, params),
        volumes=None if disks is None else tuple(disks),
        interfaces=None if ports is None else tuple(_interface(port, params) for port in ports),
        drive=_drive(domain, properties, params),
        disk=flavor.get("disk"),
        allocation=document.get("allocation") or None,
        config_drive=files(document, ports or [], user_data, vendor_data),
    )


def _positive(domain: Domain, field: str, flavor: dict[str, Any]) -> int:
    value = flavor.get(field)
    if not isinstance(value, int) or value <= 0:
        raise InvalidRequest("domain %s: flavor.%s %r: a number above 0 is needed" % (domain.name, field, value))
    return value


def _parts(noun: str, owner: str, asked: list | None, results: list | None) -> list[dict[str, Any]] | None:
    """A result for each part the document names; PartFailed for one that failed, NotFound for a missing one.

    Several instances may have the same volume, each with a result of its own.
    """
    if asked is None:
        return None
    known = {result.get("id"): result for result in results or []}
    known.update({result.get("id"): result for result in results or [] if result.get("instance_uuid") == owner})
    missing = [part["id"] for part in asked if part["id"] not in known]
    if missing:
        raise NotFound("no result of %s %s is given: run that stage first" % (noun, ", ".join(missing)))
    mine = [{**part, **_said(known[part["id"]])} for part in asked]
    _refuse_failed(noun, mine)
    return mine


def _said(result: dict[str, Any]) -> dict[str, Any]:
    """What a result says; None says nothing."""
    return {key: value for key, value in result.items() if value is not None}


def _refuse_failed(noun: str, results: list[dict[str, Any]]) -> None:
    failed = [result for result in results if result.get("failed")]
    if failed:
        message = "; ".join("%s %s: %s" % (noun, result.get("name"), result.get("msg")) for result in failed)
        raise PartFailed(message, any(result.get("abort") for result in failed))


def _root(domain: Domain, image: dict[str, Any], params: dict[str, Any]) -> Disk:
    """The root disk that the image stage made."""
    mine = [result for result in params.get("images") or [] if result.get("instance_uuid") == domain.uuid]
    _refuse_failed("image", mine)
    if not mine:
        raise NotFound("no result of image %s is given: run that stage first" % image.get("name"))
    return Disk(
        role="root",
        target="vda",
        path=mine[0]["path"],
        format=mine[0]["format"],
        base=mine[0].get("base"),
        base_format=mine[0].get("disk_format"),
        boot=True,
    )


def _port_id(result: dict[str, Any]) -> str:
    """What the network service calls a port: OVN's name for it, from which the tap's derives."""
    return result.get("port_id") or result["id"]


def _interface(result: dict[str, Any], params: dict[str, Any]) -> Interface:
    return Interface(
        role=result["id"],
        port_id=_port_id(result),
        mac_address=result.get("mac_address"),
        tap=result["tap"],
        mtu=result.get("mtu"),
        bridge=params["integration_bridge"],
    )


def _hardware(domain: Domain, properties: dict[str, Any]) -> tuple:
    """The image properties we follow; a bus or a model we do not offer is an error, not something else in silence."""
    for name in ("hw_disk_bus", "hw_vif_model"):
        if properties.get(name) not in (None, "virtio"):
            raise InvalidRequest("domain %s: image property %s: only virtio is offered" % (domain.name, name))
    choices = {"hw_firmware_type": ("bios", "uefi"), "hw_cdrom_bus": tuple(_CDROM_TARGETS)}
    for name, offered in choices.items():
        if name in properties and properties[name] not in offered:
            raise InvalidRequest(
                "domain %s: image property %s %r: use one of %s"
                % (domain.name, name, properties[name], ", ".join(offered))
            )
    return tuple((name, str(properties[name])) for name in HARDWARE if properties.get(name))


def _drive(domain: Domain, properties: dict[str, Any], params: dict[str, Any]) -> Disk:
    path = instance_path(params["state_path"], domain.uuid, "config.iso")
    bus = properties.get("hw_cdrom_bus")
    if bus:
        return Disk("config", _CDROM_TARGETS[bus], path, device="cdrom", bus=bus, discard=False, read_only=True)
    return Disk("config", "vdz", path, discard=False, read_only=True)
