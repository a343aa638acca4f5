# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The addresses in use on networks: asked for by select, as a replica of so many rows would be slow and large."""

from __future__ import annotations

from typing import Any, Callable, Iterable
from uuid import UUID

from ...router.ovn.marks import EXTERNAL
from ..names import Name
from .conditions import by_mark, by_uuid, references
from .rows import mark, switch_name

COLUMNS = ["name", "type", "addresses", "dynamic_addresses"]
# Words that stand for addresses.
KEYWORDS = ("router", "unknown", "dynamic")


class AddressBook:
    """Every address and MAC address in use on a network's switch, and the port that has it.

    What was read stays valid while the switch has the same ports, and the number of the Writer is the same: who gives
    out an address verifies that.
    """

    def __init__(self, select: Callable[[list], list]):
        self.select = select
        self.known: dict[Name, tuple[list[UUID], dict[str, str]]] = {}
        self.number: str | None = None

    def held(self, tables: Any, networks: Iterable[Name]) -> dict[Name, dict[str, str]]:
        """By network."""
        number = next((row.external_ids.get(mark("generation")) for row in tables["NB_Global"].rows.values()), None)
        if number != self.number:
            self.known, self.number = {}, number
        ports = {name: [] for name in sorted(set(networks))}
        switches = {switch_name(name): name for name in ports}
        for row in tables["Logical_Switch"].rows.values():
            if row.name in switches:
                ports[switches[row.name]] += sorted(references(row, "ports"))
        unknown = [name for name, uuids in ports.items() if name not in self.known or self.known[name][0] != uuids]
        rows = iter(self._rows([uuid for name in unknown for uuid in ports[name]]))
        for name in unknown:
            found = self._words([next(rows) for _uuid in ports[name]])
            self.known[name] = (ports[name], {**found, **self._floating(name)})
        return {name: self.known[name][1] for name in ports}

    def _rows(self, uuids: list[UUID]) -> list[list[dict[str, Any]]]:
        """The port of each UUID, or none, in a list."""
        table = {"table": "Logical_Switch_Port", "columns": COLUMNS}
        return self.select([{**table, "where": [clause]} for clause in by_uuid(uuids)])

    def _words(self, ports: list[list[dict[str, Any]]]) -> dict[str, str]:
        """The addresses of these ports."""
        held = {}
        rows = [row for found in ports for row in found]
        for row in rows:
            for text in values(row["addresses"]) + values(row["dynamic_addresses"]):
                held.update((word.lower(), row["name"]) for word in text.split())
        routers = [row["name"] for row in rows if row["type"] == "router"]
        held.update(self._of_routers(routers))
        return {word: holder for word, holder in held.items() if word not in KEYWORDS}

    def _floating(self, name: Name) -> dict[str, str]:
        """The floating IPs of ours on an external network, each with the port that has it."""
        table = {"table": "NAT", "columns": ["external_ip", "external_ids"]}
        [rows] = self.select([{**table, "where": by_mark(EXTERNAL, [switch_name(name)])}])
        return {row["external_ip"]: dict(row["external_ids"][1]).get(mark("port"), "") for row in rows}

    def _of_routers(self, names: list[str]) -> dict[str, str]:
        """The addresses of the routers' ports that these ports lead to."""
        options = {"table": "Logical_Switch_Port", "columns": ["options"]}
        found = self.select([{**options, "where": [["name", "==", name]]} for name in names])
        peers = [dict(rows[0]["options"][1]).get("router-port", "") if rows else "" for rows in found]
        table = {"table": "Logical_Router_Port", "columns": ["_uuid", "mac", "networks"]}
        found = self.select([{**table, "where": [["name", "==", peer]]} for peer in peers])
        held = {}
        for name, rows in zip(names, found):
            for row in rows:
                held[row["mac"].lower()] = name
                held.update((address.partition("/")[0], name) for address in values(row["networks"]))
        return {**held, **self._of_others([row["_uuid"] for rows in found for row in rows])}

    def _of_others(self, ports: list[Any]) -> dict[str, str]:
        """What the routers that have these ports, and are not ours, translate addresses to."""
        table = {"table": "Logical_Router", "columns": ["name", "nat", "external_ids"]}
        found = self.select([{**table, "where": [["ports", "includes", uuid]]} for uuid in ports])
        foreign = [row for rows in found for row in rows if mark("router") not in dict(row["external_ids"][1])]
        owners = [(row["name"], UUID(text)) for row in foreign for _kind, text in values(row["nat"])]
        table = {"table": "NAT", "columns": ["external_ip"]}
        found = self.select([{**table, "where": [clause]} for clause in by_uuid(uuid for _name, uuid in owners)])
        pairs = zip((name for name, _uuid in owners), found)
        return {row["external_ip"].partition("/")[0]: "router %s" % name for name, rows in pairs for row in rows}


def values(column: Any) -> list[Any]:
    """A set as OVSDB writes it: alone if it has one member."""
    return column[1] if isinstance(column, list) and column[0] == "set" else [column]
