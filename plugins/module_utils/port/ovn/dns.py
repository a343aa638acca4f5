# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An instance's name on its network, as a row of the OVN northbound's DNS: each port has its own.

OVN answers a guest's query by UDP for the name, whatever server the guest asks; not one with EDNS (ovn-northd(8)).
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, Iterable

from ...network.ovn.rows import mark
from ...network.ovn.write import Writer
from ..model import Port


def dns_records(port: Port) -> dict[str, str]:
    """The names of a port with its addresses, and the other way round. OVN wants small letters."""
    name, addresses = (port.dns_name or "").lower(), [ip for ip in port.fixed_ips if ip]
    full = "%s.%s" % (name, port.network.domain.lower()) if port.network.domain else name
    if not name or not addresses:
        return {}
    forward = dict.fromkeys((name, full), " ".join(addresses))
    return {**forward, **{ip_address(ip).reverse_pointer: full for ip in addresses}}


def has_dns(rows: Iterable[Any], port: Port) -> bool:
    """Whether these rows are exactly the one that tells the port's names."""
    return [row.records for row in rows] == list(filter(None, [dns_records(port)]))


def put_dns(writer: Writer, switch: Any, rows: list[Any], port: Port) -> None:
    """Make one of these rows the one that tells the port's names, or a new one; the others go."""
    records = dns_records(port)
    for row in rows[1:] if records else rows:
        row.delete()
    if records and not rows:
        columns = {"records": records, "external_ids": {mark("port"): port.id}}
        switch.addvalue("dns_records", writer.insert("DNS", columns))
    elif records and rows[0].records != records:
        rows[0].records = records
