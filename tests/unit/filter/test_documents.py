# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filters between the stages, where an instance can be on a host that this run's inventory does not have."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.filter.documents import (
    addresses,
    answers,
    build_hosts,
    controller,
    gather,
    image_endpoint,
    nodes,
    on_host,
    pending,
    uncleared,
    unseen,
    unwritten,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest

WEB = {"name": "web", "uuid": "u1", "status": "BUILD", "host": "c1", "attempted_hosts": []}
DB = {**WEB, "name": "db", "uuid": "u2", "host": "c2"}
GONE = {**WEB, "name": "old", "uuid": "u3", "host": "left-the-inventory"}
FAILED = {**WEB, "name": "bad", "uuid": "u4", "host": "c3", "failed": True, "msg": "port: is full"}
SETTLED = {**WEB, "name": "done", "uuid": "u5", "host": "c4", "status": "ACTIVE", "settled": True}
HOMELESS = {**WEB, "name": "nowhere", "uuid": "u6", "host": None}
ALL = [WEB, DB, GONE, FAILED, SETTLED, HOMELESS]

RUNS = {"status": "ACTIVE"}
NODE = {"name": "c1", "vcpus": 4}
BUILT = {"launch_built": {"instances": [{**WEB, "domain": RUNS}], "hosts": [NODE]}}


def named(documents):
    return [document["name"] for document in documents]


@pytest.mark.parametrize(
    ("document", "hostvars", "message"),
    [
        pytest.param(WEB, {"c1": BUILT}, None, id="built"),
        pytest.param(WEB, {"c1": {}}, "host c1: it is not among the hosts of this run: see the inventory and --limit",
                     id="its host was left out by --limit"),
        pytest.param(WEB, {"c1": {"launch_built": {"unreachable": True, "msg": "no route"}}}, "host c1: no route",
                     id="its host cannot be reached"),
        pytest.param(WEB, {"c1": {"launch_built": {"failed": True, "msg": "Task failed: Timed out after 630 second(s).",
                                                   "timedout": {"period": 630}}}},
                     "host c1: it did not answer in 630 s", id="its host hangs"),
        pytest.param(GONE, {"c1": BUILT},
                     "host left-the-inventory: it is not among the hosts of this run: see the inventory and --limit",
                     id="its host left the inventory"),
        pytest.param(FAILED, {"c3": BUILT}, "port: is full", id="failed before"),
        pytest.param(SETTLED, {}, None, id="settled before"),
        pytest.param(HOMELESS, {"c1": BUILT}, None, id="on no host"),
    ],
)  # fmt: skip
def test_gather(document, hostvars, message):
    [after] = gather([document], hostvars)
    assert after.get("msg") == message
    assert bool(after.get("failed")) == (message is not None)
    assert ("domain" in after) == (document is WEB and message is None)


GOING = {**DB, "status": "ACTIVE", "task_state": "deleting", "remains": ["c1"]}
LEFT = {**GOING, "host": "c1", "status": "DELETED"}
HOSTS = [{"name": "c1", "remains": [LEFT]}, {"name": "c2", "remains": []}, {"name": "c3"}]


@pytest.mark.parametrize(
    ("document", "force", "lost", "failed"),
    [
        pytest.param(WEB, False, True, True, id="a host that is silent may have built it"),
        pytest.param(GOING, False, True, True, id="what goes is not gone"),
        pytest.param(GOING, True, True, False, id="with force it is given up"),
        pytest.param(GOING, "yes", True, False, id="as -e gives it"),
        pytest.param(WEB, True, True, True, id="force gives up nothing that stays"),
    ],
)
def test_what_a_silent_host_had_is_lost(document, force, lost, failed):
    [after] = gather([document], {document["host"]: {"launch_built": {"unreachable": True, "msg": "no route"}}}, force)
    assert (after["lost"], after["failed"]) == (lost, failed)


def test_force_that_is_neither_asked_for_nor_not_is_refused():
    with pytest.raises(InvalidRequest, match="launch_force: 'maybe' is not true or false"):
        gather([], {}, "maybe")


def test_what_is_left_of_an_instance_is_not_taken_for_it():
    answers = {"c1": {"launch_built": {"instances": [{**LEFT, "domain": {"status": "DELETED"}}]}}, "c2": {}}
    [after] = gather([GOING], answers)
    assert (after["host"], after["failed"]) == ("c2", True)
    answers["c2"] = {"launch_built": {"instances": [{**GOING, "domain": {"status": "DELETED"}}]}}
    [after] = gather([GOING], answers)
    assert (after["host"], after.get("failed")) == ("c2", None)


def test_a_host_gets_what_is_left_there_of_others():
    assert on_host([WEB], "c1", HOSTS) == [WEB, LEFT]
    assert on_host([DB], "c2", HOSTS) == [DB]
    assert on_host([{**DB, "host": "c1"}], "c1", HOSTS) == [{**DB, "host": "c1"}], "it has come back, and goes on there"
    assert on_host([], "c3", HOSTS) == on_host([], "c4", HOSTS) == []
    assert uncleared(HOSTS) == ["c1"]


