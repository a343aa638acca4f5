# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The API behind Keystone: keystonemiddleware itself, before a server that plays Keystone."""

from __future__ import annotations

import base64
import json
import logging
from contextlib import contextmanager
from dataclasses import replace

import falcon.testing
import pytest
from keystonemiddleware.auth_token import _cache

from ansible_collections.kvmstack.launch.plugins.module_utils.api import keystone
from ansible_collections.kvmstack.launch.plugins.module_utils.api.app import made
from ansible_collections.kvmstack.launch.plugins.module_utils.api.identifiers import definition_id
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import Database
from ansible_collections.kvmstack.launch.tests.unit.api.conftest import DEFINITIONS, KEY
from ansible_collections.kvmstack.launch.tests.unit.cloud import fake
from ansible_collections.kvmstack.launch.tests.unit.cloud.conftest import cloud, params

__all__ = ["cloud", "params"]
IMAGE = definition_id("image", "demo", DEFINITIONS["images"]["demo"])
DOMAIN = {"id": "default", "name": "Default"}


class Behind:
    """An API behind Keystone, and tokens of its users."""

    def __init__(self, door, cloud):
        self.door, self.stack = door, cloud.stack

    def token(self, user="ann", project="p", roles=("member", "reader"), life=3600, **scope):
        """A new token of a user in a project."""
        stack, was = self.stack, self.stack.life
        stack.life = life
        token = "token-of-%s-in-%s-%d" % (user, project, len(stack.tokens))
        server = keystone_document(stack, user)
        stack.life = was
        if project:
            server["project"] = {"id": project, "name": "name-of-" + project, "domain": DOMAIN}
        stack.tokens[token], stack.roles_of[token] = {**server, **scope}, list(roles)
        return token

    @property
    def url(self):
        """Where Keystone and all other services are."""
        return self.door.definitions["service_cloud"]["auth"]["auth_url"].rpartition("/")[0]

    def with_services(self, **services):
        """These are the real ones."""
        self.door.definitions.update(services)
        self.door.write()

    def catalog(self, kind):
        """That of a token, with one service."""
        endpoint = {"interface": "public", "region": "RegionOne", "region_id": "RegionOne", "id": "e", "url": self.url}
        return [{"type": kind, "name": kind, "endpoints": [endpoint]}]

    def ask(self, token, method, path, body=None, version=1, **headers):
        said = {"X-Auth-Token": token} if token else {}
        return self.door.ask(method, path, body, version, **{"Host": "cloud.example:8774", **said, **headers})

    def create(self, token, name="web"):
        asked = {"name": name, "flavorRef": "small", "imageRef": IMAGE, "networks": "none"}
        return self.ask(token, "POST", "/servers", {"server": asked}, version=37)


def keystone_document(stack, user):
    """What Keystone says of a token of a user that is for nothing yet."""
    handler = object.__new__(fake.Handler)
    auth = {"identity": {"methods": ["password"], "password": {"user": {"name": user}}}}
    return fake.Handler.document(handler, stack, auth)


@pytest.fixture
def behind(doors, cloud, params):
    account = {**params["cloud"], "auth": {**params["cloud"]["auth"], "username": "nova"}}
    return Behind(doors(identity="keystone", service_cloud=account, policy_file=""), cloud)


def test_who_has_no_good_token_is_401(behind):
    for token in (None, "nonsense", behind.token(life=-10)):
        reply = behind.ask(token, "GET", "/servers")
        assert reply.status_code == 401
        assert reply.headers["WWW-Authenticate"].startswith('Keystone uri="http://127.0.0.1:')
    claims = {"X-Identity-Status": "Confirmed", "X-Project-Id": "p", "X-User-Id": "root", "X-Roles": "admin"}
    assert behind.ask(None, "GET", "/servers", **claims).status_code == 401


def test_what_a_client_says_of_itself_is_dropped(behind):
    claims = {"X-Project-Id": "q", "X-User-Id": "root", "X-Roles": "admin", "X-Is-Admin-Project": "True"}
    made = behind.create(behind.token())
    assert made.status_code == 202, made.text
    reply = behind.ask(behind.token(), "GET", "/servers/detail", **claims)
    assert [each["tenant_id"] for each in reply.json["servers"]] == ["p"]
    assert behind.ask(behind.token(), "GET", "/os-hypervisors", **claims).status_code == 403


