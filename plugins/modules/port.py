#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Door of the stage port."""

from __future__ import annotations

DOCUMENTATION = r"""
module: port
short_description: Make the network ports of instances in OVN or Neutron
version_added: 1.0.0
description:
  - With O(service=ovn), makes each port a logical switch port in the OVN northbound, with its MAC address, its IP
    addresses, native DHCP, port security, security groups and limits. Its network and its groups are there already,
    made by M(kvmstack.launch.network). Everything a task changes is one OVSDB transaction. A port is never there
    without its default deny, and of two controllers at work at the same time no two give out one address. Neutron is
    not needed. How long a task takes does not depend on how many other ports there are.
  - With O(service=neutron), looks up networks, security groups and the user's own ports with the user's token, makes
    the ports that are missing, at once bound to their hosts, and lends the user's own ones to the instances. Neutron
    gives out the addresses. Floating IPs are made or associated where they are asked for. Ports are made and bound by
    the account of O(service_cloud); what on a network of others only its owner may say, and changes of security
    groups, address pairs and port security, Neutron is asked for with the user's token.
  - Only what carries our mark is ever changed or removed. In OVN these are C(external_ids) that begin with
    C(kvmstack:). In Neutron it is C(kvmstack:) and the port's O(ports[].id), as the description of a port or a
    floating IP that was made here, and as a tag of the user's own port that was lent.
  - With O(state=absent) ports are removed. In OVN a network goes with its last port and a security group with its last
    member, unless they are to be kept. In Neutron the user's own port is given back, without instance and host, and the
    user's own floating IP is only taken from the port.
extends_documentation_fragment:
  - kvmstack.launch.instances
  - kvmstack.launch.northbound
  - kvmstack.launch.cloud
  - kvmstack.launch.security_groups
  - kvmstack.launch.stage
  - kvmstack.launch.state
options:
  service:
    description:
      - Who has the networks, the OVN northbound itself or Neutron.
      - O(ovn) is for V(ovn), O(cloud) and what goes with it for V(neutron).
    type: str
    choices: [ovn, neutron]
    default: ovn
  wait:
    description:
      - With O(service=neutron), whether to wait until the ports are C(ACTIVE), that is until their hosts have wired
        them. They cannot be before the instance's domain is there.
    type: bool
    default: false
  timeout:
    description: For how many seconds to wait. Ports that are not C(ACTIVE) then have failed.
    type: int
    default: 60
  ports:
    description: The ports. An option that is left out leaves an existing port as it is.
    type: list
    elements: dict
    suboptions:
      id:
        description: The port's UUID. In OVN it is the name of the logical switch port. In Neutron it is our mark.
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
        description:
          - The network that the port is on. In OVN the name of one that M(kvmstack.launch.network) made. In Neutron the
            name or id of one that the user sees.
          - Required, unless O(ports[].port) is given.
        type: str
      port:
        description:
          - With O(service=neutron), the name or id of a port of the user's project, in place of a new one. No other
            device may have it.
        type: str
      host:
        description:
          - The host that the port is bound to, by the name of its OVN chassis. Left out of a new port, any chassis may
            claim it.
        type: str
      availability_zone:
        description:
          - With O(service=neutron), the host's availability zone, which is written into the port's C(device_owner) as
            nova does. Left out, V(nova).
        type: str
      mac_address:
        description:
          - The MAC address, of one machine and not of a group of them. Left out, a new port's follows from its id. It
            cannot change.
        type: str
      fixed_ip:
        description:
          - The IP address, the one that DHCP gives. Left out, a new port in OVN has the lowest free one. It cannot
            change.
          - In OVN, on a network with no C(cidr), it is the IPv6 address that follows from the MAC address, and no
            other.
        type: str
      fixed_ips:
        description:
          - With O(service=ovn), all IP addresses of the port, in place of O(ports[].fixed_ip), which is the first. DHCP
            gives the first, the guest is to set the others itself. All are the port's alone.
          - Those beside the first may come and go.
          - They are IPv4. The IPv6 address that a port has where its network has C(ipv6_cidr) follows from its MAC
            address. It may be named here, after the others, and no other one.
        type: list
        elements: str
      security_groups:
        description:
          - The names of the security groups; in Neutron, or ids. Left out, a new port is in C(default).
          - An empty list is no group at all, and nothing but DHCP and ARP passes.
        type: list
        elements: str
      port_security:
        description:
          - Whether the port may use only its own addresses, and is under security groups. Left out, a new port does
            what its network says.
        type: bool
      allowed_address_pairs:
        description:
          - Further addresses that the port may use, as for an address that moves between guests. An empty list is none.
          - They are not kept free, as in Neutron. Have those of a network outside of its C(allocation_pool).
          - OVN's rules for the members of a group are for their own addresses. What comes from one of these is let in
            by a rule with this address.
        type: list
        elements: dict
        suboptions:
          ip_address:
            description: An IP address, or many in CIDR notation.
            type: str
            required: true
          mac_address:
            description: Left out, the port's own.
            type: str
      qos:
        description:
          - With O(service=ovn), how fast the port may be, in the words of Neutron's bandwidth limit rule. A mapping of
            C(max_kbps) (required), C(max_burst_kbps) (80 percent of that, as in Neutron) and C(direction) (C(egress) by
            default, what the instance sends, or C(ingress)), or a list of such mappings, one for each direction.
          - An empty one is no limit.
        type: raw
      floating_ip:
        description:
          - The port's address outside. V(true) is a new one, V(false) none, and an external network's name a new one
            there. It stays the port's, and goes with it.
          - With O(service=ovn) the port's network is on a router (M(kvmstack.launch.router)) with that external
            network, whose gateway translates the address, whatever host the port is on. An address is that one of the
            external network's C(allocation_pool).
          - With O(service=neutron) V(true) is of the only external network, and it may be named by its id. An address,
            or a floating IP's id, is one that the project has and no other port; that one stays the user's.
        type: raw
      parent:
        description:
          - The id of a port of the same instance, as whose sub-port this one is made. It has no interface on the host.
            Its guest sends and receives for it by the parent's interface, with the tag O(ports[].vlan). A sub-port has
            no sub-ports of its own.
          - With O(service=neutron) the parent gets a trunk, which goes with it.
        type: str
      vlan:
        description:
          - The VLAN by which the guest has the sub-port, 1 to 4094. One port has each once. The tag is known only
            between the guest and its host.
          - With O(service=neutron), one that a sub-port of the user's own has in that trunk is refused.
        type: int
      dns_name:
        description:
          - With O(service=ovn), the name by which the other guests of its network find it, alone and with the network's
            C(domain); its addresses lead back to it. In a launch it is the instance's name.
        type: str
      record_id:
        description:
          - With O(service=ovn), the UUID of the record of instances that the port belongs to. A port that is there and
            belongs to another record is not touched. Left out, that is not looked at.
        type: str
      project_id:
        description: With O(service=ovn), the project that it, its groups and its network are of. Left out, V(default).
        type: str
      network_info:
        description: What an earlier run was told of the port, as the record keeps it. Nothing goes by it.
        type: dict
  networks:
    description:
      - With O(service=ovn), definitions of networks by name. Each has C(cidr) (IPv4), C(ipv6_cidr) (a /64) or both,
        C(gateway) (the first address if left out, as in neutron; null is none), C(dns) (a list of addresses), C(mtu)
        (1442), C(allocation_pool) (C(start) and C(end)), C(dhcp) (true), C(domain), C(port_security) (true) and
        C(router), see M(kvmstack.launch.network).
      - Nothing is made of these here, nor of O(security_groups). A port on a network, or in a group, that is not there
        yet is planned by them in check mode, and refused otherwise.
    type: dict
    default: {}
  routers:
    description:
      - With O(service=ovn), definitions of routers by name, as M(kvmstack.launch.router) has them. Nothing is made of
        these here; in check mode a floating IP is planned by them.
    type: dict
  gateways:
    description:
      - With O(service=ovn), the hosts on each physical network, as M(kvmstack.launch.router) takes them. Where a router
        is C(distributed), a port on one of these has its floating IP there, with a MAC address of its own
        (C(floating_ip_mac)). All others have theirs at the router's gateway.
      - Left out, floating IPs stay where they are.
    type: dict
"""

