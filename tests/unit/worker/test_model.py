# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a worker asks for, and what it makes of the end: tables."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, is_trusted_as_template

from ansible_collections.kvmstack.launch.plugins.module_utils.record.requests import Request
from ansible_collections.kvmstack.launch.plugins.module_utils.worker import model

ODD = "{{ 1 + 1 }} {% set x = 1 %} é ☃ 😀 \t\n\r\x00\x1b\x7f\x85\u2028\ufeff \" ' \\ # : - !vault"


def request(action="create", state="started", project="p", **more):
    return Request("u", project, "web", action, {"name": "web", "state": state, **more}, "req-1", None)


@pytest.mark.parametrize("text", [ODD, "", "no", "1.10", "null", "!unsafe x", "a" * 5000])
def test_what_a_user_says_is_never_a_template(tmp_path, text):
    asked = request(metadata={"key " + text[:100]: text}, ssh_keys=[], count=3, volumes=[{"boot": True, "size": None}])
    asked = replace(asked, user_data=text)
    path = tmp_path / "request.yml"
    path.write_text(model.variables("p" + text, True, [asked]), encoding="utf-8")
    # As those of -e are loaded, and what a template in them would become.
    loaded = DataLoader().load_from_file(str(path), trusted_as_template=True)
    assert Templar(DataLoader()).template(loaded) == {
        **model.ALWAYS,
        "launch_take_over": True,
        "launch_project_id": "p" + text,
        "launch_instances": [{**asked.entry, "user_data": text}],
    }


def test_behind_an_identity_service_a_run_acts_by_the_launchers_account(tmp_path):
    path = tmp_path / "request.yml"
    path.write_text(model.variables("p", False, [request()], "keystone"), encoding="utf-8")
    loaded = DataLoader().load_from_file(str(path), trusted_as_template=True)
    assert loaded["launch_on_behalf"] is True
    assert is_trusted_as_template(loaded["launch_cloud"])
    assert "launch_service_cloud | kvmstack.launch.project_cloud(launch_project_id" in loaded["launch_cloud"]
    assert "launch_cloud" not in model.variables("p", False, [request()], "none")


def test_a_request_without_user_data_mentions_none():
    assert "user_data" not in model.variables("p", False, [request()])


def test_requests_go_by_their_project_and_what_was_left_behind_alone():
    a, b, c, d = (replace(request(project=project), instance_uuid=uuid) for project, uuid in zip("abaa", "1234"))
    assert model.runs([a, b, c, d], {"3"}) == [("a", False, [a, d]), ("b", False, [b]), ("a", True, [c])]


def row(vm_state="active", task_state=None, target_state="started", deleted=0):
    return SimpleNamespace(vm_state=vm_state, task_state=task_state, target_state=target_state, deleted=deleted)


BEGUN, GONE = row("building", "scheduling"), row("deleted", deleted=7)
OFF = row("stopped", target_state="stopped")


@pytest.mark.parametrize(
    ("asked", "found", "done", "at_once"),
    [
        pytest.param(request(), row(), True, True, id="built"),
        pytest.param(request(), row("error"), True, True, id="not built, and it says why"),
        pytest.param(request(), BEGUN, False, False, id="still to be built"),
        pytest.param(request(), GONE, True, True, id="destroyed meanwhile"),
        pytest.param(request(), None, True, True, id="in another record"),
        pytest.param(request("delete", "absent"), row(), False, False, id="still there"),
        pytest.param(request("delete", "absent"), row(task_state="deleting"), False, False, id="going"),
        pytest.param(request("delete", "absent"), GONE, True, True, id="gone"),
        pytest.param(request("stop", "stopped"), row(), False, False, id="to be stopped"),
        pytest.param(request("stop", "stopped"), row("active", "powering-off", "stopped"), False, False, id="stops"),
        pytest.param(request("stop", "stopped"), OFF, True, False, id="off"),
        pytest.param(request("start"), OFF, False, False, id="to be started"),
        pytest.param(request("start"), row(), True, False, id="on"),
        pytest.param(request("metadata"), row(), True, False, id="what shows in no state"),
        pytest.param(request("reboot", "restarted"), row(task_state="rebooting"), False, False, id="to be restarted"),
        pytest.param(request("reboot", "reset"), row(), True, True, id="its worker died after it"),
        pytest.param(request("rebuild"), row(task_state="rebuilding"), False, False, id="to be rebuilt"),
        pytest.param(request("rebuild"), row(), True, False, id="rebuilt"),
        pytest.param(request("rebuild", "rebuilt"), OFF, True, False, id="rebuilt while it is off"),
    ],
)
def test_when_a_request_is_done(asked, found, done, at_once):
    assert (model.is_done(asked, found), model.needs_no_run(asked, found)) == (done, at_once)


