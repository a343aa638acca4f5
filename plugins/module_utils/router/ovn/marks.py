# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""By what the rows of a router are found. Pure.

Each says of which router it is, and what is of a network says that too: the names are those that OVN has, so no
project's are another's.
"""

from __future__ import annotations

from typing import Any

from ...core.names import MARK
from ...network.names import DEFAULT_PROJECT, Name, name_in
from ...network.ovn.rows import mark, project_of

# The logical router; the logical switch; that it is the way out, or, of a router, by which switch; a switch's port.
OF_ROUTER, JOINS, EXTERNAL, PLUG = "of_router", "joins", "external", "plug"


def router_name(router: Name) -> str:
    """The logical router of a router, and its group of gateways. The default project's is called by itself alone."""
    name = "%s-%s" % (MARK, router.name)
    return name if router.project == DEFAULT_PROJECT else "%s@%s" % (name, router.project)


def named_router(row: Any) -> Name | None:
    """The router that a network's switch names as its own."""
    ids = row.external_ids
    return name_in(project_of(ids), ids[mark("router")]) if mark("router") in ids else None


def marked(table: Any, key: str, value: str) -> list[Any]:
    """The rows with this mark."""
    return [row for row in table.rows.values() if row.external_ids.get(mark(key)) == value]
