# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The OVN backend against a real northbound: only ovn-northd and the chassis are missing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import uuid

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import (
    Conflict,
    InvalidRequest,
    LaunchError,
    NotFound,
    Unavailable,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.network import model as network_model
from ansible_collections.kvmstack.launch.plugins.module_utils.network import request as network_request
from ansible_collections.kvmstack.launch.plugins.module_utils.network.names import gateway_port, name_in
from ansible_collections.kvmstack.launch.plugins.module_utils.network.ovn import backend as network_backend
from ansible_collections.kvmstack.launch.plugins.module_utils.network.ovn import northbound as northbound_link
from ansible_collections.kvmstack.launch.plugins.module_utils.network.ovn.schema import SCHEMA
from ansible_collections.kvmstack.launch.plugins.module_utils.port import model, request
from ansible_collections.kvmstack.launch.plugins.module_utils.port.ovn import backend as ovn
from ansible_collections.kvmstack.launch.plugins.modules import port as door

SCHEMA_FILE = "/usr/share/ovn/ovn-nb.ovsschema"
SILENT = dict.fromkeys(("host", "mac_address", "fixed_ip", "security_groups", "port_security"))
TLS = dict.fromkeys(("private_key", "certificate", "ca_certificate"))
WEB = {"web": [{"protocol": "tcp", "port": 80}]}

# The port by which compute hosts are the gateway of network private.
GATEWAY = gateway_port(name_in(None, "private"))


def identity(name):
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def port(name="web", **said):
    owner = {"id": identity(name), "name": name, "instance_uuid": identity("instance " + name), "network": "private"}
    return {**SILENT, **owner, **said}


def parameters(server, *ports, state="present", networks=None, groups=None):
    return {
        "ovn": {**TLS, "northbound": server.endpoint},
        "state": state,
        "ports": list(ports),
        "networks": {"private": {"cidr": "10.20.0.0/24"}} if networks is None else networks,
        "security_groups": groups or {},
    }


def make(server, *ports, networks=None, groups=None):
    """The stage network of a launch of these ports: its actions."""
    params = parameters(server, networks=networks, groups=groups)
    params["wanted"] = network_request.wanted_for(ports, params["networks"])
    wanted = network_request.parse(params)
    backend = network_backend.connect(params)
    try:
        changes = network_model.plan(wanted, backend.read(wanted), "present")
        backend.apply([change for change in changes if change.pending])
    finally:
        backend.link.close()
    return [change.action for change in changes]


class Run:
    """What a launch does: the stage network, then what core.run does with the parameters of the door of port.

    `meanwhile` is what another controller does when our transaction is complete but not sent.
    """

    def __init__(self, server, *ports, meanwhile=None, monkeypatch=None, made=False, **options):
        params = parameters(server, *ports, **options)
        self.made = []
        if params["state"] == "present" and not made:
            self.made = make(server, *ports, networks=options.get("networks"), groups=options.get("groups"))
        wanted = request.parse(params)
        backend = ovn.connect(params)
        try:
            self.changes = model.plan(wanted, backend.read(wanted), params["state"])
            self.actions = [change.action for change in self.changes]
            if meanwhile:
                interrupt(monkeypatch, meanwhile)
            outcome = backend.apply([change for change in self.changes if change.pending])
        finally:
            backend.link.close()
        ends = [outcome.get(change.key, change.error or change.after) for change in self.changes]
        self.errors = [end if isinstance(end, LaunchError) else None for end in ends]
        self.ports = [end if isinstance(end, model.Port) else None for end in ends]


def interrupt(monkeypatch, meanwhile):
    """Let `meanwhile` happen once, at the end of the next transaction's composition."""
    sweep = ovn.Writer.sweep

    def interrupted(writer, *arguments):
        sweep(writer, *arguments)
        monkeypatch.setattr(ovn.Writer, "sweep", sweep)
        meanwhile()

    monkeypatch.setattr(ovn.Writer, "sweep", interrupted)


def records(server, table, *columns):
    """The rows of a table as dictionaries."""
    said = json.loads(server.nbctl("--format=json", "--columns=%s" % ",".join(columns), "list", table))
    return [dict(zip(said["headings"], row)) for row in said["data"]]


def plain(value):
    """OVSDB's JSON for a set or a map as Python's."""
    if isinstance(value, list) and len(value) == 2 and value[0] == "map":
        return dict(value[1])
    if isinstance(value, list) and len(value) == 2 and value[0] == "set":
        return value[1]
    return value


def find(server, **narrow):
    backend = ovn.connect(parameters(server))
    try:
        return backend.find({"instance_uuids": None, "names": None, "networks": None, **narrow})
    finally:
        backend.link.close()


def look(server, *ports):
    """These ports as the stage sees them."""
    params = parameters(server, *ports)
    backend = ovn.connect(params)
    try:
        return list(backend.read(request.parse(params)).ports.values())
    finally:
        backend.link.close()


def test_the_declared_schema_reads_what_the_server_has():
    with open(SCHEMA_FILE, encoding="utf-8") as file:
        real = json.load(file)["tables"]
    for table, declared in SCHEMA["tables"].items():
        assert declared["isRoot"] == real[table].get("isRoot", False)
        for column, kind in declared["columns"].items():
            ours, theirs = bare(kind["type"]), bare(real[table]["columns"][column]["type"])
            # Releases differ in how few values a column has; one that may have none has to be declared so.
            assert ours.pop("min", 1) <= theirs.pop("min", 1), (table, column)
            assert ours == theirs, (table, column)


def bare(kind):
    """A column's type without what only the server checks, in one spelling."""
    if isinstance(kind, str):
        kind = {"key": kind}
    kind = dict(kind)
    for part in ("key", "value"):
        if isinstance(kind.get(part), dict):
            kind[part] = tuple(kind[part].get(word) for word in ("type", "refTable", "refType"))
        elif part in kind:
            kind[part] = (kind[part], None, None)
    return kind


def test_first_second_and_third_run(northbound):
    dns = {"private": {"cidr": "10.20.0.0/24", "dns": ["10.0.0.53"], "domain": "lab.test"}}
    first = Run(northbound, port("a", host="compute-1"), port("b"), networks=dns, groups=WEB)
    assert first.actions == ["create", "create"]
    assert [item.fixed_ip for item in first.ports] == ["10.20.0.2", "10.20.0.3"]

    (row,) = (
        row
        for row in records(
            northbound,
            "Logical_Switch_Port",
            "name",
            "addresses",
            "port_security",
            "options",
            "enabled",
            "type",
            "external_ids",
        )
        if row["name"] == identity("a")
    )
    address = "%s 10.20.0.2" % first.ports[0].mac_address
    assert plain(row["addresses"]) == plain(row["port_security"]) == address
    assert plain(row["options"]) == {"requested-chassis": "compute-1"}
    ids = plain(row["external_ids"])
    assert ids["kvmstack:instance_uuid"] == identity("instance a")
    assert (ids["kvmstack:port_name"], ids["kvmstack:network"]) == ("a", "private")
    assert (row["enabled"], row["type"]) == (True, "")
    options = plain(records(northbound, "DHCP_Options", "options")[0]["options"])
    assert options["router"] == options["server_id"] == "10.20.0.1"
    assert (options["dns_server"], options["domain_name"]) == ("{10.0.0.53}", '"lab.test"')
    groups = {row["name"]: plain(row["ports"]) for row in records(northbound, "Port_Group", "name", "ports")}
    assert {name: len(members) for name, members in groups.items()} == {"kvmstack_drop": 2, "kvmstack_sg_default": 2}

    before = northbound.dump()
    second = Run(northbound, port("a"), port("b"), networks=dns, groups=WEB)
    assert second.actions == ["keep", "keep"]
    assert [item.fixed_ip for item in second.ports] == ["10.20.0.2", "10.20.0.3"]
    assert northbound.dump() == before

    third = Run(northbound, port("a", security_groups=["web"], host="compute-2"), port("b"), networks=dns, groups=WEB)
    assert third.actions == ["update", "keep"]
    groups = {row["name"]: plain(row["ports"]) for row in records(northbound, "Port_Group", "name", "ports")}
    assert {name: 1 if isinstance(m[0], str) else len(m) for name, m in groups.items()} == {
        "kvmstack_drop": 2,
        "kvmstack_sg_default": 1,
        "kvmstack_sg_web": 1,
    }


def test_everything_is_one_transaction(northbound):
    Run(northbound, port("a"), port("b", security_groups=["web"]), groups=WEB)
    log = northbound.database
    shown = subprocess.run(["ovsdb-tool", "show-log", log], check=True, capture_output=True, text=True).stdout
    # The schema, ovn-nbctl's init, and one of each stage.
    assert shown.count("record ") == 4


def test_planning_writes_nothing_and_shows_the_addresses_that_follow(northbound):
    params = parameters(northbound, port("a"), port("b"))
    before = northbound.dump()
    wanted = request.parse(params)
    backend = ovn.connect(params)
    planned = [change.after for change in model.plan(wanted, backend.read(wanted), "present")]
    backend.link.close()
    assert northbound.dump() == before
    refused = Run(northbound, port("a"), port("b"), made=True)
    assert all(isinstance(error, NotFound) and "kvmstack.launch.network" in str(error) for error in refused.errors)
    assert northbound.dump() == before
    assert Run(northbound, port("a"), port("b")).ports == planned


def test_absent_takes_back_everything_of_ours_and_nothing_else(northbound):
    northbound.nbctl("ls-add", "other", "--", "lsp-add", "other", "foreign", "--", "pg-add", "others", "foreign")
    northbound.nbctl("set", "nb_global", ".", "external_ids:kvmstack\\:generation=1")
    before = northbound.dump()
    Run(northbound, port("a", security_groups=["web", "default"]), port("b"), groups=WEB)
    assert Run(northbound, port("a"), state="absent", networks={}).actions == ["delete"]
    assert "kvmstack_sg_web" not in northbound.nbctl("--columns=name", "list", "Port_Group")
    assert [item.name for item in find(northbound)] == ["b"]
    assert Run(northbound, port("a"), port("b"), state="absent", networks={}).actions == ["keep", "delete"]
    assert northbound.dump() == before.replace('generation"="1"', 'generation"="3"')
    assert Run(northbound, port("a"), port("b"), state="absent", networks={}).actions == ["keep", "keep"]


def test_a_network_with_a_foreign_port_stays(northbound):
    Run(northbound, port("a"))
    northbound.nbctl("lsp-add", "kvmstack-private", "foreign")
    Run(northbound, port("a"), state="absent", networks={})
    assert northbound.nbctl("--bare", "--columns=name", "list", "Logical_Switch") == "kvmstack-private"
    there = northbound.nbctl("--bare", "--columns=name", "list", "Logical_Switch_Port").split()
    assert sorted(there) == sorted(["foreign", GATEWAY])


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param("ls-add other -- lsp-add other %s" % identity("a"), id="a port without our mark"),
        pytest.param(
            "ls-add other -- lsp-add other %s -- set logical_switch_port %s external_ids:kvmstack\\:instance_uuid=x"
            % (identity("a"), identity("a")),
            id="a port of another instance",
        ),
    ],
)
@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_foreign_port_is_a_conflict_and_stays(northbound, foreign, state):
    northbound.nbctl(*foreign.split())
    before = northbound.nbctl("list", "Logical_Switch_Port", identity("a"))
    run = Run(northbound, port("a"), port("b"), state=state)
    assert isinstance(run.errors[0], Conflict)
    assert run.errors[1] is None
    assert northbound.nbctl("list", "Logical_Switch_Port", identity("a")) == before


