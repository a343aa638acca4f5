# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Compute API until it is stopped: python -m ansible_collections.kvmstack.launch.plugins.module_utils.api.main

What it is told is in the file that KVMSTACK_DOOR names; arguments are options of gunicorn, and go before those here.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from ..core.errors import LaunchError, MissingLibrary
from ..service import settings

THREADS = 8  # requests that are answered at a time

# Clients look every two seconds while they wait for a server: gunicorn's own two seconds for a connection that nobody
# uses would close it just when the next request comes. It is kept longer than a proxy keeps it, too.
OPTIONS = ("--threads", str(THREADS), "--keep-alive", "75")
APPLICATION = __package__ + ".app:application()"


def main(arguments: list[str]) -> str:
    """Become gunicorn; what to tell the user where that cannot be."""
    try:
        if find_spec("gunicorn") is None:
            raise MissingLibrary("gunicorn")
        # Gunicorn listens on all of them: where an argument says one, the settings' would be one more.
        listen = [] if any(map(_binds, arguments)) else ["--bind", settings.named().listen]
        command = ["gunicorn", *listen, *OPTIONS, *arguments, APPLICATION]
    except LaunchError as error:
        return settings.why_not(error)
    return os.execv(sys.executable, [sys.executable, "-m", *command])


def _binds(argument: str) -> bool:
    """Whether an argument says where to listen, as gunicorn reads it: -b and --bind, also shortened."""
    return argument.startswith("-b") or argument.partition("=")[0] in ("--bi", "--bin", "--bind")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
