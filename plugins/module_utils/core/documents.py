# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one list that travels: the instances' documents, and which of them are meant (carry.py: what stages do to them).

A document is an instance's record in this run, whole, and what the stages have made of it so far. One that has failed,
or is settled, passes through every stage untouched. Beside the record's own fields it has:

failed, msg, public_msg, abort, details, failed_in: how the stage failed_in failed it; abort: no other host could do
better; public_msg: msg for those who may not know the hosts, where that names any.
settled: the run has nothing more to do for it. was_launched, was_status: what it was before this run; was_task: what
was to be done for it. One that is being deleted goes through the stages the other way round.
notes: what a definition says otherwise and the instance keeps, or what waits for its next start, for people.
abandoned: why this run has lost it to another one; what this one had made of it goes.
lost: what this run made of it may still be on its host, which went silent or could not take it back. undone: it has
taken all of it back. resumed: a run before this one, which did not end, has given it its host.
remains: the hosts on which that is so of runs before this one; one that goes, and is on one of these, is about no more
than what is left there.
zone: the availability zone of its host, where that is chosen.
domain: what the compute host made. actions: by stage, what became of its parts (create, update, delete).
events: what the record is to keep of the stages, and when they began and ended (record/events.py).
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from .moments import between, now, span_of
from .states import REBUILDING, STATUS

Document = Mapping[str, Any]

# Where a failure may tell more than its message: our own, Ansible's traceback, what a module wrote when it died.
DETAILS = ("details", "exception", "module_stderr")


def goes_on(document: Document) -> bool:
    """Whether there is something left to do for it in this run; not for one that there is not."""
    return bool(document.get("uuid")) and not document.get("failed") and not document.get("settled")


def is_deleting(document: Document) -> bool:
    """Whether this run takes the instance away."""
    return document.get("task_state") == "deleting"


def rebuild_of(document: Document) -> str | None:
    """The identity of the rebuild that the instance waits for; None for one that waits for none."""
    return document.get("rebuild_id") if document.get("task_state") == REBUILDING else None


def wanted_status(document: Document) -> str:
    """The status that the instance has when all has been done."""
    if is_deleting(document) or document.get("status") == "DELETED":
        return "DELETED"
    return STATUS[document.get("target_state") or "started"]


def is_gone(document: Document) -> bool:
    """Whether no compute host has anything of it: its own has said so, there never was one, or it is given up."""
    given_up = bool(document.get("lost")) and not document.get("failed")
    return given_up or not document.get("host") or (document.get("domain") or {}).get("status") == "DELETED"


def is_built(document: Document) -> bool:
    """Whether its compute host has it as it is asked for: running, or off."""
    return (document.get("domain") or {}).get("status") == wanted_status(document)


def mark_failed(document: Document, noun: str, error: Mapping[str, Any]) -> dict:
    """The document of an instance that a stage has failed; error has msg, and may have public_msg, abort, DETAILS and a
    span."""
    details = next((str(error[key]) for key in DETAILS if error.get(key)), None)
    message = str(error.get("msg") or "it failed without a word")
    event = {"event": noun, "result": "Error", "message": message, "details": details, **span_of(error)}
    return {
        **document,
        "failed": True,
        "failed_in": noun,
        "msg": message,
        "public_msg": error.get("public_msg"),
        "abort": bool(error.get("abort")),
        "details": details,
        "events": [*document.get("events", ()), event_of(document, event)],
    }


def gather(
    documents: Iterable[Document], answers: Mapping[str, Mapping[str, Any]], give_up: bool = False
) -> list[dict]:
    """The documents as their compute hosts gave them back; failed, and lost, where a host did not.

    answers: by host the result of its task, which has no `instances` where the host failed as a whole. Hosts that are
    not in it, or have no result, are not among the hosts of this run. give_up: what is to go from such a host is taken
    for gone, and lost.
    """
    built = {_place(document): document for answer in answers.values() for document in answer.get("instances") or ()}
    return [
        _returned(document, built.get(_place(document)), answers, give_up)
        if goes_on(document) and document.get("host")
        else dict(document)
        for document in documents
    ]


