# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Compute API as a WSGI application; gunicorn makes it by calling application().

gunicorn --bind 127.0.0.1:8774 'ansible_collections.kvmstack.launch.plugins.module_utils.api.app:application()'
"""

from __future__ import annotations

import getpass
import os
from typing import Any

from ..core.errors import InvalidRequest, LaunchError, MissingLibrary
from ..service import log
from ..service.settings import Settings, read
from . import bodies, gate
from .errors import ApiError
from .front import Front
from .identity import Identity, IdentityOf, embedded
from .routes import add_to

# The variable that names the file of settings.
VARIABLE = "KVMSTACK_DOOR"


def application(path: str | None = None) -> Any:
    """The application of the settings in a file: this one, or the one that the environment names."""
    path = path or os.environ.get(VARIABLE)
    if not path:
        raise InvalidRequest("settings: name their file, in the variable %s" % VARIABLE)
    log.begin("kvmstack.api")
    return made(read(path))


def made(settings: Settings, identity: IdentityOf | None = None) -> Any:
    """The application of these settings. identity: who asks, in place of the machine's own user."""
    try:
        import falcon
    except ImportError:
        raise MissingLibrary("falcon") from None
    front = Front(settings)
    front.prepare()
    bodies.prepare()
    app = falcon.App(middleware=[gate.Gate(identity or _embedded(front))])
    app.req_options.strip_url_path_trailing_slash = True
    app.set_error_serializer(gate.serialize)
    app.add_error_handler(Exception, gate.confess)
    app.add_error_handler(LaunchError, gate.tell)
    add_to(app, front)
    return app


def _embedded(front: Front) -> IdentityOf:
    """This machine's user in the project of the definitions, as they are now."""
    user = getpass.getuser()

    def identity(environ: dict[str, Any]) -> Identity:
        service = front.known.get("identity") or "none"
        if service != "none":
            raise ApiError(503, "launch_identity is %s, and the API asks none yet: nobody is let in" % service)
        return embedded(front.known["project_id"], user)(environ)

    return identity
