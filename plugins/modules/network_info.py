#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The query of the stage network."""

from __future__ import annotations

DOCUMENTATION = r"""
module: network_info
short_description: List the networks and security groups of instances in OVN
version_added: 1.0.0
description:
  - Lists the networks and security groups that M(kvmstack.launch.network) made.
extends_documentation_fragment:
  - kvmstack.launch.northbound
  - kvmstack.launch.stage.query
options:
  names:
    description: Only those of these names. Left out, all.
    type: list
    elements: str
  project_id:
    description: Only those of this project, and those that are shared. Left out, of all.
    type: str
  kinds:
    description: Only those of these kinds. Left out, both.
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
"""

RETURN = r"""
networks:
  description:
    - The networks and then the groups, by name, with the fields that M(kvmstack.launch.network) returns.
    - A network also has C(used), whether it has ports, or is a router's external network.
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

from ..module_utils.core.run import query
from ..module_utils.core.specs import NORTHBOUND
from ..module_utils.network.model import NETWORK, SECURITY_GROUP
from ..module_utils.network.ovn import backend as ovn

SPEC = {
    **NORTHBOUND,
    "names": {"type": "list", "elements": "str"},
    "project_id": {"type": "str"},
    "kinds": {"type": "list", "elements": "str", "choices": [NETWORK, SECURITY_GROUP]},
}
ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True}


def stage(module: AnsibleModule) -> None:
    """The query, for whoever runs it."""
    query(module, "networks", lambda params: ovn.connect(params).find(params))


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
