# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of a host's capabilities: its facts against extra specs, image properties, and traits; and its metrics."""

from __future__ import annotations

import operator
import re
from typing import Any, Mapping

from ..host_state import HostState
from ..model import Request
from ..traits import host_traits, requested_traits
from .extra_specs import matches
from .rule import rule

# Extra specs without a scope count where they name one of these, as they do for nova's HostState.
OWN = (
    "vcpus_used", "num_instances", "num_io_ops", "failed_builds", "cpu_allocation_ratio",
    "ram_allocation_ratio", "disk_allocation_ratio", "hypervisor_type", "hypervisor_version", "host_ip",
)  # fmt: skip
COMPUTED = ("free_ram_mb", "free_disk_mb", "disk_mb_used")
ALIASES = {
    "vcpus_total": "vcpus",
    "total_usable_ram_mb": "memory_mb",
    "total_usable_disk_gb": "disk_gb",
    "arch": "architecture",
    "hypervisor_hostname": "host",
    "nodename": "host",
}
ARCHITECTURES = {"amd64": "x86_64", "x64": "x86_64", "i386": "i686", "i486": "i686", "i586": "i686", "arm64": "aarch64"}


def capability(host: HostState, path: list[str]) -> Any:
    """What a host says under a path: a field of the host, else one of its facts, and further in."""
    name = ALIASES.get(path[0], path[0])
    if name == "free_ram_mb":
        value: Any = host.memory_mb - host.memory_mb_reserved - host.memory_mb_used
    elif name == "free_disk_mb":
        value = (host.disk_gb - host.disk_gb_reserved - host.disk_gb_used) * 1024
    elif name == "disk_mb_used":
        value = host.disk_gb_used * 1024
    elif name == "cpu_info":
        value = {key: host.facts.get("cpu_" + key) for key in ("model", "vendor", "features")}
        value["arch"] = host.facts.get("architecture")
    elif name in ("facts", "allocations", "images", "new_images") or name.startswith("_"):
        return None
    else:
        value = getattr(host, name, None) if name in host.__dataclass_fields__ else host.facts.get(name)
    for part in path[1:]:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _capabilities(request: Request) -> dict[str, tuple[list[str], str]]:
    """The extra specs that speak of capabilities, with the path each speaks of."""
    asked = {}
    for key, value in request.extra_specs.items():
        path = key.split(":")
        if len(path) > 1 and path[0] == "capabilities":
            asked[key] = (path[1:], value)
        elif len(path) == 1 and (key in OWN or key in ALIASES or key in COMPUTED):
            asked[key] = (path, value)
    return asked


def _capabilities_shown(host: HostState, request: Request) -> str:
    have = {key: capability(host, path) for key, (path, _asked) in _capabilities(request).items()}
    return "has %s" % ", ".join("%s %s" % pair for pair in have.items())


@rule(applies=_capabilities, shows=_capabilities_shown)
def compute_capabilities(host: HostState, request: Request) -> str | None:
    """Every extra spec of the scope capabilities: is met by what the host says of itself."""
    for key, (path, asked) in _capabilities(request).items():
        if not matches(capability(host, path), asked):
            return "do not have %s %s" % (key, asked)
    return None


def _image_shown(host: HostState, request: Request) -> str:
    facts = host.facts
    names = ("architecture", "hypervisor_type", "virt_type", "hypervisor_version")
    return "is %s, %s (%s) %s" % tuple(facts.get(name) for name in names)


@rule(applies=lambda request: request.image_requirements, shows=_image_shown)
def image_properties(host: HostState, request: Request) -> str | None:
    """Architecture, hypervisor type and version, mode and machine type that the image asks for."""
    for name, asked in request.image_requirements.items():
        if not _HAS[name](host.facts, asked):
            return "do not run images with %s %s" % (name, asked)
    return None


def _has_architecture(facts: Mapping, asked: str) -> bool:
    have = facts.get("architecture")
    asked = ARCHITECTURES.get(asked.lower(), asked.lower())
    return asked == have or (have == "x86_64" and asked == "i686")


def _types(facts: Mapping) -> list[str]:
    """The hypervisor types of a host: libvirt's, and kvm where its machines run in hardware."""
    return [str(facts.get("hypervisor_type")).lower(), str(facts.get("virt_type")).lower()]


def _has_version(facts: Mapping, asked: str) -> bool:
    """A predicate such as >=7.0,<9.0.1; the fact is major * 1000000 + minor * 1000 + release."""
    have = facts.get("hypervisor_version") or 0
    for part in asked.split(","):
        found = re.fullmatch(r"\s*(<=|>=|==|!=|<|>)?\s*(\d+)(?:\.(\d+))?(?:\.(\d+))?\s*", part)
        if not found:
            return False
        version = [int(number or 0) for number in found.groups()[1:]]
        if not _VERSIONS[found.group(1) or "=="](have, version[0] * 1000000 + version[1] * 1000 + version[2]):
            return False
    return True


def _has_machine(facts: Mapping, asked: str) -> bool:
    """Told only by hosts that list their machine types; a type without a version is any of its versions."""
    have = facts.get("machine_types")
    return have is None or any(each == asked or each.startswith(("pc-%s-" % asked, asked + "-")) for each in have)


_VERSIONS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_HAS = {
    "hw_architecture": _has_architecture,
    "img_hv_type": lambda facts, asked: asked.lower() in _types(facts),
    "hw_vm_mode": lambda facts, asked: asked.lower() == "hvm",
    "img_hv_requested_version": _has_version,
    "hw_machine_type": _has_machine,
}


def _traits_shown(host: HostState, request: Request) -> str:
    required, forbidden = requested_traits(request.extra_specs, request.image_properties)
    have = host_traits(host.facts, host.traits, required | forbidden)
    return "lacks %s, has %s" % (sorted(required - have), sorted(forbidden & have))


@rule(
    applies=lambda request: any(requested_traits(request.extra_specs, request.image_properties)),
    shows=_traits_shown,
)
def traits(host: HostState, request: Request) -> str | None:
    """trait:NAME=required and trait:NAME=forbidden, in the flavor or the image: placement's part in nova."""
    required, forbidden = requested_traits(request.extra_specs, request.image_properties)
    have = host_traits(host.facts, host.traits, required | forbidden)
    if required <= have and not forbidden & have:
        return None
    words = sorted(required) + ["no " + name for name in sorted(forbidden)]
    return "do not have the traits %s" % ", ".join(words)


@rule(
    applies=lambda request: request.settings.metrics_weight_setting,
    shows=lambda host, request: "has %s" % sorted(host.metrics or {}),
)
def metrics(host: HostState, request: Request) -> str | None:
    """Hosts that tell every metric in metrics_weight_setting."""
    missing = sorted(set(request.settings.metrics_weight_setting) - set(host.metrics or {}))
    return "do not tell the metrics %s" % ", ".join(missing) if missing else None
