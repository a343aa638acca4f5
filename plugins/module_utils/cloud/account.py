# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One account of a cloud: how it is defined, and its token, which is kept from task to task."""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any, Iterator

from ..core.errors import InvalidRequest, NotFound, Refused
from .failure import failure, unreachable
from .private_files import private_directory, read_private, write_private
from .retry import with_retries

# Seconds for a connection and for an answer: cinder's API waits for its volume service for 60 s.
TIMEOUTS = (10.0, 90.0)


class Account:
    """An account's session and its token. The token lives in memory and in a file of mode 0600.

    A new one is made when it soon expires, and when a service does not take it. Threads may share an account.
    """

    def __init__(self, library: SimpleNamespace, name: str, region: Any, private_path: str):
        self.library = library
        self.name = name
        self._region = region
        self._interface = region.get_interface() or "public"
        self._region_name = region.config.get("region_name") or None
        self.session = region.get_session()
        self.session.timeout = TIMEOUTS
        self.auth = self.session.auth
        self._private_path = private_path
        self._path: str | None = None
        self._kept: Any = None
        self._lock = threading.RLock()

    def access(self) -> Any:
        """What Keystone returned with the token (keystoneauth's AccessInfo); a new token if there is no good one."""
        with self._lock, self.translate_errors(self.name):
            if self._path is None:
                self._path = self._state_path()
                self._load()
            access = with_retries(lambda: self.auth.get_access(self.session), True, self.library)
            self._keep(access)
        return access

    def renew(self, used: Any) -> Any:
        """The same when `used` has turned out not to be good, unless another thread has a new one already."""
        with self._lock:
            if self.auth.auth_ref is used:
                self.auth.invalidate()
            return self.access()

    def _keep(self, access: Any) -> None:
        """Write the token down if it is a new one."""
        if self._path and access is not self._kept:
            write_private(self._path, self.auth.get_auth_state())
            self._kept = access

    def endpoint(self, service_type: str) -> str:
        """A service's URL in the catalog, which may be newer than the one in the file.

        A cloud's definition may say it itself (image_endpoint_override and the like), and does for Keystone where the
        token is for nothing that has a catalog.
        """
        override = self._region.get_endpoint(service_type)
        if override:
            return override
        access = self.access()
        url = self._url(access, service_type) or self._url(self.renew(access), service_type)
        if url:
            return url
        raise NotFound(
            "%s: no service %s in the catalog (interface %s, region %s); `openstack catalog list` shows what there is"
            % (self.name, service_type, self._interface, self._region_name or "any")
        )

    def _url(self, access: Any, service_type: str) -> str | None:
        exceptions = self.library.exceptions
        with suppress(exceptions.EndpointNotFound, exceptions.EmptyCatalog):
            return access.service_catalog.url_for(service_type, self._interface, region_name=self._region_name)
        return None

    @contextmanager
    def translate_errors(self, what: str, service: str = "Keystone") -> Iterator[None]:
        """Turn what keystoneauth raises into our errors. Only Keystone's own refusals are raised as an HttpError."""
        exceptions = self.library.exceptions
        try:
            yield
        except exceptions.HttpError as error:
            raise self._refusal(error, what) from error
        except exceptions.SSLError as error:
            raise InvalidRequest("%s: %s; give its authority's certificate as cacert" % (what, error)) from error
        except (exceptions.ConnectionError, exceptions.DiscoveryFailure) as error:
            raise unreachable(error, service, what) from error
        except exceptions.ClientException as error:
            raise InvalidRequest("%s: %s; correct the account's definition" % (what, error)) from error

    def _refusal(self, error: Any, what: str) -> Exception:
        """Keystone made no token. It says 404 when it was to make it of one that is no longer good."""
        if error.response is None:
            return unreachable(error, "Keystone", what)
        meant = failure(error.response, "Keystone", what, self._advice if error.http_status in (401, 404) else "")
        return meant.within(Refused, "%s") if error.http_status == 404 else meant

    @property
    def _advice(self) -> str:
        if self._region.config["auth_type"] in ("token", "v3token"):
            return "the token has ended, was revoked or is not for this project, and cannot be renewed: give another"
        return "see whether user, password, project and their domains are right and enabled"

    def _state_path(self) -> str:
        """The file for this very account, secret and scope. keystoneauth's id leaves out the system scope."""
        cache_id = self.auth.get_cache_id()
        if not cache_id:
            return ""
        scope = self._region.config["auth"].get("system_scope") or ""
        digest = hashlib.sha256(("%s %s" % (cache_id, scope)).encode()).hexdigest()
        return os.path.join(private_directory(self._private_path), "token-%s" % digest)

    def _load(self) -> None:
        """Take the token from its file; what is broken there is as good as nothing."""
        text = read_private(self._path) if self._path else None
        try:
            self.auth.set_auth_state(text)
            if text:
                self.auth.auth_ref.will_expire_soon()
        except (AttributeError, KeyError, TypeError, ValueError):
            self.auth.set_auth_state(None)
        self._kept = self.auth.auth_ref
