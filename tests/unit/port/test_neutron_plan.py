# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules about neutron's ports, as tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, InvalidRequest, NotFound
from ansible_collections.kvmstack.launch.plugins.module_utils.port import model, request
from ansible_collections.kvmstack.launch.plugins.module_utils.port.item import ADDED, ASKED, Pair
from ansible_collections.kvmstack.launch.plugins.module_utils.port.neutron import rows
from ansible_collections.kvmstack.launch.plugins.module_utils.port.neutron.floating import Floating, held_by
from ansible_collections.kvmstack.launch.plugins.module_utils.port.neutron.item import (
    Current,
    Group,
    Network,
    Port,
    Subnet,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.port.neutron.model import plan, user_asks
from ansible_collections.kvmstack.launch.tests.unit.port.fake_neutron import identity

MAC = "fa:16:3e:00:00:01"
LAN = Subnet("s1", "10.20.0.0/24", "10.20.0.1", ("192.0.2.53",))
PRIVATE = Network(identity("private"), "private", own=True, mtu=1442, subnets=(LAN,))
SHARED = Network("n2", "shared", shared=True, subnets=(Subnet("s2", "10.30.0.0/24"), Subnet("s3", "fd00::/64")))
NETWORKS = (
    PRIVATE,
    SHARED,
    Network("n3", "external", subnets=(LAN,)),
    Network("n4", "empty", own=True),
    Network("n5", "twin", own=True, subnets=(LAN,)),
    Network("n6", "twin", own=True, subnets=(LAN,)),
    Network("n7", "open", own=True, port_security=False, subnets=(LAN,)),
)
DEFAULT, WEB, OTHER = Group("g1", "default"), Group("g2", "web"), Group("g3", "web2")
PUBLIC, SECOND = Network("x1", "public"), Network("x2", "second")
MINE = Port(
    identity("web"), "web", identity("instance web"), PRIVATE, "c1", MAC, "10.20.0.5", (DEFAULT,), True, port_id="p1"
)
LENT = replace(MINE, adopted=True, port_id="p2")
OFFERED = replace(LENT, id="", name="my-port", device="", host=None, marked=False, project_id="p")
FREE, TAKEN = Floating("x1", "f1", "192.0.2.7"), Floating("x1", "f2", "192.0.2.8", port_id="p9")


def asked(name="web", **said):
    """A port as the door hands it over."""
    item = {"id": identity(name), "name": name, "instance_uuid": identity("instance " + name), **said}
    return {"network": None if "port" in said else "private", **item}


def wanted(*ports, state="present"):
    return request.parse({"service": "neutron", "ports": list(ports), "state": state})


def there(*ports, **fields):
    ours = {port.id: port for port in ports}
    groups = (DEFAULT, WEB, OTHER)
    return Current(**{"project_id": "p", "ports": ours, "networks": NETWORKS, "groups": groups, **fields})


def planned(said, current=None, state="present"):
    (change,) = plan(wanted(said, state=state), current or there(), state)
    return change


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"network": None}, "either the network"),
        ({"network": "private", "port": "mine"}, "either the network"),
        ({"allowed_address_pairs": [{"ip_address": "ten"}]}, "allowed_address_pairs"),
        ({"allowed_address_pairs": [{"ip_address": "10.0.0.1", "mac_address": "x"}]}, "mac_address"),
        ({"allowed_address_pairs": [{"ip_address": "10.0.0.1"}], "port_security": False}, "port_security"),
        ({"security_groups": ["web"], "port_security": False}, "port_security"),
        ({"floating_ip": 7}, "7 is not a text"),
        ({"host": "a b"}, "host"),
    ],
)
def test_a_wrong_port_is_refused(said, words):
    bad, good = wanted(asked(**said), asked("good"))
    assert isinstance(bad.fault, InvalidRequest)
    assert words in str(bad.fault)
    assert good.fault is None
    changes = plan([bad, good], there(), "present")
    assert [change.error for change in changes] == [bad.fault, None]


