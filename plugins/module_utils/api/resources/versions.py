# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Versions: what a client asks first, to know which microversions it may speak."""

from __future__ import annotations

from typing import Any

from ..context import RequestContext
from ..site import Site
from ..versions import LEAST, MOST

MEDIA = {"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}


class Versions:
    """/ and /v2.1: open to everybody, as in nova."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """All versions."""
        resp.media = {"versions": [_version(req.context.nova)]}

    def on_get_one(self, req: Any, resp: Any) -> None:
        """The one that there is."""
        resp.media = {"version": {**_version(req.context.nova), "media-types": [MEDIA]}}


def _version(context: RequestContext) -> dict[str, Any]:
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": "2.%d" % MOST,
        "min_version": "2.%d" % LEAST,
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": "%s/v2.1/" % context.base}],
    }