def test_what_goes_is_looked_for_where_something_is_left_of_it():
    assert build_hosts([WEB, GOING]) == ["c1", "c2"]
    assert build_hosts([{**WEB, "remains": ["c9"]}]) == ["c1", "c9"], "what comes is not to run twice"
    assert build_hosts([{**WEB, "status": "ACTIVE", "remains": ["c9"]}]) == ["c1"], "what runs leaves that to others"
    assert named(pending([GOING, {**GOING, "remains": []}])) == ["db"]
    assert nodes([{**GOING, "settled": True}], {"c1": BUILT}) == [NODE]


def test_one_lost_host_takes_nothing_from_the_others():
    after = gather(ALL, {"c1": BUILT, "c2": {"launch_built": {"failed": True, "msg": "died"}}})
    assert named(after) == named(ALL)
    assert [document.get("failed", False) for document in after] == [False, True, True, True, False, False]
    assert after[0]["domain"] == RUNS


@pytest.mark.parametrize(
    ("documents", "hostvars", "expected"),
    [
        pytest.param(ALL, {"c1": BUILT}, [NODE], id="of hosts that are there"),
        pytest.param([FAILED], {"c3": BUILT}, [NODE], id="also where the build failed"),
        pytest.param([WEB], {"c1": {"launch_built": {"failed": True}}}, [], id="that failed as a whole"),
        pytest.param([HOMELESS], {"c1": BUILT}, [], id="not of hosts that are not asked for"),
        pytest.param([], {"c1": BUILT}, [], id="nothing"),
    ],
)
def test_nodes(documents, hostvars, expected):
    assert nodes(documents, hostvars) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        pytest.param("c1", ["web"], id="its own"),
        pytest.param("c3", [], id="not what has failed"),
        pytest.param("c4", [], id="not what is settled"),
        pytest.param("c9", [], id="nothing"),
    ],
)
def test_on_host(host, expected):
    assert named(on_host(ALL, host)) == expected


@pytest.mark.parametrize(
    ("documents", "hosts", "control", "to_build"),
    [
        pytest.param(ALL, ["c1", "c2", "left-the-inventory"], ["localhost"], ["web", "db", "old", "nowhere"], id="all"),
        pytest.param([WEB, {**DB, "host": "c1"}], ["c1"], ["localhost"], ["web", "db"], id="a host once"),
        pytest.param([{**WEB, "status": "ACTIVE"}], ["c1"], ["localhost"], [], id="a running one is not to be built"),
        pytest.param([FAILED, SETTLED], [], [], [], id="none goes on"),
        pytest.param([], [], [], [], id="nothing"),
        pytest.param([{**HOMELESS, "uuid": None}], [], [], [], id="what there is not does not go on"),
    ],
)
def test_who_is_in_an_attempt(documents, hosts, control, to_build):
    assert build_hosts(documents) == hosts
    assert controller(documents) == control
    assert named(pending(documents)) == to_build


@pytest.mark.parametrize(
    ("documents", "hostvars", "expected"),
    [
        pytest.param([WEB], {"c1": {"ansible_host": "192.0.2.1"}}, {"c1": "192.0.2.1"}, id="ansible_host"),
        pytest.param([WEB], {"c1": {}}, {"c1": ""}, id="the name is its address"),
        pytest.param([WEB, GONE], {"c1": {}}, {"c1": ""}, id="a host that left the inventory has none"),
        pytest.param([], {"c1": {}}, {}, id="nothing"),
    ],
)
def test_addresses(documents, hostvars, expected):
    assert addresses(documents, hostvars) == expected


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        pytest.param([{"name": "c1", "age": None}, {"name": "c2", "age": 0}, {"name": "c3"}], ["c1", "c3"], id="some"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_unseen(hosts, expected):
    assert unseen(hosts) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["c1"], [NODE], id="a host that answered"),
        pytest.param(["c2", "c3", "c1"], [NODE], id="beside one that failed and one that said nothing"),
        pytest.param(["left-the-inventory"], [], id="a host that left the inventory"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_answers(names, expected):
    hostvars = {"c1": {"launch_host_info": {"hosts": [NODE]}}, "c2": {"launch_host_info": {"failed": True}}, "c3": {}}
    assert answers(names, hostvars) == expected


def test_names_given_as_text_are_refused_and_not_taken_apart():
    with pytest.raises(InvalidRequest, match="hosts: 'c1,c2' is not a list"):
        answers("c1,c2", {})


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        pytest.param([{"url": "https://glance:9292/v2/images/42/file"}], "https://glance:9292/v2", id="of an image"),
        pytest.param(
            [None, {"url": None}, {"url": "http://a/images/b/images/42"}], "http://a/images/b", id="the first"
        ),
        pytest.param([None, {"url": ""}, {}], "", id="none is to be loaded"),
        pytest.param([], "", id="nothing"),
    ],
)
def test_image_endpoint(images, expected):
    assert image_endpoint([{"image": image} for image in images]) == expected


@pytest.mark.parametrize(
    ("differences", "written"),
    [
        pytest.param({}, True, id="a new one: a killed run may have made its port"),
        pytest.param({"status": "ACTIVE"}, False, id="one that runs, of which nothing changed"),
        pytest.param({"status": "ACTIVE", "actions": {"port": ["create"]}}, True, id="one that has got a port"),
        pytest.param({"status": "ACTIVE", "failed": True, "failed_in": "port"}, True, id="one that a stage has failed"),
        pytest.param({"status": "ACTIVE", "failed": True}, False, id="one that was refused at the beginning"),
    ],
)
def test_unwritten(differences, written):
    assert bool(unwritten([{**WEB, **differences}])) == written
