# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a fault tells those who may not know the hosts: what is wrong, not where, nor what is there; pure."""

from __future__ import annotations

import re
from typing import Any, Iterable

from ...instance.outcome import LAST_ERROR, TRIED
from ...schedule.refusals import without_hosts
from ..asked import Asked
from ..model import Server
from ..policies import HOST_ATTRIBUTES

_TRIED = re.compile(re.escape(TRIED).replace("%s", "[^)]*"))
_GIVEN_UP = re.compile(r"(\w+ was given up after \d+ attempts): (.*)", re.DOTALL)


def fault(asked: Asked, server: Server) -> dict[str, Any]:
    """A server's fault. Its details are for administrators, unless the request was wrong."""
    known = dict(server.fault or {})
    told = {"code": known["code"], "created": known["created_at"].partition(".")[0].rstrip("Z") + "Z"}
    told["message"] = known["message"]
    if not asked.identity.may(HOST_ATTRIBUTES):
        instance = server.instance
        hosts = {known.get("host"), instance.host, *(instance.attempted_hosts or ())}
        told["message"] = for_users(known["message"], instance.name, filter(None, hosts))
    if known.get("details") and (known["code"] != 500 or asked.identity.is_admin):
        told["details"] = known["details"]
    return told


def for_users(message: str, name: str, hosts: Iterable[str]) -> str:
    """An instance's fault without these hosts: what one of them, or a run, has said in its own words goes as well."""
    message = _TRIED.sub("", message.partition(LAST_ERROR)[0])
    given_up = _GIVEN_UP.fullmatch(message)
    if given_up and not given_up[2].startswith(name + " is "):
        return given_up[1]
    message = without_hosts(message)
    for host in sorted(hosts, key=len, reverse=True):
        message = re.sub(r"\bhost %s: .*" % re.escape(host), "its host has failed", message, flags=re.DOTALL)
        message = re.sub(r"((?<![\w-])host )?(?<![\w.-])%s(?!\.?[\w-])" % re.escape(host), "its host", message)
    return message
