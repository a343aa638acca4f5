# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters for the end of a playbook: documents as a table for people, and what to fail with."""

from __future__ import annotations

from collections import Counter
from typing import Any, Iterable

from ansible_collections.kvmstack.launch.plugins.module_utils.core.convert import sequence

Document = dict

# What a plan calls the parts of an instance that change.
PARTS = {"network": "networks", "port": "networks", "volume": "volumes", "image": "root disk", "domain": "guest"}
SUMS = {
    "create": "to create",
    "change": "to change",
    "destroy": "to destroy",
    "keep": "as they are",
    "refuse": "refused",
}


def table(rows: Iterable[Document], columns: list[str]) -> list[str]:
    """Aligned lines: the columns as a heading, then a line for each row.

    Beside its own keys an instance's document has the columns address and volumes, and fault with this run's failure.
    """
    columns = sequence(columns, "columns")
    cells = [[_cell(_value(row, column)) for column in columns] for row in rows]
    lines = [[column.upper() for column in columns], *cells]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]


def plan(documents: Iterable[Document], state: str = "present") -> list[str]:
    """What a run would do: a line for each instance, create, change (and what), destroy, keep or refuse; the sums."""
    rows = [{**document, "plan": _planned(document, state)} for document in documents]
    columns = ["name", "plan", "host", "address", "volumes", "reason"]
    lines = table([{**row, "reason": _failure(row)} for row in rows], columns)
    counts = Counter(row["plan"].partition(" ")[0] for row in rows)
    return [*lines, ", ".join("%d %s" % (counts[word], sums) for word, sums in SUMS.items() if counts[word])]


def failures(documents: Iterable[Document], status: str) -> list[str]:
    """One line for each instance that failed in this run or does not have the status it should have."""
    return [
        "%s is %s: %s" % (document["name"], document["status"], _failure(document) or "not finished; run again")
        for document in documents
        if document.get("failed") or document["status"] != status
    ]


def _planned(document: Document, state: str) -> str:
    """One of create, change (what), destroy, keep, refuse."""
    if document.get("failed"):
        return "refuse"
    if state == "absent":
        return "destroy" if document.get("uuid") else "keep"
    if not document.get("was_launched", document.get("launched")):
        return "create"
    changes = [PARTS[noun] for noun, actions in (document.get("actions") or {}).items() if actions and noun in PARTS]
    if document.get("action") not in (None, "keep") and not changes:
        changes = ["metadata"]
    return "change (%s)" % ", ".join(dict.fromkeys(changes)) if changes else "keep"


def _failure(document: Document) -> str | None:
    return document.get("msg") or document.get("fault")


def _value(document: Document, column: str) -> Any:
    if column == "address" and "ports" in document:
        ports = [port for port in document["ports"] if not port.get("leaving")]
        info = [port.get("network_info") or port for port in ports]
        pairs = [(port.get("fixed_ip"), known.get("floating_ip_address")) for port, known in zip(ports, info)]
        return [address for pair in pairs for address in pair if address]
    if column == "volumes" and "volumes" in document:
        return [
            "%s %s GiB" % (volume["name"], volume["size"] or "?")
            for volume in document["volumes"]
            if not volume.get("leaving")
        ]
    return _failure(document) if column == "fault" else document.get(column)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Any]:
        """What Ansible asks for."""
        return {"table": table, "plan": plan, "failures": failures}
