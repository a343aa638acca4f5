# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record of instances, from request to deletion, by several runs, on every kind of database."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.carry import carry, parts_of
from ansible_collections.kvmstack.launch.plugins.module_utils.core.change import plan as plan_items
from ansible_collections.kvmstack.launch.plugins.module_utils.core.documents import (
    gather,
    goes_on,
    is_deleting,
    mark_failed,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import LaunchError
from ansible_collections.kvmstack.launch.plugins.module_utils.core.moments import as_text
from ansible_collections.kvmstack.launch.plugins.module_utils.host import record as host_record
from ansible_collections.kvmstack.launch.plugins.module_utils.host import sql as host_sql
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import listing, plan, request, sql
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.attachments import to_data
from ansible_collections.kvmstack.launch.plugins.module_utils.record import database, requests
from ansible_collections.kvmstack.launch.plugins.module_utils.record.migrations.upgrade import upgrade
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.view import read_hosts
from ansible_collections.kvmstack.launch.tests.unit.instance.conftest import REQUEST, Run

ENTRY = {"name": "web", "flavor": "small", "image": "demo", "networks": ["private"]}
DATA = {"name": "data", "size": 2, "delete_on_termination": True}


def launched(run, put, **entry):
    """The document of an instance that is ACTIVE on c1."""
    run().ask(entry)
    put(web="c1")
    return run().built(*run().find().values())["web"]


def test_a_launch_and_its_end(run, put, node):
    asked = run().ask({"volumes": [DATA]})["web"]
    assert (asked["status"], asked["changed"], asked["volumes"][0]["name"]) == ("BUILD", True, "web-data")
    put(web="c1")
    assert (node("c1").vcpus_used, node("c1").memory_mb_used) == (2, 512)
    built = run().built(*run().find().values())["web"]
    assert (built["status"], built["host"], built["msg"]) == ("ACTIVE", "c1", None)
    assert built["seconds"] is not None
    again = run().ask({"volumes": [DATA]})["web"]
    assert (again["status"], again["changed"]) == ("ACTIVE", False)
    going = run().ask(state="absent")["web"]
    assert going["task_state"] == "deleting"
    assert run().destroyed(going)["web"]["status"] == "DELETED"
    assert run().find() == {}
    assert (node("c1").vcpus_used, node("c1").memory_mb_used, node("c1").num_instances) == (0, 0, 0)
    assert run().ask()["web"]["uuid"] != asked["uuid"]


def test_check_mode_writes_nothing(run, database_url):
    assert run().ask(check_mode=True)["web"]["changed"]
    assert run().find() == {}


@pytest.mark.parametrize("check_mode", [True, False])
def test_who_runs_on_a_host_gets_no_wire_that_it_is_not_on(run, put, check_mode):
    """And the other of the request gets it."""
    pool = {"start": "172.30.0.50", "end": "172.30.0.59"}
    outer = {"cidr": "172.30.0.0/24", "physical_network": "physnet1", "allocation_pool": pool}
    settings = {"c1": {"bridge_mappings": {}}, "c2": {"bridge_mappings": {"physnet1": {"bridge": "br-ex"}}}}
    known = {"networks": {"private": {"cidr": "10.20.0.0/24"}, "outer": outer}, "host_settings": settings}
    run().ask({}, {"name": "db"})
    put(web="c1", db="c2")
    run().built(*run().find().values())
    both = {"networks": ["private", "outer"]}
    results = run().ask(both, {"name": "db", **both}, check_mode=check_mode, **known)
    assert "on host c1, which has no bridge mapping for physnet1 of network outer" in results["web"]["msg"]
    assert (results["db"]["msg"], len(results["db"]["ports"])) == (None, 2)
    assert len(run().find()["web"]["ports"]) == 1


def test_one_bad_item_is_undone_alone(run):
    run().ask({"volumes": [DATA]})
    run().ask({"name": "db", "volumes": [{"name": "web-data"}]}, {"name": "ok"})
    results = run().ask({"name": "db", "volumes": [{"name": "web-data"}]}, {"name": "ok"})
    assert "is attached to" in results["db"]["msg"]
    assert set(run().find()) == {"web", "ok"}


# Leases


def test_a_second_run_is_refused_what_another_drives(run):
    run().ask()
    refused = run(run_id="second").ask({}, {"name": "other"})
    assert "another run drives it (first, since 20" in refused["web"]["msg"]
    assert refused["other"]["msg"] is None
    assert "another run" in run(run_id="second").ask(state="absent")["web"]["msg"]
    assert run().ask()["web"]["msg"] is None


def test_a_run_that_is_told_to_takes_over_and_the_other_one_loses(run):
    first = run().ask()["web"]
    taken = run(run_id="second", take_over=True).ask()["web"]
    assert (taken["uuid"], taken["changed"], taken["msg"]) == (first["uuid"], False, None)
    assert "another run drives it (second" in run().built(first)["web"]["msg"]
    assert run(run_id="second").built(taken)["web"]["status"] == "ACTIVE"


def test_a_lease_that_has_expired_is_taken_over(run):
    run(lease=0).ask()
    assert run(run_id="second").ask()["web"]["msg"] is None
    assert "another run drives it" in run(lease=0).ask()["web"]["msg"]


# A run that another one has taken over


def takes_over(run, **options):
    """Another run, which takes over what the first one drives."""
    return run(run_id="second", take_over=True, **options)


def taken_back(run, document, answer=None):
    """What the first run's conclusion is, and after the build that takes back what is abandoned; its last document."""
    [result] = run().conclude(document).values()
    [document] = carry([document], "instance_update", [result], parts_of("instance_update"))
    if not document.get("abandoned"):
        return document, None
    going = {**document, "domain": {"status": "DELETED"}} if answer is None else {**document, **answer}
    [interim] = run().conclude(document, interim=True).values()
    assert interim["msg"] is None
    [last] = run().conclude(going).values()
    return document, last


def test_what_another_run_has_destroyed_in_the_middle_is_taken_back(run, put):
    first = run().ask({"volumes": [DATA]})["web"]
    put(web="c1")
    second = takes_over(run)
    second.destroyed({**second.ask(state="absent")["web"], "domain": {"status": "DELETED"}})
    built = {**first, "host": "c1", "domain": {"status": "ACTIVE"}}
    document, last = taken_back(run, built)
    assert goes_on(document)
    assert is_deleting(document)
    assert (document["host"], document["domain"], document["failed"]) == ("c1", None, False)
    assert [volume["name"] for volume in document["volumes"]] == ["web-data"]
    assert [port["name"] for port in document["ports"]] == ["web-private"]
    assert last["msg"] == "another run has destroyed it; what this run had made was taken back"
    assert run().find() == {}


def test_what_could_not_be_taken_back_is_told(run, put):
    first = run().ask()["web"]
    put(web="c1")
    second = takes_over(run)
    second.destroyed({**second.ask(state="absent")["web"], "domain": {"status": "DELETED"}})
    _document, last = taken_back(run, {**first, "host": "c1"}, {"failed": True, "msg": "no route", "failed_in": "host"})
    assert "not all that this run had made was taken back: no route" in last["msg"]


@pytest.mark.parametrize("ended", [False, True], ids=["and builds it there", "and has built it there"])
def test_what_another_run_has_moved_is_taken_back_where_this_one_built_it(run, put, ended):
    """On the host only: its ports, and what it has elsewhere, are the other run's."""
    first = run().ask({"volumes": [DATA, {**DATA, "name": "logs"}]})["web"]
    put(web="c1")
    second = takes_over(run)
    [taken] = second.ask({"volumes": [DATA, {**DATA, "name": "logs"}]}).values()
    second.conclude(mark_failed({**taken, "host": "c1"}, "domain", {"msg": "no"}))
    put(web="c2")
    if ended:
        second.built(second.find()["web"])
    built = {**first, "host": "c1", "domain": {"status": "ACTIVE"}}
    built["volumes"][0]["created"] = True
    document, last = taken_back(run, built)
    assert (document["host"], document["ports"]) == ("c1", [])
    assert [(volume["name"], volume["delete_on_termination"]) for volume in document["volumes"]] == [("web-data", True)]
    assert "what this run had made was taken back" in last["msg"]
    assert run().find()["web"]["host"] == "c2"
    assert run().find()["web"]["status"] == ("ACTIVE" if ended else "BUILD")


def test_what_another_run_drives_on_the_same_host_is_left_to_it(run, put):
    first = run().ask()["web"]
    put(web="c1")
    takes_over(run).ask()
    document, _last = taken_back(run, {**first, "host": "c1", "domain": {"status": "ACTIVE"}})
    assert document["failed"]
    assert "another run drives it" in document["msg"]


def test_what_another_run_has_built_on_the_same_host_is_left_to_it(run, put):
    first = run().ask()["web"]
    put(web="c1")
    second = takes_over(run)
    second.ask()
    second.built(second.find()["web"])
    document, _last = taken_back(run, {**first, "host": "c1", "domain": {"status": "ACTIVE"}})
    assert "this run does not drive it any more" in document["msg"]
    assert run().find()["web"]["status"] == "ACTIVE"


def test_two_destroys_of_one_are_both_right(run, put):
    launched(run, put)
    [first] = run().ask(state="absent").values()
    second = takes_over(run)
    second.destroyed({**second.ask(state="absent")["web"], "domain": {"status": "DELETED"}})
    after = run().destroyed({**first, "domain": {"status": "DELETED"}})["web"]
    assert (after["status"], after["msg"]) == ("DELETED", None)


def test_a_controllers_clock_does_not_end_anothers_lease(run, monkeypatch):
    """It is ten minutes ahead: leases go by the clock of the database, which is the same for all."""

    class Ahead(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(seconds=601)

    run().ask()
    monkeypatch.setattr(database, "datetime", Ahead)
    assert "another run drives it" in run(run_id="second").ask()["web"]["msg"]


def test_what_is_settled_is_free(run, put):
    launched(run, put)
    assert run(run_id="second").ask()["web"]["msg"] is None


def test_a_run_that_looks_at_a_running_instance_drives_it(run, put):
    launched(run, put)
    [document] = run().ask().values()
    assert "another run drives it" in run(run_id="second").ask(state="absent")["web"]["msg"]
    assert run().built(document)["web"]["changed"] is False
    assert run(run_id="second").ask(state="absent")["web"]["msg"] is None


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_run_that_failed_at_a_running_instance_lets_it_go(run, put, state):
    launched(run, put)
    [document] = run().ask(state=state).values()
    assert "no" in run().conclude(mark_failed(document, "domain", {"msg": "no"}))["web"]["msg"]
    assert run(run_id="second").ask(state=state)["web"]["msg"] is None


def test_two_that_plan_at_once(run):
    """Compare and set: both have read that it is free, one of them takes it."""
    run(lease=0).ask()
    outcomes = []
    records = []
    for name in ("second", "third"):
        params = {**run(run_id=name).params, "instances": [ENTRY]}
        record, wanted = sql.connect(params), request.parse(params)
        records.append((record, plan.plan(wanted, record.read(wanted), "present")))
    for record, changes in records:
        outcomes += record.apply(changes).values()
    assert [type(outcome).__name__ for outcome in outcomes] == ["Instance", "Conflict"]


# Quotas


@pytest.mark.parametrize(
    ("quotas", "told"),
    [
        pytest.param({"instances": 2}, "quota: instances: 2 of 2 used, 1 asked", id="instances"),
        pytest.param(
            {"cores": 5, "ram": 1024}, "quota: cores: 4 of 5 used, 2 asked; ram: 1024 of 1024 used", id="cores and ram"
        ),
        pytest.param({"volumes": 2}, "quota: volumes: 2 of 2 used, 1 asked", id="volumes"),
        pytest.param({"gigabytes": 5}, "quota: gigabytes: 4 of 5 used, 2 asked", id="gigabytes"),
    ],
)
@pytest.mark.parametrize("check_mode", [False, True])
def test_a_quota_refuses_those_beyond_it(run, quotas, told, check_mode):
    limited = run(quotas=quotas)
    results = limited.ask({"count": 3, "volumes": [DATA]}, check_mode=check_mode)
    assert [result["msg"] is None for result in results.values()] == [True, True, False]
    assert told in results["web-3"]["msg"]
    if not check_mode:
        assert set(run().find()) == {"web-1", "web-2"}
        again = limited.ask({"count": 3, "volumes": [DATA]})
        assert [result["msg"] is None for result in again.values()] == [True, True, False]


def test_a_quota_counts_what_grows_and_what_goes(run, put):
    launched(run, put, volumes=[DATA])
    larger = {"volumes": [{**DATA, "size": 4}]}
    assert "gigabytes: 2 of 3 used, 2 asked" in run(quotas={"gigabytes": 3}).ask(larger)["web"]["msg"]
    assert run(quotas={"gigabytes": 4, "cores": 0}).ask(larger)["web"]["msg"] is None
    run().destroyed(run().ask(state="absent")["web"])
    assert run(quotas={"gigabytes": 2, "instances": 1}).ask({"volumes": [DATA]})["web"]["msg"] is None


def test_quotas_are_of_a_project(run):
    run(project_id="q").ask({"count": 2})
    assert run(quotas={"instances": 1}).ask()["web"]["msg"] is None
    assert len(run().find()) == 1
    assert len(run().find(all_projects=True)) == 3


# Groups


def test_a_group_is_recorded_and_keeps_its_rules(run):
    rules = {"policy": "anti-affinity", "max_server_per_host": 2}
    asked = run(groups={"g": rules}).ask({"count": 2, "group": "g"})["web-1"]
    assert asked["group"] == {"name": "g", **rules}
    other = run(groups={"g": {"policy": "affinity"}}).ask({"name": "third", "group": "g"})["third"]
    assert "group g has the policy anti-affinity (max_server_per_host: 2) and 2 instances" in other["msg"]
    assert run().find()["web-2"]["group"] == {"name": "g", **rules}


def test_a_group_without_instances_may_change(run, put):
    run(groups={"g": {"policy": "affinity"}}).ask({"group": "g"})
    run().destroyed(run().ask(state="absent")["web"])
    asked = run(groups={"g": {"policy": "soft-affinity"}}).ask({"group": "g", "availability_zone": "z"})["web"]
    assert (asked["group"]["policy"], asked["availability_zone"], asked["scheduler_hints"]) == (
        "soft-affinity",
        "z",
        {},
    )


# Hosts


def test_a_host_that_fails_is_remembered_and_a_success_forgives(run, put, node):
    document = run().ask()["web"]
    put(web="c1")
    document = run().conclude(mark_failed(run().find()["web"], "host", {"msg": "unreachable"}))["web"]
    assert (document["host"], document["attempted_hosts"], document["status"]) == (None, ["c1"], "BUILD")
    assert (node("c1").failed_builds, node("c1").vcpus_used, node("c1").generation) == (1, 0, 1)
    put(web="c1")
    run().built(run().find()["web"])
    assert (node("c1").failed_builds, node("c1").vcpus_used) == (0, 2)


def test_a_bad_request_is_not_the_hosts_fault(run, put, node):
    run().ask()
    put(web="c1")
    document = run().find()["web"]
    broken = mark_failed(document, "image", {"msg": "checksum", "abort": True})
    assert run().conclude(broken)["web"]["status"] == "ERROR"
    assert node("c1").failed_builds == 0


def test_the_record_tells_its_identity_when_it_has_one(empty_url):
    run = Run(empty_url)
    assert run.identity() is None
    assert run.ask()["web"]["record_id"] == Run(empty_url).identity()


# Volumes


def test_an_existing_volume_waits_for_its_instance_where_it_is(run, put):
    launched(run, put, volumes=[{**DATA, "delete_on_termination": False}])
    run().destroyed(run().ask(state="absent")["web"])
    taken = run().ask({"name": "db", "volumes": [{"name": "web-data"}]})["db"]
    assert (taken["volumes"][0]["host"], taken["volumes"][0]["size"]) == ("c1", 2)
    assert "is attached to" in run().ask({"name": "x", "volumes": [{"name": "web-data"}]})["x"]["msg"]
    again = run().ask({"name": "db", "volumes": [{"name": "web-data"}]})["db"]
    assert (again["volumes"][0]["host"], again["changed"]) == ("c1", False)
    run().destroyed(run().ask({"name": "db"}, state="absent")["db"])
    assert run().ask({"name": "x", "volumes": [{"name": "web-data"}]})["x"]["volumes"][0]["host"] == "c1"


@pytest.mark.parametrize("entry", [{"volumes": []}, None], ids=["taken off the list", "destroyed"])
def test_a_volume_stays_recorded_where_no_host_has_said_that_it_is_gone(run, put, entry):
    """It waits on a host when a launch, with which it is to go, finds none: nobody asks that host to remove it."""
    launched(run, put, volumes=[{**DATA, "delete_on_termination": False}])
    run().destroyed(run().ask(state="absent")["web"])
    document = run().ask({"volumes": [DATA]})["web"]
    assert run().conclude(mark_failed(document, "schedule", {"msg": "no", "abort": True}))["web"]["host"] is None
    if entry is None:
        run().destroyed(run().ask(state="absent")["web"])
    else:
        run().ask(entry)
    [volume] = run().ask({"volumes": [DATA]})["web"]["volumes"]
    assert volume["host"] == "c1"


def test_a_volume_that_goes_with_its_instance_is_gone_when_its_host_has_said_so(run, put):
    launched(run, put, volumes=[DATA])
    run().destroyed(run().ask(state="absent")["web"])
    [volume] = run().ask({"volumes": [DATA]})["web"]["volumes"]
    assert volume["host"] is None


# Room


@pytest.fixture
def used(node, database_url):
    """used("c1"): the GiB claimed of a host's disk, and those that volumes have there that wait for an instance."""

    def read(host):
        database = sql.Database(database_url)
        with database.reading() as connection:
            [state] = read_hosts(database, lambda query: connection.execute(query).all(), [host]).values()
        database.engine.dispose()
        claimed = node(host).disk_gb_used
        return claimed, state.disk_gb_used - claimed

    return read


def test_the_claim_of_a_running_instance_follows_its_volumes(run, put, used):
    kept = {**DATA, "delete_on_termination": False}
    launched(run, put, volumes=[kept])
    assert used("c1") == (3, 0)
    generation = run().built(run().ask({"volumes": [{**kept, "size": 10}]})["web"])["web"]
    assert (used("c1"), generation["volumes"][0]["size"]) == ((11, 0), 10)
    both = [{**kept, "size": 10}, {**kept, "name": "logs", "size": 4}]
    run().built(run().ask({"volumes": both})["web"])
    assert used("c1") == (15, 0)
    without = run().ask({"volumes": both[1:]})["web"]
    assert used("c1") == (15, 0), "until it has left"
    run().built(without)
    assert used("c1") == (5, 10), "then it waits there"
    run().built(run().ask({"volumes": both})["web"])
    assert used("c1") == (15, 0), "and comes back"
    run().destroyed(run().ask(state="absent")["web"])
    assert used("c1") == (0, 14)


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_volume_grows_no_further_than_its_host_has_room(run, put, used, check_mode):
    launched(run, put, volumes=[DATA])
    refused = run().ask({"volumes": [{**DATA, "size": 500}]}, check_mode=check_mode)["web"]
    assert "disks: they need 498 GiB more on host c1, which has 97 left" in refused["msg"]
    assert run().find()["web"]["volumes"][0]["size"] == 2
    assert used("c1") == (3, 0)
    more = [{**DATA, "size": 50}, {**DATA, "name": "more", "size": 60}]
    assert "they need 108 GiB more" in run().ask({"volumes": more}, check_mode=check_mode)["web"]["msg"]
    assert run().ask({"volumes": [DATA]})["web"]["msg"] is None


def test_instances_of_one_request_share_the_room_of_their_host(run, put, used):
    entries = [{"name": name, "volumes": [DATA]} for name in ("a", "b")]
    run().ask(*entries)
    put(a="c1", b="c1")
    run().built(*run().find().values())
    larger = [{"name": name, "volumes": [{**DATA, "size": 60}]} for name in ("a", "b")]
    told = run().ask(*larger)
    assert told["a"]["msg"] is None
    assert "they need 58 GiB more on host c1, which has 36 left" in told["b"]["msg"]
    assert used("c1") == (64, 0)


def test_room_that_another_run_takes_meanwhile_is_not_taken_twice(run, put, used, database_url, monkeypatch):
    entries = [{"name": name, "volumes": [DATA]} for name in ("a", "b")]
    run().ask(*entries)
    put(a="c1", b="c1")
    run().built(*run().find().values())
    larger = [{"name": name, "volumes": [{**DATA, "size": 60}]} for name in ("a", "b")]
    original = sql.Record.apply

    def after_another(record, changes):
        monkeypatch.setattr(sql.Record, "apply", original)
        assert run(run_id="second").ask(larger[0])["a"]["msg"] is None
        return original(record, changes)

    monkeypatch.setattr(sql.Record, "apply", after_another)
    with pytest.raises(LaunchError, match="another run has claimed the room"):
        run().ask(larger[1])
    assert used("c1") == (64, 0)
    assert run().find()["b"]["volumes"][0]["size"] == 2


@pytest.mark.parametrize(
    ("differences", "keeps"),
    [
        pytest.param({}, True, id="the same"),
        pytest.param({"metadata": {"a": "b"}}, True, id="what takes no room"),
        pytest.param({"volumes": [{**DATA, "size": 9}]}, False, id="a larger volume"),
        pytest.param({"flavor": "large"}, False, id="another flavor"),
        pytest.param({"image": "other"}, False, id="an image that asks for other hosts"),
    ],
)
def test_what_is_not_built_yet_is_claimed_for_anew_when_it_asks_for_something_else(run, put, used, differences, keeps):
    images = {name: {**REQUEST["images"]["demo"], "properties": {"hw_numa_nodes": name}} for name in ("1", "2")}
    images = {"demo": images["1"], "other": images["2"]}
    flavors = {**REQUEST["flavors"], "large": {"vcpus": 2, "ram": 512, "disk": 9}}
    run().ask({"volumes": [DATA]}, images=images, flavors=flavors)
    put(web="c1")
    again = run().ask({"volumes": [DATA], **differences}, images=images, flavors=flavors)["web"]
    assert (again["host"], again["status"], again["msg"]) == ("c1", "BUILD", None)
    assert used("c1") == ((3, 0) if keeps else (0, 0))


def test_two_instances_have_no_volume_in_common(run, put):
    """db's 1-data and db-1's data would both be called db-1-data."""
    first = {"name": "db", "volumes": [{**DATA, "name": "1-data", "delete_on_termination": False}]}
    second = {"name": "db-1", "volumes": [DATA]}
    mine = run().ask(first)["db"]["volumes"][0]
    assert "volume db-1-data exists, and was not made as this one" in run().ask(second)["db-1"]["msg"]
    put(db="c1")
    run().built(run().find()["db"])
    run().destroyed(run().ask(first, state="absent")["db"])
    assert "was not made as this one" in run().ask(second)["db-1"]["msg"]
    taken = run().ask({"name": "db-1", "volumes": [{"name": "db-1-data"}]})["db-1"]
    assert [volume["id"] for volume in taken["volumes"]] == [mine["id"]]


# Events


def test_what_happened_is_told(run, put):
    run().ask()
    put(web="c1")
    document = run().find()["web"]
    made = {"name": "web-private", "action": "create", "port_id": "p", "mac_address": "m", "fixed_ip": "10.20.0.9"}
    began = datetime.now(timezone.utc) - timedelta(seconds=5)
    span = {"start_time": as_text(began), "finish_time": as_text(began + timedelta(seconds=2))}
    [document] = carry([document], "port", [made], parts_of("port"), span=span)
    run().conclude(mark_failed(document, "domain", {"msg": "web: no room", "exception": "Traceback"}))
    put(web="c2")
    run().built(run().find()["web"])
    told = run().find(actions=True)["web"]
    [action] = told["actions"]
    assert (action["action"], action["result"], action["host"], action["user_id"]) == ("create", "Success", "c2", "me")
    assert action["start_time"] < action["finish_time"]
    assert [(event["event"], event["host"], event["result"]) for event in action["events"]] == [
        ("port", "c1", "Success"), ("domain", "c1", "Error"), ("domain", "c2", "Success"),
    ]  # fmt: skip
    took = [datetime.fromisoformat(action["events"][0][key].rstrip("Z")) for key in ("start_time", "finish_time")]
    assert round((took[1] - took[0]).total_seconds(), 3) == 2
    assert abs((took[0] - began.replace(tzinfo=None)).total_seconds()) < 1
    assert action["events"][1]["start_time"] == action["events"][1]["finish_time"]
    assert action["events"][1]["message"] == "web: no room"
    assert action["events"][1]["details"] == "Traceback"
    [fault] = told["faults"]
    assert (fault["code"], fault["host"], fault["details"]) == (500, "c1", "Traceback")
    assert "no room" in fault["message"]
    run().built(run().ask()["web"])
    assert run().find(actions=True)["web"]["actions"] == told["actions"]


def test_a_bad_reference_is_a_fault_of_the_request(run):
    asked = run().ask({"flavor": "huge"})["web"]
    assert asked["status"] == "ERROR"
    told = run().find(actions=True)["web"]
    assert (told["faults"][0]["code"], told["actions"][0]["result"]) == (400, "Error")


def test_a_host_that_was_lost_tells_the_administrator_more(run, put):
    run().ask()
    put(web="c1")
    lost = {"c1": {"msg": "MODULE FAILURE", "module_stderr": "Killed"}}
    run().conclude(*gather([run().find()["web"]], lost))
    [fault] = run().find(actions=True)["web"]["faults"]
    assert fault["message"] == "its host has failed"
    assert fault["details"] == "host c1: MODULE FAILURE\n\nKilled"


# Upgrades


def test_a_launch_that_an_older_collection_began_goes_on(empty_url):
    """The record of issue 2, a launch half done on c1 in it: the upgrade keeps it, and the launch ends."""
    database = sql.Database(empty_url)

    def run(**options):
        return Run(empty_url, **options)

    if database.backend == "sqlite":
        os.makedirs(os.path.dirname(database.url.database))
    moment = "2026-01-02 03:04:05"
    asked = request.parse({**run().params, "instances": [{**ENTRY, "volumes": [DATA]}]})
    [change] = plan.plan(asked, plan.Recorded({}, {}), "present")
    begun = change.after
    old = {
        "instances": {
            "uuid": begun.uuid, "name": "web", "project_id": "p", "vm_state": "building", "task_state": "scheduling",
            "host": "c1", "attempted_hosts": [], "flavor": begun.flavor, "image": begun.image,
            "ports": to_data(begun.ports), "volumes": to_data(begun.volumes), "instance_metadata": {}, "ssh_keys": [],
            "created_at": moment, "requested_at": moment, "updated_at": moment, "deleted": 0,
        },
        "compute_nodes": {
            "host": "c1", "generation": 1, "enabled": True, "vcpus": 4, "memory_mb": 8192, "disk_gb": 100,
            "vcpus_reserved": 0, "memory_mb_reserved": 512, "disk_gb_reserved": 0, "cpu_allocation_ratio": 4.0,
            "ram_allocation_ratio": 1.0, "disk_allocation_ratio": 1.0, "vcpus_used": 2, "memory_mb_used": 512,
            "disk_gb_used": 3, "facts": {}, "updated_at": moment,
        },
        "allocations": {
            "instance_uuid": begun.uuid, "host": "c1", "vcpus": 2, "memory_mb": 512, "disk_gb": 3, "created_at": moment,
        },
        "instance_actions": {
            "instance_uuid": begun.uuid, "request_id": "req-1", "action": "create", "start_time": moment,
        },
    }  # fmt: skip
    with database.engine.begin() as connection:
        upgrade(connection, "0001")
        for name, values in old.items():
            told = {
                key: json.dumps(value) if isinstance(value, (list, dict)) else value for key, value in values.items()
            }
            marks = ", ".join(
                "cast(:%s as json)" % key if old_json(database, values, key) else ":" + key for key in told
            )
            statement = "insert into %s (%s) values (%s)" % (name, ", ".join(told), marks)
            connection.execute(database.sql.text(statement), told)
    assert run().ask({"volumes": [DATA]}, check_mode=True)["web"]["uuid"] == begun.uuid
    again = run(quotas={"cores": 2, "gigabytes": 2}).ask({"volumes": [DATA]})["web"]
    assert (again["uuid"], again["host"], again["msg"], again["group"]) == (begun.uuid, "c1", None, None)
    assert "cores: 2 of 2 used" in run(quotas={"cores": 2}).ask({"name": "db"})["db"]["msg"]
    assert run().built(again)["web"]["status"] == "ACTIVE"
    run().destroyed(run().ask(state="absent")["web"])
    with database.reading() as connection:
        [node] = connection.execute(database.tables.compute_nodes.select())
    assert (node.vcpus_used, node.disk_gb_used, node.failed_builds, node.num_instances) == (0, 0, 0, 0)


def old_json(database, values, key):
    return database.backend == "postgresql" and isinstance(values[key], (list, dict))


def look(run, asked=(), **states):
    """What the stage host writes when c1 has said this of its guests, by name; asked are other parameters of it."""
    known = {name: told["uuid"] for name, told in run().find().items()}
    node = {"host": "c1", "vcpus": 4, "memory_mb": 4096, "disk_gb": 9}
    node["power_states"] = {known[name]: state for name, state in states.items()}
    params = {"database": run().params["database"], "hosts": ["c1"], "nodes": [node], "silent": [], "settings": {}}
    params.update(asked)
    backend, wanted = host_sql.connect(params), host_record.parse(params)
    backend.apply([each for each in plan_items(wanted, backend.read(wanted), "present") if each.pending])


def test_the_status_is_what_the_host_said_at_the_last_look(run, put):
    launched(run, put)
    assert run().find()["web"]["power_state"] == "running"
    look(run, web="shutdown")
    assert run().find()["web"]["status"] == "SHUTOFF"
    look(run)
    assert (run().find()["web"]["power_state"], run().find()["web"]["status"]) == ("nostate", "ERROR")
    asked = {**run().params, "names": None, "hosts": None, "all_projects": False, "columns": ["state", "status"]}
    assert listing.find_table(asked) == "STATE    STATUS\nstarted  ERROR"
    document = run().ask()["web"]
    look(run, web="paused")  # while a run drives it, that run decides
    assert run().find()["web"]["power_state"] == "nostate"
    assert run().built(document)["web"]["status"] == "ACTIVE"
    assert run().ask()["web"]["changed"] is False


def test_a_look_at_a_host_leaves_what_a_run_has_read_as_it_is(run, put):
    launched(run, put)
    params = {**run().params, "instances": [{**ENTRY, "metadata": {"a": "b"}}]}
    record, wanted = sql.connect(params), request.parse(params)
    changes = plan.plan(wanted, record.read(wanted), "present")
    look(run, web="shutdown")
    assert record.apply(changes)["web"].metadata == {"a": "b"}


def test_an_instance_is_turned_off_and_on(run, put):
    launched(run, put)
    off = run().ask({"state": "stopped"})["web"]
    assert (off["task_state"], off["status"]) == ("powering-off", "ACTIVE")
    assert run().built(off)["web"]["status"] == "SHUTOFF"
    assert run().ask({"state": "stopped"})["web"]["changed"] is False
    assert run().built(run().ask()["web"])["web"]["status"] == "ACTIVE"
    actions = run().find(actions=True)["web"]["actions"]
    assert [(each["action"], each["result"]) for each in actions] == [
        ("create", "Success"), ("stop", "Success"), ("start", "Success"),
    ]  # fmt: skip


def test_an_instance_starts_anew_in_every_run_that_says_so(run, put):
    launched(run, put)
    for state, task in (("restarted", "rebooting"), ("restarted", "rebooting"), ("reset", "rebooting_hard")):
        again = run().ask({"state": state})["web"]
        assert (again["task_state"], again["status"], again["changed"]) == (task, "ACTIVE", True)
        assert run().built(again)["web"]["task_state"] is None
    assert run().ask()["web"]["changed"] is False
    actions = run().find(actions=True)["web"]["actions"]
    assert [(each["action"], each["result"]) for each in actions] == [
        ("create", "Success"), *[("reboot", "Success")] * 3,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "state", "action"),
    [
        ("started", "restarted", "reboot"), ("started", "reset", "reboot"), ("started", "stopped", "stop"),
        ("stopped", "started", "start"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("waits", [False, True])
def test_what_a_run_has_failed_to_do_is_not_done_any_more(run, put, database_url, first, state, action, waits):
    """What a worker is still to do is not at its end."""
    web = launched(run, put, state=first)
    if waits:
        record = database.Database(database_url)
        asked = requests.Request(web["uuid"], "p", "web", action, {"state": state}, "req-1")
        record.write(lambda connection: requests.add(record, connection, asked, sql.now(connection)))
    begun = run().ask({"state": state})["web"]
    assert run().conclude(mark_failed(begun, "host", {"msg": "c1 is off"}))["web"]["msg"] == "c1 is off"
    after = run().find(actions=True)["web"]
    assert (after["task_state"] is None) == (not waits)
    last = after["actions"][-1]
    ended = (None, None) if waits else ("Error", "c1 is off")
    assert (last["action"], last["result"], last["message"]) == (action, *ended)


def test_a_dry_run_says_of_new_instances_too_whose_they_are(run, put):
    mine = launched(run, put)["record_id"]
    planned = run().ask({}, {"name": "new"}, check_mode=True)
    assert [planned[name]["record_id"] for name in ("web", "new")] == [mine, mine]


def test_nobody_knows_the_status_of_what_is_on_a_host_that_does_not_answer(run, put):
    launched(run, put)
    look(run, web="running")
    assert run().find()["web"]["unknown_since"] is None
    for _survey in range(2):
        look(run, {"nodes": [], "silent": ["c1"]})
        told = run().find()["web"]
        assert (told["status"], told["vm_state"]) == ("UNKNOWN", "active")
        assert told["seen"] <= told["unknown_since"]
    options = {"names": None, "hosts": None, "all_projects": False, "columns": ["state", "status", "unknown_since"]}
    assert told["unknown_since"] in listing.find_table({**run().params, **options})
    look(run, {"silent": ["c1"]}, web="shutdown")
    assert run().find()["web"]["status"] == "SHUTOFF"
    look(run, {"nodes": [], "silent": ["c1"]})
    assert run().ask()["web"]["status"] == "SHUTOFF"  # for a launch, which sees for itself
