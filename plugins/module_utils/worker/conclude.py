# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What becomes of requests after a run, by what the record has of their instances: done, tried again, or given up.

Nothing is lost in silence: what is given up is the instance's fault, for its user to see.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Iterable

from ..core.states import PASSING_TASKS, REBUILDING
from ..record import events, instances, requests
from ..record.lease import NOBODY, Driver
from ..record.requests import Request
from . import model

DONE, LATER, GIVEN_BACK, GIVEN_UP = "done", "later", "given back", "given up"
REPLACED = "replaced"  # by a later request for the same instance
UNTOLD = "its run has ended well, and left it as it was"


def rows(database, connection, asked: Iterable[Request]) -> dict[str, Any]:
    """The rows of the requests' instances by UUID, also of those that are gone."""
    table = database.tables.instances
    named = table.c.uuid.in_([each.instance_uuid for each in asked])
    return {row.uuid: row for row in connection.execute(table.select().where(named))}


def conclude(
    database, connection, asked: list[Request], owner: str, moment: datetime, failed: dict[str, str] | None
) -> dict[str, tuple[str, Any]]:
    """Settle requests that this worker has, after a run; by UUID what became of each, and its instance's row.

    failed is why the run has not done those that it has failed, by UUID; None where there was no run that could have
    come to its end: what does not show to be done is given back, and that was no attempt.
    """
    known = rows(database, connection, asked)
    settled = {}
    for request in asked:
        row = known.get(request.instance_uuid)
        why = (failed or {}).get(request.instance_uuid)
        ran = failed is not None or model.is_done(request, row, failed=True)
        fate = _fate(request, row, moment, why) if ran else GIVEN_BACK
        if fate in (DONE, GIVEN_UP):
            mine = requests.finish(database, connection, request, owner)
        else:
            until = moment + timedelta(seconds=model.pause(request.attempts if fate == LATER else 1))
            error = (why or UNTOLD) if fate == LATER else None
            mine = requests.release(database, connection, request, owner, until if failed is not None else None, error)
        if mine and fate == GIVEN_UP:
            _give_up(database, connection, request, row, moment, why or UNTOLD)
        elif mine and fate == DONE:
            _end(database, connection, row, moment)
        settled[request.instance_uuid] = (fate if mine or fate == DONE else REPLACED, row)
    return settled


def finish(database, connection, request: Request, row: Any, owner: str, moment: datetime) -> None:
    """Take a request that needs no run out of the queue."""
    if requests.finish(database, connection, request, owner):
        _end(database, connection, row, moment)


def _end(database, connection, row: Any, moment: datetime) -> None:
    """What shows in no state is told by its request alone, also by one that has come in the place of others."""
    if row is not None:
        events.finish_action(database, connection, row, None, moment)


def _fate(request: Request, row: Any, moment: datetime, why: str | None) -> str:
    if model.is_done(request, row, failed=why is not None):
        return DONE
    if Driver("worker", 0, False).lease(row, moment).busy:
        return GIVEN_BACK
    return LATER if request.attempts < model.ATTEMPTS else GIVEN_UP


def _give_up(database, connection, request: Request, row: Any, moment: datetime, why: str) -> None:
    """Have the instance say that nobody tries any more. One that runs goes on as it is; it had only a wish.

    Of one that was to be rebuilt nobody knows what is left, as in nova; the next launch tells, or it is rebuilt again.
    """
    given_up = "%s was given up after %d attempts" % (request.action, request.attempts)
    message = "%s: %s" % (given_up, why)
    # What a run has said may name hosts; what the record has of it tells users what it is about.
    last = events.faults_since(database, connection, [row.uuid], request.created_at).get(row.uuid)
    public = "%s: %s" % (given_up, last["message"]) if last else given_up
    values: dict[str, Any] = {**NOBODY, "updated_at": moment}
    if row.launched_at is None or request.action == "delete":
        values.update(vm_state="error", fault=message)
    elif row.task_state == REBUILDING:
        values.update(vm_state="error")
    if request.action != "delete" and (row.launched_at is None or row.task_state in (*PASSING_TASKS, REBUILDING)):
        values["task_state"] = None
    if row.launched_at is not None and request.action != "delete":
        # Also where another request has come in the place of the one that wished for them.
        values.update(model.without_unmade(row))
    instances.update(database, connection, row.uuid, row.generation, values)
    fault = {"code": 500, "message": message, "public": public, "details": None, "host": row.host}
    events.record_fault(database, connection, row.uuid, fault, moment)
    events.finish_action(database, connection, row, None, moment, message)
