# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one list that travels: what a stage takes out of it, and what comes back."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.carry import carry, fail, items, parts_of
from ansible_collections.kvmstack.launch.plugins.module_utils.core.documents import (
    controller_needed,
    gather,
    goes_on,
    hosts,
    mark_failed,
    pending,
)

PORT = {"id": "p1", "name": "web-private", "network": "private", "fixed_ip": None}
DISK = {"id": "v1", "name": "web-data", "size": 1, "service": "file", "delete_on_termination": False}
REMOTE = {"id": "v2", "name": "web-far", "size": 1, "service": "cinder", "delete_on_termination": True}
WEB = {
    "name": "web", "uuid": "u1", "record_id": "r1", "status": "BUILD", "host": "c1", "task_state": "scheduling",
    "attempted_hosts": [], "launched": False, "availability_zone": None, "flavor": {"disk": 5},
    "image": {"name": "demo", "url": "file:///demo"}, "ports": [PORT], "volumes": [DISK, REMOTE],
}  # fmt: skip
BROKEN = mark_failed(WEB, "port", {"msg": "port web-private: no address", "abort": True})
LEAVING = {**PORT, "id": "p2", "leaving": True}
RUNS = {"status": "ACTIVE"}
MADE = {"name": "web-private", "action": "create", "changed": True, "failed": False}
LOST = {"name": "web-private", "action": "create", "changed": False, "failed": True, "msg": "is full", "abort": True}


def ids(documents, noun, *options):
    return [item.get("id") or item.get("instance_uuid") for item in items(documents, parts_of(noun, *options))]


def lay(documents, noun, results, state="present"):
    return carry(documents, noun, results, parts_of(noun, state), state)


@pytest.mark.parametrize(
    ("document", "noun", "options", "expected"),
    [
        pytest.param(WEB, "port", (), ["p1"], id="its ports"),
        pytest.param(WEB, "volume", (), ["v1"], id="its local volumes"),
        pytest.param(WEB, "volume", ("present", "cinder"), ["v2"], id="those of a service"),
        pytest.param(WEB, "image", (), ["u1"], id="its root disk"),
        pytest.param({**WEB, "image": {"url": None}}, "image", (), [], id="no root disk if it boots from a volume"),
        pytest.param({**WEB, "ports": [PORT, LEAVING]}, "port", (), ["p1"], id="what leaves is not made"),
        pytest.param({**WEB, "ports": [PORT, LEAVING]}, "port", ("absent",), [], id="nor taken while the guest has it"),
        pytest.param({**WEB, "ports": [PORT, LEAVING], "domain": RUNS}, "port", ("absent",), ["p2"], id="then it is"),
        pytest.param({**WEB, "ports": [PORT, LEAVING], "task_state": "deleting"}, "port", ("absent",), ["p1", "p2"],
                     id="all of it goes with the instance"),
        pytest.param({**WEB, "task_state": "deleting"}, "volume", ("absent",), [], id="a kept local volume stays"),
        pytest.param({**WEB, "task_state": "deleting"}, "volume", ("absent", "cinder"), ["v2"], id="others are let go"),
        pytest.param(BROKEN, "image", (), [], id="a failed one passes through"),
        pytest.param({**WEB, "settled": True}, "port", (), [], id="a settled one passes through"),
        pytest.param({**WEB, "uuid": None}, "instance_update", (), [], id="one that there is not has no record"),
    ],
)  # fmt: skip
def test_items(document, noun, options, expected):
    assert ids([document], noun, *options) == expected


def test_an_item_says_whose_it_is_and_where():
    [port] = items([WEB], parts_of("port"))
    assert (port["instance_uuid"], port["host"], port["record_id"]) == ("u1", "c1", "r1")
    [volume] = items([{**WEB, "volumes": [{**DISK, "host": "c9"}]}], parts_of("volume"))
    assert volume["host"] == "c9"
    [image] = items([WEB], parts_of("image"))
    assert (image["size"], image["launched"]) == (5, False)


def test_a_port_follows_its_instance_to_another_host():
    [document] = lay([WEB], "port", [{**MADE, "id": "p1", "host": "c1", "fixed_ip": "10.0.0.9"}])
    [port] = items([{**document, "host": "c2"}], parts_of("port"))
    assert (port["host"], port["fixed_ip"]) == ("c2", "10.0.0.9")


