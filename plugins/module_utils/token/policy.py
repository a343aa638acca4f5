# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nova's policy, checked with oslo.policy: the defaults of the model, and over them the operator's YAML file."""

from __future__ import annotations

import logging
import os
from typing import Any, Mapping

from ..core.errors import InvalidRequest, MissingLibrary
from .model import ACTIONS, RULES, Identity, check_access_rules, check_scope, refusal


def check(identity: Identity, action: str, policy_file: str | None) -> None:
    """Refused if this user may not do this. Nothing is asked of anybody.

    MissingLibrary("oslo.policy"); InvalidRequest if the file is not there or not a policy.
    """
    check_scope(identity, action)
    check_access_rules(identity, action)
    rules = enforcer(policy_file, RULES)
    who = {"roles": list(identity.roles), "project_id": identity.project_id, "user_id": identity.user_id}
    target = {"project_id": identity.project_id, "user_id": identity.user_id}
    if not rules.enforce(ACTIONS[action], target, who):
        raise refusal(identity, action, str(rules.rules[ACTIONS[action]]))


def enforcer(policy_file: str | None, defaults: Mapping[str, str]) -> Any:
    """oslo.policy with these rules by default; it reads no other file than the one that is named."""
    try:
        from oslo_config import cfg
        from oslo_policy import policy
    except ImportError as error:
        raise MissingLibrary("oslo.policy") from error
    logging.getLogger("oslo_policy").addHandler(logging.NullHandler())
    configuration = cfg.ConfigOpts()
    configuration([], project="kvmstack", default_config_files=[], default_config_dirs=[])
    rules = policy.Rules.from_dict({**defaults, **(_read(policy, policy_file) if policy_file else {})})
    made = policy.Enforcer(configuration, rules=rules, use_conf=False)
    try:
        made.check_rules(raise_on_violation=True)
    except policy.InvalidDefinitionError as error:
        raise InvalidRequest("policy file %s: %s; correct these rules" % (policy_file, error)) from error
    return made


def _read(policy: Any, path: str) -> dict[str, str]:
    """The rules in a YAML or JSON file. oslo.policy takes one that it cannot understand as one that allows nothing."""
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            rules = policy.parse_file_contents(file.read())
    except OSError as error:
        raise InvalidRequest("policy file %s: %s" % (path, error.strerror)) from error
    except ValueError as error:
        raise InvalidRequest("policy file %s: %s; it has to be YAML" % (path, " ".join(str(error).split()))) from error
    if not isinstance(rules, dict) or not all(isinstance(rule, (str, list)) for rule in rules.values()):
        raise InvalidRequest("policy file %s: it has to be YAML with a text for each rule's name" % path)
    return rules
