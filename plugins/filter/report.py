# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters for the end of a playbook: documents as a table for people, and what to fail with."""

from __future__ import annotations

from collections import Counter
from typing import Any, Iterable

from ansible_collections.kvmstack.launch.plugins.module_utils.core.documents import is_deleting, wanted_status
from ansible_collections.kvmstack.launch.plugins.module_utils.core.states import REBUILDING, RESTARTS
from ansible_collections.kvmstack.launch.plugins.module_utils.core.table import failure, few, table

Document = dict

# What a plan calls the parts of an instance that change.
PARTS = {"network": "networks", "port": "networks", "volume": "volumes", "image": "root disk", "domain": "guest"}
POWER = {("SHUTOFF", "ACTIVE"): "start", ("ACTIVE", "SHUTOFF"): "stop"}
AGAIN = {RESTARTS["restarted"]: "restart", RESTARTS["reset"]: "reset", REBUILDING: "rebuild"}
OF_GUEST = ("guest", "root disk")
SUMS = {
    "create": "to create",
    "change": "to change",
    "destroy": "to destroy",
    "keep": "as they are",
    "refuse": "refused",
}


def plan(documents: Iterable[Document]) -> list[str]:
    """What a run would do: a line for each instance, create, change (and what), destroy, keep or refuse; the sums."""
    rows = [{**document, "plan": _planned(document)} for document in documents]
    columns = ["name", "plan", "host", "address", "volumes", "reason"]
    lines = table([{**row, "reason": failure(row)} for row in rows], columns)
    counts = Counter(row["plan"].partition(" ")[0] for row in rows)
    return [*lines, ", ".join("%d %s" % (counts[word], sums) for word, sums in SUMS.items() if counts[word])]


def failures(documents: Iterable[Document]) -> list[str]:
    """One line for each instance that failed in this run or does not have the status it should have."""
    return [
        "%s is %s: %s" % (document["name"], document["status"], failure(document) or "not finished; run again")
        for document in documents
        if document.get("failed") or document["status"] != wanted_status(document)
    ]


def notes(documents: Iterable[Document]) -> list[str]:
    """What the run leaves as it is, or what waits, a line for each: all instances that it is true of, and the note."""
    names: dict[str, list[str]] = {}
    for document in documents:
        for note in document.get("notes") or ():
            names.setdefault(note, []).append(document["name"])
    return ["Note: %s: %s" % (few(mine), note) for note, mine in names.items()]


def shown(lines: Iterable[str], prints_lines: bool) -> str | list[str]:
    """Lines as a task is to show them: one text where Ansible prints it line by line, else a list."""
    return "\n".join(lines) if prints_lines else list(lines)


def _planned(document: Document) -> str:
    """One of create, change (what), destroy, keep, refuse."""
    if document.get("failed"):
        return "refuse"
    if is_deleting(document) or document.get("status") == "DELETED":
        return "destroy" if document.get("uuid") else "keep"
    if not document.get("was_launched", document.get("launched")):
        return "create"
    task = document.get("was_task", document.get("task_state"))
    power = POWER.get((document.get("was_status", document.get("status")), wanted_status(document)))
    power = AGAIN[task] if task == REBUILDING else power or AGAIN.get(task)
    changes = [PARTS[noun] for noun, actions in (document.get("actions") or {}).items() if actions and noun in PARTS]
    if power:
        changes = [power, *(change for change in changes if change not in OF_GUEST)]
    if document.get("action") not in (None, "keep") and not changes:
        changes = ["metadata"]
    return "change (%s)" % ", ".join(dict.fromkeys(changes)) if changes else "keep"


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Any]:
        """What Ansible asks for."""
        return {"table": table, "plan": plan, "notes": notes, "failures": failures, "shown": shown}
