# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record against what exists."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.filter.orphans import orphans, repair_hosts
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import audit_sql
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.attachments import (
    BlockDeviceMapping,
    NetworkRequest,
    from_data,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.audit import Existing, Recorded, compare
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.model import Instance

UUID = "7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10"
OTHER = "11111111-3c0a-4a51-8c46-9d2a5c7b1f10"
PORT = {
    "id": "p1", "name": "web-private", "instance_uuid": UUID, "host": "c1", "network": "private", "record_id": "r1",
}  # fmt: skip
VOLUME = {"id": "v1", "name": "web-data", "instance_uuid": UUID, "host": "c1", "record_id": "r1"}
DOMAIN = {"uuid": UUID, "name": "web", "record_id": "r1"}
DISK = {"uuid": UUID, "record_id": "r1"}
WEB = Instance(
    "web", "p", uuid=UUID, vm_state="active", host="c1", launched=True,
    ports=from_data(NetworkRequest, [PORT]), volumes=from_data(BlockDeviceMapping, [VOLUME]),
)  # fmt: skip
FULL = {"domains": [DOMAIN], "directories": [DISK], "volumes": [VOLUME]}
EMPTY = {"domains": [], "directories": [], "volumes": []}


def told(instances=(WEB,), volumes=(VOLUME,), claims=None, ports=(PORT,), record_id="r1", deleted=(), **hosts):
    recorded = Recorded(
        list(instances),
        {row["id"]: row for row in volumes},
        {UUID: "c1"} if claims is None else claims,
        record_id,
        set(deleted),
    )
    found = compare(recorded, Existing(hosts or {"c1": FULL}, ports and list(ports)))
    return [(each.problem, each.kind, each.id, each.host) for each in found]


def everything(problem):
    kinds = (("disk", UUID), ("domain", UUID), ("port", "p1"), ("volume", "v1"))
    return [(problem, kind, identity, "c1") for kind, identity in kinds]


BUILDING = replace(WEB, vm_state="building", task_state="scheduling", launched=False)
FAILED = replace(BUILDING, vm_state="error", task_state=None, host=None)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param({}, [], id="all agrees"),
        pytest.param(
            {"instances": (), "volumes": (), "deleted": [UUID]},
            [("orphan", "allocation", UUID, "c1"), *everything("orphan")],
            id="deleted",
        ),
        pytest.param(
            {
                "instances": (),
                "deleted": [UUID],
                "volumes": ({**VOLUME, "instance_uuid": None},),
                "claims": {},
                "ports": (),
                "c1": {**EMPTY, "volumes": [VOLUME]},
            },
            [],
            id="a volume that was kept when its instance was deleted",
        ),
        pytest.param(
            {
                "instances": (),
                "deleted": [UUID],
                "volumes": ({**VOLUME, "instance_uuid": None, "host": "c2"},),
                "claims": {},
                "ports": (),
                "c1": {**EMPTY, "volumes": [VOLUME]},
            },
            [("orphan", "volume", "v1", "c1")],
            id="a volume that was kept, and is elsewhere",
        ),
        pytest.param(
            {"instances": (), "volumes": (), "claims": {}}, everything("unknown"), id="an older copy of the database"
        ),
        pytest.param(
            {"instances": (), "volumes": (), "claims": {}, "record_id": "r2"},
            everything("foreign"),
            id="another record",
        ),
        pytest.param(
            {"instances": (), "volumes": (), "claims": {}, "record_id": None}, everything("foreign"), id="no database"
        ),
        pytest.param(
            {"instances": (), "volumes": (), "claims": {}, "record_id": "r2", "deleted": [UUID]},
            everything("foreign"),
            id="another record that has deleted an instance of that UUID",
        ),
        pytest.param(
            {"c1": EMPTY, "ports": []},
            [
                ("missing", "disk", UUID, "c1"),
                ("missing", "domain", UUID, "c1"),
                ("missing", "port", "p1", "c1"),
                ("missing", "volume", "v1", "c1"),
            ],
            id="nothing on its host, nothing in the network",
        ),
        pytest.param(
            {"c1": FULL, "ports": [{**PORT, "id": "p2"}]},
            [("orphan", "port", "p2", "c1"), ("missing", "port", "p1", "c1")],
            id="another port",
        ),
        pytest.param(
            {"c1": FULL, "c2": {**EMPTY, "domains": [DOMAIN], "directories": [DISK]}},
            [("orphan", "disk", UUID, "c2"), ("orphan", "domain", UUID, "c2")],
            id="left on another host",
        ),
        pytest.param(
            {"c1": FULL, "c2": {**EMPTY, "volumes": [VOLUME]}},
            [("orphan", "volume", "v1", "c2")],
            id="a volume left on another host",
        ),
        pytest.param({"c2": EMPTY}, [], id="its host was not looked at"),
        pytest.param({"claims": {}}, [("missing", "allocation", UUID, "c1")], id="no claim"),
        pytest.param({"instances": [BUILDING], "c1": EMPTY, "c2": {**FULL, "volumes": []}}, [], id="being built"),
        pytest.param({"instances": [replace(WEB, task_state="deleting")], "c1": EMPTY}, [], id="being deleted"),
        pytest.param(
            {"instances": [FAILED], "volumes": [], "claims": {}, "c1": {**EMPTY, "domains": [DOMAIN]}, "ports": [PORT]},
            [("orphan", "domain", UUID, "c1")],
            id="failed",
        ),
        pytest.param(
            {"c1": FULL, "volumes": [VOLUME, {**VOLUME, "id": "v2", "instance_uuid": None}]},
            [("missing", "volume", "v2", "c1")],
            id="a waiting volume is gone",
        ),
    ],
)
def test_compare(state, expected):
    assert told(**state) == expected


def test_ports_that_nobody_looked_at_are_not_missing():
    assert told(ports=None) == []


def test_what_is_found_is_what_a_stage_removes():
    found = compare(Recorded([], {}, {}, "r1", {UUID}), Existing({"c1": FULL}, [PORT]))
    found = [each.to_result() for each in found]
    assert orphans(found, "domain", "c1") == [{"uuid": UUID, "name": "web"}]
    assert orphans(found, "domain", "c2") == []
    assert orphans(found, "disk", "c1") == [{"instance_uuid": UUID, "name": UUID}]
    assert orphans(found, "volume", "c1") == [{"id": "v1", "name": "web-data"}]
    assert orphans(found, "port") == [{key: value for key, value in PORT.items() if key != "record_id"}]


@pytest.mark.parametrize("problem", ["unknown", "foreign", "missing"])
def test_nothing_else_is_removed(problem):
    found = [{"problem": problem, "kind": "domain", "id": UUID, "name": "web", "host": "c1"}]
    assert orphans(found, "domain", "c1") == []
    assert repair_hosts(found, True) == []


def test_a_repair_goes_where_something_is_to_be_removed():
    found = [{"problem": "orphan", "kind": kind, "host": host} for kind, host in (("domain", "c1"), ("port", "c2"))]
    assert repair_hosts(found, "true") == ["c1"]
    assert repair_hosts(found, "no") == []


def test_the_record_is_that_of_all_projects(run, put, database_url):
    for project in ("p", "q"):
        run(project_id=project).ask({"name": "web-" + project})
    params = {
        "database": database_url,
        "hosts": {"c1": {**EMPTY, "directories": [{"uuid": OTHER}]}},
        "ports": [],
        "project_id": None,
    }
    assert [each.kind for each in audit_sql.find(params)] == ["disk"]
    with pytest.raises(InvalidRequest, match="of c1 there must be"):
        audit_sql.find({**params, "hosts": {"c1": {"directories": []}}})
