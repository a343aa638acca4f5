# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the scenarios' tests run playbooks as a user does, and look at the world without the collection."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
DATABASE = ROOT / "build/hosts/launch.db"
# Every file with its size and time; of what guests write, only its name.
FILES = (
    r"cd /var/lib/kvmstack; find -not -name console.log -not -path '*.raw' -not -path '*.qcow2' -printf '%p %s %T@\n';"
    r" find -name '*.raw' -o -name '*.qcow2' | sort"
)
NORTHBOUND = "Logical_Switch Logical_Switch_Port DHCP_Options Port_Group ACL"


class Run:
    """What a run of a playbook said: its exit status, its output, and its recap by host."""

    def __init__(self, status: int, output: str):
        self.status = status
        self.output = output
        self.recap = {
            host: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", counts)}
            for host, counts in re.findall(r"^(\S+)\s+: (ok=.*)$", output, re.MULTILINE)
        }

    @property
    def changed(self) -> int:
        """How many tasks changed something, on all hosts."""
        return sum(counts["changed"] for counts in self.recap.values())


class Site:
    """The test hosts, and the playbooks run on them."""

    def command(self, playbook: str, request: dict, *options: str) -> list[str]:
        path = ROOT / "build/results/request.json"
        path.write_text(json.dumps(request))
        return ["ansible-playbook", str(ROOT / "playbooks" / playbook), "--extra-vars", "@%s" % path, *options]

    def run(self, playbook: str, request: dict, *options: str, status: int = 0) -> Run:
        command = self.command(playbook, request, *options)
        done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=300, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return Run(done.returncode, done.stdout + done.stderr)

    def launch(self, request: dict, *options: str, status: int = 0) -> Run:
        return self.run("launch.yml", request, *options, status=status)

    def unchanged(self, request: dict) -> None:
        """Launch once more: nothing may change."""
        run = self.launch(request, "--diff")
        assert run.changed == 0, run.output

    def destroy(self, request: dict, *options: str, status: int = 0) -> Run:
        return self.run("destroy.yml", request, *options, status=status)

    def launch_killed_at(self, request: dict, words: str) -> None:
        """Launch, and kill -9 the whole run when its output has these words."""
        command = self.command("launch.yml", request)
        process = subprocess.Popen(
            command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        seen = []
        for line in process.stdout:
            seen.append(line)
            if words in line:
                os.killpg(process.pid, signal.SIGKILL)
                break
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL, "it was never killed:\n" + "".join(seen)

    def on(self, host: str, command: str) -> str:
        """What a command prints on a host; it must succeed."""
        shell = ["ssh", "-F", str(ROOT / "build/hosts/ssh_config"), host, command]
        return subprocess.run(shell, text=True, capture_output=True, check=True, timeout=60).stdout

    def records(self, table: str = "instances", where: str = "deleted = 0") -> list[dict]:
        """The rows of the record's database."""
        with sqlite3.connect(DATABASE) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute("select * from %s where %s" % (table, where))]

    def record(self, name: str) -> dict:
        [row] = [row for row in self.records() if row["name"] == name]
        return row

    def console(self, name: str, words: str, seconds: int = 90) -> str:
        """An instance's console, when it has the words; fails with what it has when they do not come."""
        row, end, text = self.record(name), time.monotonic() + seconds, ""
        while time.monotonic() < end:
            text = self.on(row["host"], "cat /var/lib/kvmstack/instances/%s/console.log" % row["uuid"])
            if words in text:
                return text
            time.sleep(1)
        raise AssertionError("%r is not on the console of %s:\n%s" % (words, name, text))

    def ports(self) -> list[dict]:
        """The logical switch ports in OVN's northbound database, by column."""
        return _rows(self.on("central", "ovn-nbctl --format=json list Logical_Switch_Port"))

    def domains(self, host: str) -> list[str]:
        """The UUIDs of all domains of a host."""
        return self.on(host, "virsh list --all --uuid").split()

    def state(self) -> str:
        """A digest of everything a run could write: record, OVN, libvirt, files."""
        parts = [hashlib.sha256(DATABASE.read_bytes()).hexdigest() if DATABASE.exists() else ""]
        parts.append(self.on("central", "for table in %s; do ovn-nbctl list $table; done" % NORTHBOUND))
        for host in self.compute_hosts:
            parts.append(self.on(host, "for domain in $(virsh list --all --uuid); do virsh dumpxml $domain; done"))
            parts.append(self.on(host, FILES))
        return "\n".join(parts)

    @property
    def compute_hosts(self) -> list[str]:
        return ["compute-1", "compute-2", "compute-3"]


def _rows(text: str) -> list[dict]:
    table = json.loads(text)
    return [dict(zip(table["headings"], row)) for row in table["data"]]


@pytest.fixture(scope="session")
def site() -> Site:
    """The test hosts of this scenario."""
    return Site()


@pytest.fixture(scope="module")
def request_of(request):
    """The scenario's own request, from request.yml beside its tests."""
    return yaml.safe_load((Path(request.path).parent.parent / "request.yml").read_text())
