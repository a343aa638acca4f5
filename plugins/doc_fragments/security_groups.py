# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of core/specs.py's SECURITY_GROUPS."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every module that goes by the definitions of security groups."""

    DOCUMENTATION = r"""
options:
  security_groups:
    description:
      - With O(service=ovn), definitions of security groups by name, each a list of rules. What no rule allows is
        dropped.
      - A rule has C(direction) (C(ingress) or C(egress), C(ingress) if left out), C(protocol) (neutron's names, such as
        C(tcp), C(udp), C(icmp), C(ipv6-icmp) and C(vrrp), a number, or C(any), which is the default), C(port) (C(80) or
        C(8000-8100)), C(icmp_type) and C(icmp_code), C(remote) (a CIDR, or the name of a group) and C(ethertype)
        (C(IPv4) or C(IPv6), by default that of the CIDR or of the protocol, else C(IPv4)).
      - A group is its project's own, and its rules speak of groups of the same project.
      - A group without an egress rule lets everything out. The group C(default), unless it is defined here, also lets
        in what its own members send. Both is as in neutron.
    type: dict
    default: {}
"""
