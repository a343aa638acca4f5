# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever a client sends, it is accepted or refused, and never a failure of the API."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from ansible_collections.kvmstack.launch.plugins.module_utils.api.routes import ROUTES
from ansible_collections.kvmstack.launch.tests.unit.api.conftest import KEY, Door

NASTY = [
    None, True, False, 0, -1, 1.5, 2**63, 10**40, "", " ", "x", "x" * 300, "\x00", "\ud800", "none", "auto",
    "null", [], {}, [[]], [{}], [None], {"": {}}, {"a": None}, {"uuid": "x"}, [{"uuid": "private"}], [{"name": "web"}],
    "10.20.0.7", "IyEK",
]  # fmt: skip
FIELDS = [
    "name", "imageRef", "flavorRef", "networks", "metadata", "security_groups", "user_data", "min_count", "max_count",
    "availability_zone", "block_device_mapping_v2", "key_name", "config_drive", "description", "tags", "accessIPv4",
    "hostname", "adminPass", "personality", "return_reservation_id", "trusted_image_certificates", "host",
]  # fmt: skip
DEVICE = some.fixed_dictionaries(
    {"source_type": some.sampled_from(["volume", "image", "snapshot", "blank"])},
    optional={
        "destination_type": some.sampled_from(["local", "volume"]),
        "uuid": some.sampled_from(["demo", "x", "", None]),
        "boot_index": some.sampled_from([0, "0", -1, None, "1"]),
        "volume_size": some.sampled_from([1, "1", 0, -1, None, 2**40, "9" * 50]),
        "delete_on_termination": some.booleans(),
    },
)
HINTS = some.dictionaries(
    some.sampled_from(["group", "same_host", "different_host", "query", "cidr", "x.y", "nonsense"]),
    some.sampled_from([*NASTY, '["=", "$vcpus", 1]', "[" * 100, "/24", ["web"]]),
    max_size=2,
)
VERSIONS = some.integers(1, 96)


@pytest.fixture(scope="module")
def any_door(tmp_path_factory, empty):
    folder = tmp_path_factory.mktemp("any")
    shutil.copy(empty, folder)
    door = Door(folder)
    door.launched = door.launch("launched")
    return door


@pytest.mark.parametrize("version", [1, 96])
@pytest.mark.parametrize("text", ["\ud800", "\x00", "a\nb", "\u202e"], ids=["half", "null", "newline", "override"])
def test_no_text_is_kept_that_a_database_or_a_terminal_could_not_take(any_door, text, version):
    asked, path = any_door.asked(), "/servers/%s" % any_door.launched
    for field in ("name", "key_name", "availability_zone", "metadata", "description", "tags"):
        value = {"metadata": {"a": text + "\x00"}, "tags": [text], "description": text + "\x00"}.get(field, text)
        reply = any_door.ask("POST", "/servers", {"server": {**asked, "name": "other", field: value}}, version)
        assert reply.status_code == 400, (field, reply.text)
    assert any_door.ask("PUT", path, {"server": {"description": text + "\x00"}}, version).status_code == 400
    assert any_door.ask("PUT", path + "/tags", {"tags": [text]}, version).status_code in (400, 404)
    said = {"keypair": {"name": text, "public_key": KEY}}
    assert any_door.ask("POST", "/os-keypairs", said, version).status_code == 400


@settings(max_examples=250)
@given(
    said=some.dictionaries(some.sampled_from(FIELDS), some.sampled_from(NASTY), max_size=3),
    devices=some.none() | some.lists(DEVICE, max_size=2),
    hints=HINTS,
    version=VERSIONS,
)
def test_a_request_for_a_server(any_door, said, devices, hints, version):
    server = {**any_door.asked(), **said}
    if devices is not None:
        server["block_device_mapping_v2"] = devices
    reply = any_door.ask("POST", "/servers", {"server": server, "os:scheduler_hints": hints}, version)
    assert reply.status_code in (202, 400, 403, 409), reply.text
    if reply.status_code == 202:
        for name in list(any_door.requests()):
            any_door.take(name)
            any_door.finish(name)


