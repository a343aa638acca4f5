# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a flavor and an image cannot make an instance, before anything is made; pure.

An instance that runs is not asked: it has been made, by the rules of its time.
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ..core.errors import InvalidRequest
from ..core.properties import EXTRA_SPEC, PROPERTY, faults
from ..domain.hardware import resolve
from ..schedule.hardware.topology import parse_topology
from . import attachments


def reason(
    flavor: Mapping[str, Any] | None, image: Mapping[str, Any] | None, volumes: Iterable[Any] | None
) -> str | None:
    """All that is in the way, for people; None if nothing is. Without an image its instance boots from a volume."""
    if not flavor:
        return None
    extra_specs, properties = flavor.get("extra_specs") or {}, (image or {}).get("properties") or {}
    told = ["flavor %s: %s" % (flavor["name"], fault) for fault in faults(EXTRA_SPEC, extra_specs)]
    told += ["image %s: %s" % (image["name"], fault) for fault in faults(PROPERTY, properties)] if image else []
    if not told:
        told += _contradictions(flavor, extra_specs, properties)
    too_small = _too_small(flavor, image, attachments.boot_volume(volumes)) if image else None
    return "; ".join([*told, *filter(None, [too_small])]) or None


def _contradictions(
    flavor: Mapping[str, Any], extra_specs: Mapping[str, Any], properties: Mapping[str, Any]
) -> list[str]:
    """What of the two does not go together."""
    told = []
    for judge in (
        lambda: resolve(flavor["vcpus"], extra_specs, properties),
        lambda: parse_topology(flavor["vcpus"], flavor["ram"], extra_specs, properties),
    ):
        try:
            judge()
        except InvalidRequest as error:
            told.append("flavor %s: %s" % (flavor["name"], error))
    return told


def _too_small(flavor: Mapping[str, Any], image: Mapping[str, Any], boot: Any) -> str | None:
    """How the flavor is too small for the image (nova/compute/api.py, `_validate_flavor_image`)."""
    name, of = image["name"], flavor["name"]
    if flavor["ram"] < image["min_ram"]:
        words = (of, flavor["ram"], name, image["min_ram"])
        return "flavor %s has %d MiB of RAM, image %s needs %d: take a larger flavor" % words
    if boot is not None and 0 < (boot.size or 0) < image["min_disk"]:
        return "volume %s has %d GiB, image %s needs %d: make it larger" % (
            boot.name,
            boot.size,
            name,
            image["min_disk"],
        )
    if boot is None and 0 < flavor["disk"] < image["min_disk"]:
        words = (of, flavor["disk"], name, image["min_disk"])
        return "flavor %s has a disk of %d GiB, image %s needs %d: take a larger flavor" % words
    return None
