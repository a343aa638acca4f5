# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stage: the token is shown to Keystone, and what Keystone says of it to the policy."""

from __future__ import annotations

import getpass

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.cloud.session import connect
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest, Refused
from ansible_collections.kvmstack.launch.plugins.module_utils.token.keystone import establish
from ansible_collections.kvmstack.launch.tests.unit.cloud.fake import with_entry


def test_nobody_is_asked(cloud, params):
    identity = establish({**params, "identity": "none"})
    assert (identity.identity, identity.user_id) == ("none", getpass.getuser())
    assert establish({**params, "identity": "none", "user_id": "ada"}).user_id == "ada"
    assert cloud.stack.requests == []


def test_the_token_is_shown_at_every_run(cloud, params):
    for _run in range(2):
        identity = establish(params)
        assert (identity.project_id, identity.user_name, identity.scope) == ("p1", "ann", "project")
    shown = [request for request in cloud.stack.asked("/v3/auth/tokens") if request[0] == "GET"]
    assert (len(shown), cloud.stack.logins) == (2, 1)
    assert all(request[3]["X-Subject-Token"] in cloud.stack.tokens for request in shown)


def test_the_result_has_no_token(cloud, params):
    result = str(establish(params).to_result())
    assert not [token for token in cloud.stack.tokens if token in result]


def test_roles_are_those_of_now(cloud, params):
    establish(params)
    cloud.stack.roles = ["reader"]
    with pytest.raises(Refused, match="user ann in project one: the policy does not allow to launch"):
        establish(params)
    assert establish({**params, "actions": ["detail"]}).roles == ("reader",)
    assert cloud.stack.logins == 1


def test_who_launches_for_others_is_no_administrator(cloud, params):
    establish({**params, "on_behalf": True})
    cloud.stack.roles = ["admin", "member", "reader"]
    assert establish(params).user_name == "ann"
    with pytest.raises(Refused, match="launches for others and is an administrator there.*member in place of admin"):
        establish({**params, "on_behalf": True})


def test_a_token_that_was_revoked_is_replaced(cloud, params):
    establish(params)
    cloud.stack.tokens.clear()
    assert establish(params).user_name == "ann"


def test_the_launcher_s_own_account_asks(cloud, params, tmp_path):
    (tmp_path / "clouds.yaml").write_text(
        '{clouds: {launcher: {auth: {auth_url: "%s", username: nova, password: "%s", project_name: service, '
        "user_domain_name: Default, project_domain_name: Default}}}}" % (cloud.url, params["cloud"]["auth"]["password"])
    )
    params = {**params, "service_cloud": "launcher"}
    assert establish(params).user_name == "ann"
    tokens = cloud.stack.tokens
    [shown] = [request[3] for request in cloud.stack.asked("/v3/auth/tokens") if request[0] == "GET"]
    assert [tokens[shown[name]]["user"]["name"] for name in ("X-Auth-Token", "X-Subject-Token")] == ["nova", "ann"]
    [mine] = [token for token in tokens if tokens[token]["user"]["name"] == "ann"]
    del tokens[mine]
    assert establish(params).user_name == "ann"


@pytest.mark.parametrize("auth_type", ["v3token", "token"])
def test_a_given_token_that_is_no_longer_good(cloud, params, auth_type):
    auth = {"auth_url": cloud.url, "token": connect(params).token, "project_id": "p1"}
    params = with_entry(params, auth=auth, auth_type=auth_type)
    establish(params)
    cloud.stack.tokens.clear()
    with pytest.raises(Refused, match="the token has ended, .* and cannot be renewed: give another"):
        establish(params)


def test_an_unscoped_token(params):
    auth = {name: params["cloud"]["auth"][name] for name in ("auth_url", "username", "password", "user_domain_name")}
    with pytest.raises(Refused, match="the token is for no project; name one"):
        establish(with_entry(params, auth=auth))


def test_another_project_than_the_token_s(params):
    with pytest.raises(InvalidRequest, match="project two: the token is for project one"):
        establish({**params, "project_id": "two"})


def test_access_rules_are_kept_to(cloud, params):
    cloud.stack.access_rules = [{"id": "r", "service": "compute", "method": "GET", "path": "/v2.1/servers/detail"}]
    assert establish({**params, "actions": ["detail"]}).project_id == "p1"
    with pytest.raises(Refused, match="add one: service compute, POST /v2.1/servers"):
        establish(params)
    [shown, *_more] = [request[3] for request in cloud.stack.asked("/v3/auth/tokens") if request[0] == "GET"]
    assert shown["OpenStack-Identity-Access-Rules"] == "1.0"


def test_the_operator_s_policy(params, tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text('"os_compute_api:servers:create": "role:manager"')
    with pytest.raises(
        Refused, match=r"os_compute_api:servers:create is 'role:manager'\); the roles are: member, reader"
    ):
        establish({**params, "policy_file": str(path)})
