# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The queue, the instances and the hosts in numbers, as Prometheus reads them (its text format, version 0.0.4).

All are gauges of the record, so every API tells the same. No name of anybody's is a label: nothing secret is told, and
there are as many series however much there is.
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ..record import workers
from ..record.database import Database
from .queue import STATES, look

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
VM_STATES = ("building", "active", "stopped", "error")

Series = Iterable["tuple[Mapping[str, str], float]"]


def read(database: Database) -> str:
    """What there is now."""
    queue = look(database)["queue"]
    states, hosts = _counted(database)
    return text(
        [
            (
                "kvmstack_requests",
                "Requests that are not done yet, by what is the matter with them.",
                [({"state": state}, queue[state]) for state in STATES],
            ),
            (
                "kvmstack_request_oldest_age_seconds",
                "Seconds since the oldest request that is not done was accepted; 0 without any.",
                [({}, queue["oldest"] or 0)],
            ),
            (
                "kvmstack_workers_alive",
                "Workers heard of in the last %d seconds." % workers.SILENT,
                [({}, queue["workers_alive"])],
            ),
            (
                "kvmstack_instances",
                "Instances that there are, by their vm_state.",
                [({"vm_state": state}, states.get(state, 0)) for state in VM_STATES],
            ),
            ("kvmstack_hosts", "Compute hosts, by their state at the last look.", hosts),
        ]
    )


def _counted(database: Database) -> tuple[dict[str, int], list[tuple[dict[str, str], float]]]:
    instances, hosts = database.tables.instances, database.tables.compute_nodes
    count = database.sql.func.count()
    by_state = database.sql.select(instances.c.vm_state, count).where(instances.c.deleted == 0)
    silent = hosts.c.silent_since.is_not(None)
    with database.reading() as connection:
        rows = connection.execute(by_state.group_by(instances.c.vm_state))
        states = {row[0]: row[1] for row in rows}
        lost = connection.execute(database.sql.select(count).select_from(hosts).where(silent)).scalar()
        all_of_them = connection.execute(database.sql.select(count).select_from(hosts)).scalar()
    return states, [({"state": "up"}, all_of_them - lost), ({"state": "down"}, lost)]


def text(metrics: Iterable[tuple[str, str, Series]]) -> str:
    """Gauges, each its name, its help and its series, as lines."""
    lines = []
    for name, told, series in metrics:
        lines += ["# HELP %s %s" % (name, _escaped(told)), "# TYPE %s gauge" % name]
        lines += ["%s%s %s" % (name, _labels(labels), _number(value)) for labels, value in series]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    told = ['%s="%s"' % (name, _escaped(value).replace('"', '\\"')) for name, value in labels.items()]
    return "{%s}" % ",".join(told) if told else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: Any) -> str:
    return repr(value)
