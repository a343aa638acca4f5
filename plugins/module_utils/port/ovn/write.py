# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rows that make a change true, within one transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...core.change import Change
from ...network.model import Network
from ...network.security import DEFAULT, Group
from ..item import Definitions
from ..model import Port
from .rows import (
    DROP_GROUP,
    dhcp_columns,
    drop_acls,
    drop_ids,
    group_acls,
    group_ids,
    group_name,
    mark,
    network_ids,
    port_columns,
    port_groups,
    switch_name,
)
from .view import View, acl_of


class Writer:
    """Fills a transaction. What a decision rests on is verified: had it changed meanwhile, nothing would be written."""

    def __init__(self, txn: Any, view: View):
        self.txn = txn
        self.view = view
        self.tables = view.tables
        self.switches: dict[str, Any] = {}
        self.dhcp: dict[str, list] = {}
        self.port_groups: dict[str, Any] = {}
        self.groups: dict[str, Group] = {}
        self.members = {name: set(members) for name, members in view.members.items()}
        self.left: set = set()
        self.numbered = False

    def put(self, change: Change) -> None:
        """Make or update the port, with all that it needs, and put it into its groups."""
        port = change.after
        self._put_network(port.network)
        for group in port.security_groups:
            self._put_group(group, change.wanted.definitions)
        if port.port_security:
            self._put_port_group(DROP_GROUP, drop_acls(), drop_ids())
        row = self.view.lsps.get(port.id)
        if row is None:
            row = self._insert("Logical_Switch_Port", {"name": port.id})
            self._verify(self.switches[port.network.name], "ports")
            self.switches[port.network.name].addvalue("ports", row)
        else:
            self._verify(row, "name")
        self._set(row, {**port_columns(port), "dhcpv4_options": self.dhcp[port.network.name]})
        self._join(row, port_groups(port))

    def remove(self, port: Port) -> None:
        """Remove the port."""
        row = self.view.lsps[port.id]
        self.view.switches[switch_name(port.network.name)][0].delvalue("ports", row)
        self.left.add(port.network.name)
        for members in self.members.values():
            members.discard(row.uuid)

    def sweep(self) -> None:
        """Remove the networks that lost their last port and, when a port left one, the groups that no port needs.

        Who takes one of the last two must see that the other goes at the same time.
        """
        for name in self.left:
            switch = self.view.switches[switch_name(name)][0]
            self._verify(switch, "ports")
            if not switch.ports:
                switch.delete()
                for row in self.view.dhcp[name]:
                    row.delete()
        smaller = {name for name, members in self.view.members.items() if members - self.members[name]}
        unneeded = self.view.members.keys() - self._needed() if smaller else set()
        for name in smaller | unneeded:
            self._verify(self.view.port_groups[name], "ports")
        for name in unneeded:
            self.view.port_groups[name].delete()

    def _put_network(self, network: Network) -> None:
        """The network's switch and DHCP options, made or updated once in a transaction."""
        if network.name in self.switches:
            return
        columns = {"name": switch_name(network.name), "external_ids": network_ids(network)}
        rows = self.view.switches.get(columns["name"])
        self.switches[network.name] = self._put_row("Logical_Switch", rows[0] if rows else None, columns)
        wanted, existing = dhcp_columns(network), self.view.dhcp.get(network.name, [])
        for row in existing[1:] if wanted else existing:
            row.delete()
        there = existing[0] if existing else None
        self.dhcp[network.name] = [self._put_row("DHCP_Options", there, wanted, whole=True)] if wanted else []

    def _put_group(self, group: Group, definitions: Definitions) -> None:
        """The group's port group, and those that its rules speak of: OVN must know them all."""
        if group.name in self.groups:
            return
        self.groups[group.name] = group
        self._put_port_group(group_name(group.name), group_acls(group), group_ids(group))
        for name in sorted(group.remotes):
            remote = definitions.groups.get(name) or self.view.group(name) or (DEFAULT if name == "default" else None)
            if remote is not None:
                self._put_group(replace(remote, intact=True), definitions)

    def _put_port_group(self, name: str, acls: frozenset, ids: dict[str, str]) -> None:
        """A port group with exactly these ACLs; those that are there already stay."""
        if name in self.port_groups:
            return
        row = self._put_row("Port_Group", self.view.port_groups.get(name), {"name": name, "external_ids": ids})
        self.port_groups[name] = row
        there = {acl_of(acl): acl for acl in row.acls} if name in self.view.port_groups else {}
        if there.keys() != acls:
            self._verify(row, "acls")
        for acl in sorted(acls - there.keys()):
            row.addvalue("acls", self._insert("ACL", acl._asdict()))
        for acl in there.keys() - acls:
            row.delvalue("acls", there[acl])

    def _join(self, row: Any, names: set) -> None:
        """Make the port a member of these port groups of ours, and of no other."""
        for name in names:
            if row.uuid not in self.members.setdefault(name, set()):
                self.members[name].add(row.uuid)
                self.port_groups[name].addvalue("ports", row)
        for name in self.members.keys() - names:
            if row.uuid in self.members[name]:
                self.members[name].discard(row.uuid)
                self.view.port_groups[name].delvalue("ports", row)

    def _needed(self) -> set:
        """The port groups with members, and those that their rules speak of."""
        needed = {name for name, members in self.members.items() if members}
        queue = list(needed)
        while queue:
            new = self._remotes(queue.pop()) - needed
            needed |= new
            queue.extend(new)
        return needed

    def _remotes(self, name: str) -> set:
        """The port groups that the rules of this one speak of."""
        if name == DROP_GROUP:
            return set()
        written = {group_name(group.name): group for group in self.groups.values()}
        if name not in written and name not in self.view.port_groups:
            return set()
        group = written.get(name) or self.view.group(self.view.port_groups[name].external_ids[mark("security_group")])
        return {group_name(remote) for remote in group.remotes}

    def _put_row(self, table: str, row: Any, columns: dict[str, Any], whole: bool = False) -> Any:
        """A row with these columns, made if there is none. A new one is numbered: see _number()."""
        if row is None:
            self._number()
            return self._insert(table, columns)
        self._verify(row, "external_ids")
        self._set(row, columns, whole)
        return row

    @staticmethod
    def _verify(row: Any, column: str) -> None:
        """Have the transaction composed anew if the column, or the row, is not what it was when it is committed.

        The IDL forgets this of a row that the transaction does not write; so the row's name is written as it is.
        """
        row.verify(column)
        unchanged = "name" if hasattr(row, "name") else column
        setattr(row, unchanged, getattr(row, unchanged))

    def _insert(self, table: str, columns: dict[str, Any]) -> Any:
        row = self.txn.insert(self.tables[table])
        for column, value in columns.items():
            setattr(row, column, value)
        return row

    @staticmethod
    def _set(row: Any, columns: dict[str, Any], whole: bool = False) -> None:
        """Set the columns that differ. In a map the keys of others stay, unless it is ours as a whole."""
        for column, value in columns.items():
            there = getattr(row, column, None)
            if isinstance(value, dict) and isinstance(there, dict) and not whole:
                value = {**there, **value}
            if there != value:
                setattr(row, column, value)

    def _number(self) -> None:
        """Count our transactions that make switches and groups, and verify the count.

        OVN lets two switches have one name; of two controllers that make the same one, the later must see the first.
        """
        if self.numbered:
            return
        self.numbered = True
        key = mark("generation")
        row = next(iter(self.tables["NB_Global"].rows.values()), None)
        if row is None:
            self._insert("NB_Global", {"external_ids": {key: "1"}})
            return
        row.verify("external_ids")
        row.setkey("external_ids", key, str(int(row.external_ids.get(key, "0")) + 1))
