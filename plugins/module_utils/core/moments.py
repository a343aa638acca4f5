# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a stage began and ended, as a document carries it: texts in UTC, by the clock of the machine that did it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Iterable, Mapping

FORM = "%Y-%m-%dT%H:%M:%S.%fZ"
SPAN = ("start_time", "finish_time")


def now() -> str:
    """This moment by this machine's clock."""
    return as_text(datetime.now(timezone.utc))


def as_text(moment: datetime) -> str:
    """A moment in UTC as a document carries it."""
    return moment.strftime(FORM)


def parsed(text: str) -> datetime:
    """The same moment, without a zone as the record has it."""
    return datetime.strptime(text, FORM)


def span_of(times: Mapping[str, Any]) -> dict[str, str]:
    """The beginning and the end that an event or an error has; nothing where it has none."""
    return {key: times[key] for key in SPAN if times.get(key)}


def between(events: Iterable[Mapping[str, Any]], after: str | None, before: str) -> list[dict[str, Any]]:
    """Events of another machine, moved together to lie between two moments of this one, if they do not.

    Clocks differ, and how long something took does not. What is longer than that time ends at its end.
    """
    events = [dict(event) for event in events]
    timed = [event for event in events if len(span_of(event)) == len(SPAN)]
    if not timed:
        return events
    begun = min(parsed(event["start_time"]) for event in timed)
    ended = max(parsed(event["finish_time"]) for event in timed)
    latest = parsed(before) - ended
    ahead = min(max(parsed(after) - begun, timedelta(0)) if after else timedelta(0), latest)
    for event in timed if ahead else ():
        event.update({key: as_text(parsed(event[key]) + ahead) for key in SPAN})
    return events
