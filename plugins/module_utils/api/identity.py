# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who asks. Without an identity service that is the settings' own user and project, whatever a client says of itself.

An identity function takes a request's WSGI environment and gives an Identity, or raises an ApiError; that of Keystone
(keystone.py) reads what keystonemiddleware, around this application, has checked. It is the one seam between the two.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping, Optional
from urllib.parse import urlsplit

from .errors import ApiError

# Whether one who asks may do what a rule of this name is for, with what belongs to this project and user.
Policy = Callable[["Identity", str, str, Optional[str]], bool]
# What a service (image, network) shows to one who asks at a path below its version; None where that is nothing.
Look = Callable[[str, str], Optional[Dict[str, Any]]]


@dataclass(frozen=True)
class Identity:
    """Who asks, for which project, and whether it may see all projects and all hosts.

    Without a policy an administrator may do everything, and nobody else anything. look asks other services in
    its name, where there are any.
    """

    project_id: str
    user_id: str | None
    project_name: str | None = None
    user_name: str | None = None
    roles: tuple[str, ...] = ()
    is_admin: bool = False
    domains: tuple[str | None, str | None] = (None, None)  # the user's and the project's
    policy: Policy | None = field(default=None, repr=False, compare=False)
    look: Look | None = field(default=None, repr=False, compare=False)

    def may(self, rule: str, project_id: str | None = None, user_id: str | None = None) -> bool:
        """Whether the policy's rule of this name allows it, for what is another's if that is said."""
        if self.policy is None:
            return self.is_admin
        project = self.project_id if project_id is None else project_id
        return self.policy(self, rule, project, self.user_id if user_id is None else user_id)

    def needs(self, rule: str, project_id: str | None = None, user_id: str | None = None) -> None:
        """ApiError 403 for who may not."""
        if not self.may(rule, project_id, user_id):
            raise ApiError(403, "Policy doesn't allow %s to be performed." % rule)


IdentityOf = Callable[[Dict[str, Any]], Identity]

# Who has not said yet who they are, or need not.
NOBODY = Identity(project_id="", user_id=None)

# What this machine is called where nobody else can be: no other name leads here by an answer of a foreign DNS.
NAMES = ("localhost", "127.0.0.1", "[::1]")


def embedded(project_id: str, user: str) -> IdentityOf:
    """The identity function where there is no identity service: this machine's user, who may do everything."""
    known = Identity(project_id=project_id, user_id=user, user_name=user, roles=("admin",), is_admin=True)

    def identity(environ: dict[str, Any]) -> Identity:
        _drop_claims(environ)
        _only_from_here(environ)
        return known

    return identity


def _drop_claims(environ: dict[str, Any]) -> None:
    """Drop what a client says of who it is. An identity service's middleware does that before it says so itself."""
    claims = [key for key in environ if key.startswith("HTTP_X_") and key.split("_")[2] in CLAIMS]
    for key in claims:
        del environ[key]


# The beginnings of the headers by which keystonemiddleware tells who asks.
CLAIMS = {"USER", "PROJECT", "TENANT", "ROLE", "ROLES", "DOMAIN", "IDENTITY", "SERVICE", "IS", "SYSTEM"}


def _only_from_here(environ: Mapping[str, Any]) -> None:
    """ApiError 403 unless it comes from this machine, and calls this API by a name of this machine.

    A page in a browser here may lead a name of its own to 127.0.0.1 (DNS rebinding), or post across origins.
    """
    peer = str(environ.get("REMOTE_ADDR") or "")
    if peer and not _is_loopback(peer):
        raise ApiError(403, "Without an identity service this API answers its own machine only.")
    if _host(str(environ.get("HTTP_HOST") or "localhost")) not in NAMES:
        raise ApiError(403, "The Host header names none of %s." % ", ".join(NAMES))
    origin = environ.get("HTTP_ORIGIN")
    if origin and _host(origin_of(str(origin))[1]) not in NAMES:
        raise ApiError(403, "A page of another origin has no business here.")


def origin_of(header: str) -> tuple[str, str]:
    """The scheme and the authority of an Origin header; of what is none nothing, as that is nobody's here."""
    try:
        found = urlsplit(header)
    except ValueError:
        return "", ""
    return found.scheme, found.netloc.lower()


def _host(authority: str) -> str:
    """The name without its port."""
    name, colon, port = authority.lower().rpartition(":")
    return name if colon and port.isdigit() else authority.lower()


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
