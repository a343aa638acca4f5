# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images of Glance as who asks sees them, by the client's own token; and whether a flavor is large enough for one.

Nova looks before it answers, too (nova/compute/api.py, `_get_image` and `_validate_flavor_image`). What changes until a
worker launches the server is told as its fault then.
"""

from __future__ import annotations

import json
import threading
from typing import Any, Mapping
from urllib.parse import quote

from ..cloud.definition import parse
from ..cloud.session import region_of, versioned
from ..core.errors import LaunchError, MissingLibrary, Unavailable
from ..image.definition import define
from ..instance import catalog, misfit
from .asked import Asked
from .errors import ApiError
from .front import Front
from .identity import See

TIMEOUT = 10  # seconds for an answer of Glance


class Images:
    """Glance by the catalog of each client's token; how it is spoken to, the launcher's own account says."""

    def __init__(self, front: Front):
        self.front = front
        self._lock = threading.Lock()
        self._made: tuple[str, Any] | None = None

    def seen_with(self, token: Any) -> See:
        """What shows an image by its id to the holder of a token, a plugin of keystoneauth's; None where there is none."""
        return lambda identity: self._find(token, identity)

    def _find(self, token: Any, identity: str) -> dict[str, Any] | None:
        try:
            from keystoneauth1.exceptions import ClientException
        except ImportError:
            raise MissingLibrary("keystoneauth1") from None
        region = self._region()
        session, name = region.get_session(), region.config.get("region_name") or None
        where = {"service_type": "image", "interface": region.get_interface() or "public", "region_name": name}
        try:
            url = region.get_endpoint("image") or token.get_endpoint(session, **where, skip_discovery=True)
            if not url:
                raise Unavailable("Glance is not in the catalog of the client's token")
            reply = session.get(
                "%s/images/%s" % (versioned(url, "v2"), quote(identity, safe="")),
                auth=token,
                timeout=TIMEOUT,
                raise_exc=False,
                redirect=False,
                log=False,
            )
        except ClientException as error:
            raise Unavailable("Glance: %s" % error) from error
        if reply.status_code in (403, 404):
            return None
        if reply.status_code != 200:
            raise Unavailable("Glance says %d to the client's token" % reply.status_code)
        return reply.json()

    def _region(self) -> Any:
        """What openstacksdk knows of the launcher's own account, read once."""
        known = self.front.known
        account = json.dumps(known.get("service_cloud"))
        with self._lock:
            if self._made is None or self._made[0] != account:
                self._made = account, region_of(parse(known, "service_cloud"))
            return self._made[1]


def check(front: Front, asked: Asked, entry: Mapping[str, Any]) -> None:
    """ApiError 400 for an image that there is not, that is of no use, or for which the entry's flavor is too small."""
    known, name = front.known, entry.get("image")
    if name is None:
        return
    try:
        if known["image_service"] == "url":
            image = catalog.image(name, known["images"], "url")
        elif asked.identity.image is None:
            return
        else:
            found = asked.identity.image(name)
            if found is None:
                raise ApiError(400, "Image %.80s could not be found." % name)
            image = define(found, "").to_result()
        reason = misfit.reason(catalog.flavor(entry["flavor"], known["flavors"]), image, None)
    except Unavailable:
        raise
    except LaunchError as error:
        raise ApiError(400, str(error)) from error
    if reason:
        raise ApiError(400, reason)
