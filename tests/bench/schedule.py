# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long it takes to choose hosts for instances, with nova's default filters and weighers and ours, claims committed.

    ./dev bench schedule [--hosts 10000] [--instances 1000] [--database URL ...]

For each database (an SQLite file, and PostgreSQL where its server's package is installed): one class, fifty classes
mixed, and one class again on the cluster that is fuller now. Beside it nova's own, where python3-nova is installed.
The exit status is 1 if a figure is above what it must reach.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import uuid

HERE = os.path.dirname(os.path.realpath(__file__))
LIMITS = {"one class": 3.0, "fifty classes": 10.0, "one class, fuller": 3.0}  # seconds for 1,000 among 10,000
MEMORY = 500  # MiB


def hosts(count):
    """Hosts as a cloud has them after a while: four models, each differently full, with facts of real size."""
    some = random.Random(1)
    features = ["feature-%d" % number for number in range(60)]
    for number in range(count):
        vcpus, memory_mb = some.choice([(32, 131072), (64, 262144), (96, 393216), (128, 524288)])
        half = vcpus // 2
        yield {
            "host": "compute-%05d" % number,
            "generation": 0,
            "enabled": some.random() > 0.01,
            "vcpus": vcpus,
            "memory_mb": memory_mb,
            "disk_gb": 4000,
            "vcpus_reserved": 0,
            "memory_mb_reserved": 512,
            "disk_gb_reserved": 0,
            "cpu_allocation_ratio": 4.0,
            "ram_allocation_ratio": 1.0,
            "disk_allocation_ratio": 1.0,
            "vcpus_used": some.randrange(vcpus * 2),
            "memory_mb_used": 512 * some.randrange(memory_mb // 1024),
            "disk_gb_used": some.randrange(2000),
            "failed_builds": 0,
            "num_instances": 0,
            "availability_zone": "az%d" % (number % 3),
            "facts": {
                "architecture": "x86_64",
                "hypervisor_type": "QEMU",
                "hypervisor_version": 9000000,
                "cpu_features": features,
                "numa_cells": [
                    {
                        "id": cell,
                        "cpus": list(range(cell * half, cell * half + half)),
                        "memory_mb": memory_mb // 2,
                        "pages": {"4": memory_mb * 128, "2048": 0},
                    }
                    for cell in (0, 1)
                ],
                "pci_devices": [
                    {"address": "0000:00:%02x.0" % slot, "vendor_id": "8086", "product_id": "1520", "numa_node": 0}
                    for slot in range(20)
                ],
            },
        }


def documents(count, classes):
    for number in range(count):
        kind = number % classes
        flavor = {
            "name": "f%d" % kind,
            "vcpus": 1 + kind % 8,
            "ram": 512 * (1 + kind),
            "disk": 10,
            "extra_specs": {},
        }
        image = {"name": "demo", "min_disk": 0, "properties": {"hw_architecture": "x86_64"}}
        identity = str(uuid.UUID(int=random.getrandbits(128)))
        yield {
            "name": "web-%s" % identity[:8],
            "uuid": identity,
            "project_id": "p",
            "flavor": flavor,
            "image": image,
            "ports": [],
            "volumes": [],
            "vm_state": "building",
        }


def ours(url, host_count, instance_count):
    """Seconds by case, each in a process of its own as a module is."""
    from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import Database, now

    database = Database(url)
    random.seed(2)
    with database.writing() as connection:
        rows = [{**row, "updated_at": now(connection)} for row in hosts(host_count)]
        connection.execute(database.tables.compute_nodes.insert(), rows)
    figures = {}
    for case, classes in (("one class", 1), ("fifty classes", 50), ("one class, fuller", 1)):
        wanted = list(documents(instance_count, classes))
        with database.writing() as connection:
            moments = dict.fromkeys(("created_at", "requested_at", "updated_at"), now(connection))
            connection.execute(
                database.tables.instances.insert(),
                [
                    {
                        **{key: document[key] for key in ("uuid", "name", "project_id", "vm_state", "flavor", "image")},
                        **moments,
                        "attempted_hosts": [],
                        "ports": [],
                        "volumes": [],
                        "instance_metadata": {},
                        "lease_owner": "bench",
                        "deleted": 0,
                    }
                    for document in wanted
                ],
            )
        read, write = os.pipe()
        if os.fork() == 0:
            database.engine.dispose(close=False)
            try:
                os.write(write, ("%r" % (once(url, wanted),)).encode())
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read) as answer:
            figures[case] = eval(answer.read())  # noqa: S307, our own child
        os.wait()
    return figures


def once(url, wanted):
    """Seconds to plan and to claim, MiB that it took at most."""
    from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import LaunchError
    from ansible_collections.kvmstack.launch.plugins.module_utils.schedule import policy, request, sql

    params = {name: option["default"] for name, option in policy.SPEC.items()}
    params.update(database=url, nodes=[], candidates=None, instances=wanted, run_id="bench")
    began = time.monotonic()
    requests = request.parse(params)
    claims = sql.connect(params)
    changes = policy.plan(params)(requests, claims.read(requests), "present")
    planned = time.monotonic()
    outcome = claims.apply([change for change in changes if change.pending])
    ended = time.monotonic()
    placed = [each for each in outcome.values() if not isinstance(each, LaunchError)]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return planned - began, ended - planned, memory, len(placed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=10000)
    parser.add_argument("--instances", type=int, default=1000)
    parser.add_argument("--database", action="append", metavar="URL", help="an empty database")
    asked = parser.parse_args()
    good = True
    print("%d instances among %d hosts" % (asked.instances, asked.hosts))
    print("%-12s %-20s %8s %8s %8s %10s %6s" % ("database", "case", "choose s", "claim s", "all s", "ms/inst", "MiB"))
    with contextlib.nullcontext(asked.database) if asked.database else databases() as urls:
        for url in urls:
            for case, (choose, claim, memory, placed) in ours(url, asked.hosts, asked.instances).items():
                total = choose + claim
                fits = total <= LIMITS[case] and memory <= MEMORY and placed == asked.instances
                good = good and fits
                print(
                    "%-12s %-20s %8.2f %8.2f %8.2f %10.2f %6d%s"
                    % (
                        url.partition(":")[0].partition("+")[0],
                        case,
                        choose,
                        claim,
                        total,
                        total / asked.instances * 1e3,
                        memory,
                        ""
                        if fits
                        else "  above %.0f s or %d MiB, or %d not placed"
                        % (LIMITS[case], MEMORY, asked.instances - placed),
                    ),
                    flush=True,
                )
    beside_nova(asked.hosts)
    sys.exit(not good)


@contextlib.contextmanager
def databases():
    """An SQLite file, and PostgreSQL on a socket of its own where the server's package is installed."""
    with contextlib.ExitStack() as servers:
        urls = ["sqlite:///%s/launch.db" % servers.enter_context(tempfile.TemporaryDirectory())]
        folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if folders:
            urls.append(servers.enter_context(postgresql(folders[-1])))
        yield urls


@contextlib.contextmanager
def postgresql(folder):
    """The server with its own defaults: what it says is committed is on the disk."""
    from ansible_collections.kvmstack.launch.tests.unit.conftest import answering, private_folder, run, server

    with private_folder("postgres") as path:
        run(
            "postgres",
            folder + "/initdb",
            "--auth=trust",
            "--username=launch",
            "--encoding=UTF8",
            "--pgdata=" + path + "/data",
        )
        options = ["--listen_addresses=", "--unix_socket_directories=" + path]
        with server("postgres", folder + "/postgres", "-D", path + "/data", *options, stop=signal.SIGINT):
            url = "postgresql+psycopg://launch@/postgres?host=" + path
            answering(url).dispose()
            yield url


def beside_nova(host_count):
    """nova's filters and weighers in memory, with Debian's Python, where they are installed."""
    script = os.path.join(HERE, "nova", "filters.py")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    for count in sorted({1000, host_count}):
        done = subprocess.run(
            ["/usr/bin/python3", script, str(count)], capture_output=True, text=True, env=environment, check=False
        )
        print(done.stdout.strip() if done.returncode == 0 else "nova: python3-nova is not installed, not measured")


if __name__ == "__main__":
    main()
