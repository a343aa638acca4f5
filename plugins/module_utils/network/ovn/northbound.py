# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A replica of the rows of the OVN northbound that a request concerns, and the way to change them."""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
import time
from typing import Any, Callable, Mapping

from ...core.change import Change
from ...core.errors import InvalidRequest, MissingLibrary, Unavailable
from ...core.names import bracketed
from .schema import SCHEMA

DEFAULT_ENDPOINT = "unix:/run/ovn/ovnnb_db.sock"
# Seconds: until the server speaks; until it has sent what we asked for; for a transaction with its retries.
CONNECT_TIMEOUT, DUMP_TIMEOUT, COMMIT_TIMEOUT = 4, 60, 60
# Seconds to wait for the change that made a transaction fail.
PAUSE = 0.05
# Known, but never replicated, as there may be one for every port. Who needs a port group's asks for them by select.
UNREPLICATED = {"Port_Group": ["ports"], "Logical_Switch": ["dns_records", "qos_rules"]}

_REMOTE = re.compile(r"unix:.+|(?:tcp|ssl):(?:[^:\[\]]+|\[[0-9A-Fa-f:.]+\]):[0-9]+")
_OF_NAME = re.compile(r"(tcp|ssl):([^:\[\]]*[^:\[\]0-9.][^:\[\]]*):([0-9]+)")


