# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What happened to instances: actions (create, delete), the events within them, and faults.

A message is for users; details, such as a traceback, are for administrators.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Iterable

DETAILS_LIMIT = 8000  # characters of details that are kept, the last ones
ACTION = ("action", "request_id", "user_id", "host", "start_time", "finish_time", "result", "message")
EVENT = ("event", "host", "start_time", "finish_time", "result", "message", "details")
FAULT = ("code", "message", "details", "host", "created_at")


def start_action(database, connection, instance, action: str, request_id: str, moment: datetime) -> None:
    """Start an action of the instance, unless it is open already."""
    table = database.tables.instance_actions
    if not connection.execute(table.select().where(*_open(table, instance.uuid, action))).first():
        row = {"instance_uuid": instance.uuid, "request_id": request_id, "action": action, "start_time": moment}
        connection.execute(table.insert().values(**row, user_id=instance.user_id))


def finish_action(database, connection, instance, action: str, moment: datetime) -> None:
    """Finish an action of the instance with its result."""
    table = database.tables.instance_actions
    result = {"result": "Error" if instance.fault else "Success", "message": instance.fault}
    statement = table.update().where(*_open(table, instance.uuid, action))
    connection.execute(statement.values(finish_time=moment, host=instance.host, **result))


def open_actions(database, connection, events: Iterable[dict[str, Any]]) -> dict[str, int]:
    """The ids of the open actions of the instances that these events are of."""
    mine = {event["instance_uuid"] for event in events}
    if not mine:
        return {}
    table = database.tables.instance_actions
    statement = table.select().where(table.c.instance_uuid.in_(mine), table.c.finish_time.is_(None))
    return {row.instance_uuid: row.id for row in connection.execute(statement.order_by(table.c.id))}


def record_events(
    database, connection, events: Iterable[dict[str, Any]], moment: datetime, actions: dict[str, int] | None = None
) -> None:
    """Record events of instances that have an open action (by default, now); events of others are left out.

    An event has instance_uuid and event, and may have host, result, message, details, start_time and finish_time.
    """
    events = list(events)
    known = open_actions(database, connection, events) if actions is None else actions
    rows = [_event(known[event["instance_uuid"]], event, moment) for event in events if event["instance_uuid"] in known]
    if rows:
        connection.execute(database.tables.instance_action_events.insert(), rows)


def record_fault(database, connection, instance_uuid: str, fault: dict[str, Any], moment: datetime) -> None:
    """Record a fault {code, message, details, host}; code as in HTTP: 400 for a wrong request, else 500."""
    row = {**fault, "details": _last(fault["details"]), "instance_uuid": instance_uuid, "created_at": moment}
    connection.execute(database.tables.instance_faults.insert().values(row))


def history(database, connection, instance_uuids: list[str]) -> dict[str, dict[str, list]]:
    """By instance its actions, each with its events, and its faults; the oldest first."""
    tables = database.tables
    actions, events, faults = tables.instance_actions, tables.instance_action_events, tables.instance_faults
    found: dict[str, dict[str, list]] = {identity: {"actions": [], "faults": []} for identity in instance_uuids}
    by_id = {}
    for row in connection.execute(actions.select().where(actions.c.instance_uuid.in_(found)).order_by(actions.c.id)):
        by_id[row.id] = {**_fields(row, ACTION), "events": []}
        found[row.instance_uuid]["actions"].append(by_id[row.id])
    for row in connection.execute(events.select().where(events.c.action_id.in_(by_id)).order_by(events.c.id)):
        by_id[row.action_id]["events"].append(_fields(row, EVENT))
    for row in connection.execute(faults.select().where(faults.c.instance_uuid.in_(found)).order_by(faults.c.id)):
        found[row.instance_uuid]["faults"].append(_fields(row, FAULT))
    return found


def last_faults(database, connection, instance_uuids: list[str]) -> dict[str, dict[str, Any]]:
    """By instance its last fault, where it has one."""
    table = database.tables.instance_faults
    if not instance_uuids:
        return {}
    rows = connection.execute(table.select().where(table.c.instance_uuid.in_(instance_uuids)).order_by(table.c.id))
    return {row.instance_uuid: _fields(row, FAULT) for row in rows}


def _open(table, instance_uuid: str, action: str) -> tuple:
    return table.c.instance_uuid == instance_uuid, table.c.action == action, table.c.finish_time.is_(None)


def _event(action_id: int, event: dict[str, Any], moment: datetime) -> dict[str, Any]:
    values = {"start_time": moment, "finish_time": moment, **{key: event[key] for key in EVENT if event.get(key)}}
    return {**dict.fromkeys(EVENT), **values, "details": _last(event.get("details")), "action_id": action_id}


def _last(details: str | None) -> str | None:
    return details and details[-DETAILS_LIMIT:]


def _fields(row, keys: tuple[str, ...]) -> dict[str, Any]:
    values = {key: getattr(row, key) for key in keys}
    return {key: value.isoformat() + "Z" if isinstance(value, datetime) else value for key, value in values.items()}
