# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run of launch.yml for the requests of a project: a process of its own, which ends when its worker dies.

One is begun before there is anything for it to do (plugin_utils/standby.py), and taken as long as the collection is the
same.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..record.lease import STANDBY, is_alive, is_of_earlier_boot
from ..service.settings import Settings

GRACE = 20  # seconds that a run has to end when it is told to
PATIENCE = 5  # seconds that one which stands by has to end
REST = 60  # seconds after one that did not stay
PLUGINS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PLAYBOOK = "kvmstack.launch.launch"
# What a failure is read from.
OUTPUT = {
    "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
    "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
    "ANSIBLE_NOCOLOR": "1",
}

log = logging.getLogger("kvmstack.worker")


@dataclass
class Run:
    """A playbook that does these requests; folder has its variables and what it says, for its user alone.

    stopped says that it was ended before it was done; began is when by time.monotonic(), and late whether it was
    ended because it had taken too long.
    """

    requests: list[Any]
    process: subprocess.Popen
    folder: str
    stopped: bool = False
    late: bool = False
    began: float = field(default_factory=time.monotonic)
    _asked_at: float | None = None

    @property
    def ended(self) -> bool:
        """Whether it is at its end."""
        return self.process.poll() is not None

    def output(self) -> str:
        """What it has said."""
        with open(os.path.join(self.folder, "output"), encoding="utf-8", errors="replace") as file:
            return file.read().replace("\0", "")

    def stop(self) -> None:
        """Have it end before it is done; Ansible ends its own workers then. What does not is killed later."""
        if self.ended:
            return
        self.stopped = True
        self._asked_at = self._asked_at or time.monotonic()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL if time.monotonic() - self._asked_at > GRACE else signal.SIGTERM)

    def stop_late(self, seconds: int) -> None:
        """Have it end if it has gone on for so long; what was told to end and does not is killed in the end."""
        if not self.stopped and not self.ended and time.monotonic() - self.began >= seconds:
            self.late = True
        if self.late or self.stopped:
            self.stop()

    def forget(self) -> None:
        """Remove its folder: user data may be secret."""
        shutil.rmtree(self.folder, ignore_errors=True)


def folder_of(settings: Settings, owner: str) -> str:
    """Where a worker has the folders of its runs."""
    return os.path.join(settings.state_path, "runs", owner.replace("/", "_"))


class Runner:
    """Begins runs, with these settings. Of one thread: a run ends with the thread that began it."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self._standby: subprocess.Popen | None = None
        self._collection: tuple[int, int] | None = None
        self._not_before = 0.0

    def start(self, folder: str, variables: str, requests: list[Any], playbook: str = PLAYBOOK) -> Run:
        """Begin a run in a folder that there is not yet; OSError where that cannot be, and the folder is gone again."""
        os.makedirs(folder, mode=0o700)
        try:
            return Run(requests, self._begun(folder, variables, playbook), folder)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def prepare(self) -> None:
        """Have one stand by. Where none stays or can be begun, runs begin without, and it is tried again later."""
        present = _collection()
        if self._standby is not None:
            if self._standby.poll() is not None:
                self._rest("what was to stand by has ended with status %d" % self._standby.returncode)
            elif self._collection == present:
                return
            self.end()
        if time.monotonic() < self._not_before:
            return
        self._collection = present
        try:
            self._standby = _standby(subprocess.DEVNULL)
        except OSError as error:
            self._rest("no run can stand by: %s" % error)

    def end(self) -> None:
        """Have none stand by. One that can removes what Ansible has made for its files."""
        if self._standby is None:
            return
        process, self._standby = self._standby, None
        process.stdin.close()
        try:
            process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _rest(self, why: str) -> None:
        self._not_before = time.monotonic() + REST
        log.warning("%s: the next run is begun when there is one, for %d seconds at least", why, REST)

    def _begun(self, folder: str, variables: str, playbook: str) -> subprocess.Popen:
        path, output = (os.path.join(folder, name) for name in ("request.yml", "output"))
        with open(path, "w", encoding="utf-8", opener=_private) as file:
            file.write(variables)
        with open(output, "wb", opener=_private) as file:
            told = {"arguments": [*self.settings.options(), "--extra-vars", "@" + path, playbook], "output": output}
            line = (json.dumps(told) + "\n").encode()
            if self._collection != _collection():
                self.end()
            process, self._standby = self._standby, None
            if process is None or not _tell(process, line):
                process = _standby(file)
                _tell(process, line)
            return process


def _standby(output: Any) -> subprocess.Popen:
    return subprocess.Popen(
        [*_until_we_die(), sys.executable, "-m", STANDBY],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        env={**os.environ, **OUTPUT},
        start_new_session=True,  # what a terminal says to the worker is not said to it
    )


def _tell(process: subprocess.Popen, line: bytes) -> bool:
    """Tell a process that stands by what it is to do; whether it could be told."""
    try:
        process.stdin.write(line)
        process.stdin.close()
    except OSError:
        process.kill()
        process.wait()
        return False
    return True


def _collection() -> tuple[int, int] | None:
    """What tells the collection from what is installed over it: of its files of Python how many, and the newest."""
    with suppress(OSError):
        paths = [os.path.join(folder, name) for folder, _folders, names in os.walk(PLUGINS) for name in names]
        times = [os.stat(path).st_mtime_ns for path in paths if path.endswith(".py")]
        return len(times), max(times)
    return None


def clear(settings: Settings) -> None:
    """Remove what workers that have died have left of their runs, also before this machine was booted anew."""
    folder = os.path.join(settings.state_path, "runs")
    with suppress(OSError):
        for name in os.listdir(folder):
            owner = "/".join(name.rsplit("_", 1))
            if is_alive(owner) is False or is_of_earlier_boot(owner):
                shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


def _until_we_die() -> list[str]:
    """What has a command end with the thread that started it (prctl(2), PR_SET_PDEATHSIG), as util-linux has it."""
    found = shutil.which("setpriv", path=os.environ.get("PATH", os.defpath) + ":/usr/bin")
    return [found, "--pdeathsig", "TERM"] if found else []


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
