# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A rebuild in the record: begun once, ended by whichever run comes next, and not done again by the one after that."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.carry import carry, parts_of
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import Database
from ansible_collections.kvmstack.launch.tests.unit.instance.conftest import REQUEST

URL = "https://images.example/%s.qcow2"
CELLS = {"hw_numa_nodes": "2"}
IMAGES = {
    **REQUEST["images"],
    "other": {"url": URL % "other", "checksum": "none"},
    "large": {"url": URL % "large", "checksum": "none", "min_disk": 20},
    "hungry": {"url": URL % "hungry", "checksum": "none", "min_ram": 4096},
    "cells": {"url": URL % "cells", "checksum": "none", "properties": CELLS},
    "trait": {"url": URL % "trait", "checksum": "none", "properties": {"trait:HW_CPU_X86_VMX": "required"}},
    "version": {"url": URL % "version", "checksum": "none", "properties": {"img_hv_requested_version": ">=9.0"}},
}
REBUILT = {"state": "rebuilt"}


@pytest.fixture
def launched(run, put):
    """A run on a record with an instance that was launched."""
    one = run(images=IMAGES)
    one.ask()
    put(web="c1")
    one.built(one.find()["web"])
    return one


def test_a_rebuild_is_begun_and_ended_once(launched):
    before = launched.find()["web"]
    asked = launched.ask({**REBUILT, "image": "other"})["web"]
    assert (asked["changed"], asked["task_state"], asked["image"]["name"]) == (True, "rebuilding", "other")
    assert asked["rebuild_id"]
    assert asked["status"] == "ACTIVE"
    done = launched.built(asked)["web"]
    assert (done["task_state"], done["status"], done["rebuild_id"]) == (None, "ACTIVE", asked["rebuild_id"])
    kept = ("uuid", "host", "flavor", "ports", "volumes", "target_state", "ssh_keys", "metadata")
    assert [done[name] for name in kept] == [before[name] for name in kept]
    after = launched.ask({"image": "other"})["web"]
    assert (after["changed"], after["task_state"]) == (False, None)
    assert [each["action"] for each in launched.find(actions=True)["web"]["actions"]] == ["create", "rebuild"]
    assert launched.find(actions=True)["web"]["actions"][1]["result"] == "Success"


def test_every_run_that_says_so_rebuilds_what_rests(launched):
    first = launched.ask(REBUILT)["web"]
    launched.built(first)
    again = launched.ask(REBUILT)["web"]
    assert again["task_state"] == "rebuilding"
    assert again["rebuild_id"] not in (None, first["rebuild_id"])


@pytest.mark.parametrize("state", ["rebuilt", "started", "restarted", "stopped"])
def test_whichever_run_comes_next_ends_it(launched, run, state):
    begun = launched.ask({**REBUILT, "image": "other"})["web"]
    second = run(images=IMAGES, run_id="second", take_over=True)
    goes_on = second.ask({"state": state, "image": "other"})["web"]
    assert (goes_on["task_state"], goes_on["rebuild_id"]) == ("rebuilding", begun["rebuild_id"])
    assert goes_on["target_state"] == ("stopped" if state == "stopped" else "started")
    assert second.built(goes_on)["web"]["task_state"] is None


@pytest.mark.parametrize("said", [{"image": "demo"}, {"metadata": {"a": "1"}}, {"ssh_keys": ["ssh-ed25519 AAAA me"]}])
def test_one_that_goes_on_and_is_asked_for_otherwise_is_another(launched, said):
    begun = launched.ask({**REBUILT, "image": "other"})["web"]
    other = launched.ask({**REBUILT, "image": "other", **said})["web"]
    assert other["task_state"] == "rebuilding"
    assert other["rebuild_id"] != begun["rebuild_id"]


def test_a_host_that_fails_leaves_it_to_the_next_run(launched):
    begun = launched.ask({**REBUILT, "image": "other"})["web"]
    refused = {"name": "web", "failed": True, "msg": "no room", "abort": False}
    failed = launched.conclude(*carry([begun], "domain", [refused], parts_of("domain")))["web"]
    assert (failed["failed"], failed["task_state"]) == (True, "rebuilding")
    assert "no room; its rebuild is not done: the next run goes on with it" in failed["msg"]
    assert launched.ask({"image": "other"})["web"]["rebuild_id"] == begun["rebuild_id"]


