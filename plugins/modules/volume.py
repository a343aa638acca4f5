#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Door of the stage volume."""

from __future__ import annotations

DOCUMENTATION = r"""
module: volume
short_description: Volumes for instances, as files of a compute host, in Cinder or in Ceph
version_added: 1.0.0
description:
  - Makes a volume, or locates the one that exists, and gives it to an instance. A volume outlives the instance it was
    made for, unless O(volumes[].delete_on_termination) says that it goes with it.
  - It grows when a larger size is asked for, also while a guest uses it, and never shrinks.
  - What cannot be changed in place (format, type, a smaller size, the instance while another one has it) is an error.
  - With O(service=file) volumes are files of the compute host that this runs on.
  - With O(service=cinder), on the controller, they are Cinder's. Our id is in the metadata of those made here
    (C(kvmstack:id)), and the instance's UUID in their attachments, so that an interrupted run is gone on with and
    nothing is made twice. When the instance comes to another host there is a new attachment for that, and the old
    one goes.
  - With O(service=rbd), on the controller, they are images of a Ceph cluster, without Cinder, by the command line
    tools C(rbd) and C(ceph). Nobody is given an image that somebody has open.
extends_documentation_fragment:
  - kvmstack.launch.stage
  - kvmstack.launch.instances
  - kvmstack.launch.state
  - kvmstack.launch.state_path
  - kvmstack.launch.cloud
  - kvmstack.launch.ceph
requirements:
  - qemu-img on the host (Debian's qemu-utils), for O(service=file)
  - libvirt-python on the host (Debian's python3-libvirt), for O(service=file)
options:
  service:
    description: Where the volumes are.
    type: str
    choices: [file, cinder, rbd]
    default: file
  timeout:
    description: Seconds that a volume of another service than V(file) may take until it is made, grown or gone.
    type: int
    default: 600
  host_addresses:
    description:
      - The IP addresses of compute hosts by their names, for those of Cinder's drivers that let in hosts by address.
    type: dict
    default: {}
  volumes:
    description:
      - The volumes, all in one task. Either this or O(instances) is required. Of O(instances) the volumes of
        O(service) are taken.
      - With O(service=file) and O(state=absent) exactly these are removed, none while a running domain uses it or when
        it belongs to another instance than the item says.
      - With another service O(state=absent) takes a volume from the instance, and removes it only if
        O(volumes[].delete_on_termination) is true, it was made here, and no other instance has it.
    type: list
    elements: dict
    suboptions:
      id:
        description: Our id of the volume, a UUID.
        type: str
        required: true
      name:
        description:
          - The volume's name. Left out, it stays as it is.
          - With O(service=cinder) a volume that we did not make is located by this name, or by its id given here; with
            O(service=rbd) by the image's name.
        type: str
      instance_uuid:
        description:
          - The instance it belongs to. Left out, it stays as it is.
          - With O(service=file) it may change when no other domain has the volume among its disks; with another
            service when no other instance has it, unless it is for several.
        type: str
      record_id:
        description:
          - The identity (a UUID) of the record of instances and volumes that it is in. With O(service=file) a volume of
            another record is refused, also with O(state=absent), and one that says none is given it. Left out, nobody
            looks. So it is with O(service=rbd). Cinder passes it over.
        type: str
      project_id:
        description:
          - The project that it is of. With O(service=rbd) an image of another project is refused, and one that says
            none is given it. Left out, nobody looks. Passed over with another service, which keeps projects apart.
        type: str
      host:
        description:
          - The compute host that the instance is on. With O(service=file) passed through.
          - With another service the volume is only made or located as long as there is no host.
        type: str
      size:
        description:
          - Size in GiB. Left out, the volume is only located, and must exist, unless it is made from a snapshot.
        type: int
      type:
        description: Cinder's volume type, by name. Left out, a new volume has the default type.
        type: str
      image:
        description:
          - What a new volume has on it. For Cinder the id of an image in Glance; for Ceph the C(direct_url) of a raw
            one in the same cluster, C(rbd://FSID/POOL/IMAGE/SNAPSHOT), of which it becomes a copy-on-write clone.
        type: str
      snapshot:
        description:
          - The snapshot that a new volume is made from. For Cinder its name or id, for Ceph C(IMAGE@SNAPSHOT) or
            C(POOL/IMAGE@SNAPSHOT).
        type: str
      device:
        description: The disk that it is in the guest, such as V(vdb).
        type: str
      boot:
        description: Whether the instance boots from it. A volume that Cinder does not call bootable is refused then.
        type: bool
      delete_on_termination:
        description: Whether it goes with the instance. With O(service=file) passed through.
        type: bool
      made:
        description:
          - Whether an instance has had it before. With O(service=file) it is never made anew then; a missing disk is an
            error. Passed over with another service.
        type: bool
      multiattach:
        description:
          - Whether several instances may have it at a time. With Cinder the volume's type must allow it; with Ceph no
            watch is kept over who has it open.
        type: bool
      format:
        description:
          - V(raw) (sparse) or V(qcow2). A new volume is V(raw) when it is left out. For O(service=file).
        type: str
        choices: [raw, qcow2]
      service:
        description: Passed over. O(service) tells for all of them.
        type: str
      volume_id:
        description: The service's id of the volume, when it is known from an earlier run.
        type: str
      attachment_id:
        description: Passed through; attachments are found by the instance.
        type: str
"""

