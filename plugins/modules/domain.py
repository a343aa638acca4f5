#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The door to domains: the instances' virtual machines in a host's libvirt."""

from __future__ import annotations

DOCUMENTATION = r"""
module: domain
short_description: Virtual machines of instances, in a compute host's libvirt
version_added: 1.0.0
description:
  - Makes every instance's virtual machine from its document, with the ports, volumes and root disk that the stages
    before laid into it and a config drive, and lets it run. This is what nova's libvirt driver does at a launch.
  - All machines are started paused, and each is resumed when OVN has installed the flows of its ports.
    A machine whose ports are not wired in time is taken back, so that another host can have it.
  - A machine that exists is compared by what was asked for alone. Metadata, volumes and ports change while it runs;
    for anything else that differs the error names the field, and nothing of that machine is touched.
    One that is shut off or paused runs again.
  - Machines of ours are known by a mark in their metadata. A foreign one with the same name or UUID is never touched.
  - libvirt knows a machine by its instance's name. Where another machine of the host has that, as instances of other
    projects may, it is the name and the first 8 characters of the UUID, such as V(web-1-7f1c1d3e). Machines are found
    by their UUID.
  - With O(state=absent) the machine, its config drive and its console log go; the root disk is
    M(kvmstack.launch.image)'s and the volumes are M(kvmstack.launch.volume)'s.
requirements:
  - python3-libvirt
  - genisoimage, or xorriso
  - qemu-block-extra for volumes in Ceph or at iSCSI targets, nfs-common for those on shares
author: kvmstack contributors (@kvmstack)
extends_documentation_fragment:
  - kvmstack.launch.instances
  - kvmstack.launch.state
  - kvmstack.launch.state_path
attributes:
  check_mode:
    support: full
    description: Nothing is defined, started or written.
  diff_mode:
    support: full
    description:
      - Shows each machine that changes in a line, before and after. With C(-v) it is the machine's XML, of what exists
        only what is ours.
options:
  driver:
    description: What runs the machines, as nova's C(compute_driver).
    type: str
    choices: [libvirt]
    default: libvirt
  domains:
    description:
      - The same documents as those of O(instances), for one result each. Either this or O(instances) is required.
      - Of a document this module takes C(uuid), C(name), C(project_id), C(user_id), C(project_name) and C(user_name),
        C(flavor) (C(name), C(vcpus), C(ram) in MiB, C(disk) in GiB), C(image), C(metadata), C(ssh_keys), C(ports),
        C(volumes), C(allocation), the CPUs, pages and PCI devices that the scheduler allocated, and C(record_id), a
        UUID, the identity of the record that the instance is in.
      - A machine that says it is of another C(record_id) is foreign, also with O(state=absent). One that says none
        is given it. Where a document has none, nobody looks.
      - C(image) has C(name), C(properties), and of its root disk C(path), C(format), C(base) and C(disk_format), as
        M(kvmstack.launch.image) tells them.
      - C(ports) are as M(kvmstack.launch.port) tells them. C(port_id) is the id by which OVN knows a port, if it is
        another one than C(id).
      - C(volumes) are as M(kvmstack.launch.volume) tells them, each with its C(device), such as V(vdb). One with
        C(boot) is the first disk, V(vda), and the machine boots from it. There is no root disk then.
      - A volume with a C(connection) is a disk that QEMU itself reaches, in Ceph (C(rbd)) or at an iSCSI target
        (C(iscsi)), or a file on a share (C(nfs)) that is mounted for it below O(state_path). A running machine keeps
        the connections it has; it takes new ones when it is started. If its C(size), in GiB, is more than a running
        guest sees, the guest is told.
      - Ceph's secrets must be libvirt's already; C(compute_host_libvirt_secrets) of the role
        P(kvmstack.launch.compute_host#role) gives them to it.
      - A port or a volume that is C(leaving) is not the machine's, and is unplugged from one that has it.
      - With C(target_state) V(stopped) the machine is there and off; by default it runs, and comes back with its host.
      - With C(task_state) V(rebooting) a machine that runs shuts down and starts anew, at each run of the module; with
        V(rebooting_hard) it is turned off for that at once.
      - With C(task_state) V(rebuilding) and a C(rebuild_id) that the host has not done yet, a machine that exists is
        turned off at once and made anew over the root disk that C(image) has then. With a C(user_data_digest), its
        SHA-256, and no user data in O(user_data), the new config drive has that of the one before; if that is another,
        the machine fails, and is made when O(user_data) has it.
      - A key that is left out stays as it is with a machine that exists.
      - The flavor's C(extra_specs) and the image's C(properties) shape a machine when it is made. C(docs/properties.md)
        of this collection has all of them. One that exists stays as it was made.
      - With O(state=absent) C(uuid), C(name) and C(record_id) are all that is looked at.
      - What is wrong with one document fails that machine alone, as does a part that its stage has not made; a
        document without a UUID or a name refuses them all.
    type: list
    elements: dict
  volume_secrets:
    description:
      - The text of a JSON object, CHAP passwords by the C(volume_id) of a volume. libvirt has them as long as the
        machine has the disk, also over a reboot (in C(/etc/libvirt/secrets), which is root's alone). They are shown
        nowhere.
    type: str
    default: ""
  user_data:
    description:
      - The text of a JSON object, user data by instance name. Each goes into its config drive unchanged, or decoded
        where it is the base64 of what cloud-init knows, as nova takes it. It is shown nowhere.
    type: str
    default: ""
  vendor_data:
    description: The text of the config drive's C(vendor_data.json), a JSON object. It is shown nowhere.
    type: str
    default: ""
  virt_type:
    description:
      - V(kvm) for hardware virtualization, V(qemu) for emulation, which works everywhere and is slow.
      - V(auto) takes V(kvm) where libvirt offers it, the processor has hardware virtualization (on x86 its flags say
        so) and the kernel makes an empty machine, and else V(qemu). No guest is run to find out; where a KVM passes
        and still does not serve, set V(qemu) for that host.
      - Counts for machines made from now on.
    type: str
    choices: [auto, kvm, qemu]
    default: auto
  cpu_model:
    description:
      - Name of a CPU model that machines made from now on see, such as V(Nehalem).
      - By default that of the host with V(kvm), and QEMU's own default, which is the quickest, with V(qemu).
    type: str
  vnc:
    description: Whether machines made from now on have a screen, by VNC on the host's 127.0.0.1.
    type: bool
    default: false
  vif_plugging_timeout:
    description: Seconds to wait for OVN to install the flows of the ports, for all machines together.
    type: int
    default: 60
  shutdown_timeout:
    description:
      - Seconds that the guests of machines which are to be off (C(target_state) V(stopped)), or to start anew
        (C(task_state) V(rebooting)), have to shut down, all of them together. A machine that is still running
        then is turned off, with V(0) at once.
    type: int
    default: 60
notes:
  - Disks that are files use the host's page cache (C(cache=writeback)), and a guest's flushes are honoured.
  - The metadata of a machine has nova's block as well, by which exporters label it.
  - With a bridge in the userspace datapath (C(datapath_type=netdev)) guests compute their own checksums.
"""

