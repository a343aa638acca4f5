# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Only what is being deleted is removed, and only where it is; what a host has not said is not so."""

from __future__ import annotations

import uuid

import pytest

from ansible_collections.kvmstack.launch.plugins.filter.kept import going, gone
from ansible_collections.kvmstack.launch.plugins.module_utils.volume import request

FIRST, SECOND = (str(uuid.UUID(int=number)) for number in (1, 2))


def volume(name, host="c1", status="deleting"):
    return {"id": "id-" + name, "name": name, "host": host, "status": status, "record_id": "r1", "size": 1}


ALL = [volume("a"), volume("b", "c2"), volume("c", status="in-use"), volume("d", None, "deleted")]


@pytest.mark.parametrize(
    ("host", "expected"),
    [("c1", [{"id": "id-a", "name": "a", "record_id": "r1"}]), ("c3", [])],
)
def test_going(host, expected):
    assert going(ALL, host) == expected


def test_what_is_going_is_what_the_module_takes():
    """All that it needs, and nothing that it does not know."""
    [item] = going([{**volume("a"), "id": FIRST, "record_id": SECOND}], "c1")
    assert set(item) <= set(request.OPTIONS)
    [wanted] = request.parse({"volumes": [item], "state_path": "/state"})
    assert (wanted.id, wanted.record_id) == (FIRST, SECOND)


REMOVED = {"launch_removed": {"volumes": [{"id": "id-a", "failed": False}]}}
HELD = {"launch_removed": {"volumes": [{"id": "id-a", "failed": True, "msg": "web has it"}], "failed": True}}
SILENT = {"launch_removed": {"unreachable": True, "msg": "no route"}}


@pytest.mark.parametrize(
    ("hostvars", "force", "reason"),
    [
        pytest.param({"c1": REMOVED}, False, "", id="gone"),
        pytest.param({"c1": HELD}, False, "host c1: web has it", id="refused"),
        pytest.param({"c1": HELD}, True, "host c1: web has it", id="what a host refuses is not given up"),
        pytest.param({"c1": SILENT}, False, "host c1: no route", id="silent"),
        pytest.param({"c1": SILENT}, "true", "", id="silent, and given up"),
        pytest.param({}, False, "host c1: it has not been asked: see --limit and the inventory", id="not there"),
        pytest.param({"c1": {}}, "yes", "", id="outside of the limit, and given up"),
    ],
)
def test_gone(hostvars, force, reason):
    assert gone([volume("a"), volume("c", status="in-use")], hostvars, force) == {"id-a": reason}