def hosts(documents: Iterable[Document]) -> list[str]:
    """The compute hosts of the documents that go on, each once; also where something is left of one that comes or goes.

    None is to run twice, and of one that goes nothing is to stay.
    """
    places = []
    for document in filter(goes_on, documents):
        moves = is_deleting(document) or document.get("status") == "BUILD"
        places += [document.get("host"), *(document.get("remains") or () if moves else ())]
    return list(dict.fromkeys(filter(None, places)))


def is_remainder(document: Document) -> bool:
    """Whether a document is about what is left of an instance on a host that is not its own any more."""
    return is_deleting(document) and document.get("host") in (document.get("remains") or ())


def abandoned(documents: Iterable[Document]) -> list[dict]:
    """The documents of instances that another run has taken over, of which something is to be taken back yet."""
    return [dict(document) for document in documents if goes_on(document) and document.get("abandoned")]


def pending(documents: Iterable[Document]) -> list[dict]:
    """The documents of instances for which it matters what is known of hosts.

    They are still to be built, or to go from hosts where something is left of them.
    """
    return [
        dict(each)
        for each in filter(goes_on, documents)
        if (each.get("remains") if is_deleting(each) else each.get("status") == "BUILD")
    ]


def unwritten(documents: Iterable[Document]) -> list[dict]:
    """The documents of which the record may not know yet what was made of them: new ones, changed ones, failed ones."""
    return [
        dict(each)
        for each in documents
        if each.get("failed_in") or each.get("actions") or each.get("status") == "BUILD"
    ]


def controller_needed(documents: Iterable[Document]) -> bool:
    """Whether any instance goes on."""
    return any(map(goes_on, documents))


def created_here(document: Document) -> list[dict]:
    """The local volumes that this run has made, as they are to be removed again."""
    local = (each for each in document.get("volumes") or () if each.get("service", "file") == "file")
    return [{**volume, "delete_on_termination": True} for volume in local if volume.get("created")]


def event_of(document: Document, event: dict[str, Any]) -> dict[str, Any]:
    """An event of an instance, where it is now."""
    return {"instance_uuid": document.get("uuid"), "host": document.get("host"), **event}


def _returned(
    document: Document, built: Document | None, answers: Mapping[str, Mapping[str, Any]], give_up: bool
) -> dict:
    """The document that came back from its host; the answer of an earlier attempt is none."""
    same = ("host", "attempted_hosts")
    if built is not None and all(built.get(key) == document.get(key) for key in same):
        return {**built, "events": _of_host(document.get("events") or [], built.get("events") or [])}
    host = document["host"]
    reason = {key: value for key, value in (answers.get(host) or {}).items() if key in ("msg", *DETAILS)}
    if (answers.get(host) or {}).get("timedout"):
        reason = {"msg": "it did not answer in %s s" % answers[host]["timedout"].get("period")}
    elif not answers.get(host):
        reason = {"msg": "it is not among the hosts of this run: see the inventory and --limit"}
    error = {**reason, "msg": "host %s: %s" % (host, reason.get("msg") or "it failed")}
    error["public_msg"] = "its host has failed"
    failed = not (give_up and is_deleting(document))
    return {**mark_failed(document, "host", error), "failed": failed, "lost": True}


def _of_host(before: list[dict], after: list[dict]) -> list[dict]:
    """The events of a document that comes back from its host, whose clock may differ from this machine's."""
    known = len(before)
    last = max((event["finish_time"] for event in before if event.get("finish_time")), default=None)
    return [*after[:known], *between(after[known:], last, now())]


def _place(document: Document) -> tuple:
    """By this the document is known that a host gives back: it may have what is left of the same instance, too."""
    return document["uuid"], document.get("host")
