# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a definition that moves, changes or goes means to instances that run."""

from __future__ import annotations

import pytest

DIGEST = "sha256:" + "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
DEMO = {"url": "https://images.example/demo.qcow2", "checksum": DIGEST}
SMALL = {"vcpus": 2, "ram": 512, "disk": 1, "extra_specs": {"hw:cpu_policy": "shared"}}
PRIVATE = {"cidr": "10.20.0.0/24"}
GROUP = {"policy": "anti-affinity"}
ID, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
GLANCE = {"name": "debian", "id": ID, "url": "http://glance/v2/images/%s/file" % ID, "checksum": DIGEST,
          "disk_format": "qcow2", "min_disk": 0, "min_ram": 0, "properties": {}}  # fmt: skip
KEEPS = "the instance keeps what it was launched with"

# What is defined at the second run, when the instance runs: (definitions, what is told).
MOVED = {
    "a mirror that moved": (
        {"images": {"demo": {**DEMO, "url": "https://mirror.example/demo.qcow2"}}},
        "image demo is now at https://mirror.example/demo.qcow2"),
    "an image with other bytes": (
        {"images": {"demo": {**DEMO, "checksum": "none"}}},
        "image demo has changed (checksum none, was %s): " % DIGEST),
    "an image with other properties": (
        {"images": {"demo": {**DEMO, "properties": {"os_distro": "debian"}}}},
        "image demo has changed (properties.os_distro debian, was nothing): "),
    "an image that is gone": ({"images": {}}, "image demo is not defined in launch_images (it has none): "),
    "a flavor that changed": (
        {"flavors": {"small": {**SMALL, "ram": 1024, "extra_specs": {}}}},
        "flavor small has changed (ram 1024, was 512, extra_specs.hw:cpu_policy nothing, was shared): "),
    "a flavor that is gone": ({"flavors": {"big": SMALL}}, "flavor small is not defined in launch_flavors (big): "),
    "a group that changed": (
        {"groups": {"g": {"policy": "affinity"}}}, "group g has changed (policy affinity, was anti-affinity): "),
    "a group that is gone": ({"groups": {}}, "group g is not defined in launch_server_groups (it has none): "),
    "a network that is gone": (
        {"networks": {"b": {"cidr": "10.21.0.0/24"}}}, "network private is not defined in launch_networks (b): "),
}  # fmt: skip


@pytest.fixture
def database_url(tmp_path):
    """One kind of database is enough for what the rules say."""
    return "sqlite:///%s" % (tmp_path / "launch.db")


@pytest.fixture
def launched(run, put):
    """A run after which the instance is there; it is asked for with these options."""

    def launch(entry, **options):
        first = run(**{"flavors": {"small": SMALL}, "images": {"demo": DEMO}, "groups": {"g": GROUP}, **options})
        web = first.ask(entry)["web"]
        assert web["msg"] is None
        put(web="c1")
        first.built({**web, "host": "c1"})
        return first

    return launch


@pytest.mark.parametrize("title", MOVED)
def test_a_definition_that_moves_refuses_no_change_of_an_instance_that_runs(title, launched):
    definitions, told = MOVED[title]
    first = launched({"group": "g"})
    before = first.find()["web"]
    web = first.ask({"group": "g", "metadata": {"a": "b"}}, **definitions)["web"]
    assert (web["msg"], web["changed"], web["metadata"]) == (None, True, {"a": "b"})
    assert {key: web[key] for key in ("flavor", "group")} == {key: before[key] for key in ("flavor", "group")}
    assert {**web["image"], "url": before["image"]["url"]} == before["image"]
    assert web["notes"] == [told + KEEPS if told.endswith(": ") else told]


@pytest.mark.parametrize("title", MOVED)
def test_nor_a_second_run(title, launched):
    definitions, _told = MOVED[title]
    first = launched({"group": "g"})
    first.ask({"group": "g"}, **definitions)
    again = first.ask({"group": "g"}, **definitions)["web"]
    assert (again["msg"], again["changed"]) == (None, False)


def test_the_same_bytes_are_had_from_where_they_are_now(launched):
    first = launched({})
    moved = {"demo": {**DEMO, "url": "https://mirror.example/demo.qcow2"}}
    assert first.ask({}, images=moved)["web"]["image"]["url"] == "https://mirror.example/demo.qcow2"
    other = {"demo": {"url": "https://elsewhere.example/demo.qcow2", "checksum": "none"}}
    web = first.ask({}, images=other)["web"]
    assert web["image"]["url"] == "https://mirror.example/demo.qcow2"
    assert "url https://elsewhere.example/demo.qcow2, was https://mirror.example/demo.qcow2" in web["notes"][0]


@pytest.mark.parametrize(
    ("ref", "found", "told", "refused"),
    [
        pytest.param("debian", GLANCE, None, None, id="the same"),
        pytest.param(ID, {**GLANCE, "name": "renamed"}, None, None, id="by its id, renamed"),
        pytest.param("renamed", {**GLANCE, "name": "renamed"}, None, None, id="renamed"),
        pytest.param("debian", {**GLANCE, "id": OTHER}, "id %s, was %s" % (OTHER, ID), None, id="a newer one"),
        pytest.param("debian", {"fault": "image debian: is deactivated"}, "is deactivated", None, id="gone"),
        pytest.param(OTHER, {**GLANCE, "id": OTHER}, None, "image (%s, now debian)" % OTHER, id="another of that name"),
        pytest.param("suse", {**GLANCE, "id": OTHER, "name": "suse"}, None, "image (suse, now debian)", id="another"),
    ],
)
def test_an_image_of_a_service_goes_by_its_name_or_its_id(launched, ref, found, told, refused):
    first = launched({"image": "debian"}, image_service="glance", images={"debian": GLANCE})
    web = first.ask({"image": ref}, images={ref: found})["web"]
    for wanted, have in ((refused, web["msg"] or ""), (told, "".join(web.get("notes", [])))):
        assert wanted in have if wanted else not have


@pytest.mark.parametrize(
    ("entry", "refused"),
    [
        ({"flavor": "big"}, "flavor (big, now small)"),
        ({"flavor": {"vcpus": 4, "ram": 512}}, "flavor (custom, now small)"),
        ({"image": "other"}, "image (other, now demo)"),
        ({"flavor": "colossal"}, "flavor colossal is not defined"),
        ({"networks": ["private", "public"]}, "network public is not defined"),
        ({"group": "g"}, "group (g, now none)"),
    ],
)
def test_what_the_entry_itself_names_otherwise_is_refused(launched, entry, refused):
    first = launched({}, flavors={"small": SMALL, "big": SMALL}, images={"demo": DEMO, "other": DEMO})
    assert refused in first.ask(entry)["web"]["msg"]


def test_a_flavor_that_is_written_out_in_the_entry_is_the_entrys(launched):
    first = launched({"flavor": {"vcpus": 2, "ram": 512}})
    assert "flavor (ram: 1024, now 512)" in first.ask({"flavor": {"vcpus": 2, "ram": 1024}})["web"]["msg"]
    assert first.ask({"flavor": {"vcpus": 2, "ram": 512}})["web"]["msg"] is None


def test_a_launch_that_has_not_come_to_its_end_is_of_what_is_defined(run):
    first = run()
    first.ask({})
    assert first.ask({}, images={})["web"]["fault"] == "image demo is not defined in launch_images (it has none)"
    assert first.ask({}, images={})["web"]["image"] is None
