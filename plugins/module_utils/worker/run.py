# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run of launch.yml for the requests of a project: a process of its own, which ends when its worker dies."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..record.lease import is_alive
from ..service.settings import Settings

PLAYBOOK = "kvmstack.launch.launch"
# What a failure is read from.
OUTPUT = {
    "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
    "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
    "ANSIBLE_NOCOLOR": "1",
}


@dataclass
class Run:
    """A playbook that does these requests; folder has its variables and what it says, for its user alone.

    stopped says that it was ended before it was done.
    """

    requests: list[Any]
    process: subprocess.Popen
    folder: str
    stopped: bool = False

    @property
    def ended(self) -> bool:
        """Whether it is at its end."""
        return self.process.poll() is not None

    def output(self) -> str:
        """What it has said."""
        with open(os.path.join(self.folder, "output"), encoding="utf-8", errors="replace") as file:
            return file.read().replace("\0", "")

    def stop(self) -> None:
        """Have it end before it is done; Ansible ends its own workers then."""
        self.stopped = True
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)

    def forget(self) -> None:
        """Remove its folder: user data may be secret."""
        shutil.rmtree(self.folder, ignore_errors=True)


def folder_of(settings: Settings, owner: str) -> str:
    """Where a worker has the folders of its runs."""
    return os.path.join(settings.state_path, "runs", owner.replace("/", "_"))


def start(settings: Settings, folder: str, variables: str, requests: list[Any]) -> Run:
    """Begin a run in a folder that there is not yet; OSError where that cannot be."""
    os.makedirs(folder, mode=0o700)
    path = os.path.join(folder, "request.yml")
    with open(path, "w", encoding="utf-8", opener=_private) as file:
        file.write(variables)
    command = [sys.executable, "-m", "ansible", "playbook", *settings.options(), "--extra-vars", "@" + path, PLAYBOOK]
    with open(os.path.join(folder, "output"), "wb", opener=_private) as output:
        process = subprocess.Popen(
            [*_until_we_die(), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **OUTPUT},
            start_new_session=True,  # what a terminal says to the worker is not said to it
        )
    return Run(requests, process, folder)


def clear(settings: Settings) -> None:
    """Remove what workers that have died have left of their runs."""
    folder = os.path.join(settings.state_path, "runs")
    with suppress(OSError):
        for name in os.listdir(folder):
            if is_alive(name.replace("_", "/")) is False:
                shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


def _until_we_die() -> list[str]:
    """What has a command end with the thread that started it (prctl(2), PR_SET_PDEATHSIG), as util-linux has it."""
    found = shutil.which("setpriv", path=os.environ.get("PATH", os.defpath) + ":/usr/bin")
    return [found, "--pdeathsig", "TERM"] if found else []


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
