# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an operator may set of the filters and weighers, under nova's names (nova/conf/scheduler.py)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Mapping

from ..core.errors import InvalidRequest
from .hardware.topology import AFFINITIES


@dataclass(frozen=True, eq=False)
class Settings:
    """Options of filters and weighers; the defaults are nova's.

    pci_aliases: {NAME: {vendor_id, product_id, address, numa_policy}}, all but one of the first three optional.
    extra is for filters and weighers of other collections.
    """

    max_io_ops_per_host: int = 8
    max_instances_per_host: int = 50
    isolated_hosts: list = field(default_factory=list)
    isolated_images: list = field(default_factory=list)
    restrict_isolated_hosts_to_isolated_images: bool = True
    aggregate_image_properties_isolation_namespace: str | None = None
    aggregate_image_properties_isolation_separator: str = "."
    image_properties_default_architecture: str | None = None
    image_props_weight_setting: Mapping = field(default_factory=dict)
    metrics_weight_setting: Mapping = field(default_factory=dict)
    metrics_required: bool = True
    metrics_weight_of_unavailable: float = -10000.0
    pci_aliases: Mapping = field(default_factory=dict)
    extra: Mapping = field(default_factory=dict)


NUMBERS = ("max_io_ops_per_host", "max_instances_per_host", "metrics_weight_of_unavailable")
FLAGS = ("restrict_isolated_hosts_to_isolated_images", "metrics_required")
LISTS = ("isolated_hosts", "isolated_images")
RATIOS = ("image_props_weight_setting", "metrics_weight_setting")
TABLES = ("pci_aliases", "extra")
ALIAS_KEYS = {"vendor_id", "product_id", "address", "numa_policy"}


def parse_settings(values: Mapping[str, Any]) -> Settings:
    """The settings in a mapping; InvalidRequest names what is unknown or of the wrong kind."""
    known = [each.name for each in fields(Settings)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise InvalidRequest("scheduler setting %s is unknown (known: %s)" % (", ".join(unknown), ", ".join(known)))
    return Settings(**{name: _checked(name, value) for name, value in values.items() if value is not None})


def _checked(name: str, value: Any) -> Any:
    try:
        if name in NUMBERS:
            return float(value) if name.endswith("unavailable") else int(value)
        if name in RATIOS:
            return {key: float(ratio) for key, ratio in value.items()}
    except (TypeError, ValueError, AttributeError):
        raise InvalidRequest("scheduler setting %s is %r, it must be numeric" % (name, value)) from None
    wanted = bool if name in FLAGS else list if name in LISTS else dict if name in TABLES else str
    if not isinstance(value, wanted):
        raise InvalidRequest("scheduler setting %s is %r, it must be a %s" % (name, value, wanted.__name__))
    if name == "pci_aliases":
        for alias, entry in value.items():
            _check_alias(alias, entry)
    return value


def _check_alias(alias: str, entry: Any) -> None:
    if not isinstance(entry, dict) or not entry or set(entry) - ALIAS_KEYS or set(entry) <= {"numa_policy"}:
        raise InvalidRequest(
            "PCI alias %s: %r, it must be a mapping of %s" % (alias, entry, ", ".join(sorted(ALIAS_KEYS)))
        )
    policy = entry.get("numa_policy")
    if policy is not None and policy not in AFFINITIES:
        raise InvalidRequest(
            "PCI alias %s: numa_policy is %r, it must be one of %s" % (alias, policy, ", ".join(AFFINITIES))
        )
