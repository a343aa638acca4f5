# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record's database: made, upgraded, read without a trace; the same on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import os
import stat
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import (
    Conflict,
    InvalidRequest,
    MissingLibrary,
    Unavailable,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.record import events
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import Database
from ansible_collections.kvmstack.launch.plugins.module_utils.record.errors import Contended
from ansible_collections.kvmstack.launch.plugins.module_utils.record.identity import record_id
from ansible_collections.kvmstack.launch.plugins.module_utils.record.migrations.upgrade import HEAD, REVISIONS, upgrade
from ansible_collections.kvmstack.launch.plugins.module_utils.record.preview import preview

VOLUME = {"id": "v", "name": "v", "project_id": "p", "size": 1, "format": "raw", "delete_on_termination": False}


@pytest.fixture
def database(empty_url):
    database = Database(empty_url)
    yield database
    database.engine.dispose()


def count(connection, database):
    return len(connection.execute(database.tables.volumes.select()).all())


def tables(url):
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
    return sorted(sqlalchemy.inspect(engine).get_table_names())


def test_reading_what_is_not_there_makes_nothing(database, empty_url):
    with database.reading() as connection:
        assert count(connection, database) == 0
    if database.backend == "sqlite":
        assert not os.path.exists(os.path.dirname(database.url.database))
    else:
        assert tables(empty_url) == []


def test_a_file_is_for_its_owner_alone(tmp_path):
    with Database("sqlite:///%s/deep/launch.db" % tmp_path).writing():
        pass
    assert stat.S_IMODE(os.stat(tmp_path / "deep" / "launch.db").st_mode) == 0o600


def test_the_migrations_make_the_schema(database):
    with database.writing():
        pass
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), database.tables.metadata) == []


def test_an_error_undoes_the_transaction(database):
    def write_and_fail():
        with database.writing() as connection:
            connection.execute(database.tables.volumes.insert().values(VOLUME))
            raise KeyError

    with pytest.raises(KeyError):
        write_and_fail()
    with database.reading() as connection:
        assert count(connection, database) == 0


def test_times_keep_their_fractions_and_names_their_letters(database):
    with database.writing() as connection:
        for name in ("Web", "web", "wéb☃"):
            connection.execute(database.tables.volumes.insert().values({**VOLUME, "id": name, "name": name}))
        node = {"host": "c", "generation": 0, "enabled": True, "facts": {"snow": "☃"}}
        columns = database.tables.compute_nodes.c
        numbers = {column.name: 0 for column in columns if column.type.python_type in (int, float)}
        moment = sqlalchemy.func.now()
        connection.execute(database.tables.compute_nodes.insert().values({**numbers, **node, "updated_at": moment}))
        at = database.tables.compute_nodes.c.updated_at
        exact = datetime(2026, 1, 2, 3, 4, 5, 678901)
        connection.execute(database.tables.compute_nodes.update().values(updated_at=exact))
        assert connection.execute(database.sql.select(at)).scalar() == exact
        named = database.tables.volumes.c.name
        assert connection.execute(database.sql.select(named).where(named == "WEB")).all() == []
        assert connection.execute(database.sql.select(database.tables.compute_nodes.c.facts)).scalar() == {"snow": "☃"}


def test_a_newer_database_is_refused(database):
    with database.writing() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
    with pytest.raises(Conflict, match="use the newer collection"), database.reading():
        pass
    with pytest.raises(Conflict, match="use the newer collection"), database.writing():
        pass


def at_revision(database, revision):
    """The database as an older collection left it, with a volume and a compute node in it."""
    if database.backend == "sqlite":
        os.makedirs(os.path.dirname(database.url.database))
    with database.engine.begin() as connection:
        upgrade(connection, revision)
        connection.exec_driver_sql(
            "insert into volumes (id, name, project_id, size, format, delete_on_termination)"
            " values ('v', 'v', 'p', 1, 'raw', %s)" % ("false" if database.backend != "sqlite" else "0")
        )
        connection.exec_driver_sql(
            "insert into instances (id, uuid, name, project_id, vm_state, attempted_hosts, ports, volumes,"
            " instance_metadata, flavor, created_at, requested_at, updated_at, deleted) values (1, 'u', 'web', 'p',"
            """ 'building', '[]', '[]', '[{"size": 1}]', '{}', '{"vcpus": 2, "ram": 512}', '2026-01-02 03:04:05',"""
            " '2026-01-02 03:04:05', '2026-01-02 03:04:05', 0)"
        )