def test_results_are_laid_where_the_items_came_from():
    other = {**WEB, "name": "db", "uuid": "u2", "ports": [PORT, LEAVING, {**PORT, "id": "p3"}]}
    results = [{**MADE, "mac_address": mac} for mac in ("a", "b", "c")]
    web, broken, db = lay([WEB, BROKEN, other], "port", results)
    assert [port.get("mac_address") for port in web["ports"]] == ["a"]
    assert [port.get("mac_address") for port in db["ports"]] == ["b", None, "c"]
    assert broken == BROKEN
    assert db["actions"] == {"port": ["create", "create"]}
    assert [event["result"] for event in db["events"]] == ["Success"]


def test_what_a_stage_does_not_say_stays_as_it_was():
    [document] = lay([{**WEB, "ports": [{**PORT, "mac_address": "a"}]}], "port", [{**MADE, "mac_address": None}])
    assert document["ports"][0]["mac_address"] == "a"


def test_one_bad_part_fails_its_instance_and_no_other():
    web, db = lay([WEB, {**WEB, "uuid": "u2"}], "port", [LOST, MADE])
    assert (web["failed"], web["failed_in"], web["abort"]) == (True, "port", True)
    assert web["msg"] == "port web-private: is full"
    assert web["ports"] == WEB["ports"]
    assert not db.get("failed")
    assert web["public_msg"] is None, "all of it is for everybody"


def test_what_of_several_failures_names_hosts_is_told_apart():
    document = {**WEB, "ports": [PORT, {**PORT, "id": "p2", "name": "web-public"}]}
    named = {**LOST, "msg": "host c1 cannot take it", "public_msg": "its host cannot take it", "id": "p2"}
    [after] = lay([document], "port", [LOST, {**named, "name": "web-public"}])
    assert after["msg"] == "port web-private: is full; port web-public: host c1 cannot take it"
    assert after["public_msg"] == "port web-private: is full; port web-public: its host cannot take it"


def test_what_a_running_guest_has_lost_leaves_the_document():
    document = {**WEB, "ports": [PORT, LEAVING], "domain": RUNS}
    [after] = lay([document], "port", [{**MADE, "action": "delete"}], "absent")
    assert after["ports"] == [PORT]
    [kept] = lay([document], "port", [LOST], "absent")
    assert (kept["ports"], kept["failed"]) == ([PORT, LEAVING], True)


def test_a_volume_that_is_called_otherwise_now_is_not_let_go_of():
    """Its service knows it by one id, whatever it is asked for by."""
    document = {**WEB, "volumes": [{**REMOTE, "id": "v9"}, {**REMOTE, "volume_id": "c-2", "leaving": True}]}
    made = {"name": "web-far", "action": "keep", "volume_id": "c-2"}
    [after] = carry([document], "volume", [made], parts_of("volume", "present", "cinder"))
    assert [each["id"] for each in after["volumes"]] == ["v9"]
    [other] = carry([document], "volume", [{**made, "volume_id": "c-3"}], parts_of("volume", "present", "cinder"))
    assert [each["id"] for each in other["volumes"]] == ["v9", "v2"]


def test_an_error_of_the_whole_stage_is_that_of_those_it_was_for():
    web, bare = fail(
        [WEB, {**WEB, "ports": []}], "port", {"msg": "the northbound does not answer", "abort": True}, parts_of("port")
    )
    assert (web["failed"], web["msg"]) == (True, "the northbound does not answer")
    assert bare == {**WEB, "ports": []}


ANSWER = {"instances": [{**WEB, "domain": RUNS}]}


