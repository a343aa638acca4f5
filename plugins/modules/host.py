#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Door of the stage host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host
short_description: Record compute hosts
version_added: 1.0.0
description:
  - Keeps what compute hosts say of themselves in the record, where the scheduler reads it. This is nova's
    resource tracker; what instances have claimed of a host is never touched.
  - A host that has just built something tells only what it has room for; what else is recorded of it stays.
  - Two names of one machine are told in a warning. It counts once, under the name that has most instances.
  - Of a host of O(hosts) that O(nodes) does not tell of only the O(settings) are written, and these only if it was ever
    asked. Its C(age) says whether it was.
extends_documentation_fragment:
  - kvmstack.launch.database
  - kvmstack.launch.stage
options:
  hosts:
    description: Names of compute hosts, as in the inventory.
    type: list
    elements: str
    required: true
  nodes:
    description: What M(kvmstack.launch.host_info) or M(kvmstack.launch.build) told on the hosts.
    type: list
    elements: dict
    default: []
  silent:
    description:
      - Names of hosts that were asked and did not answer. Until one is heard again, the status of its instances is
        UNKNOWN for M(kvmstack.launch.instance_info).
    type: list
    elements: str
    default: []
  settings:
    description:
      - The operator's settings by host, C(enabled), C(disabled_reason), C(vcpus_reserved),
        C(memory_mb_reserved), C(disk_gb_reserved), C(cpu_allocation_ratio), C(ram_allocation_ratio),
        C(disk_allocation_ratio), C(availability_zone), C(aggregates) (mappings of C(name) and C(metadata)),
        C(units) (for C(vcpus), C(memory_mb) and C(disk_gb) the C(min_unit), C(max_unit) and C(step_size) of one claim),
        C(traits) (a list of them beside those that the host tells), C(metrics) (numbers by name),
        C(cpu_dedicated_set) (such as V(4-15,20); all other CPUs are shared) and C(bridge_mappings) (by the
        C(physical_network) of networks the C(bridge) and C(interface) that the host has there).
      - A setting that is not mentioned stays as it is recorded, one that is null becomes the default again.
      - A host whose settings make no sense fails; what it has said is recorded all the same, and so are the others.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Record what all hosts said, and that half of the memory of one is kept for other things
  kvmstack.launch.host:
    database: sqlite:////var/lib/launch.db
    hosts: "{{ groups.compute }}"
    nodes: "{{ groups.compute | kvmstack.launch.answers(hostvars) }}"  # where host_info registered launch_host_info
    settings: {compute-1: {memory_mb_reserved: 65536}}
"""

RETURN = r"""
hosts:
  description:
    - The hosts as recorded, of those that neither O(nodes) nor O(settings) tell of only C(name), C(age) and C(remains).
    - C(age) is the seconds since each was asked, null if it never was.
    - C(remains) are documents of instances that are elsewhere, or deleted, and of which something may be left on the
      host, as it went silent when they were there. M(kvmstack.launch.build) removes that, and tells which are
      C(cleared).
  type: list
  elements: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import Stage, run
from ..module_utils.core.specs import DATABASE
from ..module_utils.host import record, sql

SPEC = {
    **DATABASE,
    "hosts": {"type": "list", "elements": "str", "required": True},
    "nodes": {"type": "list", "elements": "dict", "default": []},
    "silent": {"type": "list", "elements": "str", "default": []},
    "settings": {"type": "dict", "default": {}},
}


ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True}
STAGE = Stage("host", record.parse, sql.connect, record.plan)


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    run(module, STAGE)


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
