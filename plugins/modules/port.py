#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Door of the stage port."""

from __future__ import annotations

DOCUMENTATION = r"""
module: port
short_description: Make the network ports of instances in OVN
description:
  - Makes each port a logical switch port in the OVN northbound, with its MAC address, its IP address, native DHCP,
    port security and security groups; and the network's logical switch with the first port.
  - Everything a task changes is one OVSDB transaction. A port is never there without its default deny, and of two
    controllers at work at the same time no two give out one address.
  - Only what carries our mark (C(external_ids) that begin with C(kvmstack:)) is ever changed or removed.
  - With O(state=absent) ports are removed. A network goes with its last port, a security group with its last
    member.
  - Neutron is not needed and not used. Networks have no router.
extends_documentation_fragment:
  - kvmstack.launch.northbound
  - kvmstack.launch.stage
  - kvmstack.launch.state
options:
  ports:
    description: The ports. An option that is left out leaves an existing port as it is.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description: The port's UUID. It is the name of the logical switch port, and the C(iface-id) on the host.
        type: str
        required: true
      name:
        description: The port's name, for people.
        type: str
        required: true
      instance_uuid:
        description: The instance that the port belongs to.
        type: str
        required: true
      network:
        description: The network that the port is on. It is defined in O(networks), or there already.
        type: str
        required: true
      host:
        description: The chassis that the port is bound to. Left out of a new port, any chassis may claim it.
        type: str
      mac_address:
        description: The MAC address. Left out, a new port's follows from its id. It cannot change.
        type: str
      fixed_ip:
        description: The IP address. Left out, a new port has the lowest free one. It cannot change.
        type: str
      security_groups:
        description:
          - The names of the security groups. Left out, a new port is in C(default).
          - An empty list is no group at all, and nothing but DHCP and ARP passes.
        type: list
        elements: str
      port_security:
        description:
          - Whether the port may use only its own addresses, and is under security groups. Left out, a new port does
            what its network says.
        type: bool
  networks:
    description:
      - Networks by name. Each has C(cidr) (IPv4, required), C(gateway) (the first address if left out, as in neutron;
        null is none), C(dns) (a list of addresses), C(mtu) (1442), C(allocation_pool) (C(start) and C(end)),
        C(dhcp) (true), C(domain) and C(port_security) (true).
      - The gateway's address is kept free for a router. Without a gateway the first address still is DHCP's.
      - A definition is written when a port of this task is on that network. The C(cidr) of a network that has ports
        cannot change.
    type: dict
    default: {}
  security_groups:
    description:
      - Security groups by name, each a list of rules. What no rule allows is dropped.
      - A rule has C(direction) (C(ingress) or C(egress), C(ingress) if left out), C(protocol) (C(tcp), C(udp), C(sctp),
        C(icmp), a number, or C(any), which is the default), C(port) (C(80) or C(8000-8100)), C(remote) (a CIDR, or the
        name of a group) and C(ethertype) (C(IPv4) or C(IPv6), by default that of the CIDR, else C(IPv4)).
      - A group without an egress rule lets everything out. The group C(default), unless it is defined here, also lets
        in what its own members send. Both is as in neutron.
      - A definition is written when a port of this task is in that group.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Make a web server's port
  kvmstack.launch.port:
    northbound: tcp:192.0.2.10:6641
    networks:
      private: {cidr: 10.20.0.0/24, dns: [192.0.2.53]}
    security_groups:
      web:
        - {protocol: tcp, port: 80, remote: 0.0.0.0/0}
    ports:
      - id: 0e991dc9-0757-52de-86e1-25bfde01721f
        name: web-1
        instance_uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
        network: private
        host: compute-1
        security_groups: [default, web]

- name: Remove it, and the network with its last port
  kvmstack.launch.port:
    northbound: tcp:192.0.2.10:6641
    state: absent
    ports:
      - id: 0e991dc9-0757-52de-86e1-25bfde01721f
        name: web-1
        instance_uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
        network: private
"""

RETURN = r"""
ports:
  description:
    - One result for each port, in order. C(up) says whether its chassis has wired it.
    - A port whose network or security group changed with its definition is an C(update) too.
    - A failed one has C(msg), and C(abort) when no other host can help.
  type: list
  elements: dict
  returned: always
  sample:
    - id: 0e991dc9-0757-52de-86e1-25bfde01721f
      name: web-1
      instance_uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
      network: private
      host: compute-1
      mac_address: fa:16:3e:29:a9:ea
      fixed_ip: 10.20.0.2
      tap: tap0e991dc9-07
      cidr: 10.20.0.0/24
      gateway: 10.20.0.1
      dns: [192.0.2.53]
      mtu: 1442
      dhcp: true
      domain: null
      security_groups: [default, web]
      port_security: true
      up: false
      action: create
      changed: true
      failed: false
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import run
from ..module_utils.core.specs import NORTHBOUND, REQUIRED, STATE, listed
from ..module_utils.port import model, ovn, request


def main() -> None:
    port = {
        **dict.fromkeys(("id", "name", "instance_uuid", "network"), REQUIRED),
        **dict.fromkeys(("host", "mac_address", "fixed_ip"), {"type": "str"}),
        "security_groups": {"type": "list", "elements": "str"},
        "port_security": {"type": "bool"},
    }
    definitions = dict.fromkeys(("networks", "security_groups"), {"type": "dict", "default": {}})
    module = AnsibleModule(
        argument_spec={**STATE, **NORTHBOUND, **definitions, **listed("ports", **port)},
        supports_check_mode=True,
    )
    run(module, "ports", request.parse, ovn.connect, model.plan)


if __name__ == "__main__":
    main()
