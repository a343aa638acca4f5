# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules about ports, as tables."""

from __future__ import annotations

import uuid
from itertools import islice

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, InvalidRequest, NotFound
from ansible_collections.kvmstack.launch.plugins.module_utils.network import model as network
from ansible_collections.kvmstack.launch.plugins.module_utils.network import security
from ansible_collections.kvmstack.launch.plugins.module_utils.port import request
from ansible_collections.kvmstack.launch.plugins.module_utils.port.model import Current, plan
from ansible_collections.kvmstack.launch.plugins.module_utils.port.ovn import rows

MAC = "fa:16:3e:00:00:01"


def identity(name):
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def port(name="web", **said):
    """A port as the door hands it over: what is not said is None."""
    silent = dict.fromkeys(("host", "mac_address", "fixed_ip", "security_groups", "port_security"))
    return {
        "id": identity(name),
        "name": name,
        "instance_uuid": identity("instance " + name),
        "network": "private",
        **silent,
        **said,
    }


def wanted(*ports, networks=None, groups=None):
    networks = {"private": {"cidr": "10.20.0.0/24"}} if networks is None else networks
    return request.parse({"ports": list(ports), "networks": networks, "security_groups": groups or {}})


def private(**options):
    return wanted(port(), networks={"private": {"cidr": "10.20.0.0/24", **options}})[0].definitions.networks["private"]


def made(*ports, current=None, **definitions):
    """The ports as planned; an error is raised."""
    changes = plan(wanted(*ports, **definitions), current or Current(), "present")
    for change in changes:
        if change.error:
            raise change.error
    return [change.after for change in changes]


def there(*ports, **definitions):
    """What read() would give after these ports were made."""
    items = made(*ports, **definitions)
    held = {}
    for item in items:
        held.setdefault(item.network.name, {}).update({item.fixed_ip: item.id, item.mac_address: item.id})
    return Current(
        ports={item.id: item for item in items},
        networks={item.network.name: item.network for item in items},
        groups={group.name: group for item in items for group in item.security_groups},
        held=held,
    )


@pytest.mark.parametrize(
    ("options", "gateway", "server", "first"),
    [
        pytest.param({}, "10.20.0.1", "10.20.0.1", "10.20.0.2", id="the gateway is the first address, as in neutron"),
        pytest.param({"gateway": "10.20.0.9"}, "10.20.0.9", "10.20.0.9", "10.20.0.1", id="a gateway elsewhere"),
        pytest.param({"gateway": None}, None, "10.20.0.1", "10.20.0.2", id="no gateway: DHCP keeps the first address"),
        pytest.param({"gateway": None, "dhcp": False}, None, None, "10.20.0.1", id="neither gateway nor DHCP"),
        pytest.param(
            {"allocation_pool": {"start": "10.20.0.100", "end": "10.20.0.101"}},
            "10.20.0.1",
            "10.20.0.1",
            "10.20.0.100",
            id="a pool",
        ),
    ],
)
def test_network(options, gateway, server, first):
    defined = private(**options)
    assert (defined.gateway, defined.server, next(network.free_addresses(defined, {}))) == (gateway, server, first)
    assert network.read_network("private", defined.definition()) == defined


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cidr": "10.20.0.0"}, "no room"),
        ({"cidr": "10.20.0.5/24"}, "host bits"),
        ({"cidr": "10.20.0.0/31"}, "no room"),
        ({"cidr": "fd00::/64"}, "IPv6 is not supported yet"),
        ({"cidr": "private"}, "cidr 'private'"),
        ({"cidr": None}, "cidr"),
        ({"gateway": "10.21.0.1"}, "gateway 10.21.0.1 is outside 10.20.0.0/24"),
        ({"gateway": "10.20.0.255"}, "broadcast"),
        ({"dns": ["resolver"]}, "dns 'resolver'"),
        ({"mtu": 100}, "mtu 100"),
        ({"mtu": "big"}, "mtu"),
        ({"domain": 'x"\n evil'}, "domain"),
        ({"allocation_pool": {"start": "10.20.0.9", "end": "10.20.0.3"}}, "ends"),
        ({"allocation_pool": {"start": "10.20.0.9"}}, "end"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_network_is_refused(options, words):
    with pytest.raises(InvalidRequest, match="network private: ") as refused:
        private(**options)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"fixed_ip": "10.21.0.5"}, "outside"),
        ({"fixed_ip": "10.20.0.0"}, "network address"),
        ({"fixed_ip": "10.20.0.255"}, "broadcast address"),
        ({"fixed_ip": "10.20.0.1"}, "gateway"),
        ({"fixed_ip": "fifty"}, "not an IP address"),
        ({"mac_address": "01:00:5e:00:00:01"}, "mac_address"),
        ({"mac_address": "fa:16"}, "mac_address"),
        ({"id": "port-1"}, "UUID"),
        ({"instance_uuid": identity("x").upper()}, "lower case"),
        ({"name": "a\nb"}, "printable"),
        ({"host": "a b"}, "host"),
        ({"security_groups": ["web"], "port_security": False}, "port_security"),
    ],
)
def test_a_wrong_port_is_refused(said, words):
    with pytest.raises(InvalidRequest) as refused:
        wanted(port(), {**port("bad"), **said})
    assert words in str(refused.value)
    assert str(refused.value).startswith("port %s: " % said.get("name", "bad"))


