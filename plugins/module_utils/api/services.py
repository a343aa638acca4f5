# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Glance and Neutron show to who asks, by the client's own token: whether there is what a body names.

Nova looks before it answers, too (nova/compute/api.py, `_validate_flavor_image`; nova/network/neutron.py,
`validate_networks`). What changes until a worker launches the server is told as its fault then.
"""

from __future__ import annotations

import json
import threading
from typing import Any, Mapping
from urllib.parse import quote, urlencode

from ..cloud.definition import parse
from ..cloud.session import SERVICES, region_of, versioned
from ..core.errors import InvalidRequest, LaunchError, MissingLibrary, Unavailable
from ..image.definition import define
from ..instance import catalog, misfit
from ..port.neutron.names import is_id
from .context import RequestContext
from .entry import SEVERAL
from .errors import ApiError
from .identity import Look
from .site import Site

TIMEOUT = 10  # seconds for an answer of a service


class Services:
    """The services of the catalog in each client's token; how they are spoken to, the launcher's own account says."""

    def __init__(self, site: Site):
        self.site = site
        self._lock = threading.Lock()
        self._made: tuple[str, Any] | None = None

    def seen_with(self, token: Any) -> Look:
        """How the holder of a token, a plugin of keystoneauth's, looks something up."""
        return lambda service, path: self._find(token, service, path)

    def _find(self, token: Any, service: str, path: str) -> dict[str, Any] | None:
        try:
            from keystoneauth1.exceptions import ClientException
        except ImportError:
            raise MissingLibrary("keystoneauth1") from None
        region, name = self._region(), SERVICES[service].name
        session, place = region.get_session(), region.config.get("region_name") or None
        where = {"service_type": service, "interface": region.get_interface() or "public", "region_name": place}
        try:
            url = region.get_endpoint(service) or token.get_endpoint(session, **where, skip_discovery=True)
            if not url:
                raise Unavailable("%s is not in the catalog of the client's token" % name)
            address = "%s/%s" % (versioned(url, SERVICES[service].version), path)
            said = {"timeout": TIMEOUT, "raise_exc": False, "redirect": False, "log": False}
            # By the client's token alone: the plugin would send the launcher's own beside it.
            headers = {"X-Auth-Token": token.get_token(session), "Accept": "application/json"}
            reply = session.get(address, headers=headers, authenticated=False, **said)
        except ClientException as error:
            raise Unavailable("%s: %s" % (name, error)) from error
        if reply.status_code in (403, 404):
            return None
        if reply.status_code != 200:
            raise Unavailable("%s says %d to the client's token" % (name, reply.status_code))
        return reply.json()

    def _region(self) -> Any:
        """What openstacksdk knows of the launcher's own account, read once."""
        known = self.site.known
        account = json.dumps(known.get("service_cloud"))
        with self._lock:
            if self._made is None or self._made[0] != account:
                try:
                    self._made = account, region_of(parse(known, "service_cloud"))
                except InvalidRequest as error:
                    raise Unavailable("launch_service_cloud: %s" % error) from error
            return self._made[1]


def complete(site: Site, context: RequestContext, server: Mapping[str, Any], entry: dict[str, Any]) -> None:
    """A server of which nothing is said has the only network of Neutron that its project may use, or none where there
    is none; ApiError 409 where there are several (nova/network/neutron.py, `_get_available_networks`)."""
    look = context.identity.look
    if look is None or site.known["network_service"] != "neutron" or entry.get("networks") is not None:
        return
    found: dict[str, None] = {}
    for each in ({"tenant_id": context.project_id, "shared": "False"}, {"shared": "True"}):
        listed = _listed(look, "networks", "networks", fields="id", **each)
        found.update(dict.fromkeys(network["id"] for network in listed))
    if len(found) > 1:
        raise ApiError(409, SEVERAL)
    groups = list(dict.fromkeys(each["name"] for each in server.get("security_groups") or () if each.get("name")))
    port = {"security_groups": groups} if groups else {}
    entry["networks"] = [{"network": identity, **port} for identity in found]
    _check_groups(look, entry["networks"])


def check(site: Site, context: RequestContext, entry: Mapping[str, Any]) -> None:
    """ApiError 400 for what an entry names and who asks cannot have, or for which its flavor is too small."""
    known, look = site.known, context.identity.look
    if entry.get("image") is not None and (known["image_service"] == "url" or look):
        _check_image(known, look, entry)
    if look and known["network_service"] == "neutron":
        check_networks(look, entry.get("networks") or ())


def image_of(site: Site, context: RequestContext, name: str) -> dict[str, Any] | None:
    """What an image service says of an image to who asks, but where its bytes are; None where nobody can ask it.

    ApiError 400 for one that there is not, or that is of no use.
    """
    look = context.identity.look
    if look is None or site.known["image_service"] == "url":
        return None
    found = _found(look, name)
    try:
        known = {name: {**define(found, "").to_result(), "url": ""}}
        return catalog.image(name, known, site.known["image_service"])
    except LaunchError as error:
        raise ApiError(400, str(error), error.public) from error


def _found(look: Look, name: str) -> dict[str, Any]:
    """What Glance shows of an image."""
    found = look("image", "images/" + quote(name, safe=""))
    if found is None:
        raise ApiError(400, "Image %.80s could not be found." % name)
    return found


def _check_image(known: Mapping[str, Any], look: Look | None, entry: Mapping[str, Any]) -> None:
    """ApiError 400 for an image that there is not, that is of no use, or that is too large for the entry's flavor."""
    name, found = entry["image"], None
    if look is not None and known["image_service"] != "url":
        found = _found(look, name)
    try:
        image = define(found, "").to_result() if found else catalog.image(name, known["images"], "url")
        reason = misfit.reason(catalog.flavor(entry["flavor"], known["flavors"]), image, None)
    except LaunchError as error:
        raise ApiError(400, str(error), error.public) from error
    if reason:
        raise ApiError(400, reason)


def check_networks(look: Look, networks: Any) -> None:
    """ApiError 400 for a network, a port or a security group that Neutron does not show to who asks."""
    named = {kind: {each[kind]: None for each in networks if each.get(kind)} for kind in ("network", "port")}
    for kind, names in named.items():
        for name in names:
            if not is_id(name) or look("network", "%ss/%s" % (kind, name)) is None:
                raise ApiError(400, "%s %.80s could not be found." % (kind.capitalize(), name))
    _check_groups(look, networks)


def _check_groups(look: Look, networks: Any) -> None:
    for name in {group: None for each in networks for group in each.get("security_groups") or ()}:
        by_name = look("network", "security-groups?" + urlencode({"fields": "id", "name": name})) or {}
        by_id = is_id(name) and look("network", "security-groups/" + name)
        if not by_name.get("security_groups") and not by_id:
            raise ApiError(400, "Security group %.80s not found." % name)


def security_groups(look: Look, project_id: str) -> list[dict[str, Any]]:
    """The ids and names of a project's security groups."""
    return _listed(look, "security-groups", "security_groups", fields=["id", "name"], project_id=project_id)


def ports(look: Look, server_id: str) -> list[dict[str, Any]]:
    """The ports of a server: which groups each is in, and whether it can be in any."""
    fields = ["id", "security_groups", "port_security_enabled"]
    return _listed(look, "ports", "ports", fields=fields, device_id=server_id)


def _listed(look: Look, path: str, what: str, **asked: Any) -> list[dict[str, Any]]:
    answer = look("network", "%s?%s" % (path, urlencode(asked, doseq=True)))
    if answer is None:
        raise Unavailable("Neutron does not list its %s to the client's token" % path)
    return answer.get(what) or []
