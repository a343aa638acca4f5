#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Door of the stage network."""

from __future__ import annotations

DOCUMENTATION = r"""
module: network
short_description: Make the networks and security groups of instances in OVN
version_added: 1.0.0
description:
  - Makes each network a logical switch with native DHCP in the OVN northbound, and each security group a port group
    with its ACLs, and changes them when their definitions change. Everything a task changes is one OVSDB transaction.
  - What a wrong definition stops is the items that need it, no other.
  - With O(service=neutron) the networks and groups are Neutron's own. Nothing is made or removed; whether they are
    there M(kvmstack.launch.port) sees.
  - With O(state=absent) they are removed, unless ports use them, or the rules of another group do.
  - Only what carries our mark is ever changed or removed, C(external_ids) that begin with C(kvmstack:).
extends_documentation_fragment:
  - kvmstack.launch.instances
  - kvmstack.launch.northbound
  - kvmstack.launch.project
  - kvmstack.launch.security_groups
  - kvmstack.launch.stage
  - kvmstack.launch.state
options:
  service:
    description: Who has the networks, the OVN northbound itself or Neutron.
    type: str
    choices: [ovn, neutron]
    default: ovn
  networks:
    description:
      - Definitions of networks by name. Each has C(cidr) (IPv4), C(ipv6_cidr) or both, C(gateway) (the first
        address of C(cidr) if left out, as in neutron; null is none), C(dns) (a list of addresses), C(mtu) (1442),
        C(allocation_pool) (C(start) and C(end)), C(dhcp) (true), C(domain), C(port_security) (true) and C(shared)
        (false).
      - The default of C(mtu) is what Geneve over IPv4 leaves of 1500 bytes. Where the hosts' tunnels go over IPv6, say
        1422.
      - A network is its project's own, whatever other projects call theirs. One that is C(shared) is the same for all
        projects that define it so; it is the first one's to change and to remove, and theirs to use as it is.
      - C(router) says who the gateway is. C(host), the default where there is a gateway, is every compute host for its
        own guests (M(kvmstack.launch.gateway)). They get out with the host's address, and ask it for names where no
        C(dns) is said. Any other name is that of a router of several networks (M(kvmstack.launch.router)). With
        C(none) the gateway's address is kept free for a router of yours, and nobody gets out without one.
      - With C(physical_network) it is on a wire of the hosts, as neutron's provider networks are, in frames of the
        C(vlan) (1 to 4094) or, left out, in untagged ones. Each host that is to have its guests maps a bridge to that
        name (C(ovn-bridge-mappings)). Its C(allocation_pool) is required, lies beside the C(gateway), and holds every
        address that a port has or asks for, as the others on the wire ask nobody here. C(mtu) is 1500 if left out, and
        C(router) C(none), as the gateway is a machine there. Neither C(physical_network) nor C(vlan) changes while
        there are ports. No two networks give out the same addresses there, so where several projects launch it is
        C(shared), or has an C(allocation_pool) in each of its own.
      - Without a gateway the first address still is DHCP's.
      - With C(ipv6_cidr), a /64, each port also has the IPv6 address that follows from its MAC address (EUI-64), which
        its guest makes of what the router announces (SLAAC). C(router=host) announces the first address of
        C(ipv6_cidr) as the router, and as a server of names unless C(dns) says otherwise. With C(router=none) nobody
        announces anything, and guests have no such address until a router of yours does. A router of
        M(kvmstack.launch.router) announces it as a host does, but answers for no names. C(domain) is announced too,
        for guests to search for names in.
      - A network with C(ipv6_cidr) and no C(cidr) is of IPv6 alone. Its ports have no other address, so C(gateway),
        C(allocation_pool) and C(dhcp) are not for it (C(gateway=null) still is no gateway), nor are floating IPs.
      - C(ipv6_gateway), with C(physical_network) and C(ipv6_cidr), is the wire's own router there, by an address in
        C(ipv6_cidr) or by its link-local one (C(fe80::1)). A router of M(kvmstack.launch.router) sends by it what
        leaves; guests on the wire go by what it announces.
      - The C(cidr) of a network that has ports cannot change, nor its C(gateway), unless C(router) is C(none). An
        C(ipv6_cidr) may come to it, and then stays as well; a port has its address from its next launch on.
    type: dict
    default: {}
  routers:
    description:
      - Definitions of routers by name, as M(kvmstack.launch.router) has them. A router that a network names must be
        among them. With O(instances), the external networks of the ports' routers are made too.
      - Left out, a router that a network names may be there already, or come later.
    type: dict
  wanted:
    description:
      - Which of them are asked for. One that is not defined must be there already; only the group C(default) has a
        definition of its own.
      - Left out, all that are defined, and to be there also the group C(default), which a port is in that names none.
      - With O(instances) it is what their ports need, which goes with its last port.
    type: list
    elements: dict
    suboptions:
      kind:
        description: What it is.
        type: str
        choices: [network, security_group]
        default: network
      name:
        description: Its name.
        type: str
        required: true
      keep:
        description:
          - Whether it stays when its last port is removed. A launch makes what goes with its last port.
          - What is kept once is kept until O(state=absent).
        type: bool
        default: true
      record_id:
        description: The UUID of the record of instances that it is made for. The first one stays.
        type: str
      project_id:
        description: The project that it is of. Left out, O(project_id).
        type: str
      shared:
        description:
          - Whether the network of all projects is meant, and not the project's own of that name. Left out, as it is
            defined; without a definition, the project's own.
        type: bool
"""

