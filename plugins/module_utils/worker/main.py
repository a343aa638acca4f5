# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A worker until it is stopped: python -m ansible_collections.kvmstack.launch.plugins.module_utils.worker.main FILE"""

from __future__ import annotations

import sys

from ..core.errors import LaunchError
from ..service import settings
from .service import Worker


def main(arguments: list[str]) -> str | None:
    """Work; what to tell the user where that cannot be."""
    try:
        Worker(settings.named(*arguments[:1])).work()
    except LaunchError as error:
        return settings.why_not(error)
    return None


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
