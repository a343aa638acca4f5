# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Networks and security groups in a real northbound: only ovn-northd and the chassis are missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, LaunchError
from ansible_collections.kvmstack.launch.plugins.module_utils.network import definition, model, request
from ansible_collections.kvmstack.launch.plugins.module_utils.network.ovn import backend
from ansible_collections.kvmstack.launch.plugins.module_utils.port import model as port_model
from ansible_collections.kvmstack.launch.plugins.module_utils.port import request as port_request
from ansible_collections.kvmstack.launch.plugins.module_utils.port.ovn import backend as port_backend
from ansible_collections.kvmstack.launch.plugins.modules import network as door

LAN = {"cidr": "10.20.0.0/24"}
WEB = [{"protocol": "tcp", "port": 80}]
GROUP = {"kind": "security_group"}


def identity(name):
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


class Run:
    """What core.run does with a door's parameters.

    `meanwhile` is what another controller does when our transaction is complete but not sent.
    """

    def __init__(self, server, *wanted, networks=None, groups=None, state="present", meanwhile=None, project=None):
        params = {"ovn": {"northbound": server.endpoint}, "state": state, "wanted": list(wanted) or None}
        params["project_id"] = project
        params.update(networks=networks or {}, security_groups=groups or {})
        requests = request.parse(params)
        stage = backend.connect(params)
        self.changes = model.plan(requests, stage.read(requests), state)
        self.actions = [change.action for change in self.changes]
        if meanwhile:
            interrupt(stage, meanwhile)
        outcome = stage.apply([change for change in self.changes if change.pending])
        stage.link.close()
        ends = [outcome.get(change.key, change.error) for change in self.changes]
        self.errors = [end if isinstance(end, LaunchError) else None for end in ends]


def interrupt(stage, meanwhile):
    """Let `meanwhile` happen once, at the end of the next transaction's composition."""
    fill, happens = stage._fill, iter([meanwhile])

    def interrupted(txn, view, changes):
        fill(txn, view, changes)
        next(happens, lambda: None)()

    stage._fill = interrupted


def ports(server, *names, state="present", groups=("default",), project=None, networks=None):
    """The stage port on network a: errors by port."""
    items = [
        {"id": identity(name), "name": name, "instance_uuid": identity("i" + name), "network": "a"} for name in names
    ]
    params = {"ovn": {"northbound": server.endpoint}, "state": state}
    params["ports"] = [{**item, "security_groups": list(groups), "project_id": project} for item in items]
    params["networks"] = networks or {}
    requests = port_request.parse(params)
    stage = port_backend.connect(params)
    outcome = stage.apply(port_model.plan(requests, stage.read(requests), state))
    stage.link.close()
    return [outcome.get(each.key) for each in requests if isinstance(outcome.get(each.key), LaunchError)]


def find(server, **narrow):
    stage = backend.connect({"ovn": {"northbound": server.endpoint}})
    found = stage.find({"names": None, "kinds": None, **narrow})
    stage.link.close()
    return found


def names(server, table):
    return sorted(server.nbctl("--bare", "--columns=name", "list", table).split())


def test_first_second_and_changed_run(northbound):
    first = Run(northbound, networks={"a": LAN}, groups={"web": WEB})
    assert (first.actions, first.errors) == (["create"] * 3, [None] * 3)
    assert names(northbound, "Logical_Switch") == ["kvmstack-a"]
    assert names(northbound, "Port_Group") == ["kvmstack_sg_default", "kvmstack_sg_web"]
    before = northbound.dump()
    assert Run(northbound, networks={"a": LAN}, groups={"web": WEB}).actions == ["keep"] * 3
    assert northbound.dump() == before
    changed = Run(northbound, networks={"a": {**LAN, "mtu": 1400}}, groups={"web": []})
    assert changed.actions == ["update", "update", "keep"]
    assert Run(northbound, networks={"a": {**LAN, "mtu": 1400}}, groups={"web": []}).actions == ["keep"] * 3


