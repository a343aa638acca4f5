# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a flavor and an image together make of a domain's machine, by nova's rules; pure.

The result has a text under OpenStack's name for everything that is asked for: the image property's where there is one,
else the extra spec's. What the two contradict each other in, or cannot be, is an InvalidRequest.
"""

from __future__ import annotations

from typing import Any, Mapping

from ..core.change import first
from ..core.errors import InvalidRequest
from ..core.properties import EXTRA_SPEC, PROPERTY, followed, renamed

# What only an image says, and what only a flavor does.
OF_IMAGE = (
    "hw_machine_type", "hw_firmware_type", "hw_cdrom_bus", "hw_time_hpet", "os_type", "hw_qemu_guest_agent",
    "hw_video_model", "hw_input_bus", "hw_pointer_model",
)  # fmt: skip
OF_FLAVOR = ("quota:", "hw_rng:")

# What both say: they may not contradict each other, or the image's word counts.
AGREED = ("hw_pmu", "hw_locked_memory", "hw_vif_multiqueue_enabled", "hw_usb_model")
IMAGE_FIRST = ("hw_watchdog_action", "hw_boot_menu")

SHAPE = ("sockets", "cores", "threads")
MOST = 65536  # of sockets, cores and threads where nobody sets a limit (nova/virt/hardware.py)

DISK_LIMITS = ("bytes_sec", "iops_sec")
DIRECTIONS = ("inbound", "outbound")
RATES = ("average", "peak", "burst")


def resolve(vcpus: int, extra_specs: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, str]:
    """What the domain is to have. Keys that the scheduler alone follows are not in it."""
    flavor, image = followed(EXTRA_SPEC, extra_specs), followed(PROPERTY, renamed(properties))
    asked = {key: image[key] for key in OF_IMAGE if key in image}
    asked.update({key: value for key, value in flavor.items() if key.startswith(OF_FLAVOR)})
    pairs = {key: (flavor.get(key.replace("_", ":", 1)), image.get(key)) for key in (*AGREED, *IMAGE_FIRST)}
    asked.update({key: _agree(key, *pairs[key]) for key in AGREED})
    asked.update({key: first(*reversed(pairs[key])) for key in IMAGE_FIRST})
    hidden = (
        flavor.get("hw:hide_hypervisor_id"),
        flavor.get("hide_hypervisor_id"),
        image.get("img_hide_hypervisor_id"),
    )
    asked["img_hide_hypervisor_id"] = any(hidden) or None
    asked["hw_serial_port_count"] = _at_most("hw_serial_port_count", flavor.get("hw:serial_port_count"), image) or None
    asked["hw_video_ram"] = _video_ram(flavor, image)
    asked.update(_topology(vcpus, flavor, image))
    _check(asked, flavor, image)
    return {key: _text(value) for key, value in asked.items() if value is not None}


def disk_limits(hardware: Mapping[str, str]) -> tuple:
    """The limits of the root disk, as libvirt calls them, in their order."""
    return _under(hardware, "quota:disk_")


def bandwidth(hardware: Mapping[str, str]) -> tuple:
    """The limits of an interface: pairs of a direction and its limits, as libvirt calls them, in their order."""
    limits = ((direction, _under(hardware, "quota:vif_%s_" % direction)) for direction in DIRECTIONS)
    return tuple((direction, said) for direction, said in limits if said)


def queues(hardware: Mapping[str, str], vcpus: int) -> int | None:
    """How many queues an interface has; None for the one that it has else. Linux gives a tap at most 256."""
    return min(vcpus, 256) if hardware.get("hw_vif_multiqueue_enabled") == "true" and vcpus > 1 else None


def _under(hardware: Mapping[str, str], prefix: str) -> tuple:
    """What there is under a prefix, and is a limit."""
    keys = sorted(key for key, value in hardware.items() if key.startswith(prefix) and value != "0")
    return tuple((key[len(prefix) :], hardware[key]) for key in keys)


def _agree(key: str, flavor: Any, image: Any) -> Any:
    if flavor is not None and image is not None and flavor != image:
        raise InvalidRequest(
            "the image's %s %s is not the flavor's %s: take another flavor, or image"
            % (key, _text(image), _text(flavor))
        )
    return first(flavor, image)


def _at_most(key: str, flavor: int | None, image: Mapping[str, Any]) -> int | None:
    """The image's number, which may not be above the flavor's; the flavor's where the image has none."""
    asked = image.get(key)
    if flavor and asked and asked > flavor:
        raise InvalidRequest("the image's %s %d is above the flavor's %d" % (key, asked, flavor))
    return asked or flavor


