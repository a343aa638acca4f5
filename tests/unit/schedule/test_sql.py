# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Claims on each kind of database: whole or not at all, never too many, however many claim at once."""

from __future__ import annotations

import os
import random
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from ansible_collections.kvmstack.launch.plugins.module_utils.core.change import Change
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, LaunchError, Unavailable
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import sql as instance_sql
from ansible_collections.kvmstack.launch.plugins.module_utils.record import lease
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import Database, now
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule import policy, request, sql
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.model import NoValidHost
from ansible_collections.kvmstack.launch.tests.unit.schedule.samples import FACTS, GPU

ROW = {
    "generation": 0,
    "enabled": True,
    "vcpus": 8,
    "memory_mb": 4608,
    "disk_gb": 100,
    "vcpus_reserved": 0,
    "memory_mb_reserved": 512,
    "disk_gb_reserved": 0,
    "cpu_allocation_ratio": 2.0,
    "ram_allocation_ratio": 1.0,
    "disk_allocation_ratio": 1.0,
    "vcpus_used": 0,
    "memory_mb_used": 0,
    "disk_gb_used": 0,
    "facts": FACTS,
}
APART = {"name": "apart", "policy": "anti-affinity", "max_server_per_host": None}
PAIRS = {"name": "pairs", "policy": "anti-affinity", "max_server_per_host": 2}
TOGETHER = {"name": "together", "policy": "affinity", "max_server_per_host": None}


def params(url, documents, **more):
    defaults = {name: option["default"] for name, option in policy.SPEC.items()}
    return {
        **defaults, "database": url, "nodes": [], "candidates": None, "instances": documents, "run_id": "a run", **more,
    }  # fmt: skip


def document(name, ram=1024, vcpus=1, group=None, extra_specs=None, **more):
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
    flavor = {"name": "f", "vcpus": vcpus, "ram": ram, "disk": 1, "extra_specs": extra_specs or {}}
    image = {"name": "demo", "min_disk": 0, "properties": {}}
    return {
        "name": name,
        "uuid": identity,
        "project_id": "p",
        "vm_state": "building",
        "flavor": flavor,
        "image": image,
        "ports": [],
        "volumes": [],
        "group": group,
        **more,
    }


def record(url, hosts, documents=()):
    """A database with these hosts, and these instances that have none yet and are driven by a run."""
    database = Database(url)
    with database.writing() as connection:
        moment = now(connection)
        held = {"lease_owner": "a run", "leased_at": moment, "lease_expires": moment + timedelta(seconds=600)}
        rows = [{**ROW, "host": name, "updated_at": moment, **more} for name, more in hosts.items()]
        for row in rows:
            connection.execute(database.tables.compute_nodes.insert().values(row))
        for each in documents:
            row = {key: each[key] for key in ("uuid", "name", "project_id", "vm_state", "flavor", "image")}
            row.update(
                dict.fromkeys(("created_at", "requested_at", "updated_at"), moment), instance_metadata={}, deleted=0
            )
            row.update(attempted_hosts=[], ports=[], volumes=[], group_name=each["group"] and each["group"]["name"])
            row.update(held)
            connection.execute(database.tables.instances.insert().values(row))
    return database


def claim(url, documents, **more):
    """What the module does, as a mapping from name to the host, or to the error."""
    options = params(url, documents, **more)
    wanted, backend = request.parse(options), sql.connect(options)
    changes = policy.plan(options)(wanted, backend.read(wanted), "present")
    outcome = backend.apply([change for change in changes if change.pending])
    places = {}
    for change in changes:
        result = outcome.get(change.key, change.error or change.after)
        places[change.wanted.name] = result if isinstance(result, LaunchError) else result.host
    backend.database.engine.dispose()
    return places


def give_back(database, documents):
    """As the record does with instances whose host has failed them: claims go, and may be made again."""
    record = instance_sql.Record(database, "p", lease.Driver("a run", 600, False), {}, concludes=True)
    wanted = [SimpleNamespace(key=document["name"]) for document in documents]
    held = record.read(wanted).instances
    changes = [
        Change(each, held[each.key], replace(held[each.key], host=None, task_state="scheduling")) for each in wanted
    ]
    assert not [each for each in record.apply(changes).values() if isinstance(each, LaunchError)]


