# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Server groups: the site's, which every project has for itself, and those that clients have made."""

from __future__ import annotations

from typing import Any, Mapping

from ...instance import scheduling
from ...record import groups
from ...record.database import now
from .. import reading
from ..asked import Asked
from ..bodies import checked
from ..errors import ApiError
from ..front import Front
from ..paging import flag, whole
from ..views import parts


class ServerGroups:
    """/os-server-groups."""

    def __init__(self, front: Front):
        self.front = front

    def on_get(self, req: Any, resp: Any) -> None:
        """Those that servers may name; of an administrator who asks so, also those that other projects have made."""
        asked: Asked = req.context.asked
        everywhere = flag(asked, "all_projects") and asked.identity.is_admin
        found = self._told(asked, everywhere)
        first = whole(asked, "offset") or 0
        resp.media = {"server_groups": found[first:][: whole(asked, "limit") or None]}

    def on_get_one(self, req: Any, resp: Any, group_id: str) -> None:
        """One of them."""
        resp.media = {"server_group": self._one(req.context.asked, group_id)}

    def on_post(self, req: Any, resp: Any) -> None:
        """Make one. Its name is the project's own, as it is what playbooks know it by."""
        asked: Asked = req.context.asked
        said = checked("server group", req, asked.version)["server_group"]
        policy = said["policy"] if asked.version >= 64 else said["policies"][0]
        group = scheduling.group(said["name"], {"policy": policy, **(said.get("rules") or {})})
        if group["name"] in self.front.known["groups"]:
            raise ApiError(409, "group %s is defined by the site, in launch_server_groups" % group["name"])
        database, user = self.front.database, asked.identity.user_id
        database.write(
            lambda connection: groups.make(database, connection, asked.project_id, group, user, now(connection))
        )
        resp.media = {"server_group": self._view(asked, {**group, "project_id": asked.project_id, "user_id": user}, {})}

    def on_delete_one(self, req: Any, resp: Any, group_id: str) -> None:
        """Take one away; the site's are refused in words. The servers in it stay."""
        asked: Asked = req.context.asked
        told = self._one(asked, group_id)
        database, name = self.front.database, told["name"]
        if not database.write(lambda connection: groups.forget(database, connection, asked.project_id, name)):
            raise ApiError(403, "group %s is defined by the site, in launch_server_groups" % name)
        resp.status = 204

    def _one(self, asked: Asked, group_id: str) -> dict[str, Any]:
        found = next((each for each in self._told(asked, False) if each["id"] == group_id), None)
        if found is None:
            raise ApiError(404, "Instance group %s could not be found." % group_id)
        return found

    def _told(self, asked: Asked, everywhere: bool) -> list[dict[str, Any]]:
        project = None if everywhere else asked.project_id
        database = self.front.database
        with database.reading() as connection:
            made = groups.made(database, connection, project)
            members = groups.members(database, connection, project)
        mine = {"project_id": asked.project_id, "user_id": asked.identity.user_id}
        site = [{**rules, **mine} for _name, rules in sorted(reading.site_groups(self.front).items())]
        return [self._view(asked, each, members) for each in [*site, *made]]

    def _view(self, asked: Asked, group: Mapping[str, Any], members: Mapping[tuple[str, str], list[str]]) -> dict:
        return parts.server_group(asked, group, members.get((group["project_id"], group["name"]), []))
