# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster as the record has it: what every choice needs is read at once, the rest when a filter asks for it.

A host's facts can be many (CPU features, PCI devices), and most choices need none or one of them. So a fact is
read from all hosts' facts when it is first looked at, by its name; so are the allocations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Callable, Iterable, Iterator

from .affinity import INSTANCE_HINTS, named_instances
from .host_state import Cluster, HostState, zone_of
from .model import Group, Request, Selection

MOST_NAMES = 100  # hosts that are asked for by name
LAZY = ("facts", "allocations", "images", "new_images", "num_io_ops")
COLUMNS = tuple(field.name for field in fields(HostState) if field.name not in LAZY)


class LazyReader:
    """What is read of all these hosts, or of all hosts there are, when it is first asked for."""

    def __init__(self, database, fetch: Callable, names: list[str] | None):
        self.database = database
        self.fetch = fetch
        self.names = names
        self.known: dict[str, dict[str, Any]] = {}

    def fact(self, name: str) -> dict[str, Any]:
        """One fact, by host."""
        if name not in self.known:
            table = self.database.tables.compute_nodes
            self.known[name] = dict(self._rows(table, table.c.facts[name]))
        return self.known[name]

    def allocations(self) -> dict[str, list]:
        """The allocations that hold more than an amount, by host."""
        if "*allocations" not in self.known:
            table = self.database.tables.allocations
            self.known["*allocations"] = _lists(self._rows(table, table.c.resources))
        return self.known["*allocations"]

    def images(self) -> dict[str, list]:
        """The properties of the images of the instances, by host."""
        if "*images" not in self.known:
            table = self.database.tables.instances
            living = (table.c.host.is_not(None), table.c.deleted == 0)
            self.known["*images"] = _lists(self._rows(table, table.c.image["properties"], *living))
        return self.known["*images"]

    def _rows(self, table, column, *conditions) -> Iterable[tuple[str, Any]]:
        """Hosts with what a column holds, where it holds anything."""
        statement = self.database.sql.select(table.c.host, column).where(column.is_not(None), *conditions)
        if self.names is not None:
            statement = statement.where(table.c.host.in_(self.names))
        return (row for row in map(tuple, self.fetch(statement)) if row[1] is not None)


def _lists(rows: Iterable[tuple[str, Any]]) -> dict[str, list]:
    lists: dict[str, list] = {}
    for host, value in rows:
        lists.setdefault(host, []).append(value)
    return lists


class LazyFacts(Mapping):
    """A host's facts, each read with those of the other hosts."""

    __slots__ = ("reader", "host")

    def __init__(self, reader: LazyReader, host: str):
        self.reader = reader
        self.host = host

    def __getitem__(self, name: str) -> Any:
        return self.reader.fact(name)[self.host]

    def get(self, key: str, default: Any = None) -> Any:
        return self.reader.fact(key).get(self.host, default)

    def __iter__(self) -> Iterator[str]:
        raise TypeError("facts are asked for by their names")

    def __len__(self) -> int:
        raise TypeError("facts are asked for by their names")

    def __bool__(self) -> bool:
        return True


class LazyList(Sequence):
    """A host's part of reader.allocations() or reader.images()."""

    __slots__ = ("read", "host")

    def __init__(self, read: Callable, host: str):
        self.read = read
        self.host = host

    def __getitem__(self, index):
        return self.read().get(self.host, [])[index]

    def __len__(self) -> int:
        return len(self.read().get(self.host, ()))

    def __iter__(self) -> Iterator:
        return iter(self.read().get(self.host, ()))


def view(database, fetch: Callable, wanted: list[Request], names: Iterable[str] | None, lock: bool = False) -> Cluster:
    """The hosts of these names (None: all), the wanted requests that hold a claim, their groups and hints.

    fetch(statement) gives rows. With lock the hosts' rows are kept from other transactions until this one ends.
    Where all of the wanted hold one there is nothing to choose, and hosts are not read.
    """
    selections = _selections(database, fetch, wanted)
    if not lock and len(selections) == len(wanted):
        return Cluster({}, selections)
    chosen = None if names is None else sorted(set(names))
    return Cluster(read_hosts(database, fetch, chosen, lock), selections, *_neighbours(database, fetch, wanted))


def read_hosts(database, fetch: Callable, names: list[str] | None, lock: bool = False) -> dict[str, HostState]:
    """The hosts of these names (None: all). For many names all hosts are read: no statement takes thousands of them."""
    tables, nodes = database.tables, database.tables.compute_nodes
    statement = database.sql.select(*(nodes.c[name] for name in COLUMNS))
    busy, waiting, some = _building(database), _waiting(database), None
    if lock or (names is not None and len(names) <= MOST_NAMES):
        some = names
        statement = statement.where(nodes.c.host.in_(names)).order_by(nodes.c.host)
        busy = busy.where(tables.instances.c.host.in_(names))
        waiting = waiting.where(tables.volumes.c.host.in_(names))
    rows = fetch(statement.with_for_update() if lock else statement)
    reader, among = LazyReader(database, fetch, some), names and set(names)
    io_ops, volumes = dict(map(tuple, fetch(busy))), dict(map(tuple, fetch(waiting)))
    return _each_machine_once(
        {
            row[0]: _host(row, io_ops.get(row[0], 0), int(volumes.get(row[0], 0)), reader)
            for row in map(tuple, rows)
            if among is None or row[0] in among
        }
    )


