#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Door of the stage schedule."""

from __future__ import annotations

DOCUMENTATION = r"""
module: schedule
short_description: Choose hosts for instances and claim their room
description:
  - Chooses a compute host for every instance that has none, with nova's filters and weighers, and claims the
    vCPUs, RAM and disk there in one transaction. Two controllers can not both claim the last room.
  - An instance that holds a claim keeps its host. One that fits nowhere fails, and its message counts for
    each filter the hosts it refused, and why.
extends_documentation_fragment:
  - kvmstack.launch.database
  - kvmstack.launch.stage
options:
  instances:
    description: Documents of M(kvmstack.launch.instance).
    type: list
    elements: dict
    required: true
  candidates:
    description: The hosts that may be chosen. Left out, all that the record knows.
    type: list
    elements: str
  nodes:
    description:
      - Compute nodes as M(kvmstack.launch.host_info) tells them, for hosts that the record does not know yet.
        Check mode needs it, where nothing has been recorded.
    type: list
    elements: dict
    default: []
  filters:
    description: The filters to apply, in order.
    type: list
    elements: str
    default: [ComputeFilter, RetryFilter, VolumeFilter, CoreFilter, RamFilter, DiskFilter]
  weighers:
    description: The weighers to apply, each with its multiplier; a negative one turns it round.
    type: dict
    default: {RAMWeigher: 1.0, CPUWeigher: 1.0}
  max_attempts:
    description: How many hosts a launch may try; one less is the number of alternates.
    type: int
    default: 3
"""

EXAMPLES = r"""
- name: Choose hosts
  kvmstack.launch.schedule:
    database: sqlite:////var/lib/launch.db
    instances: "{{ launch_accepted.instances }}"
    candidates: "{{ groups['compute'] }}"
    weighers: {RAMWeigher: -1.0}
"""

RETURN = r"""
instances:
  description: The documents with C(host), C(alternates) and the C(weights) of these.
  type: list
  elements: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import run
from ..module_utils.core.specs import DATABASE
from ..module_utils.schedule import model, policy, sql


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **DATABASE,
            **policy.SPEC,
            "instances": {"type": "list", "elements": "dict", "required": True},
            "candidates": {"type": "list", "elements": "str"},
            "nodes": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    run(module, "instances", model.parse, sql.connect, policy.plan(module.params))


if __name__ == "__main__":
    main()
