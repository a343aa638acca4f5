# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The waterfall of a launch."""

from __future__ import annotations

from ansible_collections.kvmstack.launch.plugins.module_utils.page.model import waterfall


def at(seconds):
    return "2026-01-01T00:00:%09.6fZ" % seconds


def event(name, start, finish, result="Success"):
    return {"event": name, "start_time": at(start), "finish_time": at(finish), "result": result}


def told(events, finish=None, result="Success"):
    action = {"start_time": at(0), "finish_time": finish and at(finish), "result": result if finish else None}
    launch = waterfall({**action, "events": events})
    return launch, {step.number: step for step in launch.steps}


def test_each_step_has_its_time_and_those_between():
    launch, steps = told(
        [
            event("schedule", 1, 2), event("network", 2, 3), event("port", 3, 5), event("image", 6, 7),
            event("domain", 7, 9),
        ],
        finish=10,
    )  # fmt: skip
    assert (launch.seconds, launch.finished, len(steps)) == (10, True, 18)
    seconds = {number: step.seconds for number, step in steps.items() if step.bars}
    assert seconds == {3: 0, 4: 1, 5: 1, 6: 1, 7: 1, 9: 1, 10: 1, 11: 2, 17: 2}
    assert (steps[11].bars[0].start, steps[11].bars[0].width) == (30, 20)
    assert steps[12].note == steps[13].note == "within step 11"
    assert steps[18].note == "not needed"
    assert steps[14].note == steps[15].note == "not needed"


def test_a_step_within_another_is_there_if_that_is():
    _launch, steps = told([event("gateway", 1, 2), event("volume", 2, 3), event("domain", 3, 4)], finish=5)
    assert steps[12].seconds == 1
    assert steps[13].note == "not needed"
    assert steps[15].note == "within step 14"
    assert steps[18].note == "within step 17"


def test_attempts_are_told_apart():
    _launch, steps = told(
        [
            event("schedule", 1, 2), event("domain", 3, 4, "Error"), event("schedule", 5, 6), event("domain", 7, 9),
        ],
        finish=10,
    )  # fmt: skip
    assert [each.failed for each in steps[17].bars] == [True, False]
    assert steps[6].seconds == 2
    assert steps[7].seconds == 2


def test_what_a_failure_left_out_was_not_reached():
    _launch, steps = told([event("schedule", 1, 2, "Error")], finish=3, result="Error")
    assert steps[5].bars[0].failed
    assert steps[17].note == steps[12].note == "not reached"
    assert steps[7].seconds == 1


def test_one_that_waits_has_no_time_yet():
    launch, steps = told([])
    assert (launch.seconds, launch.finished) == (0, False)
    assert {step.number for step in launch.steps if step.bars} == {3}
    assert steps[4].note == "to come"


def test_bars_stay_within_the_whole():
    _launch, steps = told([event("domain", 9.999, 10)], finish=10)
    for step in steps.values():
        for each in step.bars:
            assert each.start >= 0
            assert each.start + each.width <= 100
