# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be said of an account, and which words of it are secrets."""

from __future__ import annotations

import os

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.cloud.definition import parse, secrets
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest

AUTH = {"auth_url": "https://k.example.org", "username": "ann", "password": "hidden"}


@pytest.mark.parametrize(
    ("value", "definition"),
    [
        pytest.param("demo", "demo", id="a name"),
        pytest.param(" demo ", "demo", id="a name with spaces around it"),
        pytest.param(None, None, id="left out"),
        pytest.param("", None, id="an empty text"),
        pytest.param({}, None, id="an empty mapping"),
        pytest.param({"auth": {"password": ""}, "auth_type": None}, None, id="a mapping that says nothing"),
        pytest.param({"auth": AUTH}, {"auth": AUTH}, id="a mapping"),
        pytest.param('{"auth": {"username": "ann"}}', {"auth": {"username": "ann"}}, id="a mapping as JSON"),
        pytest.param({"auth": {**AUTH, "token": None}}, {"auth": AUTH}, id="a key left out"),
        pytest.param({"auth": {"password": 1234}}, {"auth": {"password": "1234"}}, id="a number that is a text"),
        pytest.param({"verify": "no"}, {"verify": False}, id="a truth as Ansible writes it"),
        pytest.param({"verify": 0}, {"verify": False}, id="a truth as a number"),
        pytest.param({"cacert": "~/ca.pem"}, {"cacert": os.path.expanduser("~/ca.pem")}, id="a path"),
        pytest.param({"interface": "internal"}, {"interface": "internal"}, id="an interface"),
        pytest.param(
            {"image_endpoint_override": "http://g:9292"}, {"image_endpoint_override": "http://g:9292"}, id="an endpoint"
        ),
    ],
)
@pytest.mark.parametrize("option", ["cloud", "service_cloud"])
def test_parse(option, value, definition):
    assert parse({option: value}, option) == definition


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"regoin_name": "x"}, "cloud: regoin_name is not known; what can be given is auth, "),
        ({"b": 1, "a": 2, 3: 4}, "cloud: 3, a, b is not known"),
        ({"auth": {"pasword": "hidden"}}, "cloud.auth: pasword is not known; .*password, "),
        ({"auth": "hidden"}, "cloud.auth: has to be a mapping, not a text"),
        ({"auth": {"password": ["hidden"]}}, "cloud.auth.password: has to be a text, not a list"),
        ({"auth": {"password": True}}, "cloud.auth.password: has to be a text, not true or false: quote it"),
        ({"auth": {"username": {"hidden": 1}}}, "cloud.auth.username: has to be a text, not a mapping"),
        ({"region_name": 1.5}, "cloud.region_name: has to be a text, not a number"),
        ({"verify": "hidden"}, "cloud.verify: has to be true or false, not a text"),
        ({"verify": ["hidden"]}, "cloud.verify: has to be true or false, not a list"),
        ({"interface": "hidden"}, "cloud.interface: has to be one of public, internal, admin"),
        (["hidden"], "cloud: has to be a name in clouds.yaml or a mapping, not a list"),
        (True, "cloud: has to be a name in clouds.yaml or a mapping, not true or false"),
        (5, "cloud: has to be a name in clouds.yaml or a mapping, not a number"),
        ("{hidden}", "cloud: is neither a name in clouds.yaml nor a mapping in JSON"),
        pytest.param(
            '{"a":' + "[" * 100000, "cloud: is neither a name in clouds.yaml nor a mapping in JSON", id="deep"
        ),
    ],
)
def test_what_is_wrong_is_named_and_never_shown(value, words):
    with pytest.raises(InvalidRequest, match="^" + words) as raised:
        parse({"cloud": value}, "cloud")
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize(
    ("params", "found"),
    [
        pytest.param({"cloud": "demo", "service_cloud": None}, set(), id="names have none"),
        pytest.param({"cloud": {"auth": AUTH, "region_name": "R"}}, {"hidden"}, id="the password alone"),
        pytest.param({"service_cloud": {"auth": {"token": "t"}}}, {"t"}, id="of the launcher's own account"),
        pytest.param({"cloud": {"auth": {"application_credential_secret": "s"}}}, {"s"}, id="a credential's secret"),
        pytest.param({"cloud": {"auth": {"passcode": 1234}}}, {"1234"}, id="a number"),
        pytest.param({"cloud": {"auth": {"password": ["a", {"b": "c"}]}}}, {"a", "c"}, id="of a wrong kind"),
        pytest.param({"cloud": {"deep": [{"Password": "x"}]}}, {"x"}, id="in a place that is wrong"),
        pytest.param({"cloud": {"auth": {"password": "", "token": None}}}, set(), id="nothing is no secret"),
        pytest.param({"cloud": '{"password": "x"}'}, {"x", '{"password": "x"}'}, id="a mapping as JSON"),
        pytest.param({"cloud": '{"password": "x"'}, {'{"password": "x"'}, id="JSON that is broken"),
        pytest.param({"cloud": {"password": "a\\b"}}, {"a\\b", "a\\\\b"}, id="what looks different in quotes"),
        pytest.param({"password": "x", "token": "y"}, set(), id="options have no_log of their own"),
    ],
)
def test_secrets(params, found):
    assert secrets(params) == found
