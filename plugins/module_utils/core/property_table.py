# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every extra spec of a flavor and every property of an image that nova documents, and what comes of it here.

The names and their meaning are nova's (nova/api/validation/extra_specs, nova/objects/image_meta.py). Nothing that is
asked for is left out in silence: a key is followed, or it is refused, or it is known to ask for nothing. properties.py
holds requests to this table, a test holds docs/properties.md to it. To follow one more, move its row, and read it in
domain/hardware.py or in the scheduler.

A row: the extra spec, the image property of the same meaning, the values that are taken, and what comes of it. Of what
is refused the values are those that ask for nothing. {N} stands for a number, {NAME} for capitals, {key} for anything,
{group} for what nova appends to number its groups, {what} for one of VMware's four.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, NamedTuple

from .convert import boolean, choice, label, whole
from .errors import InvalidRequest


class Kind(NamedTuple):
    """The values that a key takes: for people, and read(value, what), which raises InvalidRequest for others."""

    words: str
    read: Callable[[Any, str], Any]


class Row(NamedTuple):
    """A key, under its two names."""

    extra_spec: str | None
    image_property: str | None
    kind: Kind | None
    words: str


def number(least: int, most: int | None = None, alone: int | None = None) -> Kind:
    """A whole number within limits, or one that stands alone."""

    def read(value: Any, what: str) -> int:
        return alone if str(value).strip() == str(alone) else whole(value, what, least, most)

    words = "%d or more" % least if most is None else "%d to %d" % (least, most) if least < most else str(least)
    return Kind(words if alone is None else "%d, or %s" % (alone, words), read)


def one_of(*words: str) -> Kind:
    """One of these words."""
    return Kind(", ".join(words), partial(choice, choices=words))


def text(words: str) -> Kind:
    """What is judged where it is used."""
    return Kind(words, label)


def _no(value: Any, what: str) -> bool:
    if boolean(value, what):
        raise InvalidRequest("%s: %r is not false" % (what, value))
    return False


YES_OR_NO = Kind("true, false", boolean)
NO = Kind("false", _no)
ANY = text("")
COMPARED = text("a value, or an operator and what it compares with")
CPUS = text("a list of vCPUs, such as 0-3,5")
PREFERRED = "preferred, for CPUs as the guest sees them; an image's words count before a flavor's"
LIMIT = "a limit for the guest's view of its CPUs; an image's may not be above the flavor's"
DISK = "a limit of the root disk; a volume has those of its service"
PORT = "a limit of each interface, in KiB/s (burst in KiB); peak and burst need average"
MIXED = "mixed policies are not offered: take hw:cpu_policy dedicated, for all vCPUs"
REALTIME = "vCPUs are not scheduled in real time: take dedicated ones, hw:cpu_policy dedicated"
ENCRYPTED = "no memory is encrypted here: leave it out"
TPM = "no TPM is emulated here: leave it out, or give the guest one by pci_passthrough:alias"
EPHEMERAL = "root disks are not encrypted here: boot from an encrypted volume"
ADDRESSES = "the guest has as many address bits as its CPU model: leave it out"
AMOUNTS = "vCPUs, RAM and disk are counted as the flavor has them, devices by pci_passthrough:alias: leave it out"
GROUPS = "hosts have one provider of resources each, so there are no groups: use trait:NAME"
VMWARE = "VMware's: leave it out"
KERNEL = "a guest boots the kernel on its disk: make an image with a boot loader, and leave it out"
NO_DEVICES = "volumes are not taken from an image: list them under volumes"
DESCRIBES = "describes the image"
XEN = "counts with Xen only"
SIGNATURE = "not looked at, as nova does by default; the data is verified by the image's checksum"

