# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host goes silent: what it may still have is remembered, and forgotten when it has said that nothing is left."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.change import plan
from ansible_collections.kvmstack.launch.plugins.module_utils.core.documents import gather, is_remainder
from ansible_collections.kvmstack.launch.plugins.module_utils.host import record
from ansible_collections.kvmstack.launch.plugins.module_utils.host import sql as host_sql

NODE = {"host": "c1", "vcpus": 4, "memory_mb": 8192, "disk_gb": 100}
DATA = {"name": "data", "size": 2, "delete_on_termination": True}
KEPT = {"name": "kept", "size": 2}
SILENT = {"unreachable": True, "msg": "Connection timed out"}


@pytest.fixture
def hosts(database_url):
    """What the module host tells of c1 and c2, by name; nodes are what they have just said of themselves."""

    def tell(*nodes):
        params = {"database": database_url, "hosts": ["c1", "c2"], "nodes": list(nodes), "silent": [], "settings": {}}
        backend, wanted = host_sql.connect(params), record.parse(params)
        changes = plan(wanted, backend.read(wanted), "present")
        made = backend.apply([change for change in changes if change.pending])
        told = [made.get(change.key) or change.after or change.before or change.wanted for change in changes]
        return {each.host: each.to_result() for each in told}

    return tell


def left(hosts, name="c1"):
    """The instances of which something is left on a host, each with its volumes."""
    return {each["name"]: [volume["name"] for volume in each["volumes"]] for each in hosts[name]["remains"]}


def lost(run, *documents, give_up=False):
    """The end of an attempt in which no host answered."""
    return run().conclude(*gather(documents, {"c1": SILENT, "c2": SILENT}, give_up))


def test_an_instance_leaves_a_silent_host_which_is_remembered(run, put, hosts):
    run().ask({"volumes": [DATA]})
    put(web="c1")
    after = lost(run, run().find()["web"])["web"]
    assert (after["status"], after["host"], after["attempted_hosts"]) == ("BUILD", None, ["c1"])
    assert left(hosts()) == {"web": ["web-data"]}
    [document] = hosts()["c1"]["remains"]
    assert is_remainder(document)
    assert (document["uuid"], document["task_state"], document["record_id"]) == (
        after["uuid"],
        "deleting",
        after["record_id"],
    )
    assert document["image"]["url"].startswith("https://")
    put(web="c2")
    assert run().built(run().find()["web"])["web"]["host"] == "c2"
    assert left(hosts()) == {"web": ["web-data"]}


def test_what_failed_on_a_host_that_answered_is_not_left_there(run, put, hosts):
    run().ask()
    put(web="c1")
    document = run().find()["web"]
    answer = {"c1": {"instances": [{**document, "failed": True, "msg": "no", "failed_in": "domain"}]}}
    assert run().conclude(*gather([document], answer))["web"]["host"] is None
    assert left(hosts()) == {}


def test_it_is_forgotten_when_the_host_has_said_that_nothing_is_left(run, put, hosts):
    run().ask({}, {"name": "db"})
    put(web="c1")
    put(db="c1")
    lost(run, *run().find().values())
    gone, stays = (each["uuid"] for each in hosts()["c1"]["remains"])
    told = hosts({**NODE, "cleared": [gone]})
    assert [each["uuid"] for each in told["c1"]["remains"]] == [stays]
    assert [each["uuid"] for each in hosts()["c1"]["remains"]] == [stays]


def test_what_has_come_back_to_the_host_is_not_left_there(run, put, hosts):
    run().ask()
    put(web="c1")
    lost(run, run().find()["web"])
    put(web="c1")
    assert left(hosts()) == {}
    [document] = run().ask().values()
    assert (document["host"], document["remains"]) == ("c1", [])


def test_a_destroy_knows_where_something_is_left(run, put):
    run().ask()
    put(web="c1")
    lost(run, run().find()["web"])
    put(web="c2")
    run().built(run().find()["web"])
    [document] = run().ask(state="absent").values()
    assert (document["host"], document["remains"]) == ("c2", ["c1"])
    assert run().destroyed(document)["web"]["status"] == "DELETED"


def test_a_volume_that_waits_on_the_host_is_not_to_be_removed(run, put, hosts):
    """It was there before; nor is one that has been made there since, under the same name."""
    run().ask({"volumes": [KEPT]})
    put(web="c1")
    run().built(run().find()["web"])
    run().destroyed(run().ask(state="absent")["web"])
    run().ask({"volumes": [KEPT, DATA]})
    put(web="c1")
    lost(run, run().find()["web"])
    assert left(hosts()) == {"web": ["web-data"]}
    run().destroyed(run().ask(state="absent")["web"])
    run().ask({"volumes": [{**DATA, "delete_on_termination": False}]})
    put(web="c1")
    run().built(run().find()["web"])
    assert left(hosts()) == {"web": []}


def test_the_last_host_of_a_launch_is_remembered_too(run, put, hosts):
    run().ask()
    for host in ("c2", "c2", "c1"):
        put(web=host)
        after = lost(run, run().find()["web"])["web"]
    assert (after["status"], after["host"]) == ("ERROR", None)
    assert left(hosts()) == {"web": []}


# Given up


def test_what_goes_from_a_silent_host_stays_until_the_host_has_said_so(run, put):
    run().ask()
    put(web="c1")
    run().built(run().find()["web"])
    going = run().ask(state="absent")["web"]
    assert "Connection timed out" in lost(run, going)["web"]["msg"]
    assert run().find()["web"]["task_state"] == "deleting"


@pytest.mark.parametrize("answers", [{"c1": SILENT}, {}], ids=["it does not answer", "it left the inventory"])
def test_with_force_it_is_given_up_and_remembered(run, put, node, hosts, answers):
    run().ask({"volumes": [DATA, KEPT]})
    put(web="c1")
    run().built(run().find()["web"])
    going = run().ask(state="absent")["web"]
    [document] = gather([going], answers, give_up=True)
    after = run().conclude(document)["web"]
    assert (after["status"], after["msg"]) == ("DELETED", None)
    assert (node("c1").vcpus_used, node("c1").num_instances) == (0, 0)
    assert left(hosts()) == {"web": ["web-data"]}, "what is kept stays there"
    [kept] = run().ask({"name": "db", "volumes": [{"name": "web-kept"}]})["db"]["volumes"]
    assert kept["host"] == "c1"
    assert run().ask()["web"]["uuid"] != going["uuid"]


def test_force_gives_up_nothing_that_is_to_stay(run, put):
    run().ask()
    put(web="c1")
    assert lost(run, run().find()["web"], give_up=True)["web"]["attempted_hosts"] == ["c1"]


def test_two_instances_of_one_name_on_one_silent_host_have_one_volume(run, put, hosts):
    for _launch in range(2):
        run().ask({"volumes": [DATA]})
        put(web="c1")
        lost(run, run().find()["web"])
        going = run().ask({"volumes": [DATA]}, state="absent")["web"]
        lost(run, going, give_up=True)
    remains = hosts()["c1"]["remains"]
    assert len({each["uuid"] for each in remains}) == 2
    assert [volume["name"] for each in remains for volume in each["volumes"]] == ["web-data"]
