# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The security groups that servers are added to, and taken from, while they run."""

from __future__ import annotations

from urllib.parse import parse_qs

import falcon.testing
import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.api.app import made as made_app
from ansible_collections.kvmstack.launch.plugins.module_utils.api.identifiers import identity
from ansible_collections.kvmstack.launch.plugins.module_utils.api.identity import Identity
from ansible_collections.kvmstack.launch.plugins.module_utils.api.permit import Permits
from ansible_collections.kvmstack.launch.tests.unit.api.test_actions import actions, row, shown
from ansible_collections.kvmstack.launch.tests.unit.api.test_attaching import network, plug, unplug

WEB = identity("security group", "web", "p")


def add(door, server_id, name, status=202):
    return door.act(server_id, "addSecurityGroup", said={"name": name}, status=status).text


def remove(door, server_id, name, status=202):
    return door.act(server_id, "removeSecurityGroup", said={"name": name}, status=status).text


def groups(door, server_id):
    """The groups of a server, which its view and its list of groups tell alike."""
    listed = [each["name"] for each in door.get("/servers/%s/os-security-groups" % server_id)["security_groups"]]
    assert sorted(each["name"] for each in shown(door, server_id).get("security_groups", ())) == listed
    return listed


def rows(door):
    """The groups of each port, as the server's row has them."""
    return [each["security_groups"] for each in row(door).ports]


@pytest.mark.parametrize("name", ["web", WEB])
def test_a_group_is_the_servers_at_once_and_its_ports_when_a_worker_came_by(door, name):
    made = door.launch()
    assert add(door, made, name) == ""
    assert groups(door, made) == ["default", "web"]
    request = door.requests()["web"]
    assert (request.action, request.entry) == ("add_security_group", {"name": "web", "state": "started"})
    [port] = door.run().find()["web"]["ports"]
    assert port["security_groups"] == ["default", "web"]
    door.work()
    assert rows(door) == [["default", "web"]]
    assert [each[:2] for each in actions(door, made)][1:] == [(request.action, request.request_id)]
    remove(door, made, name)
    assert door.requests()["web"].action == "remove_security_group"
    door.work()
    assert groups(door, made) == ["default"]


def test_all_groups_may_go(door):
    made = door.launch()
    remove(door, made, "default")
    assert rows(door) == [[]]
    assert "security_groups" not in shown(door, made)
    door.work()
    assert groups(door, made) == []
    add(door, made, "default")
    assert groups(door, made) == ["default"]


def test_what_it_has_is_not_added_again(door):
    made = door.launch(security_groups=[{"name": "web"}])
    add(door, made, "web")
    add(door, made, WEB)
    assert (groups(door, made), door.requests()) == (["web"], {})


def test_all_interfaces_that_stay_get_a_group_and_no_sub_port(door):
    made = door.launch()
    port = plug(door, made, net_id=network(door))["port_id"]
    door.work()
    [first, second] = row(door).ports
    sub = {**second, "id": second["id"].replace("-", "", 1), "parent": second["id"], "vlan": 30}
    table = door.database.tables.instances
    with door.database.writing() as connection:
        connection.execute(table.update().values(ports=[first, second, sub]))
    unplug(door, made, first["id"])
    add(door, made, "web")
    told = {each["id"]: (each["security_groups"], each["leaving"]) for each in row(door).ports}
    assert told == {
        first["id"]: (None, True),
        port: (["default", "web"], False),
        sub["id"]: (None, False),
    }


def test_of_sub_ports_nothing_is_told(door):
    made = door.launch()
    [port] = row(door).ports
    sub = {**port, "id": port["id"].replace("-", "", 1), "parent": port["id"], "vlan": 30}
    table = door.database.tables.instances
    with door.database.writing() as connection:
        connection.execute(table.update().values(ports=[port, sub]))
    remove(door, made, "default")
    assert (rows(door), groups(door, made)) == ([[], None], [])


def test_a_group_that_only_some_interfaces_are_in_is_taken_from_these(door):
    made = door.launch(security_groups=[{"name": "web"}])
    plug(door, made, net_id=network(door))
    assert rows(door) == [["web"], None]
    remove(door, made, "web")
    assert rows(door) == [[], None]


def test_a_group_that_is_defined_no_more_can_be_taken_away(door):
    made = door.launch(security_groups=[{"name": "web"}])
    door.definitions["security_groups"] = {}
    door.write()
    assert "is not found for project p" in add(door, made, "web", status=404)
    remove(door, made, WEB)
    assert groups(door, made) == []


def test_what_is_not_there_is_not_taken_away(door):
    made = door.launch()
    assert "Security group nothing is not found for project p" in add(door, made, "nothing", status=404)
    assert "Security group nothing is not found for project p" in remove(door, made, "nothing", status=404)
    told = "Security group web not associated with the instance %s" % made
    assert told in remove(door, made, "web", status=404)
    add(door, identity("server", "none"), "web", status=404)
    assert door.requests() == {}


def test_without_interfaces_there_are_no_groups(door):
    made = door.launch()
    [port] = row(door).ports
    unplug(door, made, port["id"])
    assert "could not be found as device id on any ports" in add(door, made, "web", status=404)
    assert "could not be found as device id on any ports" in remove(door, made, "default", status=404)


