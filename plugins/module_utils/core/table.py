# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documents as a table for people."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Sequence

from .convert import listed

Document = Mapping[str, Any]

# Columns that say why something is not as it should be; where all is, they are left out.
WHY = ("fault", "reason")

# How many names a line has at most.
SHOWN = 5


def table(rows: Iterable[Document], columns: Any) -> list[str]:
    """Aligned lines: the columns, a list or a text with commas, as a heading, then a line for each row.

    Beside its own keys an instance's document has the columns address and volumes, and fault with this run's failure.
    """
    rows, asked = list(rows), listed(columns)
    columns = [column for column in asked if column not in WHY or any(_value(row, column) for row in rows)]
    cells = [[_cell(_value(row, column)) for column in columns] for row in rows]
    lines = [[column.upper() for column in columns], *cells]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]


def few(names: Sequence[str]) -> str:
    """The first few of the names, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (" and %d more" % more if more > 0 else "")


def failure(document: Document) -> str | None:
    """Why an instance is not as it should be: this run's failure, else what the record says."""
    return document.get("msg") or document.get("fault")


def _value(document: Document, column: str) -> Any:
    if column == "address" and "ports" in document:
        ports = [port for port in document["ports"] if not port.get("leaving")]
        info = [port.get("network_info") or port for port in ports]
        own = [port.get("fixed_ips") or [port.get("fixed_ip")] for port in ports]
        found = [(known.get("ipv6_address"), known.get("floating_ip_address")) for known in info]
        each = [dict.fromkeys([*addresses, *beside]) for addresses, beside in zip(own, found)]
        return [address for addresses in each for address in addresses if address]
    if column == "volumes" and "volumes" in document:
        return [
            "%s %s GiB" % (volume["name"], volume["size"] or "?")
            for volume in document["volumes"]
            if not volume.get("leaving")
        ]
    return failure(document) if column == "fault" else document.get(column)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
