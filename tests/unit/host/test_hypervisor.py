# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which virtualization a host uses: never a KVM that is merely present."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Unavailable
from ansible_collections.kvmstack.launch.plugins.module_utils.host import hypervisor


class LibvirtError(Exception):
    """What libvirt raises."""


class Connection:
    def __init__(self, offers):
        self.offers = offers

    def getDomainCapabilities(self, *asked):  # noqa: N802  (libvirt's own name)
        if not self.offers:
            raise LibvirtError("Accelerator 'kvm' is not supported on this host")


FAKE = SimpleNamespace(libvirtError=LibvirtError)


@pytest.mark.parametrize(
    ("asked", "offered", "hardware", "works", "chosen"),
    [
        pytest.param("qemu", True, True, True, "qemu", id="what is asked for"),
        pytest.param("kvm", True, False, False, "kvm", id="also against our advice"),
        pytest.param("auto", True, True, True, "kvm", id="a good KVM"),
        pytest.param("auto", False, True, True, "qemu", id="libvirt has none"),
        pytest.param("auto", True, False, True, "qemu", id="one in software"),
        pytest.param("auto", True, True, False, "qemu", id="one that makes no machine"),
    ],
)
def test_choice(monkeypatch, asked, offered, hardware, works, chosen):
    monkeypatch.setattr(hypervisor, "in_hardware", lambda architecture: hardware)
    monkeypatch.setattr(hypervisor, "makes_machines", lambda: works)
    assert hypervisor.chosen_virt_type(FAKE, Connection(offered), asked, "x86_64") == chosen


def test_kvm_that_is_asked_for_and_not_there_is_an_error():
    with pytest.raises(Unavailable, match="use qemu on this host"):
        hypervisor.chosen_virt_type(FAKE, Connection(False), "kvm", "x86_64")


@pytest.mark.parametrize(
    ("architecture", "line", "hardware"),
    [
        ("x86_64", "flags\t\t: fpu svm sse", True),
        ("x86_64", "flags\t\t: fpu vmx sse", True),
        ("x86_64", "flags\t\t: fpu sse hypervisor", False),
        ("x86_64", "vmx flags\t: vnmi", False),
        ("aarch64", "Features\t: fp asimd", True),
    ],
)
def test_hardware(tmp_path, architecture, line, hardware):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\n%s\n" % line)
    assert hypervisor.in_hardware(architecture, str(cpuinfo)) == hardware


def test_without_a_device_no_machine_is_made(tmp_path):
    assert not hypervisor.makes_machines(str(tmp_path / "kvm"))
    (tmp_path / "kvm").touch()
    assert not hypervisor.makes_machines(str(tmp_path / "kvm"))