EXAMPLES = r"""
- name: Make a web server's port, on a network and in groups that are there
  kvmstack.launch.port:
    ovn: {northbound: "tcp:192.0.2.10:6641"}
    ports:
      - id: 0e991dc9-0757-52de-86e1-25bfde01721f
        name: web-1
        instance_uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
        network: private
        host: compute-1
        security_groups: [default, web]
        allowed_address_pairs: [{ip_address: 10.20.0.200}]
        qos: {max_kbps: 100000}

- name: Remove it
  kvmstack.launch.port:
    ovn: {northbound: "tcp:192.0.2.10:6641"}
    state: absent
    ports:
      - id: 0e991dc9-0757-52de-86e1-25bfde01721f
        name: web-1
        instance_uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
        network: private

- name: Make one in Neutron with a floating IP, and take a port that is there
  kvmstack.launch.port:
    service: neutron
    cloud: demo
    service_cloud: launcher
    ports:
      - id: 0e991dc9-0757-52de-86e1-25bfde01721f
        name: web-1
        instance_uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
        network: private
        host: compute-1
        floating_ip: true
      - id: 5d8b7d6c-6c56-5a5f-9d3b-0a2f5f1f7f5e
        name: web-1-mine
        instance_uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
        port: my-port
        host: compute-1
"""