@pytest.mark.parametrize("what", [{"port": "mine"}, {"floating_ip": "192.0.2.7"}])
def test_two_ports_cannot_ask_for_one_thing(what):
    first, second = wanted(asked(**what), asked("b", **what))
    assert first.fault is None
    assert "port web asks for it too" in str(second.fault)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"qos": {"max_kbps": 1000}}, "qos needs service: ovn; give the port or its network a QoS policy"),
        ({"fixed_ips": ["10.0.0.5", "10.0.0.6"]}, "fixed_ips needs service: ovn; make the port in neutron"),
    ],
)
def test_it_says_what_needs_ovn(said, words):
    good, refused = wanted(asked("b", qos={}), asked(**said))
    assert good.fault is None
    assert words in str(refused.fault)


def test_ovn_says_what_needs_neutron():
    item = {**asked(port="mine"), "network": "private"}
    (refused,) = request.parse({"ports": [item], "networks": {}, "security_groups": {}})
    assert "needs service: neutron" in str(refused.fault)


def test_ovn_needs_a_network():
    (refused,) = request.parse({"ports": [asked(network=None)], "networks": {}, "security_groups": {}})
    assert "say the network" in str(refused.fault)


@pytest.mark.parametrize(
    ("said", "floating"),
    [(True, True), ("True", True), ("false", False), (False, False), ("", None), (None, None), ("public", "public")],
)
def test_jinja_makes_texts_of_what_is_none(said, floating):
    (item,) = wanted(asked(floating_ip=said))
    assert item.floating_ip is floating or item.floating_ip == floating


@pytest.mark.parametrize(
    ("said", "pair"),
    [
        ({"ip_address": "10.0.0.5"}, Pair("10.0.0.5")),
        ({"ip_address": "10.0.0.5/32", "mac_address": MAC.upper()}, Pair("10.0.0.5", MAC)),
        ({"ip_address": "10.0.0.5/24"}, Pair("10.0.0.0/24")),
        ({"ip_address": "fd00:0::1"}, Pair("fd00::1")),
    ],
)
def test_an_address_pair_has_one_form(said, pair):
    (item,) = wanted(asked(allowed_address_pairs=[said, dict(said)]))
    assert item.allowed_address_pairs == (pair,)


def test_a_new_port():
    change = planned(asked(host="c1"))
    assert change.action == "create"
    result = change.after.to_result()
    assert result["mac_address"].startswith("fa:16:3e:")
    told = {"network": "private", "host": "c1", "security_groups": ["default"], "port_security": True, "mtu": 1442}
    told.update(fixed_ip=None, port_id=None, tap=None, status=None, up=False, adopted=False, port=None)
    told.update(cidr="10.20.0.0/24", gateway="10.20.0.1", dns=["192.0.2.53"], dhcp=True, floating_ip_address=None)
    assert {name: result[name] for name in told} == told


def test_the_mac_address_of_a_port_is_the_same_at_every_run():
    assert planned(asked()).after.mac_address == planned(asked()).after.mac_address
    assert planned(asked()).after.mac_address != planned(asked("b")).after.mac_address


@pytest.mark.parametrize(
    ("said", "user"),
    [
        ({"network": "private", "fixed_ip": "10.20.0.9", "port_security": False}, False),
        ({"network": "shared"}, False),
        ({"network": "shared", "security_groups": ["web"]}, False),
        ({"network": "shared", "mac_address": MAC}, True),
        ({"network": "shared", "fixed_ip": "10.30.0.9"}, True),
        ({"network": "shared", "port_security": True}, True),
        ({"network": "shared", "allowed_address_pairs": []}, True),
    ],
)
def test_what_only_a_networks_owner_may_say_the_user_says(said, user):
    change = planned(asked(**said))
    assert user_asks(change.wanted, change.after.network) is user
    if user and "mac_address" not in said:
        assert change.after.mac_address is None


@pytest.mark.parametrize(
    ("network", "error", "words"),
    [
        ("nope", NotFound, "network nope: "),
        ("twin", Conflict, "give the id, one of n5, n6"),
        ("external", Conflict, "neither this project's nor shared"),
        ("empty", InvalidRequest, "has no subnet"),
    ],
)
def test_a_network_that_cannot_be_used_fails_only_its_port(network, error, words):
    bad, good = plan(wanted(asked(network=network), asked("b", network="n6")), there(), "present")
    assert isinstance(bad.error, error)
    assert bad.error.abort
    assert words in str(bad.error)
    assert good.action == "create"


