#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Door of the bridges on a compute host's wires."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bridge
short_description: Connect a compute host to the wires of provider networks
version_added: 1.0.0
description:
  - Makes a bridge of Open vSwitch for each wire that a compute host is on, puts the interface to it into the bridge,
    and maps the bridge to the wire's name for OVN's controller (C(ovn-bridge-mappings)).
  - What is not named any more is taken back, as far as it was made here. Bridges, ports and mappings of others stay.
  - An interface is refused that has an address or the default route, or over which another lies that has (a VLAN, a
    bond, a bridge). It would be lost, and perhaps the host with it.
  - The unit C(kvmstack-link@INTERFACE) of the role P(kvmstack.launch.compute_host#role) brings the interface up, now
    and at boot.
extends_documentation_fragment:
  - kvmstack.launch.stage
options:
  mappings:
    description:
      - By the name of each wire, the C(physical_network) of networks, the C(bridge) and its C(interface). Without an
        C(interface) the bridge's way to the wire is your own affair.
    type: dict
    default: {}
  datapath_type:
    description: The datapath of OVN's bridges, empty for the kernel's.
    type: str
    choices: ["", system, netdev]
    default: ""
"""

EXAMPLES = r"""
- name: Connect the host to a wire by its second interface
  kvmstack.launch.bridge:
    mappings:
      physnet1: {bridge: br-ex, interface: eth1}
"""

RETURN = r"""
bridges:
  description:
    - One result for each wire, those first that are not named any more.
    - A failed one has C(msg).
  type: list
  elements: dict
  returned: always
  sample:
    - name: physnet1
      physical_network: physnet1
      bridge: br-ex
      interface: eth1
      datapath_type: system
      action: create
      changed: true
      failed: false
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.bridge import host, model, request
from ..module_utils.core.run import Stage, run

SPEC = {
    "mappings": {"type": "dict", "default": {}},
    "datapath_type": {"type": "str", "choices": ["", "system", "netdev"], "default": ""},
}
ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True}
STAGE = Stage("bridge", request.parse, host.connect, model.plan, as_text=model.as_text)


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    run(module, STAGE)


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