def test_absent_takes_back_everything_of_ours_and_nothing_else(northbound):
    northbound.nbctl("ls-add", "other", "--", "pg-add", "others", "--", "dhcp-options-create", "10.9.0.0/24")
    northbound.nbctl("set", "nb_global", ".", "external_ids:kvmstack\\:generation=1")
    before = northbound.dump()
    Run(northbound, networks={"a": LAN}, groups={"web": [{"remote": "db"}], "db": [{"remote": "web"}]})
    wanted = [{"name": "a"}, *({"name": name, **GROUP} for name in ("default", "web", "db"))]
    assert Run(northbound, *wanted, state="absent").actions == ["delete"] * 4
    assert northbound.dump() == before.replace('generation"="1"', 'generation"="2"')
    assert Run(northbound, *wanted, state="absent").actions == ["keep"] * 4


def test_what_is_used_stays_and_says_by_whom(northbound):
    Run(northbound, networks={"a": LAN}, groups={"web": [{"remote": "db"}], "db": []})
    ports(northbound, "p1", "p2", "p3", "p4", "p5", groups=["web"])
    before = northbound.dump()
    wanted = [{"name": "a"}, {"name": "web", **GROUP}, {"name": "db", **GROUP}]
    run = Run(northbound, *wanted, state="absent")
    assert all(isinstance(error, Conflict) for error in run.errors)
    for error in run.errors[:2]:
        assert "2 more" in str(error)
        assert "p1" in str(error) or "p2" in str(error) or "p3" in str(error)
    assert "the rules of web" in str(run.errors[2])
    assert northbound.dump() == before


@pytest.mark.parametrize("keep", [True, False])
def test_a_network_goes_with_its_last_port_unless_it_is_kept(northbound, keep):
    wanted = [{"name": "a", "keep": keep}, {"name": "default", "keep": keep, **GROUP}]
    Run(northbound, *wanted, networks={"a": LAN})
    assert ports(northbound, "p1", "p2") == []
    ports(northbound, "p1", state="absent")
    assert names(northbound, "Logical_Switch") == ["kvmstack-a"]
    ports(northbound, "p2", state="absent")
    assert names(northbound, "Logical_Switch") == (["kvmstack-a"] if keep else [])
    assert names(northbound, "Port_Group") == (["kvmstack_sg_default"] if keep else [])


def test_what_is_kept_once_is_kept(northbound):
    for_launch = [{"name": "a", "keep": False}, {"name": "default", "keep": False, **GROUP}]
    Run(northbound, *for_launch, networks={"a": LAN})
    assert Run(northbound, networks={"a": LAN}).actions == ["update"] * 2
    assert Run(northbound, *for_launch, networks={"a": LAN}).actions == ["keep"] * 2
    ports(northbound, "p1")
    ports(northbound, "p1", state="absent")
    assert [item.name for item in find(northbound)] == ["a", "default"]


def test_a_kept_groups_remote_stays_with_it(northbound):
    groups = {"web": [{"remote": "db"}], "db": []}
    Run(northbound, {"name": "web", **GROUP}, {"name": "a"}, networks={"a": LAN}, groups=groups)
    assert names(northbound, "Port_Group") == ["kvmstack_sg_db", "kvmstack_sg_web"]
    ports(northbound, "p1", groups=["web"])
    ports(northbound, "p1", state="absent")
    assert names(northbound, "Port_Group") == ["kvmstack_sg_db", "kvmstack_sg_web"]
    northbound.nbctl("pg-del", "kvmstack_sg_db")
    assert Run(northbound, {"name": "web", **GROUP}, groups=groups).actions == ["update"]
    assert names(northbound, "Port_Group") == ["kvmstack_sg_db", "kvmstack_sg_web"]


def test_a_wrong_definition_stops_no_other(northbound):
    run = Run(northbound, networks={"bad": {"cidr": "x"}, "a": LAN}, groups={"worse": 1, "web": WEB})
    assert [error is None for error in run.errors] == [False, True, False, True, True]
    assert [item.name for item in find(northbound)] == ["a", "default", "web"]


def test_two_controllers_make_one_network(northbound):
    run = Run(northbound, networks={"a": LAN}, meanwhile=lambda: Run(northbound, networks={"a": {**LAN, "mtu": 1400}}))
    assert run.errors == [None, None]
    assert names(northbound, "Logical_Switch") == ["kvmstack-a"]
    assert names(northbound, "Port_Group") == ["kvmstack_sg_default"]
    assert [item.definition.mtu for item in find(northbound, kinds=["network"])] == [1442]


