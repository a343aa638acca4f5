# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of core/specs.py's NORTHBOUND."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every module that speaks to the OVN northbound."""

    DOCUMENTATION = r"""
options:
  ovn:
    description: The OVN northbound database, and how to connect to it. An empty text is one that is left out.
    type: dict
    suboptions:
      northbound:
        description:
          - Where it listens, as C(unix:PATH), C(tcp:ADDRESS:PORT) or C(ssl:ADDRESS:PORT), an IPv6 address in brackets.
            For a name in place of an address the first of its addresses is taken that answers.
          - The members of a cluster are separated by commas; the leader is used.
          - Over C(ssl:) O(ovn.private_key), O(ovn.certificate) and O(ovn.ca_certificate) are all needed.
        type: str
        default: unix:/run/ovn/ovnnb_db.sock
      private_key:
        description: File with the private key that belongs to O(ovn.certificate).
        type: path
      certificate:
        description: File with the certificate that this client shows.
        type: path
      ca_certificate:
        description: File with the certificate of the authority that signed the server's.
        type: path
requirements:
  - ovs >= 3.5.0 on the controller
"""
