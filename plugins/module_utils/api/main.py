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
        command = ["gunicorn", "--bind", settings.named().listen, *OPTIONS, *arguments, APPLICATION]
    except MissingLibrary as error:
        return "%s is missing in %s: pip install it there" % (error, sys.executable)
    except LaunchError as error:
        return str(error)
    return os.execv(sys.executable, [sys.executable, "-m", *command])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
