# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a list of servers can be asked for: each parameter with the column that it needs, and a test of it; pure."""

from __future__ import annotations

import re
from typing import Any, Callable, Mapping

from ..core.names import reservation_id
from .errors import ApiError
from .identifiers import definition_id, named
from .paging import FALSE, TRUE

POWER_STATES = {"running": 1, "paused": 3, "shutdown": 4, "crashed": 6, "suspended": 7}

# How often a client's regular expression may repeat something: what n characters are tried with n times as often each.
OF_A_NAME, OF_A_TEXT = 2, 1

Row = Mapping[str, Any]


def _regex(column: str, most: int = OF_A_NAME) -> tuple[str, Callable]:
    """A filter by a regular expression that a column has to hold somewhere."""

    def test(value: str, _known: Any) -> Callable[[Row], bool]:
        pattern = _pattern(value, most)
        return lambda row: bool(pattern.search(row[column] or ""))

    return column, test


def _pattern(value: str, most: int = OF_A_NAME) -> Any:
    """A regular expression that is soon done with any name: few repetitions, and none of them of a group."""
    try:
        pattern = re.compile(value[:255])
    except (re.error, RecursionError, OverflowError):
        raise ApiError(400, "Invalid input for query parameters: %.80s is no regular expression." % value) from None
    repeated = re.sub(r"\\.", "", value)
    if len(re.findall(r"[*+?{]", repeated)) > most or re.search(r"\)[*+?{]", repeated):
        raise ApiError(400, "Invalid input for query parameters: %.80s repeats more than a list has time for." % value)
    return pattern


def _equal(column: str) -> tuple[str, Callable]:
    return column, lambda value, _known: lambda row: row[column] == value


def _status(values: list[str], _known: Any) -> Callable[[Row], bool]:
    wanted = {value.upper() for value in values}
    return lambda row: row["status"] in wanted


def _power_state(value: str, _known: Any) -> Callable[[Row], bool]:
    return lambda row: str(POWER_STATES.get(row["power_state"], 0)) == value


def _address(family: str) -> tuple[str, Callable]:
    def test(value: str, _known: Any) -> Callable[[Row], bool]:
        pattern = _pattern(value)
        return lambda row: any(pattern.search(address) for address in addresses(row["ports"], family))

    return "ports", test


def addresses(ports: Any, family: str) -> list[str]:
    """The addresses of one family, 4 or 6, that ports have."""
    found: list[str] = []
    for port in ports or ():
        said = port.get("fixed_ips") or [port.get("fixed_ip")]
        told = [*said, (port.get("network_info") or {}).get("ipv6_address")]
        found += [address for address in told if address and (":" in address) == (family == "6")]
    return found


def _image(value: str, known: Mapping[str, Any]) -> Callable[[Row], bool]:
    name = named("image", value, known["images"])
    return lambda row: bool(row["image"]) and (
        row["image"].get("id") == value or row["image"]["name"] in (value, name)
        or definition_id("image", row["image"]["name"], row["image"]) == value
    )  # fmt: skip


def _flavor(value: str, _known: Any) -> Callable[[Row], bool]:
    return lambda row: bool(row["flavor"]) and row["flavor"]["name"] == value


def _reservation(value: str, _known: Any) -> Callable[[Row], bool]:
    return lambda row: reservation_id(row["request_id"]) == value


def _tags(holds: Callable[[set, set], bool]) -> tuple[str, Callable]:
    def test(value: str, _known: Any) -> Callable[[Row], bool]:
        asked = set(value.split(","))
        return lambda row: holds(set(row["tags"] or ()), asked)

    return "tags", test


def _locked(value: str, _known: Any) -> Callable[[Row], bool]:
    if value.lower() not in (*TRUE, *FALSE):
        raise ApiError(400, "Invalid input for query parameters locked. Value: %.80s" % value)
    return lambda row: bool(row["locked_by"]) == (value.lower() in TRUE)


def _always(value: str, _known: Any) -> Callable[[Row], bool]:
    """Every guest has a config drive."""
    return lambda _row: value.lower() not in FALSE


# The parameters, each with the column that it needs and what makes a test of its value.
FILTERS: dict[str, tuple[str | None, Callable]] = {
    "name": _regex("name"),
    "display_name": _regex("name"),
    "hostname": _regex("name"),
    "status": (None, _status),
    "image": ("image", _image),
    "image_ref": ("image", _image),
    "flavor": ("flavor", _flavor),
    "ip": _address("4"),
    "ip6": _address("6"),
    "host": _equal("host"),
    "node": _equal("host"),
    "user_id": _equal("user_id"),
    "uuid": _equal("uuid"),
    "vm_state": _equal("vm_state"),
    "task_state": _equal("task_state"),
    "power_state": (None, _power_state),
    "availability_zone": _equal("zone"),
    "key_name": _equal("key_name"),
    "description": _regex("description", OF_A_TEXT),
    "reservation_id": ("request_id", _reservation),
    "tags": _tags(lambda have, asked: have >= asked),
    "tags-any": _tags(lambda have, asked: bool(have & asked)),
    "not-tags": _tags(lambda have, asked: not have >= asked),
    "not-tags-any": _tags(lambda have, asked: not have & asked),
    "locked": ("locked_by", _locked),
    "config_drive": (None, _always),
}
ADMIN = {"host", "node", "user_id"}
SINCE = {**dict.fromkeys(("tags", "tags-any", "not-tags", "not-tags-any"), 26), "locked": 73}
# What else a list takes; all others are wrong since version 75, and mean nothing before.
OTHERS = {
    "all_tenants", "project_id", "tenant_id", "deleted", "changes-since", "changes-before", "sort_key", "sort_dir",
    "limit", "marker", "soft_deleted",
}  # fmt: skip