@pytest.mark.parametrize("kind", ["network", "security_group"])
def test_what_gets_a_port_while_it_is_removed_stays(northbound, kind):
    Run(northbound, networks={"a": LAN})
    wanted = {"name": "a"} if kind == "network" else {"name": "default", **GROUP}
    run = Run(northbound, wanted, state="absent", meanwhile=lambda: ports(northbound, "p1"))
    assert run.actions == ["delete"]
    assert isinstance(run.errors[0], Conflict)
    assert "p1" in str(run.errors[0])
    assert [item.name for item in find(northbound)] == ["a", "default"]


@pytest.mark.parametrize("foreign", ["ls-add kvmstack-a", "pg-add kvmstack_sg_web"])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_is_not_ours_is_a_conflict_and_stays(northbound, foreign, state):
    northbound.nbctl(*foreign.split())
    before = northbound.dump()
    table = {"name": "a"} if "ls-add" in foreign else {"name": "web", **GROUP}
    run = Run(northbound, table, networks={"a": LAN}, groups={"web": WEB}, state=state)
    assert isinstance(run.errors[0], Conflict)
    assert northbound.dump() == before


def test_the_gateway_cannot_become_a_ports_address(northbound):
    Run(northbound, networks={"a": LAN})
    ports(northbound, "p1")
    run = Run(northbound, {"name": "a"}, networks={"a": {**LAN, "gateway": "10.20.0.2"}})
    assert "gateway's address 10.20.0.2 belongs to port %s" % identity("p1") in str(run.errors[0])
    run = Run(northbound, {"name": "a"}, networks={"a": {"cidr": "10.20.0.0/16"}})
    assert "while it has ports (p1)" in str(run.errors[0])
    run = Run(northbound, {"name": "a"}, networks={"a": {**LAN, "gateway": "10.20.0.9"}})
    assert "has gateway 10.20.0.1, and its ports (p1) go out by it" in str(run.errors[0])


def test_network_info(northbound):
    Run(northbound, {"name": "a", "record_id": "r"}, {"name": "b"}, networks={"a": LAN, "b": LAN})
    Run(northbound, groups={"web": WEB})
    northbound.nbctl("ls-add", "kvmstack-foreign", "--", "pg-add", "foreign")
    assert [(item.kind, item.name) for item in find(northbound)] == [
        ("network", "a"),
        ("network", "b"),
        ("security_group", "default"),
        ("security_group", "web"),
    ]
    assert [item.name for item in find(northbound, names=["b", "web", "foreign"])] == ["b", "web"]
    assert [item.name for item in find(northbound, kinds=["network"])] == ["a", "b"]
    result = find(northbound, names=["a"])[0].to_result()
    assert (result["record_id"], result["keep"], result["gateway"]) == ("r", True, "10.20.0.1")


@pytest.mark.parametrize("keep", [True, False])
def test_a_group_is_used_by_ports_and_by_rules_of_what_stays(northbound, keep):
    groups = {"web": [{"remote": "db"}], "db": [{"remote": "web"}], "ssh": []}
    wanted = [{**GROUP, "name": name, "keep": keep and name == "web"} for name in groups]
    Run(northbound, *wanted, {"name": "a"}, {**GROUP, "name": "default"}, networks={"a": LAN}, groups=groups)

    def used():
        return {item.name for item in find(northbound, kinds=["security_group"]) if item.used}

    assert used() == ({"web", "db"} if keep else set())  # they speak of each other
    assert ports(northbound, "p1", groups=["web"]) == []
    assert used() == {"web", "db"}


PRIVATE = {"networks": {"a": LAN}, "groups": {"web": [{"remote": "db"}], "db": []}}
SHARED = {"networks": {"a": {**LAN, "shared": True}}}


