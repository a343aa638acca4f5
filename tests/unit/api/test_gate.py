# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every request passes and every reply has: microversions, who may ask, ids, error bodies."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.api.app import application
from ansible_collections.kvmstack.launch.plugins.module_utils.api.errors import status_of
from ansible_collections.kvmstack.launch.plugins.module_utils.api.identity import embedded
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import (
    Conflict,
    InvalidRequest,
    QuotaExceeded,
)

STANDARD, LEGACY = "OpenStack-API-Version", "X-OpenStack-Nova-API-Version"


@pytest.mark.parametrize(
    ("headers", "status", "spoken"),
    [
        ({}, 200, "2.1"),
        ({STANDARD: "compute 2.53"}, 200, "2.53"),
        ({LEGACY: "2.53"}, 200, "2.53"),
        ({STANDARD: "compute 2.10", LEGACY: "2.53"}, 200, "2.10"),
        ({STANDARD: "identity 3, compute 2.7"}, 200, "2.7"),
        ({STANDARD: "identity 3.9"}, 200, "2.1"),
        ({STANDARD: "compute latest"}, 200, "2.96"),
        ({LEGACY: "latest"}, 200, "2.96"),
        ({STANDARD: "compute 2.97"}, 406, "2.1"),
        ({STANDARD: "compute 2.0"}, 406, "2.1"),
        ({STANDARD: "compute 3.1"}, 406, "2.1"),
        ({STANDARD: "compute 2.99999999999"}, 406, "2.1"),
        ({STANDARD: "compute 2"}, 400, "2.1"),
        ({STANDARD: "compute 2.01"}, 406, "2.1"),
        ({LEGACY: "two"}, 400, "2.1"),
    ],
)
def test_a_microversion_is_that_of_the_headers(door, headers, status, spoken):
    reply = door.client.simulate_get("/v2.1/servers", headers={"Host": "localhost", **headers})
    assert reply.status_code == status
    assert (reply.headers[STANDARD], reply.headers[LEGACY]) == ("compute " + spoken, spoken)
    assert reply.headers["Vary"] == "OpenStack-API-Version, X-OpenStack-Nova-API-Version"
    assert reply.headers["x-openstack-request-id"] == reply.headers["x-compute-request-id"]
    assert reply.headers["x-openstack-request-id"].startswith("req-")


@pytest.mark.parametrize(("kind", "status"), [(InvalidRequest, 400), (QuotaExceeded, 403), (Conflict, 409)])
def test_an_error_of_ours_has_its_status(kind, status):
    assert status_of(kind("x")) == status