def test_what_it_was_made_from_may_change(launched):
    said = {"image": "other", "ssh_keys": ["ssh-ed25519 BBBB you"], "metadata": {"a": "1"}}
    web = launched.ask({**REBUILT, **said}, user_data='{"web": "#!/bin/sh"}')["web"]
    assert web["failed"] is False
    assert (web["ssh_keys"], web["metadata"]) == (said["ssh_keys"], {"a": "1"})
    assert web["user_data_digest"]
    digest = web["user_data_digest"]
    silent = launched.ask({**REBUILT, "image": "other"})["web"]
    assert (silent["ssh_keys"], silent["user_data_digest"]) == (said["ssh_keys"], digest)
    assert not web.get("notes")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"image": "large"}, "needs 20"),
        ({"image": "hungry"}, "needs 4096"),
        ({"image": "cells"}, "image cells: asks for 2 cells, and the instance has any CPUs: take another image"),
        ({"image": "trait"}, "hosts are chosen by its trait:HW_CPU_X86_VMX"),
        ({"image": "version"}, "hosts are chosen by its img_hv_requested_version"),
        ({"image": "none"}, "image none is not defined"),
        ({"availability_zone": "other"}, "availability_zone"),
        ({"flavor": {"vcpus": 4, "ram": 512}}, "flavor"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(launched, said, words):
    before = launched.find()["web"]
    refused = launched.ask({**REBUILT, **said})["web"]
    assert refused["failed"]
    assert words in refused["msg"]
    assert launched.find()["web"]["image"] == before["image"]
    assert launched.find()["web"]["task_state"] is None


@pytest.mark.parametrize("check_mode", [True, False])
def test_an_image_that_needs_more_disk_than_its_host_has_left_is_refused(run, put, node, check_mode):
    """Where the flavor has no disk, the image's own size is claimed."""
    flavor = {"vcpus": 2, "ram": 512, "disk": 0}
    one = run(images={**IMAGES, "huge": {**IMAGES["large"], "min_disk": 500}})
    one.ask({"flavor": flavor})
    put(web="c1")
    one.built(one.find()["web"])
    refused = one.ask({**REBUILT, "flavor": flavor, "image": "huge"}, check_mode=check_mode)["web"]
    assert refused["failed"]
    assert "disks: they need 500 GiB more on host c1, which has 100 left" in refused["msg"]
    assert one.find()["web"]["task_state"] is None
    assert one.ask({**REBUILT, "flavor": flavor, "image": "large"})["web"]["msg"] is None
    assert node("c1").disk_gb_used == 20


def test_one_that_boots_from_a_volume_is_refused(run, put):
    one = run(images=IMAGES, volume_service="cinder", image_service="glance")
    images = {"id-1": {"id": "id-1", "name": "demo", "url": URL % "demo"}}
    root = {"name": "root", "size": 5, "boot": True, "image": "id-1"}
    one.params["images"] = images
    one.ask({"image": None, "volumes": [root]})
    put(web="c1")
    one.built(one.find()["web"])
    assert "it boots from volume web-root" in one.ask({**REBUILT, "image": "id-1"})["web"]["msg"]


def test_one_that_was_turned_off_stays_off(launched):
    launched.built(launched.ask({"state": "stopped"})["web"])
    begun = launched.ask(REBUILT)["web"]
    assert (begun["target_state"], begun["task_state"]) == ("stopped", "rebuilding")
    assert launched.built(begun)["web"]["status"] == "SHUTOFF"


@pytest.mark.parametrize("said", [{}, {"image": "other"}])
def test_one_that_its_rebuild_has_turned_off_is_to_run(launched, database_url, said):
    """As its host says of it when the run was killed there."""
    begun = launched.ask(REBUILT)["web"]
    database = Database(database_url)
    table = database.tables.instances
    database.write(lambda c: c.execute(table.update().values(power_state="shutdown")))
    again = launched.ask({**REBUILT, **said})["web"]
    assert (again["target_state"], again["task_state"]) == ("started", "rebuilding")
    assert (again["rebuild_id"] == begun["rebuild_id"]) == (not said)
    assert launched.built(again)["web"]["status"] == "ACTIVE"


def test_one_in_error_that_has_run_is_rebuilt(launched, database_url):
    database = Database(database_url)
    table = database.tables.instances
    database.write(lambda c: c.execute(table.update().values(vm_state="error", fault="no disk")))
    begun = launched.ask(REBUILT)["web"]
    assert (begun["failed"], begun["fault"], begun["task_state"]) == (False, None, "rebuilding")
    assert launched.built(begun)["web"]["status"] == "ACTIVE"


def test_a_new_one_is_launched(run):
    web = run(images=IMAGES).ask(REBUILT)["web"]
    assert (web["status"], web["task_state"], web["target_state"]) == ("BUILD", "scheduling", "started")


def test_the_image_of_one_that_is_not_defined_any_more_is_what_the_record_has(launched):
    before = launched.find()["web"]["image"]
    web = launched.ask({**REBUILT, "image": "demo"}, images={})["web"]
    assert (web["task_state"], web["image"]) == ("rebuilding", before)


def test_of_an_image_that_a_service_has_the_run_that_does_it_learns_where_it_is(launched):
    """As the Compute API records it, which does not ask for the place of its bytes."""
    launched.params.update(image_service="glance", images={"id-1": {"id": "id-1", "name": "id-1", "url": ""}})
    begun = launched.ask({**REBUILT, "image": "id-1"})["web"]
    launched.params["images"] = {"id-1": {"id": "id-1", "name": "demo", "url": URL % "id-1", "checksum": "sha256:1"}}
    goes_on = launched.ask({"image": "id-1"})["web"]
    assert (goes_on["image"]["url"], goes_on["rebuild_id"]) == (URL % "id-1", begun["rebuild_id"])
