# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the Compute API keeps in the record for its clients, on every kind of database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict
from ansible_collections.kvmstack.launch.plugins.module_utils.record import key_pairs, server_extras
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import Database, now

KEY = {"name": "me", "type": "ssh", "public_key": "ssh-ed25519 AAAA grüße", "fingerprint": "00:01"}
ONE, OTHER = "7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10", "00000000-0000-0000-0000-000000000000"


def test_keys_are_a_users_own(database_url):
    database = Database(database_url)
    with database.writing() as connection:
        for user, key in (("u", KEY), ("u", {**KEY, "name": "a"}), ("v", KEY)):
            key_pairs.add(database, connection, user, key, now(connection))
        with pytest.raises(Conflict, match="already exists"):
            key_pairs.add(database, connection, "u", KEY, now(connection))
        assert key_pairs.remove(database, connection, "v", "me") is True
        assert key_pairs.remove(database, connection, "v", "me") is False
    with database.reading() as connection:
        found = key_pairs.read(database, connection, "u")
        assert [each["name"] for each in found] == ["a", "me"]
        assert {key: found[1][key] for key in KEY} == KEY
        assert key_pairs.read(database, connection, "v") == []


def test_what_is_said_of_a_server_is_laid_over_what_was(database_url):
    database = Database(database_url)
    with database.writing() as connection:
        server_extras.write(database, connection, ONE, {"description": "grüße", "tags": ["a"]})
        server_extras.write(database, connection, ONE, {"access_ip_v4": "192.0.2.7", "description": None})
    with database.reading() as connection:
        said = {**server_extras.NOTHING, "tags": ["a"], "access_ip_v4": "192.0.2.7"}
        assert server_extras.read(database, connection, [ONE, OTHER]) == {ONE: said}
        assert server_extras.read(database, connection, []) == {}


def test_tags_that_come_at_once_are_all_kept(database_url):
    def give(tag):
        database = Database(database_url)
        try:
            return database.write(
                lambda connection: server_extras.write_tags(database, connection, ONE, lambda known: [*known, tag])
            )
        finally:
            database.engine.dispose()

    with Database(database_url).writing():
        pass  # its tables are there
    tags = ["tag-%d" % number for number in range(8)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        assert tags in list(pool.map(give, tags))
