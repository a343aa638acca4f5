#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Door of the stage gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway
short_description: A compute host as the gateway of its guests' networks
version_added: 1.0.0
description:
  - Makes a compute host the gateway of networks whose C(router) is V(host), for the instances that it has. The gateway
    is an interface in the integration bridge, bound to the network's localport in OVN. It has the network's gateway
    address, the same on every host.
  - What guests send to elsewhere leaves with the host's own address (masquerade). From elsewhere nothing comes in but
    answers. dnsmasq answers for names by the servers that the host asks.
  - Where the network has C(ipv6_cidr), all this is so of IPv6 as well, and dnsmasq announces the gateway as the router
    of that /64 (SLAAC). As Linux takes no such announcements any more once it forwards, interfaces of the host that
    take them then have C(accept_ra=2), by which they go on.
  - A gateway is there as long as an instance on this host uses it, and comes back at boot.
  - A host that has another route to the network's addresses is refused, and so is one that talks to any of them now
    (connections, name servers, OVN's databases, tunnels), which it would lose.
extends_documentation_fragment:
  - kvmstack.launch.stage
  - kvmstack.launch.instances
  - kvmstack.launch.state
  - kvmstack.launch.state_path
requirements:
  - nftables, dnsmasq and the units of the role P(kvmstack.launch.compute_host#role) on the host
options:
  gateways:
    description:
      - The instances and the gateways that they use, all in one task. An instance uses these and no others.
      - Either this or O(instances) is required.
    type: list
    elements: dict
    suboptions:
      instance_uuid:
        description: The instance.
        type: str
        required: true
      name:
        description: Its name, for messages.
        type: str
      gateways:
        description: What it uses; ignored with O(state=absent).
        type: list
        elements: dict
        default: []
        suboptions:
          port:
            description: The id of the network's localport, P(kvmstack.launch.port#module)'s C(gateway_port).
            type: str
            required: true
          mac:
            description: The gateway's MAC address, C(gateway_mac).
            type: str
            required: true
          network:
            description: The network's name, for messages.
            type: str
            required: true
          address:
            description:
              - The gateway's address with the prefix length, such as V(10.20.0.1/24). Left out for a network of IPv6
                alone.
            type: str
          mtu:
            description: The network's MTU in bytes.
            type: int
            default: 1442
          domain:
            description: The network's domain.
            type: str
          ipv6_address:
            description: The gateway's IPv6 address with the prefix length 64, such as V(fd00:20::1/64), if it has any.
            type: str
          rdnss:
            description: The IPv6 addresses of servers that it names to guests.
            type: list
            elements: str
"""

EXAMPLES = r"""
- name: Let an instance out
  kvmstack.launch.gateway:
    gateways:
      - instance_uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
        gateways:
          - port: c08c513d-6ba2-5bed-8f4b-97a255946444
            mac: fa:16:3f:1c:7a:02
            network: private
            address: 10.20.0.1/24
            ipv6_address: fd00:20::1/64
            rdnss: [fd00:20::1]
"""

RETURN = r"""
gateways:
  description: What each instance uses, in the order of the option.
  returned: with O(gateways)
  type: list
  elements: dict
  contains:
    instance_uuid:
      description: The instance.
      type: str
      returned: always
    gateways:
      description: What it uses, with the C(interface) of each.
      type: list
      elements: dict
      returned: always
    action:
      description: One of keep, create, update, delete.
      type: str
      returned: always
    changed:
      description: Whether something was done, or would be.
      type: bool
      returned: always
    failed:
      description: Whether the item failed.
      type: bool
      returned: always
    msg:
      description: What is wrong and what to do.
      type: str
      returned: when the item failed
instances:
  description: The documents, as they came; with C(failed) and C(msg) where a gateway was not made.
  returned: with O(instances)
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import Stage, run
from ..module_utils.core.specs import STATE, STATE_PATH, arguments
from ..module_utils.gateway import host, model, request

STAGE = Stage(
    "gateway", request.parse, host.connect, model.plan, request.OPTIONS, model.as_text, request.items_of, on_host=True
)
ARGUMENTS = arguments("gateways", request.OPTIONS, {**STATE, **STATE_PATH})


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    run(module, STAGE)


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