class Northbound:
    """The connection. Nothing is replicated but what replicate() asks for."""

    def __init__(self, endpoint: str, idl: Any, new_poller: Callable):
        self.endpoint = endpoint
        self.idl = idl
        self.new_poller = new_poller
        helper = idl.SchemaHelper(None, SCHEMA)
        for table, declared in SCHEMA["tables"].items():
            helper.register_columns(table, sorted(declared["columns"]), readonly=UNREPLICATED.get(table, []))
        self.database = idl.Idl(",".join(map(_with_address, endpoint.split(","))), helper)
        # The replica's state when it was last brought up to date.
        self.moment = 0
        self.conditions = {table: [] for table in SCHEMA["tables"]}

    @property
    def tables(self) -> Any:
        """The replica's tables by name."""
        return self.database.tables

    def close(self) -> None:
        """End the connection."""
        self.database.close()

    def replicate(self, conditions: Callable[[Any], dict[str, list]]) -> None:
        """Bring the replica up to what conditions(tables) says, until that says nothing new."""
        while True:
            asked = conditions(self.tables)
            if self.database.has_ever_connected() and asked == self.conditions:
                self.moment = self.database.change_seqno
                return
            for table, clauses in asked.items():
                self.database.cond_change(table, clauses)
            self.conditions = asked
            self._await_contents()

    def steady(self, look: Callable[[], Any]) -> Any:
        """What look() returns when nothing that is replicated changed while it looked: it replicates, then selects."""
        while True:
            found = look()
            if self.moment == self.database.change_seqno:
                return found

    def select(self, operations: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        """The rows that these selects find on the server of the replica, a list for each."""
        if not operations:
            return []
        query = _query(self.idl, self.database)
        for operation in operations:
            query.add_op({"op": "select", **operation})
        if self._ended(query, time.monotonic() + COMMIT_TIMEOUT) != query.SUCCESS:
            raise Unavailable("the OVN northbound %s does not answer: %s" % (self.endpoint, query.get_error()))
        return [answer["rows"] for answer in query.answers]

    def commit(self, prepare: Callable[[], Callable]) -> None:
        """Write what prepare() composes: a function that fills a transaction.

        When a row that it verified has changed meanwhile, as when another controller was quicker, it is prepared anew;
        so no two can give out the same address.
        """
        ends = time.monotonic() + COMMIT_TIMEOUT
        while True:
            fill = self.steady(prepare)
            moment = self.database.change_seqno
            work = self.idl.Transaction(self.database)
            try:
                fill(work)
                status = self._ended(work, ends)
            except BaseException:
                work.abort()
                raise
            if status in (work.SUCCESS, work.UNCHANGED):
                return
            if status != work.TRY_AGAIN or time.monotonic() > ends:
                raise Unavailable(
                    "the OVN northbound %s did not take the transaction, nothing of it is written: %s"
                    % (self.endpoint, work.get_error())
                )
            # What made it fail need not be replicated.
            self._await(lambda seen=moment: self.database.change_seqno != seen, time.monotonic() + PAUSE)

    def carry_out(self, changes: list[Change], look: Callable, plan: Callable, fill: Callable) -> dict[str, Any]:
        """Make changes in one transaction; what they made, by key, or why one could not be made.

        look() tells (view, current) of this moment and plan(current) plans anew from it, each time that the transaction
        is prepared; fill(txn, view, changes) writes those of the changes that are to be made.
        """
        keys, result = {change.key for change in changes}, {}

        def prepare() -> Callable:
            view, current = look()
            planned = [change for change in plan(current) if change.key in keys]
            result.clear()
            result.update({change.key: change.error or change.after for change in planned})
            return lambda txn: fill(txn, view, [each for each in planned if each.error is None and each.changed])

        if changes:
            self.commit(prepare)
        return {key: outcome for key, outcome in result.items() if outcome is not None}

    def _ended(self, work: Any, ends: float) -> str:
        """Send the transaction; its status when it has one, or when the time is over."""
        self._await(lambda: work.commit() != work.INCOMPLETE, ends, work)
        return work.commit()

    def _await(self, reachable: Callable[[], bool], ends: float, work: Any = None) -> bool:
        """Go on until this is reached; whether it was in time."""
        while not reachable():
            left = ends - time.monotonic()
            if left <= 0:
                return False
            waiting = self.new_poller()
            self.database.wait(waiting)
            if work is not None:
                work.wait(waiting)
            waiting.timer_wait(int(left * 1000) + 1)
            waiting.block()
            self.database.run()
        return True

    def _await_contents(self) -> None:
        """Wait until what is asked for is here. The IDL itself would try for ever."""
        started = time.monotonic()
        self.database.run()
        while not self._complete():
            left = started + (DUMP_TIMEOUT if self._speaks() else CONNECT_TIMEOUT) - time.monotonic()
            if left <= 0:
                self.database.close()
                raise Unavailable(
                    "the OVN northbound %s does not answer: see that its ovsdb-server runs and that this is its "
                    "address (6641 is usual; 6642 is the southbound), reachable from here and with the right TLS files"
                    % self.endpoint
                )
            waiting = self.new_poller()
            self.database.wait(waiting)
            waiting.timer_wait(int(left * 1000) + 1)
            waiting.block()
            self.database.run()

    def _complete(self) -> bool:
        """Whether the server has sent everything that is asked for."""
        pending = (table.condition_state for table in self.tables.values())
        return self.database.has_ever_connected() and not any(each.new or each.requested for each in pending)

    def _speaks(self) -> bool:
        """Whether the server has answered and is sending."""
        idl = self.database
        return idl.has_ever_connected() or idl.state in (
            idl.IDL_S_DATA_MONITOR_REQUESTED,
            idl.IDL_S_DATA_MONITOR_COND_REQUESTED,
            idl.IDL_S_DATA_MONITOR_COND_SINCE_REQUESTED,
        )


def connect(params: Mapping[str, Any]) -> Northbound:
    """The northbound of the option `ovn`. The first replicate() connects; Unavailable if it does not answer in time."""
    options = params.get("ovn") or {}
    endpoint = options.get("northbound") or DEFAULT_ENDPOINT
    _check_endpoint(endpoint, options)
    idl, poller, stream = library()
    # Its complaints would reach stderr; what matters is raised.
    logging.getLogger("ovs").addHandler(logging.NullHandler())
    if "ssl:" in endpoint:
        stream.Stream.ssl_set_private_key_file(options["private_key"])
        stream.Stream.ssl_set_certificate_file(options["certificate"])
        stream.Stream.ssl_set_ca_cert_file(options["ca_certificate"])
    return Northbound(endpoint, idl, poller.Poller)


def library() -> tuple[Any, Any, Any]:
    """The modules idl, poller and stream of ovs; MissingLibrary("ovs") where it is not installed.

    The poller would also import eventlet, where another library has brought that along: it takes time, warns of its own
    end on stderr, and is for threads that there are none of here.
    """
    there = sys.modules.get("eventlet")
    sys.modules["eventlet"] = None
    try:
        from ovs import poller, stream
        from ovs.db import idl
    except ImportError as error:
        raise MissingLibrary("ovs") from error
    finally:
        del sys.modules["eventlet"]
        if there is not None:
            sys.modules["eventlet"] = there
    return idl, poller, stream


def _with_address(remote: str) -> str:
    """A remote whose host is a name, with that of its addresses which answers: the IDL itself may know no names."""
    named = _OF_NAME.fullmatch(remote)
    if named is None:
        return remote
    kind, host, port = named.groups()
    try:
        with socket.create_connection((host, int(port)), CONNECT_TIMEOUT) as connection:
            address = connection.getpeername()[0]
    except (OSError, OverflowError, ValueError):  # which the IDL will find, too
        return remote
    return "%s:%s:%s" % (kind, bracketed(address), port)


def _query(idl: Any, database: Any) -> Any:
    """A transaction that keeps its answers."""

    class Query(idl.Transaction):
        answers: list = []

        def _process_reply(self, msg: Any) -> None:
            self.answers = msg.result if isinstance(msg.result, list) else []
            super()._process_reply(msg)

    return Query(database)


def _check_endpoint(endpoint: str, options: Mapping[str, Any]) -> None:
    """InvalidRequest unless the endpoint can be connected to."""
    for remote in endpoint.split(","):
        if not _REMOTE.fullmatch(remote):
            raise InvalidRequest(
                "northbound %r: write unix:/run/ovn/ovnnb_db.sock, tcp:ADDRESS:6641 or ssl:ADDRESS:6641, an IPv6 "
                "address in brackets" % endpoint
            )
    if "ssl:" in endpoint:
        for option in ("private_key", "certificate", "ca_certificate"):
            if not options.get(option):
                raise InvalidRequest("northbound %s needs %s" % (endpoint, option))
            if not os.access(options[option], os.R_OK):
                raise InvalidRequest("%s %s cannot be read" % (option, options[option]))
