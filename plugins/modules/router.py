#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Door of the stage router."""

from __future__ import annotations

DOCUMENTATION = r"""
module: router
short_description: Make routers between networks in OVN, and out of them
version_added: 1.0.0
description:
  - Makes each router a logical router in the OVN northbound. On it are the networks that say so
    (M(kvmstack.launch.network), C(router)); their gateway's address is the router's, which also announces itself where
    there is an C(ipv6_cidr). Everything a task changes is one OVSDB transaction.
  - By its external network, one with a C(physical_network), guests get out with the router's address there, and
    floating IPs get in to them (M(kvmstack.launch.port), C(floating_ip)). One of up to five hosts on that physical
    network is the way at a time; when it fails, the next one takes over within three seconds.
  - IPv6 is routed and never translated, as in neutron. Where the external network has C(ipv6_cidr), the router has an
    address there, C(external_ipv6), by which others outside reach its networks' C(ipv6_cidr); their routes say so. What
    leaves goes by C(ipv6_gateway), if that is said.
  - A packet from outside that is too long for a network of the router is answered with ICMP, never lost in silence.
  - With O(state=absent) they are removed, unless networks are on them.
  - Only what carries our mark is ever changed or removed, C(external_ids) that begin with C(kvmstack:).
extends_documentation_fragment:
  - kvmstack.launch.instances
  - kvmstack.launch.northbound
  - kvmstack.launch.project
  - kvmstack.launch.stage
  - kvmstack.launch.state
options:
  routers:
    description:
      - Definitions of routers by name. Each may have C(external_network) (a network's name), C(snat) (true with an
        external network; false has guests leave with their own addresses), C(external_ip) (the router's address
        there, the lowest free one of its C(allocation_pool) if left out), C(external_ipv6) (if left out what follows
        from its MAC address, as for a guest; required where the external network has no C(cidr)), C(distributed) and
        C(routes), a list of C(destination) and C(nexthop), both of one family. The external network's gateways are the
        default routes.
      - C(distributed) (false) says how floating IPs go, as C(enable_distributed_floating_ip) does in Neutron. True has
        the host of its port translate each, where that host is on the external network's C(physical_network), and the
        gateway the others. M(kvmstack.launch.port) puts it into effect, at a port's next run.
      - A router is its project's own; its external network may be one that all projects share.
    type: dict
    default: {}
  networks:
    description: Definitions of networks, as M(kvmstack.launch.network) has them.
    type: dict
    default: {}
  gateways:
    description: The hosts on each physical network, by the names that OVN knows them by, the best first.
    type: dict
    default: {}
  wanted:
    description:
      - Which of them are asked for. One that is not defined must be there already. Left out, all that are defined.
      - With O(instances) it is those of the networks that their ports are on, which go with the last of these.
    type: list
    elements: dict
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      keep:
        description:
          - Whether it stays when its last network is removed. A launch makes what goes with its last network.
          - What is kept once is kept until O(state=absent).
        type: bool
        default: true
      record_id:
        description: The UUID of the record of instances that it is made for. The first one stays.
        type: str
      project_id:
        description: The project that it is of. Left out, O(project_id).
        type: str
"""

EXAMPLES = r"""
- name: Make an external network, and one behind a router
  kvmstack.launch.network:
    ovn: {northbound: "tcp:192.0.2.10:6641"}
    networks: &networks
      provider:
        physical_network: physnet1
        cidr: 192.0.2.0/24
        allocation_pool: {start: 192.0.2.50, end: 192.0.2.99}
        shared: true
      lab: {cidr: 10.30.0.0/24, router: main}

- name: Make the router
  kvmstack.launch.router:
    ovn: {northbound: "tcp:192.0.2.10:6641"}
    networks: *networks
    routers:
      main: {external_network: provider}
    gateways: {physnet1: [kvm1, kvm2]}
"""

RETURN = r"""
routers:
  description:
    - One result for each router, in order.
    - A failed one has C(msg), and C(abort) when no other host can help.
  type: list
  elements: dict
  returned: always
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
      action: create
      changed: true
      failed: false
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import Stage, run
from ..module_utils.core.specs import INSTANCES, NORTHBOUND, PROJECT, STATE
from ..module_utils.router import model, request
from ..module_utils.router.ovn import backend as ovn

STAGE = Stage(
    "router", request.parse, ovn.connect, model.plan, request.WANTED, model.as_text, request.items_of, option="wanted"
)
SPEC = {
    **STATE,
    **NORTHBOUND,
    **PROJECT,
    **INSTANCES,
    **dict.fromkeys(("routers", "networks", "gateways"), {"type": "dict", "default": {}}),
    "wanted": {"type": "list", "elements": "dict", "options": request.WANTED},
}
ARGUMENTS = {
    "argument_spec": SPEC,
    "mutually_exclusive": [("wanted", "instances")],
    "supports_check_mode": True,
}


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    run(module, STAGE)


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