@pytest.mark.parametrize(
    ("action", "done"), [("start", True), ("metadata", False), ("reboot", False), ("rebuild", False)]
)
def test_what_shows_in_no_state_is_done_by_a_run_that_has_not_failed_it(action, done):
    assert model.is_done(request(action), row(), failed=True) is done


def test_what_was_to_be_attached_and_never_was_goes_again():
    made = [{"mac_address": "m"}, {"service": "cinder", "attachment_id": "a"}, {"service": "file"}, {"service": "rbd"}]
    unmade = [{"mac_address": None}, {"service": "cinder", "attachment_id": None}]
    found = SimpleNamespace(ports=[made[0], unmade[0]], volumes=[made[1], unmade[1], *made[2:]])
    assert model.without_unmade(found) == {
        "ports": [made[0], {**unmade[0], "leaving": True}],
        "volumes": [made[1], {**unmade[1], "leaving": True}, *made[2:]],
    }


def test_a_request_is_tried_again_later_and_later():
    assert [model.pause(attempts) for attempts in range(1, model.ATTEMPTS)] == [5, 10, 20, 40]


IGNORED = 'fatal: [c3]: UNREACHABLE! => {\n    "msg": "c3 is away"\n}\n...ignoring\n'
FATAL = 'PLAY [x]\nfatal: [localhost]: FAILED! => {"changed": false, "msg": %s}\nPLAY RECAP\n'


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        pytest.param(FATAL % '["db is ERROR: no", "web is BUILD: quota"]', "web is BUILD: quota", id="its own"),
        pytest.param(FATAL % '["db is ERROR: no"]', None, id="others'"),
        pytest.param(FATAL % '["db is ERROR: no", "broken"]', "db is ERROR: no; broken", id="others' and a task's"),
        pytest.param(FATAL % '"broken: \\"x\\""', 'broken: "x"', id="a task's"),
        pytest.param(FATAL % r'"bro\u0000ken"', "broken", id="with what no database takes"),
        pytest.param(IGNORED + FATAL % '["db is ERROR: no"]', None, id="others', and one that is ignored"),
        pytest.param(IGNORED + FATAL % '"broken"', "broken", id="a task's, and one that is ignored"),
        pytest.param("fatal: [c1]: UNREACHABLE! => {broken\n[ERROR]: bad\n", "bad", id="half a line"),
        pytest.param("[ERROR]: no such playbook\n\nx\n", "no such playbook", id="Ansible's"),
        pytest.param("[ERROR]: bad YAML\nOrigin: site.yml:1\n\n", "bad YAML Origin: site.yml:1", id="with its place"),
        pytest.param("ERROR! no inventory\n", "no inventory", id="as earlier releases say it"),
        pytest.param("Traceback\n\n  MemoryError\n\n", "MemoryError", id="Python's"),
        pytest.param("", "ansible-playbook ended with status -9 and said nothing", id="nothing"),
        pytest.param("y" * 2000, "y" * 1000 + "...", id="very much"),
    ],
)  # fmt: skip
def test_why_a_run_has_failed(output, reason):
    assert model.reason("web", model.reasons(output), -9) == reason
    assert model.reason("web", model.reasons(output), 0) is None
