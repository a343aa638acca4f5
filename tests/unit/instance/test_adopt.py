# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A record that was lost: what runs is taken into a new one as it is, or refused in words; nothing is guessed."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import LaunchError
from ansible_collections.kvmstack.launch.plugins.module_utils.image.model import Image, base_name
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import adopt, adopt_sql, audit, audit_sql
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import request as requests
from ansible_collections.kvmstack.launch.tests.unit.instance.conftest import WEB, Run, place

ENTRY = {
    **WEB,
    "volumes": [{"name": "data", "size": 3, "delete_on_termination": True}],
    "metadata": {"role": "web"},
    "user_data": None,
}
ENTRY.pop("user_data")
IMAGE = {"url": "https://images.example/demo.qcow2", "checksum": "none", "disk_format": "qcow2"}
BASE = "/state/base/" + base_name(Image(None, "demo", **IMAGE), "v1")
ALLOCATION = {"cpus": {"0": 4}}


@pytest.fixture
def lost(tmp_path):
    """A record with web on c1, that is lost; what its marks say is found()."""
    url = "sqlite:///%s" % (tmp_path / "lost.db")
    run = Run(url)
    run.ask({**ENTRY, "volumes": [*ENTRY["volumes"], {"name": "old", "size": 1}]})
    place(url, "c1", web="c1")
    [document] = run.find().values()
    for number, port in enumerate(document["ports"], 5):
        port.update(port_id=port["id"], mac_address="fa:16:3e:00:00:%02x" % number, fixed_ip="10.20.0.%d" % number,
                    cidr="10.20.0.0/24", dns=[], domain=None)  # fmt: skip
    run.built(document)
    run.built(*run.ask(ENTRY).values())
    return run


def found(run, **changed):
    """What its hosts and its network have of it."""
    [document] = run.find().values()
    uuid, flavor, record = document["uuid"], document["flavor"], document["record_id"]
    domain = {
        "uuid": uuid, "name": document["name"], "project_id": document["project_id"], "record_id": record,
        "status": "ACTIVE", "vcpus": flavor["vcpus"], "ram": flavor["ram"], "disk": flavor["disk"],
        "flavor": flavor["name"], "image": document["image"]["name"], "root": {"base": BASE}, "allocation": ALLOCATION,
        "volumes": [{"id": each["id"], "device": each["device"]} for each in document["volumes"]],
    }  # fmt: skip
    keys = ("id", "name", "size", "format")
    mark = {"instance_uuid": uuid, "record_id": record}
    volumes = [{**{key: row[key] for key in keys}, **mark} for row in rows(run, "volumes")]
    keys = ("id", "network", "mac_address", "fixed_ip", "parent", "vlan")
    ports = [{**{key: port[key] for key in keys}, **port["network_info"], **mark, "host": "c1", "domain": None}
             for port in document["ports"]]  # fmt: skip
    here = {"domains": [domain], "directories": [{"uuid": uuid}], "volumes": volumes, "gateways": []}
    return {"hosts": {"c1": here, "c2": {name: [] for name in here}}, "ports": ports, "record": record, **changed}


def rows(run, table):
    """The rows of a table of its record, without what differs from run to run."""
    record = adopt_sql.Database(run.params["database"])
    with record.reading() as connection:
        told = [dict(row) for row in connection.execute(getattr(record.tables, table).select()).mappings()]
    record.engine.dispose()
    return told


@pytest.fixture
def new(run):
    """An empty record, in which c1 is known."""
    mine = run()
    mine.find()
    place_hosts(mine)
    return mine


def place_hosts(run, *hosts):
    mine = adopt_sql.Database(run.params["database"])
    with mine.writing():
        pass
    mine.engine.dispose()
    place(run.params["database"], *(hosts or ("c1", "c2")))


def take(run, asked, *entries, check_mode=False, **more):
    """The module instance with adopt: the results by name, an error in its place."""
    params = {**run.params, **more, "instances": list(entries or [ENTRY]), "adopt": asked}
    [existing] = audit_sql.parse({"project_id": None, **asked})
    backend, wanted = adopt_sql.connect(params, existing), requests.parse(params)
    changes = adopt.planner(existing, asked.get("record"))(wanted, backend.read(wanted), "present")
    applied = {} if check_mode else backend.apply([change for change in changes if change.pending])
    backend.database.engine.dispose()
    return {change.key: change.error or applied.get(change.key) or change.after for change in changes}, changes


def same(document):
    """A document without times and leases."""
    return {key: value for key, value in document.items() if key not in ("seconds", "seen", "lease")}


def test_what_a_lost_record_had_is_taken_over_whole(lost, new):
    asked = found(lost)
    planned, _changes = take(new, asked, check_mode=True)
    assert (planned["web"].uuid, new.find()) == (lost.find()["web"]["uuid"], {})
    told, _changes = take(new, asked)
    assert told["web"].record_id == lost.identity() == new.identity()
    before, after = same(lost.find()["web"]), same(new.find()["web"])
    assert after == before
    by_name = {row["name"]: row for row in rows(new, "volumes")}
    expected = {row["name"]: row for row in rows(lost, "volumes")}
    assert {**by_name["web-data"], "host": "c1"} == {**expected["web-data"], "host": "c1"}
    assert by_name["web-old"] == expected["web-old"]


