# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The token is shown to Keystone at every run, and its roles to the policy, as nova's API does with every request."""

from __future__ import annotations

import getpass
from dataclasses import replace
from typing import Any

from ..cloud.session import Cloud, connect
from ..core.errors import NotFound
from ..core.names import new_request_id
from . import policy
from .model import Identity, check_on_behalf, check_project, embedded_identity, identity_of

# The version of access rules that model.py knows; without it Keystone does not vouch for tokens that have some.
ACCESS_RULES = "1.0"


def establish(params: dict[str, Any]) -> Identity:
    """Who launches. Refused, with Keystone's own words or the policy's, before anything is recorded."""
    request_id = params.get("request_id") or new_request_id()
    if params["identity"] == "none":
        user = params.get("user_id") or getpass.getuser()
        return replace(embedded_identity(params["project_id"], user), request_id=request_id)
    identity = replace(validate(connect({**params, "request_id": request_id})), request_id=request_id)
    check_project(identity, params["project_id"])
    if params.get("on_behalf"):
        check_on_behalf(identity)
    for action in params["actions"]:
        policy.check(identity, action, params["policy_file"])
    return identity


def validate(cloud: Cloud) -> Identity:
    """Who the user is and what roles it has now, by Keystone's own word; Refused if the token is good for nothing.

    A token that was revoked while it lay in its file is replaced once.
    """
    access = cloud.user.access()
    try:
        return identity_of(_token_document(cloud))
    except NotFound:
        cloud.user.renew(access)
    return identity_of(_token_document(cloud))


def _token_document(cloud: Cloud) -> dict[str, Any]:
    """Keystone's document of the user's token; the launcher's own account asks, if there is one."""
    identity = cloud.api("identity", as_service=True)
    headers = {"X-Subject-Token": cloud.token, "OpenStack-Identity-Access-Rules": ACCESS_RULES}
    return identity.get("auth/tokens", "the token of %s" % cloud.user.name, headers=headers, nocatalog="")["token"]
