# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The launch of a server as a waterfall of the eighteen steps (instance-launch-process.md); pure.

A step has the time of the stage that does it, as the record's events tell it. Some steps are the time between stages:
the queue, the way to the host, and the outcome's way back into the record. Several may share one stage.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Iterable, Mapping, NamedTuple, Sequence

QUEUE, HANDOVER, OUTCOME = "queue", "handover", "outcome"
RECORDED = "instance"


class Within(NamedTuple):
    """That a step is within another one, if a stage did not take it on its own; and what there must be for it."""

    step: int
    stage: str = ""
    needs: str = ""


# Each step: what happens, and the stages or times between that do it; or why there is no time of its own.
STEPS: tuple[tuple[str, Any], ...] = (
    ("Credentials to the identity service", "there is no identity service"),
    ("Request and token validated", "there is no identity service"),
    ("Instance written to the database", (RECORDED,)),
    ("Waiting in the queue for its scheduling", (QUEUE,)),
    ("Scheduler: filters, weighers, claim", ("schedule",)),
    ("To the compute host", (HANDOVER,)),
    ("Conductor: state written to the record", (OUTCOME,)),
    ("Image: metadata and URL", "known by the definitions"),
    ("Image: loaded to the host", ("image",)),
    ("Network: allocated and configured", ("network", "router")),
    ("Ports in OVN's northbound database", ("port",)),
    ("Southbound database, host's binding", Within(11, stage="gateway")),
    ("Flows, address written back", Within(11)),
    ("Volumes: asked for", ("volume",)),
    ("Volumes: scheduled", Within(14)),
    ("Volumes: created or found", Within(14)),
    ("VM defined and started by libvirt", ("domain",)),
    ("Volumes mounted", Within(17, needs="volume")),
)
ON_HOST = ("gateway", "image", "domain", "host")


@dataclass(frozen=True)
class Bar:
    """A time within the launch: where it begins and how long it is, in percent of all; seconds; whether it failed."""

    start: float
    width: float
    seconds: float
    failed: bool = False


@dataclass(frozen=True)
class Step:
    """One of the eighteen. note: why it has no bar."""

    number: int
    words: str
    bars: Sequence[Bar] = ()
    note: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it took, in all attempts; None where that is not known."""
        return sum(each.seconds for each in self.bars) if self.bars else None


@dataclass(frozen=True)
class Waterfall:
    """A launch: its steps, and from its request to its end (or to the last that is known of it) its seconds."""

    steps: Sequence[Step]
    seconds: float
    finished: bool
    began: str


@dataclass
class _Spans:
    """Beginnings, ends and failures by the name of what took that time."""

    found: dict[str, list[tuple[datetime, datetime, bool]]] = field(default_factory=dict)

    def add(self, name: str, begun: datetime, ended: datetime, failed: bool = False) -> None:
        if ended >= begun:
            self.found.setdefault(name, []).append((begun, ended, failed))


def waterfall(action: Mapping[str, Any]) -> Waterfall:
    """The waterfall of an action, as record/events.py tells it with its events."""
    begun = moment(action["start_time"])
    finish = action["finish_time"] and moment(action["finish_time"])
    spans = _spans(action["events"], begun, finish)
    ends = [end for each in spans.found.values() for _begin, end, _failed in each]
    end = max([begun, *ends, *filter(None, [finish])])
    whole = (end - begun).total_seconds()
    nothing = "to come" if not finish else "not reached" if action["result"] == "Error" else "not needed"
    steps = [_step(number, begun, whole, spans, nothing) for number in range(1, len(STEPS) + 1)]
    return Waterfall(steps, whole, bool(finish), action["start_time"])


def moment(told: str) -> datetime:
    """A time as record/events.py tells it."""
    return datetime.fromisoformat(told.rstrip("Z"))


def seconds_between(start: str, finish: str | None) -> float | None:
    """From one such time to another; None where that has not come."""
    return (moment(finish) - moment(start)).total_seconds() if finish else None


def _spans(events: Iterable[Mapping[str, Any]], begun: datetime, finish: datetime | None) -> _Spans:
    """What the events say, and the times between them."""
    spans = _Spans()
    spans.add(RECORDED, begun, begun)
    before, on_host = begun, False
    for place, event in enumerate(sorted(events, key=lambda event: event["start_time"])):
        stage = event["event"]
        start, end = moment(event["start_time"]), moment(event["finish_time"] or event["start_time"])
        between = _between(stage, on_host) if place else QUEUE
        if between:
            spans.add(between, before, start)
        if stage in ON_HOST or stage == "schedule":
            on_host = stage in ON_HOST
        spans.add(stage, start, end, event["result"] == "Error")
        before = max(before, end)
    if finish:
        spans.add(OUTCOME, before, finish)
    return spans


def _between(stage: str, on_host: bool) -> str | None:
    """What the time before a stage is; the outcome is that of the attempt before this one."""
    if stage in ON_HOST:
        return None if on_host else HANDOVER
    return OUTCOME if stage == "schedule" else None


def _step(number: int, begun: datetime, whole: float, spans: _Spans, nothing: str) -> Step:
    words, stages = STEPS[number - 1]
    if isinstance(stages, str):
        return Step(number, words, note=stages)
    if isinstance(stages, Within) and stages.stage not in spans.found:
        there = any(stage in spans.found for stage in STEPS[stages.step - 1][1])
        needed = there and (not stages.needs or stages.needs in spans.found)
        return Step(number, words, note="within step %d" % stages.step if needed else nothing)
    if isinstance(stages, Within):
        stages = (stages.stage,)
    bars = [
        _bar((start - begun).total_seconds(), (end - start).total_seconds(), whole, failed)
        for stage in stages
        for start, end, failed in spans.found.get(stage, ())
    ]
    return Step(number, words, bars, "" if bars else nothing)


def _bar(start: float, seconds: float, whole: float, failed: bool) -> Bar:
    """In percent; wide enough to be seen, and within the whole."""
    if not whole:
        return Bar(0, 0.6, seconds, failed)
    left = min(max(100 * start / whole, 0), 99.4)
    return Bar(round(left, 2), round(min(max(100 * seconds / whole, 0.6), 100 - left), 2), seconds, failed)
