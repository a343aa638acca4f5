# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one list that travels: what each stage takes out of the instances' documents, and lays back into them.

A document is an instance's record in this run, whole, and what the stages have made of it so far. One that has failed,
or is settled, passes through every stage untouched. Beside the record's own fields it has:

failed, msg, abort, details, failed_in: how the stage failed_in failed it; abort: no other host could do better.
settled: the run has nothing more to do for it. was_launched, was_status: what it was before this run; was_task: what
was to be done for it. One that is being deleted goes through the stages the other way round.
notes: what a definition says otherwise and the instance keeps, or what waits for its next start, for people.
abandoned: why this run has lost it to another one; what this one had made of it goes.
lost: what this run made of it may still be on its host, which went silent or could not take it back. undone: it has
taken all of it back. resumed: a run before this one, which did not end, has given it its host.
remains: the hosts on which that is so of runs before this one; one that goes, and is on one of these, is about no more
than what is left there.
domain: what the compute host made. actions: by stage, what became of its parts (create, update, delete).
events: what the record is to keep of the stages, and when they began and ended (record/events.py).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Iterable, Iterator, Mapping, Tuple

from .moments import between, now, span_of

Document = Mapping[str, Any]

# Where each part of a document is, and the item that a stage takes for it.
Parts = Callable[[Document], Iterable[Tuple[Any, dict]]]

# Where a stage's parts are in a document, and what messages call the list of them.
LISTS = {"port": "ports", "volume": "volumes"}

# Where a failure may tell more than its message: our own, Ansible's traceback, what a module wrote when it died.
DETAILS = ("details", "exception", "module_stderr")

# What the Compute API calls an instance that is as asked for, by the state that is asked for.
STATUS = {"started": "ACTIVE", "stopped": "SHUTOFF"}

# What is done to a guest that is to start anew, by what its entry asks for (nova/compute/task_states.py): it shuts down
# first, or is turned off at once.
RESTARTS = {"restarted": "rebooting", "reset": "rebooting_hard"}

# What is done to an instance, under nova's names (nova/compute/instance_actions.py), by the task state of it; and back.
TASKS = {"delete": "deleting", "stop": "powering-off", "start": "powering-on"}
ACTIONS = {**{task: action for action, task in TASKS.items()}, **dict.fromkeys(RESTARTS.values(), "reboot")}

# Task states in which nova leaves an instance only while something is done to it.
PASSING_TASKS = ("powering-off", "powering-on", *RESTARTS.values())

# What a guest is by what its host said of it (nova/compute/power_state.py); a host that lacks it knows no state.
POWER = {
    "running": "ACTIVE",
    "paused": "PAUSED",
    "shutdown": "SHUTOFF",
    "crashed": "SHUTOFF",
    "suspended": "SUSPENDED",
    "nostate": "ERROR",
}

# What a result says of how it went, beside what the part now is.
JUDGEMENT = ("action", "changed", "failed", "msg", "abort", "notes", *DETAILS)

# What is of one attempt only.
PASSING = ("msg", "abort", "details", "failed_in", "lost", "undone")


def goes_on(document: Document) -> bool:
    """Whether there is something left to do for it in this run; not for one that there is not."""
    return bool(document.get("uuid")) and not document.get("failed") and not document.get("settled")


def is_deleting(document: Document) -> bool:
    """Whether this run takes the instance away."""
    return document.get("task_state") == "deleting"


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


def parts_of(noun: str, state: str = "present", service: str = "file") -> Parts:
    """What the stage of that noun has to do with a document that goes on.

    present: the parts that stay, of an instance that does. absent: all of one that is being deleted, and of the others
    the parts that their guests have let go of. service: whose volumes are meant.
    """
    return partial(_parts, noun=noun, state=state, service=service)


def items(documents: Iterable[Document], parts: Parts) -> list[dict]:
    """The items of all documents, in their order."""
    return [item for document in documents for _where, item in parts(document)]


def carry(
    documents: Iterable[Document],
    noun: str,
    results: Iterable[dict],
    parts: Parts,
    state: str = "present",
    span: Mapping[str, str] | None = None,
) -> list[dict]:
    """The same documents with what a stage made of their parts; failed where a part is.

    results: one for each of the items, in their order. span: when the stage began and ended (moments.py).
    """
    remaining = iter(results)
    carried = []
    for document in documents:
        mine = [(where, next(remaining)) for where, _item in parts(document)]
        carried.append(_lay(document, noun, mine, state, span or {}) if mine else dict(document))
    return carried