def test_its_claim_counts(lost, new, node):
    take(new, found(lost))
    taken = node("c1")
    assert (taken.vcpus_used, taken.memory_mb_used, taken.disk_gb_used, taken.num_instances) == (2, 512, 4, 1)
    [claim] = rows(new, "allocations")
    assert (claim["host"], claim["vcpus"], claim["disk_gb"], claim["resources"]) == ("c1", 2, 4, ALLOCATION)
    new.destroyed(*new.ask(ENTRY, state="absent").values())
    given_back = node("c1")
    assert (given_back.vcpus_used, given_back.memory_mb_used, given_back.disk_gb_used) == (0, 0, 0)
    assert (given_back.num_instances, rows(new, "allocations")) == (0, [])


def test_a_launch_and_an_audit_then_find_nothing_to_do(lost, new):
    asked = found(lost)
    take(new, asked)
    launched = new.ask(ENTRY, run_id="next")["web"]
    assert (launched["changed"], launched["failed"], launched["uuid"]) == (False, False, lost.find()["web"]["uuid"])
    existing = audit_sql.parse({"project_id": None, **asked})
    assert audit_sql.connect(new.params).read(existing) == []


def test_once_more_changes_nothing(lost, new):
    asked = found(lost)
    take(new, asked)
    before = rows(new, "instances"), rows(new, "compute_nodes")
    _told, [change] = take(new, asked)
    assert (change.action, change.error) == ("keep", None)
    assert (rows(new, "instances"), rows(new, "compute_nodes")) == before


def test_an_old_copy_of_the_record_goes_on_as_itself(lost, new):
    """What was launched since the copy has its own mark: nobody has to vouch for anything."""
    asked = found(lost)
    take(new, asked)
    second = found(lost, record="")
    domain = second["hosts"]["c1"]["domains"][0]
    # As db would have been found: no network, no volumes.
    domain.update(uuid="7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10", name="db", volumes=[])
    second["hosts"]["c1"].update(directories=[{"uuid": domain["uuid"]}], volumes=[])
    told, _changes = take(new, {**second, "ports": []}, {**WEB, "name": "db", "networks": []})
    assert (told["db"].uuid, sorted(new.find())) == (domain["uuid"], ["db", "web"])


def test_a_guest_that_is_off_is_recorded_as_off(lost, new):
    asked = found(lost)
    asked["hosts"]["c1"]["domains"][0]["status"] = "SHUTOFF"
    take(new, asked)
    told = new.find()["web"]
    assert (told["status"], told["target_state"]) == ("SHUTOFF", "stopped")
    assert new.ask(ENTRY)["web"]["task_state"] == "powering-on"


def off(asked, **fields):
    asked["hosts"]["c1"]["domains"][0].update(fields)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda asked: off(asked, ram=1024), "ram is 1024, not 512", id="memory"),
        pytest.param(lambda asked: off(asked, vcpus=1), "vcpus is 1, not 2", id="vcpus"),
        pytest.param(lambda asked: off(asked, disk=9), "disk is 9, not 1", id="disk"),
        pytest.param(lambda asked: off(asked, flavor="big"), "flavor is big, not small", id="flavor"),
        pytest.param(lambda asked: off(asked, image="other"), "image is other, not demo", id="image"),
        pytest.param(lambda asked: off(asked, root={"base": "/state/base/x.qcow2"}), "not made from image", id="base"),
        pytest.param(lambda asked: off(asked, volumes=[]), "volumes are none, not web-data", id="volumes"),
        pytest.param(lambda asked: asked["ports"].clear(), "networks are none, not private", id="no port"),
        pytest.param(
            lambda asked: asked["ports"][0].update(parent="p", vlan=30),
            "the port on private is sub-port 30 of port p, not an interface",
            id="a sub-port",
        ),
        pytest.param(lambda asked: asked.update(ports=None), "only ports of the embedded", id="ports not seen"),
        pytest.param(lambda asked: asked["hosts"]["c1"].update(directories=[]), "lacks the directory", id="root disk"),
        pytest.param(lambda asked: asked["hosts"]["c1"].update(volumes=[]), "volume web-data is not on", id="volume"),
        pytest.param(lambda asked: asked.update(record=""), "launch_adopt_record=", id="nobody vouches"),
        pytest.param(lambda asked: asked.update(record="other"), "belongs to another record", id="another is lost"),
    ],
)
def test_what_is_not_as_the_request_says_is_refused(lost, new, change, words):
    asked = copy.deepcopy(found(lost))
    change(asked)
    told, _changes = take(new, asked)
    assert isinstance(told["web"], LaunchError)
    assert words in str(told["web"])
    assert (new.find(), rows(new, "allocations"), rows(new, "volumes")) == ({}, [], [])
    assert new.identity() != lost.identity()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        pytest.param({"volumes": [{"name": "data", "size": 2}]}, "web-data has 3 GiB, not 2", id="smaller"),
        pytest.param({"networks": []}, "networks are private, not none", id="no network"),
        pytest.param({"networks": [{"network": "private", "fixed_ip": "10.20.0.9"}]}, "fixed_ip on private", id="ip"),
        pytest.param({"flavor": "nothing"}, "flavor nothing", id="no such flavor"),
        pytest.param({"ssh_keys": "x"}, "ssh_keys", id="what makes no sense"),
    ],
)
def test_a_request_that_is_not_as_things_are_is_refused(lost, new, entry, words):
    told, _changes = take(new, found(lost), {**ENTRY, **entry})
    assert words in str(told["web"])
    assert new.find() == {}


