# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long launch.yml takes as a whole process on the test hosts, beside libvirt alone for the same domains."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNS = 3

# On a compute host: define and start copies of a running domain, without its network and console, as many as asked.
FLOOR = """
import libvirt, sys, time, uuid, xml.etree.ElementTree as tree
connection = libvirt.open("qemu:///system")
source = [domain for domain in connection.listAllDomains() if domain.name().startswith("bench-")][0]
texts = []
for index in range(int(sys.argv[1])):
    root = tree.fromstring(source.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    root.find("name").text = "floor-%d" % index
    root.find("uuid").text = str(uuid.uuid4())
    devices = root.find("devices")
    for device in [child for child in devices if child.tag in ("interface", "disk", "serial", "console")]:
        devices.remove(device)
    texts.append(tree.tostring(root, encoding="unicode"))
start = time.monotonic()
domains = [connection.defineXML(text) for text in texts]
for domain in domains:
    domain.create()
print(time.monotonic() - start)
for domain in domains:
    domain.destroy()
    domain.undefine()
"""


def request(count: int) -> dict:
    image = {"url": "file:///srv/images/nop.qcow2", "checksum": "none"}
    instance = {"name": "bench", "count": count, "flavor": "tiny", "image": "nop", "networks": ["private"]}
    return {"launch_images": {"nop": image}, "launch_instances": [instance]}


def playbook(name: str, wanted: dict, *options: str) -> float:
    """Seconds that the playbook took, as a whole process."""
    path = ROOT / "build/results/bench.json"
    path.write_text(json.dumps(wanted))
    command = ["ansible-playbook", str(ROOT / "playbooks" / name), "--extra-vars", "@%s" % path, *options]
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return time.monotonic() - start


def floor(count: int) -> float:
    """Seconds that libvirt alone takes to define and start as many domains on one host."""
    for host in ("compute-1", "compute-2", "compute-3"):
        shell = ["ssh", "-F", str(ROOT / "build/hosts/ssh_config"), host, "python3 - %d" % count]
        done = subprocess.run(shell, input=FLOOR, text=True, capture_output=True, check=False)
        if done.returncode == 0:
            return float(done.stdout)
    sys.exit(done.stderr)


def ansible_alone(tasks: int) -> float:
    """Seconds that Ansible takes for a play of that many tasks that do nothing, on the controller."""
    path = ROOT / "build/results/bench-floor.json"
    ping = {"name": "Nothing", "ansible.builtin.ping": {}}
    path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [ping] * tasks}]))
    start = time.monotonic()
    subprocess.run(["ansible-playbook", str(path)], cwd=ROOT, capture_output=True, check=True)
    return time.monotonic() - start


def row(what: str, seconds: list[float]) -> None:
    figures = (min(seconds), statistics.median(seconds), max(seconds))
    print("%-52s %6.2f %6.2f %6.2f" % (what, *figures), flush=True)


def main() -> None:
    print("%-52s %6s %6s %6s" % ("seconds, of %d runs" % RUNS, "least", "median", "most"))
    playbook("launch.yml", request(3))
    playbook("destroy.yml", request(3))
    row("Ansible alone, an empty play", [ansible_alone(0) for _run in range(RUNS)])
    row("Ansible alone, nine tasks that do nothing", [ansible_alone(9) for _run in range(RUNS)])
    for count in (1, 10):
        launched, again, alone, gone = [], [], [], []
        for _run in range(RUNS):
            launched.append(playbook("launch.yml", request(count)))
            again.append(playbook("launch.yml", request(count)))
            alone.append(floor(count))
            gone.append(playbook("destroy.yml", request(count)))
        row("launch.yml, %d to ACTIVE" % count, launched)
        row("launch.yml, %d that exist" % count, again)
        row("libvirt alone, %d defined and started on one host" % count, alone)
        row("destroy.yml, %d" % count, gone)


if __name__ == "__main__":
    main()
