# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The scheduler's view of the record: a choice is made on what is read, and claimed against what is there then."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from ..core.change import Change
from ..core.errors import LaunchError, Unavailable
from ..host.record import parse as parse_hosts
from ..host.record import unfit
from ..record import lease
from ..record.compute_nodes import UNUSED
from ..record.database import Database
from . import claims
from .affinity import group_key, locate
from .equivalence import EquivalenceSelector
from .filters.rule import applicable, first_refusal
from .hardware.fit import fit
from .host_state import Cluster, HostState
from .model import Policy, Request, Selection
from .plan import planner
from .policy import parse_policy
from .view import view

TRIES = 10  # nova's placement: allocation_conflict_retry_count


def connect(params: dict[str, Any]) -> Claims:
    """The claims behind params["database"]; params["nodes"] are hosts that the record may not know yet."""
    names, settings = [node["host"] for node in params["nodes"]], params.get("host_settings") or {}
    nodes = parse_hosts({"hosts": names, "nodes": params["nodes"], "settings": settings})
    known = {field.name for field in fields(HostState)}
    unrecorded = [
        HostState(
            host=item.host,
            **UNUSED,
            **item.room,
            facts=item.facts,
            machine=item.machine,
            **{key: item.settings[key] for key in known & set(item.settings)},
        )
        for item in (node.over(None) for node in nodes)
    ]
    database, driver = Database(params["database"]), lease.driver(params)
    return Claims(database, driver, params["candidates"], unrecorded, parse_policy(params), unfit(settings))


class Claims:
    """Claims on the compute nodes of one database by one run, among the candidates that it can reach."""

    def __init__(
        self,
        database: Database,
        driver: lease.Driver,
        candidates: list[str] | None,
        unrecorded: list[HostState],
        policy: Policy,
        unfit_hosts: dict[str, str],
    ):
        self.database = database
        self.driver = driver
        self.candidates = None if candidates is None else set(candidates)
        self.unrecorded = unrecorded
        self.policy = policy
        self.unfit_hosts = unfit_hosts

    def read(self, wanted: list[Request]) -> Cluster:
        """The candidates as the record has them; hosts not recorded yet (in check mode) as they say they are."""
        cluster = view(self.database, self._fetch, wanted, self.candidates)
        known = {**{host.host: host for host in self.unrecorded}, **cluster.hosts}
        hosts = {name: host for name, host in known.items() if name not in self.unfit_hosts}
        among = self.unfit_hosts.keys() & (known.keys() if self.candidates is None else self.candidates)
        notes = ["host %s takes no instance: %s" % (name, self.unfit_hosts[name]) for name in sorted(among)]
        return replace(cluster, hosts=hosts, notes=tuple(notes))

    def apply(self, changes: list[Change]) -> dict[str, Any]:
        """Claim; where another controller was quicker on a host, decide anew for the instances that lost it."""
        outcome: dict[str, Any] = {}
        pending = changes
        for _try in range(TRIES):
            if not pending:
                return outcome
            settled, lost = self.database.write(lambda connection, now=pending: self._claim(connection, now))
            anew = self._decide_anew(lost)
            pending = [change for change in anew if change.pending]
            outcome.update(settled)
            outcome.update({change.key: change.error or change.after for change in anew if not change.pending})
        crowded = "other controllers kept claiming the room on the hosts chosen (%d times): run again" % TRIES
        return {**outcome, **{change.key: Unavailable(crowded) for change in pending}}

    def _decide_anew(self, lost: list[Request]) -> list[Change]:
        return planner(self.policy, EquivalenceSelector)(lost, self.read(lost), "present") if lost else []

    def _fetch(self, statement) -> list:
        with self.database.reading() as connection:
            return connection.execute(statement).all()

    def _claim(self, connection, changes: list[Change]) -> tuple[dict[str, Any], list[Request]]:
        """Write the claims that still can be; what became of them, and the requests whose host cannot take them now."""
        requests = [change.wanted for change in changes]
        refused = claims.lock_instances(connection, self.database, requests, self.driver)
        claims.lock_groups(connection, self.database, requests)
        chosen = [change.after.host for change in changes]
        current = view(
            self.database, lambda statement: connection.execute(statement).all(), requests, chosen, lock=True
        )
        known = {**current.selections, **refused}
        table = _Table(current, self.policy)
        claimed = {change.key: table.claim(change.after) for change in changes if change.key not in known}
        written = {key: selection for key, selection in claimed.items() if selection is not None}
        claims.write(connection, self.database, current.hosts, list(written.values()))
        settled = {request.key: known[request.key] for request in requests if request.key in known}
        return {**settled, **written}, [request for request in requests if claimed.get(request.key, request) is None]


class _Table:
    """The hosts that were chosen, as they are in the transaction: what each can still take."""

    def __init__(self, cluster: Cluster, policy: Policy):
        self.policy = policy
        self.hosts = dict(cluster.hosts)
        self.groups = dict(cluster.groups)
        self.places = dict(cluster.places)

    def claim(self, selection: Selection) -> Selection | None:
        """The selection with its allocation as it is now; None if its host cannot take it any more."""
        request, host = locate(selection.request, self.groups, self.places), self.hosts.get(selection.host)
        try:
            if host is None or first_refusal(host, request, applicable(self.policy.filters, request)):
                return None
        except LaunchError:
            return None
        allocation = fit(host, request).allocation
        if allocation is None:
            return None
        self.hosts[host.host] = host.consume(request, allocation)
        self.places.update({request.key: host.host, request.name: host.host})
        if request.group:
            self.groups[group_key(request)] = request.group.add(host.host)
        return replace(selection, request=request, allocation=allocation or None)
