# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long launch.yml takes with OpenStack's services, beside nova itself and openstack.cloud.server on these."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openstack
from launch import RUNS, ansible_alone, floor, row

ROOT = Path(__file__).parents[2]
SCENARIO = ROOT / "molecule/openstack"
RECORD = ROOT / "build/hosts/bench.db"
PEER = ROOT / "build/peer/bin"
FLAVOR = {"vcpus": 1, "ram": 128, "disk": 1}
REQUEST = {
    "launch_identity": "keystone",
    "launch_image_service": "glance",
    "launch_network_service": "neutron",
    "launch_cloud": "member",
    "launch_service_cloud": "launch",
    "launch_database": "sqlite:///%s" % RECORD,
    "launch_private_path": str(ROOT / "build/hosts/private"),
}
# Until so many of nova's instances are in this state, by its database: to ask its API would slow it.
UNTIL = """
until [ "$(mysql --skip-column-names --execute "select count(*) from nova.instances
  where display_name like 'peer%%' and vm_state = '%s' and (deleted = 0 or vm_state = 'deleted')")" = %d ]
do sleep 0.05; done
"""


def control(script: str) -> subprocess.Popen:
    """A script on the host of the services, as it goes on."""
    shell = ["ssh", "-F", str(ROOT / "build/hosts/ssh_config"), "control", script]
    return subprocess.Popen(shell, stdout=subprocess.PIPE, text=True)


def timed(command: list[str], **more) -> float:
    """Seconds that a command took, as a whole process."""
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False, **more)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return time.monotonic() - start


def playbook(name: str, count: int) -> float:
    """Seconds of one of our playbooks for so many instances."""
    instance = {"name": "bench", "count": count, "flavor": FLAVOR, "image": "nop", "networks": ["private"]}
    path = ROOT / "build/results/bench.json"
    path.write_text(json.dumps({**REQUEST, "launch_instances": [instance]}))
    options = ["--inventory", str(SCENARIO / "inventory"), "--extra-vars", "@%s" % path]
    return timed(["ansible-playbook", *options, str(ROOT / "playbooks" / name)])


def recorded() -> float:
    """Seconds from the first request to the last ACTIVE, by our record."""
    moments = "select julianday(max(launched_at)) - julianday(min(requested_at)) from instances where deleted = 0"
    with sqlite3.connect(RECORD) as record:
        return record.execute(moments).fetchone()[0] * 86400


def server(cloud: openstack.connection.Connection, count: int) -> tuple[float, float]:
    """Seconds until nova has so many instances ACTIVE in one request, and until it has deleted them."""
    body = {
        "name": "peer",
        "imageRef": cloud.image.find_image("nop").id,
        "flavorRef": cloud.compute.find_flavor("bench").id,
        "networks": [{"uuid": cloud.network.find_network("private").id}],
        "min_count": count,
        "max_count": count,
    }
    waiting = control(UNTIL % ("active", count))
    start = time.monotonic()
    answer = cloud.compute.post("/servers", json={"server": body})
    if not answer.ok:
        sys.exit(answer.text)
    waiting.wait()
    launched = time.monotonic() - start
    waiting = control(UNTIL % ("active", 0))
    start = time.monotonic()
    for instance in cloud.compute.servers(details=False, name="^peer"):
        cloud.compute.delete_server(instance.id)
    waiting.wait()
    return launched, time.monotonic() - start


def ports(cloud: openstack.connection.Connection, count: int) -> float:
    """Seconds that Neutron alone takes to make so many ports, asked for them eight at a time."""
    network = cloud.network.find_network("private").id

    def make(index: int) -> str:
        body = {"port": {"network_id": network, "name": "floor-%d" % index}}
        return cloud.network.post("/ports", json=body).json()["port"]["id"]

    with ThreadPoolExecutor(8) as pool:
        start = time.monotonic()
        made = list(pool.map(make, range(count)))
        taken = time.monotonic() - start
        list(pool.map(cloud.network.delete_port, made))
    return taken


def peer(state: str, count: int) -> float:
    """Seconds of a playbook that loops over openstack.cloud.server."""
    options = {"cloud": "member", "name": "peer-{{ item }}", "state": state}
    if state == "present":
        options.update(image="nop", flavor="bench", network="private", auto_ip=False)
    task = {"openstack.cloud.server": options, "loop": list(range(count))}
    path = ROOT / "build/results/bench-peer.json"
    path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    inventory = "localhost ansible_connection=local ansible_python_interpreter=%s/python\n" % PEER
    (path.parent / "bench-peer.ini").write_text(inventory)
    # Its own collections, and this checkout's settings, but for their place.
    settings = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(PEER.parent)}
    command = [str(PEER / "ansible-playbook"), "--inventory", str(path.parent / "bench-peer.ini"), str(path)]
    return timed(command, env=settings)


def main() -> None:
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(ROOT / "build/hosts/clouds.yaml")
    admin, cloud = openstack.connect(cloud="admin"), openstack.connect(cloud="member")
    if admin.compute.find_flavor("bench") is None:
        admin.compute.create_flavor(name="bench", **FLAVOR)
    RECORD.unlink(missing_ok=True)
    print("%-52s %6s %6s %6s" % ("seconds, of %d runs" % RUNS, "least", "median", "most"))
    # The image is cached everywhere, and every connection is there.
    playbook("launch.yml", 4)
    playbook("destroy.yml", 4)
    server(cloud, 1)
    row("Ansible alone, an empty play", [ansible_alone(0) for _run in range(RUNS)])
    for count in (1, 10):
        ours, inside, again, gone, nova, deleted, wired, started = [], [], [], [], [], [], [], []
        for _run in range(RUNS):
            ours.append(playbook("launch.yml", count))
            inside.append(recorded())
            again.append(playbook("launch.yml", count))
            started.append(floor(count))
            wired.append(ports(cloud, count))
            gone.append(playbook("destroy.yml", count))
            launched, removed = server(cloud, count)
            nova.append(launched)
            deleted.append(removed)
        row("launch.yml, %d, the whole process" % count, ours)
        row("launch.yml, %d, from the record to ACTIVE" % count, inside)
        row("Neutron alone, %d ports" % count, wired)
        row("libvirt alone, %d defined and started on one host" % count, started)
        row("nova, %d, from POST to ACTIVE" % count, nova)
        row("openstack.cloud.server, %d" % count, [peer("present", count)])
        row("launch.yml, %d that exist" % count, again)
        row("openstack.cloud.server, %d that exist" % count, [peer("present", count)])
        row("destroy.yml, %d" % count, gone)
        row("nova, %d deleted" % count, deleted)
        row("openstack.cloud.server, %d absent" % count, [peer("absent", count)])


if __name__ == "__main__":
    main()
