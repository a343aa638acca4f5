#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The door to what a compute host is the gateway of."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_info
short_description: List the gateways of a compute host
version_added: 1.0.0
description:
  - Lists the gateways that M(kvmstack.launch.gateway) made on this host, and the instances that use them.
extends_documentation_fragment:
  - kvmstack.launch.stage.query
  - kvmstack.launch.state_path
"""

EXAMPLES = r"""
- name: See which networks go out by this host
  kvmstack.launch.gateway_info:
  register: here
"""

RETURN = r"""
gateways:
  description:
    - The gateways, with the fields that M(kvmstack.launch.gateway) returns, C(instances) (the UUIDs of those that use
      it), and C(up), whether it works.
  returned: always
  type: list
  elements: dict
  sample:
    - port: c08c513d-6ba2-5bed-8f4b-97a255946444
      mac: fa:16:3f:1c:7a:02
      network: private
      address: 10.20.0.1/24
      mtu: 1442
      domain: null
      interface: kvgc08c513d6ba
      up: true
      instances: [7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import query
from ..module_utils.core.specs import STATE_PATH
from ..module_utils.gateway import host

ARGUMENTS = {"argument_spec": {**STATE_PATH}, "supports_check_mode": True}


def stage(module: AnsibleModule) -> None:
    """The query, for whoever runs it."""
    query(module, "gateways", host.find)


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
