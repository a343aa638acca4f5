# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a request says of where its instances may go: server group, availability zone, scheduler hints."""

from __future__ import annotations

import ipaddress
import json
import reprlib
from typing import Any, Mapping

from ..core.errors import InvalidRequest
from ..core.names import checked_name

POLICIES = ("affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity")
GROUP_KEYS = {"policy", "max_server_per_host"}
MOST_LEVELS = 32  # of lists in a query


def wrong_groups(groups: dict[str, Any]) -> list[str]:
    """What is wrong with the server groups of a request, one text for each."""
    wrong = []
    for name, rules in groups.items():
        try:
            group(name, rules)
        except InvalidRequest as error:
            wrong.append(str(error))
    return wrong


def group(name: str, rules: Any) -> dict[str, Any]:
    """The server group as documents have it: {name, policy, max_server_per_host}; InvalidRequest if it is wrong."""
    what = "group %s" % checked_name(name, "group")
    if not isinstance(rules, dict) or set(rules) - GROUP_KEYS:
        raise InvalidRequest("%s is %r, it must be a mapping of policy and max_server_per_host" % (what, rules))
    policy, most = rules.get("policy"), rules.get("max_server_per_host")
    if policy not in POLICIES:
        raise InvalidRequest("%s: policy is %r, it must be one of %s" % (what, policy, ", ".join(POLICIES)))
    if most is not None and policy != "anti-affinity":
        raise InvalidRequest("%s: max_server_per_host goes with the policy anti-affinity only" % what)
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        raise InvalidRequest("%s: max_server_per_host is %r, it must be 1 or more" % (what, most))
    return {"name": name, "policy": policy, "max_server_per_host": most}


def zone(name: str, value: Any) -> str | None:
    """The availability zone asked for; None if any will do."""
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= 255:
        raise InvalidRequest("%s: availability_zone is %r, it must be the name of one" % (name, value))
    return value


def hints(name: str, value: Any) -> dict[str, Any] | None:
    """The scheduler hints, of nova's names and forms."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidRequest("%s: scheduler_hints must be a mapping, it is %r" % (name, value))
    unknown = unknown_hints(value)
    if unknown:
        raise InvalidRequest("%s: %s" % (name, unknown))
    parsed = {}
    for key, hint in value.items():
        try:
            parsed[str(key)] = HINTS[key](hint) if key in HINTS else hint
        except (TypeError, ValueError) as error:
            raise InvalidRequest("%s: scheduler hint %s is %s: %s" % (name, key, reprlib.repr(hint), error)) from None
    return parsed


def unknown_hints(hints: Mapping) -> str | None:
    """What is wrong with the names of hints; one with a dot in its name belongs to a filter of the user's."""
    unknown = sorted(str(key) for key in hints if key not in HINTS and "." not in str(key))
    if not unknown:
        return None
    names = (", ".join(unknown), ", ".join(sorted(HINTS)))
    return "unknown scheduler hint %s (known: %s, and those with a dot, of filters of your own)" % names


def _names(hint: Any) -> list[str]:
    names = [hint] if isinstance(hint, str) else hint
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError("it must be an instance's name or UUID, or a list of such")
    return names


def _address(hint: Any) -> str:
    return str(ipaddress.ip_address(str(hint)))


def _prefix(hint: Any) -> str:
    """A prefix length as nova's hint has it, `/24`."""
    length = str(hint).lstrip("/")
    if not length.isdigit() or int(length) > 128:
        raise ValueError("it must be a prefix length such as /24")
    return "/" + length


def query(hint: Any) -> list:
    """The query of nova's JsonFilter, a list or its JSON text; ValueError if it is none."""
    try:
        found = json.loads(hint) if isinstance(hint, str) else hint
    except RecursionError:
        found = None
    if not isinstance(found, list) or not found or not _is_query(found, MOST_LEVELS):
        raise ValueError(
            'it must be a list such as [">=", "$free_ram_mb", 1024], of words, numbers and lists, %d deep at most'
            % MOST_LEVELS
        )
    return found


def _is_query(term: Any, levels: int) -> bool:
    if isinstance(term, list):
        return levels > 0 and bool(term) and all(_is_query(part, levels - 1) for part in term)
    return isinstance(term, (str, int, float))


HINTS = {
    "same_host": _names,
    "different_host": _names,
    "build_near_host_ip": _address,
    "cidr": _prefix,
    "query": query,
}
