# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Databases for the tests: of the record, a file and real servers of the distribution's packages; and OVN's northbound.

A server is started for the session by the first test that asks for it, in a folder of its own,
as its package's user, on a unix socket and no port. It ends with the session, also a killed one.
"""

from __future__ import annotations

import glob
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from functools import lru_cache

import hypothesis
import pytest
import sqlalchemy

from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import Database
from ansible_collections.kvmstack.launch.tests.unit.northbound import Server
from ansible_collections.kvmstack.launch.tests.unit.rabbitmq import Broker

KINDS = ("sqlite", "postgresql", "mariadb")
PASSWORD = "a:b/c@d"  # has to be quoted in a URL
SECONDS_TO_START = 60

# How long an example takes depends on what else the machine does, and is no test's matter.
hypothesis.settings.register_profile("kvmstack", deadline=None)
hypothesis.settings.load_profile("kvmstack")


@pytest.fixture(params=KINDS)
def database_url(request, tmp_path, record_of):
    """The URL of a new record in a database of each kind: of a user who may do everything in it and nothing elsewhere.

    Its tables are copies: to make them by all revisions takes longer than most tests do.
    """
    yield from fresh(request, tmp_path, request.param, record_of(request.param))


@pytest.fixture(params=KINDS)
def empty_url(request, tmp_path):
    """The same of a database that has nothing in it."""
    yield from fresh(request, tmp_path, request.param)


@pytest.fixture(scope="session")
def record_of(request, tmp_path_factory):
    """By the kind of a database the URL of a record that has just been made in one."""

    @lru_cache(maxsize=None)
    def made(kind):
        url = next(fresh(request, tmp_path_factory.mktemp("record"), kind))
        database = Database(url)
        with database.writing():
            pass
        database.engine.dispose()
        return sqlalchemy.make_url(url)

    return made


@pytest.fixture(params=KINDS[1:])
def server_url(request, tmp_path):
    """The same, of the kinds that have a server."""
    yield from fresh(request, tmp_path, request.param)


def fresh(request, tmp_path, kind, like=None):
    """The URL of a new database, a copy of another if there is one to be like."""
    if kind == "sqlite":
        path = tmp_path / "record" / "launch.db"
        if like:
            path.parent.mkdir(mode=0o700)
            shutil.copy(like.database, path)
        yield "sqlite:///%s" % path
        return
    admin, url = request.getfixturevalue(kind)
    name = "launch_%d" % next(numbers)
    with admin.connect() as connection:
        if kind == "mariadb":
            connection.exec_driver_sql("create database %s" % name)
            connection.exec_driver_sql("grant all on %s.* to launch@localhost" % name)
            if like:
                copy_tables(connection, like.database, name)
        else:
            connection.exec_driver_sql("create database %s%s" % (name, " template " + like.database if like else ""))
            connection.exec_driver_sql("alter database %s owner to launch" % name)
    yield url.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql("drop database %s%s" % (name, " with (force)" if kind == "postgresql" else ""))


def copy_tables(connection, source, name):
    """MariaDB's way of a template."""
    connection.exec_driver_sql("use %s" % name)
    connection.exec_driver_sql("set foreign_key_checks = 0")
    for table in connection.exec_driver_sql("show tables from %s" % source).scalars().all():
        statement = connection.exec_driver_sql("show create table %s.%s" % (source, table)).one()[1]
        connection.exec_driver_sql(statement.replace("%", "%%"))
        connection.exec_driver_sql("insert into %s select * from %s.%s" % (table, source, table))
    connection.exec_driver_sql("set foreign_key_checks = 1")


numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL server: an engine of its administrator, and the URL of the user launch without a database."""
    [folder] = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1:] or [os.path.dirname(shutil.which("postgres") or "")]
    with private_folder("postgres") as path:
        data = path + "/data"
        initdb = [folder + "/initdb", "--auth=scram-sha-256", "--auth-local=scram-sha-256", "--username=postgres"]
        with open(path + "/password", "w") as file:
            file.write(PASSWORD)
        os.chmod(path + "/password", 0o644)
        run("postgres", *initdb, "--pwfile=" + path + "/password", "--encoding=UTF8", "--no-sync", "--pgdata=" + data)
        settings = {"listen_addresses": "", "unix_socket_directories": path, "fsync": "off", "deadlock_timeout": "50ms"}
        options = ["--%s=%s" % setting for setting in settings.items()]
        with server("postgres", folder + "/postgres", "-D", data, *options, stop=signal.SIGINT):
            root = sqlalchemy.URL.create(
                "postgresql+psycopg", "postgres", PASSWORD, None, None, "postgres", {"host": path}
            )
            admin = answering(root)
            with admin.connect() as connection:
                connection.exec_driver_sql("create user launch password '%s'" % PASSWORD)
            yield admin, root.set(username="launch")
            admin.dispose()


@pytest.fixture(scope="session")
def mariadb():
    """A MariaDB server: an engine of its administrator, and the URL of the user launch without a database."""
    with private_folder("mysql") as path:
        socket, data = path + "/socket", "--datadir=" + path + "/data"
        run(
            "mysql",
            "mariadb-install-db",
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            data,
        )
        options = [
            "--socket=" + socket,
            "--tmpdir=" + path,  # another server that starts removes what it finds in the common one
            "--pid-file=" + path + "/pid",
            "--skip-networking",
            "--character-set-server=latin1",
            "--max-connections=1000",  # each test has some of its own, and lets them go when it is forgotten
        ]
        quick = ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", "--skip-log-bin"]
        with server("mysql", "mariadbd", "--no-defaults", data, *options, *quick, stop=signal.SIGTERM):
            root = sqlalchemy.URL.create("mariadb+pymysql", "root", None, None, None, None, {"unix_socket": socket})
            admin = answering(root)
            with admin.connect() as connection:
                connection.exec_driver_sql("create user launch@localhost identified by '%s'" % PASSWORD)
            yield admin, root.set(username="launch", password=PASSWORD)
            admin.dispose()


@contextmanager
def private_folder(user):
    """A folder for a server of this user, with a path short enough for a socket in it."""
    path = tempfile.mkdtemp(prefix="kvmstack-%s-" % user)
    if os.geteuid() == 0:
        shutil.chown(path, user, user)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def as_user(user, *command):
    """The command as this user where we are root (these servers refuse to be), and gone when we are gone."""
    change = ["--reuid=" + user, "--regid=" + user, "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", "--pdeathsig=TERM", *change, *command]


def run(user, *command):
    done = subprocess.run(as_user(user, *command), capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def server(user, *command, stop):
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(as_user(user, *command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        try:
            yield
        finally:
            process.send_signal(stop)
            process.wait(timeout=30)


def answering(url):
    """An engine on a server that has just been started, once it answers."""
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            engine.connect().close()
            return engine
        except sqlalchemy.exc.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.fixture(scope="session")
def rabbitmq():
    """A RabbitMQ server; who kills it starts it again."""
    with private_folder("rabbitmq") as path:
        broker = Broker(path, lambda *command: as_user("rabbitmq", *command))
        try:
            yield broker.start()
        finally:
            broker.stop()


@pytest.fixture
def northbound():
    """An empty northbound of OVN's."""
    # Not tmp_path: a socket's path has room for about 100 characters.
    with tempfile.TemporaryDirectory(prefix="nb") as directory:
        server = Server(directory)
        yield server
        server.stop()
