#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The query of the stage network."""

from __future__ import annotations

DOCUMENTATION = r"""
module: network_info
short_description: List the networks and security groups of instances in OVN, or networks of Neutron
version_added: 1.0.0
description:
  - With O(service=ovn), lists the networks and security groups that M(kvmstack.launch.network) made.
  - With O(service=neutron), lists networks that the user sees, with the physical network of each and the hosts that are
    on it. Neutron tells the first, and the bridge mappings of its agents, to the account of O(service_cloud), if that
    one may know (by default an C(admin)).
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
  names:
    description:
      - Only those of these names, with O(service=neutron) also of these ids.
      - Left out, with O(service=ovn) all, with O(service=neutron) none.
    type: list
    elements: str
  project_id:
    description: With O(service=ovn), only those of this project, and those that are shared. Left out, of all.
    type: str
  kinds:
    description: With O(service=ovn), only those of these kinds. Left out, both.
    type: list
    elements: str
    choices: [network, security_group]
"""

EXAMPLES = r"""
- name: See what a network is defined as
  kvmstack.launch.network_info:
    ovn: {northbound: "tcp:192.0.2.10:6641"}
    names: [private]
    kinds: [network]

- name: See which hosts are on the wire of a network of Neutron
  kvmstack.launch.network_info:
    service: neutron
    cloud: demo
    service_cloud: launcher
    names: [provider]
"""

RETURN = r"""
networks:
  description:
    - The networks and then the groups, by name, with the fields that M(kvmstack.launch.network) returns.
    - Each also has C(used). A network is used that has ports, or is a router's external network; a group that has
      ports, or of which the rules of another speak.
    - One of Neutron has C(name), C(id), C(physical_network) and C(hosts), a list of those that have a bridge mapping
      for it, and no more. What is not known is null. Where Neutron is away or refuses to tell, the list is empty.
  type: list
  elements: dict
  returned: success
  sample:
    - kind: network
      name: private
      keep: true
      record_id: null
      project_id: default
      shared: false
      cidr: 10.20.0.0/24
      ipv6_cidr: null
      ipv6_gateway: null
      gateway: 10.20.0.1
      dns: [192.0.2.53]
      mtu: 1442
      dhcp: true
      domain: null
      port_security: true
      router: host
      physical_network: null
      vlan: null
      allocation_pool: {start: 10.20.0.1, end: 10.20.0.254}
      used: true
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.cloud.module import CloudModule
from ..module_utils.core.run import query
from ..module_utils.core.specs import CLOUD, NORTHBOUND
from ..module_utils.network.model import NETWORK, SECURITY_GROUP
from ..module_utils.network.ovn import backend as ovn
from ..module_utils.port.neutron import wires

BACKENDS = {"ovn": lambda params: ovn.connect(params).find(params), "neutron": wires.find}
SPEC = {
    **NORTHBOUND,
    **CLOUD,
    "service": {"type": "str", "choices": list(BACKENDS), "default": "ovn"},
    "names": {"type": "list", "elements": "str"},
    "project_id": {"type": "str"},
    "kinds": {"type": "list", "elements": "str", "choices": [NETWORK, SECURITY_GROUP]},
}
ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True}


def stage(module: AnsibleModule) -> None:
    """The query, for whoever runs it."""
    query(module, "networks", BACKENDS[module.params["service"]])


def main() -> None:
    stage(CloudModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
