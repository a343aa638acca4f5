# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images in Glance: one request for all names, one for each id."""

from __future__ import annotations

from typing import Any

from ..cloud.session import connect
from ..core.convert import is_uuid
from ..core.errors import InvalidRequest, LaunchError, NotFound, Refused
from .definition import Definition, choose, define, with_fault


def find(params: dict[str, Any]) -> list[Definition]:
    """A definition for each name or id, in order; an image that is of no use has its fault in its place."""
    cloud = connect(params)
    api = cloud.api("image")
    asked = list(dict.fromkeys(params["images"]))
    named = _list(api, [name for name in asked if not is_uuid(name.lower())])
    known = {name: _definition(cloud, api, name, named) for name in asked}
    return [known[name] for name in params["images"]]


def _definition(cloud: Any, api: Any, name: str, named: list[dict[str, Any]]) -> Definition:
    try:
        _check(name)
        image = _get(api, name) if is_uuid(name.lower()) else choose(name, named, cloud.project_id)
        return define(image, api.endpoint)
    except LaunchError as error:
        if not error.abort:
            raise
        return with_fault(name, error)


def _get(api: Any, identity: str) -> dict[str, Any]:
    """An image by its id, which also finds hidden, community and not yet accepted ones; Glance judges who may."""
    try:
        return api.get("images/%s" % identity.lower(), "image %s" % identity)
    except (NotFound, Refused) as error:
        advice = "`openstack image list` shows the images that the project may use"
        raise error.within(type(error), "%s; " + advice) from error


def _list(api: Any, names: list[str]) -> list[dict[str, Any]]:
    """The images of these names that a list shows: public, own, and shared and accepted ones, none of them hidden."""
    quoted = ",".join('"%s"' % name for name in names if _is_listable(name))
    return api.list("images", "images", "images", name="in:" + quoted) if quoted else []


def _check(name: str) -> None:
    if not _is_listable(name):
        raise InvalidRequest("image %s: Glance cannot look for a name with quotes or backslashes: give its id" % name)


def _is_listable(name: str) -> bool:
    return bool(name) and not set(name) & set('"\\')
