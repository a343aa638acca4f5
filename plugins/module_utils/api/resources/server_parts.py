# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a server has: addresses, metadata, tags, history, volumes, interfaces."""

from __future__ import annotations

from typing import Any, Callable

from ...record import events, server_extras
from .. import acting, asking, attaching, reading, security_groups
from ..bodies import checked, valid
from ..context import RequestContext
from ..criteria import moments
from ..errors import ApiError
from ..paging import next_links, page
from ..site import Site
from ..views import parts as view
from ..views.definitions import security_group
from ..views.servers import addresses


class Addresses:
    """/servers/{id}/ips and /ips/{network}."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any, server_id: str) -> None:
        """By network."""
        ports = reading.one(self.site, req.context.nova, server_id).instance.ports
        resp.media = {"addresses": addresses(ports, extended=False)}

    def on_get_one(self, req: Any, resp: Any, server_id: str, network: str) -> None:
        """Those on one network."""
        found = addresses(reading.one(self.site, req.context.nova, server_id).instance.ports, extended=False)
        if network not in found:
            raise ApiError(404, "Instance is not a member of network %s" % network)
        resp.media = {network: found[network]}


class Metadata:
    """/servers/{id}/metadata."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any, server_id: str) -> None:
        """All of it."""
        resp.media = {"metadata": reading.one(self.site, req.context.nova, server_id).instance.metadata}

    def on_post(self, req: Any, resp: Any, server_id: str) -> None:
        """Add to it."""
        said = checked("metadata", req, req.context.nova.version)["metadata"]
        resp.media = {"metadata": self._change(req, server_id, lambda known: {**known, **said})}

    def on_put(self, req: Any, resp: Any, server_id: str) -> None:
        """Replace it."""
        said = checked("metadata", req, req.context.nova.version)["metadata"]
        resp.media = {"metadata": self._change(req, server_id, lambda known: said)}

    def on_get_one(self, req: Any, resp: Any, server_id: str, key: str) -> None:
        """One item."""
        resp.media = {"meta": {key: self._value(req.context.nova, server_id, key)}}

    def on_put_one(self, req: Any, resp: Any, server_id: str, key: str) -> None:
        """Set one item."""
        said = checked("meta", req, req.context.nova.version)["meta"]
        if list(said) != [key]:
            raise ApiError(400, "Request body and URI mismatch")
        resp.media = {"meta": said}
        self._change(req, server_id, lambda known: {**known, **said})

    def on_delete_one(self, req: Any, resp: Any, server_id: str, key: str) -> None:
        """Forget one item."""
        self._value(req.context.nova, server_id, key)
        self._change(req, server_id, lambda known: {name: known[name] for name in known if name != key})
        resp.status = 204

    def _value(self, context: RequestContext, server_id: str, key: str) -> str:
        known = reading.one(self.site, context, server_id).instance.metadata
        if key not in known:
            raise ApiError(404, "Metadata item was not found")
        return known[key]

    def _change(self, req: Any, server_id: str, change: Any) -> dict[str, str]:
        return asking.set_metadata(self.site, req.context.nova, server_id, change)


class Tags:
    """/servers/{id}/tags, since version 26."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any, server_id: str) -> None:
        """All of them."""
        resp.media = {"tags": self._tags(req, server_id)}

    def on_put(self, req: Any, resp: Any, server_id: str) -> None:
        """Replace them."""
        self._tags(req, server_id)
        said = checked("tags", req, req.context.nova.version)["tags"]
        resp.media = {"tags": self._write(req, server_id, lambda _known: said)}

    def on_delete(self, req: Any, resp: Any, server_id: str) -> None:
        """Forget them."""
        self._tags(req, server_id)
        self._write(req, server_id, lambda _known: ())
        resp.status = 204

    def on_get_one(self, req: Any, resp: Any, server_id: str, tag: str) -> None:
        """Whether it has this one: 204, or 404."""
        self._known(req, server_id, tag)
        resp.status = 204

    def on_put_one(self, req: Any, resp: Any, server_id: str, tag: str) -> None:
        """Give it this one: 201, or 204 if it had it."""
        had = tag in self._tags(req, server_id)
        version = req.context.nova.version

        def change(known: list[str]) -> list[str]:
            valid("tags", {"tags": [*known, tag]}, version)
            return [*known, tag]

        self._write(req, server_id, change)
        resp.status = 204 if had else 201

    def on_delete_one(self, req: Any, resp: Any, server_id: str, tag: str) -> None:
        """Forget this one."""
        self._known(req, server_id, tag)
        self._write(req, server_id, lambda known: [each for each in known if each != tag])
        resp.status = 204

    def _known(self, req: Any, server_id: str, tag: str) -> None:
        if tag not in self._tags(req, server_id):
            raise ApiError(404, "Server %s has no tag '%s'" % (server_id, tag))

    def _tags(self, req: Any, server_id: str) -> list[str]:
        req.context.nova.has(26, "tags")
        return reading.one(self.site, req.context.nova, server_id).extras["tags"]

    def _write(self, req: Any, server_id: str, change: Callable) -> list[str]:
        server, database = reading.one(self.site, req.context.nova, server_id), self.site.database
        return database.write(lambda connection: server_extras.write_tags(database, connection, server.id, change))


class RemoteConsoles:
    """/servers/{id}/remote-consoles: there are none; os-getConsoleOutput tells what a guest says."""

    def __init__(self, site: Site):
        self.site = site

    def on_post(self, req: Any, resp: Any, server_id: str) -> None:
        """Refuse it, for a server that there is."""
        reading.one(self.site, req.context.nova, server_id)
        raise acting.cannot(501, "remote-consoles")


class Actions:
    """/servers/{id}/os-instance-actions."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any, server_id: str) -> None:
        """What has been done for it, the latest first; since version 58 in parts."""
        context: RequestContext = req.context.nova
        server = self._server(context, server_id)
        told = [view.action(context, server, each) for each in reversed(self._history(server_id))]
        links = []
        if context.version >= 58:
            since, before = (moment and moment.isoformat(timespec="microseconds") for moment in moments(context))
            told = [each for each in told if (since or "") <= each["updated_at"] <= (before or "~")]
            told, more = page(context, told, lambda each: each["request_id"])
            path = ("servers", server_id, "os-instance-actions")
            links = next_links(context, path, [each["request_id"] for each in told], more)
        resp.media = {"instanceActions": told, **({"links": links} if links else {})}

    def on_get_one(self, req: Any, resp: Any, server_id: str, request_id: str) -> None:
        """What came of one request, stage by stage."""
        context: RequestContext = req.context.nova
        server = self._server(context, server_id)
        found = [each for each in self._history(server_id) if each["request_id"] == request_id]
        if not found:
            raise ApiError(404, "Action for request_id %s on instance %s not found" % (request_id, server_id))
        told = {
            **view.action(context, server, found[-1]),
            "events": [view.event(context, server, each) for each in found[-1]["events"]],
        }
        resp.media = {"instanceAction": told}

    def _server(self, context: RequestContext, server_id: str) -> Any:
        """Since version 21 also one that is gone."""
        return reading.one(self.site, context, server_id, with_deleted=context.version >= 21)

    def _history(self, server_id: str) -> list[dict[str, Any]]:
        with self.site.database.reading() as connection:
            return events.history(self.site.database, connection, [server_id])[server_id]["actions"]


