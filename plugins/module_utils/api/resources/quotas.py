# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much a project may have, and has: limits, quotas and usage."""

from __future__ import annotations

from typing import Any

from ...instance import quota
from ...record import projects
from .. import reading
from ..context import RequestContext
from ..errors import ApiError
from ..policies import OTHER_LIMITS
from ..site import Site
from ..versions import exact

# What nothing here limits (-1), or what there is none of (0), under nova's names.
UNLIMITED = -1
OF_QUOTAS = {
    "metadata_items": UNLIMITED,
    "key_pairs": UNLIMITED,
    "server_groups": UNLIMITED,
    "server_group_members": UNLIMITED,
    "fixed_ips": UNLIMITED,
    "floating_ips": UNLIMITED,
    "security_groups": UNLIMITED,
    "security_group_rules": UNLIMITED,
    "injected_files": 0,
    "injected_file_content_bytes": 0,
    "injected_file_path_bytes": 0,
}
OF_LIMITS = {
    "maxImageMeta": UNLIMITED,
    "maxPersonality": 0,
    "maxPersonalitySize": 0,
    "maxSecurityGroups": UNLIMITED,
    "maxSecurityGroupRules": UNLIMITED,
    "maxServerMeta": UNLIMITED,
    "maxServerGroups": UNLIMITED,
    "maxServerGroupMembers": UNLIMITED,
    "maxTotalFloatingIps": UNLIMITED,
    "maxTotalKeypairs": UNLIMITED,
    "totalFloatingIpsUsed": 0,
    "totalSecurityGroupsUsed": 0,
}
COUNTED = ("instances", "cores", "ram")


class Limits:
    """/limits."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """What the project may have and what it uses."""
        context: RequestContext = req.context.nova
        project = context.one("tenant_id") or context.project_id
        if project != context.project_id:
            context.identity.needs(OTHER_LIMITS)
        most, used = limits(self.site, project), _used(self.site, project)
        told = {
            **OF_LIMITS,
            "maxTotalInstances": most["instances"],
            "maxTotalCores": most["cores"],
            "maxTotalRAMSize": most["ram"],
            "totalInstancesUsed": used["instances"],
            "totalCoresUsed": used["cores"],
            "totalRAMUsed": used["ram"],
            "totalServerGroupsUsed": used["server_groups"],
        }
        resp.media = {"limits": {"rate": [], "absolute": exact("limits", told, context.version)}}


class QuotaSets:
    """/os-quota-sets/{project}, and its details and defaults."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any, project_id: str) -> None:
        """What the project may have."""
        context: RequestContext = req.context.nova
        resp.media = {"quota_set": {"id": project_id, **self._told(context, project_id)}}

    def on_get_defaults(self, req: Any, resp: Any, project_id: str) -> None:
        """What a project may have of which nothing is said."""
        context: RequestContext = req.context.nova
        resp.media = {"quota_set": {"id": project_id, **self._told(context, None)}}

    def on_get_detail(self, req: Any, resp: Any, project_id: str) -> None:
        """And what it uses."""
        context: RequestContext = req.context.nova
        used = _used(self.site, project_id)
        told = {
            name: {"limit": most, "in_use": used.get(name, 0), "reserved": 0}
            for name, most in self._told(context, project_id).items()
        }
        resp.media = {"quota_set": {"id": project_id, **told}}

    def on_put(self, req: Any, resp: Any, project_id: str) -> None:
        """Refused in words."""
        told = "Quotas are set by the site, in launch_quotas and launch_project_quotas; the API cannot change them."
        raise ApiError(403, told)

    def _told(self, context: RequestContext, project_id: str | None) -> dict[str, int]:
        most = limits(self.site, project_id)
        return exact("quota", {**OF_QUOTAS, **{name: most[name] for name in COUNTED}}, context.version)


def limits(site: Site, project_id: str | None) -> dict[str, int]:
    """The quotas of a project, or of one of which nothing is said; -1 where there is none."""
    return {**dict.fromkeys(quota.RESOURCES, UNLIMITED), **quota.limits(site.known, project_id)}


def _used(site: Site, project_id: str) -> dict[str, int]:
    with site.database.reading() as connection:
        used = projects.used(site.database, connection, project_id)
    return {**used, "server_groups": len(reading.groups_of(site, project_id))}
