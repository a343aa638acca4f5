# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of a host's capabilities: its facts against extra specs, and traits; and its metrics."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from ..host_state import HostState
from ..model import Request
from ..traits import host_traits, requested_traits
from .extra_specs import matches
from .rule import rule

CPU_INFO = ("model", "vendor", "features", "topology")
# What nova's HostState calls otherwise than we do.
ALIASES = {"hypervisor_hostname": "host", "nodename": "host", "arch": "architecture"}
COMPUTED: dict[str, Callable[[HostState], Any]] = {
    "vcpus_total": lambda host: host.vcpu_inventory.total,
    "total_usable_ram_mb": lambda host: host.memory_mb,
    "total_usable_disk_gb": lambda host: host.disk_gb,
    "free_ram_mb": lambda host: host.memory_mb - host.memory_mb_reserved - host.memory_mb_used,
    "free_disk_mb": lambda host: host.free_disk_gb * 1024,
    "disk_mb_used": lambda host: host.disk_gb_used * 1024,
    "cpu_info": lambda host: _cpu_info(host.facts),
}
# Extra specs without a scope count where they name one of nova's HostState; as with nova the others are aggregates'.
UNSCOPED = {
    *COMPUTED, "host", "hypervisor_hostname", "nodename", "vcpus_used", "num_instances", "num_io_ops", "failed_builds",
    "cpu_allocation_ratio", "ram_allocation_ratio", "disk_allocation_ratio", "hypervisor_type", "hypervisor_version",
    "host_ip",
}  # fmt: skip
# Of a host, but nothing to compare.
_HIDDEN = ("facts", "allocations", "images", "new_images")


def capability(host: HostState, path: list[str]) -> Any:
    """What a host says under a path: a field of the host, else one of its facts, and further in."""
    name = ALIASES.get(path[0], path[0])
    if name in COMPUTED:
        value = COMPUTED[name](host)
    elif name in _HIDDEN or name.startswith("_"):
        return None
    else:
        value = getattr(host, name, None) if name in host.__dataclass_fields__ else host.facts.get(name)
    for part in path[1:]:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _cpu_info(facts: Mapping) -> dict[str, Any]:
    return {"arch": facts.get("architecture"), **{key: facts.get("cpu_" + key) for key in CPU_INFO}}


def _capabilities(request: Request) -> dict[str, tuple[list[str], str]]:
    """The extra specs that speak of capabilities, with the path each speaks of."""
    asked = {}
    for key, value in request.extra_specs.items():
        path = key.split(":")
        if len(path) > 1 and path[0] == "capabilities":
            asked[key] = (path[1:], value)
        elif key in UNSCOPED:
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