FOLLOWED = (
    # CPUs
    Row("hw:cpu_policy", "hw_cpu_policy", one_of("shared", "dedicated"), "dedicated: each vCPU has a CPU of its own"),
    Row("hw:cpu_thread_policy", "hw_cpu_thread_policy", one_of("prefer", "isolate", "require"),
        "with dedicated CPUs: what becomes of their cores' other threads"),
    Row("hw:emulator_threads_policy", None, one_of("share"),
        "with dedicated CPUs: the emulator's threads run on the shared CPUs of a host that has set some apart"),
    Row("hw:cpu_sockets", "hw_cpu_sockets", number(1), PREFERRED),
    Row("hw:cpu_cores", "hw_cpu_cores", number(1), PREFERRED),
    Row("hw:cpu_threads", "hw_cpu_threads", number(1), PREFERRED),
    Row("hw:cpu_max_sockets", "hw_cpu_max_sockets", number(1), LIMIT),
    Row("hw:cpu_max_cores", "hw_cpu_max_cores", number(1), LIMIT),
    Row("hw:cpu_max_threads", "hw_cpu_max_threads", number(1), LIMIT),
    Row("hw:pmu", "hw_pmu", YES_OR_NO, "the guest's performance monitoring unit; left out, the CPU model decides"),
    Row("hw:hide_hypervisor_id", "img_hide_hypervisor_id", YES_OR_NO, "the guest is not told that it runs on KVM"),
    Row("hide_hypervisor_id", None, YES_OR_NO, "the same, under its old name"),
    Row("quota:cpu_shares", None, number(2, 262144), "the weight of its CPU time beside that of other guests"),
    Row("quota:cpu_period", None, number(1000, 10**6, alone=0),
        "microseconds in which a vCPU has its quota; 0 is libvirt's own"),
    Row("quota:cpu_quota", None, number(1000, 17592186044415, alone=-1),
        "microseconds of CPU time that a vCPU has in a period; -1 is no limit"),
    # Memory and NUMA
    Row("hw:mem_page_size", "hw_mem_page_size", text("small, large, any, or a size such as 2MB"),
        "the size of its memory's pages; an image chooses where the flavor says large or any"),
    Row("hw:locked_memory", "hw_locked_memory", YES_OR_NO, "its memory is not swapped out; needs hw:mem_page_size"),
    Row("hw:numa_nodes", "hw_numa_nodes", number(1, 128), "NUMA cells of the guest, each on a host's cell of its own"),
    Row("hw:numa_cpus.{N}", "hw_numa_cpus.{N}", CPUS, "the vCPUs of a cell"),
    Row("hw:numa_mem.{N}", "hw_numa_mem.{N}", number(1), "the MiB of a cell"),
    # Firmware and what starts
    Row(None, "hw_firmware_type", one_of("bios", "uefi"), "uefi needs a host with firmware for it, package ovmf"),
    Row(None, "hw_machine_type", text("such as q35, or pc-q35-7.2"),
        "QEMU's machine; left out, its default. q35 has 12 PCI Express ports for what is plugged in later, 28 in all"),
    Row("hw:boot_menu", "hw_boot_menu", YES_OR_NO, "a boot menu; the image's word counts before the flavor's"),
    Row(None, "hw_time_hpet", YES_OR_NO, "a high precision event timer, on x86"),
    Row(None, "os_type", Kind("linux, windows", partial(choice, choices=("linux", "windows"), lower=True)),
        "windows: the clock is in local time, and on KVM Hyper-V's interfaces are there"),
    # Devices
    Row(None, "hw_disk_bus", one_of("virtio"), "all disks are virtio"),
    Row(None, "hw_vif_model", one_of("virtio"), "all interfaces are virtio"),
    Row(None, "hw_cdrom_bus", one_of("ide", "sata", "scsi", "usb"), "makes the config drive a CD-ROM on that bus"),
    Row("hw:vif_multiqueue_enabled", "hw_vif_multiqueue_enabled", YES_OR_NO, "as many queues of an interface as vCPUs"),
    Row("hw:watchdog_action", "hw_watchdog_action", one_of("none", "pause", "poweroff", "reset", "disabled"),
        "a watchdog (i6300esb), and what it does; the image's word counts before the flavor's"),
    Row("hw:serial_port_count", "hw_serial_port_count", number(0, 4),
        "serial ports, the first of them the console; an image's may not be above the flavor's"),
    Row("hw_rng:allowed", None, YES_OR_NO, "false: no random number generator"),
    Row("hw_rng:rate_bytes", None, number(0), "bytes that the guest may read from it in a period"),
    Row("hw_rng:rate_period", None, number(0), "that period in milliseconds"),
    Row(None, "hw_rng_model", one_of("virtio"), "there is one unless the flavor forbids it"),
    Row(None, "hw_qemu_guest_agent", YES_OR_NO, "the channel of QEMU's guest agent"),
    Row(None, "hw_video_model", one_of("vga", "cirrus", "virtio", "bochs", "none"), "a graphics device; none for none"),
    Row("hw_video:ram_max_mb", "hw_video_ram", number(0), "its memory in MiB, as far as the flavor allows"),
    Row(None, "hw_input_bus", one_of("usb", "virtio"), "a tablet and a keyboard on that bus"),
    Row(None, "hw_pointer_model", one_of("usbtablet"), "a tablet on USB"),
    Row("hw:usb_model", "hw_usb_model", one_of("none", "nec-xhci", "qemu-xhci"), "USB's controller; else none"),
    Row("pci_passthrough:alias", None, text("NAME:COUNT, with commas between several"),
        "PCI devices of the host, by the names in the scheduler's setting pci_aliases"),
    Row("hw:pci_numa_affinity_policy", "hw_pci_numa_affinity_policy",
        one_of("required", "socket", "legacy", "preferred"), "how near to its CPUs they have to be"),
    Row("quota:disk_read_bytes_sec", None, number(0), DISK),
    Row("quota:disk_read_iops_sec", None, number(0), DISK),
    Row("quota:disk_write_bytes_sec", None, number(0), DISK),
    Row("quota:disk_write_iops_sec", None, number(0), DISK),
    Row("quota:disk_total_bytes_sec", None, number(0), DISK),
    Row("quota:disk_total_iops_sec", None, number(0), DISK),
    Row("quota:vif_inbound_average", None, number(0), PORT),
    Row("quota:vif_inbound_peak", None, number(0), PORT),
    Row("quota:vif_inbound_burst", None, number(0), PORT),
    Row("quota:vif_outbound_average", None, number(0), PORT),
    Row("quota:vif_outbound_peak", None, number(0), PORT),
    Row("quota:vif_outbound_burst", None, number(0), PORT),
    # Which hosts will do
    Row("trait:{NAME}", "trait:{NAME}", one_of("required", "forbidden"), "hosts with that trait, or without it"),
    Row("capabilities:{key}", None, COMPARED, "hosts that say so of themselves"),
    Row("aggregate_instance_extra_specs:{key}", None, COMPARED,
        "hosts of an aggregate with such metadata; needs the filter AggregateInstanceExtraSpecsFilter"),
    Row(None, "hw_architecture", ANY, "hosts of that architecture"),
    Row(None, "img_hv_type", ANY, "hosts of that hypervisor, kvm or qemu"),
    Row(None, "img_hv_requested_version", text("such as >=7.0"), "hosts whose hypervisor has such a version"),
    Row(None, "hw_vm_mode", ANY, "hvm, as all hosts are"),
    Row(None, "img_config_drive", one_of("optional", "mandatory"), "there always is a config drive"),
)  # fmt: skip

