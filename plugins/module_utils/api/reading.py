# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Servers as the record has them, for those who ask: one, or a list of which only what is shown is read whole."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Any, Iterable, Mapping

from ..core.errors import LaunchError
from ..instance import catalog
from ..instance.sql import instance_of
from ..record import events, groups, key_pairs, requests, server_extras, volumes
from ..schedule.host_state import zone_of
from .context import RequestContext
from .criteria import Criteria
from .errors import not_found
from .model import Server, status
from .site import Site
from .usage import Period


def one(site: Site, context: RequestContext, identity: str, with_deleted: bool = False) -> Server:
    """A server of the project, a living one unless said otherwise; ApiError 404 for another's, as for none.

    An administrator sees all. ApiError 403 if the rule of the address is not for this server: it may be its user's
    alone.
    """
    table = site.database.tables.instances
    wanted = [table.c.uuid == identity]
    if not with_deleted:
        wanted.append(table.c.deleted == 0)
    if not context.identity.is_admin:
        wanted.append(table.c.project_id == context.project_id)
    with site.database.reading() as connection:
        found = _whole(site.database, connection, wanted)
    if not found:
        raise not_found("Instance", identity)
    context.permit(found[0].instance.project_id, found[0].instance.user_id or "")
    return found[0]


def volume(site: Site, project_id: str, identity: str) -> Mapping[str, Any] | None:
    """The row of a project's volume that the record keeps, by its id or else by its name."""
    asked = [SimpleNamespace(id=identity, name=identity)]
    with site.database.reading() as connection:
        found = volumes.find(site.database, connection, project_id, asked)
    mine = [each for each in found.values() if each["project_id"] == project_id]
    return min(mine, key=lambda each: each["id"] != identity, default=None)


def candidates(site: Site, wanted: Criteria, marker: str | None = None) -> list[Mapping[str, Any]]:
    """The rows of the servers that are asked for, in their order, each with no more columns than that needs.

    The marker, after which a list goes on, is among them also where it is not asked for any more, or is gone.
    """
    database = site.database
    tables = database.tables
    instances, hosts, extras = tables.instances, tables.compute_nodes, tables.server_extras
    columns = [table.c[name] for table in (instances, extras) for name in wanted.columns if name in table.c]
    joined = _joined(instances, hosts).outerjoin(extras, extras.c.instance_uuid == instances.c.uuid)
    statement = database.sql.select(*columns, *_of_host(hosts)).select_from(joined)
    if wanted.project_id is not None:
        statement = statement.where(instances.c.project_id == wanted.project_id)
    if not wanted.with_deleted:
        statement = statement.where(database.sql.or_(instances.c.deleted == 0, instances.c.uuid == (marker or "")))
    with database.reading() as connection:
        rows = [_with_status(row) for row in connection.execute(statement).mappings()]
    return wanted.sort([row for row in rows if row["uuid"] == marker or wanted.holds(row)])


def whole(site: Site, identities: Iterable[str]) -> list[Server]:
    """These servers, in this order."""
    identities = list(identities)
    if not identities:
        return []
    table = site.database.tables.instances
    with site.database.reading() as connection:
        found = {each.id: each for each in _whole(site.database, connection, [table.c.uuid.in_(identities)])}
    return [found[identity] for identity in identities if identity in found]


def _with_status(row: Mapping[str, Any]) -> dict[str, Any]:
    known = status(row["vm_state"], row["power_state"], row["silent_since"] is not None, row["task_state"])
    return {**row, "status": known, "zone": zone_of(row["own_zone"], row["aggregates"])}


def _joined(instances, hosts):
    return instances.outerjoin(hosts, hosts.c.host == instances.c.host)


def _of_host(hosts) -> tuple:
    """What is told of a server's host; an instance's own availability_zone is the one that was asked for."""
    return hosts.c.silent_since, hosts.c.availability_zone.label("own_zone"), hosts.c.aggregates


def _whole(database, connection, wanted: list) -> list[Server]:
    instances, hosts = database.tables.instances, database.tables.compute_nodes
    statement = database.sql.select(instances, *_of_host(hosts)).select_from(_joined(instances, hosts)).where(*wanted)
    rows = connection.execute(statement).all()
    identities = [row.uuid for row in rows]
    known = {project: groups.read(database, connection, project) for project in {row.project_id for row in rows}}
    extras = server_extras.read(database, connection, identities)
    faults = events.last_faults(database, connection, [row.uuid for row in rows if row.vm_state == "error"])
    pending = requests.actions(database, connection, identities) if rows else {}
    return [
        Server(
            instance=instance_of(row, known[row.project_id], None),
            zone=zone_of(row.own_zone, row.aggregates) if row.host else None,
            silent=row.silent_since is not None,
            extras=extras.get(row.uuid, server_extras.NOTHING),
            fault=faults.get(row.uuid),
            pending=pending.get(row.uuid),
            **{name: getattr(row, name) for name in TIMES},
        )
        for row in rows
    ]


TIMES = ("created_at", "updated_at", "launched_at", "deleted_at", "request_id")


def hosts(site: Site) -> list[dict[str, Any]]:
    """All hosts, by name."""
    table = site.database.tables.compute_nodes
    with site.database.reading() as connection:
        return [dict(row._mapping) for row in connection.execute(table.select().order_by(table.c.host))]


def site_groups(site: Site) -> dict[str, dict[str, Any]]:
    """The server groups of the settings by name, without those whose definition makes no sense."""
    found = {}
    for name in site.known["groups"]:
        with suppress(LaunchError):
            found[name] = catalog.group(name, site.known["groups"])
    return found


def groups_of(site: Site, project_id: str) -> dict[str, Any]:
    """What an entry says of each server group that a project may name: its name, or all of one that a client made."""
    with site.database.reading() as connection:
        made = groups.made(site.database, connection, project_id)
    rules = {each["name"]: {name: each[name] for name in groups.RULES if each[name] is not None} for each in made}
    return {**rules, **{name: name for name in site.known["groups"]}}


def used(site: Site, connection: Any, project_id: str | None, when: Period) -> list[dict[str, Any]]:
    """The servers that there were in a period, of a project or of all, in the order of their ids."""
    table = site.database.tables.instances
    columns = [table.c[name] for name in USED]
    was_there = (
        table.c.launched_at.is_not(None),
        table.c.launched_at < when.stop,
        table.c.deleted_at.is_(None) | (table.c.deleted_at >= when.start),
    )
    rows = site.database.sql.select(*columns).where(*was_there).order_by(table.c.uuid)
    if project_id is not None:
        rows = rows.where(table.c.project_id == project_id)
    return [dict(row._mapping) for row in connection.execute(rows)]


USED = ("uuid", "name", "project_id", "flavor", "vm_state", "launched_at", "deleted_at")


def keys(site: Site, user: str) -> list[dict[str, Any]]:
    """A user's keys, by name."""
    with site.database.reading() as connection:
        return key_pairs.read(site.database, connection, user)