@pytest.mark.parametrize(
    "foreign", ["ls-add kvmstack-private", "pg-add kvmstack_sg_default", "ls-add x -- pg-add kvmstack_sg_web"]
)
def test_a_foreign_switch_or_group_is_a_conflict(northbound, foreign):
    northbound.nbctl(*foreign.split())
    wanted = port("a", security_groups=["default", "web"])
    there = [northbound.nbctl("list", table) for table in ("Logical_Switch", "Port_Group")]
    make(northbound, wanted, groups=WEB)
    for table, rows in zip(("Logical_Switch", "Port_Group"), there):
        assert set(rows.splitlines()) <= set(northbound.nbctl("list", table).splitlines())
    before = northbound.dump()
    run = Run(northbound, wanted, groups=WEB, made=True)
    assert isinstance(run.errors[0], Conflict)
    assert northbound.dump() == before


def test_addresses_of_foreign_ports_are_not_given_out(northbound):
    Run(northbound, port("a"))
    switch = "kvmstack-private"
    northbound.nbctl("lsp-add", switch, "f1", "--", "lsp-set-addresses", "f1", "00:00:00:00:00:01 10.20.0.3 10.20.0.4")
    northbound.nbctl(
        "lsp-add",
        switch,
        "f2",
        "--",
        "set",
        "logical_switch_port",
        "f2",
        "addresses=dynamic",
        'dynamic_addresses="00:00:00:00:00:02 10.20.0.5"',
    )
    northbound.nbctl(
        "lr-add",
        "r",
        "--",
        "lrp-add",
        "r",
        "rp",
        "00:00:00:00:00:03",
        "10.20.0.6/24",
        "--",
        "lsp-add",
        switch,
        "f3",
        "--",
        "lsp-set-type",
        "f3",
        "router",
        "--",
        "lsp-set-addresses",
        "f3",
        "router",
        "--",
        "lsp-set-options",
        "f3",
        "router-port=rp",
    )
    run = Run(northbound, port("b"), port("c", fixed_ip="10.20.0.5"))
    assert run.ports[0].fixed_ip == "10.20.0.7"
    assert "belongs to port f2" in str(run.errors[1])


