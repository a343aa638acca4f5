#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Door of the stage token."""

from __future__ import annotations

DOCUMENTATION = r"""
module: token
short_description: Establish who launches
description:
  - Establishes the project and the user on whose behalf instances are launched, the first two steps of
    OpenStack's instance launch.
  - With O(identity=none), the embedded default, there is no identity service and nobody is asked; the
    result says so, and whoever can run the playbook launches for O(project_id).
extends_documentation_fragment:
  - kvmstack.launch.project
  - kvmstack.launch.stage.query
options:
  identity:
    description: The identity service.
    type: str
    choices: [none]
    default: none
  user_id:
    description: The user recorded with the instances. Left out, the account that runs the module.
    type: str
"""

EXAMPLES = r"""
- name: Say who launches
  kvmstack.launch.token:
    identity: none
    project_id: default
  register: launch_token
"""

RETURN = r"""
identity:
  description: The identity service that vouches for the rest; V(none) vouches for nothing.
  type: str
  returned: always
project_id:
  description: The project that instances are launched for.
  type: str
  returned: always
user_id:
  description: The user that launches.
  type: str
  returned: always
roles:
  description: What the user may do in the project.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.specs import PROJECT
from ..module_utils.token import model


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **PROJECT,
            "identity": {"type": "str", "choices": ["none"], "default": "none"},
            "user_id": {"type": "str"},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, **model.embedded(module.params).to_result())


if __name__ == "__main__":
    main()