@pytest.mark.parametrize("path", ["/", "/v2.1", "/v2.1/", "/healthcheck"])
def test_what_is_open_needs_no_token_and_no_keystone(behind, path):
    behind.stack.broken = [(500, {}, {})] * 5
    reply = behind.door.client.simulate_get(path, headers={"Host": "cloud.example"})
    assert reply.status_code == 200
    assert behind.stack.requests == []


def test_keystone_away_is_503(behind, cloud):
    behind.door.definitions["service_cloud"]["auth"]["auth_url"] = "http://127.0.0.1:1/v3"
    behind.door.write()
    reply = behind.ask("a token", "GET", "/servers")
    assert reply.status_code == 503


@pytest.mark.parametrize(
    ("account", "told"),
    [("", "launch_service_cloud: is missing"), ("nowhere", "cloud nowhere"), ({"auth": {"colour": 1}}, "colour")],
)
def test_an_account_that_is_none_is_503_in_words(behind, account, told):
    behind.door.definitions["service_cloud"] = account
    behind.door.write()
    reply = behind.ask("a token", "GET", "/servers")
    assert reply.status_code == 503
    assert told in reply.json["serviceUnavailable"]["message"]


def test_the_accounts_own_password_being_wrong_is_503_and_not_shown(behind):
    behind.door.definitions["service_cloud"]["auth"]["password"] = "wrong-password"
    behind.door.write()
    reply = behind.ask("a token", "GET", "/servers")
    assert reply.status_code == 503
    assert "wrong-password" not in reply.text


def test_a_token_is_shown_to_keystone_once_while_it_is_kept(behind):
    token = behind.token()
    for _time in range(3):
        assert behind.ask(token, "GET", "/servers").status_code == 200
    shown = [each for each in behind.stack.asked("/v3/auth/tokens") if each[0] == "GET"]
    assert [headers["X-Subject-Token"] for _method, _path, _query, headers, _body in shown] == [token]


class Memcached:
    """What several APIs keep there; in place of the middleware's own pool of clients."""

    def __init__(self):
        self.kept, self.servers = {}, []

    def __call__(self, servers, _arguments, **_options):
        self.servers.append(servers)
        return self

    @contextmanager
    def reserve(self):
        yield self

    def get(self, key):
        return self.kept.get(key)

    def set(self, key, value, time):
        self.kept[key] = value


@pytest.fixture
def memcached(monkeypatch):
    memcached = Memcached()
    monkeypatch.setattr(_cache, "_MemcacheClientPool", memcached)
    monkeypatch.setattr(keystone, "find_spec", lambda name: name == "memcache")
    return memcached


SERVERS = ("192.0.2.10:11211", "192.0.2.11:11211")


@pytest.mark.parametrize(("strategy", "is_readable"), [(None, True), ("MAC", True), ("ENCRYPT", False)])
def test_what_keystone_said_is_kept_where_all_apis_look(behind, memcached, tmp_path, strategy, is_readable):
    (tmp_path / "key").write_text("a secret\n")
    (tmp_path / "key").chmod(0o600)
    key = {"memcache_security_strategy": strategy, "memcache_secret_key_file": str(tmp_path / "key")}
    told = replace(behind.door.settings, memcached_servers=SERVERS, **(key if strategy else {}))
    token = behind.token()

    def ask():
        """Of an API that has been started anew."""
        behind.door.client = falcon.testing.TestClient(made(told))
        assert behind.ask(token, "GET", "/servers").status_code == 200
        return len([each for each in behind.stack.asked("/v3/auth/tokens") if each[0] == "GET"])

    assert [ask(), ask()] == [1, 1]
    assert memcached.servers == [list(SERVERS)] * 2
    [(name, value)] = memcached.kept.items()
    text = base64.b64decode(value) if strategy else value
    assert (token in name, b"id-of-ann" in text, b"a secret" in text) == (False, is_readable, False)
    if strategy:
        memcached.kept[name] = value[::-1]
        assert ask() == 2, "what somebody else has written there is not believed"


@pytest.mark.parametrize(
    ("library", "mode", "told"),
    [(False, 0o600, "the API lacks the library python-memcached"), (True, 0o640, "key: others may read it")],
)
def test_a_cache_that_cannot_be_is_503_in_words(behind, monkeypatch, tmp_path, library, mode, told):
    (tmp_path / "key").write_text("a secret\n")
    (tmp_path / "key").chmod(mode)
    monkeypatch.setattr(keystone, "find_spec", lambda _name: library or None)
    key = {"memcache_security_strategy": "MAC", "memcache_secret_key_file": str(tmp_path / "key")}
    settings = replace(behind.door.settings, memcached_servers=SERVERS, **key)
    behind.door.client = falcon.testing.TestClient(made(settings))
    reply = behind.ask(behind.token(), "GET", "/servers")
    assert reply.status_code == 503
    assert told in reply.json["serviceUnavailable"]["message"]
    assert "a secret" not in reply.text