@pytest.mark.parametrize(
    ("document", "answers", "message"),
    [
        pytest.param(WEB, {"c1": ANSWER}, None, id="built"),
        pytest.param(WEB, {"c1": {"unreachable": True, "msg": "no route"}}, "host c1: no route", id="unreachable"),
        pytest.param(WEB, {"c1": {"failed": True, "module_stderr": "Traceback"}}, "host c1: it failed", id="crashed"),
        pytest.param(WEB, {}, "host c1: it is not among the hosts of this run: see the inventory and --limit",
                     id="not in the inventory"),
        pytest.param({**WEB, "attempted_hosts": ["c1"]}, {"c1": ANSWER}, "host c1: it failed", id="an earlier answer"),
        pytest.param({**WEB, "host": None}, {}, None, id="on no host"),
    ],
)  # fmt: skip
def test_gather(document, answers, message):
    [after] = gather([document], answers)
    assert after.get("msg") == message
    assert bool(after.get("failed")) == (message is not None)
    assert not after.get("abort")
    assert after.get("public_msg") == (message and "its host has failed")


def test_a_traceback_is_kept_for_administrators():
    [after] = gather([WEB], {"c1": {"failed": True, "msg": "MODULE FAILURE", "module_stderr": "Traceback"}})
    assert after["details"] == after["events"][-1]["details"] == "Traceback"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(WEB, ["c0"], id="in the middle of an attempt it is looked for where it was"),
        pytest.param(BROKEN, [], id="not at the next attempt, also where a host has gone silent in this one"),
    ],
)
def test_a_silent_host_is_looked_at_once_in_a_run(document, expected):
    [after] = lay([{**document, "remains": ["c0"]}], "instance_update", [recorded(remains=["c0", "c1"], host=None)])
    assert after["remains"] == expected


def recorded(**fields):
    return {**WEB, "action": "update", "changed": True, "failed": False, **fields}


@pytest.mark.parametrize(
    ("document", "result", "settled", "goes"),
    [
        pytest.param(WEB, recorded(), False, True, id="in the middle of a run it goes on"),
        pytest.param({**WEB, "domain": RUNS}, recorded(status="ACTIVE"), True, False, id="active is settled"),
        pytest.param(BROKEN, recorded(status="ERROR", failed=True, msg="no"), True, False, id="an error is settled"),
        pytest.param(BROKEN, recorded(host=None), False, True, id="what failed on a host goes to another"),
        pytest.param(WEB, recorded(status="DELETED"), True, False, id="deleted is settled"),
        pytest.param(WEB, recorded(failed=True, msg="another run"), True, False, id="a conflict is settled"),
    ],
)
def test_after_the_record_was_written(document, result, settled, goes):
    [after] = lay([document], "instance_update", [result])
    assert (after["settled"], goes_on(after)) == (settled, goes)
    assert after["events"] == []
    assert bool(after.get("msg")) == bool(result.get("failed"))


def test_the_record_knows_less_than_the_document():
    [document] = lay([WEB], "port", [{**MADE, "mtu": 1442}])
    [after] = lay([document], "instance_update", [recorded(ports=[{**PORT, "fixed_ip": "10.0.0.9"}])])
    assert (after["ports"][0]["mtu"], after["ports"][0]["fixed_ip"]) == (1442, "10.0.0.9")


def test_what_was_refused_at_the_beginning_is_not_written():
    refused = {**WEB, "failed": True, "msg": "flavor cannot be changed"}
    assert [item["name"] for item in items([refused, BROKEN, WEB], parts_of("instance_update"))] == ["web", "web"]


def test_who_is_in_an_attempt():
    settled = {**WEB, "settled": True, "host": "c3", "status": "ACTIVE"}
    everybody = [WEB, BROKEN, settled, {**WEB, "host": "c2", "status": "ACTIVE"}, {**WEB, "host": None}]
    assert hosts(everybody) == ["c1", "c2"]
    assert len(pending(everybody)) == 2
    assert controller_needed(everybody)
    assert not controller_needed([BROKEN, settled])


@pytest.mark.parametrize("noun", ["network", "router", "gateway"])
def test_what_instances_share_is_no_part_of_theirs(noun):
    def parts(document):
        return [(None, {"name": "main"})]

    made = {"name": "main", "action": "create", "changed": True, "failed": False}
    [document] = carry([WEB], noun, [made], parts, "present")
    assert {key: document[key] for key in WEB} == WEB
    assert document["actions"] == {noun: ["create"]}
    told = {**made, "changed": False, "failed": True, "msg": "%s main: there is none" % noun, "abort": True}
    [document] = carry([WEB], noun, [told], parts, "present")
    assert document["failed"]
    assert document["failed_in"] == noun
