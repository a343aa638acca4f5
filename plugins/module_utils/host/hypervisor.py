# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which virtualization a host uses, and whether its KVM is one to use."""

from __future__ import annotations

import fcntl
import os
from typing import Any

from ..core.errors import Unavailable

# linux/kvm.h: _IO(0xAE, 0x01)
KVM_CREATE_VM = 0xAE01


def chosen_virt_type(libvirt: Any, connection: Any, asked: str, architecture: str) -> str:
    """kvm or qemu: what was asked for, or with auto kvm where libvirt offers it and it is worth having.

    Unavailable if kvm was asked for and libvirt does not offer it.
    """
    if asked == "qemu":
        return "qemu"
    try:
        connection.getDomainCapabilities(None, architecture, None, "kvm")
    except libvirt.libvirtError as error:
        if asked == "kvm":
            raise Unavailable("virt_type kvm: %s; load the kvm module, or use qemu on this host" % error) from error
        return "qemu"
    return "kvm" if asked == "kvm" or (in_hardware(architecture) and makes_machines()) else "qemu"


def in_hardware(architecture: str, cpuinfo: str = "/proc/cpuinfo") -> bool:
    """Whether the processor itself virtualizes; the question virt-host-validate asks first.

    A KVM without it (in software, in a cloud machine without nested virtualization) may be there, answer
    all questions and start firmware, and yet not run an ordinary guest's kernel. Only x86 lets us ask.
    """
    if architecture not in ("x86_64", "i686"):
        return True
    with open(cpuinfo, encoding="utf-8", errors="replace") as file:
        flags = next((line.split() for line in file if line.startswith("flags")), [])
    return "vmx" in flags or "svm" in flags


def makes_machines(device: str = "/dev/kvm") -> bool:
    """Whether KVM makes an empty machine now; it does not while another hypervisor has the processor."""
    try:
        kvm = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.close(fcntl.ioctl(kvm, KVM_CREATE_VM, 0))
    except OSError:
        return False
    finally:
        os.close(kvm)
    return True
