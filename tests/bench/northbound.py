# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long it takes to look up and to write ports in a northbound that is full of others, and how much memory.

    ./dev bench northbound [--ports 100000] [--networks 400] [--count 10]

A private ovsdb-server is filled by JSON-RPC. Each figure is of a fresh process, its imports included in the memory and
not in the time; beside it the floor, a select of the same rows by raw JSON-RPC. The exit status is 1 if a figure is
above what it must reach.
"""

from __future__ import annotations

import argparse
import json
import resource
import socket
import subprocess
import sys
import tempfile
import time
import uuid

from ansible_collections.kvmstack.launch.plugins.module_utils.network import model as network_model
from ansible_collections.kvmstack.launch.plugins.module_utils.network import request as network_request
from ansible_collections.kvmstack.launch.plugins.module_utils.network.names import name_in
from ansible_collections.kvmstack.launch.plugins.module_utils.network.ovn import backend as networks
from ansible_collections.kvmstack.launch.plugins.module_utils.network.ovn import rows as network_rows
from ansible_collections.kvmstack.launch.plugins.module_utils.port import model, request
from ansible_collections.kvmstack.launch.plugins.module_utils.port.ovn import backend, rows
from ansible_collections.kvmstack.launch.tests.unit.northbound import Server

SECONDS, MEMORY = 1.0, 40  # MiB
# Whose the ports of the first network are.
RECORD = str(uuid.UUID(int=1))


def identity(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def network_name(number: int) -> str:
    return "net-%d" % number


def definitions(count: int) -> dict:
    return {network_name(number): {"cidr": "10.20.0.0/22"} for number in range(count)}


def port(network: int, number: int) -> dict:
    """A port as the door hands it over."""
    name = "vm-%d-%d" % (network, number)
    ids = {"id": identity(name), "name": name, "instance_uuid": identity("instance " + name)}
    return {**ids, "network": network_name(network), "security_groups": ["default"]}


class Raw:
    """JSON-RPC over a unix socket, without anything of OVS's."""

    def __init__(self, path: str):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        self.decoder = json.JSONDecoder()

    def transact(self, operations: list) -> list:
        message = {"method": "transact", "params": ["OVN_Northbound", *operations], "id": 0}
        self.socket.sendall(json.dumps(message).encode())
        text = ""
        while True:
            text += self.file.read1(1 << 20).decode()
            try:
                answer = self.decoder.raw_decode(text)[0]
            except ValueError:
                continue
            bad = [each for each in answer["result"] if each and each.get("error")]
            if bad:
                sys.exit(str(bad))
            return answer["result"]


def as_map(values: dict) -> list:
    return ["map", [[key, value] for key, value in values.items()]]


