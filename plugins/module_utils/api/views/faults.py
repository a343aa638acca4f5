# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What went wrong with a server, as nova tells it; pure."""

from __future__ import annotations

from typing import Any

from ..context import RequestContext
from ..model import Server


def fault(context: RequestContext, server: Server) -> dict[str, Any]:
    """A server's fault. Its details, the hosts among them, are for administrators, unless the request was wrong."""
    known = dict(server.fault or {})
    told = {"code": known["code"], "created": known["created_at"].partition(".")[0].rstrip("Z") + "Z"}
    told["message"] = known["message"]
    if known.get("details") and (known["code"] != 500 or context.identity.is_admin):
        told["details"] = known["details"]
    return told
