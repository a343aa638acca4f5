# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the command line narrows a run of this collection's own playbooks, which then may do nothing at all."""

from __future__ import annotations

DOCUMENTATION = r"""
name: narrowed
author:
  - kvmstack contributors (@kvmstack)
short_description: The options that narrow a run of this collection's playbooks
version_added: 1.0.0
description:
  - Gives C(--limit), C(--tags) and C(--skip-tags) as the command line has them, when it names nothing but playbooks of
    this collection.
  - Where these are imported by a playbook of one's own, the options may be meant for its other plays, and nothing is
    given.
"""

EXAMPLES = r"""
- name: See whether the controller is in this run
  hosts: "{{ ['localhost', 'all'] if lookup('kvmstack.launch.narrowed') else [] }}"
  gather_facts: false
"""

RETURN = r"""
_raw:
  description: The options as one text, empty where there are none.
  type: list
  elements: str
"""

import os

from ansible import context
from ansible.plugins.lookup import LookupBase

COLLECTION = "kvmstack.launch."
PLAYBOOKS = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", "playbooks"))
# By their names among Ansible's arguments; `all` is what the tags are without the option.
OPTIONS = {"subset": "--limit", "tags": "--tags", "skip_tags": "--skip-tags"}


class LookupModule(LookupBase):
    """lookup('kvmstack.launch.narrowed')"""

    def run(self, terms, variables=None, **kwargs):
        """A list of one text."""
        given = context.CLIARGS
        if not all(map(_is_ours, given.get("args", ()))):
            return [""]
        values = {option: given.get(name) for name, option in OPTIONS.items()}
        texts = {option: value if isinstance(value, str) else ",".join(value or ()) for option, value in values.items()}
        return [" ".join("%s %s" % each for each in texts.items() if each[1] and each != ("--tags", "all"))]


def _is_ours(playbook: str) -> bool:
    """Whether a playbook on the command line is one of this collection, by its name or by its path."""
    return playbook.startswith(COLLECTION) or os.path.dirname(os.path.realpath(playbook)) == PLAYBOOKS