class Volumes:
    """/servers/{id}/os-volume_attachments."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any, server_id: str) -> None:
        """Its volumes."""
        context: RequestContext = req.context.nova
        server = reading.one(self.site, context, server_id)
        told = [view.attachment(context, server, each) for each in server.instance.volumes]
        resp.media = {"volumeAttachments": told}

    def on_get_one(self, req: Any, resp: Any, server_id: str, volume_id: str) -> None:
        """One of them."""
        context: RequestContext = req.context.nova
        server = reading.one(self.site, context, server_id)
        found = attaching.volume_of(server, volume_id)
        resp.media = {"volumeAttachment": view.attachment(context, server, found)}

    def on_post(self, req: Any, resp: Any, server_id: str) -> None:
        """Attach one: 200, as it is the row's from now on."""
        context: RequestContext = req.context.nova
        said = checked("attach volume", req, context.version)["volumeAttachment"]
        server, volume = attaching.attach_volume(self.site, context, server_id, said)
        resp.media = {"volumeAttachment": view.attachment(context, server, volume)}

    def on_put_one(self, req: Any, resp: Any, server_id: str, volume_id: str) -> None:
        """Say whether it goes with the server."""
        context: RequestContext = req.context.nova
        said = checked("update volume", req, context.version)["volumeAttachment"]
        attaching.update_volume(self.site, context, server_id, volume_id, said)
        resp.status = 202

    def on_delete_one(self, req: Any, resp: Any, server_id: str, volume_id: str) -> None:
        """Detach one: it is listed until its guest has let go of it."""
        attaching.detach_volume(self.site, req.context.nova, server_id, volume_id)
        resp.status = 202


class Interfaces:
    """/servers/{id}/os-interface."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any, server_id: str) -> None:
        """Its ports."""
        context: RequestContext = req.context.nova
        ports = attaching.interfaces(reading.one(self.site, context, server_id))
        told = [view.interface(context, each, self.site.known["networks"]) for each in ports]
        resp.media = {"interfaceAttachments": told}

    def on_get_one(self, req: Any, resp: Any, server_id: str, port_id: str) -> None:
        """One of them."""
        context: RequestContext = req.context.nova
        found = attaching.port_of(reading.one(self.site, context, server_id), port_id)
        resp.media = {"interfaceAttachment": view.interface(context, found, self.site.known["networks"])}

    def on_post(self, req: Any, resp: Any, server_id: str) -> None:
        """Plug one in: 200, as it is the row's from now on."""
        context: RequestContext = req.context.nova
        said = checked("attach interface", req, context.version).get("interfaceAttachment") or {}
        port = attaching.attach_interface(self.site, context, server_id, said)
        resp.media = {"interfaceAttachment": view.interface(context, port, self.site.known["networks"])}

    def on_delete_one(self, req: Any, resp: Any, server_id: str, port_id: str) -> None:
        """Unplug one: it is listed until its guest has let go of it."""
        attaching.detach_interface(self.site, req.context.nova, server_id, port_id)
        resp.status = 202


class SecurityGroups:
    """/servers/{id}/os-security-groups."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any, server_id: str) -> None:
        """The groups of its ports."""
        context: RequestContext = req.context.nova
        server = reading.one(self.site, context, server_id)
        project = server.instance.project_id
        listed = security_groups.listed(self.site, context, server)
        resp.media = {"security_groups": [security_group(each.name, project, each.id) for each in listed]}
