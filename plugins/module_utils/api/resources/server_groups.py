# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Server groups: the site's, which every project has for itself, and those that clients have made."""

from __future__ import annotations

from typing import Any, Mapping

from ...instance import scheduling
from ...record import groups
from ...record.database import now
from .. import reading
from ..bodies import checked
from ..context import RequestContext
from ..errors import ApiError
from ..paging import flag, whole
from ..site import Site
from ..views import parts


class ServerGroups:
    """/os-server-groups."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """Those that servers may name; of an administrator who asks so, also those that other projects have made."""
        context: RequestContext = req.context.nova
        everywhere = flag(context, "all_projects") and context.identity.is_admin
        found = self._told(context, everywhere)
        first = whole(context, "offset") or 0
        resp.media = {"server_groups": found[first:][: whole(context, "limit") or None]}

    def on_get_one(self, req: Any, resp: Any, group_id: str) -> None:
        """One of them."""
        resp.media = {"server_group": self._one(req.context.nova, group_id)}

    def on_post(self, req: Any, resp: Any) -> None:
        """Make one. Its name is the project's own, as it is what playbooks know it by."""
        context: RequestContext = req.context.nova
        said = checked("server group", req, context.version)["server_group"]
        policy = said["policy"] if context.version >= 64 else said["policies"][0]
        group = scheduling.group(said["name"], {"policy": policy, **(said.get("rules") or {})})
        if group["name"] in self.site.known["groups"]:
            raise ApiError(409, "group %s is defined by the site, in launch_server_groups" % group["name"])
        database, user = self.site.database, context.identity.user_id
        database.write(
            lambda connection: groups.make(database, connection, context.project_id, group, user, now(connection))
        )
        resp.media = {
            "server_group": self._view(context, {**group, "project_id": context.project_id, "user_id": user}, {})
        }

    def on_delete_one(self, req: Any, resp: Any, group_id: str) -> None:
        """Take one away; the site's are refused in words. The servers in it stay."""
        context: RequestContext = req.context.nova
        told = self._one(context, group_id)
        database, name = self.site.database, told["name"]
        if not database.write(lambda connection: groups.forget(database, connection, context.project_id, name)):
            raise ApiError(403, "group %s is defined by the site, in launch_server_groups" % name)
        resp.status = 204

    def _one(self, context: RequestContext, group_id: str) -> dict[str, Any]:
        found = next((each for each in self._told(context, False) if each["id"] == group_id), None)
        if found is None:
            raise ApiError(404, "Instance group %s could not be found." % group_id)
        return found

    def _told(self, context: RequestContext, everywhere: bool) -> list[dict[str, Any]]:
        project = None if everywhere else context.project_id
        database = self.site.database
        with database.reading() as connection:
            made = groups.made(database, connection, project)
            members = groups.members(database, connection, project)
        mine = {"project_id": context.project_id, "user_id": context.identity.user_id}
        site = [{**rules, **mine} for _name, rules in sorted(reading.site_groups(self.site).items())]
        return [self._view(context, each, members) for each in [*site, *made]]

    def _view(
        self, context: RequestContext, group: Mapping[str, Any], members: Mapping[tuple[str, str], list[str]]
    ) -> dict:
        return parts.server_group(context, group, members.get((group["project_id"], group["name"]), []))
