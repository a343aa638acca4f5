# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every stage's module promises."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of every stage: check and diff mode are the plan, not applied, and printed."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: The plan is made and returned, and nothing is written anywhere.
    support: full
  diff_mode:
    description: What would change, or has changed, is shown before and after, a line for each thing; with C(-v) whole.
    support: full
notes:
  - A list goes in and the same list comes out, in the same order, with one result for each item.
  - One bad item does not stop the others. The task fails when an item of its own list failed, and returns all results
    even so.
author:
  - kvmstack contributors (@kvmstack)
"""

    QUERY = r"""
options: {}
attributes:
  check_mode:
    description: Nothing is ever changed.
    support: full
  diff_mode:
    description: Nothing is ever changed.
    support: none
author:
  - kvmstack contributors (@kvmstack)
"""