def check(database):
    """No host has more claims than room, what is used is what is claimed, no piece is given twice, groups hold."""
    tables, select = database.tables, database.sql.select
    with database.reading() as connection:
        hosts = {row.host: row for row in connection.execute(tables.compute_nodes.select())}
        rows = connection.execute(
            select(tables.allocations, tables.instances.c.group_name).join(
                tables.instances, tables.instances.c.uuid == tables.allocations.c.instance_uuid
            )
        ).all()
    for name, host in hosts.items():
        mine = [row for row in rows if row.host == name]
        used = (sum(row.vcpus for row in mine), sum(row.memory_mb for row in mine), sum(row.disk_gb for row in mine))
        assert used == (host.vcpus_used, host.memory_mb_used, host.disk_gb_used)
        assert len(mine) == host.num_instances
        assert used[0] <= (host.vcpus - host.vcpus_reserved) * host.cpu_allocation_ratio
        assert used[1] <= (host.memory_mb - host.memory_mb_reserved) * host.ram_allocation_ratio
        assert used[2] <= (host.disk_gb - host.disk_gb_reserved) * host.disk_allocation_ratio
        allocations = [row.resources for row in mine if row.resources]
        pieces = [
            cpu
            for each in allocations
            for cell in each.get("numa", ())
            if cell["dedicated"]
            for cpu in (*cell["cpus"], *cell["blocked"])
        ]
        pieces += [address for each in allocations for address in each.get("pci", ())]
        assert len(set(pieces)) == len(pieces)
    members = Counter((row.group_name, row.host) for row in rows if row.group_name)
    assert all(count == 1 for (group, _host), count in members.items() if group == "apart")
    assert all(count <= 2 for (group, _host), count in members.items() if group == "pairs")
    assert len([group for group, _host in members if group == "together"]) <= 1
    return members


def test_a_host_whose_settings_make_no_sense_takes_nothing(database_url):
    documents = [document("a"), document("b")]
    record(database_url, {"c1": {}, "c2": {}}, documents)
    wrong = {"c1": {"enabled": "perhaps"}, "c3": 7}
    options = params(database_url, documents, host_settings=wrong)
    backend = sql.connect(options)
    changes = policy.plan(options)(request.parse(options), backend.read(request.parse(options)), "present")
    told = ("host c1 takes no instance: settings: enabled: 'perhaps' is not true or false",)
    assert [(change.after.host, change.notes) for change in changes] == [("c2", told), ("c2", told)]
    assert claim(database_url, documents, host_settings=wrong) == {"a": "c2", "b": "c2"}
    unasked = sql.connect(params(database_url, documents, host_settings=wrong, candidates=["c2", "c3"])).read([])
    assert unasked.notes == ("host c3 takes no instance: settings: 7 is not a mapping of keys to values",)


def test_a_claim_is_written_whole_and_given_back(database_url):
    documents = [document("a", group=APART), document("b", group=APART, extra_specs={"hw:cpu_policy": "dedicated"})]
    database = record(database_url, {"c1": {}, "c2": {}}, documents)
    assert claim(database_url, documents) == {"a": "c1", "b": "c2"}
    check(database)
    assert claim(database_url, documents) == {"a": "c1", "b": "c2"}
    with database.reading() as connection:
        rows = connection.execute(database.tables.instances.select().order_by("name")).all()
        nodes = connection.execute(database.tables.compute_nodes.select().order_by("host")).all()
        [group] = connection.execute(database.tables.instance_groups.select()).all()
    assert [row.host for row in rows] == ["c1", "c2"]
    assert [(row.generation, row.num_instances, row.memory_mb_used) for row in nodes] == [(1, 1, 1024), (1, 1, 1024)]
    assert (group.name, group.policy, group.generation) == ("apart", "anti-affinity", 1)
    give_back(database, documents)
    give_back(database, documents)
    check(database)
    with database.reading() as connection:
        nodes = connection.execute(database.tables.compute_nodes.select()).all()
        assert connection.execute(database.tables.allocations.select()).all() == []
    assert {
        (row.generation, row.num_instances, row.vcpus_used, row.memory_mb_used, row.disk_gb_used) for row in nodes
    } == {(2, 0, 0, 0, 0)}


def test_the_pieces_of_earlier_claims_are_seen(database_url):
    dedicated = {"hw:cpu_policy": "dedicated", "pci_passthrough:alias": "gpu:1"}
    documents = [document("web-%d" % number, vcpus=2, ram=512, extra_specs=dedicated) for number in range(5)]
    database = record(database_url, {"c1": {}}, documents)
    aliases = {"settings": {"pci_aliases": {"gpu": GPU}}}
    for each in documents[:3]:
        assert claim(database_url, [each], **aliases) == {each["name"]: "c1"}
    places = claim(database_url, documents[3:], **aliases)
    assert "c1 has 0 free" in str(places["web-3"]) or "PCI" in str(places["web-3"])
    check(database)


