# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An account, its token and its services, against a server that answers as Keystone does."""

from __future__ import annotations

import json
import logging
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from ansible_collections.kvmstack.launch.plugins.module_utils.cloud import account
from ansible_collections.kvmstack.launch.plugins.module_utils.cloud.session import connect
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    Refused,
    Unavailable,
)
from ansible_collections.kvmstack.launch.tests.unit.cloud.fake import PASSWORD, with_entry

UNAVAILABLE = (503, {"message": "busy"})


def kept(params):
    """The files of tokens."""
    return sorted(Path(params["private_path"]).glob("*"))


def network(params):
    return connect(params).api("network")


# --- Who ---


def test_connecting_asks_nothing(cloud, params):
    connect(params)
    assert cloud.stack.requests == []
    assert not os.path.exists(params["private_path"])


def test_whose_token_it_is(params):
    found = connect(params)
    assert (found.project_id, found.project_name, found.user_id, found.user_name) == ("p1", "one", "id-of-ann", "ann")
    assert found.roles == ("member", "reader")


def write_clouds(cloud, params, **more):
    auth = {name: value for name, value in params["cloud"]["auth"].items() if value}
    definition = {"auth": auth, "region_name": "RegionOne", **more}
    nova = {**definition, "auth": {**auth, "username": "nova", "project_name": "service"}}
    Path("clouds.yaml").write_text(yaml.safe_dump({"clouds": {"demo": definition, "launcher": nova}}))
    return {**params, "cloud": "demo"}


def test_a_cloud_of_clouds_yaml(cloud, params):
    assert connect(write_clouds(cloud, params)).user_name == "ann"


def test_a_cloud_of_clouds_yaml_says_which_endpoints_are_used(cloud, params):
    with pytest.raises(NotFound, match="interface internal, region RegionOne"):
        network(write_clouds(cloud, params, interface="internal"))


def test_a_mapping_over_a_cloud_of_clouds_yaml_says_what_is_otherwise(cloud, params):
    other = {"cloud": "demo", "auth": {"project_id": "p2"}}
    assert connect({**write_clouds(cloud, params), "cloud": other}).user_name == "ann"
    [login] = cloud.stack.asked("/v3/auth/tokens")
    assert login[4]["auth"]["scope"] == {"project": {"id": "p2"}}
    with pytest.raises(InvalidRequest, match="cloud nowhere"):
        connect({**params, "cloud": {**other, "cloud": "nowhere"}})


def test_a_mapping_says_where_a_service_is(params):
    found = connect(with_entry(params, block_storage_endpoint_override="http://elsewhere:8776/v3/p1"))
    assert found.api("block-storage").endpoint == "http://elsewhere:8776/v3/p1"


@pytest.mark.parametrize("nothing", [None, "", {}, {"auth": {}, "region_name": ""}])
def test_the_environment(monkeypatch, params, nothing):
    for name, value in params["cloud"]["auth"].items():
        if value:
            monkeypatch.setenv("OS_" + name.upper(), value)
    assert connect({**params, "cloud": nothing}).user_name == "ann"


def test_with_a_mapping_the_environment_plays_no_part(monkeypatch, params):
    monkeypatch.setenv("OS_USERNAME", "mallory")
    monkeypatch.setenv("OS_CLOUD", "elsewhere")
    monkeypatch.setenv("OS_PROJECT_ID", "p9")
    assert connect(params).user_name == "ann"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"cloud": "nowhere"}, "cloud nowhere: .*nowhere.* was not found.*; correct clouds.yaml"),
        ({"cloud": {"auth": {"username": "ann"}}}, "the given account: .*auth_url.*; correct the mapping"),
        ({"cloud": {"auth_type": "nonsense", "auth": {"username": "ann"}}}, "nonsense"),
        ({"cloud": {"auth_type": "none", "auth": {"username": "ann"}}}, "the given account"),
        (
            {"cloud": {"auth_type": "http_basic", "auth": {"username": "ann", "password": "p"}}},
            "http_basic gives no token",
        ),
        ({"cloud": None}, "the environment's account: .*; correct the OS_"),
        ({"service_cloud": "nowhere"}, "cloud nowhere"),
    ],
)
def test_a_definition_that_is_wrong(params, change, complaint):
    with pytest.raises(InvalidRequest, match=complaint):
        connect({**params, **change})