def test_a_refusal_names_everything_that_is_wrong():
    with pytest.raises(InvalidRequest) as refused:
        wanted(port(fixed_ip="x"), port("b", mac_address="y"), networks={"private": {"cidr": "z"}}, groups={"web": 80})
    for words in ("port web: ", "port b: ", "network private: ", "security group web: "):
        assert words in str(refused.value)


def test_two_ports_cannot_ask_for_one_thing():
    twice = {"fixed_ip": "10.20.0.5", "mac_address": MAC}
    with pytest.raises(InvalidRequest) as refused:
        wanted(port(**twice), port("b", **twice), port("b"))
    for words in ("fixed_ip 10.20.0.5 on network private", "mac_address", "id "):
        assert "%s" % words in str(refused.value)


def test_addresses_are_the_lowest_free_ones_in_order():
    current = Current(held={"private": {"10.20.0.2": "foreign", "10.20.0.4": "foreign"}})
    items = made(port("a"), port("b"), port("c", fixed_ip="10.20.0.5"), port("d"), current=current)
    assert [item.fixed_ip for item in items] == ["10.20.0.3", "10.20.0.6", "10.20.0.5", "10.20.0.7"]


def test_a_plan_is_the_same_every_time():
    assert made(port("a"), port("b")) == made(port("a"), port("b"))


def test_a_mac_that_is_taken_is_derived_anew():
    first = made(port())[0].mac_address
    second = made(port(), current=Current(held={"private": {first: "foreign"}}))[0].mac_address
    assert first != second
    assert first.startswith("fa:16:3e:")
    assert second.startswith("fa:16:3e:")


def test_a_full_network_aborts_and_says_what_to_do():
    pool = {"private": {"cidr": "10.20.0.0/24", "allocation_pool": {"start": "10.20.0.8", "end": "10.20.0.9"}}}
    changes = plan(wanted(port("a"), port("b"), port("c"), networks=pool), Current(), "present")
    assert [change.error is None for change in changes] == [True, True, False]
    assert changes[2].error.abort
    for words in ("private", "10.20.0.0/24", "all 2 ", "10.20.0.8 to 10.20.0.9", "allocation_pool"):
        assert words in str(changes[2].error)


@pytest.mark.parametrize("what", [{"fixed_ip": "10.20.0.5"}, {"mac_address": MAC}])
def test_what_another_port_has_is_a_conflict_that_names_it(what):
    (word,) = what.values()
    current = Current(held={"private": {word: "0e991dc9"}})
    changes = plan(wanted(port("a", **what), port("b")), current, "present")
    assert isinstance(changes[0].error, Conflict)
    assert "0e991dc9" in str(changes[0].error)
    assert changes[1].after.fixed_ip == "10.20.0.2"


WEB = {"web": [{"protocol": "tcp", "port": 80}]}