REFUSED = (
    Row("hw:cpu_dedicated_mask", None, None, MIXED),
    Row("hw:cpu_realtime", None, NO, REALTIME),
    Row("hw:cpu_realtime_mask", "hw_cpu_realtime_mask", None, REALTIME),
    Row("hw:mem_encryption", "hw_mem_encryption", NO, ENCRYPTED),
    Row("hw:pmem", None, None, "no persistent memory is given to guests: leave it out"),
    Row("hw:maxphysaddr_mode", "hw_maxphysaddr_mode", None, ADDRESSES),
    Row("hw:maxphysaddr_bits", "hw_maxphysaddr_bits", None, ADDRESSES),
    Row("hw:tpm_version", "hw_tpm_version", None, TPM),
    Row("hw:tpm_model", "hw_tpm_model", None, TPM),
    Row("hw:tpm_secret_security", None, None, TPM),
    Row("os:secure_boot", "os_secure_boot", one_of("disabled", "optional"),
        "secure boot is not offered: say optional, and with hw_firmware_type uefi the guest boots without it"),
    Row(None, "hw_firmware_stateless", NO, "UEFI keeps its variables here: leave it out"),
    Row(None, "hw_emulation_architecture", None, "guests have the architecture of their host: leave it out"),
    Row("hw:viommu_model", "hw_viommu_model", None, "no IOMMU is emulated here: leave it out"),
    Row("hw:virtio_packed_ring", "hw_virtio_packed_ring", NO, "virtio's rings are split here: leave it out"),
    Row("hw:sound_model", "hw_sound_model", None, "no sound device is emulated here: leave it out"),
    Row("hw:redirected_usb_ports", "hw_redirected_usb_ports", number(0, 0),
        "USB is redirected over SPICE, which is not offered: leave it out"),
    Row("hw:ephemeral_encryption", "hw_ephemeral_encryption", NO, EPHEMERAL),
    Row(None, "hw_ephemeral_encryption_secret_uuid", None, EPHEMERAL),
    Row("accel:device_profile", None, None, "there is no Cyborg here: take pci_passthrough:alias"),
    Row("resources{group}:{NAME}", None, None, AMOUNTS),
    Row("trait{group}:{NAME}", None, None, GROUPS),
    Row("group_policy", None, None, GROUPS),
    Row("quota:{what}_limit", None, None, VMWARE),
    Row("quota:{what}_reservation", None, None, VMWARE),
    Row("quota:{what}_shares_level", None, None, VMWARE),
    Row("quota:{what}_shares_share", None, None, VMWARE),
    Row("vmware:{key}", None, None, VMWARE),
    Row(None, "kernel_id", None, KERNEL),
    Row(None, "ramdisk_id", None, KERNEL),
    Row(None, "img_block_device_mapping", one_of("[]"), NO_DEVICES),
    Row(None, "img_mappings", one_of("[]"), NO_DEVICES),
)  # fmt: skip

