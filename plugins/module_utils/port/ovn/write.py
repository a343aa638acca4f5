# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rows that make a change of a port true, within one transaction."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ...core.change import Change
from ...network.model import Item
from ...network.names import Name
from ...network.ovn import write as networks
from ...network.ovn.rows import DROP_GROUP, drop_acls, drop_ids, switch_name
from ...network.ovn.view import try_read
from ..model import Port
from .dns import put_dns
from .floating import put_floating, take_floating
from .qos import put_limits
from .rows import port_columns, port_groups
from .vacated import Vacated
from .view import View, lacks


class Writer:
    """Fills a transaction. What a decision rests on is verified: had it changed meanwhile, nothing would be written."""

    def __init__(self, txn: Any, view: View):
        self.view = view
        self.rows = networks.Writer(txn, view.networks)
        self.removed: dict[Name, set[UUID]] = {}
        self.gives_addresses = False

    def put(self, change: Change) -> None:
        """Make or update the port on its network, and put it into its groups."""
        port = change.after
        switch = self.view.networks.switches[switch_name(port.network.full_name)][0]
        dhcp = self.view.networks.dhcp_row(port.network.full_name)
        columns = {**port_columns(port), "dhcpv4_options": [dhcp] if port.network.dhcp and dhcp is not None else []}
        if port.port_security:
            self.rows.put_port_group(DROP_GROUP, drop_acls(), drop_ids())
        row = self.view.lsps.get(port.id)
        if row is None:
            row = self.rows.insert("Logical_Switch_Port", {"name": port.id, **columns})
            self.rows.verify(switch, "ports")
            switch.addvalue("ports", row)
            self.gives_addresses = True
        else:
            if lacks(row, port.fixed_ips):
                # Who gives one out at the same time sees only which ports there are: the number tells of it.
                self.rows.verify(switch, "ports")
                self.rows.number()
            self.rows.verify(row, "external_ids")
            self.rows.set(row, {**columns, "options": {**row.options, **columns["options"]}}, columns["external_ids"])
        put_limits(self.rows, switch, self.view.limits[port.id], port)
        put_dns(self.rows, switch, self.view.dns[port.id], port)
        put_floating(self.rows, self.view.routers, self.view.floating[port.id], port)
        self._join(row, port_groups(port))

    def remove(self, port: Port) -> None:
        """Remove the port."""
        for floating in self.view.floating[port.id]:
            take_floating(self.view.routers, floating)
        row = self.view.lsps.get(port.id)
        if row is None:
            return
        switch = self.view.networks.switches[switch_name(port.network.full_name)][0]
        switch.delvalue("ports", row)
        for limit in self.view.limits[port.id]:
            switch.delvalue("qos_rules", limit)
        for row_of_names in self.view.dns[port.id]:
            row_of_names.delete()
        self.removed.setdefault(port.network.full_name, set()).add(row.uuid)
        self._join(row, set())

    def sweep(self, vacated: Vacated) -> None:
        """Remove the networks that lost their last port, unless they are kept, and the groups that nothing needs.

        Who takes one of the last two ports must see that the other goes at the same time.
        """
        if self.gives_addresses:
            self.rows.verify_number()
        for name, removed in sorted(self.removed.items()):
            switch = self.view.networks.switches[switch_name(name)][0]
            self.rows.verify(switch, "ports")
            item = try_read(self.view.networks.network, name)
            if not set(self.view.networks.guests(name)) - removed and isinstance(item, Item) and not item.keep:
                self.rows.remove_network(name)
        for name in vacated.unneeded:
            self.rows.remove_port_group(name)
        for name in vacated.occupied:
            self.rows.check_members(self.view.port_groups[name].uuid, none=False)

    def _join(self, row: Any, names: set[str]) -> None:
        """Make the port a member of these port groups of ours, and of no other."""
        for name in names:
            if row.uuid not in self.view.members.get(name, ()):
                group = self.rows.port_groups.get(name) or self.view.port_groups[name]
                if name in self.view.port_groups:
                    self.rows.verify(group, "external_ids")
                group.addvalue("ports", row)
        for name in self.view.members.keys() - names:
            if row.uuid in self.view.members[name]:
                self.view.port_groups[name].delvalue("ports", row)
