# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of core/specs.py's PROJECT."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every module that acts for a project."""

    DOCUMENTATION = r"""
options:
  project_id:
    description:
      - The project that owns the instances and what they need; names are unique within it.
    type: str
    default: default
"""
