#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Door of the stage volume."""

from __future__ import annotations

DOCUMENTATION = r"""
module: volume
short_description: Volumes as files of a compute host
description:
  - Makes a volume, or locates the one that exists, by its id. A volume outlives the instance it was made for.
  - It grows when a larger size is asked for, also while a guest uses it, and never shrinks.
  - What cannot be changed in place (format, a smaller size, the instance while another one has it) is an error.
extends_documentation_fragment:
  - kvmstack.launch.stage
  - kvmstack.launch.state
  - kvmstack.launch.state_path
requirements:
  - qemu-img on the host (Debian's qemu-utils)
  - libvirt-python on the host (Debian's python3-libvirt)
options:
  volumes:
    description:
      - The volumes, all in one task. With O(state=absent) exactly these are removed, none while a running
        domain uses it or when it belongs to another instance than the item says.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description: The volume's UUID.
        type: str
        required: true
      name:
        description: The volume's name. Left out, it stays as it is.
        type: str
      instance_uuid:
        description:
          - The instance it belongs to. Left out, it stays as it is.
          - It may change when no other domain has the volume among its disks.
        type: str
      size:
        description:
          - Size in GiB. Left out, the volume is only located, and must exist.
        type: int
      format:
        description:
          - V(raw) (sparse) or V(qcow2). A new volume is V(raw) when it is left out.
        type: str
        choices: [raw, qcow2]
      host:
        description: Passed through.
        type: str
      device:
        description: Passed through.
        type: str
      delete_on_termination:
        description: Passed through.
        type: bool
"""

EXAMPLES = r"""
- name: A volume of 10 GiB
  kvmstack.launch.volume:
    volumes:
      - id: 2f1c1a8e-7a50-5d0b-9a55-4f6f0c8b9d01
        name: web-1-data
        instance_uuid: 7b0f0f3e-5f0c-4d4e-9a53-0f2a3c1c7d11
        size: 10

- name: Locate it, whatever its size
  kvmstack.launch.volume:
    volumes:
      - id: 2f1c1a8e-7a50-5d0b-9a55-4f6f0c8b9d01

- name: Remove it
  kvmstack.launch.volume:
    volumes:
      - id: 2f1c1a8e-7a50-5d0b-9a55-4f6f0c8b9d01
    state: absent
"""

RETURN = r"""
volumes:
  description: The items in the order of O(volumes), with what became of them.
  returned: always
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
    format:
      description: V(raw) or V(qcow2).
      type: str
      returned: always
    path:
      description: Its disk.
      type: str
      returned: always
    status:
      description: V(available), or V(creating) for one that an interrupted run left half made.
      type: str
      returned: always
    allocated:
      description: Bytes that it takes on the host's disk.
      type: int
      returned: always
    attached_to:
      description: The domains that had it among their disks at the beginning, each with uuid, name and active.
      type: list
      elements: dict
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

from ..module_utils.core.run import run
from ..module_utils.core.specs import REQUIRED, STATE, STATE_PATH, listed
from ..module_utils.volume.file import connect
from ..module_utils.volume.model import FORMATS, parse

OPTIONS = {
    "id": REQUIRED,
    "name": {"type": "str"},
    "instance_uuid": {"type": "str"},
    "size": {"type": "int"},
    "format": {"type": "str", "choices": list(FORMATS)},
    "host": {"type": "str"},
    "device": {"type": "str"},
    "delete_on_termination": {"type": "bool"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={**STATE, **STATE_PATH, **listed("volumes", **OPTIONS)}, supports_check_mode=True
    )
    run(module, "volumes", parse, connect)


if __name__ == "__main__":
    main()
