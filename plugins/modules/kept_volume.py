#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A door of the room instance: volumes that go without one."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kept_volume
short_description: Let volumes that have outlived their instances go
version_added: 1.0.0
description:
  - Lists a project's volumes on compute hosts, and takes those that are named out of the record, in two steps. Without
    O(answers) they are marked, so that no instance is given one any more. With O(answers) those go that their hosts
    have removed, by M(kvmstack.launch.volume).
  - The playbook C(kvmstack.launch.volume_delete) does both, and what is between.
  - One that an instance has is refused. One that does not exist is gone.
  - Volumes of Cinder and of Ceph are for their own services to delete.
extends_documentation_fragment:
  - kvmstack.launch.database
  - kvmstack.launch.project
  - kvmstack.launch.stage
options:
  names:
    description:
      - The volumes that are to go. With none, those of which an earlier run has marked go, all are listed.
    type: list
    elements: str
    default: []
  answers:
    description:
      - What the volumes' hosts have said, by the volume's id. An empty text when it is gone, else why it is not.
      - The filter P(kvmstack.launch.gone#filter) makes it.
    type: dict
"""

EXAMPLES = r"""
- name: Mark
  kvmstack.launch.kept_volume:
    database: sqlite:////var/lib/launch.db
    names: [db-data]
  register: launch_kept
"""

RETURN = r"""
volumes:
  description: The volumes that are named, or all of the project's.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The volume's name.
      type: str
      returned: always
    id:
      description: Its UUID; null for one that does not exist.
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
    host:
      description: The compute host that has it.
      type: str
      returned: always
    instance_uuid:
      description: The instance that has it, if one has.
      type: str
      returned: always
    instance:
      description: That instance's name.
      type: str
      returned: always
    status:
      description: One of V(available), V(in-use), V(deleting) and V(deleted).
      type: str
      returned: always
    record_id:
      description: The identity of the record.
      type: str
      returned: always
    action:
      description: V(update) for one that is marked, V(delete) for one that is taken out of the record, else V(keep).
      type: str
      returned: always
    changed:
      description: Whether it was so, or would be.
      type: bool
      returned: always
    failed:
      description: Whether it cannot go.
      type: bool
      returned: always
    msg:
      description: What is wrong and what to do.
      type: str
      returned: when the item failed
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import Stage, failing, run
from ..module_utils.core.specs import DATABASE, PROJECT
from ..module_utils.instance import kept, kept_sql

ARGUMENTS = {"argument_spec": {**DATABASE, **PROJECT, **kept.OPTIONS}, "supports_check_mode": True}


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    with failing(module):
        plan = kept.planner(module.params["answers"])
    run(module, Stage("volume", kept.parse, kept_sql.connect, plan, as_text=kept.as_text))


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
