#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The query of the stage volume."""

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_info
short_description: The volumes of a compute host
description:
  - Lists the volumes that M(kvmstack.launch.volume) keeps on this host, with the room they take and who uses them.
extends_documentation_fragment:
  - kvmstack.launch.stage.query
  - kvmstack.launch.state_path
requirements:
  - libvirt-python on the host (Debian's python3-libvirt)
"""

EXAMPLES = r"""
- name: What volumes are here?
  kvmstack.launch.volume_info:
  register: here
"""

RETURN = r"""
volumes:
  description: The volumes, by id.
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
      allocated: 1048576
      attached_to: [{uuid: 7b0f0f3e-5f0c-4d4e-9a53-0f2a3c1c7d11, name: web-1, active: true}]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import query
from ..module_utils.core.specs import STATE_PATH
from ..module_utils.volume.file import find


def main() -> None:
    query(AnsibleModule(argument_spec=STATE_PATH, supports_check_mode=True), "volumes", find)


if __name__ == "__main__":
    main()