def rows_without(server, *projects):
    """What there is in the tables of networks and groups, without the rows that say they are of these projects."""
    tables = {}
    for table in ("Logical_Switch", "DHCP_Options", "Port_Group"):
        told = json.loads(server.nbctl("--format=json", "list", table))
        found = [dict(zip(told["headings"], row)) for row in told["data"]]
        mine = [row for row in found if dict(row["external_ids"][1]).get("kvmstack:project") not in projects]
        mine = [row for row in mine if row.get("name") != "kvmstack_drop"]  # the default deny is one for all
        tables[table] = sorted(mine, key=str)
    return tables


def test_what_another_project_calls_alike_is_another_thing(northbound):
    """B's rules, router and DHCP are not A's, nor the default project's, which says nothing of itself."""
    for project in (None, "A"):
        Run(northbound, project=project, **PRIVATE)
        ports(northbound, "p%s" % project, groups=["web"], project=project)
    before = rows_without(northbound, "B")
    open_to_all = [{"remote": "0.0.0.0/0"}, {"remote": "db"}]
    theirs = {"networks": {"a": {"cidr": "10.66.0.0/24", "gateway": "10.66.0.66", "dns": ["10.66.0.53"]}}}
    groups = dict.fromkeys(("web", "db", "default"), open_to_all)
    run = Run(northbound, project="B", groups=groups, **theirs)
    assert (run.actions, run.errors) == (["create"] * 4, [None] * 4)
    assert ports(northbound, "pB", groups=["web"], project="B") == []
    assert rows_without(northbound, "B") == before
    assert Run(northbound, project="A", **PRIVATE).actions == ["keep"] * 4
    assert [(item.name, item.to_result()["project_id"]) for item in find(northbound, names=["a"])] == [
        ("a", "A"), ("a", "B"), ("a", "default"),
    ]  # fmt: skip
    assert [item.definition.gateway for item in find(northbound, project_id="B", names=["a"])] == ["10.66.0.66"]
    ports(northbound, "pB", groups=["web"], project="B", state="absent")
    wanted = [{"name": "a"}, *({"name": name, **GROUP} for name in groups)]
    assert Run(northbound, *wanted, project="B", state="absent").errors == [None] * 4
    assert rows_without(northbound) == before


def test_a_port_is_on_the_network_and_in_the_groups_of_its_project(northbound):
    for project in ("A", "B"):
        Run(northbound, project=project, **PRIVATE)
        ports(northbound, "p" + project, groups=["web"], project=project)
    told = json.loads(northbound.nbctl("--format=json", "--columns=name,ports", "list", "Logical_Switch"))["data"]
    assert sorted(name for name, members in told if members != ["set", []]) == ["kvmstack-a@A", "kvmstack-a@B"]
    [stranger] = ports(northbound, "pA", groups=["web"], project="B")
    assert "the port is on network a of project A and cannot move to a of project B" in str(stranger)


def test_a_shared_network_is_one_for_all_and_its_makers_to_change(northbound):
    Run(northbound, {"name": "a", "keep": False}, project="A", **SHARED)
    assert ports(northbound, "pA", project="A", groups=[], **SHARED) == []
    before = northbound.dump()
    assert Run(northbound, {"name": "a"}, project="B", **SHARED).actions == ["keep"]
    changed = {"networks": {"a": {**LAN, "shared": True, "mtu": 1400}}}
    run = Run(northbound, {"name": "a"}, project="B", **changed)
    assert "network a is shared by project A, and has mtu 1442, not 1400" in str(run.errors[0])
    assert "network a is shared by another project" in run.errors[0].public
    run = Run(northbound, {"name": "a"}, project="B", state="absent", **SHARED)
    assert "network a is project A's, which shares it" in str(run.errors[0])
    assert "network a is another project's, which shares it" in run.errors[0].public
    assert northbound.dump() == before
    assert ports(northbound, "pB", project="B", groups=[], **SHARED) == []
    told = json.loads(northbound.nbctl("--format=json", "--columns=addresses", "list", "Logical_Switch_Port"))["data"]
    assert sorted(row[0].split()[1] for row in told) == ["10.20.0.1", "10.20.0.2", "10.20.0.3"]  # the first: gateway
    assert Run(northbound, {"name": "a"}, project="B", networks={"a": LAN}).actions == ["create"]
    assert names(northbound, "Logical_Switch") == ["kvmstack-a@", "kvmstack-a@B"]
    assert Run(northbound, {"name": "a", "keep": False}, project="A", **changed).actions == ["update"]
    for project in ("A", "B"):
        ports(northbound, "p" + project, project=project, state="absent")
    assert names(northbound, "Logical_Switch") == ["kvmstack-a@B"]


