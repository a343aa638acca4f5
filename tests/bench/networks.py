# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a network costs: in a launch, between guests, and when the host fails that is its way out.

    ./dev bench networks [launch] [throughput] [failover]

Beside the guests there are two network namespaces of one host on the same logical switch, without QEMU.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Iterator

from launch import RUNS, playbook, row
from launch import request as instances

from ansible_collections.kvmstack.launch.molecule.default.tests import test_provider as wires
from ansible_collections.kvmstack.launch.molecule.default.tests import test_routers as routers
from ansible_collections.kvmstack.launch.molecule.shared.launching import Site, on_host, request

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build/hosts/networks"
MIB = 16
SERVER, NEAR, FAR = "bench-server", "bench-near", "bench-far"
PLACES = {SERVER: "compute-1", NEAR: "compute-1", FAR: "compute-2"}
NETWORK = {"bench": {"cidr": "10.45.0.0/24"}}
ADDRESS = "10.45.0.50"

# A page of so many MiB, and a guest that fetches it again and again; uptime in seconds before and after.
SERVE = "#!/bin/sh\ndd if=/dev/zero of=/www/big bs=1M count=%d\necho BENCH-SERVES\n" % MIB
FETCH = """#!/bin/sh
for _run in $(seq 20); do
  read -r start _idle < /proc/uptime
  size=$(printf 'GET /big HTTP/1.0\\r\\n\\r\\n' | nc -w 60 %s 80 | wc -c)
  read -r end _idle < /proc/uptime
  [ "$size" -gt %d ] && echo "BENCH-RATE $start $end"
  sleep 1
done
""" % (ADDRESS, MIB << 20)

# Two ports of a switch as namespaces on a host, and as many MiB from one to the other: seconds.
PAIR = """
set -e
end() {
  for name in bench-a bench-b; do
    ip netns delete $name || true
    ovs-vsctl --if-exists del-port br-int $name
  done
} 2> /dev/null
end
trap end EXIT
number=60
for name in bench-a bench-b; do
  mac=fa:16:3f:be:ce:$number
  ovs-vsctl add-port br-int $name -- set Interface $name type=internal "mac=\\"$mac\\"" mtu_request=1442 \\
    external_ids:iface-id=$name
  ip netns add $name
  ip link set $name netns $name
  ip -n $name address add 10.45.0.$number/24 dev $name
  ip -n $name link set $name up
  number=$((number + 1))
done
sleep 5
ip netns exec bench-a python3 -c '
import socket
server = socket.create_server(("10.45.0.60", 80))
stream, _peer = server.accept()
stream.sendall(bytes(MIB << 20))
' &
sleep 1
ip netns exec bench-b python3 -c '
import socket, time
start, left = time.monotonic(), MIB << 20
stream = socket.create_connection(("10.45.0.60", 80), timeout=60)
while left:
    left -= len(stream.recv(65536))
print(time.monotonic() - start)
'
"""
PORTS = {"bench-a": "fa:16:3f:be:ce:60 10.45.0.60", "bench-b": "fa:16:3f:be:ce:61 10.45.0.61"}


def guest(name: str, script: str, **entry) -> dict:
    network = {"network": "bench", "security_groups": ["default", "open"], **entry}
    hints = on_host(PLACES[name])
    more = {"image": "demo", "user_data": script, "volumes": [], "scheduler_hints": hints}
    [asked] = request(name, networks=[network], **more)["launch_instances"]
    return asked


def rates(name: str, seconds: list[float]) -> None:
    """A row of MiB/s."""
    row(name, [MIB / each for each in seconds])


def launch(_site: Site) -> None:
    """One instance without a network, and one on a network with the host as its router."""
    sides: dict[str, list[float]] = {"without a network": [], "on a network": []}
    for run in range(RUNS + 1):
        for (_what, seconds), networks in zip(sides.items(), ([], ["private"])):
            wanted = instances(1)
            wanted["launch_instances"][0]["networks"] = networks
            took = playbook("launch.yml", wanted)
            playbook("destroy.yml", wanted)
            if run:  # the first one asks the hosts
                seconds.append(took)
    for what, seconds in sides.items():
        row("launch.yml, 1 %s" % what, seconds)


