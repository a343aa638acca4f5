# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs of ansible-playbook without its imports, a third of a launch: a process that has them forks for each run.

From there on it is Ansible's own command line. What it packs for hosts it keeps as well.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from ansible_collections.kvmstack.launch.plugins.module_utils.record.lease import this_process
from ansible_collections.kvmstack.launch.plugins.plugin_utils.standby import become

_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(["__main__", "ansible_ready"])


class Playing:
    """A run that goes on: of subprocess.Popen what the tests use. Its processes are one group, by its pid."""

    def __init__(self, arguments: list[str], folder: Path, environment: dict[str, str]):
        output, said = _FORKING.Pipe(duplex=False)
        self._process = _FORKING.Process(target=_become, args=(arguments, str(folder), environment, said))
        self._process.start()
        said.close()
        self.pid = self._process.pid
        self.stdout: TextIO = os.fdopen(os.dup(output.fileno()), encoding="utf-8")
        output.close()

    def kill(self) -> None:
        """End all of its processes with -9; it may have ended."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status; that of a signal is negative."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError("the run has not ended in %s s" % timeout)
        return self._process.exitcode


def _become(arguments: list[str], folder: str, environment: dict[str, str], said) -> None:
    """What the process does that was forked for a run."""
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number in (1, 2):
        os.dup2(said.fileno(), number)
    said.close()
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(number, "w"), line_buffering=True) for number in (1, 2))
    # A run is known by its command line, which is not this process's.
    become(["--extra-vars", "launch_run_id=" + this_process(), *arguments])
