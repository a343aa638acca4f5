# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters for the end of a playbook: documents as a table for people, and what to fail with."""

from __future__ import annotations

from typing import Any, Iterable


def report(documents: Iterable[dict[str, Any]], columns: list[str]) -> list[str]:
    """Aligned lines: the columns as a heading, then a line for each instance document.

    Beside its own keys a document has the columns address and volumes, and fault with the failure of this run.
    """
    rows = [[_cell(_told(document, column)) for column in columns] for document in documents]
    lines = [[column.upper() for column in columns], *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]


def failures(documents: Iterable[dict[str, Any]], status: str) -> list[str]:
    """One line for each instance that failed in this run or does not have the status it should have."""
    return [
        "%s is %s: %s" % (document["name"], document["status"], _told(document, "fault") or "not finished; run again")
        for document in documents
        if document.get("failed") or document["status"] != status
    ]


def _told(document: dict[str, Any], column: str) -> Any:
    if column == "address":
        told = [
            (port.get("fixed_ip"), (port.get("network_info") or {}).get("floating_ip_address"))
            for port in document["ports"]
        ]
        return [address for addresses in told for address in addresses if address]
    if column == "volumes":
        return ["%s %s GiB" % (volume["name"], volume["size"] or "?") for volume in document["volumes"]]
    if column == "fault":
        return document.get("msg") or document.get("fault")
    return document.get(column)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Any]:
        """What Ansible asks for."""
        return {"report": report, "failures": failures}
