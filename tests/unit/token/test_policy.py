# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nova's policy, by role, and with the operator's rules over it."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest, Refused
from ansible_collections.kvmstack.launch.plugins.module_utils.token.model import ACTIONS, Identity
from ansible_collections.kvmstack.launch.plugins.module_utils.token.policy import check


def ann(*roles, **fields):
    return Identity("keystone", "p1", "u1", roles, "one", "ann", **fields)


def allowed(identity, action, policy_file=None):
    """Whether the policy lets this user do this."""
    try:
        check(identity, action, policy_file)
    except Refused:
        return False
    return True


@pytest.mark.parametrize(
    ("roles", "actions"),
    [
        (["reader"], {"detail"}),
        (["member", "reader"], {"create", "delete", "stop", "reboot", "rebuild", "detail"}),
        (["member"], {"create", "delete", "stop", "reboot", "rebuild"}),
        (["admin", "member", "reader"], {"create", "delete", "stop", "reboot", "rebuild", "detail", "detail_all"}),
        (["admin"], {"create", "delete", "stop", "reboot", "rebuild", "detail", "detail_all"}),
        (["MEMBER", "Reader"], {"create", "delete", "stop", "reboot", "rebuild", "detail"}),
        (["service"], set()),
        ([], set()),
    ],
)
def test_nova_s_defaults(roles, actions):
    assert {action for action in ACTIONS if allowed(ann(*roles), action)} == actions


@pytest.mark.parametrize("scope", ["domain", "system"])
def test_an_administrator_without_a_project_only_lists(scope):
    admin = Identity("keystone", None, "u1", ("admin", "member", "reader"), None, "ann", scope=scope)
    assert {action for action in ACTIONS if allowed(admin, action)} == {"detail_all"}


@pytest.mark.parametrize("scope", ["domain", "system"])
def test_a_reader_without_a_project_reads_nothing(scope):
    reader = Identity("keystone", None, "u1", ("reader",), None, "ann", scope=scope)
    assert not any(allowed(reader, action) for action in ACTIONS)


def test_the_refusal_tells_the_rule_the_roles_and_what_to_do():
    with pytest.raises(Refused) as raised:
        check(ann("reader"), "create", None)
    assert str(raised.value) == (
        "user ann in project one: the policy does not allow to launch (os_compute_api:servers:create is "
        "'rule:project_member_or_admin'); the roles are: reader; ask for the role, or log in as another user"
    )


def test_access_rules_come_with_the_policy():
    assert not allowed(ann("member", access_rules=()), "create")


@pytest.mark.parametrize(
    ("text", "roles", "action", "expected"),
    [
        pytest.param(
            '"os_compute_api:servers:create": "role:boss"', ["member"], "create", False, id="a role of its own"
        ),
        pytest.param('"os_compute_api:servers:create": "role:boss"', ["boss"], "create", True, id="who has it may"),
        pytest.param('"os_compute_api:servers:create": "role:boss"', ["member"], "delete", True, id="others stay"),
        pytest.param('"os_compute_api:servers:create": "!"', ["admin"], "create", False, id="nobody"),
        pytest.param('"os_compute_api:servers:detail:get_all_tenants": "@"', [], "detail_all", True, id="anybody"),
        pytest.param('"context_is_admin": "role:root"', ["admin"], "detail_all", False, id="who is admin"),
        pytest.param('"os_compute_api:servers:create": "project_id:p2"', ["admin"], "create", False, id="project"),
        pytest.param('"os_compute_api:servers:create": "user_id:%(user_id)s"', [], "create", True, id="user"),
        pytest.param('"os_compute_api:os-keypairs:index": "!"', ["member"], "create", True, id="other rules"),
        pytest.param('{"os_compute_api:servers:create": "role:boss"}', ["member"], "create", False, id="JSON"),
        pytest.param('"os_compute_api:servers:create": "role:a and ("', ["a"], "create", False, id="not understood"),
        pytest.param("# only a comment", ["member"], "create", True, id="nothing"),
    ],
)
def test_the_operator_s_file(tmp_path, text, roles, action, expected):
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    assert allowed(ann(*roles), action, str(path)) is expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "No such file"),
        ("- a list\n", "YAML"),
        ("a: [b\n", "YAML"),
        ('"os_compute_api:servers:create": "rule:nowhere"', "correct these rules"),
        ('"os_compute_api:servers:create": 7', "YAML"),
    ],
)
def test_a_file_that_is_no_policy(tmp_path, text, complaint):
    path = tmp_path / "policy.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InvalidRequest, match="policy file .*policy.yaml.*" + complaint):
        check(ann("admin"), "create", str(path))


def test_no_other_file_is_read(tmp_path, monkeypatch):
    home = tmp_path / ".kvmstack"
    home.mkdir()
    (home / "policy.yaml").write_text('"os_compute_api:servers:create": "@"')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(home)
    assert not allowed(ann("reader"), "create")