def volume_row(name, host, size, owner=None):
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, "volume/" + name))
    row = {"id": identity, "name": name, "project_id": "p", "host": host, "size": size, "format": "raw"}
    return {**row, "instance_uuid": owner and owner["uuid"], "delete_on_termination": False}


def test_a_machine_of_two_names_counts_once(database_url):
    """Also for a group whose members must be apart: two names are no two machines."""
    documents = [document(name, group=APART) for name in "abc"]
    hosts = {"c1": {"machine": "m"}, "c2": {"machine": "m", "num_instances": 1}, "c3": {"machine": "n"}, "c4": {}}
    database = record(database_url, hosts, documents)
    assert sorted(str(place) for place in claim(database_url, documents).values()) == ["c2", "c3", "c4"]
    refusal = claim(database_url, [document("d", group=APART)])["d"]
    assert "ComputeFilter: 1 of 4 are disabled (the same machine as c2)" in str(refusal)
    database.engine.dispose()


def test_volumes_that_wait_have_room_that_nobody_else_gets(database_url):
    small, large, mine = document("small"), document("large"), document("mine")
    large["flavor"] = {**large["flavor"], "disk": 20}
    waiting, own = volume_row("waiting", "c1", 40), volume_row("own", "c1", 45, mine)
    mine["volumes"] = [{key: own[key] for key in ("id", "name", "size", "host")}]
    database = record(database_url, {"c1": {}}, [small, large, mine])
    with database.writing() as connection:
        for row in (waiting, own):
            connection.execute(database.tables.volumes.insert().values(row))
    places = claim(database_url, [small, large])
    assert places["small"] == "c1"
    assert "DiskFilter: 1 of 1 lack 20 GiB (c1 has 14 of 100 GiB left)" in str(places["large"])
    assert claim(database_url, [mine]) == {"mine": "c1"}
    with database.reading() as connection:
        [node] = connection.execute(database.tables.compute_nodes.select()).all()
    assert node.disk_gb_used == 1 + 46
    assert "c1 has 13 of 100 GiB left" in str(claim(database_url, [large])["large"])
    database.engine.dispose()


def test_what_has_begun_on_a_host_stays_there(database_url):
    """Its claim was given back as it is asked for otherwise; its disks are where they were."""
    begun = document("begun", host="c2")
    database = record(database_url, {"c1": {}, "c2": {}, "c3": {}}, [begun])
    assert claim(database_url, [begun]) == {"begun": "c2"}
    check(database)
    database.engine.dispose()


@pytest.mark.parametrize(
    ("of_host", "zone"),
    [
        pytest.param({}, "nova", id="nova's default"),
        pytest.param({"aggregates": [{"name": "a", "metadata": {"availability_zone": "south"}}]}, "south", id="theirs"),
        pytest.param({"availability_zone": "north"}, "north", id="its own"),
    ],
)
def test_the_zone_is_the_hosts_at_its_choice_and_afterwards(database_url, of_host, zone):
    documents = [document("web")]
    database = record(database_url, {"c1": of_host}, documents)
    options = params(database_url, documents)
    for changed in (True, False):
        wanted, backend = request.parse(options), sql.connect(options)
        [change] = policy.plan(options)(wanted, backend.read(wanted), "present")
        assert (change.changed, change.after.to_result()["zone"]) == (changed, zone)
        backend.apply([change] if change.pending else [])
        backend.database.engine.dispose()
    database.engine.dispose()


def test_facts_and_hints_are_read_when_they_are_asked_for(database_url):
    documents = [
        document("old"),
        document("near", scheduler_hints={"same_host": ["old"]}),
        document("new", image={"name": "demo", "properties": {"hw_architecture": "aarch64"}}),
        document("zoned", availability_zone="az9"),
    ]
    database = record(
        database_url,
        {"c1": {}, "c2": {}, "c3": {"facts": {"architecture": "aarch64"}, "availability_zone": "az9"}},
        documents,
    )
    assert claim(database_url, documents[:1], candidates=["c2"]) == {"old": "c2"}
    assert claim(database_url, documents[1:]) == {"near": "c2", "new": "c3", "zoned": "c3"}
    check(database)


