# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keystone before the API: keystonemiddleware shows it every token, as before all of OpenStack's services, drops what
clients say of themselves, and says who asks; 401 for a token that is good for nothing, 503 where Keystone is away.

The API asks with the launcher's own account (launch_service_cloud).
"""

from __future__ import annotations

import json
import logging
import threading
from importlib.util import find_spec
from typing import Any, Callable, Iterable, Mapping

from ..cloud.definition import parse
from ..cloud.session import region_of
from ..core.errors import InvalidRequest, LaunchError, MissingLibrary, Unavailable
from ..service.log import begin
from ..service.secret import secret
from ..service.settings import Settings
from .errors import ApiError, body_of
from .identity import NOBODY, Identity
from .permit import Permits
from .policies import OPEN
from .services import Services
from .site import Site

log = logging.getLogger("kvmstack.api")
# What only keystonemiddleware can have said: no header of a client becomes a key like this.
VOUCHED = "keystone.token_info"
# By this a service may be asked in the client's name.
HOLDER = "keystone.token_auth"
TIMEOUT = 10  # seconds for an answer of Keystone
# The keys of an account's definition that are the middleware's options, under its names for them.
OPTIONS = {"region_name": "region_name", "cacert": "cafile", "cert": "certfile", "key": "keyfile"}

Wsgi = Callable[[dict, Callable], Iterable[bytes]]


class Keystone:
    """The WSGI application around the API's own: with launch_identity keystone a token is asked for, else nothing."""

    def __init__(self, site: Site, app: Wsgi):
        self.site = site
        self.app = app
        self._lock = threading.Lock()
        self._made: tuple[str, Wsgi] | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        try:
            return self._before(environ)(environ, start_response)
        except Exception as error:  # what is in the API itself it tells by itself: this is of asking Keystone
            return _refused(error, start_response)

    def _before(self, environ: Mapping[str, Any]) -> Wsgi:
        """The middleware, or for those who need no token, and where the API says itself why it cannot, the API."""
        if is_open(environ):
            return self.app
        try:
            known = self.site.known
        except Unavailable:
            return self.app
        return self._middleware(known) if known.get("identity") == "keystone" else self.app

    def _middleware(self, known: Mapping[str, Any]) -> Wsgi:
        account = json.dumps(known.get("service_cloud"))
        with self._lock:
            if self._made is None or self._made[0] != account:
                self._made = account, middleware({**options(known), **cache(self.site.settings)}, self.app)
            return self._made[1]


def is_open(environ: Mapping[str, Any]) -> bool:
    """Whether nobody need say who asks."""
    return (str(environ.get("PATH_INFO") or "").rstrip("/") or "/") in OPEN


def middleware(given: Mapping[str, Any], app: Wsgi) -> Wsgi:
    """keystonemiddleware's auth_token before an application, with these options."""
    try:
        from keystonemiddleware.auth_token import AuthProtocol
        from oslo_config import cfg
    except ImportError:
        raise MissingLibrary("keystonemiddleware") from None
    begin("keystonemiddleware", "WARNING")
    # It warns of every option of the account that its own list does not have: these are keystoneauth's.
    logging.getLogger("keystonemiddleware._common.config").setLevel("ERROR")
    configuration = cfg.ConfigOpts()
    configuration([], project="kvmstack", default_config_files=[], default_config_dirs=[])
    return AuthProtocol(app, {"oslo_config_config": configuration, **given})


def options(known: Mapping[str, Any]) -> dict[str, Any]:
    """The middleware's options for the launcher's own account, as clouds.yaml or the definitions have that."""
    account = parse(known, "service_cloud")
    if account is None:
        raise InvalidRequest(
            "launch_service_cloud: is missing: it is the account with which the API shows tokens to Keystone"
        )
    config = region_of(account).config
    said = {option: config.get(key) for key, option in OPTIONS.items()}
    return {
        "auth_type": config["auth_type"],
        **config["auth"],
        **{option: value for option, value in said.items() if value},
        "insecure": config.get("verify") is False,
        "interface": config.get("interface") or "public",
        "www_authenticate_uri": config["auth"].get("auth_url"),
        "delay_auth_decision": False,
        "service_token_roles_required": True,
        # By this name access rules of application credentials know it.
        "service_type": "compute",
        "http_connect_timeout": TIMEOUT,
        "http_request_max_retries": 1,
    }


def cache(settings: Settings) -> dict[str, Any]:
    """The middleware's options for where it keeps what Keystone said; MissingLibrary, and secret()'s errors."""
    if not settings.memcached_servers:
        return {}
    if find_spec("memcache") is None:
        raise MissingLibrary("python-memcached")
    where = {"memcached_servers": list(settings.memcached_servers)}
    if settings.memcache_secret_key_file is None:
        return where
    key = secret("memcache_secret_key_file", settings.memcache_secret_key_file)
    return {**where, "memcache_security_strategy": settings.memcache_security_strategy, "memcache_secret_key": key}


def identified(environ: dict[str, Any], permits: Permits, policy_file: str, services: Services) -> Identity:
    """Who asks, as the middleware has said it; the token itself goes no further than to Glance and Neutron.

    ApiError 403 for a token that is for no project: nothing here is for a domain or the whole system.
    """
    if is_open(environ):
        return NOBODY
    environ.pop("HTTP_X_AUTH_TOKEN", None)
    if environ.get("HTTP_X_IDENTITY_STATUS") != "Confirmed" or VOUCHED not in environ:
        raise ApiError(401, "The request you have made requires authentication.")
    said = {name: environ.get("HTTP_X_" + name.upper()) or None for name in HEADERS}
    if said["project_id"] is None:
        raise ApiError(403, "The token is for no project: log in for one.")
    policy = permits.policy(policy_file)
    found = {
        "project_id": said["project_id"],
        "user_id": said["user_id"],
        "project_name": said["project_name"],
        "user_name": said["user_name"],
        "roles": tuple(sorted(filter(None, (said["roles"] or "").split(",")))),
        "domains": (said["user_domain_id"], said["project_domain_id"]),
        "policy": policy,
        "look": services.seen_with(environ[HOLDER]) if HOLDER in environ else None,
    }
    return Identity(**found, is_admin=Identity(**found).may("context_is_admin"))


HEADERS = ("project_id", "user_id", "project_name", "user_name", "roles", "user_domain_id", "project_domain_id")


def _refused(error: Exception, start_response: Callable) -> Iterable[bytes]:
    """503 and why, where Keystone cannot be asked; what it is in detail is in the log."""
    if not isinstance(error, LaunchError):
        log.error("Keystone could not be asked", exc_info=error)
        why = "Keystone could not be asked: see the log of the API. (%s)" % type(error).__name__
    else:
        missing = isinstance(error, MissingLibrary)
        why = "the API lacks the library %s" % error if missing else str(error)
        log.error("%s", why)
    body = json.dumps(body_of(503, why)).encode()
    start_response(
        "503 Service Unavailable", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]