@pytest.mark.parametrize(
    ("before", "after", "action"),
    [
        pytest.param({}, {}, "keep", id="nothing said, nothing changed"),
        pytest.param({"fixed_ip": "10.20.0.7", "mac_address": MAC}, {}, "keep", id="addresses left out are kept"),
        pytest.param({}, {"fixed_ip": "10.20.0.2"}, "keep", id="the address it has"),
        pytest.param({"host": "c1"}, {}, "keep", id="a host left out is kept"),
        pytest.param({"host": "c1"}, {"host": "c2"}, "update", id="another host"),
        pytest.param({}, {"security_groups": ["web"]}, "update", id="other groups"),
        pytest.param({"security_groups": ["web"]}, {}, "keep", id="groups left out are kept"),
        pytest.param({"security_groups": ["web"]}, {"security_groups": []}, "update", id="no groups"),
        pytest.param({"security_groups": ["web"]}, {"port_security": False}, "update", id="security off"),
    ],
)
def test_plan(before, after, action):
    current = there(port(**before), groups=WEB)
    (change,) = plan(wanted(port(**after), groups=WEB), current, "present")
    assert change.error is None
    assert change.action == action


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"fixed_ip": "10.20.0.9"}, "fixed_ip is 10.20.0.2 and cannot become 10.20.0.9"),
        ({"mac_address": MAC}, "mac_address is "),
        ({"network": "other"}, "on network private and cannot move to other"),
    ],
)
def test_what_cannot_change_is_a_conflict(said, words):
    networks = {"private": {"cidr": "10.20.0.0/24"}, "other": {"cidr": "10.20.0.0/24"}}
    (change,) = plan(wanted(port(**said), networks=networks), there(port()), "present")
    assert isinstance(change.error, Conflict)
    assert words in str(change.error)
    assert change.action == "keep"


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        ({}, "keep"),
        ({"mtu": 1400}, "update"),
        ({"dns": ["10.0.0.53"]}, "update"),
        ({"gateway": None}, "update"),
        ({"gateway": "10.20.0.2"}, "gateway's address 10.20.0.2 belongs to port"),
        ({"cidr": "10.20.0.0/16"}, "cannot become 10.20.0.0/16"),
    ],
)
def test_a_changed_network_changes_its_ports(options, outcome):
    networks = {"private": {"cidr": "10.20.0.0/24", **options}}
    (change,) = plan(wanted(port(), networks=networks), there(port()), "present")
    assert outcome in (str(change.error) if change.error else change.action)


def test_a_changed_rule_changes_the_ports_in_the_group():
    current = there(port("a", security_groups=["web"]), port("b"), groups=WEB)
    changed = {"web": [{"protocol": "tcp", "port": 81}]}
    changes = plan(wanted(port("a"), port("b"), groups=changed), current, "present")
    assert [change.action for change in changes] == ["update", "keep"]


def test_what_is_not_defined_is_taken_as_it_is_there():
    current = there(port(security_groups=["web"]), groups=WEB)
    (item,) = made(port("new", security_groups=["web"]), current=current, networks={})
    assert item.security_groups == current.ports[identity("web")].security_groups


@pytest.mark.parametrize(
    ("said", "definitions", "words"),
    [
        ({"security_groups": ["web", "nope"]}, {"groups": WEB}, "security group nope is neither"),
        ({"network": "nope"}, {}, "network nope is neither"),
    ],
)
def test_what_is_neither_defined_nor_there_fails_only_its_port(said, definitions, words):
    changes = plan(wanted(port("a", **said), port("b"), **definitions), Current(), "present")
    assert isinstance(changes[0].error, NotFound)
    assert words in str(changes[0].error)
    assert changes[1].pending


@pytest.mark.parametrize(
    ("current", "action"),
    [(there(port()), "delete"), (Current(), "keep"), (Current(ports={identity("web"): Conflict("foreign")}), None)],
)
def test_absent(current, action):
    (change,) = plan(wanted(port(), networks={}), current, "absent")
    assert change.error if action is None else change.action == action


