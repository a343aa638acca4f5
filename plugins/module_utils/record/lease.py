# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Leases: one run of a playbook at a time drives an instance, and only that run changes its record.

A run is identified by the process of its ansible-playbook, so that a run after a killed one on the same
controller goes on at once. Another controller cannot see that process; there the lease has to expire.
"""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Iterator

SPEC = {"run_id": {"type": "str"}, "lease": {"type": "int", "default": 600}}
# The last of them is one that stands by for a worker.
STANDBY = "ansible_collections.kvmstack.launch.plugins.plugin_utils.standby"
RUNNERS = {"ansible", "ansible-console", "ansible-playbook", "ansible-pull", STANDBY}
# `host:pid:start:machine`: start in ticks since the machine's boot, machine its boot and its PID namespace.
RUN = re.compile(r"(?P<host>[^:]+):(?P<pid>\d+):(?P<start>\d+):(?P<machine>[0-9a-f-]+/\d+)")


@dataclass(frozen=True)
class Lease:
    """The run that drives an instance, since when and until when it may (UTC).

    busy is the reason why this run has to wait; None if it may drive. generation counts the writes to the
    instance: what was read of it holds only as long as the generation is the same.
    """

    owner: str | None = None
    since: datetime | None = None
    expires: datetime | None = None
    busy: str | None = None
    generation: int = 0


@dataclass(frozen=True)
class Driver:
    """This run: its id, for how many seconds it takes a lease, and whether it takes over a living run's lease."""

    run_id: str
    seconds: int
    take_over: bool

    def lease(self, row, moment: datetime) -> Lease:
        """The lease in a row of the table of instances, as this run sees it."""
        reason = None if self._may_drive(row, moment) else busy(row)
        return Lease(row.lease_owner, row.leased_at, row.lease_expires, reason, row.generation)

    def refusal(self, row) -> str | None:
        """Why this run may not write to an instance whose lease it has taken before; None if it still has it."""
        if row.lease_owner == self.run_id:
            return None
        return busy(row) if row.lease_owner else "this run does not drive it any more: run again"

    def values(self, before: Lease | None, moment: datetime) -> dict[str, Any]:
        """The columns of the lease as this run takes or renews it."""
        renewed = before is not None and before.owner == self.run_id
        return {
            "lease_owner": self.run_id,
            "leased_at": before.since if renewed else moment,
            "lease_expires": moment + timedelta(seconds=self.seconds),
        }

    def _may_drive(self, row, moment: datetime) -> bool:
        if row.lease_owner in (None, self.run_id) or self.take_over:
            return True
        alive = is_alive(row.lease_owner)
        return row.lease_expires <= moment if alive is None else not alive


NOBODY = {"lease_owner": None, "leased_at": None, "lease_expires": None}


class Acceptor(Driver):
    """Who writes what is asked for, and drives nothing: no lease of it outlives the transaction."""

    def values(self, before: Lease | None, moment: datetime) -> dict[str, Any]:
        """Nobody's lease."""
        return dict(NOBODY)


def driver(params: dict[str, Any]) -> Driver:
    """This run, as the options of SPEC say it or as its processes show it."""
    return Driver((params.get("run_id") or this_run())[:255], params.get("lease", 600), bool(params.get("take_over")))


def busy(row) -> str:
    """Why another run has to be waited for."""
    run = RUN.fullmatch(row.lease_owner)
    who = "host %(host)s, process %(pid)s" % run.groupdict() if run else row.lease_owner
    return (
        "another run drives it (%s, since %s UTC): wait until that has ended, or take it over with launch_take_over"
        % (who, row.leased_at.strftime("%Y-%m-%d %H:%M:%S"))
    )


def this_run() -> str:
    """The run that this process works for: its nearest ansible-playbook, or without one the leader of its session."""
    return _run(_playbook() or os.getsid(0))


def this_process() -> str:
    """This process itself as a run: what a service is known by."""
    return _run(os.getpid())


def _run(pid: int) -> str:
    process = _process(pid)
    return "%s:%d:%d:%s" % (_host(), pid, process[1] if process else 0, _machine())


def is_alive(run_id: str) -> bool | None:
    """Whether a run goes on; None if this process cannot see it."""
    run = RUN.fullmatch(run_id)
    if run is None or run["machine"] != _machine() or not os.path.exists("/proc/self/stat"):
        return None
    process = _process(int(run["pid"]))
    if process is not None:
        return process[0] not in "ZX" and process[1] == int(run["start"])
    try:
        os.kill(int(run["pid"]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's, on a machine that hides these
        pass
    return True


def is_of_earlier_boot(run_id: str) -> bool:
    """Whether a run was on this machine, by its host name, before that has been booted anew."""
    run = RUN.fullmatch(run_id)
    return run is not None and run["host"] == _host() and _boot(run["machine"]) != _boot(_machine())


def is_left_behind(run_id: str | None, worker: str | None) -> bool:
    """Whether a run is on the machine of a worker that is not heard of any more, and that this process cannot see."""
    run, lost = RUN.fullmatch(run_id or ""), RUN.fullmatch(worker or "")
    return bool(run and lost) and run["machine"] == lost["machine"] and is_alive(run_id) is None


def _host() -> str:
    return socket.gethostname().replace(":", "-")


def _boot(machine: str) -> str:
    return machine.partition("/")[0]


def _machine() -> str:
    """An identity of this boot of this machine, and of this container on it, that does not depend on its host name."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read().strip()
        return "%s/%s" % (boot, re.sub(r"\D", "", os.readlink("/proc/self/ns/pid")))
    except OSError:
        return "0/0"


def _playbook() -> int | None:
    """The process of ansible-playbook: of the nearest and its like (its workers are copies of it) the outermost."""
    found, words = None, None
    for pid, command in _ancestors(os.getpid()):
        if words is None and not any(os.path.basename(word) in RUNNERS for word in command[:3]):
            continue
        if words is not None and command != words:
            break
        found, words = pid, command
    return found


def _ancestors(pid: int) -> Iterator[tuple[int, list[str]]]:
    """The processes above this one, nearest first, each with its command line."""
    while True:
        process = _process(pid)
        if process is None or process[2] == 0:
            return
        pid = process[2]
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as file:
                yield pid, file.read().decode(errors="replace").split("\0")
        except OSError:
            return


def _process(pid: int) -> tuple[str, int, int] | None:
    """A process's state, start (ticks since the boot) and parent; None if it is not there or not shown (proc(5))."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return fields[0].decode(), int(fields[19]), int(fields[1])
