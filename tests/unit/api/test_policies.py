# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every address has a rule, and the rules are nova's."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.api import acting, policies, routes
from ansible_collections.kvmstack.launch.plugins.module_utils.api.identity import Identity
from ansible_collections.kvmstack.launch.plugins.module_utils.api.permit import Permits
from ansible_collections.kvmstack.launch.plugins.module_utils.api.routes import ROUTES
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Unavailable
from ansible_collections.kvmstack.launch.plugins.module_utils.token.model import RULES

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SERVED = [
    (method, "/v2.1" + path)
    for path, kind, suffix in ROUTES
    for method in METHODS
    if hasattr(kind, "_".join(filter(None, ("on", method.lower(), suffix))))
]


@pytest.mark.parametrize(("method", "template"), SERVED)
def test_every_address_has_a_rule(method, template):
    if (method, template) != ("POST", policies.ACTION):
        assert policies.rule_of(method, template) in policies.RULES


def test_every_rule_of_an_address_is_asked_for():
    assert {(method, "/v2.1" + address) for method, address, _rule, _default in policies.ADDRESSES} <= set(SERVED)


@pytest.mark.parametrize("action", sorted({*acting.ACTIONS, *acting.CANNOT}))
def test_every_action_has_a_rule(action):
    assert policies.rule_of_action(action) in policies.RULES


def test_a_rule_has_one_default():
    said = {}
    for _method, _address, rule, default in policies.ADDRESSES:
        assert said.setdefault(rule, default) == default
    for rule, default in policies.ACTIONS.values():
        assert said.setdefault(rule, default) == default


def test_no_address_is_there_twice():
    found = [(method, address) for method, address, _rule, _default in policies.ADDRESSES]
    assert len(found) == len(set(found))


def test_a_launch_and_the_api_have_the_same_rules():
    assert {name: policies.RULES[name] for name in RULES} == RULES


@pytest.mark.parametrize(
    ("method", "template", "rule"),
    [
        ("GET", "/metrics", "kvmstack:metrics"),
        ("POST", "/metrics", None),
        ("GET", "/metricsx", None),
        ("GET", "/v2.1/nothing", None),
        ("DELETE", "/v2.1/servers", None),
    ],
)
def test_what_is_beside_it(method, template, rule):
    assert policies.rule_of(method, template) == rule


class Forgotten:
    def __init__(self, site):
        self.site = site

    def on_get(self, req, resp):
        resp.media = {}


def test_an_address_that_nobody_thought_of_is_refused(doors, monkeypatch):
    monkeypatch.setattr(routes, "ROUTES", (*ROUTES, ("/forgotten", Forgotten, None)))
    door = doors()
    reply = door.ask("GET", "/forgotten")
    assert reply.status_code == 403
    assert reply.json["forbidden"]["message"] == "No rule of the policy is for GET /v2.1/forgotten."
    assert door.ask("DELETE", "/forgotten").status_code == 405


def ann(*roles, path=""):
    found = Identity("p", "u", roles=roles, policy=Permits().policy(path))
    return Identity("p", "u", roles=roles, policy=found.policy, is_admin=found.may("context_is_admin"))


SHOW, CREATE, MIGRATE = (
    policies.NOVA + each for each in ("servers:show", "servers:create", "os-migrate-server:migrate")
)
KEYS = policies.NOVA + "os-keypairs:index"


@pytest.mark.parametrize(
    ("roles", "rules"),
    [
        ([], {KEYS}),
        (["reader"], {KEYS, SHOW}),
        (["member"], {KEYS, CREATE}),
        (["reader", "member"], {KEYS, SHOW, CREATE}),
        (["manager"], {KEYS, MIGRATE}),
        (["admin"], {KEYS, SHOW, CREATE, MIGRATE, policies.ALL_FILTERS}),
        (["service"], {KEYS}),
    ],
)
def test_what_a_role_may(roles, rules):
    assert {rule for rule in (SHOW, CREATE, MIGRATE, KEYS, policies.ALL_FILTERS) if ann(*roles).may(rule)} == rules


def test_what_is_anothers_is_not_ones_own():
    assert not ann("reader", "member").may(SHOW, project_id="q")
    assert not ann("reader", "member").may(KEYS, user_id="v")
    assert not ann("reader", "member").may(KEYS, user_id="")
    assert ann("admin").may(SHOW, project_id="q")
    assert ann("admin").may(KEYS, user_id="v")


def test_without_a_policy_only_an_administrator_may():
    assert Identity("p", "u", is_admin=True).may(SHOW)
    assert not Identity("p", "u", roles=("admin",)).may(SHOW)


def test_the_sites_file_goes_over_the_defaults_and_is_read_again(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text('"%s": "role:boss"\n"%s": "is_admin:True"' % (CREATE, SHOW))
    permits = Permits()
    member, boss = (Identity("p", "u", roles=(role,), policy=permits.policy(str(path))) for role in ("member", "boss"))
    assert (member.may(CREATE), boss.may(CREATE), ann("admin", path=str(path)).may(SHOW)) == (False, True, True)
    assert not member.may(SHOW)
    path.write_text("{}")
    assert Identity("p", "u", roles=("member",), policy=permits.policy(str(path))).may(CREATE)
    path.write_text("- nonsense")
    with pytest.raises(Unavailable, match="policy file .*policy.yaml"):
        permits.policy(str(path))


@pytest.mark.parametrize("rule", sorted(policies.RULES))
def test_every_default_is_understood(rule):
    assert ann("admin", "manager", "member", "reader").may(rule)