def fail(documents: Iterable[Document], noun: str, error: Mapping[str, Any], parts: Parts) -> list[dict]:
    """The same documents; those that the stage had something to do for have failed, as the whole stage has."""
    return [mark_failed(each, noun, error) if any(True for _part in parts(each)) else dict(each) for each in documents]


def mark_failed(document: Document, noun: str, error: Mapping[str, Any]) -> dict:
    """The document of an instance that a stage has failed; error has msg, and may have abort, DETAILS and a span."""
    details = next((str(error[key]) for key in DETAILS if error.get(key)), None)
    message = str(error.get("msg") or "it failed without a word")
    event = {"event": noun, "result": "Error", "message": message, "details": details, **span_of(error)}
    return {
        **document,
        "failed": True,
        "failed_in": noun,
        "msg": message,
        "abort": bool(error.get("abort")),
        "details": details,
        "events": [*document.get("events", ()), _event(document, event)],
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


def _parts(document: Document, noun: str, state: str, service: str) -> Iterator[tuple[Any, dict]]:
    """Where each part is in its document, and the item that its stage takes."""
    if noun == "instance_update":
        # Also what has failed in this run is to be written; what was refused at its beginning is not.
        refused = document.get("failed") and not document.get("failed_in")
        if document.get("uuid") and not document.get("settled") and not refused:
            yield None, dict(document)
        return
    if not goes_on(document) or (is_deleting(document) and state == "present"):
        return
    owner = {
        "instance_uuid": document["uuid"],
        **{key: document.get(key) for key in ("host", "record_id", "project_id")},
    }
    if noun in ("schedule", "domain", "image") and state == "absent" and not is_deleting(document):
        return
    if noun in ("schedule", "domain"):
        yield None, dict(document)
    elif noun == "image":
        image = document.get("image") or {}
        if image.get("url"):
            size = (document.get("flavor") or {}).get("disk", 0)
            yield None, {**image, **owner, "size": size, "launched": bool(document.get("launched"))}
    else:
        for index, part in enumerate(document.get(LISTS[noun]) or ()):
            wanted = noun != "volume" or part.get("service", "file") == service
            if wanted and _concerns(document, part, state):
                # A local volume may be on a host already, and its instance goes there.
                place = {**owner, "host": part.get("host") or owner["host"]}
                own = {"availability_zone": document.get("availability_zone"), "dns_name": document.get("name")}
                yield index, {**own, **part, **place}


def _concerns(document: Document, part: Mapping[str, Any], state: str) -> bool:
    """Whether a stage in that state has to do with a part."""
    if state == "present":
        return not part.get("leaving")
    if is_deleting(document):
        # A local volume that is to be kept is left in place; of others their service lets go.
        return part.get("service") != "file" or bool(part.get("delete_on_termination"))
    return bool(part.get("leaving")) and bool(document.get("domain"))


def _lay(document: Document, noun: str, mine: list[tuple[Any, dict]], state: str, span: Mapping[str, str]) -> dict:
    """One document with the results of its parts."""
    changes = [result["action"] for _where, result in mine if result.get("changed")]
    laid = dict(document)
    notes = [note for _where, result in mine for note in result.get("notes") or ()]
    if notes:
        laid["notes"] = list(dict.fromkeys([*document.get("notes", ()), *notes]))
    if changes:
        laid["actions"] = {**document.get("actions", {}), noun: [*document.get("actions", {}).get(noun, ()), *changes]}
    if noun in LISTS:
        laid[LISTS[noun]] = _lay_parts(document, noun, dict(mine), state)
    else:
        laid = _lay_one(laid, noun, mine[0][1], state)
    broken = [result for _where, result in mine if result.get("failed")]
    if noun == "instance_update":
        return laid
    if broken:
        message = "; ".join(_message(noun, result) for result in broken)
        return mark_failed(laid, noun, {**broken[0], "msg": message, **span})
    event = _event(document, {"event": noun, "result": "Success", **span})
    return {**laid, "events": [*document.get("events", ()), event]}


def _lay_parts(document: Document, noun: str, mine: Mapping[int, dict], state: str) -> list[dict]:
    """The parts with what their stage says of them; without those that it took back from a running guest."""
    parts = []
    for index, part in enumerate(document.get(LISTS[noun]) or ()):
        result = mine.get(index)
        if result is None or result.get("failed"):
            parts.append(part)
        elif state == "present":
            facts = {key: value for key, value in _facts(result).items() if key not in ("host", "instance_uuid")}
            parts.append({**part, **facts, **({"created": True} if result.get("action") == "create" else {})})
        elif not part.get("leaving"):
            parts.append(part)
    # One of a service that is called otherwise now is not let go of: the guest has it.
    held = {part.get("volume_id") for part in parts if not part.get("leaving")} - {None}
    return [part for part in parts if not part.get("leaving") or part.get("volume_id") not in held]


def _lay_one(document: Document, noun: str, result: dict, state: str) -> dict:
    """The document with a result that is about the whole of it, or about the one image or domain that it has."""
    if noun in ("network", "router", "gateway"):
        return dict(document)
    if noun == "image":
        return {**document, "image": {**document["image"], **_facts(result)}} if state == "present" else dict(document)
    if noun == "domain":
        return dict(document) if result.get("failed") else {**document, "domain": _facts(result)}
    if noun == "schedule":
        told = {key: value for key, value in result.items() if key not in JUDGEMENT}
        return {**document, **told, "resumed": bool(document.get("host"))}
    return _conclude(document, result)


def _conclude(document: Document, result: dict) -> dict:
    """The document as its record now is: settled, on its way to another host, or, in the middle of a run, going on."""
    if result.get("abandoned"):
        return _abandon(document, result)
    parts = {
        name: [{**_by_id(document, name).get(part["id"], {}), **part} for part in result.get(name) or ()]
        for name in LISTS.values()
    }
    kept = {key: value for key, value in document.items() if key not in PASSING}
    recorded = {key: value for key, value in result.items() if key not in ("action", "changed", "remains")}
    ended = document.get("failed") or is_built(document)
    again = bool(ended) and result["status"] == "BUILD" and not result.get("failed")
    settled = bool(result.get("failed")) or result["status"] == "DELETED" or (bool(ended) and not again)
    if again:
        parts["volumes"] = [{**volume, "created": False} for volume in parts["volumes"]]
    # A host that has gone silent in this attempt is not waited for in the next.
    domain = {"domain": None, "remains": []} if again else {}
    before = {
        "was_launched": document.get("was_launched", bool(document.get("launched"))),
        "was_status": document.get("was_status", document.get("status")),
        "was_task": document.get("was_task", document.get("task_state")),
    }
    return {**kept, **recorded, **parts, **domain, **before, "events": [], "settled": settled}


def _abandon(document: Document, result: dict) -> dict:
    """The document of an instance that another run has destroyed (abandoned: all), or has on another host (host).

    It goes, with what this run has made of it; not with the ports and volumes that it has elsewhere.
    """
    kept = {key: value for key, value in document.items() if key not in PASSING}
    if result["abandoned"] == "host":
        kept["ports"], kept["volumes"] = [], created_here(document)
    goes = {"failed": False, "settled": False, "task_state": "deleting", "domain": None}
    return {**kept, **goes, "events": [], "abandoned": result["msg"]}


def created_here(document: Document) -> list[dict]:
    """The local volumes that this run has made, as they are to be removed again."""
    local = (each for each in document.get("volumes") or () if each.get("service", "file") == "file")
    return [{**volume, "delete_on_termination": True} for volume in local if volume.get("created")]


def _by_id(document: Document, name: str) -> dict[str, dict]:
    return {part["id"]: part for part in document.get(name) or ()}


def _facts(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a result says of its part; what is None was not said."""
    return {key: value for key, value in result.items() if value is not None and key not in JUDGEMENT}


def _message(noun: str, result: Mapping[str, Any]) -> str:
    """A part's failure, which names the part."""
    what = "%s %s" % (str(result.get("kind") or noun).replace("_", " "), result.get("name"))
    if noun == "schedule" or str(result["msg"]).startswith(what):
        return str(result["msg"])
    return "%s: %s" % (what, result["msg"])


def _event(document: Document, event: dict[str, Any]) -> dict[str, Any]:
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
    told = {**reason, "msg": "host %s: %s" % (host, reason.get("msg") or "it failed")}
    failed = not (give_up and is_deleting(document))
    return {**mark_failed(document, "host", told), "failed": failed, "lost": True}


def _of_host(before: list[dict], after: list[dict]) -> list[dict]:
    """The events of a document that comes back from its host, whose clock may differ from this machine's."""
    known = len(before)
    last = max((event["finish_time"] for event in before if event.get("finish_time")), default=None)
    return [*after[:known], *between(after[known:], last, now())]


def _place(document: Document) -> tuple:
    """By this the document is known that a host gives back: it may have what is left of the same instance, too."""
    return document["uuid"], document.get("host")
