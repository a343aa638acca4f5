# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The four steps, on a backend that lives in memory."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.change import Change, plan
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest, Unavailable
from ansible_collections.kvmstack.launch.plugins.module_utils.core.names import checked_name
from ansible_collections.kvmstack.launch.plugins.module_utils.core.request import parse_all
from ansible_collections.kvmstack.launch.plugins.module_utils.core.run import Stage, messages_of, run, travel


class Thing(SimpleNamespace):
    """The plainest item."""

    @property
    def key(self):
        return self.name

    def over(self, before):
        return self

    def to_result(self):
        return {"name": self.name}


class Things:
    """A backend that makes what it is told to."""

    def __init__(self, made):
        self.made = made

    def read(self, wanted):
        return {item.key: item for item in wanted if item.key in self.made}

    def apply(self, changes):
        self.made += [change.key for change in changes]
        return {change.key: change.after for change in changes}


class Ended(Exception):
    """The module has exited."""


@pytest.fixture
def take():
    """take(made, *names): the door's answer; the backend makes its things in the list made."""

    def noted(notes):
        return lambda *planned: [replace(change, notes=notes) for change in plan(*planned)]

    def take(made, *names, check_mode=False, notes=()):
        answers = []

        def end(**answer):
            answers.append(answer)
            raise Ended

        def parse(params):
            return parse_all(params["things"], lambda entry: Thing(name=checked_name(entry["name"], "thing")))

        params = {"things": [{"name": name} for name in names], "state": "present"}
        module = SimpleNamespace(params=params, check_mode=check_mode, _diff=False, exit_json=end, fail_json=end)
        with pytest.raises(Ended):
            run(module, Stage("thing", parse, lambda params: Things(made), noted(notes)))
        return answers[0]

    return take


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InvalidRequest("it is none"), {"msg": "port: it is none"}),
        (Unavailable("c1 is off", public="it is off"), {"msg": "port: c1 is off", "public_msg": "port: it is off"}),
    ],
)
def test_what_is_for_everybody_is_told_apart_where_that_is_not_all(error, told):
    assert messages_of(error, "port: ") == told


def test_what_a_plan_notes_of_an_item_is_a_warning(take):
    answer = take([], "a", "b", notes=("mind that",))
    assert answer["warnings"] == ["mind that"]
    assert "warnings" not in take([], "a")


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_bad_item_stops_nobody_else(take, check_mode):
    made = ["old"]
    answer = take(made, "old", "a/b", "new", check_mode=check_mode)
    assert [(each["name"], each["action"], each["failed"]) for each in answer["things"]] == [
        ("old", "keep", False),
        ("a/b", "keep", True),
        ("new", "create", False),
    ]
    assert answer["msg"].startswith("a/b: thing name 'a/b': use 1 to 63 letters")
    assert answer["things"][1]["abort"] is InvalidRequest.abort
    assert made == (["old"] if check_mode else ["old", "new"])


def test_all_that_is_wrong_is_named_at_once(take):
    made = []
    answer = take(made, "a/b", "c", "c", "")
    assert [each["msg"][:13] for each in answer["things"]] == [
        "thing name 'a", "is listed twi", "is listed twi", "thing name ''",
    ]  # fmt: skip
    assert made == []


def test_a_stage_may_find_other_things_than_were_asked_for():
    """As the audit does: one look, and all that does not agree."""

    def find(wanted, current, state):
        return [Change(Thing(name=name), None, None) for name in ("one", "two")]

    answers = []

    def end(**answer):
        answers.append(answer)
        raise Ended

    module = SimpleNamespace(params={}, check_mode=True, _diff=False, exit_json=end)
    with pytest.raises(Ended):
        run(module, Stage("thing", lambda params: [Thing(name="look")], lambda params: Things([]), find))
    assert [each["name"] for each in answers[0]["things"]] == ["one", "two"]


@pytest.mark.parametrize(
    ("error", "goes_on"), [(InvalidRequest("no setting"), True), (Unavailable("no record"), False)]
)
def test_what_the_scheduler_cannot_go_by_is_in_the_documents_and_a_lost_record_is_not(error, goes_on):
    def parse(params):
        raise error

    module = SimpleNamespace(params={}, check_mode=False, _diff=False)
    document = {"name": "web", "uuid": "u1", "status": "BUILD"}
    stage = Stage("schedule", parse, Things, list_name="instances")
    if not goes_on:
        with pytest.raises(Unavailable):
            travel(module, stage, [document])
        return
    [after] = travel(module, stage, [document]).documents
    assert (after["failed"], after["abort"], after["msg"]) == (True, True, "schedule: no setting")
