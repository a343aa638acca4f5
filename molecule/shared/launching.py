# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the scenarios' tests run playbooks as a user does, and look at the world without the collection."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator

import sqlalchemy

from ansible_collections.kvmstack.launch.molecule.shared.warm import Playing

ROOT = Path(__file__).parents[2]
DATABASE = ROOT / "build/hosts/launch.db"
# What a run writes of an instance that it only looks at: that it does.
LEASE = ("lease_owner", "leased_at", "lease_expires", "generation")

DOMAINS = "for domain in $(virsh list --all --uuid); do virsh dumpxml $domain; done; "
# Every file with its size and time; of what guests write, only its name.
FILES = (
    r"cd /var/lib/kvmstack; find -not -name console.log -not -path '*.raw' -not -path '*.qcow2' -printf '%p %s %T@\n';"
    r" find -name '*.raw' -o -name '*.qcow2' | sort"
)
NORTHBOUND = "Logical_Switch Logical_Switch_Port DHCP_Options Port_Group ACL"


# What one instance of request() has of everything.
WHOLE = {"domains": 1, "ports": 1, "claims": 1, "volumes": 1}


def request(*names: str, **entry) -> dict:
    """A request for instances of the tiny flavor, each with a volume that goes with it.

    Their guest takes no processor time and knows of no device that comes or goes; that of the image demo does.
    """
    return {
        "launch_images": {
            "nop": {"url": "file:///srv/images/nop.qcow2", "checksum": "none"},
            "demo": {"url": "file:///srv/images/demo.qcow2", "checksum": "none"},
            "wrong": {"url": "file:///srv/images/nop.qcow2", "checksum": "sha256:" + "0" * 64},
        },
        "launch_security_groups": {"web": [{"protocol": "tcp", "port": 80, "remote": "0.0.0.0/0"}]},
        "launch_instances": [
            {
                "name": name,
                "flavor": "tiny",
                "image": "nop",
                "networks": ["private"],
                "volumes": [{"name": "data", "size": 1, "delete_on_termination": True}],
                **entry,
            }
            for name in names
        ],
    }


