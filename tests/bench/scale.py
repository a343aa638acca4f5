# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What grows with the cloud: one VM beside many hosts, many VMs in one launch, a list of many instances.

    ./dev bench scale

The test hosts are three. Many hosts are these and others that are only in the inventory and in the record, disabled.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import uuid
from pathlib import Path

from launch import RUNS, playbook, request, row

from ansible_collections.kvmstack.launch.plugins.module_utils.core.change import plan as plan_hosts
from ansible_collections.kvmstack.launch.plugins.module_utils.host import record as host_request
from ansible_collections.kvmstack.launch.plugins.module_utils.host import sql as host_sql
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import model as instance
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import request as instance_request
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import sql as instance_sql

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build/hosts/scale"
HOSTS, MANY, LISTED = 1000, 100, 10000
RATIO = {"cpu_allocation_ratio": 64.0}
COMPUTE = ("compute-1", "compute-2", "compute-3")


def inventory(extra: int) -> list[str]:
    """The options for the test hosts and so many others."""
    path = FOLDER / ("inventory-%d.yml" % extra)
    hosts = {"host-%04d" % number: {"ansible_host": "192.0.2.1"} for number in range(extra)}
    path.write_text(json.dumps({"compute": {"hosts": hosts}}))
    return ["--inventory", str(ROOT / "molecule/shared/inventory"), "--inventory", str(path)]


def database(name: str) -> str:
    path = FOLDER / name
    path.unlink(missing_ok=True)
    return "sqlite:///%s" % path


def record_hosts(url: str, count: int) -> None:
    """Hosts as their survey would have recorded them, and disabled."""
    names = ["host-%04d" % number for number in range(count)]
    facts = {"architecture": "x86_64", "cpu_features": ["feature-%d" % number for number in range(100)]}
    nodes = [{"host": name, "vcpus": 64, "memory_mb": 262144, "disk_gb": 1000, **facts} for name in names]
    settings = {name: {"enabled": False} for name in names}
    params = {"database": url, "hosts": names, "nodes": nodes, "silent": [], "settings": settings}
    backend, wanted = host_sql.connect(params), host_request.parse(params)
    backend.apply([change for change in plan_hosts(wanted, backend.read(wanted), "present") if change.pending])


def record_instances(url: str, count: int) -> None:
    """Instances as a request leaves them."""
    definition = {"url": "file:///srv/images/nop.qcow2", "checksum": "none"}
    params = {
        "database": url, "state": "present", "project_id": "default", "flavors": {"tiny": {"vcpus": 1, "ram": 128}},
        "images": {"nop": definition}, "networks": {"private": {"cidr": "10.0.0.0/8"}}, "security_groups": {},
        "groups": {}, "quotas": {}, "image_service": "url", "network_service": "ovn", "volume_service": "file",
        "run_id": "bench", "lease": 60, "take_over": False,
    }  # fmt: skip
    for start in range(0, count, 1000):
        entry = {"name": "vm-%d" % start, "count": 1000, "flavor": "tiny", "image": "nop", "networks": ["private"]}
        entry["metadata"] = {"batch": str(start), "id": str(uuid.uuid4())}
        wanted = instance_request.parse({**params, "instances": [entry]})
        backend = instance_sql.connect(params)
        backend.apply([each for each in instance.plan(wanted, backend.read(wanted), "present") if each.pending])


def many_hosts() -> None:
    """One VM with the test hosts alone, and with all the others beside them, by turns."""
    few, many = [], []
    sides = ((few, inventory(0), database("few.db")), (many, inventory(HOSTS - 3), database("many.db")))
    record_hosts(sides[1][2], HOSTS - 3)
    for run in range(RUNS + 1):
        for seconds, options, url in sides:
            wanted = {**request(1), "launch_database": url}
            took = playbook("launch.yml", wanted, *options)
            playbook("destroy.yml", wanted, *options)
            if run:  # the first one asks the hosts
                seconds.append(took)
    row("launch.yml, 1 with 3 hosts", few)
    row("launch.yml, 1 with %d hosts" % HOSTS, many)
    ratio = statistics.median(many) / statistics.median(few)
    print("%-52s %13.2f" % ("with %d hosts it takes so many times as long" % HOSTS, ratio), flush=True)


def many_instances() -> None:
    """So many in one launch, and ten."""
    url, options = database("instances.db"), inventory(0)
    for count in (10, MANY):
        wanted = {**request(count), "launch_database": url, "launch_host_settings": dict.fromkeys(COMPUTE, RATIO)}
        launched, again, gone = [], [], []
        for _run in range(1 if count == MANY else RUNS):
            launched.append(playbook("launch.yml", wanted, *options) / count)
            again.append(playbook("launch.yml", wanted, *options) / count)
            gone.append(playbook("destroy.yml", wanted, *options) / count)
        row("launch.yml, %d over 3 hosts, for each" % count, launched)
        row("launch.yml, %d that exist, for each" % count, again)
        row("destroy.yml, %d, for each" % count, gone)


def long_list() -> None:
    """A list of many instances."""
    url, options = database("list.db"), inventory(0)
    record_instances(url, LISTED)
    row(
        "list.yml, %d instances" % LISTED,
        [playbook("list.yml", {"launch_database": url}, *options) for _run in range(RUNS)],
    )


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    os.chdir(ROOT)
    print("%-52s %6s %6s %6s" % ("seconds, of %d runs" % RUNS, "least", "median", "most"))
    chosen = sys.argv[1:] or ["hosts", "instances", "list"]
    for name, measure in (("hosts", many_hosts), ("instances", many_instances), ("list", long_list)):
        if name in chosen:
            measure()


if __name__ == "__main__":
    main()
