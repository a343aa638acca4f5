# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Compute API as a WSGI application, and the pages below /ui/; gunicorn makes it by calling application()."""

from __future__ import annotations

import getpass
from typing import Any

from ..core.errors import LaunchError, MissingLibrary
from ..page import guard, pages
from ..service import log
from ..service.settings import Settings, named
from . import bodies, gate, keystone
from .errors import ApiError
from .identity import Identity, IdentityOf, embedded
from .permit import Permits
from .routes import add_to
from .services import Services
from .site import Site


def application(path: str | None = None) -> Any:
    """The application of the settings in a file: this one, or the one that the environment names."""
    settings = named(path)
    log.begin("kvmstack.api")
    return made(settings)


def made(settings: Settings, identity: IdentityOf | None = None) -> Any:
    """The application of these settings. identity: who asks, in place of the machine's own user."""
    try:
        import falcon
    except ImportError:
        raise MissingLibrary("falcon") from None
    site = Site(settings)
    site.prepare()
    bodies.prepare()
    who = identity or _asker(site)
    api = _app(falcon, gate.Gate(who), gate)
    add_to(api, site)
    ui = _app(falcon, guard.Guard(site, who), guard)
    pages.add_to(ui, site)
    return beside(api if identity else keystone.Keystone(site, api), ui)


def _app(falcon: Any, middleware: Any, errors: Any) -> Any:
    """An application whose errors are told by errors' serialize, on_error and on_unexpected."""
    app = falcon.App(middleware=[middleware])
    app.req_options.strip_url_path_trailing_slash = True
    app.set_error_serializer(errors.serialize)
    app.add_error_handler(Exception, errors.on_unexpected)
    app.add_error_handler(LaunchError, errors.on_error)
    return app


def beside(api: Any, ui: Any) -> Any:
    """Both as one application: the pages are below /ui, and no header of the API's clients concerns them."""

    def both(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ.get("PATH_INFO") or ""
        return (ui if path == "/ui" or path.startswith("/ui/") else api)(environ, start_response)

    return both


def _asker(site: Site) -> IdentityOf:
    """Who asks, as the definitions are now: by Keystone's word, or this machine's user in the project of these."""
    user, permits, services = getpass.getuser(), Permits(), Services(site)

    def identity(environ: dict[str, Any]) -> Identity:
        known = site.known
        service = known.get("identity") or "none"
        if service == "keystone":
            return keystone.identified(environ, permits, known.get("policy_file") or "", services)
        if service != "none":
            raise ApiError(503, "launch_identity: the API knows none and keystone, not %s" % service)
        return embedded(known["project_id"], user)(environ)

    return identity
