# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's libvirt: its connection, its errors, and whether its KVM is one to use."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import Any, Iterator

from ..core.errors import MissingLibrary, Unavailable

URI = "qemu:///system"

# linux/kvm.h: _IO(0xAE, 0x01)
KVM_CREATE_VM = 0xAE01


def load() -> Any:
    """The libvirt library, which says nothing on stderr any more; MissingLibrary if it cannot be imported."""
    try:
        import libvirt
    except ImportError as error:
        raise MissingLibrary("libvirt: python3-libvirt of the distribution") from error
    libvirt.registerErrorHandler(lambda context, error: None, None)
    return libvirt


def open_connection(libvirt: Any) -> Any:
    """A connection to the host's libvirt; Unavailable if it does not answer."""
    try:
        return libvirt.open(URI)
    except libvirt.libvirtError as error:
        raise Unavailable(
            "libvirt on this host does not answer (%s): start libvirtd, or see journalctl -u libvirtd" % error
        ) from error


@contextmanager
def libvirt_errors(libvirt: Any) -> Iterator[None]:
    """Turn libvirt's errors into ours. None is an abort: another host may do."""
    try:
        yield
    except libvirt.libvirtError as error:
        raise Unavailable("libvirt: %s" % error) from error


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