EXAMPLES = r"""
- name: A volume of 10 GiB
  kvmstack.launch.volume:
    volumes:
      - id: 2f1c1a8e-7a50-5d0b-9a55-4f6f0c8b9d01
        name: web-1-data
        instance_uuid: 7b0f0f3e-5f0c-4d4e-9a53-0f2a3c1c7d11
        size: 10

- name: The local volumes of the instances that were scheduled to this host
  kvmstack.launch.volume:
    instances: "{{ launch.instances | kvmstack.launch.on_host(inventory_hostname) }}"
  register: launch_stored

- name: Locate it, whatever its size
  kvmstack.launch.volume:
    volumes:
      - id: 2f1c1a8e-7a50-5d0b-9a55-4f6f0c8b9d01

- name: Remove it
  kvmstack.launch.volume:
    volumes:
      - id: 2f1c1a8e-7a50-5d0b-9a55-4f6f0c8b9d01
    state: absent

- name: A root disk and a volume of Cinder, attached
  kvmstack.launch.volume:
    service: cinder
    cloud: member
    service_cloud: launch
    volumes:
      - id: 5d0b2f1c-7a50-5a8e-9a55-4f6f0c8b9d02
        name: web-1-root
        instance_uuid: 7b0f0f3e-5f0c-4d4e-9a53-0f2a3c1c7d11
        host: compute-1
        size: 20
        image: 9b2d2f7e-5d43-4c55-8c39-3d2c0e5f7a10
        boot: true
        device: vda
        delete_on_termination: true
      - id: 2f1c1a8e-7a50-5d0b-9a55-4f6f0c8b9d01
        name: db-data
        instance_uuid: 7b0f0f3e-5f0c-4d4e-9a53-0f2a3c1c7d11
        host: compute-1
        device: vdb
  delegate_to: localhost

- name: An image of Ceph
  kvmstack.launch.volume:
    service: rbd
    ceph:
      user: cinder
      keyring: /etc/ceph/ceph.client.cinder.keyring
      secret_uuid: 3f0c6a3e-6a53-4f5b-9a10-3c0e4a7f0001
    volumes:
      - id: 2f1c1a8e-7a50-5d0b-9a55-4f6f0c8b9d01
        name: web-1-data
        instance_uuid: 7b0f0f3e-5f0c-4d4e-9a53-0f2a3c1c7d11
        host: compute-1
        size: 10
  delegate_to: localhost
"""

