# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of core/specs.py's STATE."""

from __future__ import annotations


class ModuleDocFragment:
    """Options and attributes of every stage."""

    DOCUMENTATION = r"""
options:
  state:
    description:
      - Whether the listed items should be there.
    type: str
    choices: [present, absent]
    default: present
"""
