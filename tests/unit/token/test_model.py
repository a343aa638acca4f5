# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who launches: nobody's word, or Keystone's document of a token."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest, Refused
from ansible_collections.kvmstack.launch.plugins.module_utils.token.model import (
    check_access_rules,
    check_project,
    check_scope,
    embedded_identity,
    identity_of,
)

TOKEN = {
    "user": {"id": "u1", "name": "ann", "domain": {"id": "default", "name": "Default"}},
    "roles": [{"id": "r1", "name": "reader"}, {"id": "r2", "name": "member"}],
    "issued_at": "2026-11-22T18:00:00.000000Z",
    "expires_at": "2026-11-22T19:00:00.000000Z",
}
PROJECT = {**TOKEN, "project": {"id": "p1", "name": "one", "domain": {"id": "d1", "name": "Staff"}}}
DOMAIN = {**TOKEN, "domain": {"id": "d1", "name": "Staff"}}
SYSTEM = {**TOKEN, "system": {"all": True}}


def test_without_an_identity_service_who_launches_may_do_everything():
    identity = embedded_identity("p", "ada")
    assert (identity.identity, identity.project_id, identity.roles) == ("none", "p", ("admin",))
    assert identity.user_id == identity.user_name == "ada"


def test_a_project_s_token():
    assert identity_of(PROJECT).to_result() == {
        "identity": "keystone",
        "project_id": "p1",
        "project_name": "one",
        "project_domain": "Staff",
        "user_id": "u1",
        "user_name": "ann",
        "user_domain": "Default",
        "roles": ("member", "reader"),
        "scope": "project",
        "domain_id": None,
        "issued_at": "2026-11-22T18:00:00.000000Z",
        "expires_at": "2026-11-22T19:00:00.000000Z",
        "request_id": None,
    }


@pytest.mark.parametrize(
    ("token", "scope", "domain", "where"),
    [
        (PROJECT, "project", None, "project one"),
        (DOMAIN, "domain", "d1", "domain d1"),
        (SYSTEM, "system", None, "the whole system"),
    ],
)
def test_what_a_token_is_for(token, scope, domain, where):
    identity = identity_of(token)
    assert (identity.scope, identity.domain_id, identity.where) == (scope, domain, where)


def test_a_token_for_nothing_is_refused():
    with pytest.raises(Refused, match="user ann: the token is for no project; name one"):
        identity_of(TOKEN)


@pytest.mark.parametrize("wanted", ["default", "p1", "one"])
def test_the_project_may_be_said_again(wanted):
    check_project(identity_of(PROJECT), wanted)


def test_another_project_is_an_error():
    with pytest.raises(InvalidRequest, match=r"project two: the token is for project one \(p1\)"):
        check_project(identity_of(PROJECT), "two")


@pytest.mark.parametrize("token", [DOMAIN, SYSTEM], ids=["domain", "system"])
@pytest.mark.parametrize("action", ["create", "delete", "detail"])
def test_without_a_project_there_is_nothing_to_do(token, action):
    with pytest.raises(Refused, match="only all projects can be listed"):
        check_scope(identity_of(token), action)


@pytest.mark.parametrize("token", [PROJECT, DOMAIN, SYSTEM])
def test_all_projects_need_no_project(token):
    check_scope(identity_of(token), "detail_all")


def credential(*rules):
    """A token of an application credential with these access rules."""
    rules = [dict(zip(("service", "method", "path"), rule)) for rule in rules]
    return identity_of({**PROJECT, "application_credential": {"id": "c1", "access_rules": rules}})


@pytest.mark.parametrize(
    ("action", "rules", "allowed"),
    [
        pytest.param("create", [("compute", "POST", "/v2.1/servers")], True, id="the very request"),
        pytest.param("create", [("compute", "POST", "/v2.1/*")], True, id="one part"),
        pytest.param("create", [("compute", "POST", "/**")], True, id="any number of parts"),
        pytest.param("create", [("image", "GET", "/**"), ("compute", "POST", "/v2.1/servers")], True, id="second rule"),
        pytest.param("delete", [("compute", "DELETE", "/v2.1/servers/{server_id}")], True, id="a name for a part"),
        pytest.param("create", [("compute", "GET", "/**")], False, id="another method"),
        pytest.param("create", [("image", "POST", "/**")], False, id="another service"),
        pytest.param("delete", [("compute", "DELETE", "/v2.1/*")], False, id="one part is not two"),
        pytest.param("create", [("compute", "POST", "/v2.1/server")], False, id="only the beginning"),
        pytest.param("create", [("compute", "POST", "/v2.1/server.")], False, id="a point is a point"),
        pytest.param("create", [], False, id="no rule"),
    ],
)
def test_an_application_credential_s_access_rules(action, rules, allowed):
    if allowed:
        check_access_rules(credential(*rules), action)
    else:
        with pytest.raises(Refused, match="no access rule of the application credential allows"):
            check_access_rules(credential(*rules), action)


def test_without_access_rules_everything_is_allowed():
    check_access_rules(identity_of({**PROJECT, "application_credential": {"id": "c1"}}), "create")
