#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The door to what a host's libvirt has of domains."""

from __future__ import annotations

DOCUMENTATION = r"""
module: domain_info
short_description: List the virtual machines of a compute host
version_added: 1.0.0
description:
  - Lists the machines that M(kvmstack.launch.domain) made on this host, by name, and the directories of instances,
    which are there also where a machine is not any more.
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
  all:
    description: Whether to list the machines of others as well, with C(name), C(uuid) and C(status).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: See what runs here
  kvmstack.launch.domain_info:
  register: here
"""

RETURN = r"""
domains:
  description:
    - The machines, with the fields that M(kvmstack.launch.domain) returns, and C(ours), whether that made them.
  returned: always
  type: list
  elements: dict
  sample:
    - name: web-1
      uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
      instance_uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
      status: ACTIVE
      ours: true
      record_id: 5b2a4a0c-8d1e-4d52-9d0b-0a8f8c5e6a11
      vcpus: 1
      ram: 512
directories:
  description:
    - The directories of instances below O(state_path). Each has C(uuid) and, as far as anybody said, C(name),
      C(record_id) and C(project_id).
  returned: always
  type: list
  elements: dict
  sample:
    - uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
      name: web-1
      record_id: 5b2a4a0c-8d1e-4d52-9d0b-0a8f8c5e6a11
      project_id: default
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core import directory
from ..module_utils.core.run import query
from ..module_utils.core.specs import STATE_PATH
from ..module_utils.domain import libvirt

BACKENDS = {"libvirt": libvirt.find}
SPEC = {
    **STATE_PATH,
    "driver": {"type": "str", "choices": list(BACKENDS), "default": "libvirt"},
    "all": {"type": "bool", "default": False},
}
ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True}


def stage(module: AnsibleModule) -> None:
    """The query, for whoever runs it."""
    query(module, "domains", BACKENDS[module.params["driver"]], directories=directory.find)


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
