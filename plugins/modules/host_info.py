#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The door to what a compute host says of itself."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Room and abilities of a compute host
version_added: 1.0.0
description:
  - Tells, on a compute host, what its libvirt knows of it - processors, memory, disk, and what running virtual
    machines use. M(kvmstack.launch.host) records it for the scheduler.
requirements:
  - python3-libvirt
extends_documentation_fragment:
  - kvmstack.launch.stage.query
  - kvmstack.launch.state_path
options:
  driver:
    description: As in M(kvmstack.launch.domain).
    type: str
    choices: [libvirt]
    default: libvirt
  host:
    description: The name to give the host, as in the inventory. By default its short host name.
    type: str
  virt_type:
    description: As in M(kvmstack.launch.domain). With V(auto) the result says which one machines would get.
    type: str
    choices: [auto, kvm, qemu]
    default: auto
"""

EXAMPLES = r"""
- name: Ask every compute host
  kvmstack.launch.host_info:
    host: "{{ inventory_hostname }}"
  register: launch_host_info
"""

RETURN = r"""
hosts:
  description: This host, alone in a list.
  returned: always
  type: list
  elements: dict
  contains:
    host:
      description: The host's name; C(name) is the same.
      type: str
      returned: always
    hypervisor_type:
      description: The hypervisor, such as C(QEMU).
      type: str
      returned: always
    hypervisor_version:
      description: Its version as a number, major * 1000000 + minor * 1000 + release.
      type: int
      returned: always
    virt_type:
      description: What machines run under here, V(kvm) or V(qemu).
      type: str
      returned: always
    architecture:
      description: The processors' architecture, such as V(x86_64).
      type: str
      returned: always
    vcpus:
      description: Processors.
      type: int
      returned: always
    memory_mb:
      description:
        - Memory in MiB, as libvirt tells it now. A kernel may give a part of it back to the system for a while after a
          boot, so that it grows then.
      type: int
      returned: always
    disk_gb:
      description: Size in GiB of the file system of O(state_path).
      type: int
      returned: always
    free_disk_gb:
      description: What of it is free.
      type: int
      returned: always
    foreign_disk_gb:
      description:
        - What all but the disks of instances occupies of it, the cache of images and the system too. DiskWeigher
          counts it as nova does its C(disk_available_least).
      type: int
      returned: always
    vcpus_used:
      description: vCPUs of all running machines.
      type: int
      returned: always
    memory_mb_used:
      description: Memory of all running machines in MiB.
      type: int
      returned: always
    running_vms:
      description: Number of running machines.
      type: int
      returned: always
    power_states:
      description:
        - The states of the machines that are ours, by UUID; V(running), V(paused), V(shutdown), V(crashed) or
          V(suspended).
      type: dict
      returned: always
    cpu_model:
      description: libvirt's name of the host's CPU model.
      type: str
      returned: always
    cpu_vendor:
      description: The CPU's maker.
      type: str
      returned: always
    cpu_features:
      description: The CPU's features.
      type: list
      elements: str
      returned: always
    cpu_topology:
      description: The number of NUMA C(cells), and of C(sockets), C(cores) of each and C(threads) of each of these.
      type: dict
      returned: always
    numa_cells:
      description:
        - NUMA cells, each C(id), C(cpus), C(memory_mb), C(pages), the number of pages by their size in KiB, and
          C(siblings), the CPUs of each core, and C(socket), where libvirt tells them.
      type: list
      elements: dict
      returned: always
    hugepages:
      description: Huge pages, each C(size_kb) and C(total).
      type: list
      elements: dict
      returned: always
    host_ip:
      description: The address that the host speaks from to the rest of the world, null without a route there.
      type: str
      returned: always
    supports_uefi:
      description: Whether libvirt finds firmware for guests with UEFI, as the package C(ovmf) has it.
      type: bool
      returned: always
    booted_at:
      description: When the host was booted, in seconds since 1970 by its own clock; null if it does not say.
      type: int
      returned: always
    machine:
      description:
        - An identity of the machine, whatever it is called; null if libvirt has no UUID of it, or it has no machine-id.
      type: str
      returned: always
    pci_devices:
      description:
        - PCI devices, each C(address), C(vendor_id), C(product_id), C(numa_node), -1 if that is unknown, and
          C(device_type), C(type-PF) for one that has SR-IOV, C(type-VF) for one of its virtual functions, which has
          it as its C(parent), else C(type-PCI).
      type: list
      elements: dict
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import query
from ..module_utils.core.specs import STATE_PATH
from ..module_utils.host import libvirt

BACKENDS = {"libvirt": libvirt.find}
SPEC = {
    **STATE_PATH,
    "driver": {"type": "str", "choices": list(BACKENDS), "default": "libvirt"},
    "host": {"type": "str"},
    "virt_type": {"type": "str", "choices": ["auto", "kvm", "qemu"], "default": "auto"},
}
ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True}


def stage(module: AnsibleModule) -> None:
    """The query, for whoever runs it."""
    query(module, "hosts", BACKENDS[module.params["driver"]])


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
