# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of record/lease.py's SPEC."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every module that drives instances."""

    DOCUMENTATION = r"""
options:
  run_id:
    description:
      - The run that drives the instances. While it does, another run is refused them.
      - Left out, the run is known by its process of ansible-playbook, host, number and start; the next run on that host
        sees whether it has ended, and then goes on with its instances at once.
    type: str
  lease:
    description:
      - Seconds after which another controller may take it that the run has ended. Every module that drives instances
        begins them anew, so they must outlast the longest stage.
    type: int
    default: 600
"""
