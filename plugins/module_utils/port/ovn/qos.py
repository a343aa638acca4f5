# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A port's limits as rows of the OVN northbound: each says whose it is, as a switch may have very many."""

from __future__ import annotations

from typing import Any, Iterable

from ...network.ovn.rows import mark
from ...network.ovn.write import Writer
from ..model import Port
from ..qos import Limit

# neutron's (OVN_QOS_DEFAULT_RULE_PRIORITY).
PRIORITY = 2002
# What makes a row what it is.
COLUMNS = ("direction", "priority", "match", "bandwidth")


def limit_columns(port: str, limit: Limit) -> dict[str, Any]:
    """The row of a limit. OVN sees from the switch: what the instance sends comes from its port."""
    direction, end = ("to-lport", "outport") if limit.direction == "ingress" else ("from-lport", "inport")
    return {
        "direction": direction,
        "priority": PRIORITY,
        "match": '%s == "%s"' % (end, port),
        "bandwidth": {"rate": limit.max_kbps, "burst": limit.max_burst_kbps},
    }


def has_limits(rows: Iterable[Any], port: Port) -> bool:
    """Whether these rows are exactly the port's limits."""
    missing, needless = _differences(rows, port)
    return not missing and not needless


def put_limits(writer: Writer, switch: Any, rows: Iterable[Any], port: Port) -> None:
    """Make these rows of the switch the port's limits; a row that the switch has no more is gone."""
    missing, needless = _differences(rows, port)
    for row in needless:
        switch.delvalue("qos_rules", row)
    for columns in missing:
        switch.addvalue("qos_rules", writer.insert("QoS", {**columns, "external_ids": {mark("port"): port.id}}))


def _differences(rows: Iterable[Any], port: Port) -> tuple[list[dict[str, Any]], list[Any]]:
    """The columns of the rows that are missing, and the rows that should not be."""
    missing, needless = [limit_columns(port.id, limit) for limit in port.qos], []
    for row in rows:
        columns = {name: getattr(row, name) for name in COLUMNS}
        if columns in missing:
            missing.remove(columns)
        else:
            needless.append(row)
    return missing, needless
