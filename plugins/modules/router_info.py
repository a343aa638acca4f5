#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The query of the stage router."""

from __future__ import annotations

DOCUMENTATION = r"""
module: router_info
short_description: List the routers between networks in OVN
version_added: 1.0.0
description:
  - Lists the routers that M(kvmstack.launch.router) made.
extends_documentation_fragment:
  - kvmstack.launch.northbound
  - kvmstack.launch.stage.query
options:
  names:
    description: Only those of these names. Left out, all.
    type: list
    elements: str
  project_id:
    description: Only those of this project. Left out, of all.
    type: str
"""

EXAMPLES = r"""
- name: See which address a router has outside
  kvmstack.launch.router_info:
    ovn: {northbound: "tcp:192.0.2.10:6641"}
    names: [main]
"""

RETURN = r"""
routers:
  description: The routers by name, with the fields that M(kvmstack.launch.router) returns.
  type: list
  elements: dict
  returned: success
  sample:
    - name: main
      project_id: default
      external_network: provider
      external_ip: 192.0.2.50
      external_ipv6: null
      snat: true
      distributed: false
      routes: []
      networks: [lab]
      gateways: [kvm1, kvm2]
      keep: true
      record_id: null
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import query
from ..module_utils.core.specs import NORTHBOUND
from ..module_utils.router.ovn import backend as ovn

SPEC = {
    **NORTHBOUND,
    "names": {"type": "list", "elements": "str"},
    "project_id": {"type": "str"},
}
ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True}


def stage(module: AnsibleModule) -> None:
    """The query, for whoever runs it."""
    query(module, "routers", lambda params: ovn.connect(params).find(params))


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
