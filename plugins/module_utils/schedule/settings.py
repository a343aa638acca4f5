# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an operator may set of the filters and weighers, under nova's names (nova/conf/scheduler.py)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any, Callable, Mapping

from ..core.convert import boolean, mapping, number, numbers_by_key, pci_address, sequence, text, whole
from ..core.errors import InvalidRequest
from .hardware.topology import AFFINITIES, DEVICE_TYPES


@dataclass(frozen=True, eq=False)
class Settings:
    """Options of filters and weighers; the defaults are nova's.

    pci_aliases: {NAME: {vendor_id, product_id, address, device_type, numa_policy}}: the first two, or the address.
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


ALIAS_KEYS = ("vendor_id", "product_id", "address", "device_type", "numa_policy")

_PCI_ID = re.compile("[0-9a-f]{4}")


def parse_settings(values: Mapping[str, Any]) -> Settings:
    """The settings in a mapping; InvalidRequest names what is unknown or of the wrong kind. null is the default."""
    known = mapping(values, "scheduler settings", [each.name for each in fields(Settings)])
    return Settings(
        **{
            name: CONVERTERS[name](value, "scheduler setting %s" % name)
            for name, value in known.items()
            if value is not None
        }
    )


def _limit(value: Any, what: str) -> int:
    return whole(value, what, least=0)


def _texts(value: Any, what: str) -> list[str]:
    return [text(each, what) for each in sequence(value, what)]


def _aliases(value: Any, what: str) -> dict[str, dict[str, str]]:
    return {name: _alias(alias, "%s: %s" % (what, name)) for name, alias in mapping(value, what).items()}


def _alias(value: Any, what: str) -> dict[str, str]:
    """What an alias says of its devices: vendor and product as with nova, or one address."""
    alias = {key: text(each, "%s: %s" % (what, key)) for key, each in mapping(value, what, ALIAS_KEYS).items() if each}
    if not ("address" in alias or {"vendor_id", "product_id"} <= set(alias)):
        raise InvalidRequest("%s: say vendor_id and product_id (`lspci -nn` shows them), or an address" % what)
    for key in ("vendor_id", "product_id"):
        if key in alias and not _PCI_ID.fullmatch(alias[key].lower()):
            raise InvalidRequest("%s: %s is %r, it must be four hexadecimal digits" % (what, key, alias[key]))
    if "address" in alias:
        pci_address(alias["address"], "%s: address" % what)
    for key, words in (("device_type", DEVICE_TYPES), ("numa_policy", AFFINITIES)):
        if alias.get(key, words[0]) not in words:
            raise InvalidRequest("%s: %s is %r, it must be one of %s" % (what, key, alias[key], ", ".join(words)))
    return alias


CONVERTERS: dict[str, Callable[[Any, str], Any]] = {
    "max_io_ops_per_host": _limit,
    "max_instances_per_host": _limit,
    "isolated_hosts": _texts,
    "isolated_images": _texts,
    "restrict_isolated_hosts_to_isolated_images": boolean,
    "aggregate_image_properties_isolation_namespace": text,
    "aggregate_image_properties_isolation_separator": text,
    "image_properties_default_architecture": text,
    "image_props_weight_setting": numbers_by_key,
    "metrics_weight_setting": numbers_by_key,
    "metrics_required": boolean,
    "metrics_weight_of_unavailable": number,
    "pci_aliases": _aliases,
    "extra": mapping,
}
