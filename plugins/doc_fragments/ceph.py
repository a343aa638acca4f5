# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of core/specs.py's CEPH."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every module that speaks to a Ceph cluster itself."""

    DOCUMENTATION = r"""
options:
  ceph:
    description: The Ceph cluster that volumes are in, with O(service=rbd).
    type: dict
    suboptions:
      pool:
        description: The pool that volumes are in.
        type: str
        default: volumes
      conf:
        description: File on the controller that says where the cluster's monitors are.
        type: path
        default: /etc/ceph/ceph.conf
      user:
        description:
          - The cluster's user, without C(client.). It needs C(mon 'profile rbd') and C(osd 'profile rbd pool=POOL').
        type: str
        default: cinder
      keyring:
        description: File on the controller with that user's key. Left out, O(ceph.conf) says where it is.
        type: path
      secret_uuid:
        description:
          - The UUID of libvirt's secret with that user's key on the compute hosts. Left out, QEMU uses none.
        type: str
requirements:
  - rbd and ceph on the controller (Debian's ceph-common), for O(service=rbd)
"""