def throughput(site: Site) -> None:
    """From guest to guest on one host and on two, and from namespace to namespace."""
    asked = [guest(SERVER, SERVE, fixed_ip=ADDRESS), guest(NEAR, FETCH), guest(FAR, FETCH)]
    wanted = {**request(), "launch_networks": NETWORK, "launch_security_groups": wires.GROUPS}
    try:
        for several in (asked[:2], [asked[0], asked[2]]):  # by turns: they share the machine
            site.launch({**wanted, "launch_instances": several})
            name = several[-1]["name"]
            text = site.console(name, "BENCH-RATE", seconds=240, times=RUNS)
            spans = re.findall(r"BENCH-RATE ([\d.]+) ([\d.]+)", text)[:RUNS]
            where = "one host" if name == NEAR else "another host"
            rates("MiB/s, guest to guest, %s" % where, [float(end) - float(start) for start, end in spans])
            if name == NEAR:
                site.destroy(request(NEAR))
        pair(site)
    finally:
        site.destroy(request(*PLACES))


def pair(site: Site) -> None:
    """From namespace to namespace, on the guests' own logical switch."""
    port = site.record(SERVER)["ports"][0]["id"]
    words = ["lsp-add $switch %s -- lsp-set-addresses %s '%s'" % (name, name, said) for name, said in PORTS.items()]
    switch = "switch=$(ovn-nbctl lsp-get-ls %s | sed 's/.*(\\(.*\\))/\\1/')" % port
    site.on(site.central, "%s; ovn-nbctl %s" % (switch, " -- ".join(words)))
    try:
        script = PAIR.replace("MIB", str(MIB))
        said = [site.on(PLACES[SERVER], "bash -s", script) for _run in range(RUNS)]
        rates("MiB/s, namespace to namespace, one host", [float(each) for each in said])
    finally:
        site.on(site.central, "ovn-nbctl " + " -- ".join("--if-exists lsp-del %s" % name for name in PORTS))


@contextlib.contextmanager
def wire(site: Site) -> Iterator[wires.Wire]:
    """Two hosts and a machine on a wire."""
    wires.unplug(site)
    wires.ip("-n", "kvmstack", "link", "add", wires.BRIDGE, "up", "type", "bridge")
    found = wires.Wire(site, FOLDER / "wire.json")
    try:
        for host in (*wires.WIRED, wires.MACHINE):
            wires.plug(host)
        site.on(wires.MACHINE, wires.SWITCH)
        found.says(wires.MAPPINGS)
        found.prepare()
        yield found
    finally:
        site.destroy(request("routed"))
        found.says({})
        found.prepare()
        wires.unplug(site)


def gap(address: str, act) -> float:
    """The longest time without an answer to pings, every 20 ms, while something is done."""
    command = ["ip", "netns", "exec", "kvmstack-" + wires.MACHINE, "ping", "-n", "-D", "-i", "0.02", address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as ping:
        answered: list[float] = []

        def read() -> None:
            answered.extend(float(line[1:18]) for line in ping.stdout if " bytes from " in line)

        reader = threading.Thread(target=read)
        reader.start()
        time.sleep(2)
        act()
        time.sleep(2)
        ping.terminate()
        reader.join()
    return max((after - before for before, after in zip(answered, answered[1:])), default=float("inf"))


def failover(site: Site) -> None:
    """How long nobody outside hears of a guest with a floating IP: its gateway host is gone, and comes back."""
    with wire(site) as routed:
        routed.launch(routers.wanted(routers.FAR))
        routers.fetch(routers.FLOATING, seconds=120)
        silent, polite = [], []

        def without_a_word() -> None:
            with site.silenced("compute-1"):
                time.sleep(15)

        def with_a_word() -> None:
            with routers.leaving(site, "compute-1"):
                time.sleep(5)

        for gaps, act in ((silent, without_a_word), (polite, with_a_word)):
            for _run in range(RUNS):
                routers.until_gateway(site, "compute-1")
                time.sleep(5)
                gaps.append(gap(routers.FLOATING, act))
        row("seconds without an answer, the gateway's host is gone", silent)
        row("seconds without an answer, its ovn-controller is stopped", polite)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    chosen = sys.argv[1:] or ["launch", "throughput", "failover"]
    print("%-52s %6s %6s %6s" % ("of %d runs" % RUNS, "least", "median", "most"))
    for name, measure in (("launch", launch), ("throughput", throughput), ("failover", failover)):
        if name in chosen:
            measure(Site("sqlite:///%s" % (FOLDER / "launch.db")))


if __name__ == "__main__":
    main()