def test_a_token_for_no_project_is_403(behind):
    for scope in ({"system": {"all": True}}, {"domain": DOMAIN}):
        reply = behind.ask(behind.token(project=None, roles=("admin",), **scope), "GET", "/servers")
        assert reply.status_code == 403
        assert "for no project" in reply.json["forbidden"]["message"]


@pytest.mark.parametrize(
    ("roles", "statuses"),
    [
        ((), (403, 403, 403, 403, 200, 403)),
        (("reader",), (200, 403, 403, 403, 200, 403)),
        (("member", "reader"), (200, 202, 409, 204, 200, 403)),
        (("admin",), (200, 202, 409, 204, 200, 200)),
    ],
)
def test_what_a_role_may(behind, roles, statuses):
    made = behind.create(behind.token()).json["server"]["id"]
    token = behind.token("bob", roles=roles)
    replies = (
        behind.ask(token, "GET", "/servers/" + made),
        behind.create(token, "mine"),
        behind.ask(token, "POST", "/servers/%s/action" % made, {"os-stop": None}),
        behind.ask(token, "DELETE", "/servers/" + made),
        behind.ask(token, "GET", "/flavors"),
        behind.ask(token, "GET", "/os-services"),
    )
    assert tuple(reply.status_code for reply in replies) == statuses


def test_another_projects_server_is_404(behind):
    made = behind.create(behind.token()).json["server"]["id"]
    token = behind.token("eve", "q")
    for method, path, body in (
        ("GET", "", None),
        ("DELETE", "", None),
        ("PUT", "", {"server": {"description": None}}),
        ("POST", "/action", {"os-stop": None}),
        ("GET", "/metadata", None),
        ("POST", "/metadata", {"metadata": {"a": "b"}}),
        ("GET", "/os-instance-actions", None),
        ("GET", "/os-interface", None),
        ("GET", "/os-volume_attachments", None),
        ("GET", "/ips", None),
        ("GET", "/tags", None),
    ):
        assert behind.ask(token, method, "/servers/" + made + path, body, version=26).status_code == 404, path
    assert behind.ask(token, "GET", "/servers/detail").json["servers"] == []
    assert behind.create(token).status_code == 202  # its name is free in another project


def test_only_an_administrator_sees_all_projects(behind):
    for user, project in (("ann", "p"), ("eve", "q")):
        behind.create(behind.token(user, project))
    every = {"query_string": "all_tenants=True"}
    for token, status in ((behind.token(), 403), (behind.token("root", "admin", ("admin",)), 200)):
        reply = behind.door.client.simulate_get("/v2.1/servers/detail", headers={"X-Auth-Token": token}, **every)
        assert reply.status_code == status
    assert {each["tenant_id"] for each in reply.json["servers"]} == {"p", "q"}
    mine = behind.ask(token, "GET", "/servers/detail").json["servers"]
    assert mine == []


def test_keys_are_their_users(behind, doors):
    key = {"keypair": {"name": "mine", "public_key": KEY}}
    assert behind.ask(behind.token(), "POST", "/os-keypairs", key).status_code == 200
    eve, root = behind.token("eve"), behind.token("root", roles=("admin",))
    assert behind.ask(eve, "GET", "/os-keypairs").json["keypairs"] == []
    asked = {"query_string": "user_id=id-of-ann"}
    for token, status in ((eve, 403), (root, 200)):
        headers = {"X-Auth-Token": token, "OpenStack-API-Version": "compute 2.10"}
        reply = behind.door.client.simulate_get("/v2.1/os-keypairs", headers=headers, **asked)
        assert reply.status_code == status
    assert [each["keypair"]["name"] for each in reply.json["keypairs"]] == ["mine"]


