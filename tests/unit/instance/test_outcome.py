# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the stages' results make of a record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.instance.model import Instance, Recorded
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.outcome import parse, plan

PORT = {"id": "p1", "network": "private", "mac_address": None, "fixed_ip": None}
BUILDING = Instance(
    "web", "p", uuid="u1", vm_state="building", task_state="scheduling", host="c1", attempted_hosts=[], ports=[PORT],
    volumes=[], metadata={},
)  # fmt: skip
ACTIVE = replace(BUILDING, vm_state="active", task_state=None, launched=True)
RUNS = {"uuid": "u1", "name": "web", "status": "ACTIVE", "failed": False}
BROKEN = {"uuid": "u1", "name": "web", "status": "SHUTOFF", "failed": True, "msg": "no room", "abort": False}
HOPELESS = {**BROKEN, "msg": "bad image", "abort": True}
MADE = {
    "id": "p1",
    "instance_uuid": "u1",
    "name": "web-private",
    "mac_address": "m",
    "fixed_ip": "10.20.0.9",
    "failed": False,
}


def settle(before, max_attempts=3, **results):
    params = {"ports": [], "images": [], "volumes": [], "domains": [], "lost_hosts": {}, "max_attempts": max_attempts}
    wanted = parse({**params, **results, "instances": [before.to_result()]})
    return plan(wanted, Recorded({before.name: before}, {}), "present")[0]


def test_a_running_domain_makes_it_active_with_its_address():
    after = settle(BUILDING, domains=[RUNS], ports=[MADE]).after
    assert (after.status, after.task_state, after.launched) == ("ACTIVE", None, True)
    assert (after.ports[0]["fixed_ip"], after.ports[0]["mac_address"]) == ("10.20.0.9", "m")


def test_a_second_run_keeps():
    assert settle(ACTIVE, domains=[RUNS]).action == "keep"


@pytest.mark.parametrize(
    "results",
    [
        pytest.param({"domains": [BROKEN]}, id="its domain failed"),
        pytest.param({"lost_hosts": {"c1": "unreachable"}}, id="its host was lost"),
    ],
)
def test_a_host_that_fails_sends_it_on(results):
    after = settle(BUILDING, **results).after
    assert (after.status, after.task_state, after.host) == ("BUILD", "scheduling", None)
    assert after.attempted_hosts == ["c1"]


def test_when_no_host_is_left_it_is_told_why_the_last_one_failed():
    waiting = settle(BUILDING, domains=[BROKEN]).after
    nowhere = {**waiting.to_result(), "failed": True, "abort": True, "msg": "no valid host: RetryFilter: ..."}
    params = {"ports": [], "images": [], "volumes": [], "domains": [], "lost_hosts": {}, "max_attempts": 3}
    after = plan(parse({**params, "instances": [nowhere]}), Recorded({"web": waiting}, {}), "present")[0].after
    assert after.fault == "no valid host: RetryFilter: ...; the last error was on c1: domain web: no room"


def test_the_last_attempt_ends_in_error():
    after = settle(replace(BUILDING, attempted_hosts=["c2", "c3"]), domains=[BROKEN]).after
    assert (after.status, after.host) == ("ERROR", None)
    assert after.fault == "domain web: no room (tried: c2, c3, c1)"


def test_an_error_that_no_host_can_cure_ends_at_once():
    after = settle(BUILDING, domains=[HOPELESS]).after
    assert (after.status, after.fault) == ("ERROR", "domain web: bad image")


def test_an_error_does_not_touch_a_running_instance():
    change = settle(ACTIVE, domains=[BROKEN])
    assert str(change.error) == "domain web: no room"
    assert change.before == change.after == ACTIVE


def test_nothing_heard_is_nothing_changed():
    assert settle(BUILDING).action == "keep"


def test_what_was_taken_down_is_deleted_and_what_was_not_stays():
    deleting = replace(ACTIVE, task_state="deleting")
    assert settle(deleting, domains=[{**RUNS, "status": "SHUTOFF"}]).after.status == "DELETED"
    assert "no room" in str(settle(deleting, domains=[BROKEN]).error)


def test_another_instance_of_the_same_name_is_not_settled():
    change = plan(
        parse({"ports": [], "images": [], "volumes": [], "domains": [RUNS], "lost_hosts": {}, "max_attempts": 3,
               "instances": [BUILDING.to_result()]}),
        Recorded({"web": replace(BUILDING, uuid="u2")}, {}),
        "present",
    )[0]  # fmt: skip
    assert "run again" in str(change.error)
