# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What happened to instances: actions (create, delete), the events within them, and faults.

A message is for users; details, such as a traceback, are for administrators.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Iterable

from ..core.moments import SPAN, parsed

DETAILS_LIMIT = 8000  # characters of details that are kept, the last ones
ACTION = ("action", "request_id", "user_id", "host", "start_time", "finish_time", "result", "message")
EVENT = ("event", "host", "start_time", "finish_time", "result", "message", "details")
FAULT = ("code", "message", "details", "host", "created_at")


def start_action(
    database,
    connection,
    instance_uuid: str,
    action: str,
    request_id: str,
    user_id: str | None,
    moment: datetime,
    own: bool = False,
) -> None:
    """Start an action of the instance that a user has asked for, unless it is open already.

    A run goes on with whatever is open of that name; own: who asks finds it by the id of that request, and no other.
    """
    table = database.tables.instance_actions
    same = (*_open(table, instance_uuid, action), *([table.c.request_id == request_id] if own else []))
    if not connection.execute(table.select().where(*same)).first():
        row = {"instance_uuid": instance_uuid, "request_id": request_id, "action": action, "start_time": moment}
        connection.execute(table.insert().values(**row, user_id=user_id))


def finish_action(
    database, connection, instance, action: str | None, moment: datetime, fault: str | None = None
) -> None:
    """Finish an action of the instance, with the fault that it failed with; None for all that are open."""
    table = database.tables.instance_actions
    result = {"result": "Error" if fault else "Success", "message": fault}
    statement = table.update().where(*_open(table, instance.uuid, action))
    connection.execute(statement.values(finish_time=moment, host=instance.host, **result))


def open_actions(database, connection, events: Iterable[dict[str, Any]]) -> dict[str, int]:
    """The ids of the open actions of the instances that these events are of: the last ones, but of a delete only when
    that has begun."""
    mine = {event["instance_uuid"] for event in events}
    if not mine:
        return {}
    table, owner = database.tables.instance_actions, database.tables.instances
    columns = (table.c.id, table.c.instance_uuid, table.c.action, owner.c.task_state)
    joined = table.join(owner, owner.c.uuid == table.c.instance_uuid)
    statement = database.sql.select(*columns).select_from(joined)
    statement = statement.where(table.c.instance_uuid.in_(mine), table.c.finish_time.is_(None))
    found: dict[str, int] = {}
    for row in connection.execute(statement.order_by(table.c.id)):
        if row.action != "delete" or row.task_state == "deleting" or row.instance_uuid not in found:
            found[row.instance_uuid] = row.id
    return found


def record_events(
    database,
    connection,
    events: Iterable[dict[str, Any]],
    moment: datetime,
    actions: dict[str, int] | None = None,
    ahead: timedelta = timedelta(0),
) -> None:
    """Record events of instances that have an open action (by default, now); events of others are left out.

    An event has instance_uuid and event, and may have host, result, message, details, start_time and finish_time; the
    last two by this machine's clock (core/moments.py), than which the database's is so much ahead. Without them it was
    at the moment.
    """
    events = list(events)
    known = open_actions(database, connection, events) if actions is None else actions
    mine = [event for event in events if event["instance_uuid"] in known]
    rows = [_event(known[event["instance_uuid"]], event, moment, ahead) for event in mine]
    if rows:
        connection.execute(database.tables.instance_action_events.insert(), rows)


def record_fault(database, connection, instance_uuid: str, fault: dict[str, Any], moment: datetime) -> None:
    """Record a fault {code, message, public, details, host}; code as in HTTP: 400 for a wrong request, else 500.

    public is the message for users; where it is not the whole of it, that begins the details.
    """
    whole = fault["message"] if fault["message"] != fault["public"] else None
    details = "\n\n".join(filter(None, (whole, _last(fault["details"])))) or None
    row = {**{name: fault[name] for name in ("code", "host")}, "message": fault["public"], "details": details}
    row.update(instance_uuid=instance_uuid, created_at=moment)
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


def users(database, connection, instance_uuids: Iterable[str]) -> dict[tuple[str, str], str | None]:
    """By instance and request the user who has asked for it, of the actions of these instances."""
    table = database.tables.instance_actions
    columns = (table.c.instance_uuid, table.c.request_id, table.c.user_id)
    rows = connection.execute(database.sql.select(*columns).where(table.c.instance_uuid.in_(list(instance_uuids))))
    return {(row.instance_uuid, row.request_id): row.user_id for row in rows}


def last_faults(database, connection, instance_uuids: list[str]) -> dict[str, dict[str, Any]]:
    """By instance its last fault, where it has one."""
    table = database.tables.instance_faults
    if not instance_uuids:
        return {}
    rows = connection.execute(table.select().where(table.c.instance_uuid.in_(instance_uuids)).order_by(table.c.id))
    return {row.instance_uuid: _fields(row, FAULT) for row in rows}


def faults_since(database, connection, instance_uuids: list[str], since: datetime) -> dict[str, dict[str, Any]]:
    """By instance the last fault since that moment, where nothing was done to it afterwards."""
    faults, instances = database.tables.instance_faults, database.tables.instances
    mine = (faults.c.instance_uuid == instances.c.uuid, faults.c.instance_uuid.in_(instance_uuids))
    last = (faults.c.created_at >= since, faults.c.created_at >= instances.c.updated_at)
    found = database.sql.select(faults).where(*mine, *last).order_by(faults.c.id)
    return {row.instance_uuid: _fields(row, FAULT) for row in connection.execute(found)}


def _open(table, instance_uuid: str, action: str | None) -> tuple:
    mine = (table.c.instance_uuid == instance_uuid, table.c.finish_time.is_(None))
    return mine if action is None else (*mine, table.c.action == action)


def _event(action_id: int, event: dict[str, Any], moment: datetime, ahead: timedelta) -> dict[str, Any]:
    values = {key: event[key] for key in EVENT if event.get(key)}
    values.update({key: parsed(event[key]) + ahead if event.get(key) else moment for key in SPAN})
    return {**dict.fromkeys(EVENT), **values, "details": _last(event.get("details")), "action_id": action_id}


def _last(details: str | None) -> str | None:
    return details and details[-DETAILS_LIMIT:]


def _fields(row, keys: tuple[str, ...]) -> dict[str, Any]:
    values = {key: getattr(row, key) for key in keys}
    return {key: value.isoformat() + "Z" if isinstance(value, datetime) else value for key, value in values.items()}