def test_an_address_that_is_taken_meanwhile_is_not_given_twice(northbound, monkeypatch):
    Run(northbound, port("a"))
    run = Run(
        northbound,
        port("b"),
        port("c", fixed_ip="10.20.0.9"),
        monkeypatch=monkeypatch,
        meanwhile=lambda: Run(northbound, port("quicker"), port("q2", fixed_ip="10.20.0.9")),
    )
    assert run.changes[0].after.fixed_ip == "10.20.0.3"
    assert run.ports[0].fixed_ip == "10.20.0.4"
    assert isinstance(run.errors[1], Conflict)
    assert identity("q2") in str(run.errors[1])


@pytest.mark.parametrize(
    ("there", "ours", "theirs", "gone"),
    [
        pytest.param([], ("b", "present"), ("c", "present"), False, id="both make the same network"),
        pytest.param([], ("b", "present"), ("b", "present"), False, id="both make the same port"),
        pytest.param(
            ["a"], ("b", "present"), ("a", "absent"), True, id="a network gets a port while its last one goes"
        ),
        pytest.param(
            ["a"], ("a", "absent"), ("b", "present"), False, id="a network's last port goes while it gets one"
        ),
        pytest.param(["a", "b"], ("a", "absent"), ("b", "absent"), False, id="both remove one of the last two ports"),
        pytest.param(
            ["a", "elsewhere"], ("a", "absent"), ("elsewhere", "absent"), False, id="both leave a group of two networks"
        ),
        pytest.param(
            ["a"],
            ("a", "absent"),
            ("elsewhere", "present"),
            False,
            id="a group's last goes while another network's comes",
        ),
        pytest.param(
            ["a"],
            ("elsewhere", "present"),
            ("a", "absent"),
            True,
            id="a group gets one while another network's last goes",
        ),
        pytest.param(["a", "b"], ("b", "moved"), ("b", "absent"), False, id="a port is changed while it is removed"),
        pytest.param(["a", "b"], ("b", "regrouped"), ("a", "regrouped"), False, id="both make the same group"),
        pytest.param(
            ["a", "r"], ("b", "regrouped"), ("r", "absent"), True, id="a group gets a member while its last one goes"
        ),
        pytest.param(
            ["a", "r"], ("r", "absent"), ("b", "regrouped"), False, id="a group's last member goes while it gets one"
        ),
    ],
)
def test_two_controllers_end_as_if_one_came_after_the_other(northbound, monkeypatch, there, ours, theirs, gone):
    networks = {name: {"cidr": "10.20.0.0/24"} for name in ("private", "elsewhere")}
    said = {"moved": {"host": "c2"}, "regrouped": {"security_groups": ["web"]}}

    def go(name, what, **options):
        item = port(name, network=name if name in networks else "private", **said.get(what, {}))
        state = "absent" if what == "absent" else "present"
        return Run(northbound, item, state=state, networks=networks, groups=WEB, **options)

    for name in there:
        go(name, "regrouped" if name == "r" else "present")
    run = go(*ours, monkeypatch=monkeypatch, meanwhile=lambda: go(*theirs))
    if gone:
        # It is not made without its network or its group; a launch tries again.
        assert [isinstance(error, NotFound) and not error.abort for error in run.errors] == [True]
        run = go(*ours)
    assert run.errors == [None]
    after = dict.fromkeys(there, "present")
    for name, what in (theirs, ours):
        after[name] = what
    left = {name: what for name, what in after.items() if what != "absent"}
    assert [item.name for item in find(northbound)] == sorted(left)
    assert all(item.in_sync and item.network.in_sync for item in look(northbound, *map(port, left)))
    for name, what in left.items():
        if name != "r":
            assert go(name, what).actions == ["keep"]
    for table in ("Logical_Switch", "DHCP_Options"):
        assert len(records(northbound, table, "_uuid")) == len({name in networks for name in left})
    groups = records(northbound, "Port_Group", "name", "ports")
    assert [group["name"] for group in groups if plain(group["ports"]) == []] == []
    assert len({group["name"] for group in groups}) == len(groups)


