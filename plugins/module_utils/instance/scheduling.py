# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a request says of where its instances may go: server group, availability zone, scheduler hints."""

from __future__ import annotations

import json
from typing import Any, Mapping

from ..core.convert import LARGEST, LEVELS, below, choice, data, mapping, printable, sequence, shown, text, whole
from ..core.errors import InvalidRequest
from ..core.names import checked_name
from ..network.addresses import checked_address

POLICIES = ("affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity")
GROUP_KEYS = ("max_server_per_host", "policy")


def group(name: str, rules: Any) -> dict[str, Any]:
    """The server group as documents have it: {name, policy, max_server_per_host}; InvalidRequest if it is wrong."""
    what = "group %s" % checked_name(name, "group")
    said = {key: value for key, value in mapping(rules, what, GROUP_KEYS).items() if value is not None}
    policy, most = choice(said.get("policy"), "%s: policy" % what, POLICIES), said.get("max_server_per_host")
    if most is not None and policy != "anti-affinity":
        raise InvalidRequest("%s: max_server_per_host goes with the policy anti-affinity only" % what)
    if most is not None:
        most = whole(most, "%s: max_server_per_host" % what, least=1, most=LARGEST)
    return {"name": name, "policy": policy, "max_server_per_host": most}


def hints(value: Any, what: str) -> dict[str, Any]:
    """The scheduler hints, of nova's names and forms."""
    unknown = unknown_hints(mapping(value, what))
    if unknown:
        raise InvalidRequest("%s: %s" % (what, unknown))
    return {key: HINTS.get(key, data)(hint, below(what, key)) for key, hint in value.items()}


def unknown_hints(hints: Mapping[str, Any]) -> str | None:
    """What is wrong with the names of hints; one with a dot in its name belongs to a filter of the user's."""
    unknown = sorted("%.80s" % key for key in hints if key not in HINTS and "." not in key)
    if not unknown:
        return None
    names = (", ".join(unknown), ", ".join(sorted(HINTS)))
    return "unknown scheduler hint %s (known: %s, and those with a dot, of filters of your own)" % names


def _names(value: Any, what: str) -> list[str]:
    """Names or UUIDs of instances; one may stand alone."""
    names = [printable(name, what) for name in ([value] if isinstance(value, str) else sequence(value, what))]
    if not names:
        raise InvalidRequest("%s: is empty: an instance's name or UUID is needed, or a list of such" % what)
    return names


def _address(value: Any, what: str) -> str:
    return str(checked_address(text(value, what), what))


def _prefix(value: Any, what: str) -> str:
    """A prefix length as nova's hint has it, `/24`."""
    return "/%d" % whole(value[1:] if isinstance(value, str) and value.startswith("/") else value, what, 0, 128)


def query(value: Any, what: str) -> list:
    """The query of nova's JsonFilter, a list or its JSON text."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not found or not _is_query(found, LEVELS):
        raise InvalidRequest(
            '%s: %s: it must be a list such as [">=", "$free_ram_mb", 1024], of words, numbers and lists, %d deep at '
            "most" % (what, shown(value), LEVELS)
        )
    return data(found, what)


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
