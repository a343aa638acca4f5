# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What workers say of themselves, on every kind of database."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.record import workers
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import Database
from ansible_collections.kvmstack.launch.plugins.module_utils.record.lease import this_process

NOW = datetime(2026, 1, 2, 3, 4, 5)
THERE = "there:1:1:00000000-0000-0000-0000-000000000000/1"
TOLD = {"host": "there", "since": NOW, "runs": 0, "transport": False}


def after(seconds):
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def database(database_url):
    database = Database(database_url)
    yield database
    database.engine.dispose()


def test_a_worker_is_alive_as_long_as_it_says_so(database):
    def told(moment):
        with database.reading() as connection:
            return [(each["name"], each["runs"], each["alive"]) for each in workers.read(database, connection, moment)]

    def beat(name, moment, **more):
        database.write(lambda connection: workers.beat(database, connection, name, {**TOLD, **more}, moment))

    assert told(NOW) == []
    beat(THERE, NOW)
    beat(THERE, after(10), runs=2)
    assert told(after(39)) == [(THERE, 2, True)]
    assert told(after(40)) == [(THERE, 2, False)]
    beat(this_process(), after(40), host="here")
    dead = re.sub(r":\d+:", ":999999999:", this_process(), count=1)  # no process has this number
    beat(dead, after(40), host="here")
    assert sorted(told(after(40))) == sorted([(THERE, 2, False), (this_process(), 0, True), (dead, 0, False)])
    database.write(lambda connection: workers.leave(database, connection, this_process()))
    assert sorted(told(after(40))) == sorted([(THERE, 2, False), (dead, 0, False)])
    beat(dead, after(90000), host="here")
    assert told(after(90000)) == [(dead, 0, False)]
