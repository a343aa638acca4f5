# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verbs of the tables: each writes what it says or refuses, on every kind of database."""

from __future__ import annotations

from datetime import datetime

import pytest
import sqlalchemy

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict
from ansible_collections.kvmstack.launch.plugins.module_utils.record import (
    allocations,
    compute_nodes,
    groups,
    instances,
    projects,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import Database
from ansible_collections.kvmstack.launch.plugins.module_utils.record.errors import Contended

NOW = datetime(2026, 1, 2, 3, 4, 5)
NODE = {
    "enabled": True, "vcpus": 8, "memory_mb": 8192, "disk_gb": 100, "vcpus_reserved": 0, "memory_mb_reserved": 0,
    "disk_gb_reserved": 0, "cpu_allocation_ratio": 1.0, "ram_allocation_ratio": 1.0, "disk_allocation_ratio": 1.0,
    "facts": {},
}  # fmt: skip
INSTANCE = {
    "project_id": "p", "name": "web", "vm_state": "building", "attempted_hosts": [], "ports": [], "volumes": [],
    "instance_metadata": {}, "deleted": 0,
}  # fmt: skip


def instance(identity, **more):
    return {**INSTANCE, **dict.fromkeys(("created_at", "requested_at", "updated_at"), NOW), "uuid": identity, **more}


def allocation(identity, host="c1", vcpus=2, memory_mb=512, disk_gb=3):
    sizes = {"vcpus": vcpus, "memory_mb": memory_mb, "disk_gb": disk_gb}
    return {"instance_uuid": identity, "host": host, **sizes, "resources": None}


@pytest.fixture
def database(empty_url):
    """A record with two hosts."""
    database = Database(empty_url)
    with database.writing() as connection:
        for host in ("c1", "c2"):
            assert compute_nodes.add(database, connection, host, {**NODE, "updated_at": NOW})
    yield database
    database.engine.dispose()


def used(database):
    """What is used of each host, its instances, the builds that failed, and its generation."""
    with database.reading() as connection:
        rows = connection.execute(database.tables.compute_nodes.select())
        return {
            row.host: (
                row.vcpus_used, row.memory_mb_used, row.disk_gb_used, row.num_instances, row.failed_builds,
                row.generation,
            )
            for row in rows
        }  # fmt: skip


def take(database, taken, seen):
    def write(connection):
        compute_nodes.take(database, connection, taken, seen)
        allocations.add(database, connection, taken, NOW)

    database.write(write)


def test_what_is_taken_is_given_back(database):
    take(database, [allocation("a"), allocation("b", vcpus=1), allocation("c", "c2")], {"c1": 0, "c2": 0})
    assert used(database) == {"c1": (3, 1024, 6, 2, 0, 1), "c2": (2, 512, 3, 1, 0, 1)}
    with database.writing() as connection:
        released = [allocations.release(database, connection, identity) for identity in ("a", "c")]
        compute_nodes.settle(database, connection, released)
    assert used(database) == {"c1": (1, 512, 3, 1, 0, 2), "c2": (0, 0, 0, 0, 0, 2)}
    with database.writing() as connection:
        assert allocations.release(database, connection, "a") is None


def test_a_host_that_was_claimed_on_since_it_was_seen(database):
    take(database, [allocation("a")], {"c1": 0})
    with database.engine.connect() as connection, pytest.raises(Contended):
        compute_nodes.take(database, connection, [allocation("b")], {"c1": 0})
    assert used(database)["c1"] == (2, 512, 3, 1, 0, 1)


@pytest.mark.parametrize(
    ("built", "failed", "failures"),
    [
        pytest.param([], ["c1"], 4, id="one more failed"),
        pytest.param([], ["c1", "c1"], 5, id="two more failed"),
        pytest.param(["c1"], [], 0, id="a success forgives"),
        pytest.param(["c1"], ["c1"], 1, id="those of the same moment count"),
        pytest.param(["c2"], [], 3, id="another host's success does not"),
    ],
)
def test_failed_builds_are_counted(database, built, failed, failures):
    with database.writing() as connection:
        compute_nodes.update(database, connection, "c1", {"failed_builds": 3}, counts=False)
        compute_nodes.settle(database, connection, [], built, failed)
    assert used(database) == {"c1": (0, 0, 0, 0, failures, 0), "c2": (0, 0, 0, 0, 0, 0)}


def test_a_host_that_is_there_is_not_added(database):
    with database.writing() as connection:
        assert compute_nodes.add(database, connection, "c1", {**NODE, "updated_at": NOW, "vcpus": 1}) is False
        assert compute_nodes.lock(database, connection, "c1").vcpus == 8
        assert compute_nodes.lock(database, connection, "c3") is None


def test_a_wrong_value_is_not_taken_for_another_controller(database):
    with database.writing() as connection:
        with pytest.raises(sqlalchemy.exc.IntegrityError), connection.begin_nested():
            compute_nodes.add(database, connection, "c3", {**NODE, "updated_at": NOW, "enabled": None})
        with pytest.raises(sqlalchemy.exc.IntegrityError), connection.begin_nested():
            instances.add(database, connection, instance("u", vm_state=None))
        with pytest.raises(sqlalchemy.exc.IntegrityError), connection.begin_nested():
            groups.lock(database, connection, "p", {"name": "g", "policy": None, "max_server_per_host": None})
        with pytest.raises(sqlalchemy.exc.IntegrityError), connection.begin_nested():
            projects.lock(database, connection, None)


def test_a_name_is_one_living_instances(database):
    with database.writing() as connection:
        instances.add(database, connection, instance("u"))
        instances.add(database, connection, instance("v", project_id="q"))
        with pytest.raises(Conflict, match="another run has begun to launch it"):
            instances.add(database, connection, instance("w"))
        instances.update(database, connection, "u", 0, {"deleted": 1})
        instances.add(database, connection, instance("w"))


def test_an_instance_is_changed_as_it_was_read(database):
    with database.writing() as connection:
        instances.add(database, connection, instance("u"))
        instances.update(database, connection, "u", 0, {"vm_state": "active"})
        with pytest.raises(Conflict, match="another run has changed it"):
            instances.update(database, connection, "u", 0, {"vm_state": "error"})
        [row] = connection.execute(database.tables.instances.select()).all()
        assert (row.vm_state, row.generation) == ("active", 1)


def test_a_group_is_made_and_counted_when_it_is_locked(database):
    rules = {"name": "g", "policy": "affinity", "max_server_per_host": None}
    with database.writing() as connection:
        for _time in range(2):
            groups.lock(database, connection, "p", rules)
        [row] = connection.execute(database.tables.instance_groups.select()).all()
        assert (row.policy, row.generation) == ("affinity", 2)