def test_the_versions_tell_a_client_what_it_needs(door):
    [known] = door.client.simulate_get("/", headers={"Host": "localhost"}).json["versions"]
    for path in ("/v2.1", "/v2.1/"):
        told = door.client.simulate_get(path, headers={"Host": "127.0.0.1:8774"}).json["version"]
        assert (told["id"], told["status"], told["min_version"], told["version"]) == ("v2.1", "CURRENT", "2.1", "2.96")
        assert told["links"] == [{"rel": "self", "href": "http://127.0.0.1:8774/v2.1/"}]
    assert set(known) == set(told) - {"media-types"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost"}, 200),
        ({"Host": "LOCALHOST:8774"}, 200),
        ({"Host": "[::1]:8774"}, 200),
        ({"Host": "127.0.0.1", "Origin": "http://127.0.0.1:8774"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example:8774"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "127.0.0.1", "Origin": "https://evil.example"}, 403),
        ({"Host": "127.0.0.1", "Origin": "null"}, 403),
        ({"Host": "127.0.0.1", "Origin": "http://["}, 403),
    ],
)
def test_only_this_machine_by_its_own_name_is_answered(door, headers, status):
    assert door.client.simulate_get("/v2.1/servers", headers=headers).status_code == status


@pytest.mark.parametrize(("peer", "status"), [("127.0.0.1", 200), ("::1", 200), ("", 200), ("192.0.2.7", 403)])
def test_only_this_machine_is_answered(door, peer, status):
    reply = door.client.simulate_get("/v2.1/servers", remote_addr=peer, headers={"Host": "localhost"})
    assert reply.status_code == status


def test_what_a_client_says_of_itself_is_dropped(door):
    claims = {"X-Project-Id": "another", "X-User-Id": "root", "X-Roles": "admin", "X-Identity-Status": "Confirmed"}
    door.launch()
    reply = door.ask("GET", "/servers/detail", **claims)
    assert [each["tenant_id"] for each in reply.json["servers"]] == ["p"]
    environ = {"HTTP_" + key.upper().replace("-", "_"): value for key, value in claims.items()}
    kept = {"HTTP_HOST": "localhost", "HTTP_X_AUTH_TOKEN": "t", "HTTP_X_OPENSTACK_NOVA_API_VERSION": "2.1"}
    environ.update(kept)
    assert embedded("p", "me")(environ).project_id == "p"
    assert environ == kept


@pytest.mark.parametrize(
    ("method", "path", "given", "status", "name"),
    [
        ("GET", "/nothing", {}, 404, "itemNotFound"),
        ("GET", "/servers/nothing", {}, 404, "itemNotFound"),
        ("DELETE", "/servers", {}, 405, "badMethod"),
        ("POST", "/servers", {"body": "{", "content_type": "application/json"}, 400, "badRequest"),
        ("POST", "/servers", {"body": "[" * 100000, "content_type": "application/json"}, 400, "badRequest"),
        ("POST", "/servers", {"body": "{}", "content_type": "text/plain"}, 415, "badMediaType"),
        ("POST", "/servers", {}, 415, "badMediaType"),
        ("POST", "/servers", {"body": " " * 200000, "content_type": "application/json"}, 413, "overLimit"),
        ("POST", "/servers", {"json": []}, 400, "badRequest"),
        ("POST", "/flavors", {"json": {}}, 403, "forbidden"),
        ("GET", "/servers?limit=x", {}, 400, "badRequest"),
        ("GET", "/servers?marker=x", {}, 400, "badRequest"),
        ("GET", "/servers?name=(", {}, 400, "badRequest"),
        ("GET", "/servers?changes-since=soon", {}, 400, "badRequest"),
        ("GET", "/servers?sort_key=password", {}, 400, "badRequest"),
        ("GET", "/servers?all_tenants=perhaps", {}, 400, "badRequest"),
    ],
)
def test_an_error_is_told_as_nova_does(door, method, path, given, status, name):
    path, _mark, query = path.partition("?")
    reply = door.client.simulate_request(
        method, "/v2.1" + path, query_string=query, headers={"Host": "localhost"}, **given
    )
    assert reply.status_code == status
    assert list(reply.json) == [name]
    assert set(reply.json[name]) == {"code", "message"}
    assert reply.json[name]["code"] == status
    assert reply.json[name]["message"]
    assert reply.headers["x-openstack-request-id"]


def test_what_nobody_thought_of_is_told_by_its_request_only(door, monkeypatch):
    monkeypatch.setattr(
        "ansible_collections.kvmstack.launch.plugins.module_utils.api.reading.hosts", lambda site: 1 / 0
    )
    reply = door.ask("GET", "/os-services")
    assert reply.status_code == 500
    assert reply.headers["x-openstack-request-id"] in reply.json["computeFault"]["message"]
    assert "ZeroDivisionError" in reply.text
    assert "line" not in reply.text


def test_a_record_that_is_away_is_503(door):
    door.definitions["database"] = "postgresql+psycopg://nobody@127.0.0.1:1/launch"
    door.write()
    for path in ("/v2.1/servers", "/healthcheck"):
        reply = door.client.simulate_get(path, headers={"Host": "localhost"})
        assert reply.status_code == 503
        assert "serviceUnavailable" in reply.json


def test_an_address_writes_no_line_of_its_own_into_the_log(door, caplog):
    caplog.set_level("INFO", "kvmstack.api")
    door.ask("GET", "/servers/x%0a2026-11-29 INFO kvmstack.api forged")
    assert "\n" not in caplog.messages[-1]


def test_a_healthy_api_says_so(door):
    reply = door.client.simulate_get("/healthcheck", headers={"Host": "localhost"})
    assert (reply.status_code, reply.text.splitlines()[0]) == (200, "OK")


def test_definitions_that_are_not_there_are_503(door, caplog):
    (door.folder / "definitions.json").unlink()
    reply = door.ask("GET", "/servers")
    assert reply.status_code == 503
    assert reply.json["serviceUnavailable"]["message"].endswith(reply.headers["x-openstack-request-id"] + ".")
    assert str(door.folder) not in reply.text
    assert "kvmstack.launch.definitions" in caplog.text


def test_where_there_is_an_identity_service_nobody_is_let_in_without_it(door):
    door.definitions["identity"] = "keystone"
    door.write()
    assert door.ask("GET", "/servers").status_code == 503


def test_an_application_needs_its_settings(monkeypatch, tmp_path):
    monkeypatch.delenv("KVMSTACK_DOOR", raising=False)
    with pytest.raises(InvalidRequest, match="KVMSTACK_DOOR"):
        application()
    (tmp_path / "door.yml").write_text("inventory: hosts\nstate_path: state\n")
    monkeypatch.setenv("KVMSTACK_DOOR", str(tmp_path / "door.yml"))
    assert application()
