#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A query of the stage instance: the record against what exists."""

from __future__ import annotations

DOCUMENTATION = r"""
module: audit
short_description: Compare the record with what exists
description:
  - Tells what exists with our mark and should not, and what is recorded and does not exist, in all projects. It changes
    nothing.
  - What exists carries the identity of its record. Only what this record knows to be deleted, or to be elsewhere, is an
    orphan. What belongs to another record, or what this one has never had, is told as such, so that an audit against
    the wrong database, or an old copy of it, finds nothing to remove.
  - Instances that are being built or deleted are left to the run that drives them. Hosts that O(hosts) does not tell of
    are not judged.
extends_documentation_fragment:
  - kvmstack.launch.database
  - kvmstack.launch.stage.query
options:
  hosts:
    description:
      - What is there by compute host, the C(domains) and C(directories) of M(kvmstack.launch.domain_info), and the
        C(volumes) of M(kvmstack.launch.volume_info).
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
      compute-1:
        domains: "{{ here.domains }}"
        directories: "{{ here.directories }}"
        volumes: "{{ stored.volumes }}"
"""

RETURN = r"""
found:
  description:
    - What does not agree, first what exists and should not, then what should exist and does not.
    - Each has C(problem), C(kind) (V(domain), V(disk), V(volume), V(port) or V(allocation)), C(id), C(name),
      C(instance_uuid), C(host), C(network) (of a port), C(record_id) (whose it says that it is) and C(reason).
    - C(problem) is V(orphan) of what was deleted or is elsewhere, V(foreign) of what is another record's, V(unknown) of
      what this record has never had, and V(missing) of what should exist.
  type: list
  elements: dict
  returned: success
  sample:
    - problem: orphan
      kind: domain
      id: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
      name: web-1
      instance_uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
      host: compute-1
      network: null
      record_id: 5b2a4a0c-8d1e-4d52-9d0b-0a8f8c5e6a11
      reason: its instance was deleted
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
