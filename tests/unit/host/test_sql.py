# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compute nodes in the record, on every kind of database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.change import plan
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
        params = {
            "database": database_url,
            "hosts": list(hosts),
            "nodes": list(nodes),
            "silent": [],
            "settings": settings or {},
        }
        backend, wanted = sql.connect(params), record.parse(params)
        backend.apply([change for change in plan(wanted, backend.read(wanted), "present") if change.pending])
        return {each.host: each.to_result() for each in recorded(database_url)}

    return run


def recorded(database_url):
    """All hosts, whole."""
    database = sql.Database(database_url)
    with database.reading() as connection:
        rows, moment = connection.execute(database.tables.compute_nodes.select()).all(), sql.now(connection)
    return [sql.record_of(row, moment) for row in rows]


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


def test_of_a_host_that_is_only_named_no_more_than_its_age_is_read(tell, database_url):
    tell([NODE])
    params = {"database": database_url, "hosts": ["c1", "c2"], "nodes": [], "silent": [], "settings": {}}
    wanted = record.parse(params)
    known = sql.connect(params).read(wanted)
    assert {name: (item.room, item.settings) for name, item in known.items()} == {"c1": (None, {})}
    [there, unknown] = [change.action for change in plan(wanted, known, "present")]
    assert (there, unknown) == ("keep", "keep")


def test_two_names_of_one_machine_are_told(tell, database_url):
    """Also where one of them is only named; a host that builds does not say which machine it is."""
    tell([{**NODE, "machine": "m"}])
    tell([{"host": "c1", "vcpus": 8, "memory_mb": 8192, "disk_gb": 100}])
    for nodes in ([{**NODE, "host": "c2", "machine": "m"}, {**NODE, "host": "c3", "machine": "n"}], []):
        params = {"database": database_url, "hosts": ["c2", "c1", "c3"], "nodes": nodes, "silent": [], "settings": {}}
        backend, wanted = sql.connect(params), record.parse(params)
        changes = record.plan(wanted, backend.read(wanted), "present")
        assert [bool(change.notes) for change in changes] == [True, True, False]
        assert changes[0].notes[0].startswith("c1 and c2 are one machine")
        backend.apply([change for change in changes if change.pending])


def test_a_host_that_builds_says_what_it_has_room_for_and_its_facts_stay(tell):
    tell([NODE])
    told = tell([{"host": "c1", "vcpus": 8, "memory_mb": 8192, "disk_gb": 100, "free_disk_gb": 7}])["c1"]
    assert (told["vcpus"], told["facts"]) == (8, {"cpu_model": "EPYC", "free_disk_gb": 7})


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


def planned(database_url, nodes, settings):
    """A controller that has read the record and has not written yet."""
    params = {"database": database_url, "hosts": ["c1"], "nodes": nodes, "silent": [], "settings": {"c1": settings}}
    backend, wanted = sql.connect(params), record.parse(params)
    return backend, plan(wanted, backend.read(wanted), "present")


@pytest.mark.parametrize("nodes", [[], [NODE]], ids=["settings alone", "and what the host says"])
def test_controllers_with_different_settings_lose_none(tell, database_url, nodes):
    tell([NODE], {"c1": {"ram_allocation_ratio": 1.5}})
    controllers = [
        planned(database_url, nodes, settings)
        for settings in ({"enabled": False}, {"memory_mb_reserved": 1024, "units": {"vcpus": {"max_unit": 2}}})
    ]
    for backend, changes in controllers:
        backend.apply(changes)
    told = tell()["c1"]
    kept = {key: told[key] for key in ("enabled", "memory_mb_reserved", "units", "ram_allocation_ratio")}
    assert kept == {
        "enabled": False, "memory_mb_reserved": 1024, "units": {"vcpus": {"max_unit": 2}}, "ram_allocation_ratio": 1.5,
    }  # fmt: skip


def test_controllers_that_find_a_host_at_once_lose_no_setting(tell, database_url):
    controllers = [
        planned(database_url, [NODE], settings) for settings in ({"enabled": False}, {"memory_mb_reserved": 1024})
    ]
    for backend, changes in controllers:
        backend.apply(changes)
    told = tell()["c1"]
    assert (told["enabled"], told["memory_mb_reserved"], told["disk_gb_reserved"]) == (False, 1024, 0)


def test_what_is_written_counts_against_the_row_and_not_against_what_was_read(tell, database_url):
    """Claims were decided on what another controller has set meanwhile."""
    tell([NODE])
    backend, changes = planned(database_url, [NODE], {"enabled": True})
    tell(settings={"c1": {"enabled": False}})
    before = row(database_url).generation
    [after] = backend.apply(changes).values()
    assert after.settings["enabled"] is True
    assert row(database_url).generation == before + 1


def test_null_is_the_default_again(tell):
    tell([NODE], {"c1": {"ram_allocation_ratio": 1.5, "disabled_reason": "new disk"}})
    told = tell(settings={"c1": {"ram_allocation_ratio": None, "disabled_reason": None}})["c1"]
    assert (told["ram_allocation_ratio"], told["disabled_reason"]) == (1.0, None)


