#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The query of the stage volume."""

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_info
short_description: The volumes of a compute host, of Cinder or of Ceph
version_added: 1.0.0
description:
  - Lists the volumes that M(kvmstack.launch.volume) made and who has them; with O(service=file) those on this host, and
    the room they take.
  - Only volumes with our mark are listed, of Cinder's those of the account's project.
extends_documentation_fragment:
  - kvmstack.launch.stage.query
  - kvmstack.launch.state_path
  - kvmstack.launch.cloud
  - kvmstack.launch.ceph
requirements:
  - libvirt-python on the host (Debian's python3-libvirt), for O(service=file)
options:
  service:
    description: Where the volumes are.
    type: str
    choices: [file, cinder, rbd]
    default: file
"""

EXAMPLES = r"""
- name: What volumes are here?
  kvmstack.launch.volume_info:
  register: here

- name: What volumes of ours are in Cinder?
  kvmstack.launch.volume_info:
    service: cinder
    cloud: member
  delegate_to: localhost
  register: ours
"""

RETURN = r"""
volumes:
  description: The volumes, with the fields that M(kvmstack.launch.volume) returns.
  returned: always
  type: list
  elements: dict
  sample:
    - id: 2f1c1a8e-7a50-5d0b-9a55-4f6f0c8b9d01
      name: web-1-data
      instance_uuid: 7b0f0f3e-5f0c-4d4e-9a53-0f2a3c1c7d11
      size: 10
      format: raw
      path: /var/lib/kvmstack/volumes/2f1c1a8e-7a50-5d0b-9a55-4f6f0c8b9d01.raw
      status: available
      record_id: 5b2a4a0c-8d1e-4d52-9d0b-0a8f8c5e6a11
      allocated: 1048576
      attached_to: [{uuid: 7b0f0f3e-5f0c-4d4e-9a53-0f2a3c1c7d11, name: web-1, active: true}]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.cloud.module import CloudModule
from ..module_utils.core.run import query
from ..module_utils.core.specs import CEPH, CLOUD, STATE_PATH
from ..module_utils.volume.cinder import backend as cinder
from ..module_utils.volume.file import backend as file
from ..module_utils.volume.rbd import backend as rbd

BACKENDS = {"file": file.find, "cinder": cinder.find, "rbd": rbd.find}
SPEC = {
    **STATE_PATH,
    **CLOUD,
    **CEPH,
    "service": {"type": "str", "choices": list(BACKENDS), "default": "file"},
}
ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True}


def stage(module: AnsibleModule) -> None:
    """The query, for whoever runs it."""
    query(module, "volumes", BACKENDS[module.params["service"]])


def main() -> None:
    stage(CloudModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
