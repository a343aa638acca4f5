# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a compute node is: a host's room and capabilities, as its libvirt has them (the seed's step 5)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Mapping


@dataclass(frozen=True)
class ComputeNode:
    """One compute host. memory_mb in MiB, disk_gb in GiB, as nova's compute_nodes has them.

    vcpus_used and memory_mb_used count all running domains, whosever they are.
    disk_gb is the whole file system that instances are on, free_disk_gb what of it is free, foreign_disk_gb what all
    but disks of instances have of it: images, the system, what others put there.
    hypervisor_version is libvirt's number: major * 1000000 + minor * 1000 + release.
    cpu_topology: {cells, sockets, cores, threads}, as nova's cpu_info has it.
    numa_cells: {id, cpus, memory_mb, pages: {KiB: total}, siblings: the CPUs of each core, socket}; hugepages:
    {size_kb, total}, without the ordinary pages; pci_devices: {address, vendor_id, product_id, numa_node,
    device_type, and of a virtual function its parent}, with nova's types.
    supports_uefi: whether there is firmware for it, None for a host that was asked before it told.
    host_ip is the address it speaks from to the rest of the world. machine is an identity of the machine that does not
    depend on what it is called, None if it has none. power_states: {UUID: running, paused, shutdown,
    crashed or suspended} of the domains that are ours. booted_at: in seconds since 1970, None if it does not say.
    """

    host: str
    hypervisor_type: str
    hypervisor_version: int
    virt_type: str
    architecture: str
    vcpus: int
    memory_mb: int
    disk_gb: int
    free_disk_gb: int
    foreign_disk_gb: int = 0
    vcpus_used: int = 0
    memory_mb_used: int = 0
    running_vms: int = 0
    cpu_model: str | None = None
    cpu_vendor: str | None = None
    cpu_features: tuple = ()
    cpu_topology: dict | None = None
    numa_cells: tuple = ()
    hugepages: tuple = ()
    pci_devices: tuple = ()
    host_ip: str | None = None
    machine: str | None = None
    supports_uefi: bool | None = None
    power_states: Mapping[str, str] = field(default_factory=dict)
    booted_at: int | None = None

    @property
    def key(self) -> str:
        """The host's name in the inventory."""
        return self.host

    @property
    def name(self) -> str:
        """The same."""
        return self.host

    def to_result(self) -> dict[str, Any]:
        """All of it; name is host."""
        result = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return {"name": self.host, **result}