RACER = """
import json, os, sys, time
from ansible_collections.kvmstack.launch.plugins.module_utils.port import model, request
from ansible_collections.kvmstack.launch.plugins.module_utils.port.ovn import backend as ovn

mine, theirs = sys.argv[1:]
sweep = ovn.Writer.sweep

def meet(writer, *arguments):
    sweep(writer, *arguments)
    open(mine, "w").close()
    while not os.path.exists(theirs):
        time.sleep(0.001)

# The transaction is complete, but not sent until the other's is complete as well.
ovn.Writer.sweep = meet
params = json.load(sys.stdin)
wanted = request.parse(params)
backend = ovn.connect(params)
changes = model.plan(wanted, backend.read(wanted), "present")
made = backend.apply(changes)
print(json.dumps([[change.after.fixed_ip for change in changes], [made[change.key].fixed_ip for change in changes]]))
"""


@pytest.mark.parametrize("network_has_a_port", [True, False])
def test_two_controllers_at_once_give_every_port_its_own_address(northbound, tmp_path, network_has_a_port):
    first_port = port("first", security_groups=["default", "web"])
    make(northbound, first_port, groups=WEB)
    if network_has_a_port:
        Run(northbound, first_port, groups=WEB)
    racers = []
    for racer, other in ("xy", "yx"):
        process = subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path / racer), str(tmp_path / other)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        ports = [port("%s%d" % (racer, number), security_groups=["default", "web"]) for number in range(50)]
        process.stdin.write(json.dumps(parameters(northbound, *ports, groups=WEB)))
        process.stdin.close()
        racers.append(process)
    said = [process.stdout.readline() for process in racers]
    assert [process.wait(60) for process in racers] == [0, 0]
    (planned, first), (other_planned, second) = map(json.loads, said)
    assert planned == other_planned, "they did not start from the same state"
    given = first + second
    assert len(set(given)) == 100
    there = [plain(row["addresses"]).split()[1] for row in records(northbound, "Logical_Switch_Port", "addresses")]
    assert len(set(there)) == len(there) == (102 if network_has_a_port else 101)  # one is the gateway
    assert northbound.nbctl("--bare", "--columns=name", "list", "Logical_Switch") == "kvmstack-private"
    assert len(records(northbound, "Port_Group", "name")) == 3
    assert len(records(northbound, "DHCP_Options", "cidr")) == 1