def test_what_nobody_can_see_is_told(lost, new):
    _told, [change] = take(new, found(lost), {**ENTRY, "ssh_keys": ["ssh-ed25519 AAAA me"]})
    assert change.notes == (adopt.NOT_CHECKED,)


def test_twins_are_for_a_person_to_tell_apart(lost, new):
    asked = copy.deepcopy(found(lost))
    asked["hosts"]["c2"] = copy.deepcopy(asked["hosts"]["c1"])
    told, _changes = take(new, asked)
    assert "there are 2 of that name" in str(told["web"])


def test_what_is_nowhere_is_for_a_launch_but_only_if_all_hosts_were_seen(lost, new):
    asked = found(lost)
    told, [change] = take(new, asked, {**WEB, "name": "db"})
    assert (told["db"], change.notes, change.error) == (None, (adopt.NOT_FOUND,), None)
    asked["hosts"]["c2"] = {"msg": "no route to host"}
    told, _changes = take(new, asked, {**WEB, "name": "db"})
    assert "may be on c2" in str(told["db"])
    assert new.find() == {}
    told, _changes = take(new, asked)
    assert told["web"].host == "c1"


def test_another_project_takes_nothing_of_it(lost, new):
    _told, [change] = take(new, found(lost), project_id="other")
    assert (change.after, change.notes) == (None, (adopt.NOT_FOUND,))


def test_what_is_to_be_absent_is_left_alone(lost, new):
    _told, [change] = take(new, found(lost), {**ENTRY, "state": "absent"})
    assert (change.pending, new.find()) == (False, {})


def test_a_record_with_things_of_its_own_stays_itself(lost, new):
    new.ask({**WEB, "name": "mine"})
    told, _changes = take(new, found(lost))
    assert "cannot go on in the place of" in str(told["web"])
    assert (list(new.find()), new.identity() != lost.identity()) == (["mine"], True)


def test_a_record_whose_mark_is_on_something_stays_itself(lost, new):
    asked = copy.deepcopy(found(lost))
    asked["hosts"]["c2"]["directories"] = [
        {"uuid": "7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10", "record_id": new.identity()}
    ]
    told, _changes = take(new, asked)
    assert "cannot go on in the place of" in str(told["web"])


def test_a_record_that_gets_something_meanwhile_stays_itself(lost, new, monkeypatch):
    plan = adopt.planner

    def late(*arguments):
        def planned(*more):
            changes = plan(*arguments)(*more)
            new.ask({**WEB, "name": "mine"})
            return changes

        return planned

    monkeypatch.setattr(adopt, "planner", late)
    told, _changes = take(new, found(lost))
    assert "of its own meanwhile" in str(told["web"])
    assert (list(new.find()), new.identity() != lost.identity()) == (["mine"], True)


def test_a_host_that_is_not_recorded_takes_no_claim(lost, run):
    mine = run()
    told, _changes = take(mine, found(lost))
    assert "host c1 is not recorded" in str(told["web"])
    assert (mine.find(), rows(mine, "volumes"), mine.identity() != lost.identity()) == ({}, [], True)


def test_a_kept_volume_that_nobody_can_tell_is_refused(lost, new):
    asked = copy.deepcopy(found(lost))
    old = next(each for each in asked["hosts"]["c1"]["volumes"] if each["name"] == "web-old")
    asked["hosts"]["c2"]["volumes"].append(dict(old))
    told, _changes = take(new, asked)
    assert "is on two hosts" in str(told["web"])


def test_cpus_of_its_own_that_its_guest_does_not_name_are_refused(lost, new):
    flavors = {"small": {"vcpus": 2, "ram": 512, "disk": 1, "extra_specs": {"hw:numa_nodes": 1}}}
    asked = found(lost)
    off(asked, allocation=None)
    told, _changes = take(new, asked, flavors=flavors)
    assert "does not say which" in str(told["web"])
    assert (new.find(), new.identity() != lost.identity()) == ({}, True)


def test_an_orphan_of_this_record_is_none_of_it(lost, new):
    """It is what this record knows to be deleted."""
    asked = found(lost)
    take(new, asked)
    new.destroyed(*new.ask(ENTRY, state="absent").values())
    _told, [change] = take(new, asked)
    assert change.notes == (adopt.NOT_FOUND,)
    assert audit.ORPHAN in {each.problem for each in audit_sql.connect(new.params).read(
        audit_sql.parse({"project_id": None, **asked}))}  # fmt: skip