@pytest.mark.parametrize(
    ("before", "said", "action"),
    [
        pytest.param(MINE, {}, "keep", id="nothing said, nothing changed"),
        pytest.param(MINE, {"network": PRIVATE.id}, "keep", id="the network by its id"),
        pytest.param(MINE, {"fixed_ip": "10.20.0.5", "mac_address": MAC.upper()}, "keep", id="the addresses it has"),
        pytest.param(MINE, {"host": "c1"}, "keep", id="the host it is on"),
        pytest.param(MINE, {"host": "c2"}, "update", id="another host"),
        pytest.param(replace(MINE, bound=False), {"host": "c1"}, "update", id="a binding that failed is tried again"),
        pytest.param(replace(MINE, device=""), {}, "update", id="a port that was detached"),
        pytest.param(replace(MINE, name="x"), {}, "update", id="another name"),
        pytest.param(MINE, {"security_groups": ["default"]}, "keep", id="the group it is in"),
        pytest.param(MINE, {"security_groups": ["g1"]}, "keep", id="the group by its id"),
        pytest.param(MINE, {"security_groups": ["web", "default"]}, "update", id="another group"),
        pytest.param(MINE, {"security_groups": []}, "update", id="no group"),
        pytest.param(replace(MINE, security_groups=()), {}, "keep", id="no group, and none mentioned"),
        pytest.param(MINE, {"port_security": False}, "update", id="security off"),
        pytest.param(MINE, {"allowed_address_pairs": []}, "keep", id="no pairs, as before"),
        pytest.param(MINE, {"allowed_address_pairs": [{"ip_address": "10.0.0.9"}]}, "update", id="a pair"),
        pytest.param(
            replace(MINE, allowed_address_pairs=(Pair("10.0.0.9"),)),
            {"allowed_address_pairs": [{"ip_address": "10.0.0.9", "mac_address": MAC}]},
            "keep",
            id="a pair with the port's own MAC address said",
        ),
        pytest.param(replace(MINE, allowed_address_pairs=(Pair("10.0.0.9"),)), {}, "keep", id="pairs left out"),
        pytest.param(LENT, {"network": None, "port": "gone"}, "keep", id="a lent port that was renamed"),
    ],
)
def test_plan(before, said, action):
    change = planned({**asked(), **said}, there(before))
    assert change.error is None
    assert change.action == action


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"fixed_ip": "10.20.0.9"}, "fixed_ip is 10.20.0.5 and cannot become 10.20.0.9"),
        ({"mac_address": "fa:16:3e:00:00:09"}, "mac_address is "),
        ({"network": "shared"}, "on network private and cannot move to shared"),
        ({"security_groups": ["nope"]}, "security group nope: "),
    ],
)
def test_what_cannot_change_is_an_error(said, words):
    change = planned(asked(**said), there(MINE))
    assert words in str(change.error)
    assert change.error.abort
    assert change.action == "keep"


def test_security_off_takes_groups_and_pairs_along_and_security_on_gives_the_default():
    paired = replace(MINE, allowed_address_pairs=(Pair("10.0.0.9"),))
    off = planned(asked(port_security=False), there(paired)).after
    assert (off.security_groups, off.allowed_address_pairs) == ((), ())
    assert planned(asked(port_security=True), there(off)).after.security_groups == (DEFAULT,)
    assert planned(asked(network="open")).after.security_groups == ()
    assert planned(asked(network="open", port_security=True)).after.security_groups == (DEFAULT,)
    error = planned(asked(network="open", security_groups=["web"])).error
    assert "without port security" in str(error)


@pytest.mark.parametrize(
    ("before", "state", "outcome"),
    [
        pytest.param(MINE, "absent", "delete", id="ours"),
        pytest.param(LENT, "absent", "delete", id="lent to us"),
        pytest.param(None, "absent", "keep", id="nothing"),
        pytest.param(replace(MINE, device=""), "absent", "delete", id="ours, detached"),
        pytest.param(replace(MINE, device="theirs"), "absent", "belongs to device theirs", id="another device's"),
        pytest.param(replace(MINE, device="theirs"), "present", "belongs to device theirs", id="theirs by now"),
    ],
)
def test_what_is_not_ours_is_not_touched(before, state, outcome):
    change = planned(asked(network=None if state == "absent" else "private"), there(*filter(None, [before])), state)
    assert outcome in (str(change.error) if change.error else change.action)


