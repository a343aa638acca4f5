# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether who asks may, by oslo.policy: nova's defaults, and over them the site's file, read again when it changes."""

from __future__ import annotations

import os
from typing import Any

from ..core.errors import InvalidRequest, Unavailable
from ..token.policy import enforcer
from .identity import Identity, Policy
from .policies import RULES


class Permits:
    """The policy of a file, which may be none."""

    def __init__(self) -> None:
        self._seen: Any = None
        self._policy: Policy | None = None

    def policy(self, path: str) -> Policy:
        """What the rules allow; Unavailable if the file is no policy: nobody is let in by half of one."""
        seen = (path, _stamp(path))
        if self._policy is None or seen != self._seen:
            try:
                self._policy, self._seen = _policy(enforcer(path or None, RULES)), seen
            except InvalidRequest as error:
                raise Unavailable(str(error)) from error
        return self._policy


def _stamp(path: str) -> tuple[int, int] | None:
    """What tells a file from the one that was there before."""
    try:
        status = os.stat(os.path.expanduser(path))
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _policy(made: Any) -> Policy:
    def policy(identity: Identity, rule: str, project_id: str, user_id: str | None) -> bool:
        return bool(made.enforce(rule, {"project_id": project_id, "user_id": user_id}, credentials(identity)))

    return policy


def credentials(identity: Identity) -> dict[str, Any]:
    """Who asks, under the names that rules know (oslo.context's to_policy_values)."""
    user_domain, project_domain = identity.domains
    return {
        "user_id": identity.user_id,
        "project_id": identity.project_id,
        "tenant": identity.project_id,
        "roles": list(identity.roles),
        "is_admin": identity.is_admin,
        "user_domain_id": user_domain,
        "project_domain_id": project_domain,
    }
