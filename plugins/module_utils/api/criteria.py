# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which servers a list is to have, and in which order: the parameters of the query, under nova's names; pure.

A row is judged by few of its columns: those that the parameters need, and the status that comes of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Callable, Mapping

from .context import RequestContext
from .errors import ApiError
from .filters import ADMIN, FILTERS, OTHERS, SINCE, Row
from .paging import flag
from .policies import ALL_FILTERS, ALL_TENANTS, DETAIL

# What nova lets a client sort by, by the columns here; of the others there is nothing to tell servers apart by.
SORT_KEYS = {
    "availability_zone": "availability_zone",
    "created_at": "created_at",
    "display_name": "name",
    "host": "host",
    "hostname": "name",
    "instance_type_id": "flavor",
    "image_ref": "image",
    "launched_at": "launched_at",
    "name": "name",
    "node": "host",
    "power_state": "power_state",
    "project_id": "project_id",
    "task_state": "task_state",
    "terminated_at": "deleted_at",
    "updated_at": "updated_at",
    "user_id": "user_id",
    "uuid": "uuid",
    "vm_state": "vm_state",
}
ALWAYS = ("id", "uuid", "name", "vm_state", "task_state", "power_state", "created_at", "updated_at", "deleted")


@dataclass(frozen=True)
class Criteria:
    """columns: those that are to be read; holds(row): whether a row is asked for; project_id: None for all of them;
    with_deleted: whether servers that are gone may be among them; order: columns, and whether each goes down."""

    columns: tuple[str, ...]
    holds: Callable[[Row], bool]
    project_id: str | None
    with_deleted: bool
    order: tuple[tuple[str, bool], ...]

    def sort(self, rows: list[Row]) -> list[Row]:
        """The rows in their order; what has no value comes first, as in most databases."""
        for column, down in reversed(self.order):
            rows = sorted(rows, key=lambda row: _sortable(row[column]), reverse=down)
        return rows


def criteria(context: RequestContext, known: Mapping[str, Any]) -> Criteria:
    """What the query asks for."""
    tests = _tests(context, known)
    since, before = moments(context)
    if since is not None:
        tests.append((None, lambda row: row["updated_at"] >= since))
    if before is not None:
        tests.append((None, lambda row: row["updated_at"] <= before))
    order = _order(context)
    needed = [column for column, _test in tests if column] + [column for column, _down in order]
    deleted = _deleted(context)
    if deleted is not None:
        tests.append((None, lambda row: bool(row["deleted"]) == deleted))
    return Criteria(
        columns=tuple(dict.fromkeys([*ALWAYS, *needed])),
        holds=lambda row: all(test(row) for _column, test in tests),
        project_id=_project(context),
        with_deleted=bool(deleted) or (deleted is None and _by_changes(context)),
        order=order,
    )


def _tests(context: RequestContext, known: Mapping[str, Any]) -> list[tuple[str | None, Callable[[Row], bool]]]:
    """What the filters ask of a row, each with the column that it needs."""
    tests = []
    for name, values in context.query.items():
        if name not in FILTERS or context.version < SINCE.get(name, 0):
            if context.version >= 75 and name not in OTHERS:
                raise ApiError(400, "Additional properties are not allowed (%.80r was unexpected)" % name)
            continue
        if name in ADMIN and not context.identity.may(ALL_FILTERS):
            continue
        column, test = FILTERS[name]
        tests.append((column, test(values if name == "status" else values[0], known)))
    return tests


def _project(context: RequestContext) -> str | None:
    """The project that is asked about; None for all of them, which only an administrator may see."""
    # Without a value it is true, as in nova.
    if context.one("all_tenants") != "" and not flag(context, "all_tenants"):
        return context.project_id
    context.identity.needs((context.rule or DETAIL) + ALL_TENANTS)
    return context.one("project_id") or context.one("tenant_id")


def _deleted(context: RequestContext) -> bool | None:
    """Whether gone servers are asked for, and no others; None where nothing is said of it. Others than administrators
    see none of them but by when they have changed; ApiError 403 where they ask by the status."""
    if [each.upper() for each in context.query.get("status", [])] == ["DELETED"]:
        if not context.identity.may(ALL_FILTERS):
            raise ApiError(403, "Only administrators may list deleted instances")
        return True
    if context.one("deleted") is None or not context.identity.may(ALL_FILTERS):
        return None if _by_changes(context) else False
    return flag(context, "deleted")


def _by_changes(context: RequestContext) -> bool:
    """Whether it is asked by when servers have changed: those that are gone are among them."""
    return moments(context) != (None, None)


def moments(context: RequestContext) -> tuple[datetime | None, datetime | None]:
    """Since when, and until when, something is to have changed last; ApiError 400 for what is no time."""
    since = _moment(context, "changes-since")
    before = _moment(context, "changes-before") if context.version >= 66 else None
    if since and before and before < since:
        raise ApiError(400, "The value of changes-since must be less than or equal to changes-before.")
    return since, before


def _moment(context: RequestContext, name: str) -> datetime | None:
    text = context.one(name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text.strip().replace(" ", "+").replace("Z", "+00:00"))
        return found.astimezone(timezone.utc).replace(tzinfo=None) if found.tzinfo else found
    except (ValueError, OverflowError):
        raise ApiError(
            400, "Invalid input for query parameters %s. Value: %.80s. It is no time." % (name, text)
        ) from None


def _order(context: RequestContext) -> tuple[tuple[str, bool], ...]:
    keys, directions = context.query.get("sort_key", []), context.query.get("sort_dir", [])
    wrong = [key for key in keys if key not in SORT_KEYS] + [each for each in directions if each not in ("asc", "desc")]
    if wrong:
        raise ApiError(400, "Invalid input for query parameters sort_key or sort_dir. Value: %.80s" % wrong[0])
    # A direction that is not said is that of the one before (nova/api/openstack/common.py, get_sort_params).
    directions = [*directions, *[directions[-1] if directions else "desc"] * len(keys)]
    said = [(SORT_KEYS[key], down == "desc") for key, down in zip(keys, directions)]
    have = {column for column, _down in said}
    return tuple(said + [(column, True) for column in ("created_at", "id") if column not in have])


def _sortable(value: Any) -> tuple:
    if isinstance(value, dict):
        value = value.get("name")
    return (value is not None, value if value is not None else "")
