# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filters that part a request; what they refuse is not shown, as it may hold secrets."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.kvmstack.launch.plugins.filter.request import (
    actions,
    images_asked,
    project_cloud,
    public_request,
    user_data,
)

SECRET = "#cloud-config: hidden"
WEB = {"name": "web", "count": 2, "image": "demo", "user_data": SECRET}
DB = {"name": "db", "image": "demo", "volumes": [{"name": "data", "size": 1, "image": "backup"}]}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        pytest.param([WEB, DB], [{"name": "web", "count": 2, "image": "demo"}, DB], id="without user_data"),
        pytest.param([{"name": 7, "count": "two"}], [{"name": 7, "count": "two"}], id="what is wrong is for the stage"),
        pytest.param([WEB, SECRET], [{"name": "web", "count": 2, "image": "demo"}, None], id="what is no mapping"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_public_request(entries, expected):
    assert public_request(entries) == expected


@pytest.mark.parametrize(
    ("entries", "documents", "expected"),
    [
        pytest.param([WEB, DB], None, {"web-1": SECRET, "web-2": SECRET}, id="of every instance that an entry is"),
        pytest.param([{**WEB, "count": "2"}], None, {"web-1": SECRET, "web-2": SECRET}, id="a count given as text"),
        pytest.param([WEB, DB], [{"name": "web-2"}], {"web-2": SECRET}, id="only of a host's own"),
        pytest.param([WEB], [{"name": "db"}], None, id="a host without any"),
        pytest.param([WEB], [], None, id="a host without instances"),
        pytest.param([{**DB, "user_data": ""}], None, {"db": ""}, id="an empty one is one"),
        pytest.param([{**DB, "user_data": b"\x1f\x8b"}], None, {"db": "\x1f\udc8b"}, id="bytes"),
        pytest.param(
            [{**DB, "user_data": {(1, 2): object}}], None, {"db": False}, id="what is no text is refused later"
        ),
        pytest.param(
            [{**DB, "user_data": "x"}, {**WEB, "count": "two"}, "web", {**WEB, "name": 7}],
            None,
            {"db": "x"},
            id="what is wrong of others is for the stage",
        ),
        pytest.param([], None, None, id="nothing"),
    ],
)
def test_user_data(entries, documents, expected):
    assert user_data(entries, documents) == (json.dumps(expected) if expected else "")


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        pytest.param([WEB, DB], ["demo", "backup"], id="of instances and volumes, each once"),
        pytest.param([{"name": "web", "volumes": None}, {"name": "db", "image": None}], [], id="none is named"),
        pytest.param([{"image": 7, "volumes": ["data", {"image": ["x"]}]}, {"volumes": 5}, "web", DB],
                     ["demo", "backup"], id="what is wrong is for the stage"),
        pytest.param([], [], id="nothing"),
    ],
)  # fmt: skip
def test_images_asked(entries, expected):
    assert images_asked(entries) == expected


@pytest.mark.parametrize("part", [public_request, user_data, images_asked])
@pytest.mark.parametrize(
    ("entries", "message"),
    [
        pytest.param(json.dumps([WEB]), "launch_instances: is not a list", id="text, as -e gives it"),
        pytest.param(WEB, "launch_instances: is not a list", id="one instance without a list"),
        pytest.param(None, "launch_instances: is not a list", id="null"),
    ],
)
def test_what_is_no_request_is_refused_in_words(part, entries, message):
    with pytest.raises(AnsibleFilterError, match=message) as refusal:
        part(entries)
    assert "hidden" not in str(refusal.value)


ACCOUNT = {"auth": {"auth_url": "u", "username": "nova", "project_name": "service", "project_domain_name": "Default"}}


@pytest.mark.parametrize(
    ("account", "clouds", "expected"),
    [
        pytest.param("nova", {}, {"cloud": "nova", "auth": {"project_id": "p"}}, id="a name"),
        pytest.param(
            {**ACCOUNT, "region_name": "R"},
            None,
            {"auth": {"auth_url": "u", "username": "nova", "project_id": "p"}, "region_name": "R"},
            id="a mapping",
        ),
        pytest.param(
            json.dumps(ACCOUNT), {}, {"auth": {"auth_url": "u", "username": "nova", "project_id": "p"}}, id="a text"
        ),
        pytest.param("nova", {"p": "theirs", "q": "others"}, "theirs", id="the project's own"),
        pytest.param("", {"p": ACCOUNT}, ACCOUNT, id="and no other"),
    ],
)
def test_a_projects_account(account, clouds, expected):
    assert project_cloud(account, "p", clouds) == expected


@pytest.mark.parametrize(
    ("account", "clouds", "told"),
    [
        pytest.param("", {}, "launch_service_cloud: is missing: requests of project p", id="none"),
        pytest.param({"auth": {"secret": "hidden"}}, {}, "launch_service_cloud.auth: secret is not known", id="wrong"),
        pytest.param("nova", ["theirs"], "launch_project_clouds: has to be a mapping", id="no mapping"),
    ],
)
def test_an_account_that_is_none(account, clouds, told):
    with pytest.raises(AnsibleFilterError, match=told) as raised:
        project_cloud(account, "p", clouds)
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([None, "started"], ["create"]),
        (["stopped", "reset"], ["create", "stop", "reboot"]),
        (["rebuilt", "absent"], ["create", "rebuild", "delete"]),
    ],
)
def test_what_a_request_needs_a_right_for(states, expected):
    assert actions([{"name": "web", "state": state} for state in states], "present") == expected