@pytest.mark.parametrize(
    "damage",
    [
        "lsp-set-port-security {port}",
        "lsp-set-enabled {port} disabled",
        "clear logical_switch_port {port} dhcpv4_options",
        "lsp-set-addresses {port} unknown",
        "clear port_group kvmstack_drop ports",
        "acl-del kvmstack_drop",
        "clear port_group kvmstack_sg_web ports",
        "acl-del kvmstack_sg_web to-lport",
        "pg-del kvmstack_sg_web",
        "pg-del kvmstack_drop",
        "--type=port-group acl-add kvmstack_sg_web to-lport 1002 ip4 allow",
        "remove dhcp_options {dhcp} options router",
        "destroy dhcp_options {dhcp}",
    ],
)
def test_what_someone_else_changed_is_put_right(northbound, damage):
    said = port("a", security_groups=["web"], fixed_ip="10.20.0.2")
    (made,) = Run(northbound, said, groups=WEB).ports
    dhcp = northbound.nbctl("--bare", "--columns=_uuid", "list", "dhcp_options")
    northbound.nbctl(*damage.format(port=identity("a"), dhcp=dhcp).split())
    run = Run(northbound, said, groups=WEB)
    assert "update" in run.actions + run.made or "create" in run.made
    assert run.ports == [made]
    again = Run(northbound, said, groups=WEB)
    assert (again.made, again.actions) == (["keep", "keep"], ["keep"])


@pytest.mark.parametrize("broken", ["mtu: 1400", "dhcp: false", "domain: lab.test"])
def test_a_changed_network_is_written_once_and_then_kept(northbound, broken):
    key, value = broken.split(": ")
    changed = {"private": {"cidr": "10.20.0.0/24", key: {"1400": 1400, "false": False}.get(value, value)}}
    Run(northbound, port("a"), port("b"))
    assert Run(northbound, port("a"), port("b"), networks=changed).made == ["update", "keep"]
    run = Run(northbound, port("a"), port("b"), networks=changed)
    assert (run.made, run.actions) == (["keep", "keep"], ["keep", "keep"])
    assert len(records(northbound, "DHCP_Options", "cidr")) == (0 if key == "dhcp" else 1)
    run = Run(northbound, port("a"), port("b"))
    # Their own DHCP options went with the network's.
    assert (run.made, run.actions) == (["update", "keep"], ["update" if key == "dhcp" else "keep"] * 2)
    run = Run(northbound, port("a"), port("b"))
    assert (run.made, run.actions) == (["keep", "keep"], ["keep", "keep"])


def test_changed_rules_replace_only_what_differs(northbound):
    rules = [{"protocol": "tcp", "port": 80}, {"protocol": "tcp", "port": 443}]
    Run(northbound, port("a", security_groups=["web"]), groups={"web": rules})
    before = {row["match"]: row["_uuid"] for row in records(northbound, "ACL", "match", "_uuid")}
    changed = {"web": [rules[0], {"protocol": "tcp", "port": 8080}]}
    run = Run(northbound, port("a", security_groups=["web"]), groups=changed)
    assert (run.made, run.actions) == (["keep", "update"], ["keep"])
    after = {row["match"]: row["_uuid"] for row in records(northbound, "ACL", "match", "_uuid")}
    assert {match.rpartition(" ")[2] for match in before.keys() ^ after.keys()} == {"443", "8080"}
    assert all(before[match] == after[match] for match in before.keys() & after.keys())
    assert Run(northbound, port("a", security_groups=["web"]), groups=changed).made == ["keep", "keep"]


