#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A query of the stage instance: the record against what exists."""

from __future__ import annotations

DOCUMENTATION = r"""
module: audit
short_description: Compare the record with what exists
description:
  - Tells what exists with our mark and has no living record, and what is recorded and does not exist, in all projects.
  - Instances that are being built or deleted are left to the run that drives them. Hosts that O(hosts) does not tell of
    are not judged.
extends_documentation_fragment:
  - kvmstack.launch.database
  - kvmstack.launch.stage.query
options:
  hosts:
    description:
      - What is there by compute host, the C(domains) of M(kvmstack.launch.domain_info), the C(volumes) of
        M(kvmstack.launch.volume_info), and C(disks), the names of the folders of instances.
    type: dict
    default: {}
  ports:
    description: The ports of M(kvmstack.launch.port_info). Left out, ports are not judged.
    type: list
    elements: dict
  project_id:
    description: The only project whose ports could be seen, as with Neutron. Left out, O(ports) are those of all.
    type: str
"""

EXAMPLES = r"""
- name: Compare
  kvmstack.launch.audit:
    database: sqlite:////var/lib/launch.db
    hosts:
      compute-1: {domains: "{{ here.domains }}", volumes: "{{ stored.volumes }}", disks: []}
"""

RETURN = r"""
found:
  description:
    - What does not agree, first what exists and should not (C(problem) is V(orphan)), then what should exist and does
      not (V(missing)). Each has C(kind) (V(domain), V(disk), V(volume), V(port) or V(allocation)), C(id), C(name),
      C(instance_uuid), C(host), C(network) (of a port) and C(reason).
  type: list
  elements: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import query
from ..module_utils.core.specs import DATABASE
from ..module_utils.instance import audit_sql

SPEC = {
    **DATABASE,
    "hosts": {"type": "dict", "default": {}},
    "ports": {"type": "list", "elements": "dict"},
    "project_id": {"type": "str"},
}
ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True}


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    query(module, "found", audit_sql.find)


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