PASSED_OVER = (
    Row("hw:mem_encryption_model", "hw_mem_encryption_model", ANY, "counts with hw:mem_encryption only"),
    Row("hw:ephemeral_encryption_format", "hw_ephemeral_encryption_format", ANY,
        "counts with hw:ephemeral_encryption only"),
    Row(None, "hw_scsi_model", ANY, "counts with hw_disk_bus scsi only"),
    Row(None, "hw_floppy_bus", ANY, "there are no floppy drives"),
    Row(None, "hw_rescue_bus", ANY, "counts when an instance is rescued"),
    Row(None, "hw_rescue_device", ANY, "counts when an instance is rescued"),
    Row(None, "hw_disk_type", ANY, VMWARE.partition(":")[0]),
    Row(None, "hw_auto_disk_config", ANY, XEN),
    Row(None, "hw_device_id", ANY, XEN),
    Row(None, "hw_ipxe_boot", ANY, XEN),
    Row(None, "img_bittorrent", ANY, XEN),
    Row(None, "img_cache_in_nova", ANY, XEN),
    Row(None, "img_compression_level", ANY, XEN),
    Row(None, "img_use_agent", ANY, XEN),
    Row(None, "os_skip_agent_inject_files_at_boot", ANY, XEN),
    Row(None, "os_skip_agent_inject_ssh", ANY, XEN),
    Row(None, "img_linked_clone", ANY, VMWARE.partition(":")[0]),
    Row(None, "img_version", ANY, VMWARE.partition(":")[0]),
    Row(None, "img_bdm_v2", ANY, "counts with img_block_device_mapping only"),
    Row(None, "img_root_device_name", ANY, "the root disk is the first virtio disk, as with nova's libvirt driver"),
    Row(None, "img_owner_id", ANY, DESCRIBES),
    Row(None, "img_signature", ANY, SIGNATURE),
    Row(None, "img_signature_hash_method", ANY, SIGNATURE),
    Row(None, "img_signature_certificate_uuid", ANY, SIGNATURE),
    Row(None, "img_signature_key_type", ANY, SIGNATURE),
    Row(None, "os_admin_user", ANY, "the ansible_user in the inventory; with nova for passwords"),
    Row(None, "os_command_line", ANY, "counts with kernel_id only"),
    Row(None, "os_distro", ANY, DESCRIBES),
    Row(None, "os_version", ANY, DESCRIBES),
    Row(None, "os_require_quiesce", ANY, "counts when a snapshot is taken"),
    Row(None, "os_shutdown_timeout", ANY, "not looked at: launch_shutdown_timeout is for all guests"),
)  # fmt: skip

# Names from before nova's present ones (nova/objects/image_meta.py, `_legacy_property_map`).
RENAMED = {
    "architecture": "hw_architecture",
    "hypervisor_type": "img_hv_type",
    "hypervisor_version_requires": "img_hv_requested_version",
    "vm_mode": "hw_vm_mode",
    "auto_disk_config": "hw_auto_disk_config",
    "bdm_v2": "img_bdm_v2",
    "bittorrent": "img_bittorrent",
    "block_device_mapping": "img_block_device_mapping",
    "cache_in_nova": "img_cache_in_nova",
    "ipxe_boot": "hw_ipxe_boot",
    "mappings": "img_mappings",
    "owner_id": "img_owner_id",
    "root_device_name": "img_root_device_name",
    "vmware_disktype": "hw_disk_type",
    "vmware_image_version": "img_version",
    "vmware_linked_clone": "img_linked_clone",
    "vmware_ostype": "os_distro",
    "xenapi_device_id": "hw_device_id",
    "xenapi_image_compression_level": "img_compression_level",
    "xenapi_skip_agent_inject_files_at_boot": "os_skip_agent_inject_files_at_boot",
    "xenapi_skip_agent_inject_ssh": "os_skip_agent_inject_ssh",
    "xenapi_use_agent": "img_use_agent",
}
