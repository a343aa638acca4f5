# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rows that make a network or a security group, within one transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable
from uuid import UUID

from ...router.ovn.leave import leave
from ...router.ovn.marks import named_router
from ..model import Item
from ..names import Name, gateway_port, localnet_port
from ..security import DEFAULT
from .rows import (
    dhcp_columns,
    gateway_columns,
    group_acls,
    group_ids,
    group_name,
    localnet_columns,
    mark,
    merge_ids,
    network_ids,
    switch_name,
)
from .view import View, acl_of


class Writer:
    """Fills a transaction. What a decision rests on is verified: had it changed meanwhile, nothing would be written."""

    def __init__(self, txn: Any, view: View):
        self.txn = txn
        self.view = view
        self.tables = view.tables
        self.port_groups: dict[str, Any] = {}
        self.numbered = False
        # The rows of routers' ports that are taken away in this transaction.
        self.left: set[UUID] = set()

    def put_network(self, item: Item) -> None:
        """Make or update the network's switch, DHCP options and own ports."""
        name = item.definition.full_name
        rows = self.view.switches.get(switch_name(name)) or [None]
        routed = named_router(rows[0]) if rows[0] is not None else None
        if item.definition.physical_network:
            # Who plans another network on this wire at the same time must see this one.
            self.number()
        switch = self._put_row("Logical_Switch", rows[0], {"name": switch_name(name)}, network_ids(item))
        if routed not in (None, item.definition.full_router):
            leave(self, name)
        gateway, wire = gateway_columns(item.definition), localnet_columns(item.definition)
        self._put_port(switch, gateway_port(name), self.view.gateway_row(name), gateway)
        self._put_port(switch, localnet_port(name), self.view.localnet_row(name), wire)
        wanted, existing = dhcp_columns(item.definition), self.view.dhcp.get(name, [])
        for row in existing[1:] if wanted else existing:
            row.delete()
        if wanted:
            ids = wanted.pop("external_ids")
            self._put_row("DHCP_Options", existing[0] if existing else None, wanted, ids)

    def _put_port(self, switch: Any, name: str, row: Any, wanted: dict[str, Any] | None) -> None:
        """Make, update or remove a port that is the network's own."""
        if wanted is None and row is None:
            return
        if row is None:
            switch.addvalue("ports", self.insert("Logical_Switch_Port", {"name": name, **wanted}))
        elif wanted is None:
            switch.delvalue("ports", row)
        else:
            self.set(row, wanted, wanted["external_ids"])

    def put_group(self, item: Item, defined: Callable[[str], Any]) -> None:
        """Make or update the group's port group, and make those that its rules speak of: OVN must know them all.

        defined(name) is the definition of another group, or None.
        """
        group = item.definition
        if group_name(group.full_name) in self.port_groups:
            return
        self.put_port_group(group_name(group.full_name), group_acls(group), group_ids(item))
        for name in sorted(group.full_remotes):
            if group_name(name) not in self.view.port_groups:
                remote = defined(name.name) or (DEFAULT if name.name == "default" else None)
                if remote is not None:
                    remote = replace(remote, in_sync=True, project_id=group.project_id)
                    self.put_group(replace(item, definition=remote), defined)

    def put_port_group(self, name: str, acls: frozenset, ids: dict[str, str]) -> Any:
        """A port group with exactly these ACLs, made or updated once in a transaction; ACLs that are there stay."""
        if name in self.port_groups:
            return self.port_groups[name]
        row = self._put_row("Port_Group", self.view.port_groups.get(name), {"name": name}, ids)
        self.port_groups[name] = row
        existing = {acl_of(acl): acl for acl in row.acls} if name in self.view.port_groups else {}
        if existing.keys() != acls:
            self.verify(row, "acls")
        for acl in sorted(acls - existing.keys()):
            row.addvalue("acls", self.insert("ACL", acl._asdict()))
        for acl in existing.keys() - acls:
            row.delvalue("acls", existing[acl])
        return row

    def remove_network(self, name: Name) -> None:
        """Remove the network's switch, which has no port, and its DHCP options; its router, if that was its last."""
        switch = self.view.switches[switch_name(name)][0]
        self.verify(switch, "ports")
        leave(self, name)
        switch.delete()
        for row in self.view.dhcp[name]:
            row.delete()

    def remove_port_group(self, name: str) -> None:
        """Remove the port group; the transaction waits for nobody: it is prepared anew if there are members."""
        row = self.view.port_groups[name]
        self.check_members(row.uuid, none=True)
        self.txn.add_op({"op": "delete", "table": "Port_Group", "where": [["_uuid", "==", ["uuid", str(row.uuid)]]]})

    def check_members(self, uuid: UUID, none: bool) -> None:
        """Have the transaction prepared anew unless the port group has none, or has some, when all else is written."""
        self.txn.add_op(
            {
                "op": "wait",
                "timeout": 0,
                "table": "Port_Group",
                "where": [["_uuid", "==", ["uuid", str(uuid)]]],
                "columns": ["ports"],
                "until": "==" if none else "!=",
                "rows": [{"ports": ["set", []]}],
            }
        )

    @staticmethod
    def verify(row: Any, column: str) -> None:
        """Have the transaction prepared anew if the column, or the row, is not what it was when it is committed.

        The IDL forgets this of a row that the transaction does not write; so the row's name is written as it is.
        """
        row.verify(column)
        unchanged = "name" if hasattr(row, "name") else column
        setattr(row, unchanged, getattr(row, unchanged))

    def insert(self, table: str, columns: dict[str, Any]) -> Any:
        """A new row."""
        row = self.txn.insert(self.tables[table])
        for column, value in columns.items():
            setattr(row, column, value)
        return row

    @staticmethod
    def set(row: Any, columns: dict[str, Any], ids: dict[str, str]) -> None:
        """Set the columns that differ; in external_ids the keys of others stay."""
        for column, value in {**columns, "external_ids": merge_ids(row.external_ids, ids)}.items():
            if getattr(row, column, None) != value:
                setattr(row, column, value)

    def _put_row(self, table: str, row: Any, columns: dict[str, Any], ids: dict[str, str]) -> Any:
        """A row with these columns, made if there is none. A new one is numbered: see number()."""
        if row is None:
            self.number()
            return self.insert(table, {**columns, "external_ids": ids})
        self.verify(row, "external_ids")
        self.set(row, columns, ids)
        return row

    def verify_number(self) -> None:
        """Verify the count of number(), unless this transaction counts."""
        row = next(iter(self.tables["NB_Global"].rows.values()), None)
        if row is not None and not self.numbered:
            self.verify(row, "external_ids")

    def number(self) -> None:
        """Count our transactions that make switches and groups, or give a port that is there an address; verify that.

        OVN lets two switches have one name; of two controllers that make the same one, the later must see the first.
        """
        if self.numbered:
            return
        self.numbered = True
        key = mark("generation")
        row = next(iter(self.tables["NB_Global"].rows.values()), None)
        if row is None:
            self.insert("NB_Global", {"external_ids": {key: "1"}})
            return
        row.verify("external_ids")
        before = row.external_ids.get(key, "0")
        row.setkey("external_ids", key, str(int(before) + 1 if before.isdecimal() else 1))