EXAMPLES = r"""
- name: Let the instances of this host run
  kvmstack.launch.domain:
    instances: "{{ launch_stored.instances }}"
    user_data: "{{ {'web-1': cloud_config} | to_json }}"
  vars:
    cloud_config: |
      #cloud-config
      packages: [nginx]
  register: launch_started

- name: A machine of its own, of parts that are there
  kvmstack.launch.domain:
    domains:
      - uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
        name: web-1
        flavor: {name: small, vcpus: 1, ram: 512, disk: 1}
        image: "{{ root_disk.images[0] }}"
        ports: "{{ wired.ports }}"
        volumes: []

- name: No machine for this instance
  kvmstack.launch.domain:
    domains:
      - {uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10, name: web-1}
    state: absent
"""

RETURN = r"""
instances:
  description: The documents in the order of O(instances), each with its machine in C(domain), told as in RV(domains).
  returned: with O(instances)
  type: list
  elements: dict
domains:
  description: One result for each document of O(domains), in the same order.
  returned: with O(domains)
  type: list
  elements: dict
  contains:
    uuid:
      description: The instance's UUID, which is the machine's.
      type: str
      returned: always
    instance_uuid:
      description: The same, by which results of stages are joined.
      type: str
      returned: always
    name:
      description: The instance's name, which is the machine's title.
      type: str
      returned: always
    record_id:
      description: The identity of the record that the instance is in, if the machine says one.
      type: str
      returned: always
    status:
      description: ACTIVE, PAUSED, SUSPENDED, SHUTOFF or DELETED; as planned, in check mode or if the item failed.
      type: str
      returned: always
    vcpus:
      description: Virtual CPUs.
      type: int
      returned: always
    ram:
      description: Memory in MiB.
      type: int
      returned: always
    disk:
      description: GiB of the flavor's disk; null if that was not written down.
      type: int
      returned: always
    allocation:
      description: The CPUs, pages and devices of the host that the scheduler gave it; null for any.
      type: dict
      returned: always
    virt_type:
      description: Whether it is V(kvm) or V(qemu).
      type: str
      returned: always
    root:
      description: The root disk's C(path) and C(format), and the cached image under it, C(base) and C(base_format).
      type: dict
      returned: always
    volumes:
      description:
        - The volumes, each C(id), C(device), C(source) (such as V(rbd:volumes/volume-1), else its path), C(path) and
          C(format).
      type: list
      elements: dict
      returned: always
    ports:
      description: The ports, each C(id), C(port_id), C(mac_address) and C(tap).
      type: list
      elements: dict
      returned: always
    project_id:
      description: The project.
      type: str
      returned: always
    flavor:
      description: The flavor's name.
      type: str
      returned: always
    image:
      description: The image's name.
      type: str
      returned: always
    metadata:
      description: The instance's metadata.
      type: dict
      returned: always
    console:
      description: File on the host that the serial console is logged to.
      type: str
      returned: always
    created:
      description: When the machine was made, in UTC.
      type: str
      returned: always
    action:
      description: One of keep, create, update, delete.
      type: str
      returned: always
    changed:
      description: Whether something was done, or would be.
      type: bool
      returned: always
    failed:
      description: Whether the item failed.
      type: bool
      returned: always
    msg:
      description: What is wrong and what to do.
      type: str
      returned: when the item failed
    abort:
      description: Whether another host would fail as well.
      type: bool
      returned: when the item failed
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import Stage, run
from ..module_utils.core.specs import STATE, STATE_PATH, arguments
from ..module_utils.domain import libvirt, model, request, xml

BACKENDS = {"libvirt": Stage("domain", request.parse, libvirt.connect, model.plan, as_text=xml.as_text, on_host=True)}
SPEC = {
    **STATE,
    **STATE_PATH,
    **request.OPTIONS,
    "driver": {"type": "str", "choices": list(BACKENDS), "default": "libvirt"},
    "vnc": {"type": "bool", "default": False},
}
ARGUMENTS = arguments("domains", {}, SPEC)


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    run(module, BACKENDS[module.params["driver"]])


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
