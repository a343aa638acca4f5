# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One way to run a command on a host: an argument list, a clean environment, a time limit and resource limits."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
from typing import Mapping

from .errors import Exhausted, LaunchError, Unavailable

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
FULL = "no room on a disk of its host"


def command(
    *arguments: str,
    package: str = "",
    timeout: float = 60,
    cpu: int | None = None,
    memory: int | None = None,
    meanings: Mapping[int, type[LaunchError]] | None = None,
) -> str:
    """Run a command and return what it printed.

    timeout in seconds, cpu in seconds of processor time, memory in bytes of address space. meanings: the errors that
    certain exit codes stand for; else Unavailable, also if it is not installed (Debian's package provides it) or too
    slow, and Exhausted if a disk is full.
    """
    limits = {name: limit for name, limit in ((resource.RLIMIT_CPU, cpu), (resource.RLIMIT_AS, memory)) if limit}
    try:
        # Not AnsibleModule's run_command: there is no module here, and it has no time limit and no limits of resources.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            arguments,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=ENVIRONMENT,
            timeout=timeout,
            check=False,
            # Python code between fork and exec is not safe beside other threads: only for those who need it.
            preexec_fn=(lambda: _limit(limits)) if limits else None,
        )
    except FileNotFoundError as error:
        where = "in Debian it is in %s" % (package or arguments[0])
        raise Unavailable("%s is not on this host: install it (%s)" % (arguments[0], where)) from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable("%s did not end in %d s" % (" ".join(arguments[:2]), timeout)) from error
    if done.returncode == 0:
        return done.stdout.decode(errors="replace")
    raise _failure(arguments, done, meanings or {})


def _limit(limits: dict[int, int]) -> None:
    """Lower the limits of this process; a limit that is lower already stays."""
    for name, wanted in limits.items():
        hard = resource.getrlimit(name)[1]
        if hard == resource.RLIM_INFINITY or wanted < hard:
            resource.setrlimit(name, (wanted, wanted))


def _failure(
    arguments: tuple[str, ...], done: subprocess.CompletedProcess, meanings: Mapping[int, type[LaunchError]]
) -> LaunchError:
    """What a command's failure means, with its own last words."""
    message = done.stderr.decode(errors="replace").strip() or "no message"
    text = "%s failed (%d): %s" % (" ".join(arguments[:2]), done.returncode, message[-500:])
    if done.returncode in meanings:
        return meanings[done.returncode](text, "%s failed" % arguments[0])
    full = os.strerror(errno.ENOSPC) in message
    return Exhausted(text, FULL) if full else Unavailable(text)
