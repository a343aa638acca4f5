# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record against what exists."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.filter.orphans import orphans, repair_hosts
from ansible_collections.kvmstack.launch.plugins.module_utils.core.change import Change
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import audit_sql
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.attachments import (
    BlockDeviceMapping,
    NetworkRequest,
    from_data,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.audit import (
    Existing,
    Found,
    Recorded,
    compare,
    planner,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.model import Instance

UUID = "7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10"
OTHER = "11111111-3c0a-4a51-8c46-9d2a5c7b1f10"
PORT = {
    "id": "p1", "name": "web-private", "instance_uuid": UUID, "host": "c1", "network": "private", "record_id": "r1",
}  # fmt: skip
VOLUME = {"id": "v1", "name": "web-data", "instance_uuid": UUID, "host": "c1", "record_id": "r1"}
DOMAIN = {"uuid": UUID, "name": "web", "record_id": "r1"}
DISK = {"uuid": UUID, "record_id": "r1"}
THEIRS = {"uuid": OTHER, "record_id": "r2"}
WEB = Instance(
    "web", "p", uuid=UUID, vm_state="active", host="c1", launched=True,
    ports=from_data(NetworkRequest, [PORT]), volumes=from_data(BlockDeviceMapping, [VOLUME]),
)  # fmt: skip
GATEWAY = {"interface": "kvg1", "network": "private", "instances": [UUID], "up": True}
FULL = {"domains": [DOMAIN], "directories": [DISK], "volumes": [VOLUME], "gateways": [GATEWAY]}
EMPTY = {"domains": [], "directories": [], "volumes": [], "gateways": []}


def told(
    instances=(WEB,), volumes=(VOLUME,), claims=None, ports=(PORT,), record_id="r1", deleted=(), unseen=None, **hosts
):
    recorded = Recorded(
        list(instances),
        {row["id"]: row for row in volumes},
        {UUID: "c1"} if claims is None else claims,
        record_id,
        set(deleted),
    )
    found = compare(recorded, Existing(hosts or {"c1": FULL}, ports and list(ports), None, unseen or {}))
    return [(each.problem, each.kind, each.id, each.host) for each in found]


def everything(problem):
    kinds = (("disk", UUID), ("domain", UUID), ("gateway", "kvg1"), ("port", "p1"), ("volume", "v1"))
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
            [("orphan", "volume", "v1", "c1"), ("unseen", "host", "c2", "c2")],
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
        pytest.param({"c2": EMPTY}, [("unseen", "host", "c1", "c1")], id="its host was not looked at"),
        pytest.param(
            {"unseen": {"c2": "no route to host"}, "c1": FULL},
            [("unseen", "host", "c2", "c2")],
            id="a host without anything is away",
        ),
        pytest.param(
            {"unseen": {"c1": "no route to host"}, "c2": {**EMPTY, "domains": [DOMAIN]}},
            [("unknown", "domain", UUID, "c2"), ("unseen", "host", "c1", "c1")],
            id="whether it is on its own host was not seen",
        ),
        pytest.param(
            {"c1": {**FULL, "domains": []}, "c2": {**EMPTY, "domains": [DOMAIN], "directories": [DISK]}},
            [("unknown", "disk", UUID, "c2"), ("unknown", "domain", UUID, "c2"), ("missing", "domain", UUID, "c1")],
            id="a copy of the record from before it came to another host",
        ),
        pytest.param(
            {
                "c1": {**FULL, "domains": [{**DOMAIN, "ports": [{"id": "p1"}, {"id": "p2"}]}]},
                "ports": [PORT, {**PORT, "id": "p2"}],
            },
            [("unknown", "port", "p2", "c1")],
            id="a copy of the record from before it got a port",
        ),
        pytest.param(
            {
                "c1": {**FULL, "domains": [{**DOMAIN, "ports": [{"id": "p1"}]}]},
                "ports": [PORT, {**PORT, "id": "p3", "parent": "p1"}],
            },
            [("unknown", "port", "p3", "c1")],
            id="a copy of the record from before it got a sub-port",
        ),
        pytest.param(
            {"c1": {**FULL, "volumes": [VOLUME, {**VOLUME, "id": "v2"}]}},
            [("unknown", "volume", "v2", "c1")],
            id="a copy of the record from before it got a volume",
        ),
        pytest.param(
            {
                "instances": [FAILED],
                "volumes": [],
                "claims": {},
                "c1": EMPTY,
                "unseen": {"c2": "no route to host"},
                "ports": [{**PORT, "id": "p2"}],
            },
            [("unknown", "port", "p2", "c1"), ("unseen", "host", "c2", "c2")],
            id="its guest may be where nobody could look",
        ),
        pytest.param(
            {"c2": EMPTY, "ports": [PORT, {**PORT, "id": "p2"}]},
            [("unknown", "port", "p2", "c1"), ("unseen", "host", "c1", "c1")],
            id="a port that nobody has seen the guest without",
        ),
        pytest.param(
            {"instances": (), "volumes": (), "deleted": [UUID], "ports": (), "c2": EMPTY},
            [("orphan", "allocation", UUID, "c1"), ("unseen", "host", "c1", "c1")],
            id="claims need no look",
        ),
        pytest.param({"claims": {}}, [("missing", "allocation", UUID, "c1")], id="no claim"),
        pytest.param({"instances": [BUILDING], "c1": EMPTY, "c2": {**FULL, "volumes": []}}, [], id="being built"),
        pytest.param({"instances": [replace(WEB, task_state="deleting")], "c1": EMPTY}, [], id="being deleted"),
        pytest.param(
            {
                "instances": [replace(FAILED, remains=["c1"])],
                "volumes": [],
                "claims": {},
                "c1": {**EMPTY, "domains": [DOMAIN]},
            },
            [("orphan", "domain", UUID, "c1")],
            id="failed, and recorded as left there",
        ),
        pytest.param(
            {"instances": [FAILED], "volumes": [], "claims": {}, "c1": {**EMPTY, "domains": [DOMAIN]}},
            [("unknown", "domain", UUID, "c1")],
            id="failed, and nothing is known to be left there",
        ),
        pytest.param(
            {"c1": FULL, "volumes": [VOLUME, {**VOLUME, "id": "v2", "instance_uuid": None}]},
            [("missing", "volume", "v2", "c1")],
            id="a waiting volume is gone",
        ),
        pytest.param(
            {"c1": FULL, "c2": {**EMPTY, "gateways": [GATEWAY]}},
            [("orphan", "gateway", "kvg1", "c2")],
            id="a gateway left on another host",
        ),
        pytest.param(
            {"c1": {**FULL, "gateways": [{**GATEWAY, "instances": [OTHER, UUID]}]}, "deleted": [OTHER]},
            [],
            id="a gateway that an instance uses, and one used",
        ),
        pytest.param(
            {
                "c1": FULL,
                "c2": {**EMPTY, "gateways": [{**GATEWAY, "instances": [UUID, OTHER]}], "directories": [THEIRS]},
            },
            [("foreign", "disk", OTHER, "c2"), ("foreign", "gateway", "kvg1", "c2")],
            id="a gateway that another record's instance uses",
        ),
        pytest.param(
            {"c1": {**FULL, "gateways": [{**GATEWAY, "up": False}]}},
            [("missing", "gateway", "kvg1", "c1")],
            id="a gateway that does not work",
        ),
        pytest.param(
            {"instances": [BUILDING], "c1": {**EMPTY, "gateways": [GATEWAY]}, "volumes": [], "ports": []},
            [],
            id="a gateway of one that is being built",
        ),
    ],
)
def test_compare(state, expected):
    assert told(**state) == expected


