# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The directory of a compute host; core/specs.py has the same words for Ansible."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  state_path:
    description:
      - Directory on the compute host that holds instances, volumes and the image cache.
      - It is made if it is missing. QEMU's user must be able to pass through its parents.
    type: path
    default: /var/lib/kvmstack
"""
