#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The door to what guests have said on their consoles."""

from __future__ import annotations

DOCUMENTATION = r"""
module: console_info
short_description: Read the ends of guests' consoles
version_added: 1.0.0
description:
  - Reads what guests of this host have said on their consoles, the last 100 KiB of each. It may hold secrets, as
    what a guest says at its first boot often does.
extends_documentation_fragment:
  - kvmstack.launch.stage.query
  - kvmstack.launch.state_path
options:
  instances:
    description: The UUIDs of the guests.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: See how far a guest has booted
  kvmstack.launch.console_info:
    instances: [7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10]
  register: here
"""

RETURN = r"""
consoles:
  description:
    - The consoles, in the order of O(instances), each with C(instance_uuid) and C(output), which is null where the
      host has none.
  returned: always
  type: list
  elements: dict
  sample:
    - instance_uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
      output: "web login: "
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import query
from ..module_utils.core.specs import STATE_PATH
from ..module_utils.domain import console

INSTANCES = {"instances": {"type": "list", "elements": "str", "required": True}}
ARGUMENTS = {"argument_spec": {**STATE_PATH, **INSTANCES}, "supports_check_mode": True}


def stage(module: AnsibleModule) -> None:
    """The query, for whoever runs it."""
    query(module, "consoles", console.find)


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