def test_settings_as_texts_mean_what_ansible_makes_of_them(tell):
    texts = {
        "enabled": "no", "memory_mb_reserved": " 1024 ", "ram_allocation_ratio": "1.5", "metrics": {"power": "250"},
        "units": {"vcpus": {"max_unit": "2"}},
    }  # fmt: skip
    told = tell([NODE], {"c1": texts})["c1"]
    assert {key: told[key] for key in texts} == {
        "enabled": False, "memory_mb_reserved": 1024, "ram_allocation_ratio": 1.5, "metrics": {"power": 250.0},
        "units": {"vcpus": {"max_unit": 2}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("off", "settings: 'off' is not a mapping"),
        ({"memory": 1}, "settings: unknown key memory (known: enabled, "),
        ({"enabled": "maybe"}, "settings: enabled: 'maybe' is not true or false"),
        ({"disabled_reason": 42}, "settings: disabled_reason: 42 is not a text: put it in quotes"),
        ({"disabled_reason": "x" * 256}, "is longer than 255 characters"),
        ({"memory_mb_reserved": "4 GB"}, "settings: memory_mb_reserved: '4 GB' is not a whole number"),
        ({"memory_mb_reserved": 2**31}, "settings: memory_mb_reserved: 2147483648 is more than 2147483647"),
        ({"disk_gb_reserved": -1}, "settings: disk_gb_reserved: -1 is less than 0"),
        ({"vcpus_reserved": True}, "settings: vcpus_reserved: True is not a whole number"),
        ({"ram_allocation_ratio": "many"}, "settings: ram_allocation_ratio: 'many' is not a number"),
        ({"cpu_allocation_ratio": -1}, "settings: cpu_allocation_ratio: -1.0 is less than 0"),
        ({"disk_allocation_ratio": "nan"}, "settings: disk_allocation_ratio: 'nan' is not a number"),
        ({"availability_zone": ["a"]}, "settings: availability_zone: ['a'] is not a text"),
        ({"aggregates": "fast"}, "settings: aggregates: 'fast' is not a list"),
        ({"aggregates": ["fast"]}, "settings: aggregates[0]: 'fast' is not a mapping"),
        ({"aggregates": [{"metadata": {}}]}, "settings: aggregates[0]: name: None is not a text"),
        ({"aggregates": [{"name": "a"}, {"name": "b", "ssd": 1}]}, "settings: aggregates[1]: unknown key ssd"),
        ({"aggregates": [{"name": "fast", "metadata": []}]}, "settings: aggregates[0]: metadata: [] is not a mapping"),
        ({"units": {"cpu": {}}}, "settings: units: unknown key cpu (known: vcpus, memory_mb, disk_gb)"),
        ({"units": {"vcpus": {"max": 1}}}, "settings: units: vcpus: unknown key max (known: min_unit, "),
        ({"units": {"vcpus": {"max_unit": 0}}}, "settings: units: vcpus: max_unit: 0 is less than 1"),
        ({"traits": "HW_CPU_X86_AVX"}, "settings: traits: 'HW_CPU_X86_AVX' is not a list"),
        ({"traits": [1]}, "settings: traits[0]: 1 is not a text: put it in quotes"),
        ({"traits": ["ssd"]}, "settings: traits: 'ssd' is no trait: write capitals, digits and _, such as CUSTOM_SSD"),
        ({"metrics": {"power": "low"}}, "settings: metrics: power: 'low' is not a number"),
        ({"bridge_mappings": {"physnet1": "br-ex"}}, "bridge_mappings: physnet1: 'br-ex' is not a mapping"),
        ({"bridge_mappings": {"physnet1": {}}}, "bridge_mappings: physnet1: bridge: None is not a text"),
        ({"bridge_mappings": {"a,b": {"bridge": "br-ex"}}}, "physical_network name 'a,b'"),
        ({"bridge_mappings": {"one": {"bridge": "br-ex", "port": "x"}}}, "one: unknown key port (known: bridge, int"),
        ({"bridge_mappings": {"one": {"bridge": "br-ex;reboot"}}}, "one: bridge: 'br-ex;reboot': use 1 to 15"),
        (
            {"bridge_mappings": {"one": {"bridge": "br-ex"}, "two": {"bridge": "br-ex"}}},
            "bridge_mappings: bridge br-ex is of one wire only",
        ),
        ({"cpu_dedicated_set": 4}, "settings: cpu_dedicated_set: 4 is not a text: put it in quotes"),
        ({"cpu_dedicated_set": "4-x"}, "settings: cpu_dedicated_set: '4-x' is not a list of CPUs such as 4-15,20"),
        ({"cpu_dedicated_set": "0-999999999"}, "is not a list of CPUs such as 4-15,20"),
    ],
)
@pytest.mark.parametrize("nodes", [[], [NODE]])
def test_wrong_settings(settings, reason, nodes):
    hosts, both = ["c1", "c2"], {"c1": settings, "c2": {"enabled": "no"}}
    wrong, good = record.parse({"hosts": hosts, "nodes": nodes, "silent": [], "settings": both})
    assert reason in str(wrong.fault)
    assert (good.fault, good.settings) == (None, {"enabled": False})
    assert list(record.unfit(both)) == ["c1"]


def test_a_host_under_a_number_is_told():
    assert record.unfit({7: {}, "8": {}}) == {"7": "settings: the key 7 is not a text: put it in quotes"}


def test_wrong_settings_are_their_hosts_alone(database_url):
    """What it has said is written all the same."""
    two = [NODE, {**NODE, "host": "c2", "name": "c2"}]
    params = {"database": database_url, "hosts": ["c1", "c2", "c3"], "nodes": two,
              "settings": {"c1": {"enabled": "off"}, "c2": {"enabled": "perhaps"}, "c3": 5}}  # fmt: skip
    backend, wanted = sql.connect(params), record.parse(params)
    changes = plan(wanted, backend.read(wanted), "present")
    outcome = backend.apply([change for change in changes if change.pending])
    assert outcome["c1"].settings["enabled"] is False
    assert str(outcome["c2"]) == "settings: enabled: 'perhaps' is not true or false"
    assert str(changes[2].error) == "settings: 5 is not a mapping of keys to values"
    assert {each.host: (each.room["vcpus"], each.settings["enabled"]) for each in recorded(database_url)} == {
        "c1": (4, False), "c2": (4, True),
    }  # fmt: skip