def test_an_application_credential(cloud, params):
    auth = {"auth_url": cloud.url, "application_credential_id": "c1", "application_credential_secret": PASSWORD}
    assert connect(with_entry(params, auth=auth, auth_type="v3applicationcredential")).project_id == "p1"
    assert cloud.stack.asked("/v3/auth/tokens")[0][4]["auth"]["identity"]["methods"] == ["application_credential"]


@pytest.mark.parametrize(("said", "scope"), [({"system_scope": "all"}, "system"), ({"domain_id": "d1"}, "domain")])
def test_other_scopes(cloud, params, said, scope):
    auth = {name: params["cloud"]["auth"][name] for name in ("auth_url", "username", "password", "user_domain_name")}
    assert connect(with_entry(params, auth={**auth, **said})).project_id is None
    assert list(cloud.stack.asked("/v3/auth/tokens")[0][4]["auth"]["scope"]) == [scope]


# --- The token ---


def test_the_token_s_file(cloud, params):
    token = connect(params).token
    [path] = kept(params)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert token in path.read_text()
    assert PASSWORD not in path.read_text()


def test_a_second_task_makes_no_token_and_writes_nothing(cloud, params):
    network(params).get("x", "x")
    [path] = kept(params)
    before = path.stat().st_ctime_ns
    network(params).get("x", "x")
    assert (cloud.stack.logins, path.stat().st_ctime_ns) == (1, before)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", "null", '{"body": {}, "auth_token": "a"}', '{"body": {"token": 7}, "auth_token": "a"}'],
)
def test_a_broken_file_is_as_good_as_none(cloud, params, content):
    connect(params).user_id  # noqa: B018
    [path] = kept(params)
    path.write_text(content)
    assert connect(params).user_name == "ann"
    assert cloud.stack.logins == 2
    connect(params).user_id  # noqa: B018
    assert cloud.stack.logins == 2


def test_a_token_that_soon_expires_is_renewed(cloud, params):
    cloud.stack.life = 100
    first = connect(params).token
    cloud.stack.life = 3600
    second = connect(params).token
    assert first != second == connect(params).token


def test_a_token_that_was_revoked_is_renewed_in_the_middle(cloud, params):
    api = network(params)
    api.get("x", "x")
    cloud.stack.tokens.clear()
    assert api.post("x", {"a": 1}, "x") == {"method": "POST", "said": {"a": 1}}
    assert [request[0] for request in cloud.stack.asked("/v2.0/x")] == ["GET", "POST", "POST"]
    network(params).get("x", "x")
    assert cloud.stack.logins == 2


def test_threads_share_one_new_token(cloud, params):
    api = network(params)
    api.get("x", "x")
    cloud.stack.tokens.clear()
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda number: api.put("x", number, "x")["said"], range(40)))
    assert said == list(range(40))
    assert cloud.stack.logins == 2


def test_a_token_is_renewed_once(cloud, params):
    api = network(params)
    cloud.stack.answers = [(401, {"error": {"message": "no", "code": 401}})] * 2
    with pytest.raises(Refused, match=r"thing: Neutron says: no \(401, request id req-1234\)"):
        api.get("x", "thing")
    assert cloud.stack.logins == 2


@pytest.mark.parametrize("auth_type", ["v3token", "token"])
def test_a_given_token_cannot_be_renewed(cloud, params, auth_type):
    given = connect(params).token
    auth = {"auth_url": cloud.url, "token": given, "project_id": "p1"}
    api = network(with_entry(params, auth=auth, auth_type=auth_type))
    assert api.get("x", "x")["method"] == "GET"
    cloud.stack.tokens.clear()
    with pytest.raises(Refused, match=r"Failed to validate token \(404, .*; the token has ended, .* give another"):
        api.get("x", "x")


def test_accounts_scopes_and_secrets_have_files_of_their_own(cloud, params):
    auth = params["cloud"]["auth"]
    unscoped = {name: auth[name] for name in ("auth_url", "username", "password", "user_domain_name")}
    for each in (
        auth,
        {**auth, "username": "ben"},
        {**auth, "project_name": "two"},
        {**unscoped, "system_scope": "all"},
        {**unscoped, "domain_id": "d1"},
        unscoped,
    ):
        connect(with_entry(params, auth=each)).user_id  # noqa: B018
    with pytest.raises(Refused):
        connect(with_entry(params, auth={**auth, "password": "wrong"})).user_id  # noqa: B018
    assert len(kept(params)) == 6