EXAMPLES = r"""
- name: Make a network, one on a wire of the hosts, a security group and the group default
  kvmstack.launch.network:
    ovn: {northbound: "tcp:192.0.2.10:6641"}
    networks:
      private: {cidr: 10.20.0.0/24, dns: [192.0.2.53]}
      provider:
        physical_network: physnet1
        vlan: 100
        cidr: 198.51.100.0/24
        gateway: 198.51.100.1
        allocation_pool: {start: 198.51.100.50, end: 198.51.100.99}
        shared: true
    security_groups:
      web:
        - {protocol: tcp, port: 80, remote: 0.0.0.0/0}

- name: Remove the network
  kvmstack.launch.network:
    ovn: {northbound: "tcp:192.0.2.10:6641"}
    state: absent
    wanted:
      - name: private
"""

RETURN = r"""
networks:
  description:
    - One result for each network and group, in order, by its C(kind) and C(name).
    - A network has the fields of its definition, a group its C(rules) in words.
    - A failed one has C(msg), and C(abort) when no other host can help.
  type: list
  elements: dict
  returned: always
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
      action: create
      changed: true
      failed: false
    - kind: security_group
      name: web
      keep: true
      record_id: null
      rules: [ingress IPv4 tcp 80 0.0.0.0/0, egress IPv4 any, egress IPv6 any]
      action: create
      changed: true
      failed: false
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import Stage, run
from ..module_utils.core.specs import INSTANCES, NORTHBOUND, PROJECT, SECURITY_GROUPS, STATE
from ..module_utils.network import model, neutron, request
from ..module_utils.network.ovn import backend as ovn

BACKENDS = {
    service: Stage(
        "network", request.parse, connect, plan, request.WANTED, model.as_text, request.items_of, option="wanted"
    )
    for service, connect, plan in (("ovn", ovn.connect, model.plan), ("neutron", neutron.connect, neutron.plan))
}
SPEC = {
    **STATE,
    **NORTHBOUND,
    **PROJECT,
    **INSTANCES,
    "service": {"type": "str", "choices": list(BACKENDS), "default": "ovn"},
    **SECURITY_GROUPS,
    "networks": {"type": "dict", "default": {}},
    "routers": {"type": "dict"},
    "wanted": {"type": "list", "elements": "dict", "options": request.WANTED},
}
ARGUMENTS = {
    "argument_spec": SPEC,
    "mutually_exclusive": [("wanted", "instances")],
    "supports_check_mode": True,
}


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    run(module, BACKENDS[module.params["service"]])


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