def _video_ram(flavor: Mapping[str, Any], image: Mapping[str, Any]) -> int | None:
    asked, most = image.get("hw_video_ram") or 0, flavor.get("hw_video:ram_max_mb") or 0
    if asked > most:
        raise InvalidRequest("the image's hw_video_ram %d is above the flavor's hw_video:ram_max_mb %d" % (asked, most))
    return asked or None


def _topology(vcpus: int, flavor: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, int]:
    """The guest's sockets, cores and threads; none where nobody speaks of them.

    As nova's get_best_cpu_topology: of all that make up the vCPUs within the limits the one that has most of what is
    preferred, then the fewest threads, then the most sockets.
    """
    limits, preferred = {}, {}
    for part in SHAPE:
        limits[part] = _at_most("hw_cpu_max_" + part, flavor.get("hw:cpu_max_" + part), image)
        preferred[part] = image.get("hw_cpu_" + part)
    if any(preferred[part] and preferred[part] > (limits[part] or MOST) for part in SHAPE):
        raise InvalidRequest("the image's hw_cpu_sockets, hw_cpu_cores and hw_cpu_threads are above the limits of them")
    if not any(preferred.values()):
        preferred = {part: flavor.get("hw:cpu_" + part) for part in SHAPE}
        if any((preferred[part] or 0) > (limits[part] or MOST) for part in SHAPE):
            preferred = dict.fromkeys(SHAPE)
    if not any((*limits.values(), *preferred.values())):
        return {}
    possible = [
        shape for shape in _shapes(vcpus) if all(count <= (limits[part] or MOST) for part, count in zip(SHAPE, shape))
    ]
    if not possible:
        words = ", ".join("%d %s" % (limits[part] or MOST, part) for part in SHAPE)
        raise InvalidRequest("%d vCPUs cannot be made of at most %s: correct hw:cpu_max_*" % (vcpus, words))

    def rank(shape: tuple) -> tuple:
        met = sum(preferred[part] == count for part, count in zip(SHAPE, shape))
        return met, shape[0] * shape[1], shape[0]

    return {"hw_cpu_" + part: count for part, count in zip(SHAPE, max(possible, key=rank))}


def _shapes(vcpus: int) -> list[tuple[int, int, int]]:
    """All (sockets, cores, threads) that make up so many vCPUs."""
    return [
        (sockets, cores, vcpus // sockets // cores)
        for sockets in _divisors(vcpus)
        for cores in _divisors(vcpus // sockets)
    ]


def _divisors(number: int) -> list[int]:
    small = [each for each in range(1, int(number**0.5) + 1) if number % each == 0]
    return sorted({*small, *(number // each for each in small)})


def _check(asked: Mapping[str, Any], flavor: Mapping[str, Any], image: Mapping[str, Any]) -> None:
    """InvalidRequest for what does not go together."""
    if asked.get("hw_locked_memory") and not flavor.get("hw:mem_page_size"):
        raise InvalidRequest("hw:locked_memory needs hw:mem_page_size, in the flavor")
    if asked.get("hw_video_ram") and asked.get("hw_video_model") in (None, "none"):
        raise InvalidRequest("hw_video_ram needs a device that has it, hw_video_model")
    on_usb = [key for key in ("hw_input_bus", "hw_pointer_model", "hw_cdrom_bus") if "usb" in str(asked.get(key))]
    if asked.get("hw_usb_model") == "none" and on_usb:
        raise InvalidRequest("hw_usb_model none: %s needs a USB controller" % on_usb[0])
    for limit in DISK_LIMITS:
        ways = ["read", "write"] if asked.get("quota:disk_total_" + limit) else []
        both = ["quota:disk_%s_%s" % (way, limit) for way in ways if asked.get("quota:disk_%s_%s" % (way, limit))]
        if both:
            raise InvalidRequest("quota:disk_total_%s goes without %s" % (limit, both[0]))
    for direction in DIRECTIONS:
        average, *others = ["quota:vif_%s_%s" % (direction, rate) for rate in RATES]
        without = [key for key in others if asked.get(key) and not asked.get(average)]
        if without:
            raise InvalidRequest("%s needs %s" % (without[0], average))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