def test_a_wrong_password(params):
    wrong = with_entry(params, auth={**params["cloud"]["auth"], "password": "not it"})
    with pytest.raises(Refused) as raised:
        connect(wrong).user_id  # noqa: B018
    assert str(raised.value) == (
        "the given account: Keystone says: The request you have made requires authentication (401, request id "
        "req-1234); see whether user, password, project and their domains are right and enabled"
    )
    assert "not it" not in str(raised.value)


def test_a_private_path_that_others_read(params):
    os.mkdir(params["private_path"], 0o755)
    with pytest.raises(InvalidRequest, match="chmod 700"):
        connect(params).user_id  # noqa: B018


# --- Services ---


@pytest.mark.parametrize(
    ("service", "path"),
    [("network", "/v2.0"), ("image", "/v2"), ("block-storage", "/v3/p1"), ("identity", "/v3")],
)
def test_urls_are_not_discovered(cloud, params, service, path):
    api = connect(params).api(service)
    assert api.endpoint == "http://127.0.0.1:%d%s" % (cloud.server_port, path)
    assert [request[1] for request in cloud.stack.requests if request[0] == "GET"] in (["/v3"], [])


@pytest.mark.parametrize("service_type", ["block-storage", "block-store", "volumev3"])
def test_block_storage_by_any_name(cloud, params, service_type):
    cloud.stack.services = [(service_type, "/v3/p1")]
    assert connect(params).api("block-storage").endpoint.endswith("/v3/p1")


def test_a_service_that_is_newer_than_the_token(cloud, params):
    cloud.stack.services = []
    connect(params).token  # noqa: B018
    cloud.stack.services = [("network", "")]
    assert network(params).get("x", "x")


def test_a_service_that_is_not_there(cloud, params):
    cloud.stack.services = [("network", "")]
    with pytest.raises(NotFound, match=r"no service image in the catalog \(interface public, region any\)"):
        connect(params).api("image")


def test_the_cloud_s_definition_goes_over_the_catalog(cloud, params):
    override = {"image_endpoint_override": cloud.url.replace("/v3", "/glance/v2/")}
    api = connect(write_clouds(cloud, params, **override)).api("image")
    assert api.endpoint.endswith("/glance/v2")
    assert api.get("images/1", "image 1")


def test_a_service_of_another_region(params):
    with pytest.raises(NotFound, match="region RegionTwo"):
        network(with_entry(params, region_name="RegionTwo"))


def test_headers(cloud, params):
    connect({**params, "request_id": "req-7"}).api("block-storage").get("volumes/1", "volume 1")
    [request] = cloud.stack.asked("/v3/p1/volumes/1")
    assert request[3]["X-OpenStack-Request-ID"] == "req-7"
    assert request[3]["OpenStack-API-Version"] == "volume 3.70"
    assert request[3]["X-Auth-Token"] in cloud.stack.tokens
    assert "X-Service-Token" not in request[3]


def test_every_verb(cloud, params):
    api = network(params)
    assert api.post("x", {"a": 1}, "x") == {"method": "POST", "said": {"a": 1}}
    assert api.put("x", {"a": 2}, "x", **{"Content-Type": "application/special"}) == {"method": "PUT", "said": {"a": 2}}
    assert api.delete("x", "x") == {"method": "DELETE", "said": None}
    assert cloud.stack.asked("/v2.0/x")[1][3]["Content-Type"] == "application/special"


def test_the_service_account_acts_and_vouches(cloud, params):
    found = connect({**write_clouds(cloud, params), "service_cloud": "launcher"})
    api = found.api("network")
    api.delete("x", "x", service_token=True)
    api.put("x", {}, "x", service_token=True)
    api.post("x", {}, "x")
    found.api("network", as_service=True).get("x", "x")
    users = [
        [
            cloud.stack.tokens[request[3][name]]["user"]["name"]
            for name in ("X-Auth-Token", "X-Service-Token")
            if name in request[3]
        ]
        for request in cloud.stack.asked("/v2.0/x")
    ]
    assert users == [["ann", "nova"], ["ann", "nova"], ["ann"], ["nova"]]


def test_both_tokens_are_renewed(cloud, params):
    params = {**write_clouds(cloud, params), "service_cloud": "launcher"}
    api = network(params)
    api.delete("x", "x", service_token=True)
    cloud.stack.tokens.clear()
    api.delete("x", "x", service_token=True)
    network(params).delete("x", "x", service_token=True)
    assert cloud.stack.logins == 4