def module(server, check=False, **options):
    """The door as a process: its return code and its result."""
    arguments = {"ovn": {"northbound": server.endpoint, "private_key": ""}, **options}
    arguments.update(_ansible_diff=True, _ansible_check_mode=check)
    done = subprocess.run(
        [sys.executable, "-m", door.__name__],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_the_door_as_a_process(northbound):
    before = northbound.dump()
    code, result = module(northbound, check=True, networks={"a": LAN})
    assert (code, result["changed"], northbound.dump()) == (0, True, before)
    code, result = module(northbound, networks={"a": LAN, "bad": {}})
    assert code == 1
    assert result["msg"].startswith("bad: network bad: ")
    assert [(each["name"], each["action"], each["failed"]) for each in result["networks"]] == [
        ("a", "create", False),
        ("bad", "keep", True),
        ("default", "create", False),
    ]
    assert "network a: cidr 10.20.0.0/24" in result["diff"][0]["after"]
    assert module(northbound, networks={"a": LAN})[1]["changed"] is False
    assert module(northbound, wanted=[{"name": "a"}], state="absent")[1]["changed"] is True


def test_neutrons_own_are_kept(northbound):
    code, result = module(northbound, service="neutron", wanted=[{"name": "a"}])
    assert (code, result["changed"], result["networks"][0]["action"]) == (0, False, "keep")
    code, result = module(northbound, service="neutron", wanted=[{"name": "a"}], state="absent")
    assert code == 1
    assert "openstack.cloud" in result["msg"]


def gateways(server):
    """The ports of gateways: type, addresses and the switch's name."""
    told = server.nbctl("--format=json", "--columns=name,type,addresses", "list", "Logical_Switch_Port")
    return [row for row in json.loads(told)["data"] if row[1] == "localport"]


def test_a_gateway_comes_changes_and_goes_with_the_word_of_it(northbound):
    mac = definition.Network("a", "10.20.0.0/24", "10.20.0.1", "", "").server_mac
    Run(northbound, networks={"a": LAN})
    [[name, _type, addresses]] = gateways(northbound)
    assert addresses == "%s 10.20.0.1" % mac
    assert ports(northbound, "p") == []
    assert Run(northbound, networks={"a": {**LAN, "router": "none"}}).actions == ["update", "keep"]
    assert gateways(northbound) == []
    assert Run(northbound, networks={"a": {**LAN, "gateway": "10.20.0.9"}}).actions == ["update", "keep"]
    assert gateways(northbound) == [[name, "localport", "%s 10.20.0.9" % mac]]
    assert Run(northbound, networks={"a": {**LAN, "gateway": "10.20.0.9"}}).actions == ["keep", "keep"]
    northbound.nbctl("set", "Logical_Switch_Port", name, "type=router")
    [item, _group] = find(northbound)
    assert not item.in_sync
    assert Run(northbound, networks={"a": {**LAN, "gateway": "10.20.0.9"}}).actions == ["update", "keep"]
    assert len(gateways(northbound)) == 1


def test_a_gateway_keeps_no_network(northbound):
    Run(northbound, {"name": "a", "keep": False}, networks={"a": LAN})
    assert ports(northbound, "p", groups=[]) == []
    assert ports(northbound, "p", state="absent", groups=[]) == []
    assert names(northbound, "Logical_Switch") == []
    Run(northbound, networks={"a": LAN})
    assert Run(northbound, {"name": "a"}, state="absent").actions == ["delete"]
    assert gateways(northbound) == []


POOL = {"start": "10.20.0.50", "end": "10.20.0.99"}
WIRE = {**LAN, "physical_network": "physnet1", "vlan": 100, "allocation_pool": POOL}


def wires(server):
    """The ports of wires as neutron's are: name, tag, options, addresses, and the switches that have them."""
    columns = "--columns=name,tag_request,options,addresses"
    told = json.loads(server.nbctl("--format=json", columns, "find", "Logical_Switch_Port", "type=localnet"))["data"]
    return [(name, tag, dict(options[1]), addresses) for name, tag, options, addresses in told]


def test_a_wire_comes_changes_and_goes_with_the_word_of_it(northbound):
    assert Run(northbound, networks={"a": WIRE}).actions == ["create", "create"]
    options = {"network_name": "physnet1", "mcast_flood": "false", "mcast_flood_reports": "true"}
    [(name, tag, told, addresses)] = wires(northbound)
    assert (tag, told, addresses) == (100, options, "unknown")
    assert name in northbound.nbctl("lsp-list", "kvmstack-a")
    assert gateways(northbound) == []
    before = northbound.dump()
    assert Run(northbound, networks={"a": WIRE}).actions == ["keep", "keep"]
    assert northbound.dump() == before
    [item, _group] = find(northbound)
    assert (item.to_result()["physical_network"], item.to_result()["vlan"], item.in_sync) == ("physnet1", 100, True)
    assert find(northbound, names=["a"])[0] == item
    assert Run(northbound, networks={"a": {**WIRE, "vlan": None}}).actions == ["update", "keep"]
    assert wires(northbound) == [(name, ["set", []], options, "unknown")]
    assert Run(northbound, networks={"a": LAN}).actions == ["update", "keep"]
    assert (wires(northbound), len(gateways(northbound))) == ([], 1)
    assert Run(northbound, networks={"a": WIRE}).actions == ["update", "keep"]
    assert (len(wires(northbound)), gateways(northbound)) == (1, [])
    assert Run(northbound, {"name": "a"}, state="absent").actions == ["delete"]
    assert wires(northbound) == []


@pytest.mark.parametrize(
    "broken", [["tag_request=7"], ["options:network_name=other"], ["type=''"], ["options:qos_min_rate=1"]]
)
def test_a_wire_that_someone_changed_is_mended(northbound, broken):
    Run(northbound, networks={"a": WIRE})
    [(name, *_known)] = before = wires(northbound)
    northbound.nbctl("set", "Logical_Switch_Port", name, *broken)
    assert Run(northbound, networks={"a": WIRE}).actions == ["update", "keep"]
    assert wires(northbound) == before


def test_a_wire_keeps_no_network_and_no_address(northbound):
    Run(northbound, {"name": "a", "keep": False}, networks={"a": WIRE})
    assert ports(northbound, "p", "q", groups=[]) == []
    addresses = northbound.nbctl("--bare", "--columns=addresses", "list", "Logical_Switch_Port")
    assert sorted(each.split()[-1] for each in addresses.split("\n") if each) == ["10.20.0.50", "10.20.0.51", "unknown"]
    run = Run(northbound, networks={"a": {**WIRE, "vlan": 101}})
    assert "cannot be on physnet1, vlan 101 while it has ports" in str(run.errors[0])
    assert ports(northbound, "p", "q", state="absent", groups=[]) == []
    assert (names(northbound, "Logical_Switch"), wires(northbound)) == ([], [])


def test_a_wire_of_someone_elses_is_left_alone(northbound):
    northbound.nbctl("ls-add", "other", "--", "lsp-add", "other", "theirs", "--", "lsp-set-type", "theirs", "localnet")
    northbound.nbctl("lsp-set-options", "theirs", "network_name=physnet1")
    before = [each for each in northbound.dump().split("\n") if "theirs" in each]
    Run(northbound, networks={"a": WIRE})
    Run(northbound, {"name": "a"}, state="absent")
    assert [each for each in northbound.dump().split("\n") if "theirs" in each] == before


def test_one_that_is_shared_goes_without_its_definition_and_not_the_projects_own(northbound):
    shared, own = {"name": "a", "shared": True}, {"name": "a", "shared": False}
    Run(northbound, {"name": "a"}, networks={"a": {**LAN, "shared": True}}, project="team/one")
    Run(northbound, {"name": "a"}, networks={"a": LAN}, project="team/one")
    assert len(find(northbound, kinds=["network"])) == 2
    assert Run(northbound, shared, own, project="team/one").actions == ["keep", "keep"]
    assert Run(northbound, shared, state="absent", project="team/one", networks={"a": LAN}).actions == ["delete"]
    assert names(northbound, "Logical_Switch") == ["kvmstack-a@team/one"]
    assert Run(northbound, shared, state="absent", project="team/one").actions == ["keep"]
    assert Run(northbound, own, state="absent", project="team/one").actions == ["delete"]


def test_what_two_projects_have_on_a_wire_they_share(northbound):
    """Each would give out the addresses that the other has given already."""
    assert Run(northbound, {"name": "a"}, networks={"a": WIRE}, project="one").errors == [None]
    before = northbound.dump()
    [error] = Run(northbound, {"name": "a"}, networks={"a": WIRE}, project="two").errors
    assert "network a of project one gives out 10.20.0.50 to 10.20.0.99 as well" in str(error)
    assert northbound.dump() == before
    assert Run(northbound, {"name": "a"}, networks={"a": {**WIRE, "vlan": 7}}, project="two").errors == [None]
    shared = {"networks": {"b": {**WIRE, "vlan": 8, "shared": True}}}
    assert [Run(northbound, {"name": "b"}, **shared, project=each).errors for each in ("one", "two")] == [[None]] * 2


@pytest.mark.parametrize("was", [None, {**WIRE, "vlan": 7}])
def test_a_network_that_comes_to_a_wire_meanwhile_is_seen(northbound, was):
    if was is not None:
        Run(northbound, {"name": "a"}, networks={"a": was}, project="one")
    other = [northbound, {"name": "a"}]
    meanwhile = {"meanwhile": lambda: Run(*other, networks={"a": WIRE}, project="one")}
    [error] = Run(*other, networks={"a": WIRE}, project="two", **meanwhile).errors
    assert isinstance(error, Conflict)
    assert len(wires(northbound)) == 1


@pytest.mark.parametrize(
    ("said", "router", "dns"),
    [
        pytest.param({}, "host", ["10.20.0.1"], id="out and names by default"),
        pytest.param({"router": "none"}, "none", [], id="no way out"),
        pytest.param({"router": None}, "host", ["10.20.0.1"], id="nothing said"),
        pytest.param({"gateway": ""}, "none", [], id="no gateway, no router"),
        pytest.param({"dns": ["192.0.2.53"]}, "host", ["192.0.2.53"], id="servers of the user's"),
        pytest.param({"dns": []}, "host", [], id="no server"),
    ],
)
def test_who_routes(said, router, dns):
    [network, _group] = request.parse({"networks": {"a": {**LAN, **said}}})
    assert (network.definition.router, list(network.definition.dns)) == (router, dns)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"router": "host", "gateway": ""}, "router: host needs a gateway"),
        (
            {"router": "main"},
            "router main is neither host nor none, nor the name of a router that is defined (there is",
        ),
    ],
)
def test_a_router_that_makes_no_sense(said, told):
    [network, _group] = request.parse({"networks": {"a": {**LAN, **said}}, "routers": {}})
    assert told in str(network.fault)


LATER = '{"cidr": "10.20.0.0/24", "of_a_later_release": true}'


@pytest.mark.parametrize("said", ["{", "[{}]", "5", LATER])
@pytest.mark.parametrize("table", ["logical_switch", "port_group"])
def test_what_a_later_release_or_somebody_has_written_is_told_and_stays(northbound, table, said):
    defined = {"networks": {"a": LAN, "b": LAN}, "groups": {"a": WEB, "b": WEB}}
    names = [{"name": name, **({} if table == "logical_switch" else GROUP)} for name in "ab"]
    row = "kvmstack-a" if table == "logical_switch" else "kvmstack_sg_a"
    Run(northbound, *names, **defined)
    northbound.nbctl("set", table, row, "external_ids:kvmstack\\:definition=" + json.dumps(said))
    before = northbound.dump()
    run = Run(northbound, *names, **defined)
    assert (isinstance(run.errors[0], Conflict), run.errors[1], northbound.dump()) == (True, None, before)
    assert "%s says in its external_ids kvmstack:* cannot be read" % row in str(run.errors[0])
