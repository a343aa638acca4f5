# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A volume that no instance has goes from its host, then from the record; one that an instance has stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, InvalidRequest, Unavailable
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import kept, kept_sql

DATA = kept.Volume("data", "v1", 2, "raw", "c1", None, None, "available", "r1")
GOING = replace(DATA, status="deleting")
USED = replace(DATA, name="used", id="v2", instance_uuid="u1", instance="web", status="in-use")


def planned(*names, volumes=(DATA, USED), answers=None):
    wanted = kept.parse({"names": list(names)})
    return kept.planner(answers)(wanted, {volume.name: volume for volume in volumes}, "present")


@pytest.mark.parametrize(
    ("before", "answers", "after"),
    [
        pytest.param(DATA, None, GOING, id="it is marked"),
        pytest.param(GOING, None, GOING, id="it was marked by a run that did not end"),
        pytest.param(GOING, {"v1": ""}, None, id="it is gone"),
        pytest.param(DATA, {"v1": ""}, None, id="it would be gone, in check mode"),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_what_becomes_of_a_volume(before, answers, after, named):
    [change] = planned(*["data"] * named, volumes=[before], answers=answers)
    expected = after if named or before == GOING else before
    assert (change.after, change.error) == (expected, None)


@pytest.mark.parametrize("answers", [{"v1": "host c1: no"}, {}])
def test_a_volume_that_is_not_gone_from_its_host_stays(answers):
    [change] = planned("data", volumes=[GOING], answers=answers)
    assert (change.after, type(change.error)) == (GOING, Unavailable)
    assert "host c1" in str(change.error)


@pytest.mark.parametrize("answers", [None, {"v1": ""}, {"v2": ""}])
def test_a_volume_that_an_instance_has_is_refused_and_stops_no_other(answers):
    used, data = planned("used", "data", volumes=[USED, GOING], answers=answers)
    assert (used.after, type(used.error), used.pending) == (USED, Conflict, False)
    assert not isinstance(data.error, Conflict)


def test_a_volume_that_does_not_exist_is_gone():
    [change] = planned("nothing", "nothing")
    assert (change.action, change.error) == ("keep", None)
    assert kept.Volume("nothing").to_result()["status"] == "deleted"


@pytest.mark.parametrize("name", ["a\0b", "", " data", '["data"]', "web/data", "x" * 64])
def test_a_name_that_no_volume_can_have_is_refused(name):
    with pytest.raises(InvalidRequest, match="volume name"):
        kept.parse({"names": ["data", name]})


@pytest.fixture
def volumes(run, put):
    """web has web-one; web-two and web-three, of c1, are nobody's."""
    names = ("one", "two", "three")
    entry = {"volumes": [{"name": name, "size": 1, "delete_on_termination": name == "one"} for name in names]}
    run().ask(entry)
    put(web="c1")
    run().built(*run().find().values())
    run().built(*run().ask({"volumes": entry["volumes"][:1]}).values())


@pytest.fixture
def delete(database_url):
    """The module kept_volume: what became of each volume."""

    def delete(*names, answers=None, check_mode=False, project="p"):
        record = kept_sql.connect({"database": database_url, "project_id": project})
        wanted = kept.parse({"names": list(names)})
        changes = kept.planner(answers)(wanted, record.read(wanted), "present")
        made = {} if check_mode else record.apply([change for change in changes if change.pending])
        record.database.engine.dispose()
        return {change.key: change.error or made.get(change.key) or change.after or change.wanted for change in changes}

    return delete


def statuses(told):
    return {name: each.status for name, each in told.items()}


WAITING = {"web-one": "in-use", "web-three": "available", "web-two": "available"}


def test_a_volume_goes_when_its_host_has_said_so(volumes, delete, run):
    assert statuses(delete()) == WAITING
    assert delete("web-two", check_mode=True)["web-two"].status == "deleting"
    assert statuses(delete()) == WAITING
    marked = delete("web-two")["web-two"]
    assert (marked.status, marked.host, marked.size) == ("deleting", "c1", 1)
    assert marked.record_id == run().find()["web"]["record_id"]
    refused = run().ask({"name": "db", "volumes": [{"name": "web-two"}]})["db"]
    assert "web-two is being deleted" in refused["msg"]
    assert delete("web-two", answers={marked.id: ""})["web-two"].status == "deleted"
    assert statuses(delete()) == {"web-one": "in-use", "web-three": "available"}
    assert delete("web-two")["web-two"].status == "deleted"
    assert run().ask({"name": "db", "volumes": [{"name": "web-two", "size": 3}]})["db"]["status"] == "BUILD"


def test_what_a_killed_run_has_marked_is_ended_by_the_next_named_or_not(volumes, delete):
    delete("web-two", "web-three")
    again = delete()
    assert statuses(again) == {"web-one": "in-use", "web-three": "deleting", "web-two": "deleting"}
    assert statuses(delete("web-two")) == {"web-two": "deleting"}
    assert statuses(delete("web-two", answers={again["web-two"].id: ""})) == {"web-two": "deleted"}
    silent = delete(answers={again["web-three"].id: "host c1: it has not been asked"})
    assert isinstance(silent["web-three"], Unavailable)
    delete(answers={again["web-three"].id: ""}, check_mode=True)
    assert statuses(delete()) == {"web-one": "in-use", "web-three": "deleting"}
    assert statuses(delete(answers={again["web-three"].id: ""}))["web-three"] == "deleted"
    assert statuses(delete(answers={})) == {"web-one": "in-use"}


def test_another_project_has_none_of_them(volumes, delete):
    assert delete(project="other") == {}
    assert statuses(delete("web-two", project="other")) == {"web-two": "deleted"}
    assert statuses(delete()) == WAITING


def test_a_volume_that_was_taken_meanwhile_stays(volumes, delete, run, database_url):
    record = kept_sql.connect({"database": database_url, "project_id": "p"})
    wanted = kept.parse({"names": ["web-two", "web-three"]})
    changes = kept.planner(None)(wanted, record.read(wanted), "present")
    run().ask({"name": "db", "volumes": [{"name": "web-two"}]})
    told = record.apply(changes)
    assert isinstance(told["web-two"], Conflict)
    assert told["web-three"].status == "deleting"
    gone = kept.planner({change.before.id: "" for change in changes})(wanted, record.read(wanted), "present")
    assert isinstance(gone[0].error, Conflict)
    delete("web-three", answers={changes[1].before.id: ""})
    assert isinstance(record.apply([gone[1]])["web-three"], Conflict)
    record.database.engine.dispose()


def test_a_launch_that_has_read_before_it_was_marked_does_not_get_it(volumes, delete, run, monkeypatch):
    """Both have seen that it is free; the record's own condition tells who comes first."""
    from ansible_collections.kvmstack.launch.plugins.module_utils.instance import located

    locate = located.locate

    def late(*arguments):
        found = locate(*arguments)
        delete("web-two")
        return found

    monkeypatch.setattr(located, "locate", late)
    refused = run().ask({"name": "db", "volumes": [{"name": "web-two"}]})["db"]
    assert "or deleted: run again" in refused["msg"]