def test_ports_that_nobody_looked_at_are_not_missing():
    assert told(ports=None) == []


def test_a_port_that_left_its_floating_ip_behind_is_missing_and_its_rest_goes_with_its_instance():
    left = {**PORT, "host": None, "left": True}
    assert told(ports=(left,)) == [("missing", "port", "p1", "c1")]
    gone = told(instances=(), volumes=(), claims={}, deleted=[UUID], ports=(left,), c1=EMPTY)
    assert gone == [("orphan", "port", "p1", None)]


def test_what_is_found_is_what_a_stage_removes():
    found = compare(Recorded([], {}, {}, "r1", {UUID}), Existing({"c1": FULL}, [PORT]))
    found = [each.to_result() for each in found]
    assert orphans(found, "domain", "c1") == [{"uuid": UUID, "name": "web"}]
    assert orphans(found, "domain", "c2") == []
    assert orphans(found, "disk", "c1") == [{"instance_uuid": UUID, "name": UUID}]
    assert orphans(found, "volume", "c1") == [{"id": "v1", "name": "web-data"}]
    assert orphans(found, "gateway", "c1") == [{"instance_uuid": UUID, "name": "kvg1"}]
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


def test_of_a_host_that_was_not_looked_at_it_is_told_why_and_what_is_recorded_there():
    recorded = Recorded([WEB, replace(WEB, uuid=OTHER)], {"v1": VOLUME}, {UUID: "c1"}, "r1")
    reasons = [each.reason for each in compare(recorded, Existing({}, [PORT], None, {"c1": "no route to host"}))][-1:]
    assert reasons == ["no route to host; recorded there: 2 instances, 1 volumes, 1 claims"]


@pytest.fixture
def audit(database_url):
    """The module audit on the record, without hosts; gives its changes and what became of them."""

    def run(repair=False, check_mode=False, **hosts):
        params = {"database": database_url, "hosts": hosts, "ports": [], "project_id": None}
        backend, wanted = audit_sql.connect(params), audit_sql.parse(params)
        changes = planner(repair)(wanted, backend.read(wanted), "present")
        return changes, {} if check_mode else backend.apply([change for change in changes if change.pending])

    return run


