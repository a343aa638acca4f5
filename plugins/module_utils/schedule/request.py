# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the documents of the stage instance to the scheduler's requests; pure."""

from __future__ import annotations

from typing import Any, Mapping

from ..core.errors import InvalidRequest, LaunchError
from ..core.specs import REQUIRED
from ..instance.model import Instance, from_document
from ..instance.room import disk_gb
from ..instance.scheduling import POLICIES, unknown_hints
from ..network.addresses import checked_prefix
from ..network.request import definitions
from .filters.image_properties import parse_version
from .filters.query import parse_query
from .hardware.topology import parse_pci_requests, parse_topology
from .model import Group, Request
from .settings import Settings, parse_settings

# A network of Neutron's, as an argument spec has it.
PROVIDER_NETWORK = {
    **dict.fromkeys(("name", "id"), REQUIRED),
    "physical_network": {"type": "str"},
    "hosts": {"type": "list", "elements": "str"},
}


def parse(params: dict[str, Any]) -> list[Request]:
    """The scheduler's requests. A flavor or a hint that cannot be is its instance's fault, and stops nobody else."""
    settings = parse_settings(params.get("settings") or {})
    networks = definitions({"networks": params.get("networks")}).networks
    wires = {name: getattr(network, "physical_network", None) for name, network in networks.items()}
    provided = [each for each in params.get("provider_networks") or () if each["physical_network"] and each["hosts"]]
    wires.update({each[key]: each["physical_network"] for each in provided for key in ("name", "id")})
    wired = {each["physical_network"]: frozenset(each["hosts"]) for each in provided}
    return [_request(document, settings, wires, wired) for document in params["instances"]]


def _request(
    document: dict[str, Any], settings: Settings, wires: Mapping[str, str | None], wired: Mapping[str, frozenset]
) -> Request:
    instance = from_document(document)
    flavor, volumes = instance.flavor or {}, [volume for volume in instance.volumes if volume.local]
    image = instance.image or {}
    asked: dict[str, Any] = {
        "instance": instance,
        "vcpus": flavor.get("vcpus", 0),
        "memory_mb": flavor.get("ram", 0),
        "disk_gb": disk_gb(instance),
        "waiting_gb": sum(volume.size or 0 for volume in volumes if volume.host),
        "attempted": tuple(instance.attempted_hosts or ()),
        "pinned": tuple(sorted(({volume.host for volume in volumes} | {instance.host}) - {None})),
        "settings": settings,
        "extra_specs": flavor.get("extra_specs") or {},
        "image_properties": image.get("properties") or {},
        "availability_zone": document.get("availability_zone"),
        "physical_networks": _physical_networks(instance, wires),
        "wired": wired,
        "hints": {key: value for key, value in (document.get("scheduler_hints") or {}).items() if value is not None},
    }
    try:
        return Request(**asked, **_particulars(instance, document, asked))
    except LaunchError as error:
        return Request(**asked, fault=error)


def _physical_networks(instance: Instance, wires: Mapping[str, str | None]) -> tuple[str, ...]:
    """The wires that its ports are on, by their networks' definitions, or as they have been made."""
    found = {
        (port.network_info or {}).get("physical_network") or wires.get(str(port.network))
        for port in instance.ports or ()
        if not port.leaving
    }
    return tuple(sorted(found - {None}))


def _particulars(instance: Instance, document: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """What needs understanding before it can be asked of a host."""
    _check_hints(asked)
    extra_specs, properties = asked["extra_specs"], asked["image_properties"]
    if properties.get("img_hv_requested_version"):
        parse_version(properties["img_hv_requested_version"])
    return {
        "group": _group(document.get("group")),
        "numa_topology": parse_topology(asked["vcpus"], asked["memory_mb"], extra_specs, properties),
        "pci_requests": parse_pci_requests(extra_specs, properties, asked["settings"].pci_aliases),
    }


def _group(group: dict[str, Any] | None) -> Group | None:
    if group is None:
        return None
    if group.get("policy") not in POLICIES:
        raise InvalidRequest(
            "server group %s: policy is %r, it must be one of %s"
            % (group.get("name"), group.get("policy"), ", ".join(POLICIES))
        )
    return Group(group["name"], group["policy"], group.get("max_server_per_host"))


def _check_hints(asked: dict[str, Any]) -> None:
    hints = asked["hints"]
    unknown = unknown_hints(hints)
    if unknown:
        raise InvalidRequest(unknown)
    if "build_near_host_ip" in hints:
        length = str(hints.get("cidr") or "/24").lstrip("/")
        checked_prefix("%s/%s" % (hints["build_near_host_ip"], length), "scheduler hints: build_near_host_ip", False)
    parse_query(Request(None, 0, 0, 0, hints=hints))
