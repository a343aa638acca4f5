# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of core/specs.py's INSTANCES."""

from __future__ import annotations


class ModuleDocFragment:
    """The option of every stage that takes the instances' documents, or a list of its own."""

    DOCUMENTATION = r"""
options:
  instances:
    description:
      - Documents of instances, in place of the list; the same documents come back with their parts filled in.
      - M(kvmstack.launch.instance) makes them, and every stage takes what the one before returned.
      - One that has failed (C(failed)), or that the run is done with (C(settled)), comes back untouched.
      - An instance that fails here has C(failed), C(msg), C(abort) (whether another host would fail as well) and
        C(failed_in), the stage, in its document. The task does not fail then.
    type: list
    elements: dict
"""
