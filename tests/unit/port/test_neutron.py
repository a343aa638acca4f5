# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The backend neutron at its edge: what it asks, what it writes, and what is there afterwards."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import (
    Conflict,
    InvalidRequest,
    LaunchError,
    NotFound,
    Refused,
    Unavailable,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.port import request
from ansible_collections.kvmstack.launch.plugins.module_utils.port.neutron import backend as neutron
from ansible_collections.kvmstack.launch.plugins.module_utils.port.neutron.model import plan
from ansible_collections.kvmstack.launch.plugins.module_utils.port.neutron.view import View
from ansible_collections.kvmstack.launch.plugins.modules import port as door
from ansible_collections.kvmstack.launch.plugins.modules import port_info
from ansible_collections.kvmstack.launch.tests.unit.cloud.fake import PASSWORD, serving
from ansible_collections.kvmstack.launch.tests.unit.port.fake_neutron import FakeNeutron, Killed, identity
from ansible_collections.kvmstack.launch.tests.unit.shown import result_of

MARK = "kvmstack:" + identity("web")
OWN = {"id": "p-own", "name": "my-port", "description": "my words", "tags": ["mine"]}


@pytest.fixture
def cloud():
    return FakeNeutron()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(neutron, "FIRST_PAUSE", 0.001)


def port(name="web", **said):
    """A port as the door hands it over."""
    item = {"id": identity(name), "name": name, "instance_uuid": identity("instance " + name), **said}
    return {"network": None if "port" in said else "private", **item}


class Run:
    """One run of the stage: its changes, what came of them, and the requests that it took."""

    def __init__(self, cloud, *ports, state="present", apply=True, meanwhile=None, **params):
        params = {"service": "neutron", "ports": list(ports), "state": state, "timeout": 1, **params}
        cloud.requests.clear()
        backend = neutron.Neutron(params, View(cloud))
        wanted = request.parse(params)
        self.changes = plan(wanted, backend.read(wanted), state)
        if meanwhile:
            meanwhile()
        self.outcome = backend.apply([change for change in self.changes if change.pending]) if apply else {}
        self.actions = [change.action for change in self.changes]
        self.requests = list(cloud.requests)
        self.written = cloud.changes()

    @property
    def errors(self):
        """What went wrong with each port."""
        found = [self.outcome.get(change.key) for change in self.changes]
        errors = [item if isinstance(item, LaunchError) else None for item in found]
        return [change.error or error for change, error in zip(self.changes, errors)]

    @property
    def results(self):
        """The ports as the door reports them."""
        return [(self.outcome.get(c.key) or c.after or c.before or c.wanted).to_result() for c in self.changes]


def find(cloud, **narrow):
    params = {**dict.fromkeys(("instance_uuids", "names", "networks")), **narrow}
    return neutron.Neutron(params, View(cloud)).find(params)


def test_a_port_is_made_bound_by_the_launcher_with_our_mark(cloud):
    run = Run(cloud, port(host="c1", security_groups=["web"]))
    assert run.errors == [None]
    (row,) = cloud.ports
    told = {"name": "web", "description": MARK, "project_id": "p", "device_id": identity("instance web")}
    told.update({"device_owner": "compute:nova", "binding:host_id": "c1", "security_groups": [identity("web p")]})
    assert {name: row[name] for name in told} == told
    assert [(who, method, path) for who, method, path, _said in run.written] == [("launcher", "POST", "ports")]
    result = run.results[0]
    assert (result["port_id"], result["fixed_ip"], result["status"]) == (row["id"], "10.20.0.2", "DOWN")
    assert (result["mac_address"], result["cidr"]) == (row["mac_address"], "10.20.0.0/24")
    again = Run(cloud, port(host="c1", security_groups=["web"]))
    assert (again.actions, again.written) == (["keep"], [])
    assert again.results == [result]


def test_what_the_user_names_is_looked_up_with_his_token_in_one_request_each(cloud):
    run = Run(cloud, *(port("p%d" % n, security_groups=["web", "db"]) for n in range(10)))
    reads = sorted((path, who) for who, method, path, _said in run.requests if method == "GET")
    assert reads == [("networks", "user"), ("ports", "launcher"), ("security-groups", "user"), ("subnets", "user")]
    assert len(run.written) == len(cloud.ports) == 10


def test_nothing_is_written_for_a_plan(cloud):
    cloud.port(**OWN)
    before = copy.deepcopy(cloud.tables)
    ports = (port(host="c1", floating_ip=True), port("own", port="my-port"))
    run = Run(cloud, *ports, apply=False)
    assert (run.actions, run.written) == (["create", "update"], [])
    assert cloud.tables == before
    assert (run.results[0]["fixed_ip"], run.results[0]["cidr"]) == (None, "10.20.0.0/24")