KEYS = [
    "metadata", "meta", "tags", "server", "os-stop", "os-start", "reboot", "rebuild", "lock", "unlock",
    "volumeAttachment", "interfaceAttachment", "", "x",
]  # fmt: skip
NOTHING = "11111111-0000-4000-8000-000000000001"
VALUES = [
    {"a": "b"}, {"name": "x"}, {"accessIPv4": "x"}, {"accessIPv6": "::1"}, {"type": "SOFT"}, {"type": []},
    {"locked_reason": "x" * 255}, {"locked_reason": 1}, {"volumeId": NOTHING}, {"volumeId": NOTHING, "device": ""},
    {"imageRef": NOTHING}, {"imageRef": NOTHING, "user_data": None, "key_name": "x"},
    {"net_id": NOTHING}, {"fixed_ips": [{"ip_address": "10.20.0.7"}]}, {"fixed_ips": [None]}, {"port_id": None},
]  # fmt: skip


@settings(max_examples=150)
@given(
    kind=some.sampled_from(["action", "metadata", "metadata/a", "tags", "", "os-volume_attachments", "os-interface"]),
    method=some.sampled_from(["POST", "PUT"]),
    key=some.sampled_from(KEYS),
    value=some.sampled_from([*NASTY, *VALUES]),
    version=VERSIONS,
)
def test_a_change_of_a_server(any_door, kind, method, key, value, version):
    path = "/servers/%s/%s" % (any_door.launched, kind)
    reply = any_door.ask(method, path, {key: value}, version)
    assert reply.status_code < 500 or reply.status_code == 501, reply.text
    any_door.finish("launched")


PARAMETERS = [
    "limit", "marker", "sort_key", "sort_dir", "name", "status", "changes-since", "changes-before", "deleted", "ip",
    "id", "all_tenants", "flavor", "image", "host", "is_public", "minRam", "with_servers",
    "hypervisor_hostname_pattern", "locked", "start", "end", "detailed", "offset", "all_projects",
]  # fmt: skip
TEXTS = [
    "",
    "x",
    "1",
    "-1",
    "%00",
    "%ED%A0%80",
    "(",
    "a" * 400,
    "2026-11-29",
    "9" * 30,
    "name",
    "asc",
    "True",
    "é",
    "²",
]


@settings(max_examples=250)
@given(
    path=some.sampled_from([path for path, _kind, _suffix in ROUTES]),
    given_id=some.sampled_from(["launched", "x", "%00", "..", "9" * 50, "%F0%9F%98%80", "a%2Fb"]),
    query=some.lists(some.tuples(some.sampled_from(PARAMETERS), some.sampled_from(TEXTS)), max_size=3),
    version=VERSIONS,
)
def test_a_question(any_door, path, given_id, query, version):
    identity = any_door.launched if given_id == "launched" else given_id
    words = [identity if word.startswith("{") else word for word in path.split("/")]
    headers = {"Host": "localhost", "OpenStack-API-Version": "compute 2.%d" % version}
    text = "&".join("%s=%s" % pair for pair in query)
    reply = any_door.client.simulate_get("/v2.1" + "/".join(words), query_string=text, headers=headers)
    assert reply.status_code < 500 or reply.status_code == 501, reply.text


@settings(max_examples=100)
@given(
    group=some.dictionaries(
        some.sampled_from(["name", "policy", "policies", "rules", "x"]),
        some.sampled_from([*NASTY, "new", "affinity", "anti-affinity", ["affinity"], ["affinity", "x"]]),
        max_size=4,
    ),
    version=VERSIONS,
)
def test_a_server_group(any_door, group, version):
    reply = any_door.ask("POST", "/os-server-groups", {"server_group": group}, version)
    assert reply.status_code in (200, 400, 409), reply.text