def test_a_group_that_rules_speak_of_is_there_as_long_as_they_do(northbound):
    groups = {"web": [{"remote": "my-db"}], "my-db": [{"remote": "web"}]}
    Run(northbound, port("a", security_groups=["web"]), port("b"), groups=groups)
    assert "kvmstack_sg_my_db" in northbound.nbctl("--bare", "--columns=name", "list", "Port_Group").split()
    assert Run(northbound, port("a"), groups=groups).actions == ["keep"]
    assert Run(northbound, port("a", security_groups=["default"]), groups=groups).actions == ["update"]
    names = northbound.nbctl("--bare", "--columns=name", "list", "Port_Group").split()
    assert sorted(names) == ["kvmstack_drop", "kvmstack_sg_default"]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        *((key, "[") for key in ("further_ips", "allowed_address_pairs", "qos", "security_groups", "port_security")),
        *((key, "5") for key in ("further_ips", "allowed_address_pairs", "qos", "security_groups")),
        ("allowed_address_pairs", "[[1, 2, 3]]"),
        ("qos", "[5]"),
    ],
)
@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_nobody_can_read_of_a_port_is_told_and_stops_no_other(northbound, key, said, state):
    Run(northbound, port("a"), port("b"), port("c"))
    mark = "external_ids:kvmstack\\:%s=%s" % (key, json.dumps(said))
    northbound.nbctl("set", "logical_switch_port", identity("a"), mark)
    run = Run(northbound, port("a"), port("b"), state=state)
    assert "logical switch port %s says in its external_ids" % identity("a") in str(run.errors[0])
    assert run.errors[1] is None
    assert [item.name for item in find(northbound)] == (["b", "c"] if state == "present" else ["c"])


def test_a_number_that_is_none_begins_anew(northbound):
    Run(northbound, port("a"))
    number = "external_ids:kvmstack\\:generation"
    northbound.nbctl("set", "nb_global", ".", number + "=many")
    assert Run(northbound, port("b", network="other"), networks={"other": {"cidr": "10.21.0.0/24"}}).errors == [None]
    assert northbound.nbctl("get", "nb_global", ".", number) == '"1"'


def test_a_bad_port_does_not_stop_the_others(northbound):
    Run(northbound, port("a"))
    run = Run(northbound, port("b", fixed_ip="10.20.0.2"), port("c"), port("d", security_groups=["nope"]), port("a"))
    assert [error and error.abort for error in run.errors] == [True, None, True, None]
    assert identity("a") in str(run.errors[0])
    assert [item.name for item in find(northbound)] == ["a", "c"]


def test_keys_of_others_stay(northbound):
    Run(northbound, port("a", host="c1"))
    northbound.nbctl("set", "logical_switch_port", identity("a"), "external_ids:x=y", "options:mcast_flood=true")
    assert Run(northbound, port("a")).actions == ["keep"]
    assert Run(northbound, port("a", host="c2")).actions == ["update"]
    rows = records(northbound, "Logical_Switch_Port", "external_ids", "options")
    (row,) = (row for row in rows if plain(row["external_ids"]).get("x") == "y")
    assert plain(row["options"]) == {"mcast_flood": "true", "requested-chassis": "c2"}


def test_port_info(northbound):
    networks = {name: {"cidr": "10.20.0.0/24"} for name in ("private", "other")}
    Run(northbound, port("a"), port("b"), port("c", network="other", security_groups=[]), networks=networks)
    northbound.nbctl("lsp-add", "kvmstack-private", "foreign")
    northbound.nbctl("set", "logical_switch_port", identity("b"), "up=true")
    assert [(item.name, item.up) for item in find(northbound)] == [("a", False), ("b", True), ("c", False)]
    assert [item.name for item in find(northbound, instance_uuids=[identity("instance b")])] == ["b"]
    assert [item.name for item in find(northbound, names=["a", "c"])] == ["a", "c"]
    assert [item.name for item in find(northbound, networks=["other"])] == ["c"]
    assert find(northbound, names=[]) == []
    result = find(northbound, names=["b"])[0].to_result()
    assert (result["up"], result["tap"], result["mtu"]) == (True, "kvt" + identity("b")[:11], 1442)