def test_without_an_account_of_its_own_the_launcher_is_the_user(cloud, params):
    api = connect(params).api("network", as_service=True)
    api.delete("x", "x", service_token=True)
    assert "X-Service-Token" not in cloud.stack.asked("/v2.0/x")[0][3]
    cloud.stack.roles = ["service"]
    connect({**params, "private_path": params["private_path"] + "2"}).api("network").delete(
        "y", "y", service_token=True
    )
    headers = cloud.stack.asked("/v2.0/y")[0][3]
    assert headers["X-Service-Token"] == headers["X-Auth-Token"]


# --- Lists ---


def test_all_pages_in_order(params):
    assert [thing["id"] for thing in network(params).list("things", "things", "x")] == ["0", "1", "2", "3", "4"]


def test_a_filter_is_kept_to_on_all_pages(params):
    found = network(params).list("things", "things", "x", id=["1", "2", "4"])
    assert [thing["id"] for thing in found] == ["1", "2", "4"]


def test_an_empty_page_is_the_last(cloud, params):
    cloud.stack.answers = [(200, {"things": [], "next": "/v2/things?marker=7"})]
    assert network(params).list("things", "things", "x") == []
    assert len(cloud.stack.asked("/v2.0/things")) == 1


def test_a_filter_of_many_values_is_cut(cloud, params):
    wanted = [str(number) for number in range(250)]
    assert len(network(params).list("things", "things", "x", id=wanted, shared=True, name=None)) == 5
    queries = [request[2] for request in cloud.stack.asked("/v2.0/things")]
    assert [len(query["id"]) for query in queries if "marker" not in query] == [100, 100, 50]
    assert queries[0]["shared"] == ["true"]
    assert "name" not in queries[0]


def test_a_filter_of_no_values_matches_nothing(cloud, params):
    assert network(params).list("things", "things", "x", id=[]) == []
    assert network(params).list("things", "things", "x", id=[], name=["a"]) == []
    assert cloud.stack.asked("/v2.0/things") == []


@pytest.mark.parametrize("body", [{"things": [{"id": "7"}], "next": "/v2/things?marker=4"}, {"things": []}])
def test_other_services_pages(cloud, params, body):
    cloud.stack.answers = [(200, body)]
    found = network(params).list("things", "things", "x")
    assert [thing["id"] for thing in found] == (["7", "4"] if body["things"] else [])


# --- When it does not work ---


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("verb", ["get", "put", "delete"])
@pytest.mark.usefixtures("pauses")
def test_what_may_pass_is_tried_again(cloud, params, status, verb):
    cloud.stack.answers = [(status, "busy")] * 3
    body = [{}] if verb == "put" else []
    assert getattr(network(params), verb)("x", *body, "x")["method"] == verb.upper()
    assert len(cloud.stack.asked("/v2.0/x")) == 4


def test_but_not_for_ever(cloud, params, pauses):
    cloud.stack.answers = [UNAVAILABLE] * 9
    with pytest.raises(Unavailable, match=r"thing: Neutron says: busy \(503, request id req-1234\)"):
        network(params).get("x", "thing")
    assert (len(cloud.stack.asked("/v2.0/x")), pauses) == (4, [0.5, 1.0, 2.0])


def test_what_would_be_done_twice_is_not(cloud, params, pauses):
    cloud.stack.answers = [UNAVAILABLE]
    with pytest.raises(Unavailable):
        network(params).post("x", {}, "x")
    assert (len(cloud.stack.asked("/v2.0/x")), pauses) == (1, [])


@pytest.mark.parametrize(
    ("status", "error"), [(400, Conflict), (403, Refused), (404, NotFound), (409, Conflict), (501, Unavailable)]
)
def test_what_does_not_pass_is_not_tried_again(cloud, params, status, error, pauses):
    cloud.stack.answers = [(status, {"message": "no"})]
    with pytest.raises(error):
        network(params).get("x", "x")
    assert pauses == []


@pytest.mark.parametrize(("asked", "pause"), [("3", 3.0), ("0", 0.5), ("600", 10.0), ("Wed, 21 Oct 2026", 0.5)])
def test_a_service_says_when_to_come_back(cloud, params, pauses, asked, pause):
    cloud.stack.answers = [(429, "slow", {"Retry-After": asked})]
    network(params).get("x", "x")
    assert pauses == [pause]


