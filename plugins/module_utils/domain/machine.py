# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A domain's machine and the devices that it has from the beginning, in its XML; pure.

What hardware.py has made of flavor and image is in domain.hardware, under OpenStack's names.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from .elements import add, child
from .model import Domain

X86 = ("x86_64", "i686")
# Root ports of a PCI Express machine that its first devices leave free; libvirt alone leaves one or two. Those of the
# machine itself (rng, balloon, channel) take some of them. And nova's greatest number (its num_pcie_ports).
SPARE_PORTS, MOST_PORTS = 12, 28

# What nova gives guests that run Windows (nova/virt/libvirt/driver.py, _set_features), where KVM offers it.
HYPERV = ("relaxed", "vapic", "vpindex", "runtime", "synic", "reset", "frequencies", "tlbflush", "ipi")


def write(root: Element, domain: Domain) -> None:
    """Add firmware, machine, CPU, features and clock."""
    asked = dict(domain.hardware or ())
    _add_system(root, domain, asked)
    _add_features(root, domain, asked)
    cpu = None
    if domain.cpu_model:
        cpu = add(root, "cpu", mode="custom", match="exact")
        add(cpu, "model", domain.cpu_model, fallback="allow")
    elif domain.virt_type == "kvm":
        cpu = add(root, "cpu", mode="host-model")
    if "hw_cpu_sockets" in asked:
        shape = {part: asked["hw_cpu_" + part] for part in ("sockets", "cores", "threads")}
        add(add(root, "cpu") if cpu is None else cpu, "topology", **shape)
    _add_clock(root, domain, asked)


def tune(root: Element, domain: Domain) -> None:
    """Add to what is allocated how much of it may be used, and how."""
    asked = dict(domain.hardware or ())
    for name in ("shares", "period", "quota"):
        if asked.get("quota:cpu_" + name, "0") != "0":
            add(child(root, "cputune"), name, asked["quota:cpu_" + name])
    if asked.get("hw_locked_memory") == "true":
        add(child(root, "memoryBacking"), "locked")


def add_fixtures(devices: Element, domain: Domain) -> None:
    """The devices that the domain has from the beginning, beside its disks and interfaces."""
    asked = dict(domain.hardware or ())
    if _has_root_ports(domain, asked):
        first = len(devices.findall("disk") + devices.findall("interface") + devices.findall("hostdev"))
        add(devices, "controller", type="pci", index=0, model="pcie-root")
        for port in range(min(first + SPARE_PORTS, MOST_PORTS)):
            add(devices, "controller", type="pci", index=1 + port, model="pcie-root-port")
    _add_inputs(devices, domain, asked)
    for port in range(int(asked.get("hw_serial_port_count", 1))):
        serial = add(devices, "serial", type="pty")
        if domain.console and port == 0:
            add(serial, "log", file=domain.console, append="off")
    if asked.get("hw_rng:allowed") != "false":
        rng = add(devices, "rng", model="virtio")
        if asked.get("hw_rng:rate_bytes", "0") != "0":
            period = asked.get("hw_rng:rate_period", "0")
            add(rng, "rate", bytes=asked["hw_rng:rate_bytes"], period=None if period == "0" else period)
        add(rng, "backend", "/dev/urandom", model="random")
    if asked.get("hw_qemu_guest_agent") == "true":
        add(add(devices, "channel", type="unix"), "target", type="virtio", name="org.qemu.guest_agent.0")
    if asked.get("hw_watchdog_action", "disabled") != "disabled":
        add(devices, "watchdog", model="i6300esb", action=asked["hw_watchdog_action"])
    if domain.vnc:
        add(devices, "graphics", type="vnc", autoport="yes", listen="127.0.0.1")
    if "hw_video_model" in asked:
        ram = asked.get("hw_video_ram")
        add(add(devices, "video"), "model", type=asked["hw_video_model"], vram=ram and int(ram) * 1024)


def _has_root_ports(domain: Domain, asked: dict[str, str]) -> bool:
    """Whether each device that is plugged in needs a port of its own (nova's _guest_needs_pcie)."""
    machine = asked.get("hw_machine_type") or ""
    return "q35" in machine if domain.architecture in X86 else domain.architecture == "aarch64"


def _add_system(root: Element, domain: Domain, asked: dict[str, str]) -> None:
    system = add(root, "os")
    add(system, "type", "hvm", arch=domain.architecture, machine=asked.get("hw_machine_type") or None)
    if asked.get("hw_firmware_type") == "uefi":
        # libvirt looks for the firmware; without a word it may take one that wants secure boot.
        system.set("firmware", "efi")
        add(add(system, "firmware"), "feature", enabled="no", name="secure-boot")
    if asked.get("hw_boot_menu"):
        add(system, "bootmenu", enable="yes" if asked["hw_boot_menu"] == "true" else "no")


def _add_features(root: Element, domain: Domain, asked: dict[str, str]) -> None:
    features = add(root, "features")
    if domain.architecture in X86 or asked.get("hw_firmware_type") == "uefi":
        add(features, "acpi")
    if domain.architecture in X86:
        add(features, "apic")
    if domain.virt_type == "qemu":
        # QEMU's own default is up to 1 GiB a guest; a quarter of the memory was its rule before that.
        add(add(features, "tcg"), "tb-cache", max(32, (domain.ram or 0) // 4), unit="MiB")
    elif asked.get("os_type") == "windows":
        hyperv = add(features, "hyperv")
        for name in HYPERV:
            add(hyperv, name, state="on")
        add(hyperv, "spinlocks", state="on", retries=8191)
    if asked.get("img_hide_hypervisor_id") == "true":
        add(add(features, "kvm"), "hidden", state="on")
    if asked.get("hw_pmu"):
        add(features, "pmu", state="on" if asked["hw_pmu"] == "true" else "off")


def _add_clock(root: Element, domain: Domain, asked: dict[str, str]) -> None:
    windows = asked.get("os_type") == "windows"
    clock = add(root, "clock", offset="localtime" if windows else "utc")
    if asked.get("hw_time_hpet") and domain.architecture in X86:
        add(clock, "timer", name="hpet", present="yes" if asked["hw_time_hpet"] == "true" else "no")
    if windows and domain.virt_type == "kvm":
        add(clock, "timer", name="hypervclock", present="yes")


def _add_inputs(devices: Element, domain: Domain, asked: dict[str, str]) -> None:
    """USB's controller, and what is a pointer and a keyboard beside what the machine has."""
    bus = asked.get("hw_input_bus") or ("usb" if "hw_pointer_model" in asked else None)
    on_usb = bus == "usb" or bool(domain.drive and domain.drive.bus == "usb")
    model = asked.get("hw_usb_model") or (None if on_usb else "none")
    if model:
        add(devices, "controller", type="usb", model=model)
    if bus:
        add(devices, "input", type="tablet", bus=bus)
    if asked.get("hw_input_bus"):
        add(devices, "input", type="keyboard", bus=bus)
