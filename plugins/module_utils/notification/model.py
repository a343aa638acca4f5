# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Notifications of an instance in nova's words: versioned ones in their envelopes, and the older flat ones; pure.

Names, versions and fields are nova's (its documentation, "Notifications in Nova", and the samples there). Nothing
secret is in any: no user data, no keys, no tokens, nothing of how an image is reached. No stage: nothing is planned.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from . import flat, objects
from .event import FAILING, LONGEST, NAMES, Event, addresses
from .objects import as_time, enveloped


def begun(action: str, row: Any, request_id: str) -> list[Event]:
    """What is told when a worker begins a request for the first time."""
    return [Event(row, action, "start", request_id)] if action in NAMES else []


def ended(action: str, row: Any, request_id: str, before: str | None, given_up: str | None = None) -> list[Event]:
    """What is told when a request is out of the queue; before: the vm_state that it began with, where that is known.

    given_up: why, where nobody tries any more.
    """
    fault = given_up or (row.fault if row.vm_state == "error" and not row.deleted else None)
    events = []
    if action in NAMES and not fault:
        events.append(Event(row, action, "end", request_id))
    elif action in FAILING:
        events.append(Event(row, action, "error", request_id, fault))
    return [*events, Event(row, action, "update", request_id, fault, before)]


def versioned(event: Event, moment: datetime) -> tuple[str, dict[str, Any]]:
    """The event_type and the payload of a versioned notification."""
    data, tags = objects.instance_fields(event), list(event.extras.get("tags") or ())
    kind = "InstanceActionPayload"
    if event.phase == "update":
        kind = "InstanceUpdatePayload"
        data.update(_update(event, moment, data), tags=tags)
    else:
        data["fault"] = objects.exception(event.fault)
        if event.action == "rebuild":
            kind = "InstanceActionRebuildPayload"
            data.update(trusted_image_certificates=None)
        elif event.action == "create":
            kind = "InstanceCreatePayload"
            data.update(keypairs=[], tags=tags, trusted_image_certificates=None, instance_name=event.row.name)
    return "instance." + event.name, enveloped(kind, data)


def _update(event: Event, moment: datetime, data: dict[str, Any]) -> dict[str, Any]:
    """What an update tells beside: what the state was, and the month so far."""
    states = {"old_state": event.old_state, "state": data["state"]}
    tasks = {"old_task_state": data["task_state"], "new_task_state": data["task_state"]}
    period = {"audit_period_beginning": as_time(month(moment)), "audit_period_ending": as_time(moment)}
    return {
        "state_update": enveloped("InstanceStateUpdatePayload", {**states, **tasks}),
        "audit_period": enveloped("AuditPeriodPayload", period),
        "old_display_name": None,
    }


def month(moment: datetime) -> datetime:
    """Its beginning: the period of which updates tell (nova's instance_usage_audit_period)."""
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def legacy(event: Event, moment: datetime) -> tuple[str, dict[str, Any]]:
    """The event_type and the payload of an unversioned notification."""
    payload = flat.instance_fields(event)
    if event.phase == "end" and event.action == "create":
        payload.update(fixed_ips=addresses(event.row.ports), message="Success")
    if event.phase == "error":
        payload.update(message=(event.fault or "")[:LONGEST], code=500)
    if event.phase == "update":
        period = {"audit_period_beginning": str(month(moment)), "audit_period_ending": str(moment)}
        payload.update(old_state=event.old_state, **period, bandwidth={})
    return "compute.instance." + event.name, payload
