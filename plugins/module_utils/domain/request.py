# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From instance documents and the results of their ports, volumes and images to the domains wanted; pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..core.convert import canonical_uuid, choice, json_object, pci_address, text
from ..core.documents import rebuild_of
from ..core.errors import InvalidRequest, LaunchError, NotFound
from ..core.names import checked_name, instance_path, tap_name
from ..core.states import RESTARTS, STATUS
from ..core.user_data import as_bytes
from . import connection, hardware
from .config_drive import files
from .device import Disk, Interface
from .model import Domain, Labels

# Whose the instance is.
OWNER = ("project_id", "project_name", "user_id", "user_name")

# The options beside the documents: of the host, and what is shown nowhere.
OPTIONS = {
    "virt_type": {"type": "str", "choices": ["auto", "kvm", "qemu"], "default": "auto"},
    "cpu_model": {"type": "str"},
    "vif_plugging_timeout": {"type": "int", "default": 60},
    "shutdown_timeout": {"type": "int", "default": 60},
    # Texts, as the values of a dictionary would each be masked, wherever they occur in a result.
    **dict.fromkeys(("user_data", "vendor_data", "volume_secrets"), {"type": "str", "default": "", "no_log": True}),
}

# The types of what a document holds, and of the elements of that.
TYPES = {
    **dict.fromkeys(("flavor", "image", "metadata", "allocation"), (dict, None)),
    **dict.fromkeys(("flavor.extra_specs", "image.properties"), (dict, None)),
    **dict.fromkeys(("ports", "volumes"), (list, dict)),
    "ssh_keys": (list, str),
}

_CDROM_TARGETS = {"ide": "hda", "sata": "sda", "scsi": "sda", "usb": "sda"}


def parse(params: dict[str, Any]) -> list[Domain]:
    """The domains that the module's parameters ask for; InvalidRequest names every document without an identity.

    What else is wrong with a document is its domain's fault, as is a part that failed or is missing: nobody else's.
    With state absent nothing but the identity is looked at.
    """
    present = params.get("state") != "absent"
    data = {name: json_object(params.get(name), name) if present else {} for name in ("user_data", "vendor_data")}
    wanted, problems = [], []
    for document in params["domains"]:
        try:
            domain = _identify(document, params)
        except InvalidRequest as error:
            problems.append(str(error))
            continue
        wanted.append(_complete(domain, document, params, data) if present else replace(domain, status="DELETED"))
    uuids = [domain.uuid for domain in wanted]
    problems += ["uuid %s is given twice" % value for value in sorted(set(uuids)) if uuids.count(value) > 1]
    if problems:
        raise InvalidRequest("; ".join(problems))
    return wanted


def _identify(document: dict[str, Any], params: dict[str, Any]) -> Domain:
    """Which domain a document is about, and what follows from that alone; InvalidRequest if it does not say."""
    name = checked_name(document.get("name"), "domain")
    identity = canonical_uuid(document.get("uuid"), "domain %s: uuid" % name)
    record_id = document.get("record_id")
    return Domain(
        uuid=identity,
        name=name,
        record_id=None if record_id is None else canonical_uuid(record_id, "domain %s: record_id" % name),
        cpu_model=params.get("cpu_model"),
        vnc=bool(params.get("vnc")),
        console=instance_path(params["state_path"], identity, "console.log"),
    )


def _complete(domain: Domain, document: dict[str, Any], params: dict[str, Any], data: dict[str, dict]) -> Domain:
    """The domain with everything that its document asks for, or with the fault that prevents it."""
    try:
        _check_types(document)
        target = choice(document.get("target_state") or "started", "domain %s: target_state" % domain.name, STATUS)
        task, rebuild_id = document.get("task_state"), rebuild_of(document)
        domain = replace(
            domain,
            labels=_labels(document),
            status=STATUS[target],
            autostart=target == "started",
            restart=task if target == "started" and task in RESTARTS.values() else None,
            rebuild_id=rebuild_id and canonical_uuid(rebuild_id, "domain %s: rebuild_id" % domain.name),
        )
        return _with_parts(domain, document, params, data)
    except LaunchError as error:
        return replace(domain, fault=error)


def _check_types(document: dict[str, Any]) -> None:
    """InvalidRequest naming a key whose value is of another type than we read."""
    values = dict(document)
    for key, (kind, element) in TYPES.items():
        value = values.get(key)
        if value is None:
            continue
        if not isinstance(value, kind) or (element and not all(isinstance(each, element) for each in value)):
            words = "a mapping" if kind is dict else "a list of %s" % ("texts" if element is str else "mappings")
            raise InvalidRequest("domain %s: %s %r: %s is needed" % (document["name"], key, value, words))
        if key in ("flavor", "image"):
            values.update({"%s.%s" % (key, name): each for name, each in value.items()})


def _labels(document: dict[str, Any]) -> Labels:
    """Everything the domain's metadata is to say; values that XML cannot hold are refused."""
    metadata = document.get("metadata")
    texts = {
        "flavor": (document.get("flavor") or {}).get("name"),
        "image": (document.get("image") or {}).get("name"),
        **{name: document.get(name) for name in OWNER},
    }
    what = "domain %s: " % document["name"]
    for key, value in [*(metadata or {}).items(), *_mentioned(texts).items()]:
        text(value, what + text(key, what + "a key"))
    return Labels(metadata=None if metadata is None else tuple(sorted(metadata.items())), **texts)