def test_the_ports_of_a_record_are_asked_for_alone(northbound):
    mine, other = identity("record"), identity("another record")
    Run(northbound, port("a", record_id=mine, host="c1"), port("b", record_id=other), port("c"))
    stage = ovn.connect(parameters(northbound))
    [found] = stage.find({"record_id": mine})
    assert not stage.link.tables["Logical_Switch_Port"].rows
    stage.link.close()
    known = {
        "name": "a",
        "instance_uuid": identity("instance a"),
        "network": "private",
        "host": "c1",
        "record_id": mine,
    }
    assert {name: value for name, value in found.to_result().items() if name in ("id", *known)} == {
        "id": identity("a"), **known
    }  # fmt: skip


ENDPOINTS = ["6641", "http:127.0.0.1:1", "ssl:127.0.0.1:6641", "unix:/a,ftp:x", "tcp:2001:db8::1:6641", "tcp:192.0.2.1"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_wrong_endpoint_is_refused(endpoint):
    with pytest.raises(InvalidRequest):
        ovn.connect({"ovn": {**TLS, "northbound": endpoint}})


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_northbound_may_be_called_by_a_name(northbound, monkeypatch, address):
    """Whichever of the name's addresses it listens on."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as free:
        number = free.getsockname()[1]
    subprocess.run(["ovs-appctl", "-t", northbound.directory + "/ctl", "ovsdb-server/add-remote",
                    "ptcp:%d:%s" % (number, "[%s]" % address if ":" in address else address)], check=True)  # fmt: skip
    northbound.wait_for(family, (address, number))
    known = [(kind, socket.SOCK_STREAM, 6, "", (each, number)) for kind, each in
             ((socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1"))]  # fmt: skip
    monkeypatch.setattr(socket, "getaddrinfo", lambda *asked, **more: known)
    endpoint = "tcp:central.example:%d" % number
    found = ovn.connect({"ovn": {**TLS, "northbound": endpoint}}).read(request.parse({"ports": [port()]}))
    assert found.ports == {}


@pytest.mark.parametrize("name", ["central.invalid:6641", "central.invalid:66410", "x" * 70 + ".invalid:6641"])
def test_a_name_that_nobody_has_is_said(monkeypatch, name):
    monkeypatch.setattr(northbound_link, "CONNECT_TIMEOUT", 1)
    with pytest.raises(Unavailable, match="tcp:" + name):
        ovn.connect({"ovn": {**TLS, "northbound": "tcp:" + name}}).read(request.parse({"ports": [port()]}))


@pytest.mark.parametrize("kind", ["nothing there", "nobody listens", "somebody mute"])
def test_a_northbound_that_does_not_answer_is_said_in_time(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(northbound_link, "CONNECT_TIMEOUT", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = "tcp:127.0.0.1:%d" % server.getsockname()[1]
        if kind == "nobody listens":
            server.close()
        if kind == "nothing there":
            endpoint = "unix:%s/none.sock" % tmp_path
        started = time.monotonic()
        with pytest.raises(Unavailable) as unavailable:
            ovn.connect({"ovn": {**TLS, "northbound": endpoint}}).read(request.parse({"ports": [port()]}))
    assert time.monotonic() - started < 3
    assert endpoint in str(unavailable.value)
    assert "6641" in str(unavailable.value)


def test_a_northbound_that_dies_in_between_is_said(northbound, monkeypatch):
    monkeypatch.setattr(northbound_link, "COMMIT_TIMEOUT", 1)
    with pytest.raises(Unavailable, match="nothing of it is written"):
        Run(northbound, port("a"), monkeypatch=monkeypatch, meanwhile=northbound.stop)


def module(server, *ports, check=False, **options):
    """The door as a process: its return code, its result, what it says on stderr, the seconds."""
    arguments = {key: value for key, value in parameters(server, **options).items() if value is not None}
    arguments["ports"] = [{k: v for k, v in item.items() if v is not None} for item in ports or [port()]]
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", door.__name__],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_diff": True, "_ansible_check_mode": check}}),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, json.loads(done.stdout), done.stderr, time.monotonic() - started


def test_the_door_as_a_process(northbound):
    make(northbound, port())
    code, result, errors, _seconds = module(northbound)
    assert (code, result["changed"], errors) == (0, True, "")
    assert result["ports"][0]["fixed_ip"] == "10.20.0.2"
    assert "fixed_ip 10.20.0.2" in result["diff"][0]["after"]
    assert module(northbound)[1]["changed"] is False
    northbound.stop()
    code, result, errors, seconds = module(northbound)
    assert (code, errors) == (1, "")
    assert northbound.endpoint in result["msg"]
    assert seconds < 10


def test_only_what_is_asked_for_is_replicated(northbound):
    """Neither the time nor the memory of a request grows with the northbound."""
    networks = {name: {"cidr": "10.20.0.0/16"} for name in ("private", "crowded", "elsewhere")}
    crowd = [port("c%d" % number, network="crowded") for number in range(60)]
    ours = [port("p%d" % number) for number in range(10)]
    Run(northbound, *crowd, *ours, port("other"), port("e", network="elsewhere"), networks=networks)
    params = parameters(northbound, *ours, networks=networks)
    wanted = request.parse(params)
    backend = ovn.connect(params)
    backend.read(wanted)

    def replicated(table):
        return sorted(row.name for row in backend.link.tables[table].rows.values())

    assert replicated("Logical_Switch_Port") == sorted([GATEWAY, *(item["id"] for item in ours)])
    assert replicated("Logical_Switch") == ["kvmstack-private"]
    assert not any(row._data["ports"].as_list() for row in backend.link.tables["Port_Group"].rows.values())
    backend.link.close()
    # Where an address is to be given out the others' are asked for, of that network.
    params = parameters(northbound, port("new"), ours[0], networks=networks)
    backend = ovn.connect(params)
    held = backend.read(request.parse(params)).held
    assert replicated("Logical_Switch_Port") == sorted([GATEWAY, ours[0]["id"]])
    assert {name: set(words.values()) for name, words in held.items()} == {
        name_in(None, "private"): {GATEWAY, *(item["id"] for item in [*ours, port("other")])}
    }
    backend.link.close()
    backend = ovn.connect(parameters(northbound))
    narrow = {"instance_uuids": [identity("instance p1")], "names": None, "networks": None}
    assert [item.name for item in backend.find(narrow)] == ["p1"]
    assert replicated("Logical_Switch_Port") == sorted([GATEWAY, identity("p1")])
    backend.link.close()


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_port_of_another_record_is_foreign(northbound, state):
    mine, other = identity("record"), identity("other record")
    assert Run(northbound, port("a", record_id=mine)).ports[0].to_result()["record_id"] == mine
    assert find(northbound)[0].record_id == mine
    before = northbound.dump()
    (error,) = Run(northbound, port("a", record_id=other), state=state).errors
    assert isinstance(error, Conflict)
    assert mine in str(error)
    assert northbound.dump() == before
    assert Run(northbound, port("a")).actions == ["keep"]
    assert Run(northbound, port("a", record_id=mine), state=state).errors == [None]


def test_a_port_without_a_record_gets_one(northbound):
    Run(northbound, port("a"))
    assert Run(northbound, port("a", record_id=identity("record"))).actions == ["update"]
    assert Run(northbound, port("a", record_id=identity("record"))).actions == ["keep"]


def test_a_wrong_item_stops_no_other(northbound):
    bad = {"private": {"cidr": "10.20.0.0/24"}, "bad": {"cidr": "10.20.0.0"}}
    ports = [port("a"), port("b", network="bad"), port("c", fixed_ip="10.21.0.9"), port("d", fixed_ip="10.20.0.5")]
    ports += [port("e", fixed_ip="10.20.0.5")]
    run = Run(northbound, *ports, networks=bad)
    assert [type(error) for error in run.errors] == [
        type(None),
        InvalidRequest,
        InvalidRequest,
        type(None),
        InvalidRequest,
    ]
    assert "cidr 10.20.0.0" in str(run.errors[1])
    assert "port d asks for it too" in str(run.errors[4])
    assert [item.name for item in find(northbound)] == ["a", "d"]
    assert Run(northbound, *ports, networks=bad, state="absent").errors == [None] * 5
    assert find(northbound) == []


def test_what_is_defined_but_was_not_made_is_planned_and_not_written(northbound):
    wanted = port("a", security_groups=["web"])
    make(northbound, port("b"))
    code, result, _errors, _seconds = module(northbound, wanted, groups=WEB, check=True)
    assert (code, result["changed"], result["ports"][0]["fixed_ip"]) == (0, True, "10.20.0.2")
    code, result, _errors, _seconds = module(northbound, wanted, groups=WEB)
    assert (code, result["ports"][0]["abort"]) == (1, False)
    assert "security group web is not there: make it first, with kvmstack.launch.network" in result["msg"]


def test_many_ports_in_a_large_northbound(northbound):
    """The time is linear: ten times the ports must not take a hundred times as long."""
    networks = {"private": {"cidr": "10.20.0.0/16"}}
    started = time.monotonic()
    Run(northbound, *(port("a%d" % number) for number in range(200)), networks=networks)
    small = time.monotonic() - started
    started = time.monotonic()
    Run(northbound, *(port("b%d" % number) for number in range(2000)), networks=networks)
    assert time.monotonic() - started < 50 * small