def on_host(name: str) -> dict[str, str]:
    """The hints that let an instance be on one host only."""
    return {"query": json.dumps(["=", "$host", name])}


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
    """The test hosts, and the playbooks run on them; the record is in one database.

    variables go with every request, environment with every run. central is the host with OVN's databases.
    """

    inventory = "molecule/shared/inventory"
    central = "central"
    compute_hosts = ("compute-1", "compute-2", "compute-3")
    variables: dict = {}
    environment: dict[str, str] = {}

    def __init__(self, database: str = "sqlite:///%s" % DATABASE):
        self.database = database
        self.engine = sqlalchemy.create_engine(database, poolclass=sqlalchemy.NullPool)

    def command(self, playbook: str, request: dict, *options: str) -> list[str]:
        wanted = json.dumps({**self.variables, **request, "launch_database": self.database})
        path = ROOT / "build/results" / ("request-%s.json" % hashlib.sha256(wanted.encode()).hexdigest()[:8])
        path.write_text(wanted)
        files = ["--inventory", str(ROOT / self.inventory), "--extra-vars", "@%s" % path]
        return [str(ROOT / "playbooks" / playbook), *files, *options]

    @property
    def streams(self) -> dict:
        """Where a run runs, and with what environment."""
        return {"cwd": ROOT, "text": True, "env": {**os.environ, **self.environment}}

    def run(self, playbook: str, request: dict, *options: str, status: int = 0) -> Run:
        run = self.end(self._play(playbook, request, *options))
        assert run.status == status, run.output
        return run

    def _play(self, playbook: str, request: dict, *options: str) -> Playing:
        streams = self.streams
        return Playing(self.command(playbook, request, *options), streams["cwd"], streams["env"])

    def launch(self, request: dict, *options: str, status: int = 0) -> Run:
        return self.run("launch.yml", request, *options, status=status)

    def unchanged(self, request: dict) -> None:
        """Launch once more: nothing may change."""
        run = self.launch(request, "--diff")
        assert run.changed == 0, run.output

    def survey(self) -> list[dict]:
        """The compute hosts as recorded, after all have been asked."""
        self.run("survey.yml", {})
        return self.records("compute_nodes", "1 = 1")

    def destroy(self, request: dict, *options: str, status: int = 0) -> Run:
        return self.run("destroy.yml", request, *options, status=status)

    def start(self, request: dict, *options: str) -> Playing:
        """A launch that goes on while the test does."""
        return self._play("launch.yml", request, *options)

    def until(self, process: Playing, words: str) -> str:
        """Follow a launch until it prints these words; its output up to there."""
        seen = []
        for line in process.stdout:
            seen.append(line)
            if words in line:
                return "".join(seen)
        raise AssertionError("it never said %r:\n%s" % (words, "".join(seen)))

    def end(self, process: Playing) -> Run:
        """What a launch said from here to its end; one that has none is killed."""
        watch = threading.Timer(300, process.kill)
        watch.start()
        try:
            output = process.stdout.read()
            return Run(process.wait(timeout=60), output)
        finally:
            watch.cancel()

    @contextlib.contextmanager
    def held_at(self, request: dict, words: str, *options: str) -> Iterator[Playing]:
        """A launch that stands still from these words on, for as long as the test does something else."""
        process = self.start(request, *options)
        self.until(process, words)
        os.killpg(process.pid, signal.SIGSTOP)
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGCONT)

    def launch_killed_at(self, request: dict, words: str, *options: str, seconds: float = 0.0) -> None:
        """Launch, and kill -9 the whole run when its output has these words, or so many seconds later.

        A machine may be quicker than that: then the run has ended well.
        """
        process = self.start(request, *options)
        self.until(process, words)
        time.sleep(seconds)
        process.kill()
        process.stdout.close()
        assert process.wait() in ((-signal.SIGKILL, 0) if seconds else (-signal.SIGKILL,))

    def on(self, host: str, command: str, said: str = "", seconds: int = 60) -> str:
        """What a command prints on a host when it is told something; it must succeed, in so many seconds.

        Over one connection for all of them, which does not outlive the host's boot.
        """
        done = _over_ssh(host, command, said, seconds)
        if done.returncode == 255:
            done = _over_ssh(host, command, said, seconds)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def everywhere(self, command: str) -> list[str]:
        """What a command prints on each compute host."""
        with ThreadPoolExecutor() as pool:
            return list(pool.map(lambda host: self.on(host, command), self.compute_hosts))

    def page(self, host: str, address: str) -> str:
        """The last line of what a guest's web server says to a host."""
        get = r"exec 3<>/dev/tcp/%s/80; printf 'GET / HTTP/1.0\r\n\r\n' >&3; timeout 5 tail -n 1 <&3" % address
        return self.on(host, 'timeout 20 bash -c "%s" || true' % get)

    def reboot(self, host: str, name: str) -> None:
        """Let a host boot anew: everything on it ends at once, as when its power fails.

        Until the console of an instance begins anew, that had BEFORE as its last word.
        """
        log = "/var/lib/kvmstack/instances/%s/console.log" % self.record(name)["uuid"]
        self.on(host, "echo BEFORE >> %s" % log)
        self.boot(host)
        self.on(host, "for try in $(seq 60); do grep --quiet BEFORE %s || break; sleep 0.5; done" % log)

    def boot(self, host: str) -> None:
        """Let a host boot anew, as when its power fails."""
        command = [str(ROOT / "molecule/shared/lab"), "reboot", host]
        subprocess.run(command, check=True, capture_output=True, timeout=120)

    @contextlib.contextmanager
    def silenced(self, host: str) -> Iterator[None]:
        """Have nothing run on a host for a while; to all others it is as when its power has failed."""
        pause = ["podman", "pause", "kvmstack-" + host]
        subprocess.run(pause, check=True, capture_output=True, timeout=60)
        try:
            yield
        finally:
            subprocess.run(["podman", "unpause", pause[-1]], check=True, capture_output=True, timeout=60)

    def records(self, table: str = "instances", where: str = "deleted = 0") -> list[dict]:
        """The rows of the record's database."""
        statement = "select * from %s where %s" % (table, where)
        with self.engine.connect() as connection:
            rows = [row._asdict() for row in connection.execute(sqlalchemy.text(statement))]
        return [{key: _read(value) for key, value in row.items()} for row in rows]

    def record(self, name: str) -> dict:
        [row] = [row for row in self.records() if row["name"] == name]
        return row

    def console(self, name: str, words: str, seconds: int = 90, times: int = 1) -> str:
        """An instance's console, when it has the words so often; fails with what it has when they do not come."""
        row, end, text = self.record(name), time.monotonic() + seconds, ""
        while time.monotonic() < end:
            text = self.on(row["host"], "cat /var/lib/kvmstack/instances/%s/console.log" % row["uuid"])
            if text.count(words) >= times:
                return text
            time.sleep(1)
        raise AssertionError("%r is not on the console of %s:\n%s" % (words, name, text))

    def ports(self) -> list[dict]:
        """The logical switch ports in OVN's northbound database, by column."""
        return _rows(self.on(self.central, "ovn-nbctl --format=json list Logical_Switch_Port"))

    def parts(self, name: str) -> dict[str, int]:
        """How many domains, ports, claims and volume files an instance has, over all hosts."""
        row = self.record(name)
        identities = [port["id"] for port in row["ports"]]
        things = " ".join(self.everywhere("virsh list --all --uuid; ls /var/lib/kvmstack/volumes || true")).split()
        return {
            "domains": things.count(row["uuid"]),
            "ports": len([port for port in self.ports() if port["name"] in identities]),
            "claims": len(self.records("allocations", "instance_uuid = '%s'" % row["uuid"])),
            "volumes": sum(things.count(volume["id"] + ".raw") for volume in row["volumes"]),
        }

    def domains(self, host: str) -> list[str]:
        """The UUIDs of all domains of a host."""
        return self.on(host, "virsh list --all --uuid").split()

    def state(self) -> str:
        """Everything a run could write: record, OVN, libvirt, files; of the record not who drives what."""
        tables = sorted(sqlalchemy.inspect(self.engine).get_table_names()) if DATABASE.exists() else []
        rows = [row for table in tables for row in self.records(table, "1 = 1")]
        parts = [str({key: value for key, value in row.items() if key not in LEASE}) for row in rows]
        parts.append(self.on(self.central, "for table in %s; do ovn-nbctl list $table; done" % NORTHBOUND))
        return "\n".join(parts + self.everywhere(DOMAINS + FILES))


def _over_ssh(host: str, command: str, said: str, seconds: int) -> subprocess.CompletedProcess:
    """Its control socket is named from where it lies: the path of a socket is 108 bytes at most (unix(7))."""
    shared = ["-o", "ControlMaster=auto", "-o", "ControlPersist=10m", "-o", "ControlPath=%n.ssh"]
    shell = ["ssh", "-F", str(ROOT / "build/hosts/ssh_config"), *shared, host, command]
    lies = ROOT / "build/hosts"
    return subprocess.run(shell, input=said, text=True, capture_output=True, check=False, timeout=seconds, cwd=lies)


def _read(value):
    """A column's value; a database without a type for JSON gives its text."""
    return json.loads(value) if isinstance(value, str) and value[:1] in ("[", "{") else value


def _rows(text: str) -> list[dict]:
    table = json.loads(text)
    return [dict(zip(table["headings"], row)) for row in table["data"]]