def _each_machine_once(hosts: dict[str, HostState]) -> dict[str, HostState]:
    """The hosts; of two names of one machine only that with more instances, else the first, takes new ones."""
    machines = [host.machine for host in hosts.values() if host.machine]
    if len(set(machines)) == len(machines):
        return hosts
    counted: dict[str, HostState] = {}
    for host in sorted(hosts.values(), key=lambda host: (-host.num_instances, host.host)):
        known = counted.setdefault(host.machine or host.host, host)
        if known is not host:
            reason = "the same machine as %s" % known.host
            hosts[host.host] = replace(host, enabled=False, disabled_reason=reason)
    return hosts


def _host(row: tuple, num_io_ops: int, waiting_gb: int, reader: LazyReader) -> HostState:
    name, values = row[0], dict(zip(COLUMNS, row))
    values["disk_gb_used"] += waiting_gb
    return HostState(
        **values,
        num_io_ops=num_io_ops,
        facts=LazyFacts(reader, name),
        allocations=LazyList(reader.allocations, name),
        images=LazyList(reader.images, name),
    )


def _building(database):
    """How many instances each host is building."""
    table, count = database.tables.instances, database.sql.func.count()
    living = (table.c.vm_state == "building", table.c.host.is_not(None), table.c.deleted == 0)
    return database.sql.select(table.c.host, count).where(*living).group_by(table.c.host)


def _waiting(database):
    """The GiB of volumes on each host that are in no instance's claim."""
    volumes, claims, total = database.tables.volumes, database.tables.allocations, database.sql.func.sum
    return (
        database.sql.select(volumes.c.host, total(volumes.c.size))
        .outerjoin(claims, claims.c.instance_uuid == volumes.c.instance_uuid)
        .where(volumes.c.host.is_not(None), claims.c.instance_uuid.is_(None))
        .group_by(volumes.c.host)
    )


def _selections(database, fetch: Callable, wanted: list[Request]) -> dict[str, Selection]:
    if not wanted:
        return {}
    table = database.tables.allocations
    requests = {request.key: request for request in wanted}
    mine = table.c.instance_uuid.in_(list(requests))
    hosts = database.tables.compute_nodes
    columns = (table.c.instance_uuid, table.c.host, table.c.resources, hosts.c.availability_zone, hosts.c.aggregates)
    joined = table.outerjoin(hosts, hosts.c.host == table.c.host)
    rows = fetch(database.sql.select(*columns).select_from(joined).where(mine))
    return {
        identity: Selection(requests[identity], host, allocation=allocation, zone=zone_of(own_zone, aggregates))
        for identity, host, allocation, own_zone, aggregates in map(tuple, rows)
    }


def _neighbours(database, fetch: Callable, wanted: list[Request]) -> tuple[dict, dict]:
    """The groups of the wanted requests with their hosts, and the hosts of the instances that hints name."""
    groups: dict[tuple[str, str], Group] = {}
    places: dict[str, str] = {}
    for project in sorted({request.instance.project_id for request in wanted}):
        mine = [request for request in wanted if request.instance.project_id == project]
        known = {request.group.name: request.group for request in mine if request.group}
        if known:
            members = _members(database, fetch, project, sorted(known))
            groups.update(
                {
                    (project, name): Group(group.name, group.policy, group.max_server_per_host, members.get(name, {}))
                    for name, group in known.items()
                }
            )
        named = sorted({name for request in mine for hint in INSTANCE_HINTS for name in named_instances(request, hint)})
        if named:
            places.update(_places(database, fetch, project, named))
    return groups, places


def _members(database, fetch: Callable, project: str, names: list[str]) -> dict[str, dict[str, int]]:
    """How many members of each group each host has; a member counts from its claim on."""
    instances, claims = database.tables.instances, database.tables.allocations
    statement = (
        database.sql.select(instances.c.group_name, claims.c.host, database.sql.func.count())
        .join(claims, claims.c.instance_uuid == instances.c.uuid)
        .where(instances.c.project_id == project, instances.c.group_name.in_(names))
        .group_by(instances.c.group_name, claims.c.host)
    )
    members: dict[str, dict[str, int]] = {}
    for name, host, count in map(tuple, fetch(statement)):
        members.setdefault(name, {})[host] = count
    return members


def _places(database, fetch: Callable, project: str, named: list[str]) -> dict[str, str]:
    table = database.tables.instances
    living = (table.c.project_id == project, table.c.deleted == 0, table.c.host.is_not(None))
    called = database.sql.or_(table.c.uuid.in_(named), table.c.name.in_(named))
    rows = fetch(database.sql.select(table.c.uuid, table.c.name, table.c.host).where(*living, called))
    return {word: host for identity, name, host in map(tuple, rows) for word in (identity, name)}