def test_an_older_database_is_read_as_its_upgrade_would_make_it(database, empty_url):
    at_revision(database, "0001")
    before = tables(empty_url)
    instances = database.tables.instances
    with database.reading() as connection:
        seen = connection.execute(instances.select()).one()._asdict()
        assert count(connection, database) == 1
    assert tables(empty_url) == before
    assert (seen["vcpus"], seen["memory_mb"], seen["volumes"], seen["lease_owner"]) == (2, 512, [{"size": 1}], None)
    with database.writing() as connection:
        assert connection.execute(instances.select()).one()._asdict() == seen


def test_what_older_faults_say_of_hosts_is_no_more_for_users(database):
    at_revision(database, "0015")
    rows = [(400, "no flavor", None), (500, "c1 is off", None), (500, "c1 has died", "Traceback")]
    with database.engine.begin() as connection:
        for code, message, details in rows:
            row = {"code": code, "message": message, "details": details, "instance_uuid": "u"}
            moment = sqlalchemy.func.now()
            connection.execute(database.tables.instance_faults.insert().values(**row, created_at=moment))
    with database.writing() as connection:
        kept = events.last_faults(database, connection, ["u"])["u"]["message"]
        rows = connection.execute(database.tables.instance_faults.select().order_by(sqlalchemy.text("id"))).all()
    assert kept == "it has failed; the details are for administrators"
    assert [row.details for row in rows] == [None, "c1 is off", "c1 has died\n\nTraceback"]
    assert [row.message for row in rows] == ["no flavor", kept, kept]


def test_an_upgrade_that_was_killed_is_repeated(database, monkeypatch):
    class Killed(Exception):
        pass

    at_revision(database, "0001")
    for statements in range(1, 90, 7):
        left = iter(range(statements))

        def kill(*_arguments, left=left):
            if next(left, None) is None:
                raise Killed

        with database.engine.connect() as connection:
            connection.execution_options(launch_writes=True)
            sqlalchemy.event.listen(connection, "before_cursor_execute", kill)
            try:
                with connection.begin():
                    upgrade(connection)
            except Killed:
                continue
            break
    else:
        pytest.fail("the upgrade has more statements than this test thought")
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), database.tables.metadata) == []
        assert connection.execute(database.tables.instances.select()).one().vcpus == 2
    assert len(identities(database)) == 1


@pytest.mark.parametrize("revision", [None, "0001"])
def test_two_controllers_upgrade_at_once(database, empty_url, revision):
    if revision:
        at_revision(database, revision)

    def write(_index):
        with Database(empty_url).writing() as connection:
            return count(connection, database), record_id(database, connection)

    with ThreadPoolExecutor(6) as pool:
        seen = list(pool.map(write, range(6)))
    assert [number for number, _identity in seen] == [1 if revision else 0] * 6
    assert len({identity for _number, identity in seen}) == 1
    assert len(identities(database)) == 1


# The record's identity


def identities(database):
    """All rows of the table of the one identity."""
    with database.reading() as connection:
        return [row.id for row in connection.execute(database.tables.records.select())]


def test_a_record_keeps_its_identity(database, empty_url):
    with database.writing() as connection:
        made = record_id(database, connection)
    assert str(uuid.UUID(made)) == made
    for _time in range(2):
        with database.reading() as connection:
            assert record_id(database, connection) == made
        with Database(empty_url).writing() as connection:
            assert record_id(database, connection) == made
    assert identities(database) == [made]


@pytest.mark.parametrize("revision", [None, "0001", "0003"])
def test_a_record_that_is_not_there_yet_has_no_identity(database, revision):
    if revision:
        at_revision(database, revision)
    with database.reading() as connection:
        assert record_id(database, connection) is None
    with database.writing() as connection:
        assert record_id(database, connection) is not None


def test_an_older_record_that_has_an_identity_is_read_with_it(database):
    """As a later revision's preview will do."""
    with database.writing() as connection:
        made = record_id(database, connection)
    with database.engine.connect() as source, preview(database.sql, source, HEAD).connect() as copy:
        assert [row.id for row in copy.execute(database.tables.records.select())] == [made]