@pytest.mark.parametrize(
    ("said", "who", "body"),
    [
        ({"security_groups": []}, "user", {"security_groups": []}),
        (
            {"allowed_address_pairs": [{"ip_address": "10.0.0.9", "mac_address": "fa:16:3e:00:00:02"}]},
            "user",
            {"allowed_address_pairs": [{"ip_address": "10.0.0.9", "mac_address": "fa:16:3e:00:00:02"}]},
        ),
        ({"port_security": False}, "user", {"port_security_enabled": False, "security_groups": []}),
        ({"host": "c2"}, "launcher", {"binding:host_id": "c2"}),
    ],
)
def test_a_change_is_written_by_who_may_and_once(cloud, said, who, body):
    Run(cloud, port(host="c1"))
    run = Run(cloud, port(**said))
    assert run.errors == [None]
    assert [(by, method, said["port"]) for by, method, _path, said in run.written] == [(who, "PUT", body)]
    assert Run(cloud, port(**said)).actions == ["keep"]


def test_a_host_that_cannot_take_the_port_is_named_and_another_can(cloud):
    run = Run(cloud, port(host="nowhere"), port("b", host="c1"))
    assert isinstance(run.errors[0], Unavailable)
    assert not run.errors[0].abort
    assert "host nowhere cannot take it" in str(run.errors[0])
    assert "nowhere" not in run.errors[0].public
    assert run.errors[1] is None
    again = Run(cloud, port(host="nowhere"))
    assert (again.actions, len(again.written)) == (["update"], 1)
    assert again.errors[0] is not None
    moved = Run(cloud, port(host="c2"))
    assert (moved.errors, moved.actions) == ([None], ["update"])
    assert len(cloud.ports) == 2


def test_a_bad_port_does_not_stop_the_others(cloud):
    Run(cloud, port("first"))
    cloud.quota = 4
    bad = (port("b", fixed_ip="10.20.0.2"), port("c", network="nope"), port("d", security_groups=["nope"]))
    run = Run(cloud, *bad, port("e"), port("f"))
    assert [error and error.abort for error in run.errors] == [True, True, True, None, None]
    assert "already allocated" in str(run.errors[0])
    assert sorted(row["name"] for row in cloud.ports) == ["e", "f", "first"]
    over = [error for error in Run(cloud, port("g"), port("h")).errors if error]
    assert len(over) == 1
    assert "Quota exceeded" in str(over[0])


def test_a_full_network_is_said(cloud):
    run = Run(cloud, *(port("p%d" % n, network="shared") for n in range(7)))
    failed = [error for error in run.errors if error]
    assert len(failed) == 2
    assert all(error.abort and "No more IP addresses" in str(error) for error in failed)
    assert len({row["fixed_ips"][0]["ip_address"] for row in cloud.ports}) == 5


@pytest.mark.parametrize(
    "said", [{"fixed_ip": "10.30.0.4"}, {"mac_address": "fa:16:3e:00:00:01"}, {"port_security": False}]
)
def test_on_a_network_of_others_neutron_decides_what_the_user_may_say(cloud, said):
    run = Run(cloud, port(network="shared", host="c1", **said))
    assert isinstance(run.errors[0], Refused)
    assert cloud.ports == []
    cloud.tables["networks"][2]["project_id"] = "p"
    assert Run(cloud, port(network="shared", host="c1", **said)).errors == [None]


def test_what_neutron_lets_the_user_say_there_is_then_bound_by_the_launcher(cloud, monkeypatch):
    monkeypatch.setattr("ansible_collections.kvmstack.launch.tests.unit.port.fake_neutron.OWNERS", set())
    run = Run(cloud, port(network="shared", host="c1", fixed_ip="10.30.0.4"))
    assert run.errors == [None]
    assert [(who, method) for who, method, _path, _said in run.written] == [("user", "POST"), ("launcher", "PUT")]
    assert (cloud.ports[0]["binding:host_id"], run.results[0]["host"]) == ("c1", "c1")
    assert Run(cloud, port(network="shared", host="c1", fixed_ip="10.30.0.4")).actions == ["keep"]


def test_a_port_that_was_made_meanwhile_is_not_made_twice(cloud):
    """The request of a run that was killed was still under way when we looked: neutron knows the MAC address."""
    run = Run(cloud, port(host="c2"), meanwhile=lambda: Run(cloud, port(host="c1")))
    assert run.errors == [None]
    assert [row["binding:host_id"] for row in cloud.ports] == ["c2"]
    assert run.results[0]["port_id"] == cloud.ports[0]["id"]


