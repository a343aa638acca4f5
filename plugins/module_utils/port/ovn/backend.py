# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports in the OVN northbound: everything a request changes is one OVSDB transaction."""

from __future__ import annotations

import logging
import os
import time
from typing import Any, Callable, Mapping

from ...core.change import Change
from ...core.errors import InvalidRequest, MissingLibrary, Unavailable
from ...network.ovn.schema import SCHEMA
from ..item import Request
from ..model import Port, plan
from .view import View
from .write import Writer

# Seconds: until the server speaks; until it has sent what we asked for; for a transaction with its retries.
CONNECT_TIMEOUT, DUMP_TIMEOUT, COMMIT_TIMEOUT = 4, 60, 60


class Northbound:
    """What is in the northbound, and the way to change it."""

    def __init__(self, params: Mapping[str, Any], link: Any, commit: Callable):
        self.state = params.get("state", "present")
        self.link = link
        self.commit = commit
        self.wanted: list[Request] = []

    def read(self, wanted: list[Request]) -> Any:
        """What is there, as far as the wanted ports are concerned."""
        self.wanted = wanted
        with self.link.lock:
            return View(self.link.idl.tables).current(wanted)

    def apply(self, changes: list[Change]) -> dict[str, Any]:
        """Make the changes in one transaction; the ports as they now are, or why one could not be made."""
        if not changes:
            return {}
        command = Apply(self.link.idl.tables, self.wanted, self.state, {change.key for change in changes})
        self.commit(command)
        return command.result

    def find(self, params: Mapping[str, Any]) -> list[Port]:
        """Our ports, of these instances, names and networks; None does not narrow."""
        with self.link.lock:
            ports = View(self.link.idl.tables).ports()
        for option, value in (
            ("instance_uuids", lambda port: port.instance_uuid),
            ("names", lambda port: port.name),
            ("networks", lambda port: port.network.name),
        ):
            if params[option] is not None:
                ports = [port for port in ports if value(port) in params[option]]
        return sorted(ports, key=lambda port: (port.name, port.id))


class Apply:
    """The command in the transaction: plan anew from what is there, and write that.

    ovsdbapp runs it again when a row that it verified has changed meanwhile, as when another controller was quicker;
    so no two can give out the same address.
    """

    def __init__(self, tables: Any, wanted: list[Request], state: str, keys: set):
        self.tables = tables
        self.wanted = wanted
        self.state = state
        self.keys = keys
        self.result: dict[str, Any] = {}

    def run_idl(self, txn: Any) -> None:
        """Fill the transaction."""
        view = View(self.tables)
        writer = Writer(txn, view)
        self.result = {}
        for change in plan(self.wanted, view.current(self.wanted), self.state):
            if change.key not in self.keys:
                continue
            if change.error is not None:
                self.result[change.key] = change.error
            elif change.after is None and change.before is not None:
                writer.remove(change.before)
            elif change.after is not None:
                self.result[change.key] = change.after
                writer.put(change)
        writer.sweep()

    def post_commit(self, txn: Any) -> None:
        """Part of ovsdbapp's command: there is nothing to do afterwards."""


def connect(params: Mapping[str, Any]) -> Northbound:
    """Replicate the part of the northbound that SCHEMA names; Unavailable when it does not answer in time."""
    endpoint = params["northbound"]
    _check_endpoint(endpoint, params)
    try:
        from ovs import poller, stream
        from ovs.db import idl
        from ovsdbapp import exceptions
        from ovsdbapp.backend.ovs_idl import connection, transaction
    except ImportError as error:
        raise MissingLibrary("ovsdbapp") from error
    for name in ("ovs", "ovsdbapp"):
        # Its complaints would reach stderr; what matters is raised.
        logging.getLogger(name).addHandler(logging.NullHandler())
    if "ssl:" in endpoint:
        stream.Stream.ssl_set_private_key_file(params["private_key"])
        stream.Stream.ssl_set_certificate_file(params["certificate"])
        stream.Stream.ssl_set_ca_cert_file(params["ca_certificate"])
    helper = idl.SchemaHelper(None, SCHEMA)
    helper.register_all()
    database = idl.Idl(endpoint, helper)
    _await_contents(database, poller.Poller, endpoint)
    link = connection.Connection(database, COMMIT_TIMEOUT)
    link.start()

    def commit(command: Apply) -> None:
        """Run the command in a transaction of its own."""
        work = transaction.Transaction(link, link, COMMIT_TIMEOUT, check_error=True, log_errors=False)
        work.add(command)
        try:
            work.commit()
        except (RuntimeError, exceptions.TimeoutException) as error:
            raise Unavailable(
                "the OVN northbound %s did not take the transaction, nothing of it is written: %s" % (endpoint, error)
            ) from error

    return Northbound(params, link, commit)


def _check_endpoint(endpoint: str, params: Mapping[str, Any]) -> None:
    """InvalidRequest unless the endpoint can be connected to."""
    for remote in endpoint.split(","):
        if remote.partition(":")[0] not in ("unix", "tcp", "ssl"):
            raise InvalidRequest(
                "northbound %r: write unix:/run/ovn/ovnnb_db.sock, tcp:ADDRESS:6641 or ssl:ADDRESS:6641" % endpoint
            )
    if "ssl:" in endpoint:
        for option in ("private_key", "certificate", "ca_certificate"):
            if not params.get(option):
                raise InvalidRequest("northbound %s needs %s" % (endpoint, option))
            if not os.access(params[option], os.R_OK):
                raise InvalidRequest("%s %s cannot be read" % (option, params[option]))


def _await_contents(database: Any, new_poller: Callable, endpoint: str) -> None:
    """Wait until the contents are here. The IDL itself would try for ever."""
    started = time.monotonic()
    while not database.run() and not database.has_ever_connected():
        asked = database.state in (
            database.IDL_S_DATA_MONITOR_REQUESTED,
            database.IDL_S_DATA_MONITOR_COND_REQUESTED,
            database.IDL_S_DATA_MONITOR_COND_SINCE_REQUESTED,
        )
        left = started + (DUMP_TIMEOUT if asked else CONNECT_TIMEOUT) - time.monotonic()
        if left <= 0:
            database.close()
            raise Unavailable(
                "the OVN northbound %s does not answer: see that its ovsdb-server runs and that this is its "
                "address (6641 is usual; 6642 is the southbound), reachable from here and with the right TLS files"
                % endpoint
            )
        waiting = new_poller()
        database.wait(waiting)
        waiting.timer_wait(int(left * 1000) + 1)
        waiting.block()