@pytest.mark.parametrize("said", [{}, {"name": ""}, {"name": "  "}, {"name": 1}, {"name": "web", "x": 1}, None])
@pytest.mark.parametrize("action", ["addSecurityGroup", "removeSecurityGroup"])
def test_what_names_no_group(door, action, said):
    door.act(door.launch(), action, said=said, status=400)


def test_without_port_security_there_are_no_groups(doors):
    door = doors(networks={"private": {"cidr": "10.20.0.0/24", "port_security": False}})
    made = door.launch()
    assert "Network requires port_security_enabled" in add(door, made, "web", status=400)
    assert "not associated" in remove(door, made, "default", status=404)


@pytest.mark.parametrize("state", ["building", "stopping", "locked"])
def test_a_server_that_is_busy_keeps_its_groups(door, state):
    made = door.create()["server"]["id"] if state == "building" else door.launch()
    if state == "stopping":
        door.act(made, "os-stop")
    elif state == "locked":
        door.act(made, "lock")
        door.seen_by()
    add(door, made, "web", status=409)
    remove(door, made, "default", status=409)
    assert groups(door, made) == ["default"]


def test_who_only_looks_changes_no_groups(door):
    made = door.launch()
    reader = Identity("p", "u", roles=("reader",), policy=Permits().policy(""))
    door.client = falcon.testing.TestClient(made_app(door.settings, lambda _environ: reader))
    add(door, made, "web", status=403)
    remove(door, made, "default", status=403)


PORT = "11111111-0000-4000-8000-000000000001"
NEUTRON = [("g-default", "default"), ("g-web", "web"), ("g-twin-1", "twin"), ("g-twin-2", "twin")]


class Neutron:
    """What Neutron shows to who asks."""

    def __init__(self, door, **port):
        [known] = row(door).ports
        made = {"id": known["network_info"]["port_id"], "security_groups": ["g-default"], "port_security_enabled": True}
        self.port = {**made, **port}
        self.asked = []
        self.groups = NEUTRON
        known = Identity("p", "user", roles=("member", "reader"), policy=Permits().policy(""), look=self.look)
        door.client = falcon.testing.TestClient(made_app(door.settings, lambda _environ: known))

    def look(self, service, path):
        assert service == "network"
        kind, _mark, query = path.partition("?")
        self.asked.append((kind, parse_qs(query)))
        if kind == "ports":
            return {"ports": [self.port]}
        if kind == "security-groups" and self.groups is not None:
            return {"security_groups": [{"id": identity, "name": name} for identity, name in self.groups]}
        return None


@pytest.fixture
def launched(doors):
    """A server with a port of the user's own in Neutron, whose groups its row does not say."""
    door = doors(network_service="neutron")
    made = door.launch(networks=[{"port": PORT}])
    return door, made


@pytest.mark.parametrize(
    ("name", "has", "after"),
    [
        ("web", ["g-default"], ["default", "web"]),
        ("g-web", ["g-default"], ["default", "web"]),
        ("g-twin-2", [], ["g-twin-2"]),
        ("web", ["g-twin-1", "g-of-another"], ["g-twin-1", "g-of-another", "web"]),
        ("web", ["g-web"], None),
    ],
)
def test_a_port_of_neutron_keeps_the_groups_that_it_has(launched, name, has, after):
    door, made = launched
    neutron = Neutron(door, security_groups=has)
    add(door, made, name)
    assert rows(door) == [after]
    assert neutron.asked == [
        ("security-groups", {"fields": ["id", "name"], "project_id": ["p"]}),
        ("ports", {"fields": ["id", "security_groups", "port_security_enabled"], "device_id": [made]}),
    ]


def test_a_group_of_neutron_is_taken_away(launched):
    door, made = launched
    neutron = Neutron(door, security_groups=["g-default", "g-web"])
    assert "not associated" in remove(door, made, "g-twin-1", status=404)
    remove(door, made, "default")
    assert rows(door) == [["web"]]
    neutron.groups = NEUTRON[:1]
    remove(door, made, "web")  # which Neutron has no more
    assert rows(door) == [[]]


def test_neutrons_groups_have_its_ids(launched):
    door, made = launched
    Neutron(door, security_groups=["g-web", "g-twin-2", "g-of-another"])
    told = door.get("/servers/%s/os-security-groups" % made)["security_groups"]
    assert [(each["id"], each["name"]) for each in told] == [
        ("g-of-another", "g-of-another"), ("g-twin-2", "twin"), ("g-web", "web")]  # fmt: skip


def test_a_change_that_neutron_does_not_show_yet_is_not_lost(launched):
    door, made = launched
    Neutron(door)
    add(door, made, "web")
    add(door, made, "g-twin-1")
    assert rows(door) == [["default", "web", "g-twin-1"]]


def test_of_two_groups_of_one_name_the_id_tells(launched):
    door, made = launched
    neutron = Neutron(door)
    assert "give the id" in add(door, made, "twin", status=409)
    assert "is not found for project p" in add(door, made, "nothing", status=404)
    neutron.port["port_security_enabled"] = False
    assert "Network requires port_security_enabled" in add(door, made, "web", status=400)
    neutron.groups = None
    assert add(door, made, "web", status=503)
    assert rows(door) == [None]


def test_where_nobody_can_be_asked_groups_stay(launched):
    door, made = launched
    assert "without an identity service" in add(door, made, "web", status=409)
    assert "without an identity service" in remove(door, made, "default", status=409)
