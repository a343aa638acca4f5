#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A door of the room image: the cache of a compute host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_cache
short_description: Remove the images that nobody uses from a compute host's cache
version_added: 1.0.0
description:
  - Removes from a compute host's cache the images over which no root disk lies any more, when that is so for some time.
    nova-compute does so by itself, every 40 minutes.
  - An image that a guest has open, or that is being used for the first time just now, stays. The next launch that needs
    one that has gone fetches it again.
extends_documentation_fragment:
  - kvmstack.launch.stage
  - kvmstack.launch.state_path
options:
  minimum_age:
    description: For how many seconds an image has to be unused. nova's C(remove_unused_original_minimum_age_seconds).
    type: int
    default: 86400
"""

EXAMPLES = r"""
- name: Remove what nobody has used for a week
  kvmstack.launch.image_cache:
    minimum_age: 604800
"""

RETURN = r"""
bases:
  description: The cached images, by path.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The name of its file.
      type: str
      returned: always
    path:
      description: Its file.
      type: str
      returned: always
    size:
      description: Bytes that it takes on the host's disk.
      type: int
      returned: always
    age:
      description: Seconds since a root disk was last laid over it, or removed; or since it came.
      type: int
      returned: always
    used_by:
      description: How many root disks lie over it.
      type: int
      returned: always
    in_use:
      description: Whether a guest has it open.
      type: bool
      returned: always
    action:
      description: V(delete) for one that is removed, else V(keep).
      type: str
      returned: always
    changed:
      description: Whether it was removed, or would be.
      type: bool
      returned: always
    failed:
      description: Whether it was to go and did not.
      type: bool
      returned: always
    msg:
      description: Why, such as that it is in use by now.
      type: str
      returned: when the item failed
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import Stage, run
from ..module_utils.core.specs import STATE_PATH
from ..module_utils.image import cache

STAGE = Stage("base", cache.parse, cache.connect, cache.plan, as_text=cache.as_text)
ARGUMENTS = {"argument_spec": {**STATE_PATH, **cache.OPTIONS}, "supports_check_mode": True}


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    run(module, STAGE)


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