def test_keystone_may_be_busy_too(cloud, params, pauses):
    cloud.stack.broken = [UNAVAILABLE, UNAVAILABLE]
    assert connect(params).user_name == "ann"
    assert len(pauses) == 2


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("suffix", ["/v3", ""])
def test_keystone_does_not_run(params, suffix, pauses):
    url = "http://127.0.0.1:%d%s" % (unused_port(), suffix)
    with pytest.raises(Unavailable, match="Keystone does not answer: .*; see whether it runs, and run again"):
        connect(with_entry(params, auth={**params["cloud"]["auth"], "auth_url": url})).user_id  # noqa: B018
    assert len(pauses) == 3


def test_libraries_say_nothing_beside_our_errors(params):
    """Python's logging writes what nobody handles to stderr. pytest handles everything, another process nothing."""
    script = (
        "import json, sys, time\n"
        "from %s import connect\n"
        "time.sleep = lambda seconds: None\n"
        "try:\n"
        "    connect(json.load(sys.stdin)).user_id\n"
        "except Exception as error:\n"
        "    print(type(error).__name__)\n" % connect.__module__
    )
    account = with_entry(params, auth={**params["cloud"]["auth"], "auth_url": "http://127.0.0.1:%d" % unused_port()})
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(account),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "build/collections")},
        check=False,
    )
    assert (done.stdout, done.stderr) == ("Unavailable\n", "")


def test_a_certificate_that_is_not_trusted(cloud, params):
    url = cloud.url.replace("http:", "https:")  # and plain HTTP there: no trust either
    with pytest.raises(InvalidRequest, match="SSL exception.*; give its authority's certificate as cacert"):
        connect(with_entry(params, auth={**params["cloud"]["auth"], "auth_url": url})).user_id  # noqa: B018


@pytest.mark.parametrize("verb", ["get", "post"])
def test_a_service_does_not_run(params, verb, pauses):
    api = network(params)
    api.endpoint = "http://127.0.0.1:%d" % unused_port()
    with pytest.raises(Unavailable, match="thing: Neutron does not answer"):
        getattr(api, verb)("x", *([{}] if verb == "post" else []), "thing")
    assert len(pauses) == 3


@pytest.fixture
def rude():
    """A server that takes requests, and hangs up or says nothing."""
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        ended = threading.Event()

        def hang_up():
            while not ended.is_set():
                try:
                    connection, _address = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    seen.append(connection.recv(65536))

        thread = threading.Thread(target=hang_up)
        thread.start()
        yield "http://127.0.0.1:%d" % server.getsockname()[1], seen
        ended.set()
        thread.join()


@pytest.mark.parametrize(("verb", "attempts"), [("get", 4), ("post", 1)])
@pytest.mark.usefixtures("pauses")
def test_a_lost_answer_is_not_a_reason_to_do_it_twice(params, rude, verb, attempts):
    api = network(params)
    api.endpoint, seen = rude
    with pytest.raises(Unavailable):
        getattr(api, verb)("x", *([{}] if verb == "post" else []), "x")
    assert len(seen) == attempts


def test_a_service_that_says_nothing_is_waited_for_once(params, pauses, monkeypatch):
    monkeypatch.setattr(account, "TIMEOUTS", (0.2, 0.2))
    api = network(params)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        api.endpoint = "http://127.0.0.1:%d" % silent.getsockname()[1]
        begin = time.monotonic()
        with pytest.raises(Unavailable, match="timed out"):
            api.get("x", "x")
    assert time.monotonic() - begin < 1
    assert pauses == []


def test_a_redirect_takes_the_token_nowhere(cloud, params, rude):
    url, seen = rude
    cloud.stack.answers = [(302, "", {"Location": url})]
    with pytest.raises(Conflict, match="302"):
        network(params).get("x", "x")
    assert seen == []


def test_what_is_no_json(cloud, params):
    cloud.stack.answers = [(200, "<html>log in</html>")]
    with pytest.raises(Unavailable, match=r"x: Neutron gave no JSON \(200, request id req-1234\)"):
        network(params).get("x", "x")


def test_no_log_has_a_secret(params, caplog):
    caplog.set_level(logging.DEBUG)
    found = connect(params)
    found.api("block-storage").post("attachments", {"auth_password": "a volume's secret"}, "volume")
    assert "attachments" in caplog.text
    assert not [secret for secret in (found.token, PASSWORD, "a volume's secret") if secret in caplog.text]


def test_an_empty_answer(cloud, params):
    cloud.stack.answers = [(204, None)]
    assert network(params).delete("x", "x") == {}
