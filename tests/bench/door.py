# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long the Compute API takes with OpenStack's services, beside nova's on these: to its reply, and to ACTIVE."""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable

import openstack
from launch import RUNS, row
from openstack.connection import Connection
from services import FLAVOR, ROOT, UNTIL, control

from ansible_collections.kvmstack.launch.molecule.openstack.tests.cloud import Cloud
from ansible_collections.kvmstack.launch.molecule.openstack.tests.door import MODULES, Door, opened

MANY = 30  # servers, each by a POST of its own


class Ours:
    """The API of this collection, a worker behind it, and the record to look at."""

    def __init__(self, door: Door, flavor: str, network: str):
        self.cloud, self.flavor, self.network = door.by("member"), flavor, network
        self.record = door.site.database.partition("///")[2]

    def until(self, word: str, count: int) -> Callable[[], None]:
        """What returns when so many servers are active."""

        def wait() -> None:
            asked = "select count(*) from instances where name like 'peer%' and vm_state = ? and deleted = 0"
            with sqlite3.connect("file:%s?mode=ro" % self.record, uri=True) as record:
                while record.execute(asked, (word,)).fetchone()[0] != count:
                    if record.execute(asked, ("error",)).fetchone()[0]:
                        sys.exit("a server has failed")
                    time.sleep(0.05)

        return wait


class Nova:
    """Nova's API, and its database to look at."""

    def __init__(self, cloud: Connection, flavor: str, network: str):
        self.cloud, self.flavor, self.network = cloud, flavor, network

    def until(self, word: str, count: int) -> Callable[[], None]:
        """The same."""
        return control(UNTIL % (word, count)).wait


def posted(side: Ours | Nova, name: str, count: int = 1) -> float:
    """Seconds to the reply of a POST that asks for so many servers."""
    body = {
        "name": name,
        "imageRef": side.cloud.image.find_image("nop").id,
        "flavorRef": side.flavor,
        "networks": [{"uuid": side.network}],
        "min_count": count,
        "max_count": count,
    }
    start = time.monotonic()
    answer = side.cloud.compute.post("/servers", json={"server": body})
    if not answer.ok:
        sys.exit(answer.text)
    return time.monotonic() - start


def gone(side: Ours | Nova) -> None:
    """Delete them all, and wait until they are."""
    waiting = side.until("active", 0)
    for server in side.cloud.compute.servers(details=False, name="^peer"):
        side.cloud.compute.delete_server(server.id)
    waiting()


def launched(side: Ours | Nova, posts: int, count: int) -> tuple[list[float], float]:
    """Seconds to each reply, and from the first POST until all are active."""
    posted_by, waiting = ThreadPoolExecutor(8), side.until("active", posts * count)
    start = time.monotonic()
    replies = list(posted_by.map(lambda number: posted(side, "peer-%d" % number, count), range(posts)))
    waiting()
    taken = time.monotonic() - start
    gone(side)
    return replies, taken


def memory(pid: int) -> float:
    """MiB that a process and its children have for themselves and, in part, with others; 0 for one that has ended."""
    try:
        children = Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()
        lines = Path("/proc/%d/smaps_rollup" % pid).read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    mine = sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    return mine + sum(memory(int(child)) for child in children)


def measure(name: str, side: Ours | Nova) -> None:
    """The rows of one side."""
    launched(side, 1, 1)  # the image is cached everywhere, and every connection is there
    for count in (1, 10):
        found = [launched(side, 1, count) for _run in range(RUNS)]
        row("%s, POST of %d to its reply" % (name, count), [replies[0] for replies, _taken in found])
        row("%s, POST of %d to ACTIVE" % (name, count), [taken for _replies, taken in found])
    replies, taken = launched(side, MANY, 1)
    row("%s, %d POSTs by 8 clients, each to its reply" % (name, MANY), replies)
    row("%s, %d POSTs to ACTIVE" % (name, MANY), [taken])
    print("%-52s %6.1f" % ("%s, servers a minute" % name, MANY / taken * 60))


def main() -> None:
    site = Cloud()
    os.environ.update(site.environment)
    admin, cloud = openstack.connect(cloud="admin"), openstack.connect(cloud="member")
    flavor = admin.compute.find_flavor("bench") or admin.compute.create_flavor(name="bench", **FLAVOR)
    network = cloud.network.find_network("private").id
    print("%-52s %6s %6s %6s" % ("seconds, of %d runs" % RUNS, "least", "median", "most"))
    folder = Path(tempfile.mkdtemp(dir=ROOT / "build"))
    # All servers fit, as they do on nova's host.
    hosts = {name: {"cpu_allocation_ratio": 32.0} for name in site.compute_hosts}
    with opened(site, folder, launch_flavors={"bench": FLAVOR}, launch_host_settings=hosts) as door:
        measure("ours", Ours(door, "bench", network))
        door.start(MODULES + "worker.main")
        _replies, taken = launched(Ours(door, "bench", network), MANY, 1)
        print("%-52s %6.1f" % ("ours, servers a minute, two workers", MANY / taken * 60))
        for process, what in zip(door.processes, ("API", "worker")):
            print("%-52s %6.1f" % ("ours, MiB of the %s" % what, memory(process.pid)))
    # Nova's own quota is ten servers, and knows for a while yet those that it deletes.
    unlimited = {"quota_set": dict.fromkeys(("instances", "cores", "ram"), -1)}
    admin.compute.put("/os-quota-sets/" + cloud.current_project_id, json=unlimited).raise_for_status()
    measure("nova", Nova(cloud, flavor.id, network))


if __name__ == "__main__":
    main()