def test_quotas_are_each_projects(doors, cloud, params):
    account = {**params["cloud"], "auth": {**params["cloud"]["auth"], "username": "nova"}}
    door = doors(identity="keystone", service_cloud=account, quotas={"instances": 1})
    behind = Behind(door, cloud)
    ann, eve = behind.token(), behind.token("eve", "q")
    assert behind.create(ann).status_code == 202
    refused = behind.create(ann, "more")
    assert refused.status_code == 403
    assert "instances" in refused.json["forbidden"]["message"]
    assert behind.create(eve).status_code == 202
    assert behind.ask(ann, "GET", "/limits").json["limits"]["absolute"]["totalInstancesUsed"] == 1
    assert behind.ask(ann, "GET", "/os-quota-sets/p").status_code == 200
    assert behind.ask(ann, "GET", "/os-quota-sets/q").status_code == 403


def test_the_sites_policy_knows_whose_a_server_is(behind, tmp_path):
    """A server is its user's alone there, also among those of a project."""
    path = tmp_path / "policy.yaml"
    path.write_text('"os_compute_api:servers:delete": "user_id:%(user_id)s"')
    behind.door.definitions["policy_file"] = str(path)
    behind.door.write()
    made = behind.create(behind.token()).json["server"]["id"]
    assert behind.ask(behind.token("bob"), "DELETE", "/servers/" + made).status_code == 403
    assert behind.ask(behind.token(), "DELETE", "/servers/" + made).status_code == 204


def test_access_rules_of_an_application_credential_hold(behind):
    rules = [{"id": "1", "service": "compute", "method": "GET", "path": "/v2.1/servers"}]
    service = {"type": "compute", "name": "nova", "endpoints": []}
    credential = {"application_credential": {"id": "c", "access_rules": rules}, "catalog": [service]}
    token = behind.token(**credential)
    assert behind.ask(token, "GET", "/servers").status_code == 200
    assert behind.ask(token, "GET", "/servers/detail").status_code == 401


def test_who_asks_is_recorded_and_the_token_is_nowhere(behind, caplog, capfd):
    token = behind.token()
    made = behind.create(token)
    database = Database(behind.door.url)
    with database.reading() as connection:
        [row] = connection.execute(database.tables.instances.select()).all()
        [request] = connection.execute(database.tables.requests.select()).all()
        [action] = connection.execute(database.tables.instance_actions.select()).all()
        everything = [
            list(connection.execute(each.select())) for each in database.tables.instances.metadata.sorted_tables
        ]
    assert (row.user_id, row.user_name, row.project_id, row.project_name) == ("id-of-ann", "ann", "p", "name-of-p")
    assert (request.project_id, action.user_id) == ("p", "id-of-ann")
    assert request.request_id == action.request_id == made.headers["x-openstack-request-id"]
    assert token not in repr(everything)
    assert token not in made.text + json.dumps(dict(made.headers))
    told = capfd.readouterr()
    assert token not in told.out + told.err + caplog.text


def test_an_action_is_recorded_with_who_asked_for_it(behind):
    made = behind.create(behind.token()).json["server"]["id"]
    root = behind.token("root", "admin", ("admin",))
    assert behind.ask(root, "DELETE", "/servers/" + made).status_code == 204
    told = behind.ask(root, "GET", "/servers/%s/os-instance-actions" % made).json["instanceActions"]
    assert [(each["action"], each["user_id"]) for each in told] == [("delete", "id-of-root"), ("create", "id-of-ann")]
    shown = behind.ask(root, "GET", "/servers/" + made).json["server"]
    assert (shown["user_id"], shown["tenant_id"]) == ("id-of-ann", "p")


GLANCE = {
    "id": "0c1b2a3d-0000-4000-8000-000000000001", "name": "debian", "status": "active", "container_format": "bare",
    "disk_format": "qcow2", "size": 5, "os_hash_algo": "sha512", "os_hash_value": "0" * 128,
    "min_ram": 0, "min_disk": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "status", "told"),
    [
        pytest.param([(200, GLANCE)], 202, "", id="one that there is"),
        pytest.param([(404, {})], 400, "Image 0c1b2a3d-0000-4000-8000-000000000001 could not be found.", id="none"),
        pytest.param([(200, {**GLANCE, "status": "queued"})], 400, "is queued, not active", id="one without data"),
        pytest.param([(200, {**GLANCE, "min_ram": 9999})], 400, "image debian needs 9999", id="one for larger flavors"),
        pytest.param([(200, {**GLANCE, "min_disk": 99})], 400, "image debian needs 99", id="one for larger disks"),
        pytest.param([(500, {})], 503, "see its log", id="nobody knows"),
        pytest.param([(302, {})], 503, "see its log", id="nobody follows to elsewhere"),
    ],
)
def test_an_image_is_looked_up_as_who_asks_sees_it(behind, answers, status, told):
    behind.with_services(image_service="glance")
    token = behind.token(catalog=behind.catalog("image"))
    behind.stack.answers = [(code, body, {}) for code, body in answers]
    asked = {"name": "web", "flavorRef": "small", "imageRef": GLANCE["id"], "networks": "none"}
    reply = behind.ask(token, "POST", "/servers", {"server": asked}, version=37)
    assert (reply.status_code, told in reply.text) == (status, True)
    [(method, _path, _query, headers, _body)] = behind.stack.asked("/v2/images/" + GLANCE["id"])
    assert (method, headers["X-Auth-Token"]) == ("GET", token)
    assert behind.url not in reply.text


