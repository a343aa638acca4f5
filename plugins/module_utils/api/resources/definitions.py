# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the settings define: flavors, images, networks, server groups. They are read here, and defined there."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from ...core.errors import LaunchError
from ...instance import catalog
from ..context import RequestContext
from ..errors import ApiError, not_found
from ..identifiers import definition_id, named
from ..paging import FALSE, next_links, page, whole
from ..site import Site
from ..views import definitions as view

DEFINED = "%s are defined by the site, in %s; the API cannot change them."
FLAVOR_SORT = {
    "flavorid": "name",
    "name": "name",
    "memory_mb": "ram",
    "vcpus": "vcpus",
    "root_gb": "disk",
    "id": "name",
}


class Flavors:
    """/flavors, /flavors/detail and /flavors/{id}, whose id is its name."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """Names."""
        context: RequestContext = req.context.nova
        resp.media = self._list(context, ("flavors",), lambda name, _flavor: view.flavor_named(context, name))

    def on_get_detail(self, req: Any, resp: Any) -> None:
        """What each has."""
        context: RequestContext = req.context.nova
        resp.media = self._list(context, ("flavors", "detail"), lambda name, each: view.flavor(context, name, each))

    def on_get_one(self, req: Any, resp: Any, flavor_id: str) -> None:
        """One of them."""
        resp.media = {"flavor": view.flavor(req.context.nova, flavor_id, self._one(flavor_id))}

    def on_get_extra_specs(self, req: Any, resp: Any, flavor_id: str) -> None:
        """What one asks for beside."""
        resp.media = {"extra_specs": self._one(flavor_id)["extra_specs"]}

    def on_get_extra_spec(self, req: Any, resp: Any, flavor_id: str, key: str) -> None:
        """One of these."""
        specs = self._one(flavor_id)["extra_specs"]
        if key not in specs:
            raise ApiError(404, "Flavor %s has no extra specs with key %s." % (flavor_id, key))
        resp.media = {key: specs[key]}

    def on_post(self, req: Any, resp: Any) -> None:
        """Refused in words."""
        raise ApiError(403, DEFINED % ("Flavors", "launch_flavors"))

    def on_delete_one(self, req: Any, resp: Any, flavor_id: str) -> None:
        """Refused in words."""
        raise ApiError(403, DEFINED % ("Flavors", "launch_flavors"))

    def _one(self, name: str) -> dict[str, Any]:
        found = flavors(self.site).get(name)
        if found is None:
            raise not_found("Flavor", name)
        return found

    def _list(self, context: RequestContext, path: tuple[str, ...], told: Callable) -> dict[str, Any]:
        least = {"ram": whole(context, "minRam") or 0, "disk": whole(context, "minDisk") or 0}
        found = [
            (name, each)
            for name, each in sorted(flavors(self.site).items())
            if all(each[key] >= value for key, value in least.items())
        ]
        if str(context.one("is_public")).lower() in FALSE:
            found = []
        key = context.one("sort_key")
        if key is not None and key not in FLAVOR_SORT:
            raise ApiError(400, "Invalid input for query parameters sort_key. Value: %.80s" % key)
        found.sort(key=lambda pair: ({"name": pair[0], **pair[1]}[FLAVOR_SORT[key or "id"]], pair[0]))
        if context.one("sort_dir") == "desc":
            found.reverse()
        shown, more = page(context, found, lambda pair: pair[0])
        links = next_links(context, path, [name for name, _each in shown], more)
        return {"flavors": [told(*pair) for pair in shown], **({"flavors_links": links} if links else {})}


def flavors(site: Site) -> dict[str, dict[str, Any]]:
    """The flavors by name, without those whose definition makes no sense: nobody could be launched with them."""
    return _sound(site.known["flavors"], catalog.flavor)


def images(site: Site) -> dict[str, dict[str, Any]]:
    """The images by name, in the same way."""
    return _sound(site.known["images"], lambda name, known: catalog.image(name, known, "url"))


def _sound(known: Mapping[str, Any], make: Callable) -> dict[str, Any]:
    made = {}
    for name in known:
        try:
            made[name] = make(name, known)
        except LaunchError:
            continue
    return made


class Images:
    """/images: nova's proxy to Glance, which ended with version 36, and Glance's own list in one.

    A client that knows one address alone looks for Glance there as well, and asks in no microversion.
    """

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """Those of this name or of these ids, or all, as both have them."""
        context: RequestContext = req.context.nova
        resp.media = self._list(
            context, lambda name, known: {**view.glance_image(name, known), **view.image_named(context, name, known)}
        )

    def on_get_detail(self, req: Any, resp: Any) -> None:
        """With what nova tells of each."""
        context: RequestContext = req.context.nova
        resp.media = self._list(context, lambda name, known: view.image(context, name, known))

    def on_get_one(self, req: Any, resp: Any, image_id: str) -> None:
        """One of them, as Glance has it, and in it as nova has it."""
        context: RequestContext = req.context.nova
        name, known = self._one(context, image_id)
        resp.media = {**view.glance_image(name, known), "image": view.image(context, name, known)}

    def on_get_metadata(self, req: Any, resp: Any, image_id: str) -> None:
        """Its properties."""
        context: RequestContext = req.context.nova
        resp.media = {"metadata": view.image(context, *self._one(context, image_id))["metadata"]}

    def _one(self, context: RequestContext, image_id: str) -> tuple[str, Mapping[str, Any]]:
        context.had(36, "images")
        known = images(self.site)
        name = named("image", image_id, known)
        if name is None or definition_id("image", name, known[name]) != image_id:
            raise not_found("Image", image_id)
        return name, known[name]

    def _list(self, context: RequestContext, told: Callable) -> dict[str, Any]:
        context.had(36, "images")
        name, identities = context.one("name"), context.one("id")
        wanted = identities.replace("in:", "", 1).split(",") if identities else None
        made = [told(*pair) for pair in sorted(images(self.site).items())]
        found = [each for each in made if name in (None, each["name"]) and (wanted is None or each["id"] in wanted)]
        return {"images": found}