def test_a_deadlock_is_begun_anew(empty_url, monkeypatch):
    database = Database(empty_url)
    tries = []

    def function(connection):
        tries.append(connection)
        connection.execute(database.tables.volumes.insert().values(VOLUME))
        if len(tries) < 3:
            raise Contended("deadlock")
        return len(tries)

    assert database.write(function) == 3
    with database.reading() as connection:
        assert count(connection, database) == 1


def test_real_deadlocks_do_not_escape(server_url):
    database = Database(server_url)
    names = ["a", "b"]
    with database.writing() as connection:
        for name in names:
            connection.execute(database.tables.projects.insert().values(id=name, generation=0))
    table = database.tables.projects

    def crosswise(order):
        def function(connection):
            for name in order:
                same = table.c.id == name
                connection.execute(table.update().where(same).values(generation=table.c.generation + 1))

        for _round in range(20):
            Database(server_url).write(function)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(crosswise, [names, names[::-1]] * 2))
    with database.reading() as connection:
        assert [row.generation for row in connection.execute(table.select())] == [80, 80]


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("not a url", InvalidRequest),
        ("sqlite:////proc/none/launch.db", Unavailable),
        ("sqlite://", InvalidRequest),
        ("nosuch://x", InvalidRequest),
        ("oracle://x", InvalidRequest),
        ("postgresql+psycopg://u:secret@127.0.0.1:1/x", Unavailable),
        ("mariadb+pymysql://u:secret@127.0.0.1:1/x", Unavailable),
    ],
)
def test_a_database_that_cannot_be(url, error):
    with pytest.raises(error) as caught, Database(url).writing():
        pass
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "cure"),
    [
        pytest.param({"password": "wrong-secret"}, "check the user and the password", id="password"),
        pytest.param({"username": "nobody"}, "check the user and the password", id="user"),
        pytest.param({"database": "nowhere"}, "", id="database"),
        pytest.param({"query": {"host": "/nowhere", "unix_socket": "/nowhere"}}, "is it running", id="down"),
    ],
)
def test_a_server_that_refuses(server_url, change, cure):
    url = sqlalchemy.make_url(server_url)
    if "query" in change:
        change = {"query": {key: change["query"][key] for key in url.query}}
    url = url.set(**change)
    with pytest.raises(Unavailable) as caught, Database(url.render_as_string(hide_password=False)).writing():
        pass
    assert cure in str(caught.value)
    assert "wrong-secret" not in str(caught.value)


def test_a_database_that_is_not_there_is_to_be_created(postgresql, mariadb):
    for admin, _url in (postgresql, mariadb):
        url = admin.url.set(database="nowhere").render_as_string(hide_password=False)
        with pytest.raises(Unavailable, match="create it"), Database(url).reading():
            pass


def test_a_user_who_may_only_read(server_url, request):
    url = sqlalchemy.make_url(server_url)
    with Database(server_url).writing():
        pass
    admin, _url = request.getfixturevalue(Database(server_url).backend)
    with admin.connect() as connection:
        if admin.dialect.name == "postgresql":
            connection.exec_driver_sql("create user reader password 'reader'")
            with sqlalchemy.create_engine(admin.url.set(database=url.database)).begin() as inside:
                inside.exec_driver_sql("grant select on all tables in schema public to reader")
        else:
            connection.exec_driver_sql("create user reader@localhost identified by 'reader'")
            connection.exec_driver_sql("grant select on %s.* to reader@localhost" % url.database)
    reader = Database(url.set(username="reader", password="reader").render_as_string(hide_password=False))
    with reader.reading() as connection:
        assert count(connection, reader) == 0
    with pytest.raises(Unavailable, match="let this user"):
        reader.write(lambda connection: connection.execute(reader.tables.volumes.insert().values(VOLUME)))


@pytest.mark.parametrize(
    ("driver", "url", "library"),
    [("psycopg", "postgresql+psycopg://h/d", "psycopg[binary]"), ("pymysql", "mariadb+pymysql://h/d", "PyMySQL")],
)
def test_a_missing_driver_is_named(monkeypatch, driver, url, library):
    monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(MissingLibrary) as caught:
        Database(url)
    assert caught.value.library == library


def test_the_head_is_the_last_revision():
    assert REVISIONS[-1].revision == HEAD