def test_a_mac_address_that_another_port_has_by_chance_is_left_to_neutron(cloud):
    mac = Run(cloud, port(), apply=False).changes[0].after.mac_address
    cloud.port(mac_address=mac)
    run = Run(cloud, port())
    assert run.errors == [None]
    assert run.results[0]["mac_address"] not in (None, mac)
    assert Run(cloud, port()).actions == ["keep"]
    asked = Run(cloud, port("b", mac_address=mac))
    assert isinstance(asked.errors[0], Conflict)


def test_a_port_of_the_users_is_lent_and_given_back(cloud):
    row = cloud.port(**OWN)
    before = copy.deepcopy(row)
    said = port(port="my-port", host="c1")
    run = Run(cloud, said)
    assert (run.errors, run.actions) == ([None], ["update"])
    assert run.results[0]["adopted"] is True
    assert (row["device_id"], row["binding:host_id"]) == (identity("instance web"), "c1")
    assert (row["description"], row["name"], row["tags"]) == ("my words", "my-port", [MARK, "mine"])
    assert Run(cloud, said).actions == ["keep"]
    row["name"] = "renamed"
    assert Run(cloud, said).actions == ["keep"]
    row["name"] = "my-port"
    gone = Run(cloud, port(network=None), state="absent")
    assert (gone.errors, gone.actions) == ([None], ["delete"])
    assert row == before
    assert Run(cloud, said, state="absent").actions == ["keep"]


@pytest.mark.parametrize("fields", [{"project_id": "q"}, {"device_id": "d", "device_owner": "compute:x"}])
def test_a_port_that_is_not_free_is_left_alone(cloud, fields):
    cloud.roles = ("admin",)
    cloud.port(**{**OWN, **fields})
    run = Run(cloud, port(port="my-port"), port("b", port="nope"))
    assert [type(error) for error in run.errors] == [Conflict, NotFound]
    assert run.written == []


@pytest.mark.parametrize(
    ("fields", "removed"),
    [
        pytest.param({"device_id": identity("instance web")}, True, id="ours"),
        pytest.param({"device_id": ""}, True, id="ours, detached"),
        pytest.param({"device_id": "theirs"}, False, id="another device's by now"),
        pytest.param({"project_id": "q"}, False, id="another project's, with a mark like ours"),
        pytest.param({"description": "kvmstack"}, False, id="without our mark"),
    ],
)
def test_only_what_is_ours_is_removed(cloud, fields, removed):
    cloud.port(**{"description": MARK, **fields})
    run = Run(cloud, port(network=None), state="absent")
    assert (cloud.ports == []) is removed
    assert bool(run.written) is removed
    assert Run(cloud, port(network=None), state="absent").written == []


def test_a_port_that_is_gone_already_is_fine(cloud):
    Run(cloud, port(), port("b"))
    cloud.errors = [("DELETE", "ports/", NotFound("gone"))]
    run = Run(cloud, port(), port("b"), state="absent")
    assert (run.actions, run.errors) == (["delete", "delete"], [None, None])


def test_a_new_floating_ip_goes_with_the_port(cloud):
    run = Run(cloud, port(floating_ip=True))
    (floating,) = cloud.tables["floatingips"]
    assert (floating["description"], floating["port_id"]) == (MARK, cloud.ports[0]["id"])
    assert run.results[0]["floating_ip_address"] == "192.0.2.10"
    assert [who for who, _method, path, _said in run.written if path == "floatingips"] == ["user"]
    assert Run(cloud, port(floating_ip=True)).actions == ["keep"]
    assert Run(cloud, port()).results[0]["floating_ip_address"] == "192.0.2.10"
    Run(cloud, port(), state="absent")
    assert (cloud.tables["floatingips"], cloud.ports) == ([], [])


def test_the_users_own_floating_ip_stays_his(cloud):
    row = cloud.floating("192.0.2.99")
    run = Run(cloud, port(floating_ip="192.0.2.99"))
    assert run.results[0]["floating_ip_address"] == "192.0.2.99"
    assert row["port_id"] == cloud.ports[0]["id"]
    Run(cloud, port(floating_ip=False))
    assert row["port_id"] is None
    Run(cloud, port(floating_ip="192.0.2.99"))
    Run(cloud, port(), state="absent")
    assert row["port_id"] is None
    assert cloud.tables["floatingips"] == [row]


def test_a_floating_ip_that_was_made_for_another_port_is_not_this_ones_to_remove(cloud):
    row = cloud.floating("192.0.2.99")
    row["description"] = "kvmstack:" + identity("elsewhere")
    Run(cloud, port(floating_ip="192.0.2.99"))
    Run(cloud, port(), state="absent")
    assert cloud.tables["floatingips"] == [row]
    assert row["port_id"] is None