OTHER = {**GLANCE, "id": "0c1b2a3d-0000-4000-8000-000000000002", "name": "other"}
PLACE = "https://glance.example/v2/images/%s/file"


def known(image):
    """An image of Glance as a worker's run has it."""
    return {"id": image["id"], "name": image["name"], "url": PLACE % image["id"], "checksum": "sha512:" + 128 * "0"}


def test_the_image_of_a_rebuild_is_looked_up_too_and_its_place_by_who_does_it(behind):
    behind.with_services(image_service="glance")
    token = behind.token(catalog=behind.catalog("image"))
    behind.stack.answers = [(200, GLANCE, {})]
    asked = {"name": "web", "flavorRef": "small", "imageRef": GLANCE["id"], "networks": "none"}
    made = behind.ask(token, "POST", "/servers", {"server": asked}, version=37).json["server"]["id"]
    door = behind.door
    door.definitions["images"] = {each["id"]: known(each) for each in (GLANCE, OTHER)}
    door.work("web")
    wrong = [(404, {}), (200, {**OTHER, "status": "queued"}), (200, {**OTHER, "min_disk": 99}), (500, {})]
    wrong.append((200, {**OTHER, "hw_architecture": "aarch64"}))
    path, body = "/servers/%s/action" % made, {"rebuild": {"imageRef": OTHER["id"]}}
    for (code, answer), status in zip(wrong, [400, 400, 400, 503, 400]):
        behind.stack.answers = [(code, answer, {})]
        reply = behind.ask(token, "POST", path, body)
        assert (reply.status_code, door.requests()) == (status, {}), reply.text
    behind.stack.answers = [(200, OTHER, {})]
    reply = behind.ask(token, "POST", path, body)
    assert (reply.status_code, reply.json["server"]["image"]["id"]) == (202, OTHER["id"])
    assert door.requests()["web"].entry == {"name": "web", "state": "started", "image": OTHER["id"]}
    door.work("web")
    [image] = [found["image"] for found in door.run().find().values()]
    assert (image["url"], image["name"]) == (PLACE % OTHER["id"], "other")


HERE = "0c1b2a3d-0000-4000-8000-00000000000a"
GROUP = {"security_groups": [{"id": "g"}]}


@pytest.mark.parametrize(
    ("network", "answers", "status", "told", "paths"),
    [
        pytest.param({"uuid": HERE}, [(200, {}), (200, GROUP)], 202, "", ["networks/" + HERE, "security-groups"],
                     id="what there is"),
        pytest.param({"uuid": HERE}, [(404, {})], 400, "Network %s could not be found." % HERE, ["networks/" + HERE],
                     id="no network"),
        pytest.param({"port": HERE}, [(404, {})], 400, "Port %s could not be found." % HERE, ["ports/" + HERE],
                     id="no port"),
        pytest.param({"uuid": HERE}, [(200, {}), (200, {"security_groups": []})], 400,
                     "Security group web not found.", ["networks/" + HERE, "security-groups"], id="no group"),
        pytest.param({"uuid": HERE}, [(503, {})], 503, "see its log", ["networks/" + HERE], id="nobody knows"),
    ],
)  # fmt: skip
def test_networks_are_looked_up_as_who_asks_sees_them(behind, network, answers, status, told, paths):
    behind.with_services(network_service="neutron")
    token = behind.token(catalog=behind.catalog("network"))
    behind.stack.answers = [(code, body, {}) for code, body in answers]
    asked = {"name": "web", "flavorRef": "small", "imageRef": IMAGE, "networks": [network]}
    reply = behind.ask(token, "POST", "/servers", {"server": {**asked, "security_groups": [{"name": "web"}]}})
    assert (reply.status_code, told in reply.text) == (status, True)
    asked_for = [path for _method, path, _query, _headers, _body in behind.stack.requests if path.startswith("/v2.0/")]
    assert asked_for == ["/v2.0/" + path for path in paths]