RETURN = r"""
ports:
  description:
    - One result for each port, in order. C(up) says whether its chassis has wired it.
    - C(id) is ours; C(port_id) is the service's, the C(iface-id) on the host, from which C(tap) follows. What Neutron
      has yet to choose is null.
    - C(adopted) says that the port is the user's own. It becomes the instance's by an C(update), and is given back by a
      C(delete).
    - C(network_id), C(network_name) and C(subnet_id) are those of Neutron.
    - A failed one has C(msg), and C(abort) when no other host can help.
  type: list
  elements: dict
  returned: always
  sample:
    - id: 0e991dc9-0757-52de-86e1-25bfde01721f
      name: web-1
      instance_uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
      network: private
      port: null
      host: compute-1
      mac_address: fa:16:3e:29:a9:ea
      fixed_ip: 10.20.0.2
      fixed_ips: [10.20.0.2]
      security_groups: [default, web]
      port_security: true
      allowed_address_pairs: []
      qos: []
      floating_ip: null
      floating_ip_address: null
      floating_ip_mac: null
      parent: null
      vlan: null
      record_id: null
      dns_name: web-1
      port_id: 0e991dc9-0757-52de-86e1-25bfde01721f
      tap: kvt0e991dc9-07
      status: DOWN
      up: false
      adopted: false
      cidr: 10.20.0.0/24
      gateway: 10.20.0.1
      gateway_port: c08c513d-6ba2-5bed-8f4b-97a255946444
      gateway_mac: fa:16:3f:9c:ca:5d
      ipv6_address: null
      ipv6_cidr: null
      ipv6_gateway: null
      physical_network: null
      router: host
      dns: [10.20.0.1]
      mtu: 1442
      dhcp: true
      domain: null
      network_id: null
      network_name: null
      subnet_id: null
      action: create
      changed: true
      failed: false
"""


from ansible.module_utils.basic import AnsibleModule

from ..module_utils.cloud.module import CloudModule
from ..module_utils.core.run import Stage, run
from ..module_utils.core.specs import CLOUD, NORTHBOUND, SECURITY_GROUPS, STATE, arguments
from ..module_utils.port import item, model, request
from ..module_utils.port.neutron import backend as neutron
from ..module_utils.port.neutron import model as neutron_model
from ..module_utils.port.ovn import backend as ovn

BACKENDS = {
    "ovn": Stage("port", request.parse, ovn.connect, model.plan, request.OPTIONS, item.as_text),
    "neutron": Stage("port", request.parse, neutron.connect, neutron_model.plan, request.OPTIONS, item.as_text),
}
SPEC = {
    **STATE,
    **NORTHBOUND,
    **CLOUD,
    "service": {"type": "str", "choices": list(BACKENDS), "default": "ovn"},
    "wait": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 60},
    **SECURITY_GROUPS,
    "networks": {"type": "dict", "default": {}},
    "routers": {"type": "dict"},
    "gateways": {"type": "dict"},
}
ARGUMENTS = arguments("ports", request.OPTIONS, SPEC)


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    run(module, BACKENDS[module.params["service"]])


def main() -> None:
    stage(CloudModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
