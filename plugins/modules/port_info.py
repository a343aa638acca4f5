#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The query of the stage port."""

from __future__ import annotations

DOCUMENTATION = r"""
module: port_info
short_description: List the ports of instances in OVN or Neutron
version_added: 1.0.0
description:
  - Lists the ports that M(kvmstack.launch.port) made or was lent, and whether their hosts have wired them.
  - With O(service=neutron) these are the ports of the user's project that have our mark.
extends_documentation_fragment:
  - kvmstack.launch.northbound
  - kvmstack.launch.cloud
  - kvmstack.launch.stage.query
options:
  service:
    description: Who has the networks, the OVN northbound itself or Neutron.
    type: str
    choices: [ovn, neutron]
    default: ovn
  instance_uuids:
    description: Only ports of these instances. Left out, of all.
    type: list
    elements: str
  names:
    description: Only ports of these names. Left out, of all.
    type: list
    elements: str
  networks:
    description: Only ports on these networks; with O(service=neutron), also by id. Left out, on all.
    type: list
    elements: str
  record_id:
    description:
      - Only ports of this record of instances, as its audit needs them, whatever the other filters say. No more is told
        of them than C(id), C(name), C(instance_uuid), C(network), C(host) and C(record_id).
      - Among them are those that somebody removed and whose floating IP is still there, with C(left) true.
      - With O(service=neutron) it is passed over.
    type: str
"""

EXAMPLES = r"""
- name: See whether an instance's ports are wired
  kvmstack.launch.port_info:
    ovn: {northbound: "tcp:192.0.2.10:6641"}
    instance_uuids: [7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10]
  register: found
  until: found.ports | rejectattr("up") | length == 0
  retries: 30
  delay: 1

- name: List all that was made in Neutron for a project
  kvmstack.launch.port_info:
    service: neutron
    cloud: demo
    service_cloud: launcher
"""

RETURN = r"""
ports:
  description: The ports, by name, with the fields that M(kvmstack.launch.port) returns.
  type: list
  elements: dict
  returned: success
  sample:
    - id: 0e991dc9-0757-52de-86e1-25bfde01721f
      name: web-1
      instance_uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
      network: private
      host: compute-1
      mac_address: fa:16:3e:29:a9:ea
      fixed_ip: 10.20.0.2
      fixed_ips: [10.20.0.2]
      port_id: 0e991dc9-0757-52de-86e1-25bfde01721f
      status: ACTIVE
      up: true
      adopted: false
      record_id: null
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.cloud.module import CloudModule
from ..module_utils.core.run import query
from ..module_utils.core.specs import CLOUD, NORTHBOUND
from ..module_utils.port.neutron import backend as neutron
from ..module_utils.port.ovn import backend as ovn

BACKENDS = {"ovn": ovn.connect, "neutron": neutron.connect}
SPEC = {
    **NORTHBOUND,
    **CLOUD,
    "service": {"type": "str", "choices": list(BACKENDS), "default": "ovn"},
    **{name: {"type": "list", "elements": "str"} for name in ("instance_uuids", "names", "networks")},
    "record_id": {"type": "str"},
}
ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True}


def stage(module: AnsibleModule) -> None:
    """The query, for whoever runs it."""
    query(module, "ports", lambda params: BACKENDS[params["service"]](params).find(params))


def main() -> None:
    stage(CloudModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
