# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compute hosts as the record has them: hypervisors, services, availability zones."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Mapping

from .. import reading
from ..context import RequestContext
from ..errors import ApiError, not_found
from ..paging import flag, next_links, page
from ..site import Site
from ..views import hosts as view


class Hypervisors:
    """/os-hypervisors and what is below; for administrators."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """Names and states."""
        resp.media = self._list(req.context.nova, ("os-hypervisors",), view.hypervisor)

    def on_get_detail(self, req: Any, resp: Any) -> None:
        """With their room."""
        resp.media = self._list(req.context.nova, ("os-hypervisors", "detail"), _whole)

    def on_get_one(self, req: Any, resp: Any, hypervisor_id: str) -> None:
        """One of them."""
        context: RequestContext = req.context.nova
        row = self._one(context, hypervisor_id)
        told = _whole(context, row)
        if context.version >= 53 and flag(context, "with_servers"):
            told["servers"] = self._servers([row["host"]]).get(row["host"], [])
        resp.media = {"hypervisor": told}

    def on_get_uptime(self, req: Any, resp: Any, hypervisor_id: str) -> None:
        """How long it has been up, by the boot that it told last; since version 88 one of its fields."""
        context: RequestContext = req.context.nova
        context.had(88, "uptime")
        row = self._one(context, hypervisor_id)
        known = view.uptime(row, datetime.now(timezone.utc))
        if view.state(row) == "down":
            raise ApiError(400, "Compute service of %s is unavailable at this time." % row["host"])
        if known is None:
            raise ApiError(400, "%s has not said yet when it was booted: a survey asks it." % row["host"])
        resp.media = {"hypervisor": {**view.hypervisor(context, row), "uptime": known}}

    def on_get_statistics(self, req: Any, resp: Any) -> None:
        """Sums."""
        context: RequestContext = req.context.nova
        context.had(88, "statistics")
        resp.media = {"hypervisor_statistics": view.statistics(reading.hosts(self.site))}

    def on_get_search(self, req: Any, resp: Any, hypervisor_id: str) -> None:
        """Those with this in their names, until version 53."""
        context: RequestContext = req.context.nova
        context.had(53, "search")
        resp.media = {"hypervisors": [view.hypervisor(context, row) for row in self._matching(context, hypervisor_id)]}

    def on_get_servers(self, req: Any, resp: Any, hypervisor_id: str) -> None:
        """The same, with the servers there."""
        context: RequestContext = req.context.nova
        context.had(53, "servers")
        found = self._matching(context, hypervisor_id)
        servers = self._servers([row["host"] for row in found])
        told = [
            {**view.hypervisor(context, row), **({"servers": servers[row["host"]]} if row["host"] in servers else {})}
            for row in found
        ]
        resp.media = {"hypervisors": told}

    def _one(self, context: RequestContext, hypervisor_id: str) -> dict[str, Any]:
        for row in reading.hosts(self.site):
            if str(view.key(context, "hypervisor", row["host"])) == hypervisor_id:
                return row
        raise ApiError(404, "Hypervisor with ID '%s' could not be found." % hypervisor_id)

    def _matching(self, context: RequestContext, pattern: str) -> list[dict[str, Any]]:
        found = [row for row in reading.hosts(self.site) if pattern.lower() in row["host"].lower()]
        if not found:
            raise ApiError(404, "No hypervisor matching '%s' could be found." % pattern)
        return found

    def _list(self, context: RequestContext, path: tuple[str, ...], told: Any) -> dict[str, Any]:
        pattern = context.one("hypervisor_hostname_pattern") if context.version >= 53 else None
        found = reading.hosts(self.site) if pattern is None else self._matching(context, pattern)
        if context.version >= 33:
            found, more = page(context, found, lambda row: str(view.key(context, "hypervisor", row["host"])))
        else:
            more = False
        made = [told(context, row) for row in found]
        if context.version >= 53 and flag(context, "with_servers"):
            servers = self._servers([row["host"] for row in found])
            made = [{**each, "servers": servers.get(each["hypervisor_hostname"], [])} for each in made]
        links = next_links(context, path, [str(each["id"]) for each in made], more)
        return {"hypervisors": made, **({"hypervisors_links": links} if links else {})}

    def _servers(self, hosts: list[str]) -> dict[str, list[dict[str, str]]]:
        database = self.site.database
        table = database.tables.instances
        columns = (table.c.host, table.c.uuid, table.c.name)
        living = (table.c.host.in_(hosts), table.c.deleted == 0)
        found: dict[str, list[dict[str, str]]] = {}
        with database.reading() as connection:
            for row in connection.execute(database.sql.select(*columns).where(*living).order_by(table.c.name)):
                found.setdefault(row.host, []).append({"name": row.name, "uuid": row.uuid})
        return found


def _whole(context: RequestContext, row: Mapping[str, Any]) -> dict[str, Any]:
    return view.hypervisor_whole(context, row, datetime.now(timezone.utc))


class Services:
    """/os-services; for administrators."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """Each compute host is one, though nothing of ours runs there."""
        context: RequestContext = req.context.nova
        host, binary = context.one("host"), context.one("binary")
        told = [view.service(context, row) for row in reading.hosts(self.site)]
        found = [each for each in told if host in (None, each["host"]) and binary in (None, each["binary"])]
        resp.media = {"services": found}

    def on_put_one(self, req: Any, resp: Any, service_id: str) -> None:
        """Refused in words, for one that there is; until version 52 the address names what to do, and no service."""
        context: RequestContext = req.context.nova
        known = [view.key(context, "service", row["host"]) for row in reading.hosts(self.site)]
        if context.version >= 53 and service_id not in known:
            raise not_found("Service", service_id)
        raise ApiError(403, "Hosts are set by the site, in launch_host_settings; the API cannot change them.")


class Zones:
    """/os-availability-zone."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """The zones."""
        resp.media = {"availabilityZoneInfo": view.zones(reading.hosts(self.site), detail=False)}

    def on_get_detail(self, req: Any, resp: Any) -> None:
        """With their hosts; for administrators."""
        resp.media = {"availabilityZoneInfo": view.zones(reading.hosts(self.site), detail=True)}


class Aggregates:
    """/os-aggregates, as hosts' settings name them; for administrators."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """Each with its hosts."""
        found: dict[str, dict[str, Any]] = {}
        for row in reading.hosts(self.site):
            for each in row["aggregates"] or ():
                known = found.setdefault(each["name"], view.aggregate(req.context.nova, each))
                known["hosts"].append(row["host"])
        resp.media = {"aggregates": [found[name] for name in sorted(found)]}
