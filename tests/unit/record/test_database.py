# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record's database: made, upgraded, read without a trace."""

from __future__ import annotations

import os
import stat

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, InvalidRequest, Unavailable
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import Database
from ansible_collections.kvmstack.launch.plugins.module_utils.record.migrations import chain


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "launch.db"


@pytest.fixture
def database(path):
    return Database("sqlite:///%s" % path)


def count(connection, database):
    return len(connection.execute(database.tables.instances.select()).all())


def test_reading_what_is_not_there_makes_nothing(database, path):
    with database.reading() as connection:
        assert count(connection, database) == 0
    assert not path.parent.exists()


def test_writing_makes_it_for_its_owner_alone(database, path):
    with database.writing() as connection:
        assert count(connection, database) == 0
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_the_migrations_make_the_schema(database):
    with database.writing():
        pass
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), database.tables.metadata) == []


def test_an_error_undoes_the_transaction(database):
    def write_and_fail():
        with database.writing() as connection:
            connection.execute(database.tables.volumes.insert().values(
                id="v", name="v", project_id="p", size=1, format="raw", delete_on_termination=False))  # fmt: skip
            raise KeyError

    with pytest.raises(KeyError):
        write_and_fail()
    with database.reading() as connection:
        assert connection.execute(database.tables.volumes.select()).all() == []


def test_a_newer_database_is_refused(database):
    with database.writing() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
    with pytest.raises(Conflict, match="use the newer collection"), database.reading():
        pass


def test_an_older_database_is_read_as_its_upgrade_would_make_it(database, path, monkeypatch):
    with database.writing() as connection:
        connection.exec_driver_sql("create table other (id integer)")
        connection.exec_driver_sql("delete from alembic_version")
        for table in reversed(database.tables.metadata.sorted_tables):
            table.drop(connection)
    before = path.read_bytes()
    with database.reading() as connection:
        assert count(connection, database) == 0
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("url", "error"),
    [("not a url", InvalidRequest), ("sqlite:////proc/none/launch.db", Unavailable), ("nosuch://x", InvalidRequest)],
)
def test_a_database_that_cannot_be(url, error):
    with pytest.raises(error), Database(url).writing():
        pass


def test_the_head_is_the_last_revision():
    assert chain.REVISIONS[-1].revision == chain.HEAD
