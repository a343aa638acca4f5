#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The conductor's door of the stage instance."""

from __future__ import annotations

DOCUMENTATION = r"""
module: instance_update
short_description: Record what the stages made of instances
version_added: 1.0.0
description:
  - Settles every instance's next state from what the stages laid into its document and writes it to the record, as
    nova's conductor does for the compute hosts, which never reach the database.
  - An instance whose domain runs becomes ACTIVE, with the addresses of its ports. One that failed goes back to be
    scheduled elsewhere while it has attempts left, or becomes ERROR with its fault when another host could not
    do better. One that was being deleted and has no parts left leaves the record and gives back its claim.
extends_documentation_fragment:
  - kvmstack.launch.database
  - kvmstack.launch.project
  - kvmstack.launch.lease
  - kvmstack.launch.stage
options:
  instances:
    description:
      - Documents of instances, as the stages left them; the same documents come back as the record now has them.
      - In the middle of a run what was made of an instance so far is written down, and it goes on. One that the run is
        done with is C(settled) then, and so is one that another run drives by now.
      - One that another run has destroyed, or has on another host, is C(abandoned). It goes on as one that is being
        deleted, until what this run has made of it is taken back, and has failed then.
    type: list
    elements: dict
    required: true
  max_attempts:
    description: How many hosts a launch may try.
    type: int
    default: 3
  interim:
    description:
      - Whether the compute hosts have yet to have their turn. What was made so far is written down, and an instance
        that is being deleted is not taken for gone.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Write the outcome of the round
  kvmstack.launch.instance_update:
    database: sqlite:////var/lib/launch.db
    instances: "{{ launch.instances | kvmstack.launch.gather(hostvars) }}"
  register: launch
"""

RETURN = r"""
instances:
  description: The documents with their new status, addresses and faults.
  type: list
  elements: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import Stage, run
from ..module_utils.core.specs import DATABASE, PROJECT
from ..module_utils.instance import outcome, sql
from ..module_utils.record import lease

SPEC = {
    **DATABASE,
    **PROJECT,
    **lease.SPEC,
    "instances": {"type": "list", "elements": "dict", "required": True},
    "max_attempts": {"type": "int", "default": 3},
    "interim": {"type": "bool", "default": False},
}
ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True}
STAGE = Stage("instance_update", outcome.parse, sql.conductor, outcome.plan, list_name="instances")


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    run(module, STAGE)


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