def test_a_floating_ip_is_exchanged(cloud):
    cloud.floating("192.0.2.99")
    Run(cloud, port(floating_ip=True))
    run = Run(cloud, port(floating_ip="192.0.2.99"))
    assert run.results[0]["floating_ip_address"] == "192.0.2.99"
    assert [row["floating_ip_address"] for row in cloud.tables["floatingips"]] == ["192.0.2.99"]


def test_a_floating_ip_of_ours_that_was_left_behind_is_used_or_removed(cloud):
    Run(cloud, port(floating_ip=True))
    cloud.tables["floatingips"][0]["port_id"] = None
    cloud.ports.clear()
    run = Run(cloud, port(floating_ip=True))
    assert run.results[0]["floating_ip_address"] == "192.0.2.10"
    cloud.tables["floatingips"][0]["port_id"] = None
    cloud.ports.clear()
    assert Run(cloud, port(), state="absent").actions == ["delete"]
    assert cloud.tables["floatingips"] == []


def test_a_floating_ip_that_fails_leaves_a_port_that_the_next_run_finds(cloud):
    cloud.errors = [("POST", "floatingips", Conflict("no router"))]
    assert "no router" in str(Run(cloud, port(floating_ip=True)).errors[0])
    assert Run(cloud, port(floating_ip=True)).errors == [None]
    assert len(cloud.ports) == len(cloud.tables["floatingips"]) == 1


def test_a_neutron_without_routers_has_no_floating_ips(cloud):
    cloud.errors = [("GET", "floatingips", NotFound("no such extension")) for _run in range(2)]
    Run(cloud, port())
    assert Run(cloud, port(), state="absent").errors == [None]


