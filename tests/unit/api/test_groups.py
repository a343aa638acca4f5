# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Server groups that clients make, and servers in them."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.tests.unit.api.test_actions import row


def make(door, version=1, status=200, **said):
    reply = door.ask("POST", "/os-server-groups", {"server_group": said}, version)
    assert reply.status_code == status, reply.text
    return reply.json.get("server_group") or reply.text


def listed(door, query="", version=64):
    return door.get("/os-server-groups" + query, version=version)["server_groups"]


def test_a_group_is_made_is_named_by_servers_and_goes(door):
    made = make(door, name="apart", policies=["anti-affinity"])
    assert made == {**made, "name": "apart", "policies": ["anti-affinity"], "members": [], "metadata": {}}
    server = door.create(beside={"os:scheduler_hints": {"group": made["id"]}})["server"]["id"]
    assert door.requests()["web"].entry["group"] == {"name": "apart", "policy": "anti-affinity"}
    door.work()
    assert row(door).group_name == "apart"
    told = door.get("/os-server-groups/" + made["id"])["server_group"]
    assert told["members"] == [server]
    assert door.get("/servers/" + server, version=71)["server"]["server_groups"] == [made["id"]]
    assert door.ask("DELETE", "/os-server-groups/" + made["id"]).status_code == 204
    assert door.ask("DELETE", "/os-server-groups/" + made["id"]).status_code == 404
    assert door.get("/servers/" + server, version=71)["server"]["server_groups"] == []
    door.act(server, "os-stop")
    assert door.work()["status"] == "SHUTOFF"
    assert make(door, name="apart", policies=["affinity"])["members"] == []


def test_a_projects_own_groups_are_counted(door):
    path = "/os-quota-sets/p/detail"
    assert door.get("/limits")["limits"]["absolute"]["totalServerGroupsUsed"] == 1
    make(door, name="apart", policies=["anti-affinity"])
    assert door.get("/limits")["limits"]["absolute"]["totalServerGroupsUsed"] == 2
    assert door.get(path, version=50)["quota_set"]["server_groups"]["in_use"] == 2
    assert door.get("/limits?tenant_id=q")["limits"]["absolute"]["totalServerGroupsUsed"] == 1


def test_since_64_a_group_has_one_policy_and_its_rules(door):
    made = make(door, 64, name="few", policy="anti-affinity", rules={"max_server_per_host": 2})
    assert set(made) == {"id", "name", "policy", "rules", "members", "project_id", "user_id"}
    assert (made["policy"], made["rules"]) == ("anti-affinity", {"max_server_per_host": 2})
    door.create(beside={"os:scheduler_hints": {"group": "few"}})
    group = {"name": "few", "policy": "anti-affinity", "max_server_per_host": 2}
    assert door.requests()["web"].entry["group"] == group
    door.take("web")


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (1, {"policies": []}),
        (1, {"policies": ["affinity", "anti-affinity"]}),
        (14, {"policies": ["soft-affinity"]}),
        (1, {"policies": ["legacy"]}),
        (1, {"policy": "affinity"}),
        (64, {"policies": ["affinity"]}),
        (64, {}),
        (64, {"policy": "affinity", "rules": {"max_server_per_host": 2}}),
        (64, {"policy": "anti-affinity", "rules": {"max_server_per_host": 0}}),
        (64, {"policy": "anti-affinity", "rules": {"x": 2}}),
        (64, {"policy": "anti-affinity", "name": "two words"}),
        (64, {"policy": "anti-affinity", "name": ""}),
    ],
)
def test_what_makes_no_group(door, version, said):
    make(door, version, 400, **{"name": "new", **said})
    assert [each["name"] for each in listed(door)] == ["spread"]


def test_a_name_is_one_groups(door):
    make(door, 15, name="new", policies=["soft-affinity"])
    assert "unique" in make(door, name="new", policies=["affinity"], status=409)
    assert "launch_server_groups" in make(door, name="spread", policies=["affinity"], status=409)
    [site] = [each for each in listed(door) if each["name"] == "spread"]
    assert door.ask("DELETE", "/os-server-groups/" + site["id"]).status_code == 403


def test_a_name_that_the_site_has_given_up_is_free_when_nobody_is_in_it(doors):
    door = doors(groups={"old": {"policy": "affinity"}})
    server = door.create(beside={"os:scheduler_hints": {"group": "old"}})["server"]["id"]
    door.definitions["groups"] = {}
    door.write()
    door = doors(groups={})
    assert "servers in one of this name" in make(door, name="old", policies=["anti-affinity"], status=409)
    door.ask("DELETE", "/servers/" + server)
    door.work()
    assert make(door, name="old", policies=["anti-affinity"])["policies"] == ["anti-affinity"]


def test_a_group_is_its_projects(door):
    mine = make(door, name="new", policies=["affinity"])
    door.seen_by("other")
    assert [each["name"] for each in listed(door)] == ["spread"]
    assert [each["name"] for each in listed(door, "?all_projects=True")] == ["spread"]
    door.get("/os-server-groups/" + mine["id"], status=404)
    assert door.ask("DELETE", "/os-server-groups/" + mine["id"]).status_code == 404
    theirs = make(door, name="new", policies=["affinity"])
    assert theirs["id"] != mine["id"]
    door.seen_by("third", admin=True)
    assert [each["id"] for each in listed(door, "?all_projects=True")][1:] == [mine["id"], theirs["id"]]
    assert [each["id"] for each in listed(door, "?all_projects=True&offset=1&limit=1")] == [mine["id"]]