def test_a_claim_that_is_nobodys_is_given_back_when_that_is_asked_for(run, put, node, audit, database_url):
    run().ask({}, {"name": "db"})
    put(web="c1")
    put(db="c1")
    run().built(*run().find().values())
    database = audit_sql.Database(database_url)
    with database.writing() as connection:
        table = database.tables.instances
        connection.execute(table.update().where(table.c.name == "web").values(deleted=table.c.id, vm_state="deleted"))
    for changes, outcome in (audit(), audit(repair=True, check_mode=True)):
        assert [change.wanted.kind for change in changes if change.wanted.problem == "orphan"] == ["allocation"]
        assert (outcome, node("c1").vcpus_used) == ({}, 4)
    changes, outcome = audit(repair=True)
    assert [(change.action, change.wanted.kind) for change in changes if change.changed] == [("delete", "allocation")]
    assert not [each for each in outcome.values() if isinstance(each, Exception)]
    assert (node("c1").vcpus_used, node("c1").memory_mb_used, node("c1").num_instances) == (2, 512, 1)
    assert not [change for change in audit(repair=True)[0] if change.changed]


def test_the_claim_of_one_that_lives_is_never_given_back(run, put, node, audit, database_url):
    run().ask()
    put(web="c1")
    [uuid] = [each["uuid"] for each in run().find().values()]
    claim = Found("allocation", uuid, uuid, uuid, "c1", "it was deleted a moment ago")
    outcome = audit_sql.connect({"database": database_url}).apply([Change(claim, claim, None)])
    assert "is recorded again" in str(outcome[claim.key])
    assert node("c1").vcpus_used == 2


def test_the_record_is_that_of_all_projects(run, put, database_url):
    for project in ("p", "q"):
        run(project_id=project).ask({"name": "web-" + project})
    params = {
        "database": database_url,
        "hosts": {"c1": {**EMPTY, "directories": [{"uuid": OTHER}]}},
        "ports": [],
        "project_id": None,
    }
    assert [each.kind for each in audit_sql.connect(params).read(audit_sql.parse(params))] == ["disk"]


@pytest.mark.parametrize("here", [{"directories": []}, "nothing", {}, {"msg": "away", "domains": []}])
def test_what_is_said_of_a_host_is_whole_or_why_not(here):
    with pytest.raises(InvalidRequest, match="of c1 there must be"):
        audit_sql.parse({"hosts": {"c1": here}, "ports": [], "project_id": None})


NETWORK = {"kind": "network", "name": "private", "project_id": "p", "record_id": "r1", "keep": False, "used": False,
           "shared": False}  # fmt: skip
GROUP = {"kind": "security_group", "name": "web", "project_id": "p", "record_id": "r1", "keep": False, "used": False}
MOVING = replace(BUILDING, ports=WEB.ports)


@pytest.mark.parametrize(
    ("said", "instances", "expected"),
    [
        pytest.param({}, [], ["p/private"], id="left by a launch that was killed"),
        pytest.param({}, [MOVING], [], id="a run is about to use it"),
        pytest.param({"used": True}, [], [], id="in use"),
        pytest.param({"keep": True}, [], [], id="made alone"),
        pytest.param({"record_id": "r2"}, [], [], id="another record's"),
        pytest.param({"record_id": None}, [], [], id="nobody's"),
    ],
)
def test_networks_that_nothing_uses(said, instances, expected):
    found = compare(Recorded(instances, {}, {}, "r1"), Existing({}, None, networks=[{**NETWORK, **said}]))
    assert [(each.kind, each.id) for each in found if each.problem == "orphan"] == [
        ("network", key) for key in expected
    ]
    named = [{"kind": "network", "name": "private", "project_id": "p", "shared": False}] if expected else []
    assert orphans([each.to_result() for each in found], "network") == named


@pytest.mark.parametrize(
    ("said", "instances", "expected"),
    [
        pytest.param({}, [], ["p/web"], id="left by a launch that was killed"),
        pytest.param({}, [MOVING], [], id="a run of its project may be about to use it"),
        pytest.param({}, [replace(MOVING, project_id="q")], ["p/web"], id="a run of another project cannot"),
        pytest.param({"used": True}, [], [], id="in use"),
        pytest.param({"keep": True}, [], [], id="made alone"),
        pytest.param({"record_id": "r2"}, [], [], id="another record's"),
    ],
)
def test_security_groups_that_nothing_uses(said, instances, expected):
    found = compare(Recorded(instances, {}, {}, "r1"), Existing({}, None, networks=[{**GROUP, **said}]))
    orphaned = [each for each in found if each.problem == "orphan"]
    assert [(each.kind, each.id, each.network) for each in orphaned] == [
        ("security_group", key, None) for key in expected
    ]


def test_a_network_that_all_projects_share_is_one_of_its_own():
    networks = [{**NETWORK, "project_id": "team/a", "shared": shared} for shared in (False, True)]
    found = compare(Recorded([], {}, {}, "r1"), Existing({}, None, networks=networks))
    assert len({each.key for each in found}) == 2
    named = {"kind": "network", "name": "private", "project_id": "team/a"}
    expected = [{**named, "shared": False}, {**named, "shared": True}]
    assert orphans([each.to_result() for each in found], "network") == expected