SITUATIONS = {
    "made": ((), port(host="c1", floating_ip=True), "present"),
    "moved": ((port(host="c1"),), port(host="c2", security_groups=["web"], floating_ip="192.0.2.99"), "present"),
    "lent": ((), port(port="my-port", host="c1", security_groups=["web"], floating_ip=True), "present"),
    "removed": ((port(host="c1", floating_ip=True),), port(), "absent"),
    "given back": ((port(port="my-port", host="c1", floating_ip="192.0.2.99"),), port(network=None), "absent"),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_run_that_was_killed_anywhere_goes_on_where_it_stopped(name):
    before, said, state = SITUATIONS[name]
    steps = 0
    while True:
        cloud = FakeNeutron()
        cloud.port(**OWN)
        cloud.floating("192.0.2.99")
        for item in before:
            Run(cloud, item)
        cloud.kill_at = steps
        try:
            Run(cloud, said, state=state)
            break
        except Killed:
            cloud.kill_at = None
        assert Run(cloud, said, state=state).errors == [None]
        ended = cloud.tables
        assert Run(cloud, said, state=state).written == []
        steps += 1
        assert settled(ended) == settled(whole(name))
    assert steps >= 2


def whole(name):
    """What is there after a run that nobody killed."""
    before, said, state = SITUATIONS[name]
    cloud = FakeNeutron()
    cloud.port(**OWN)
    cloud.floating("192.0.2.99")
    for item in (*before,):
        Run(cloud, item)
    Run(cloud, said, state=state)
    return cloud.tables


def settled(tables):
    """Ports and floating IPs without what neutron gives out by chance."""
    ports = {row["id"]: row["name"] for row in tables["ports"]}
    known = [{**row, "id": None} for row in tables["ports"]]
    return known, [{**row, "port_id": ports.get(row["port_id"])} for row in tables["floatingips"]]


def test_wait_until_active(cloud, monkeypatch):
    Run(cloud, port(host="c1"), port("b", host="c1"))
    looks = []
    statuses = View.statuses

    def look(view, ids):
        looks.append(sorted(ids))
        if len(looks) == 2:
            cloud.ports[0]["status"] = "ACTIVE"
        if len(looks) == 4:
            cloud.ports[1]["status"] = "ACTIVE"
        return statuses(view, ids)

    monkeypatch.setattr(View, "statuses", look)
    run = Run(cloud, port(host="c1"), port("b", host="c1"), wait=True)
    assert run.errors == [None, None]
    assert [result["status"] for result in run.results] == ["ACTIVE", "ACTIVE"]
    assert [len(ids) for ids in looks] == [2, 2, 1, 1]
    looks.clear()
    assert Run(cloud, port(host="c1"), wait=True).errors == [None]
    assert looks == []


@pytest.mark.parametrize("gone", [False, True])
def test_a_port_that_does_not_become_active_is_named_with_its_host(cloud, gone, monkeypatch):
    Run(cloud, port("b", host="c1"))
    cloud.ports[0]["status"] = "ACTIVE"
    if gone:
        monkeypatch.setattr(View, "statuses", lambda view, ids: {})
    run = Run(cloud, port(host="c2"), port("b", host="c1"), wait=True, timeout=0)
    assert run.errors[1] is None
    assert isinstance(run.errors[0], Unavailable)
    for words in ("port web", "is %s" % ("gone" if gone else "DOWN"), "host c2", cloud.ports[1]["id"]):
        assert words in str(run.errors[0])
    assert not run.errors[0].abort


def test_a_neutron_that_ends_while_we_wait_fails_what_is_waited_for(cloud):
    Run(cloud, port(host="c1"), port("b", host="c1"))
    next(row for row in cloud.ports if row["name"] == "b")["status"] = "ACTIVE"
    down = [("GET", "ports", Unavailable("down"))]
    run = Run(cloud, port(host="c1"), port("b"), wait=True, meanwhile=lambda: cloud.errors.extend(down))
    assert [str(error) for error in run.errors] == ["down", "None"]


def test_a_token_for_no_project_is_refused(cloud):
    cloud.project_id = None
    with pytest.raises(InvalidRequest, match="for none"):
        View(cloud)


def test_port_info(cloud):
    cloud.port(**OWN)
    cloud.port(name="foreign")
    cloud.port(name="elsewhere", project_id="q", description=MARK)
    Run(cloud, port(host="c1", floating_ip=True), port("b", network="shared"), port("own", port="my-port"))
    found = find(cloud)
    assert [(item.name, item.id, item.adopted) for item in found] == [
        ("b", identity("b"), False),
        ("my-port", identity("own"), True),
        ("web", identity("web"), False),
    ]
    result = found[2].to_result()
    assert (result["network"], result["host"], result["security_groups"]) == ("private", "c1", ["default"])
    assert (result["floating_ip_address"], result["instance_uuid"]) == ("192.0.2.10", identity("instance web"))
    assert [item.name for item in find(cloud, instance_uuids=[identity("instance b")])] == ["b"]
    assert [item.name for item in find(cloud, names=["web"])] == ["web"]
    assert [item.name for item in find(cloud, networks=["shared"])] == ["b"]
    assert [item.name for item in find(cloud, networks=[identity("shared")])] == ["b"]
    assert find(cloud, instance_uuids=[]) == []


def test_things_by_id(cloud):
    run = Run(cloud, port(network=identity("twin 1")), port("b", network=identity("private")))
    assert [str(error or "") for error in run.errors] == [
        "network %s has no subnet: its ports would have no address" % identity("twin 1"),
        "",
    ]
    groups = [identity("web p"), "default"]
    assert Run(cloud, port("c", security_groups=groups)).results[0]["security_groups"] == ["default", "web"]
    theirs = Run(cloud, port("d", security_groups=[identity("default other")]))
    assert isinstance(theirs.errors[0], NotFound)


def test_ports_are_of_the_launchers_account_only_where_they_must(cloud):
    Run(cloud, port(host="c1"))
    for who, method, path, said in cloud.requests:
        if who == "launcher" and method == "GET":
            assert (path, said["project_id"]) == ("ports", "p")


def module(which, url, folder, **options):
    """A door as a process: its return code, its result, and what it says on stderr."""
    auth = {"auth_url": url, "username": "ann", "password": PASSWORD, "project_name": "one"}
    auth.update(user_domain_name="Default", project_domain_name="Default")
    arguments = {"service": "neutron", "cloud": {"auth": auth}, "private_path": str(folder / "private"), **options}
    done = subprocess.run(
        [sys.executable, "-m", which.__name__],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, result_of(done.stdout), done.stderr


def test_the_doors_as_processes(tmp_path):
    silent = {name: value for name, value in port().items() if value is not None}
    with serving() as server:
        told = module(door, server.url, tmp_path, ports=[silent], state="absent")
        assert (told[0], told[1]["changed"], told[2]) == (0, False, "")
        assert [item["action"] for item in told[1]["ports"]] == ["keep"]
        assert module(port_info, server.url, tmp_path)[1]["ports"] == []
        server.stack.answers += [(503, "down for the night", {})] * 20
        code, result, errors = module(port_info, server.url, tmp_path)
    assert (code, errors) == (1, "")
    assert "Neutron says: down for the night (503, request id req-1234)" in result["msg"]
    assert PASSWORD not in json.dumps(result)
