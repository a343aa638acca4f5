# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a compute host refuses after all, and what it takes back."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.build.model import (
    admit,
    needs_undo,
    note_remains,
    undo_request,
)

LIMITS = {"memory_mb": {"reserved": 512, "ratio": 1.0}, "vcpus": {"reserved": 0, "ratio": 4.0}}
ROOM = {
    "vcpus": 2, "memory_mb": 4096, "vcpus_used": 1, "memory_mb_used": 1024, "running": ("there",), "disk_gb": 10,
}  # fmt: skip
WEB = {
    "name": "web", "uuid": "u1", "host": "c1", "status": "BUILD", "flavor": {"vcpus": 1, "ram": 2048}, "limits": LIMITS,
    "volumes": [], "events": [],
}  # fmt: skip


def refusals(*documents, **room):
    return [document.get("msg") for document in admit(documents, {**ROOM, **room})]


@pytest.mark.parametrize(
    ("document", "room", "reason"),
    [
        pytest.param(WEB, {}, None, id="it fits"),
        pytest.param(WEB, {"memory_mb_used": 1537}, "has 2047 MiB of RAM left, not 2048", id="no memory left"),
        pytest.param(WEB, {"vcpus_used": 8}, "has 0 vCPUs left, not 1", id="no processor left"),
        pytest.param(WEB, {"memory_mb": 1024}, "has 0 MiB of RAM left", id="the host has become smaller"),
        pytest.param({**WEB, "uuid": "there"}, {"memory_mb_used": 4096}, None, id="it runs already"),
        pytest.param({**WEB, "status": "ACTIVE"}, {"memory_mb_used": 4096}, None, id="it is no new one"),
        pytest.param({**WEB, "limits": None}, {"memory_mb_used": 4096}, None, id="nobody set limits"),
    ],
)
def test_admit(document, room, reason):
    [refusal] = refusals(document, **room)
    assert (refusal is None) == (reason is None)
    assert reason is None or reason in refusal


def test_instances_of_one_build_share_the_room():
    assert [bool(reason) for reason in refusals(WEB, {**WEB, "uuid": "u2"}, memory_mb=5000)] == [False, True]


def test_a_refusal_sends_it_to_its_alternate():
    [document] = admit([WEB], {**ROOM, "memory_mb_used": 4096})
    assert (document["failed_in"], document["abort"]) == ("host", False)
    assert document["public_msg"] == "its host has no room for it"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({**WEB, "failed": True, "abort": False}, True),
        ({**WEB, "failed": True, "abort": True}, False),
        ({**WEB, "failed": True, "status": "ACTIVE"}, False),
        (WEB, False),
    ],
)
def test_undoes(document, expected):
    assert needs_undo(document) == expected


def test_only_volumes_made_here_are_taken_back():
    made = {"id": "v1", "created": True, "delete_on_termination": False}
    document = undo_request({**WEB, "failed": True, "volumes": [made, {"id": "v2"}]})
    assert [(volume["id"], volume["delete_on_termination"]) for volume in document["volumes"]] == [("v1", True)]
    assert (document["failed"], document["task_state"]) == (False, "deleting")


def test_what_could_not_be_taken_back_is_told():
    document = {**WEB, "failed": True, "msg": "no room"}
    assert note_remains(document, WEB)["msg"] == "no room"
    told = note_remains(document, {"failed": True, "msg": "c1 is busy"})
    assert (told["msg"], told["public_msg"]) == (
        "no room (and not all was taken back: c1 is busy)", "no room (and not all was taken back)",
    )  # fmt: skip
    told = note_remains({**document, "public_msg": "no"}, {"failed": True, "msg": "c1 is busy"})
    assert told["public_msg"] == "no (and not all was taken back)"
