# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter of what an image asks of its host; and the meaning of image properties' values (nova's ImageMetaProps)."""

from __future__ import annotations

import operator
import re
from typing import Any, Callable, Mapping

from ...core.convert import boolean
from ...core.errors import InvalidRequest
from ..host_state import HostState
from ..model import Request
from .rule import rule

ARCHITECTURES = {
    "amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64",
    **dict.fromkeys(("i386", "i486", "i586", "x86_32", "x86_32p"), "i686"),
}  # fmt: skip
MODES = {"hv": "hvm", "baremetal": "hvm", "pv": "xen"}
WORDS = {"hw_architecture": ARCHITECTURES, "hw_vm_mode": MODES, "img_hv_type": {"xapi": "xen"}, "os_type": {}}
FLAGS = (
    "hw_boot_menu", "hw_ephemeral_encryption", "hw_firmware_stateless", "hw_ipxe_boot", "hw_locked_memory",
    "hw_mem_encryption", "hw_pmu", "hw_qemu_guest_agent", "hw_time_hpet", "hw_vif_multiqueue_enabled",
    "hw_virtio_packed_ring", "img_hide_hypervisor_id", "img_use_agent", "os_require_quiesce",
    "os_skip_agent_inject_files_at_boot", "os_skip_agent_inject_ssh",
)  # fmt: skip
NUMBERS = (
    "hw_cpu_cores", "hw_cpu_max_cores", "hw_cpu_max_sockets", "hw_cpu_max_threads", "hw_cpu_sockets", "hw_cpu_threads",
    "hw_maxphysaddr_bits", "hw_numa_nodes", "hw_redirected_usb_ports", "hw_serial_port_count", "hw_video_ram",
)  # fmt: skip

_COMPARISON = re.compile(r"\s*(<=|>=|==|!=|<|>)\s*([0-9]{1,3})(?:\.([0-9]{1,3}))?(?:\.([0-9]{1,3}))?\s*")
_OPERATORS: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def meaning(key: str, value: Any) -> Any:
    """An image property as what it stands for: a flag, a number, one word for several, else its text."""
    text = str(value).strip()
    if key in FLAGS:
        try:
            return boolean(text, key)
        except InvalidRequest:
            return text
    if key in NUMBERS and re.fullmatch("[0-9]{1,9}", text):
        return int(text)
    if key in WORDS:
        return WORDS[key].get(text.lower(), text.lower())
    return text


def parse_version(predicate: str) -> list[tuple[Callable[[int, int], bool], int]]:
    """The comparisons in a predicate such as >=7.0,<9.0.1, with numbers as libvirt has them; InvalidRequest if none."""
    comparisons = []
    for part in str(predicate).split(","):
        found = _COMPARISON.fullmatch(part)
        if not found:
            raise InvalidRequest("img_hv_requested_version %r: write comparisons such as >=7.0,<9.0.1" % predicate)
        major, minor, release = (int(number or 0) for number in found.groups()[1:])
        comparisons.append((_OPERATORS[found[1]], major * 1000000 + minor * 1000 + release))
    return comparisons


def _shown(host: HostState, request: Request) -> str:
    facts = host.facts
    names = ("architecture", "hypervisor_type", "virt_type", "hypervisor_version")
    return "is %s, %s (%s) %s" % tuple(facts.get(name) for name in names)


@rule(applies=lambda request: request.image_requirements, shows=_shown)
def image_properties(host: HostState, request: Request) -> str | None:
    """Architecture, hypervisor type and version, mode, machine type and firmware that the image asks for."""
    for name, asked in request.image_requirements.items():
        if not _HAS[name](host.facts, meaning(name, asked)):
            return "do not run images with %s %s%s" % (name, asked, _CURES.get(name, ""))
    return None


def _has_architecture(facts: Mapping, asked: str) -> bool:
    """Guests run on the host's own architecture; what nova would let QEMU emulate is not offered."""
    return asked == facts.get("architecture") or (facts.get("architecture") == "x86_64" and asked == "i686")


def _has_type(facts: Mapping, asked: str) -> bool:
    """The types of a host: libvirt's (QEMU), and kvm where its machines run in hardware."""
    return asked in (str(facts.get("hypervisor_type")).lower(), facts.get("virt_type"))


def _has_version(facts: Mapping, asked: str) -> bool:
    have = facts.get("hypervisor_version") or 0
    return all(compare(have, version) for compare, version in parse_version(asked))


def _has_machine(facts: Mapping, asked: str) -> bool:
    """Told only by hosts that list their machine types; a type without a version is any of its versions."""
    have = facts.get("machine_types")
    return have is None or any(each == asked or each.startswith(("pc-%s-" % asked, asked + "-")) for each in have)


def _has_firmware(facts: Mapping, asked: str) -> bool:
    """UEFI's firmware is a package of its own; hosts that were asked before they told of it may have it."""
    return asked != "uefi" or facts.get("supports_uefi") is not False


# What an operator can do about it.
_CURES = {"hw_firmware_type": ": install ovmf there and run survey"}
_HAS = {
    "hw_architecture": _has_architecture,
    "img_hv_type": _has_type,
    "hw_vm_mode": lambda facts, asked: asked == "hvm",
    "img_hv_requested_version": _has_version,
    "hw_machine_type": _has_machine,
    "hw_firmware_type": _has_firmware,
}
