#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The query of the stage instance."""

from __future__ import annotations

DOCUMENTATION = r"""
module: instance_info
short_description: List instances of the record
version_added: 1.0.0
description:
  - Lists the living instances of a project with their status, host, addresses, volumes and faults.
extends_documentation_fragment:
  - kvmstack.launch.database
  - kvmstack.launch.project
  - kvmstack.launch.stage.query
options:
  names:
    description: Only instances of these names. Left out, all.
    type: list
    elements: str
  hosts:
    description: Only instances on these hosts. Left out, on all hosts and on none.
    type: list
    elements: str
  all_projects:
    description: Whether to list the instances of all projects, for administrators.
    type: bool
    default: false
  actions:
    description:
      - Whether to tell also what has happened, as C(actions) with their C(events), and C(faults). In these C(message)
        is for users, C(details) for administrators, with the whole message where that names hosts.
    type: bool
    default: false
  columns:
    description:
      - In place of the documents, one text that is a table of these, C(name), C(uuid), C(status), C(host), C(address),
        C(volumes), C(seconds), C(fault), and other fields of a document that are texts. Made for thousands of them.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: List everything on one host
  kvmstack.launch.instance_info:
    database: sqlite:////var/lib/launch.db
    hosts: [compute-1]
"""

RETURN = r"""
instances:
  description:
    - The document of each instance, as M(kvmstack.launch.instance) returns it, in the order of their names.
    - Beside that C(seen), when its host was last asked, and C(unknown_since) where the host does not answer, whose
      instances are C(UNKNOWN). Both are in UTC.
  type: list
  elements: dict
  returned: when O(columns) is left out
record_id:
  description: The identity of the record, by which marks say what belongs to it; null before its first launch.
  type: str
  returned: when O(columns) is left out
table:
  description: The instances as a table, in lines.
  type: str
  returned: when O(columns) is given
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import failing
from ..module_utils.core.specs import DATABASE, PROJECT
from ..module_utils.instance import listing

NAMES = {"type": "list", "elements": "str"}
SWITCH = {"type": "bool", "default": False}
SPEC = {
    **DATABASE,
    **PROJECT,
    **dict.fromkeys(("names", "hosts", "columns"), NAMES),
    **dict.fromkeys(("all_projects", "actions"), SWITCH),
}
ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True}


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    if module.params["columns"]:
        with failing(module):
            table = listing.find_table(module.params)
        module.exit_json(changed=False, table=table)
    with failing(module):
        found, record_id = listing.find(module.params)
    module.exit_json(changed=False, instances=[each.to_result() for each in found], record_id=record_id)


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