@pytest.mark.parametrize(
    ("offered", "outcome"),
    [
        pytest.param([OFFERED], "update", id="free"),
        pytest.param([replace(OFFERED, device=identity("instance web"))], "update", id="this instance's already"),
        pytest.param([], "port my-port: ", id="not there"),
        pytest.param([OFFERED, replace(OFFERED, port_id="p3")], "give the id, one of p2, p3", id="two of that name"),
        pytest.param([replace(OFFERED, project_id="q")], "belongs to project q", id="another project's"),
        pytest.param([replace(OFFERED, device="d", owner="o")], "in use by d (o)", id="in use"),
        pytest.param([replace(OFFERED, owner="network:dhcp")], "in use by no device", id="the network's own"),
        pytest.param([replace(OFFERED, id=identity("b"))], "is the launcher's", id="made here for another"),
    ],
)
def test_a_port_of_the_users(offered, outcome):
    change = planned(asked(port="my-port", host="c1"), there(offered=tuple(offered)))
    assert outcome in (str(change.error) if change.error else change.action)
    assert change.error is None or "project q" not in change.error.public
    if change.error is None:
        assert (change.after.adopted, change.after.port_id, change.after.host) == (True, "p2", "c1")
        assert change.after.security_groups == OFFERED.security_groups
        assert change.after.to_result()["port"] == "p2"


def test_one_port_of_the_users_is_lent_once():
    both = [asked(port="my-port"), asked("b", port="p2")]
    changes = plan(wanted(*both), there(offered=(OFFERED,)), "present")
    assert changes[0].error is None
    assert "p2 is asked for by another port" in str(changes[1].error)


def test_a_lent_port_is_not_exchanged():
    other = replace(OFFERED, port_id="p5", name="other")
    error = planned(asked(port="other"), there(LENT, offered=(other,))).error
    assert "has port p2 and cannot change to other" in str(error)


OURS = Floating("x1", "f3", "192.0.2.9", identity("web"))


@pytest.mark.parametrize(
    ("before", "said", "outcome"),
    [
        pytest.param(None, None, None, id="nothing said"),
        pytest.param(OURS, None, OURS, id="left as it is"),
        pytest.param(OURS, False, None, id="none"),
        pytest.param(FREE, True, FREE, id="any will do"),
        pytest.param(None, True, Floating("x1", ours=identity("web")), id="a new one of the only network"),
        pytest.param(None, "public", Floating("x1", ours=identity("web")), id="a new one of a network by name"),
        pytest.param(None, "x1", Floating("x1", ours=identity("web")), id="a new one of a network by id"),
        pytest.param(FREE, "public", FREE, id="one of that network already"),
        pytest.param(None, "192.0.2.7", FREE, id="the project's, by address"),
        pytest.param(OURS, "f1", FREE, id="the project's, by id, in place of another"),
        pytest.param(TAKEN, "192.0.2.8", TAKEN, id="the one it has"),
        pytest.param(None, "192.0.2.8", "192.0.2.8 belongs to port p9", id="another port's"),
        pytest.param(None, "192.0.2.99", "floating_ip 192.0.2.99: neither", id="not the project's"),
        pytest.param(None, "nowhere", "floating_ip nowhere: neither", id="nothing of that name"),
    ],
)
def test_floating_ip(before, said, outcome):
    current = there(replace(MINE, floating=before), externals=(PUBLIC,), floatings=(FREE, TAKEN))
    change = planned(asked(floating_ip=said), current)
    assert str(outcome) in str(change.error) if change.error else change.after.floating == outcome
    if not change.error:
        assert change.action == ("keep" if before == outcome else "update")


@pytest.mark.parametrize(
    ("externals", "words"), [((), "no external network"), ((PUBLIC, SECOND), "name one: public (x1), second (x2)")]
)
def test_the_only_external_network_must_be_one(externals, words):
    error = planned(asked(floating_ip=True), there(externals=externals)).error
    assert words in str(error)
    assert error.abort


def test_a_floating_ip_that_was_made_before_is_used():
    current = there(externals=(PUBLIC, SECOND), floatings=(replace(OURS, port_id=None),))
    assert planned(asked(floating_ip="public"), current).after.floating.id == "f3"
    assert planned(asked(floating_ip="second"), current).after.floating.id is None