def _with_parts(domain: Domain, document: dict[str, Any], params: dict[str, Any], data: dict[str, dict]) -> Domain:
    """The domain with all its parts; a LaunchError if one of them failed or is missing."""
    flavor, image = document.get("flavor") or {}, document.get("image") or {}
    ports = _parts("port", document.get("ports"))
    volumes = _parts("volume", document.get("volumes"))
    ports = ports and [{**port, "tap": port.get("tap") or tap_name(_port_id(port))} for port in ports]
    disks = volumes and tuple(connection.disk(volume, domain.uuid, params["state_path"]) for volume in volumes)
    user_data = data["user_data"].get(domain.name)
    user_data = None if user_data is None else as_bytes(user_data, "user_data of %s" % domain.name)
    vcpus = _positive(domain, "vcpus", flavor)
    asked, unmakeable = _hardware(domain, vcpus, flavor.get("extra_specs") or {}, image.get("properties") or {})
    limits = {"queues": hardware.queues(asked or {}, vcpus), "bandwidth": hardware.bandwidth(asked or {})}
    return replace(
        domain,
        vcpus=vcpus,
        ram=_positive(domain, "ram", flavor),
        hardware=None if asked is None else tuple(asked.items()),
        unmakeable=unmakeable,
        root=None if any(disk.boot for disk in disks or ()) else _root(image, asked or {}),
        volumes=None if disks is None else tuple(disks),
        interfaces=None if ports is None else tuple(_interface(port, limits) for port in _plugged(ports)),
        drive=_drive(domain, asked or {}, params),
        disk=_disk_size(domain, flavor),
        allocation=_allocation(document),
        config_drive=files(document, ports or [], user_data, data["vendor_data"]),
        user_data_digest=document.get("user_data_digest") if user_data is None else None,
    )


def _allocation(document: dict[str, Any]) -> dict[str, Any] | None:
    """What the scheduler allocated; InvalidRequest for a PCI device that is none."""
    allocation = document.get("allocation") or None
    for address in (allocation or {}).get("pci") or ():
        pci_address(address, "PCI device")
    return allocation


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _disk_size(domain: Domain, flavor: dict[str, Any]) -> int | None:
    value = flavor.get("disk")
    if value is not None and not (_is_number(value) and value >= 0):
        raise InvalidRequest("domain %s: flavor.disk %r: a number of GiB is needed" % (domain.name, value))
    return value


def _positive(domain: Domain, field: str, flavor: dict[str, Any]) -> int:
    value = flavor.get(field)
    if not _is_number(value) or value <= 0:
        raise InvalidRequest("domain %s: flavor.%s %r: a number above 0 is needed" % (domain.name, field, value))
    return value


def _parts(noun: str, asked: list | None) -> list[dict[str, Any]] | None:
    """The document's parts of a kind, those that stay; NotFound for one that its stage has not made."""
    if asked is None:
        return None
    parts = [_mentioned(part) for part in asked if not part.get("leaving")]
    missing = [str(part.get("name")) for part in parts if not part.get("id")]
    if missing:
        raise NotFound("%s %s has no id: run that stage first" % (noun, ", ".join(missing)))
    return parts


def _mentioned(result: dict[str, Any]) -> dict[str, Any]:
    """What a result says; None says nothing."""
    return {key: value for key, value in result.items() if value is not None}


def _root(image: dict[str, Any], asked: dict[str, str]) -> Disk:
    """The root disk that the image stage made."""
    if not image.get("path"):
        raise NotFound("image %s has no root disk here: run that stage first" % image.get("name"))
    return Disk(
        role="root",
        target="vda",
        path=image["path"],
        format=image.get("format") or "qcow2",
        base=image.get("base"),
        base_format=image.get("disk_format"),
        boot=True,
        limits=hardware.disk_limits(asked),
    )


def _plugged(ports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The ports that the guest has an interface for; a sub-port is a VLAN of its parent's."""
    return [port for port in ports if not port.get("parent")]


def _port_id(result: dict[str, Any]) -> str:
    """What the network service calls a port: OVN's name for it, from which the tap's derives."""
    return result.get("port_id") or result["id"]


def _interface(result: dict[str, Any], limits: dict[str, Any]) -> Interface:
    return Interface(
        role=result["id"],
        port_id=_port_id(result),
        mac_address=result.get("mac_address"),
        tap=result["tap"],
        mtu=result.get("mtu"),
        **limits,
    )


def _hardware(
    domain: Domain, vcpus: int, extra_specs: dict[str, Any], properties: dict[str, Any]
) -> tuple[dict[str, str] | None, LaunchError | None]:
    """What flavor and image make of the domain, or why it cannot be made so."""
    try:
        return hardware.resolve(vcpus, extra_specs, properties), None
    except InvalidRequest as error:
        return None, InvalidRequest("domain %s: %s" % (domain.name, error))


def _drive(domain: Domain, asked: dict[str, str], params: dict[str, Any]) -> Disk:
    path = instance_path(params["state_path"], domain.uuid, "config.iso")
    bus = asked.get("hw_cdrom_bus")
    if bus:
        return Disk("config", _CDROM_TARGETS[bus], path, device="cdrom", bus=bus, discard=False, read_only=True)
    return Disk("config", "vdz", path, discard=False, read_only=True)
