# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who launches: the project, the user and what they may do there (the seed's steps 1 and 2)."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from ..core.errors import InvalidRequest, Refused

# What is asked for, and nova's name of the rule for it (nova/policies/servers.py).
ACTIONS = {
    "create": "os_compute_api:servers:create",
    "delete": "os_compute_api:servers:delete",
    "stop": "os_compute_api:servers:stop",
    "reboot": "os_compute_api:servers:reboot",
    "rebuild": "os_compute_api:servers:rebuild",
    "detail": "os_compute_api:servers:detail",
    "detail_all": "os_compute_api:servers:detail:get_all_tenants",
}
# The role to whose bearers the services show the things of all projects.
ADMIN = "admin"
# The only thing to do without a project.
WITHOUT_PROJECT = frozenset(["detail_all"])

# Nova's defaults (nova/policies/base.py and servers.py), in the language of oslo.policy.
RULES = {
    "context_is_admin": "role:admin",
    "project_member_api": "role:member and project_id:%(project_id)s",
    "project_reader_api": "role:reader and project_id:%(project_id)s",
    "project_member_or_admin": "rule:project_member_api or rule:context_is_admin",
    "project_reader_or_admin": "rule:project_reader_api or rule:context_is_admin",
    ACTIONS["create"]: "rule:project_member_or_admin",
    ACTIONS["delete"]: "rule:project_member_or_admin",
    ACTIONS["stop"]: "rule:project_member_or_admin",
    ACTIONS["reboot"]: "rule:project_member_or_admin",
    ACTIONS["rebuild"]: "rule:project_member_or_admin",
    ACTIONS["detail"]: "rule:project_reader_or_admin",
    ACTIONS["detail_all"]: "rule:context_is_admin",
}

# The requests to the compute API that these actions stand for, as an application credential's access rules name them.
REQUESTS = {
    "create": ("POST", "/v2.1/servers"),
    "delete": ("DELETE", "/v2.1/servers/any"),
    "stop": ("POST", "/v2.1/servers/any/action"),
    "reboot": ("POST", "/v2.1/servers/any/action"),
    "rebuild": ("POST", "/v2.1/servers/any/action"),
    "detail": ("GET", "/v2.1/servers/detail"),
    "detail_all": ("GET", "/v2.1/servers/detail"),
}


@dataclass(frozen=True)
class Identity:
    """On whose behalf instances are launched, and which identity service vouches for it. Times as Keystone has them.

    `access_rules` are an application credential's; None if there are none.
    """

    identity: str
    project_id: str | None
    user_id: str
    roles: tuple[str, ...]
    project_name: str | None = None
    user_name: str | None = None
    user_domain: str | None = None
    project_domain: str | None = None
    scope: str = "project"
    domain_id: str | None = None
    issued_at: str | None = None
    expires_at: str | None = None
    request_id: str | None = None
    access_rules: tuple[tuple[str, str, str], ...] | None = None

    def to_result(self) -> dict[str, Any]:
        """The fields; there is no token among them."""
        return {name: value for name, value in asdict(self).items() if name != "access_rules"}

    @property
    def where(self) -> str:
        """What the token is for, in words."""
        if self.scope == "project":
            return "project %s" % (self.project_name or self.project_id)
        return "domain %s" % self.domain_id if self.scope == "domain" else "the whole system"


def embedded_identity(project_id: str, user: str) -> Identity:
    """No identity service: whoever runs this may do everything."""
    return Identity("none", project_id, user, ("admin",), project_id, user)


def identity_of(token: dict[str, Any]) -> Identity:
    """The identity in Keystone's document of a token; Refused if the token is for nothing."""
    user, project, domain = token["user"], token.get("project"), token.get("domain")
    found = Identity(
        identity="keystone",
        project_id=project["id"] if project else None,
        project_name=project["name"] if project else None,
        project_domain=project["domain"]["name"] if project else None,
        user_id=user["id"],
        user_name=user["name"],
        user_domain=user.get("domain", {}).get("name"),
        roles=tuple(sorted(role["name"] for role in token.get("roles", ()))),
        scope="project" if project else "domain" if domain else "system",
        domain_id=domain["id"] if domain else None,
        issued_at=token["issued_at"],
        expires_at=token["expires_at"],
        access_rules=_access_rules(token.get("application_credential") or {}),
    )
    if found.scope == "system" and not token.get("system"):
        raise Refused(
            "user %s: the token is for no project; name one (project_name and project_domain_name)" % found.user_name
        )
    return found


def _access_rules(credential: dict[str, Any]) -> tuple[tuple[str, str, str], ...] | None:
    rules = credential.get("access_rules")
    return None if rules is None else tuple((rule["service"], rule["method"], rule["path"]) for rule in rules)


def check_project(identity: Identity, wanted: str) -> None:
    """InvalidRequest if a project was asked for that is not the token's. `default` asks for none."""
    if identity.project_id and wanted not in ("default", identity.project_id, identity.project_name):
        raise InvalidRequest(
            "project %s: the token is for project %s (%s); leave project_id out, or log in for the other project"
            % (wanted, identity.project_name, identity.project_id)
        )


def check_on_behalf(identity: Identity) -> None:
    """Refused if the identity may see more than the users for whom it launches: they would get what others have."""
    if ADMIN in identity.roles:
        raise Refused(
            "user %s in %s: it launches for others and is an administrator there, so that they could use other "
            "projects' networks, images and security groups: give it the role member in place of admin"
            % (identity.user_name, identity.where)
        )


def check_scope(identity: Identity, action: str) -> None:
    """Refused if the action needs a project that the token is not for."""
    if identity.scope != "project" and action not in WITHOUT_PROJECT:
        raise Refused(
            "user %s: the token is for %s; to %s log in for a project, with this token only all projects can be listed"
            % (identity.user_name, identity.where, _IN_WORDS[action])
        )


def check_access_rules(identity: Identity, action: str) -> None:
    """Refused if an application credential has access rules and none is for the action's request.

    Every service applies them itself (keystonemiddleware); here the part of nova's API is played.
    """
    if identity.access_rules is None:
        return
    method, path = REQUESTS[action]
    for service, allowed, pattern in identity.access_rules:
        if service == "compute" and allowed == method and _path(pattern).fullmatch(path):
            return
    raise Refused(
        "user %s: no access rule of the application credential allows to %s; add one: service compute, %s %s"
        % (identity.user_name, _IN_WORDS[action], method, path.replace("/any", "/*"))
    )


def _path(pattern: str) -> re.Pattern[str]:
    """An access rule's path: * and {name} stand for one part of it, ** for any number."""
    wild = {"**": ".*", "*": "[^/]+"}
    parts = re.split(r"(\*\*|\*|\{[^{}/]*\})", pattern)
    return re.compile("".join(wild.get(part, "[^/]+" if part.startswith("{") else re.escape(part)) for part in parts))


def refusal(identity: Identity, action: str, rule: str) -> Refused:
    """The error of a user whose roles are not those that the policy asks for."""
    roles = ", ".join(identity.roles) or "none"
    return Refused(
        "user %s in %s: the policy does not allow to %s (%s is %r); the roles are: %s; ask for the role, or log in as "
        "another user" % (identity.user_name, identity.where, _IN_WORDS[action], ACTIONS[action], rule, roles)
    )


_IN_WORDS = {
    "create": "launch",
    "delete": "delete instances",
    "stop": "turn instances off",
    "reboot": "restart instances",
    "rebuild": "rebuild instances",
    "detail": "list instances",
    "detail_all": "list all projects' instances",
}