def fill(server: Server, ports: int, count: int) -> None:
    """The networks by the stage network, and their ports as we write them, a network a transaction."""
    params = {"ovn": {"northbound": server.endpoint}, "networks": definitions(count)}
    wanted = network_request.parse(params)
    stage = networks.connect(params)
    stage.apply(network_model.plan(wanted, stage.read(wanted), "present"))
    stage.link.close()
    raw = Raw(server.socket)
    raw.transact([{"op": "insert", "table": "Port_Group", "row": {"name": network_rows.DROP_GROUP}}])
    drop = as_map(network_rows.drop_ids())
    where = [["name", "==", network_rows.DROP_GROUP]]
    raw.transact([{"op": "update", "table": "Port_Group", "where": where, "row": {"external_ids": drop}}])
    dhcp = {
        dict(row["external_ids"][1])[network_rows.mark("network")]: row["_uuid"]
        for row in raw.transact([{"op": "select", "table": "DHCP_Options", "where": []}])[0]["rows"]
    }
    for number in range(count):
        network = wanted[number].definition
        operations, members = [], []
        for index in range(ports // count):
            row = written(model.Port, port(number, index), network, index, None if number else RECORD)
            row["dhcpv4_options"] = dhcp[network.name]
            operations.append({"op": "insert", "table": "Logical_Switch_Port", "row": row, "uuid-name": "p%d" % index})
            members.append(["named-uuid", "p%d" % index])
        add = {"op": "mutate", "mutations": [["ports", "insert", ["set", members]]]}
        operations.append(
            {**add, "table": "Logical_Switch", "where": name_is(network_rows.switch_name(network.full_name))}
        )
        for group in (network_rows.DROP_GROUP, network_rows.group_name(name_in(None, "default"))):
            operations.append({**add, "table": "Port_Group", "where": name_is(group)})
        raw.transact(operations)


def name_is(name: str) -> list:
    return [["name", "==", name]]


def written(make, item: dict, network, index: int, record_id: str | None) -> dict:
    """A port's row in OVSDB's JSON."""
    known = {name: item[name] for name in ("id", "name", "instance_uuid")}
    address = "10.20.%d.%d" % divmod(index + 2, 256)
    mac = "fa:16:3e:%02x:%02x:%02x" % (0, *divmod(index, 256))
    columns = rows.port_columns(
        make(
            **known,
            network=network,
            host="compute-%d" % (index % 50),
            mac_address=mac,
            fixed_ip=address,
            security_groups=("default",),
            port_security=True,
            record_id=record_id,
        )
    )
    return {
        "name": item["id"],
        **{
            column: as_map(value) if isinstance(value, dict) else ["set", value] if isinstance(value, list) else value
            for column, value in columns.items()
        },
    }


def ten(arguments: argparse.Namespace, new: bool) -> list[dict]:
    """The ports of a request, each on another network."""
    first = 10**6 if new else 7
    return [port(number * arguments.networks // arguments.count, first) for number in range(arguments.count)]


def looked_up(arguments: argparse.Namespace) -> float:
    params = {"ovn": {"northbound": arguments.endpoint}, "ports": ten(arguments, new=False)}
    start = time.monotonic()
    wanted = request.parse(params)
    changes = model.plan(wanted, backend.connect(params).read(wanted), "present")
    seconds = time.monotonic() - start
    assert [change.before is not None for change in changes] == [True] * arguments.count
    return seconds


def queried(arguments: argparse.Namespace) -> float:
    uuids = [each["instance_uuid"] for each in ten(arguments, new=False)]
    start = time.monotonic()
    query = {"instance_uuids": uuids, "names": None, "networks": None}
    found = backend.connect({"ovn": {"northbound": arguments.endpoint}}).find(query)
    seconds = time.monotonic() - start
    assert len(found) == arguments.count
    return seconds


def audited(arguments: argparse.Namespace) -> float:
    start = time.monotonic()
    found = backend.connect({"ovn": {"northbound": arguments.endpoint}}).find({"record_id": RECORD})
    seconds = time.monotonic() - start
    assert len(found) == arguments.ports // arguments.networks
    return seconds


def wrote(arguments: argparse.Namespace, one_network: bool = False) -> float:
    ports = [port(3, 10**6 + n) for n in range(arguments.count)] if one_network else ten(arguments, new=True)
    params = {"ovn": {"northbound": arguments.endpoint}, "ports": ports}
    start = time.monotonic()
    wanted = request.parse(params)
    stage = backend.connect(params)
    changes = model.plan(wanted, stage.read(wanted), "present")
    outcome = stage.apply([change for change in changes if change.pending])
    seconds = time.monotonic() - start
    assert [outcome[change.key].fixed_ip for change in changes][0]
    return seconds


def removed(arguments: argparse.Namespace) -> float:
    params = {"ovn": {"northbound": arguments.endpoint}, "ports": ten(arguments, new=True), "state": "absent"}
    start = time.monotonic()
    wanted = request.parse(params)
    stage = backend.connect(params)
    changes = model.plan(wanted, stage.read(wanted), "absent")
    stage.apply([change for change in changes if change.pending])
    seconds = time.monotonic() - start
    assert [change.action for change in changes] == ["delete"] * arguments.count
    return seconds


def selected(arguments: argparse.Namespace) -> float:
    names = [each["id"] for each in ten(arguments, new=False)]
    start = time.monotonic()
    raw = Raw(arguments.endpoint.partition(":")[2])
    select = {"op": "select", "table": "Logical_Switch_Port"}
    found = raw.transact([{**select, "where": name_is(name)} for name in names])
    seconds = time.monotonic() - start
    assert all(len(each["rows"]) == 1 for each in found)
    return seconds


FIGURES = {
    "floor": ("raw select of %d ports", selected),
    "look-up": ("look up %d ports", looked_up),
    "query": ("port_info of %d instances", queried),
    "audit": ("port_info of a record, for its audit", audited),
    "write": ("write %d ports, a network each", wrote),
    "remove": ("remove them", removed),
    "write-one": ("write %d ports on one network", lambda arguments: wrote(arguments, one_network=True)),
}


def measured(arguments: argparse.Namespace, figure: str) -> tuple[float, float]:
    """Seconds and peak MiB of a process of its own."""
    sizes = [word for name in ("ports", "networks", "count") for word in ("--" + name, str(getattr(arguments, name)))]
    command = [sys.executable, __file__, "--endpoint", arguments.endpoint, "--figure", figure, *sizes]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    seconds, memory = map(float, done.stdout.split())
    return seconds, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ports", type=int, default=100000)
    parser.add_argument("--networks", type=int, default=400)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--endpoint", help=argparse.SUPPRESS)
    parser.add_argument("--figure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.figure:
        seconds = FIGURES[arguments.figure][1](arguments)
        print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    high = False
    with tempfile.TemporaryDirectory(prefix="nb") as directory:
        server = Server(directory)
        try:
            arguments.endpoint = server.endpoint
            start = time.monotonic()
            fill(server, arguments.ports, arguments.networks)
            filled = (arguments.ports, arguments.networks, time.monotonic() - start)
            print("%d ports in %d networks, filled in %.0f s" % filled, flush=True)
            for figure, (what, _measure) in FIGURES.items():
                seconds, memory = measured(arguments, figure)
                high = high or (figure != "floor" and (seconds > SECONDS or memory > MEMORY))
                title = what % arguments.count if "%" in what else what
                print("%-34s %7.2f s %6.0f MiB" % (title, seconds, memory), flush=True)
        finally:
            server.stop()
    sys.exit(high)


if __name__ == "__main__":
    main()
