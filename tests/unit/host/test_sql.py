# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compute nodes in the record, on every kind of database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.change import plan
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.host import record, sql

NODE = {"host": "c1", "name": "c1", "vcpus": 4, "memory_mb": 8192, "disk_gb": 100, "cpu_model": "EPYC"}
PLACE = {
    "availability_zone": "az1",
    "aggregates": [{"name": "fast", "metadata": {"ssd": "true"}}],
    "units": {"vcpus": {"max_unit": 2}},
}


@pytest.fixture
def tell(database_url):
    """tell(nodes, settings) as the module host does; the hosts by name."""

    def run(nodes=(), settings=None, hosts=("c1",)):
        params = {"database": database_url, "hosts": list(hosts), "nodes": list(nodes), "settings": settings or {}}
        backend, wanted = sql.connect(params), record.parse(params)
        backend.apply([change for change in plan(wanted, backend.read(wanted), "present") if change.pending])
        return {name: item.to_result() for name, item in backend.read(wanted).items()}

    return run


def row(database_url):
    database = sql.Database(database_url)
    with database.reading() as connection:
        return connection.execute(database.tables.compute_nodes.select()).one()


def test_what_a_host_says_is_kept(tell, database_url):
    assert tell() == {}
    told = tell([NODE], {"c1": PLACE})["c1"]
    assert told["facts"] == {"cpu_model": "EPYC"}
    assert {key: told[key] for key in PLACE} == PLACE
    assert told["ram_allocation_ratio"] == 1.0
    assert told["age"] in (0, 1)


def test_settings_are_changed_without_asking_the_host(tell, database_url):
    tell([NODE])
    before = row(database_url)
    assert tell(settings={"c1": {"enabled": False, "disabled_reason": "new disk"}})["c1"]["enabled"] is False
    after = row(database_url)
    assert (after.updated_at, after.facts) == (before.updated_at, before.facts)
    assert after.generation == before.generation + 1
    assert tell()["c1"]["enabled"] is False


def test_a_host_that_says_the_same_keeps_its_generation(tell, database_url):
    tell([NODE])
    tell([NODE])
    assert row(database_url).generation == 0
    tell([{**NODE, "memory_mb": 4096}])
    assert row(database_url).generation == 1


def test_controllers_that_ask_at_once(tell, database_url):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _index: tell([NODE]), range(4)))
    assert row(database_url).vcpus == 4


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"memory": 1}, "unknown setting memory"),
        ({"aggregates": ["fast"]}, "aggregate 'fast'"),
        ({"aggregates": [{"name": "fast", "metadata": []}]}, "metadata must be a mapping"),
        ({"units": {"cpu": {}}}, "units of cpu"),
        ({"units": {"vcpus": {"max": 1}}}, "units of vcpus"),
        ({"units": {"vcpus": {"max_unit": 0}}}, "max_unit is 0"),
    ],
)
def test_wrong_settings(settings, reason):
    with pytest.raises(InvalidRequest, match=reason):
        record.parse({"hosts": ["c1"], "nodes": [NODE], "settings": {"c1": settings}})