def test_of_several_floating_ips_a_port_has_that_is_ours():
    held = [replace(FREE, port_id="p1"), replace(OURS, port_id="p1"), TAKEN]
    assert held_by("p1", held).id == "f3"
    assert held_by("p1", held[:1]).id == "f1"
    assert held_by(None, [FREE]) is None


def test_results_have_the_same_fields_whatever_the_service():
    (ovn,) = request.parse({"ports": [asked()], "networks": {"private": {"cidr": "10.20.0.0/24"}}})
    (change,) = model.plan([ovn], model.Current(), "present")
    results = [change.after.to_result(), ovn.to_result(), MINE.to_result(), planned(asked()).wanted.to_result()]
    assert {frozenset(result) for result in results} == {frozenset(ASKED + ADDED)}
    assert (results[0]["port_id"], results[0]["status"]) == (ovn.id, "DOWN")
    assert results[0]["tap"] == "kvt" + ovn.id[:11]


ROW = {
    "id": "0e991dc9-0757-52de-86e1-25bfde01721f",
    "name": "web",
    "project_id": "p",
    "network_id": PRIVATE.id,
    "device_id": "",
    "device_owner": "",
    "mac_address": MAC,
    "fixed_ips": [{"ip_address": "fd00::5"}, {"ip_address": "10.20.0.5"}],
    "status": "DOWN",
    "security_groups": ["g2", "g1", "gone"],
    "allowed_address_pairs": [{"ip_address": "10.0.0.9", "mac_address": MAC}],
    "binding:host_id": "c1",
    "binding:vif_type": "ovs",
}


def row_port(**fields):
    return rows.port({**ROW, **fields}, {PRIVATE.id: PRIVATE}, {"g1": DEFAULT, "g2": WEB}, [])


def test_a_row_is_a_port():
    port = row_port(description="kvmstack:" + identity("web"))
    assert (port.id, port.adopted, port.marked, port.bound) == (identity("web"), False, True, True)
    assert (port.fixed_ip, port.allowed_address_pairs) == ("10.20.0.5", (Pair("10.0.0.9"),))
    assert [group.name for group in port.security_groups] == ["default", "gone", "web"]
    result = port.to_result()
    assert (result["tap"], result["status"], result["up"]) == ("kvt0e991dc9-07", "DOWN", False)
    assert row_port(status="ACTIVE").to_result()["up"] is True


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"tags": ["a", "kvmstack:" + identity("web")]}, (identity("web"), True, True, True)),
        ({"description": "kvmstack: is nice"}, ("", True, False, True)),
        ({"binding:vif_type": "binding_failed"}, ("", True, False, False)),
        ({"binding:vif_type": "unbound"}, ("", True, False, False)),
        ({"binding:vif_type": "unbound", "binding:host_id": ""}, ("", True, False, True)),
    ],
)
def test_what_a_row_says_of_itself(fields, told):
    port = row_port(**fields)
    assert (port.id, port.adopted, port.marked, port.bound) == told


def test_what_a_new_port_is_made_of():
    change = planned(asked(host="c1", availability_zone="north", fixed_ip="10.20.0.9", security_groups=["web"]))
    body = rows.creation(change.wanted, change.after, by_user=False)
    assert body == {
        "name": "web",
        "description": "kvmstack:" + identity("web"),
        "network_id": PRIVATE.id,
        "project_id": "p",
        "device_id": identity("instance web"),
        "device_owner": "compute:north",
        "binding:host_id": "c1",
        "mac_address": change.after.mac_address,
        "fixed_ips": [{"ip_address": "10.20.0.9"}],
        "security_groups": ["g2"],
    }
    unbound = rows.creation(change.wanted, change.after, by_user=True)
    assert set(body) - set(unbound) == {"project_id", "binding:host_id"}
    silent = planned(asked(port_security=False))
    body = rows.creation(silent.wanted, silent.after, by_user=False)
    assert body["port_security_enabled"] is False
    assert not {"security_groups", "fixed_ips", "binding:host_id"} & set(body)


@pytest.mark.parametrize(
    ("project", "roles", "own"), [("p", (), True), ("q", (), False), ("q", ("member", "admin"), True)]
)
def test_whose_a_network_is(project, roles, own):
    row = {"id": "n", "name": "n", "project_id": project, "dns_domain": "lab.test."}
    made = rows.network(row, [], "p", roles)
    assert (made.own, made.domain, made.port_security) == (own, "lab.test", True)