def test_an_instance_that_has_gone_is_not_claimed_for(database_url):
    alive = document("alive")
    database = record(database_url, {"c1": {}}, [alive])
    places = claim(database_url, [alive, document("gone")])
    assert places["alive"] == "c1"
    assert isinstance(places["gone"], Conflict)
    check(database)


@pytest.mark.parametrize(
    ("owner", "seconds", "reason"),
    [
        pytest.param("a run", 600, None, id="its own"),
        pytest.param("a run", -1, None, id="its own, expired and not taken over"),
        pytest.param("another", 600, "another run drives it (another, since 20", id="another's"),
        pytest.param("another", -1, "another run drives it (another, since 20", id="another's, expired"),
        pytest.param(None, None, "this run does not drive it any more: run again", id="nobody's"),
    ],
)
def test_a_run_claims_for_what_it_drives_and_for_nothing_else(database_url, owner, seconds, reason):
    """A run that was taken over has still to claim: its claim would stay on what the other one has given up."""
    mine, lost = document("mine"), document("lost")
    database = record(database_url, {"c1": {}}, [mine, lost])
    table = database.tables.instances
    with database.writing() as connection:
        expires = None if seconds is None else now(connection) + timedelta(seconds=seconds)
        taken = {"lease_owner": owner, "lease_expires": expires}
        connection.execute(table.update().where(table.c.name == "lost").values(taken))
    claimed = claim(database_url, [mine, lost])
    assert claimed["mine"] == "c1"
    if reason is None:
        assert claimed["lost"] == "c1"
    else:
        assert isinstance(claimed["lost"], Conflict)
        assert reason in str(claimed["lost"])
    with database.reading() as connection:
        hosts = dict(map(tuple, connection.execute(database.sql.select(table.c.name, table.c.host))))
    assert hosts == {"mine": "c1", "lost": None if reason else "c1"}
    assert sum(check(database).values()) == 0


def test_a_claim_counts_as_a_write(database_url):
    """What was read of the instance before does not hold any more; whoever reads it again goes on."""
    each = document("a")
    database = record(database_url, {"c1": {}}, [each])
    conductor = instance_sql.Record(database, "p", lease.Driver("a run", 600, False), {}, concludes=True)
    wanted = SimpleNamespace(key="a", ended=True)

    def conclude(before):
        change = Change(wanted, before, replace(before, vm_state="error", task_state=None))
        return conductor.apply([change])["a"]

    before = conductor.read([wanted]).instances["a"]
    assert claim(database_url, [each]) == {"a": "c1"}
    assert isinstance(conclude(before), Conflict)
    after = conclude(conductor.read([wanted]).instances["a"])
    assert (after.vm_state, after.host) == ("error", "c1")


def test_reading_leaves_no_trace(tmp_path):
    url = "sqlite:///%s" % (tmp_path / "launch.db")
    options = params(
        url, [document("a")], nodes=[{"host": "c1", **{key: ROW[key] for key in ("vcpus", "memory_mb", "disk_gb")}}]
    )
    backend = sql.connect(options)
    wanted = request.parse(options)
    [change] = policy.plan(options)(wanted, backend.read(wanted), "present")
    assert change.after.host == "c1"
    assert list(tmp_path.iterdir()) == []


def test_who_comes_second_takes_another_host_or_a_clear_refusal(database_url):
    """Both have planned before either claims: the last room goes to one of them."""
    documents = [document("a", ram=4096), document("b", ram=4096), document("c", ram=4096)]
    database = record(database_url, {"c1": {}, "c2": {}}, documents)
    backends, planned = [], []
    for each in documents:
        options = params(database_url, [each])
        backend, wanted = sql.connect(options), request.parse(options)
        backends.append(backend)
        planned.append(policy.plan(options)(wanted, backend.read(wanted), "present"))
    assert [changes[0].after.host for changes in planned] == ["c1", "c1", "c1"]
    results = [backend.apply(changes)[changes[0].key] for backend, changes in zip(backends, planned)]
    assert [each.host for each in results[:2]] == ["c1", "c2"]
    assert isinstance(results[2], NoValidHost)
    assert "RamFilter: 2 of 2 lack 4096 MiB (c1 has 0 of 4608 MiB left" in str(results[2])
    check(database)


def test_after_the_last_try_the_refusal_is_clear(database_url, monkeypatch):
    each = document("a")
    record(database_url, {"c1": {}}, [each])
    options = params(database_url, [each])
    backend, wanted = sql.connect(options), request.parse(options)
    changes = policy.plan(options)(wanted, backend.read(wanted), "present")
    monkeypatch.setattr(backend, "_claim", lambda connection, changes: ({}, [change.wanted for change in changes]))
    error = backend.apply(changes)[changes[0].key]
    assert isinstance(error, Unavailable)
    assert not error.abort
    assert "10 times" in str(error)