@pytest.mark.parametrize(
    ("rule", "acl"),
    [
        ({}, "to-lport outport == @kvmstack_sg_web && ip4"),
        ({"direction": "egress"}, "from-lport inport == @kvmstack_sg_web && ip4"),
        ({"ethertype": "IPv6"}, "to-lport outport == @kvmstack_sg_web && ip6"),
        ({"protocol": "tcp", "port": 80}, "to-lport outport == @kvmstack_sg_web && ip4 && tcp && tcp.dst == 80"),
        (
            {"protocol": "UDP", "port": "8000-8100"},
            "to-lport outport == @kvmstack_sg_web && ip4 && udp && udp.dst >= 8000 && udp.dst <= 8100",
        ),
        ({"protocol": "icmp"}, "to-lport outport == @kvmstack_sg_web && ip4 && icmp4"),
        ({"protocol": "icmp", "ethertype": "IPv6"}, "to-lport outport == @kvmstack_sg_web && ip6 && icmp6"),
        ({"protocol": 6}, "to-lport outport == @kvmstack_sg_web && ip4 && tcp"),
        ({"protocol": "47"}, "to-lport outport == @kvmstack_sg_web && ip4 && ip.proto == 47"),
        ({"remote": "192.0.2.0/24"}, "to-lport outport == @kvmstack_sg_web && ip4 && ip4.src == 192.0.2.0/24"),
        ({"remote": "fd00::/8"}, "to-lport outport == @kvmstack_sg_web && ip6 && ip6.src == fd00::/8"),
        (
            {"remote": "my-db", "direction": "egress"},
            "from-lport inport == @kvmstack_sg_web && ip4 && ip4.dst == $kvmstack_sg_my_db_ip4",
        ),
    ],
)
def test_a_rule_is_an_acl(rule, acl):
    groups = {"web": [rule], "my-db": []}
    group = wanted(port(), groups=groups)[0].definitions.groups["web"]
    made_acls = ["%s %s" % (acl.direction, acl.match) for acl in rows.group_acls(group)]
    assert acl in made_acls
    assert security.read_group("web", group.definition()) == group


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"port": 80}, "needs a protocol with ports"),
        ({"protocol": "icmp", "port": 80}, "needs a protocol with ports"),
        ({"protocol": "tcp", "port": "80-20"}, "port '80-20'"),
        ({"protocol": "tcp", "port": "0"}, "port '0'"),
        ({"protocol": "tcp", "port": "70000"}, "port '70000'"),
        ({"protocol": "http"}, "protocol 'http'"),
        ({"protocol": "256"}, "protocol '256'"),
        ({"remote": "10.0.0.5/8"}, "host bits"),
        ({"remote": "192.0.2.0/24", "ethertype": "IPv6"}, "is not IPv6"),
        ({"remote": "nowhere"}, "neither a CIDR nor a defined group"),
        ({"remote": 'x" || 1'}, "remote"),
        ({"direction": "sideways"}, "sideways"),
        ({"color": 1}, "color"),
        ("tcp", "mapping"),
    ],
)
def test_a_wrong_rule_is_refused(rule, words):
    with pytest.raises(InvalidRequest, match="security group web: ") as refused:
        wanted(port(), groups={"web": [rule]})
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("rules", "open_egress"),
    [([], True), ([{"protocol": "tcp", "port": 80}], True), ([{"direction": "egress", "remote": "10.0.0.0/8"}], False)],
)
def test_everything_may_leave_unless_a_rule_speaks_of_leaving(rules, open_egress):
    group = wanted(port(), groups={"web": rules})[0].definitions.groups["web"]
    assert (set(security.EGRESS) <= set(group.rules)) is open_egress


def test_a_port_that_names_no_group_is_in_neutrons_default_one():
    (item,) = made(port())
    matches = {acl.match for acl in rows.group_acls(item.security_groups[0])}
    assert matches == {
        "inport == @kvmstack_sg_default && ip4",
        "inport == @kvmstack_sg_default && ip6",
        "outport == @kvmstack_sg_default && ip4 && ip4.src == $kvmstack_sg_default_ip4",
        "outport == @kvmstack_sg_default && ip6 && ip6.src == $kvmstack_sg_default_ip6",
    }


@pytest.mark.parametrize(
    ("said", "groups"),
    [
        ({}, {"kvmstack_drop", "kvmstack_sg_default"}),
        ({"security_groups": []}, {"kvmstack_drop"}),
        ({"port_security": False}, set()),
    ],
)
def test_the_default_deny_holds_for_every_port_with_security(said, groups):
    (item,) = made(port(**said))
    assert rows.port_groups(item) == groups


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("web", "kvmstack_sg_web"),
        ("my-db", "kvmstack_sg_my_db"),
        ("my_db", "kvmstack_sg_my._db"),
        ("a.b", "kvmstack_sg_a..b"),
    ],
)
def test_the_port_group_of_a_group_has_a_name_that_ovn_knows_and_no_other_group_has(group, name):
    assert rows.group_name(group) == name


def test_dhcp_options():
    row = rows.dhcp_columns(private(dns=["10.0.0.53", "10.0.0.54"], domain="lab.test"))
    mac = row["options"].pop("server_mac")
    assert mac == rows.dhcp_columns(private())["options"]["server_mac"]
    assert row["cidr"] == "10.20.0.0/24"
    assert row["options"] == {
        "server_id": "10.20.0.1",
        "router": "10.20.0.1",
        "lease_time": "43200",
        "mtu": "1442",
        "dns_server": "{10.0.0.53, 10.0.0.54}",
        "domain_name": '"lab.test"',
    }
    assert "router" not in rows.dhcp_columns(private(gateway=None))["options"]
    assert rows.dhcp_columns(private(dhcp=False)) is None


def test_giving_out_addresses_is_not_quadratic():
    taken = {"10.%d.%d.%d" % (n >> 16, n >> 8 & 255, n & 255): "x" for n in range(2, 50000)}
    large = wanted(port(), networks={"private": {"cidr": "10.0.0.0/8"}})[0].definitions.networks["private"]
    assert len(list(islice(network.free_addresses(large, taken), 10000))) == 10000
