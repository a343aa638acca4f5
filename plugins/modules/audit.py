#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record against what exists: a stage that asks for nothing, but what it finds may go."""

from __future__ import annotations

DOCUMENTATION = r"""
module: audit
short_description: Compare the record with what exists
version_added: 1.0.0
description:
  - Tells what exists with our mark and should not, and what is recorded and does not exist, in all projects.
  - It changes nothing, unless O(repair) is set. Then it gives back what is claimed of hosts for instances that do not
    live. What exists on hosts and in the network is removed by the stages that made it, as audit.yml does.
  - What exists carries the identity of its record. Only what this record knows to be deleted, or to be elsewhere, is an
    orphan. What belongs to another record, or what this one has never had, is told as such, so that an audit against
    the wrong database, or an old copy of it, finds nothing to remove.
  - Instances that are being built or deleted are left to the run that drives them. Hosts of which O(hosts) does not say
    what is there are not judged, but named, with what is recorded there.
extends_documentation_fragment:
  - kvmstack.launch.database
  - kvmstack.launch.stage
options:
  hosts:
    description:
      - What is there by compute host, the C(domains) and C(directories) of M(kvmstack.launch.domain_info), the
        C(volumes) of M(kvmstack.launch.volume_info) and the C(gateways) of M(kvmstack.launch.gateway_info); or C(msg)
        alone, why that is not known.
    type: dict
    default: {}
  ports:
    description: The ports of M(kvmstack.launch.port_info). Left out, ports are not judged.
    type: list
    elements: dict
  networks:
    description: The networks and groups of M(kvmstack.launch.network_info). Left out, networks are not judged.
    type: list
    elements: dict
  project_id:
    description: The only project whose ports could be seen, as with Neutron. Left out, O(ports) are those of all.
    type: str
  repair:
    description: Whether to give back the claims that are orphans.
    type: bool
    default: false
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
        gateways: "{{ out.gateways }}"
"""

RETURN = r"""
found:
  description:
    - What does not agree, first what exists and should not, then what should exist and does not, then the hosts of
      which that is not known.
    - Each has C(problem), C(kind) (V(domain), V(disk), V(volume), V(gateway), V(port), V(network), V(security_group),
      V(allocation) or V(host)), C(id), C(name),
      C(instance_uuid), C(host), C(network) (of a port or a gateway the name of its network, of a network its own),
      C(record_id) (whose it says that it is), C(shared) (of a network that is of all projects), C(reason), and
      C(action), V(delete) of a claim that was given back.
    - C(problem) is V(orphan) of what was deleted or is elsewhere, V(foreign) of what is another record's, V(unknown) of
      what this record has never had or what contradicts it, V(missing) of what should exist, and V(unseen) of a host
      that was not looked at.
  type: list
  elements: dict
  returned: always
  sample:
    - problem: orphan
      kind: domain
      id: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
      name: web-1
      instance_uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
      host: compute-1
      network: null
      record_id: 5b2a4a0c-8d1e-4d52-9d0b-0a8f8c5e6a11
      shared: false
      reason: its instance was deleted
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import Stage, run
from ..module_utils.core.specs import DATABASE
from ..module_utils.instance import audit, audit_sql

SPEC = {
    **DATABASE,
    "hosts": {"type": "dict", "default": {}},
    **dict.fromkeys(("ports", "networks"), {"type": "list", "elements": "dict"}),
    "project_id": {"type": "str"},
    "repair": {"type": "bool", "default": False},
}
ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True}


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    plan = audit.planner(module.params["repair"])
    run(module, Stage("audit", audit_sql.parse, audit_sql.connect, plan, as_text=audit.as_text, list_name="found"))


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