@pytest.mark.parametrize(
    ("own", "shared", "status", "networks"),
    [
        ([HERE], [], 202, [{"network": HERE, "security_groups": ["web"]}]),
        ([], [HERE], 202, [{"network": HERE, "security_groups": ["web"]}]),
        ([], [], 202, []),
        (["a"], ["b"], 409, None),
    ],
)
def test_without_a_network_it_is_the_only_one_that_neutron_shows(behind, own, shared, status, networks):
    behind.with_services(network_service="neutron")
    token = behind.token(catalog=behind.catalog("network"))
    lists = [{"networks": [{"id": each} for each in found]} for found in (own, shared)]
    behind.stack.answers = [(200, body, {}) for body in [*lists, *([GROUP] if networks else [])]]
    asked = {"name": "web", "flavorRef": "small", "imageRef": IMAGE, "security_groups": [{"name": "web"}]}
    assert behind.ask(token, "POST", "/servers", {"server": asked}).status_code == status
    first = behind.stack.asked("/v2.0/networks")[0]
    assert (first[2]["tenant_id"], first[2]["shared"]) == (["p"], ["False"])
    if networks is not None:
        assert behind.door.requests()["web"].entry["networks"] == networks


def test_who_is_shown_no_networks_is_not_launched_without(behind):
    behind.with_services(network_service="neutron")
    behind.stack.answers = [(403, {}, {})]
    asked = {"name": "web", "flavorRef": "small", "imageRef": IMAGE}
    token = behind.token(catalog=behind.catalog("network"))
    assert behind.ask(token, "POST", "/servers", {"server": asked}).status_code == 503


def test_what_is_no_id_is_no_path(behind):
    behind.with_services(network_service="neutron")
    token = behind.token(catalog=behind.catalog("network"))
    asked = {"name": "web", "flavorRef": "small", "imageRef": IMAGE, "networks": [{"uuid": ".."}]}
    assert behind.ask(token, "POST", "/servers", {"server": asked}).status_code == 400
    assert not [path for _method, path, *_rest in behind.stack.requests if path.startswith("/v2.0")]


def test_a_group_without_a_name_is_passed_over(behind):
    behind.with_services(network_service="neutron")
    behind.stack.answers = [(200, {"networks": [{"id": HERE}]}, {}), (200, {"networks": []}, {})]
    asked = {"name": "web", "flavorRef": "small", "imageRef": IMAGE, "security_groups": [{}]}
    token = behind.token(catalog=behind.catalog("network"))
    assert behind.ask(token, "POST", "/servers", {"server": asked}).status_code == 202
    assert behind.door.requests()["web"].entry["networks"] == [{"network": HERE}]
    for _method, path, _query, headers, _body in behind.stack.requests:
        if path.startswith("/v2.0"):
            assert (headers["X-Auth-Token"], headers.get("X-Service-Token")) == (token, None)


def test_a_catalog_without_glance_is_503(behind):
    behind.with_services(image_service="glance")
    asked = {"name": "web", "flavorRef": "small", "imageRef": GLANCE["id"], "networks": "none"}
    assert behind.ask(behind.token(), "POST", "/servers", {"server": asked}, version=37).status_code == 503


def test_nobody_is_let_in_beside_the_middleware(behind, monkeypatch):
    """As when it would not be there: what it says is in no header that a client can send."""
    claims = {"X-Identity-Status": "Confirmed", "X-Project-Id": "p", "X-User-Id": "root", "X-Roles": "admin"}
    monkeypatch.setattr(keystone, "Keystone", lambda _site, api: api)
    client = falcon.testing.TestClient(made(behind.door.settings))
    assert client.simulate_get("/v2.1/servers", headers=claims).status_code == 401


def test_what_the_middleware_is_told(params):
    told = keystone.options(
        {"service_cloud": {**params["cloud"], "verify": False, "region_name": "R", "cacert": "/ca"}}
    )
    assert (told["auth_type"], told["username"], told["project_name"]) == ("password", "ann", "one")
    assert (told["insecure"], told["region_name"], told["cafile"]) == (True, "R", "/ca")
    assert told["delay_auth_decision"] is False
    logging.getLogger("keystonemiddleware").handlers[:] = []