# --- Many at once: processes, for real ---


def at_once(jobs):
    """Run these in processes of their own, all at once; the number of those that broke."""
    children = []
    for index, job in enumerate(jobs):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                random.seed(index)
                job()
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    return sum(os.waitpid(child, 0)[1] != 0 for child in children)


def controller(url, steps, documents):
    """A controller that claims and gives back by turns, each time for a few of its instances."""

    def work():
        database, held = Database(url), []
        for count, back in steps:
            mine = [document for document in documents if document not in held][:count]
            if mine:
                places = claim(url, mine)
                held += [each for each in mine if isinstance(places[each["name"]], str)]
            gone, held[:] = held[:back], held[back:]
            give_back(database, gone)

    return work


def test_eight_controllers_share_one_cluster(database_url):
    groups = [None, APART, PAIRS, TOGETHER]
    mine = [
        [
            document(
                "c%d-%d" % (number, index),
                ram=random.choice([512, 1024, 1536]),
                vcpus=1 + index % 2,
                group=groups[index % 4],
                extra_specs={"hw:cpu_policy": "dedicated"} if index % 5 == 0 else None,
            )
            for index in range(8)
        ]
        for number in range(8)
    ]
    database = record(
        database_url, {"h%d" % number: {} for number in range(5)}, [each for some_ in mine for each in some_]
    )
    database.engine.dispose()
    steps = [(3, 1), (4, 2), (4, 0), (8, 0)]
    assert at_once([controller(database_url, steps, documents) for documents in mine]) == 0
    members = check(database)
    assert members


def test_an_affinity_group_gets_one_host_though_everybody_has_another_in_mind(database_url):
    """No two of them claim on the same host, so nothing but the group itself can hold them back."""
    documents = [document("web-%d" % number, group=TOGETHER) for number in range(8)]
    database = record(database_url, {"h%d" % number: {} for number in range(8)}, documents)
    plans, start = [], time.time() + 1
    for number, each in enumerate(documents):
        options = params(database_url, [each], candidates=["h%d" % number])
        backend, wanted = sql.connect(options), request.parse(options)
        plans.append((options, policy.plan(options)(wanted, backend.read(wanted), "present")))
        backend.database.engine.dispose()
    database.engine.dispose()

    def apply(options, changes):
        backend = sql.connect(options)
        with backend.database.reading():
            time.sleep(max(0.0, start - time.time()))
        result = backend.apply(changes)[changes[0].key]
        assert not isinstance(result, LaunchError) or "ServerGroupAffinityFilter" in str(result)

    assert at_once([lambda each=each: apply(*each) for each in plans]) == 0
    assert len(check(database)) == 1


def test_two_at_once_fill_the_cluster_exactly(database_url):
    mine = [[document("c%d-%d" % (number, index)) for index in range(8)] for number in range(2)]
    database = record(database_url, {"h%d" % number: {} for number in range(4)}, mine[0] + mine[1])
    database.engine.dispose()
    assert at_once([controller(database_url, [(8, 0)], documents) for documents in mine]) == 0
    check(database)
    with database.reading() as connection:
        assert len(connection.execute(database.tables.allocations.select()).all()) == 16


steps = some.lists(some.tuples(some.integers(1, 4), some.integers(0, 3)), min_size=1, max_size=4)


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(
    some.lists(steps, min_size=2, max_size=8),
    some.lists(
        some.sampled_from([(512, None), (1024, APART), (1024, PAIRS), (2048, TOGETHER), (512, TOGETHER)]),
        min_size=4,
        max_size=4,
    ),
    some.integers(1, 4),
)
def test_no_interleaving_breaks_a_rule(work, kinds, host_count):
    with tempfile.TemporaryDirectory() as folder:
        url = "sqlite:///%s/launch.db" % folder
        mine = [
            [document("c%d-%d" % (number, index), ram=ram, group=group) for index, (ram, group) in enumerate(kinds)]
            for number in range(len(work))
        ]
        database = record(
            url, {"h%d" % number: {} for number in range(host_count)}, [each for some_ in mine for each in some_]
        )
        database.engine.dispose()
        assert at_once([controller(url, each, documents) for each, documents in zip(work, mine)]) == 0
        check(database)