RETURN = r"""
instances:
  description: The documents in the order of O(instances), with what became of each of their C(volumes).
  returned: with O(instances)
  type: list
  elements: dict
volumes:
  description: The items in the order of O(volumes), with what became of them.
  returned: with O(volumes)
  type: list
  elements: dict
  contains:
    id:
      description: The volume's UUID.
      type: str
      returned: always
    name:
      description: Its name, or its id if it has none.
      type: str
      returned: always
    instance_uuid:
      description: The instance it belongs to.
      type: str
      returned: always
    size:
      description: Its size in GiB.
      type: int
      returned: always
    status:
      description:
        - V(available), or V(creating) for one that an interrupted run left half made.
        - With another service than V(file) the service's own word; V(in-use) when the instance has it.
      type: str
      returned: always
    format:
      description: V(raw) or V(qcow2).
      type: str
      returned: for O(service=file)
    path:
      description: Its disk.
      type: str
      returned: for O(service=file)
    record_id:
      description: The identity of the record that it is in, if it says one.
      type: str
      returned: for O(service=file)
    allocated:
      description: Bytes that it takes on the host's disk.
      type: int
      returned: for O(service=file)
    attached_to:
      description: The domains that had it among their disks at the beginning, each with uuid, name and active.
      type: list
      elements: dict
      returned: for O(service=file)
    host:
      description: The compute host that its instance is on.
      type: str
      returned: always
    volume_id:
      description: The service's id of the volume.
      type: str
      returned: for O(service=cinder) and O(service=rbd)
    attachment_id:
      description: The id of Cinder's attachment.
      type: str
      returned: for O(service=cinder)
    type:
      description: Its volume type.
      type: str
      returned: for O(service=cinder)
    bootable:
      description: Whether there is something to boot from on it.
      type: bool
      returned: for O(service=cinder)
    multiattach:
      description: Whether several instances may have it at a time.
      type: bool
      returned: for O(service=cinder) and O(service=rbd)
    adopted:
      description: Whether it was not made here; then it is never removed.
      type: bool
      returned: for O(service=cinder) and O(service=rbd)
    connection:
      description:
        - How QEMU on the host reaches it; null when the instance does not have it. There is no secret in it. A CHAP
          password is in a file of its own below O(private_path), see P(kvmstack.launch.volume_secrets#lookup).
        - C(protocol) is C(rbd), C(nfs) or C(iscsi); C(read_only) and C(format) are always there.
        - For C(rbd) C(name) (pool and image), C(hosts) (all monitors of the cluster map), C(auth_username),
          C(secret_uuid) and C(discard); for C(nfs) C(export), C(name) and C(options); for C(iscsi) C(name) (target and
          LUN), C(hosts), C(auth_username), C(initiator) and C(discard).
      type: dict
      returned: for O(service=cinder) and O(service=rbd)
      sample:
        protocol: rbd
        name: volumes/volume-f337ffdb-5d43-4c55-8c39-3d2c0e5f7a10
        hosts: [{name: 192.0.2.10, port: "6789"}]
        auth_username: cinder
        secret_uuid: 3f0c6a3e-6a53-4f5b-9a10-3c0e4a7f0001
        format: raw
        discard: true
        read_only: false
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

from ..module_utils.cloud.module import CloudModule
from ..module_utils.core.run import Stage, run
from ..module_utils.core.specs import CEPH, CLOUD, STATE, STATE_PATH, arguments
from ..module_utils.volume import model, request
from ..module_utils.volume.cinder import backend as cinder
from ..module_utils.volume.file import backend as file
from ..module_utils.volume.rbd import backend as rbd

BACKENDS = {
    service: Stage(
        "volume", request.parse, backend.connect, model.plan, request.OPTIONS, model.as_text, on_host=service == "file"
    )
    for service, backend in (("file", file), ("cinder", cinder), ("rbd", rbd))
}
SPEC = {
    **STATE,
    **STATE_PATH,
    **CLOUD,
    **CEPH,
    "service": {"type": "str", "choices": list(BACKENDS), "default": "file"},
    "timeout": {"type": "int", "default": 600},
    "host_addresses": {"type": "dict", "default": {}},
}
ARGUMENTS = arguments("volumes", request.OPTIONS, SPEC)


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    run(module, BACKENDS[module.params["service"]])


def main() -> None:
    stage(CloudModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
