# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules about networks and security groups, as tables."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, InvalidRequest, NotFound
from ansible_collections.kvmstack.launch.plugins.module_utils.network import (
    definition,
    fixed_ips,
    model,
    request,
    security,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.network.model import Current, Item, key_of, plan
from ansible_collections.kvmstack.launch.plugins.module_utils.network.names import DEFAULT_PROJECT, Name, name_in
from ansible_collections.kvmstack.launch.plugins.module_utils.network.ovn import rows

LAN = {"cidr": "10.20.0.0/24"}
WEB = [{"protocol": "tcp", "port": 80}]
WANTED = {"kind": "network", "name": "private"}
# What is said beside the cidr of a network on a wire.
WIRE = {"physical_network": "physnet1", "allocation_pool": {"start": "10.20.0.50", "end": "10.20.0.99"}}


def private(**options):
    network = request.definitions({"networks": {"private": {**LAN, **options}}}).networks["private"]
    if isinstance(network, InvalidRequest):
        raise network
    return network


def group(rules, name="web", **others):
    made = request.definitions({"security_groups": {name: rules, **others}}).groups[name]
    if isinstance(made, InvalidRequest):
        raise made
    return made


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
    assert (defined.gateway, defined.server, next(fixed_ips.free_addresses(defined, {}))) == (gateway, server, first)
    assert definition.read_network("private", DEFAULT_PROJECT, defined.definition()) == defined


@pytest.mark.parametrize(
    ("options", "gateway", "dns"),
    [
        pytest.param({}, "fd00:20::1", ("10.20.0.1", "fd00:20::1"), id="the host is its first address, and answers"),
        pytest.param({"dns": ["192.0.2.53"]}, "fd00:20::1", ("192.0.2.53",), id="who answers for names is said"),
        pytest.param({"router": "none"}, None, (), id="nobody announces a router"),
        pytest.param(
            {"ipv6_cidr": "FD00:0020:0::/64"}, "fd00:20::1", ("10.20.0.1", "fd00:20::1"), id="another spelling"
        ),
    ],
)
def test_a_network_of_both_families(options, gateway, dns):
    defined = private(**{"ipv6_cidr": "fd00:20::/64", **options})
    assert (defined.ipv6_cidr, defined.ipv6_gateway, defined.dns) == ("fd00:20::/64", gateway, dns)
    assert definition.read_network("private", DEFAULT_PROJECT, defined.definition()) == defined
    [wanted] = request.parse({"networks": {"private": {**LAN, "ipv6_cidr": "fd00:20::/64"}}, "wanted": [WANTED]})
    assert wanted.to_result()["ipv6_cidr"] == "fd00:20::/64"


@pytest.mark.parametrize(
    ("options", "known"),
    [
        pytest.param(
            {}, {"router": "host", "ipv6_gateway": "fd00:20::1", "dns": ("fd00:20::1",)}, id="its hosts are its router"
        ),
        pytest.param({"dhcp": "no"}, {"router": "host", "dhcp": False}, id="without the DHCP that it has not"),
        pytest.param({"gateway": ""}, {"router": "none", "ipv6_gateway": None, "dns": ()}, id="no gateway"),
        pytest.param({"router": "none"}, {"router": "none", "ipv6_gateway": None, "dns": ()}, id="no router"),
        pytest.param({"router": "main"}, {"router": "main", "ipv6_gateway": "fd00:20::1", "dns": ()}, id="a router"),
        pytest.param(
            {"physical_network": "physnet1", "ipv6_gateway": "FD00:20::0:1"},
            {"router": "none", "ipv6_gateway": "fd00:20::1", "mtu": 1500},
            id="on a wire, whose addresses nobody gives out",
        ),
        pytest.param(
            {"physical_network": "physnet1", "ipv6_gateway": "FE80::1"},
            {"router": "none", "ipv6_gateway": "fe80::1"},
            id="on a wire whose router is known by the link",
        ),
    ],
)
def test_a_network_of_ipv6_alone(options, known):
    defined = private(cidr=None, ipv6_cidr="fd00:20::/64", **options)
    assert {key: getattr(defined, key) for key in known} == known
    assert (defined.cidr, defined.gateway, defined.server, defined.dhcp) == (None, None, None, False)
    assert definition.read_network("private", DEFAULT_PROJECT, defined.definition()) == defined
    assert rows.dhcp_columns(defined) is None
    if defined.router == "host":
        assert rows.gateway_columns(defined)["addresses"] == [defined.server_mac + " fd00:20::1"]
    told = model.describe(defined)
    assert (told["cidr"], told["allocation_pool"], told["ipv6_gateway"]) == (None, None, defined.ipv6_gateway)
    with pytest.raises(InvalidRequest, match="fixed_ip 10.20.0.5 is IPv4, and network private has no cidr"):
        fixed_ips.check_fixed_ip(defined, "10.20.0.5")


@pytest.mark.parametrize(
    ("options", "known"),
    [
        pytest.param({}, {"gateway": "10.20.0.1", "mtu": 1500, "router": "none", "vlan": None}, id="untagged"),
        pytest.param({"vlan": "100"}, {"vlan": 100}, id="tagged, as the command line says it"),
        pytest.param({"vlan": None, "gateway": ""}, {"vlan": None, "gateway": None}, id="no gateway"),
        pytest.param({"mtu": 9000, "dns": ["192.0.2.53"]}, {"mtu": 9000, "dns": ("192.0.2.53",)}, id="large frames"),
        pytest.param({"router": "none"}, {"router": "none"}, id="the router's word"),
    ],
)
def test_a_network_on_a_wire(options, known):
    defined = private(**WIRE, **options)
    assert {key: getattr(defined, key) for key in known} == known
    assert (defined.physical_network, defined.dns) == ("physnet1", known.get("dns", ()))
    assert defined.gateway_port is None
    assert defined.localnet_port.startswith("provnet-")
    assert definition.read_network("private", DEFAULT_PROJECT, defined.definition()) == defined
    assert next(fixed_ips.free_addresses(defined, {"10.20.0.50"})) == "10.20.0.51"


def test_a_network_on_no_wire_is_written_as_before():
    defined = private(physical_network="", allocation_pool=WIRE["allocation_pool"])
    assert (defined.physical_network, defined.localnet_port, defined.mtu, defined.router) == (None, None, 1442, "host")
    assert not {"physical_network", "vlan"} & set(json.loads(defined.definition()))
    assert rows.localnet_columns(defined) is None


@pytest.mark.parametrize(
    ("address", "refused"),
    [("10.20.0.50", False), ("10.20.0.99", False), ("10.20.0.49", True), ("10.20.0.100", True)],
)
def test_a_fixed_ip_on_a_wire_is_of_its_pool(address, refused):
    fixed_ips.check_fixed_ip(private(allocation_pool=WIRE["allocation_pool"]), address)
    fixed_ips.check_fixed_ip(private(**WIRE, ipv6_cidr="fd00:20::/64"), "fd00:20::5")
    if not refused:
        fixed_ips.check_fixed_ip(private(**WIRE), address)
        return
    with pytest.raises(InvalidRequest, match="outside the allocation_pool of network private, 10.20.0.50 to 10.20.0."):
        fixed_ips.check_fixed_ip(private(**WIRE), address)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        pytest.param(WIRE, WIRE, None, id="as it is"),
        pytest.param(
            {**WIRE, "vlan": 100}, WIRE, "is on physnet1, vlan 100 and cannot be on physnet1, unta", id="vlan"
        ),
        pytest.param(
            WIRE, {**WIRE, "vlan": 7}, "is on physnet1, untagged and cannot be on physnet1, vlan 7", id="tags"
        ),
        pytest.param(WIRE, {**WIRE, "physical_network": "two"}, "cannot be on two, untagged while", id="another wire"),
        pytest.param(WIRE, {}, "cannot be on no physical_network while it has ports (a)", id="none any more"),
        pytest.param({}, WIRE, "is on no physical_network and cannot be on physnet1, untagged", id="it comes"),
    ],
)
def test_a_wire_is_changed_without_ports_only(before, after, words):
    wanted = request.parse({"networks": {"private": {**LAN, **after}}, "wanted": [WANTED]})
    key = key_of("network", private().full_name)
    [change] = plan(wanted, Current({key: Item(private(**before), ports=("a",))}), "present")
    assert (change.error is None) if words is None else (words in str(change.error))
    [change] = plan(wanted, Current({key: Item(private(**before))}), "present")
    assert (change.error, change.action) == (None, "keep" if words is None else "update")


def pool(start, end):
    return {"start": "10.20.0.%d" % start, "end": "10.20.0.%d" % end}


@pytest.mark.parametrize(
    ("other", "wanted", "before", "refused"),
    [
        pytest.param({}, {}, None, True, id="the same"),
        pytest.param({"allocation_pool": pool(99, 120)}, {}, None, True, id="one address"),
        pytest.param({"allocation_pool": pool(100, 120)}, {}, None, False, id="beside it"),
        pytest.param({"vlan": 7}, {}, None, False, id="another vlan"),
        pytest.param({"physical_network": "two"}, {}, None, False, id="another wire"),
        pytest.param({}, {"shared": True}, None, True, id="shared beside one that is not"),
        pytest.param({}, {}, {}, False, id="both there from of old"),
        pytest.param({}, {"allocation_pool": pool(60, 70)}, {}, False, id="narrower than of old"),
        pytest.param({}, {}, {"allocation_pool": pool(40, 60)}, True, id="wider than it was"),
        pytest.param({}, {}, {"vlan": 7}, True, id="it comes from another vlan"),
        pytest.param({"cidr": None, "allocation_pool": None, "ipv6_cidr": "fd00::/64"}, {}, None, False, id="of IPv6"),
    ],
)
def test_no_two_networks_give_out_the_same_addresses_on_a_wire(other, wanted, before, refused):
    theirs = replace(private(**{**WIRE, **other}), project_id="a")
    requests = request.parse({"networks": {"private": {**LAN, **WIRE, **wanted}}, "wanted": [WANTED]})
    items = {} if before is None else {requests[0].key: Item(private(**{**WIRE, **before}))}
    [change] = plan(requests, Current(items, on_wires={theirs.full_name: theirs}), "present")
    assert isinstance(change.error, Conflict) == refused
    if refused:
        assert "is on physnet1, untagged, where network private of project a gives out 10.20.0." in str(change.error)
        assert "shared: true" in str(change.error)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"shared": True}, "network private is not defined as shared"),
        ({"kind": "security_group", "name": "web", "shared": True}, "security group web is its project's own"),
        ({"shared": False}, None),
        ({"kind": "security_group", "name": "web", "shared": False}, None),
        ({}, None),
    ],
)
def test_what_is_asked_for_as_shared_is_defined_so(asked, words):
    params = {"networks": {"private": LAN}, "security_groups": {"web": WEB}, "wanted": [{**WANTED, **asked}]}
    [wanted] = request.parse(params)
    assert (wanted.fault is None) if words is None else (words in str(wanted.fault))


def test_nor_do_two_of_one_request():
    asked = {"one": {**LAN, **WIRE}, "two": {**LAN, **WIRE}}
    wanted = [{**WANTED, "name": name} for name in asked]
    one, two = plan(request.parse({"networks": asked, "wanted": wanted}), Current(), "present")
    assert (one.error, type(two.error)) == (None, Conflict)


def test_a_network_without_ipv6_is_written_as_before():
    assert "ipv6" not in private().definition()
    assert private(ipv6_cidr="") == private(ipv6_cidr=None) == private()


@pytest.mark.parametrize(
    ("mac", "address"),
    [
        # neutron's own example (oslo_utils.netutils.get_ipv6_addr_by_EUI64), and both values of the universal bit.
        ("00:16:3e:33:44:55", "fd00:20::216:3eff:fe33:4455"),
        ("fa:16:3e:00:02:01", "fd00:20::f816:3eff:fe00:201"),
        ("02:00:00:00:00:01", "fd00:20::ff:fe00:1"),
    ],
)
def test_the_address_that_a_guest_gives_itself(mac, address):
    defined = private(ipv6_cidr="fd00:20::/64")
    assert defined.slaac_ip(mac) == address
    assert private().slaac_ip(mac) is defined.slaac_ip(None) is None
    fixed_ips.check_fixed_ip(defined, address)
    fixed_ips.check_fixed_ip(defined, address, mac)
    with pytest.raises(InvalidRequest, match="network private has no ipv6_cidr"):
        fixed_ips.check_fixed_ip(private(), address, mac)
    with pytest.raises(InvalidRequest, match="fixed_ip fd00:21::1 is outside fd00:20::/64"):
        fixed_ips.check_fixed_ip(defined, "fd00:21::1")
    with pytest.raises(
        InvalidRequest, match="follows from its MAC address .EUI-64.: with %s it is %s;" % (mac, address)
    ):
        fixed_ips.check_fixed_ip(defined, "fd00:20::5", mac)


@pytest.mark.parametrize(
    ("before", "after", "ports", "refused"),
    [
        pytest.param(None, "fd00:20::/64", ("a",), False, id="it may come while there are ports"),
        pytest.param("fd00:20::/64", "fd00:20::/64", ("a",), False, id="as it is"),
        pytest.param("fd00:20::/64", "fd00:21::/64", ("a",), True, id="another one"),
        pytest.param("fd00:20::/64", None, ("a",), True, id="none any more"),
        pytest.param("fd00:20::/64", None, (), False, id="none any more, without ports"),
    ],
)
def test_an_ipv6_cidr_comes_and_stays(before, after, ports, refused):
    wanted = request.parse({"networks": {"private": {**LAN, "ipv6_cidr": after}}, "wanted": [WANTED]})
    key = key_of("network", private().full_name)
    [change] = plan(wanted, Current({key: Item(private(ipv6_cidr=before), ports=ports)}), "present")
    assert isinstance(change.error, Conflict) == refused
    assert not refused or "has ipv6_cidr fd00:20::/64" in str(change.error)


def test_the_default_group_is_of_both_families():
    acls = {acl.match for acl in rows.group_acls(security.DEFAULT)}
    assert {"inport == @kvmstack_sg_default && ip%d" % family for family in (4, 6)} < acls
    inward = "outport == @kvmstack_sg_default && ip%d && ip%d.src == $kvmstack_sg_default_ip%d"
    assert {inward % (family, family, family) for family in (4, 6)} < acls
    assert any(acl.action == "allow-related" for acl in rows.drop_acls())


def test_what_was_made_before_projects_had_their_own_is_the_default_projects():
    """It says of no project that it is its, and is not written anew for that."""
    ids = rows.network_ids(Item(private(), keep=False))
    assert set(ids) == {"kvmstack:network", "kvmstack:definition", "kvmstack:keep"}
    assert "shared" not in ids["kvmstack:definition"]
    assert set(rows.group_ids(Item(group(WEB)))) == {"kvmstack:security_group", "kvmstack:definition", "kvmstack:keep"}
    assert rows.project_of(ids) == DEFAULT_PROJECT
    assert rows.switch_name(private().full_name) == "kvmstack-private"
    assert private(shared=True).full_name == Name("", "private")


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ({"mtu": "1400", "dhcp": "no", "port_security": "false"}, {"mtu": 1400, "dhcp": False, "port_security": False}),
        ({"mtu": None, "dhcp": None, "dns": None, "domain": None, "allocation_pool": None}, {}),
        ({"gateway": ""}, {"gateway": None}),
        ({"gateway": False}, {"gateway": None}),
    ],
)
def test_a_network_from_the_command_line(options, meant):
    assert private(**options) == private(**meant)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cidr": "10.20.0.0"}, "no room"),
        ({"cidr": "10.20.0.5/24"}, "host bits"),
        ({"cidr": "10.20.0.0/31"}, "no room"),
        ({"cidr": "fd00::/64"}, "cidr fd00::/64 is IPv6: write it as ipv6_cidr, beside a cidr of IPv4 or alone"),
        ({"ipv6_cidr": "fd00:20::/56"}, "ipv6_cidr fd00:20::/56 is not an IPv6 /64"),
        ({"ipv6_cidr": "10.20.0.0/24"}, "ipv6_cidr 10.20.0.0/24 is not an IPv6 /64"),
        ({"ipv6_cidr": "fd00:20::1/64"}, "host bits set; write it like fd00:20::/64"),
        ({"ipv6_cidr": "fe80::/64"}, "ipv6_cidr fe80::/64 is not for networks of machines"),
        ({"ipv6_cidr": "ff05::/64"}, "ipv6_cidr ff05::/64 is not for networks of machines"),
        ({"ipv6_cidr": "::/64"}, "ipv6_cidr ::/64 is not for networks of machines"),
        ({"ipv6_cidr": 64}, "ipv6_cidr: 64 is not a text"),
        ({"ipv6_cidr": "fd00:20::/64", "mtu": 1279}, "mtu 1279 is too small for IPv6"),
        ({"cidr": "private"}, "cidr 'private'"),
        ({"cidr": None}, "it has neither a cidr, like 10.20.0.0/24, nor an ipv6_cidr, like fd00:20::/64: say one"),
        ({"cidr": "", "ipv6_cidr": "fd00:20::/48"}, "ipv6_cidr fd00:20::/48 is not an IPv6 /64"),
        (
            {"cidr": None, "ipv6_cidr": "fd00:20::/64", "dhcp": True},
            "dhcp is of a cidr, and it has none: on IPv6 alone",
        ),
        ({"cidr": None, "ipv6_cidr": "fd00:20::/64", "gateway": "fd00:20::9"}, "gateway is of a cidr"),
        ({**WIRE, "cidr": None, "ipv6_cidr": "fd00:20::/64"}, "allocation_pool is of a cidr"),
        ({"cidr": None, "ipv6_cidr": "fd00:20::/64", "gateway": "", "router": "main"}, "router: main needs a gateway"),
        ({"ipv6_cidr": "fd00:20::/64", "ipv6_gateway": "fd00:20::9"}, "ipv6_gateway 'fd00:20::9' is the router of a w"),
        ({**WIRE, "ipv6_gateway": "fd00:20::9"}, "ipv6_gateway 'fd00:20::9' is the router of a wire: it goes with"),
        (
            {**WIRE, "ipv6_cidr": "fd00:20::/64", "ipv6_gateway": "fd00:21::1"},
            "fd00:21::1 is no machine's in fd00:20::",
        ),
        (
            {**WIRE, "ipv6_cidr": "fd00:20::/64", "ipv6_gateway": "fe80::"},
            "fe80:: is no machine's in fd00:20::/64, nor",
        ),
        ({**WIRE, "ipv6_cidr": "fd00:20::/64", "ipv6_gateway": "169.254.0.1"}, "169.254.0.1 is no machine's in fd00:2"),
        ({**WIRE, "ipv6_cidr": "fd00:20::/64", "ipv6_gateway": "cat"}, "ipv6_gateway 'cat' is not an IP address"),
        ({"gateway": "10.21.0.1"}, "gateway 10.21.0.1 is outside 10.20.0.0/24"),
        ({"gateway": "10.20.0.255"}, "broadcast"),
        ({"dns": ["resolver"]}, "dns 'resolver'"),
        ({"mtu": 100}, "mtu 100"),
        ({"mtu": "big"}, "mtu: 'big' is not a whole number"),
        ({"mtu": float("inf")}, "mtu: inf is not a whole number"),
        ({"dhcp": "perhaps"}, "dhcp: 'perhaps' is not true or false"),
        ({"dns": "192.0.2.53"}, "dns: '192.0.2.53' is not a list"),
        ({"dns": [53]}, "dns: 53 is not a text: put it in quotes"),
        ({"allocation_pool": True}, "allocation_pool: True is not a mapping"),
        ({"allocation_pool": {"start": "10.20.0.9", "end": None}}, "allocation_pool: end: None is not a text"),
        ({"gateway": 0}, "gateway: 0 is not a text"),
        ({"cidr": 10.2}, "cidr: 10.2 is not a text: put it in quotes"),
        ({"domain": "x" * 9000}, "domain 'xxx"),
        ({"domain": 'x"\n evil'}, "domain"),
        ({"allocation_pool": {"start": "10.20.0.9", "end": "10.20.0.3"}}, "ends"),
        ({"allocation_pool": {"start": "10.20.0.9"}}, "end"),
        ({"colour": "red"}, "colour"),
        ({"vlan": 100}, "vlan 100 is of a wire: say its physical_network"),
        (
            {"physical_network": "physnet1"},
            "physical_network physnet1 has other machines' addresses too: say in an all",
        ),
        ({**WIRE, "physical_network": "one,two"}, "physical_network name 'one,two': use 1 to 63 letters"),
        ({**WIRE, "physical_network": "one:br-ex"}, "physical_network name 'one:br-ex'"),
        ({**WIRE, "physical_network": 1}, "physical_network: 1 is not a text"),
        ({**WIRE, "vlan": 0}, "vlan: 0 is less than 1"),
        ({**WIRE, "vlan": "4095"}, "vlan: 4095 is more than 4094"),
        ({**WIRE, "vlan": True}, "vlan: True is not a whole number"),
        ({**WIRE, "router": "host"}, "router: host is not for physical_network physnet1"),
        ({**WIRE, "gateway": "10.20.0.60"}, "gateway 10.20.0.60 is within the allocation_pool, 10.20.0.50 to 10.20.0."),
        (
            {**WIRE, "allocation_pool": {"start": "10.20.0.9", "end": "10.21.0.9"}},
            "allocation_pool.end 10.21.0.9 is ou",
        ),
    ],
)
def test_a_wrong_network_is_refused(options, words):
    with pytest.raises(InvalidRequest, match="network private: ") as refused:
        private(**options)
    assert words in str(refused.value)


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
        ({"protocol": "58"}, "to-lport outport == @kvmstack_sg_web && ip6 && icmp6"),
        ({"protocol": "ipv6-icmp"}, "to-lport outport == @kvmstack_sg_web && ip6 && icmp6"),
        (
            {"protocol": "ICMPv6", "icmp_type": "128"},
            "to-lport outport == @kvmstack_sg_web && ip6 && icmp6 && icmp6.type == 128",
        ),
        (
            {"protocol": "icmp", "icmp_type": 3, "icmp_code": 0},
            "to-lport outport == @kvmstack_sg_web && ip4 && icmp4 && icmp4.type == 3 && icmp4.code == 0",
        ),
        (
            {"protocol": "icmp", "icmp_type": 0},
            "to-lport outport == @kvmstack_sg_web && ip4 && icmp4 && icmp4.type == 0",
        ),
        ({"protocol": "vrrp"}, "to-lport outport == @kvmstack_sg_web && ip4 && ip.proto == 112"),
        ({"protocol": "ipv6-frag"}, "to-lport outport == @kvmstack_sg_web && ip6 && ip.proto == 44"),
        ({"protocol": 6}, "to-lport outport == @kvmstack_sg_web && ip4 && tcp"),
        ({"protocol": "47"}, "to-lport outport == @kvmstack_sg_web && ip4 && ip.proto == 47"),
        ({"protocol": "047"}, "to-lport outport == @kvmstack_sg_web && ip4 && ip.proto == 47"),
        ({"protocol": "058"}, "to-lport outport == @kvmstack_sg_web && ip6 && icmp6"),
        ({"remote": "192.0.2.0/24"}, "to-lport outport == @kvmstack_sg_web && ip4 && ip4.src == 192.0.2.0/24"),
        ({"remote": "fd00::/8"}, "to-lport outport == @kvmstack_sg_web && ip6 && ip6.src == fd00::/8"),
        (
            {"remote": "my-db", "direction": "egress"},
            "from-lport inport == @kvmstack_sg_web && ip4 && ip4.dst == $kvmstack_sg_my_db_ip4",
        ),
    ],
)
def test_a_rule_is_an_acl(rule, acl):
    made = group([rule], **{"my-db": []})
    assert acl in ["%s %s" % (acl.direction, acl.match) for acl in rows.group_acls(made)]
    assert security.read_group(name_in(None, "web"), made.definition()) == made


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"port": 80}, "needs a protocol with ports"),
        ({"protocol": "icmp", "port": 80}, "port '80': icmp has icmp_type and icmp_code"),
        ({"protocol": "icmp", "icmp_code": 0}, "icmp_code 0 needs an icmp_type"),
        ({"protocol": "icmp", "icmp_type": 256}, "icmp_type: 256 is more than 255"),
        ({"protocol": "icmp", "icmp_type": "echo"}, "icmp_type: 'echo' is not a whole number"),
        ({"protocol": "tcp", "icmp_type": 8}, "go with the protocols icmp and ipv6-icmp alone"),
        ({"icmp_type": 8}, "go with the protocols icmp and ipv6-icmp alone"),
        ({"protocol": "vrrp", "port": 80}, "needs a protocol with ports"),
        ({"protocol": "ipv6-icmp", "ethertype": "IPv4"}, "protocol ipv6-icmp is of IPv6 alone"),
        ({"protocol": "icmpv6", "remote": "10.0.0.0/8"}, "protocol icmpv6 is of IPv6 alone"),
        ({"protocol": "²"}, "protocol '²'"),
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
        group([rule])
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"protocol": "icmp", "icmp_type": 8, "icmp_code": 0}, "ingress IPv4 icmp type 8 code 0"),
        ({"protocol": "icmp", "icmp_type": 8}, "ingress IPv4 icmp type 8"),
        ({"protocol": 112}, "ingress IPv4 vrrp"),
        ({"protocol": 58}, "ingress IPv6 icmp"),
        ({"protocol": "tcp", "port": "80-90", "remote": "10.0.0.0/8"}, "ingress IPv4 tcp 80-90 10.0.0.0/8"),
        ({"protocol": 200, "remote": "web"}, "ingress IPv4 200 group web"),
    ],
)
def test_a_rule_in_words(rule, words):
    assert group([rule]).rules[0].words() == words


@pytest.mark.parametrize(
    ("rules", "open_egress"),
    [([], True), ([{"protocol": "tcp", "port": 80}], True), ([{"direction": "egress", "remote": "10.0.0.0/8"}], False)],
)
def test_everything_may_leave_unless_a_rule_speaks_of_leaving(rules, open_egress):
    assert (set(security.EGRESS) <= set(group(rules).rules)) is open_egress


@pytest.mark.parametrize(
    ("security_group", "name"),
    [
        ("web", "kvmstack_sg_web"),
        ("my-db", "kvmstack_sg_my_db"),
        ("my_db", "kvmstack_sg_my._db"),
        ("a.b", "kvmstack_sg_a..b"),
        (Name("p", "web"), "kvmstack_sg_web.p148de9c5a7a44d19"),
    ],
)
def test_the_port_group_of_a_group_has_a_name_that_ovn_knows_and_no_other_group_has(security_group, name):
    full_name = security_group if isinstance(security_group, Name) else name_in(None, security_group)
    assert rows.group_name(full_name) == name


NAMES = st.builds(
    Name, st.sampled_from(["default", "", "p", "p/q", "p@q", "default@p", "-"]) | st.text("ap./@-_ä", max_size=4),
    st.from_regex(r"[ap][ap._-]{0,4}", fullmatch=True),
)  # fmt: skip


@given(NAMES, NAMES)
def test_what_two_projects_call_alike_has_no_name_in_common(one, other):
    """Whatever a project and a network are called: identity is never two names joined by what may be in them."""
    for called in (rows.switch_name, rows.group_name, partial(key_of, "network")):
        assert (called(one) == called(other)) == (one == other)
    assert re.fullmatch(r"[A-Za-z_.][A-Za-z0-9_.]*", rows.group_name(one))


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
    large = private(cidr="10.0.0.0/8")
    assert len(list(islice(fixed_ips.free_addresses(large, taken), 10000))) == 10000


def test_the_default_group_is_neutrons():
    assert {acl.match for acl in rows.group_acls(security.DEFAULT)} == {
        "inport == @kvmstack_sg_default && ip4",
        "inport == @kvmstack_sg_default && ip6",
        "outport == @kvmstack_sg_default && ip4 && ip4.src == $kvmstack_sg_default_ip4",
        "outport == @kvmstack_sg_default && ip6 && ip6.src == $kvmstack_sg_default_ip6",
    }


def test_dhcp_tells_of_resolvers_of_its_own_family():
    row = rows.dhcp_columns(private(dns=["10.0.0.53", "2001:db8::53"]))
    assert row["options"]["dns_server"] == "{10.0.0.53}"


SCOPED = ("::1%a", "fe80::1%x || ip4", "10.20.0.1%a")


@pytest.mark.parametrize("text", SCOPED)
@pytest.mark.parametrize("key", ["cidr", "gateway", "dns", "start", "end", "remote"])
def test_what_follows_a_percent_sign_reaches_no_row(key, text):
    """Python gives a scope back as it came; OVN would read it, or answer nobody's DHCP."""
    pool = {"start": "10.20.0.5", "end": "10.20.0.9"}
    options = {"allocation_pool": {**pool, key: text}} if key in pool else {key: [text] if key == "dns" else text}
    defined = {"networks": {"a": {"cidr": "10.20.0.0/24", **options}}}
    if key == "remote":
        defined = {"security_groups": {"a": [{"remote": text}]}}
    fault = request.parse(defined)[0].fault
    assert "%s %r: an address with a scope" % (key if key not in pool else "allocation_pool." + key, text) in str(fault)


def asked(*wanted, networks=None, groups=None, state="present"):
    params = {"networks": networks or {}, "security_groups": groups or {}, "state": state}
    return request.parse({**params, "wanted": list(wanted) or None})


def item(definition, **fields):
    return Item(definition, **fields)


def current(*items, **held):
    held = {name_in(None, name): words for name, words in held.items()}
    return Current({key_of(each.kind, each.definition.full_name): each for each in items}, held)


@pytest.mark.parametrize(
    ("wanted", "state", "keys"),
    [
        pytest.param(
            [], "present", ["network/a", "security_group/web", "security_group/default"], id="all that there is"
        ),
        pytest.param(
            [], "absent", ["network/a", "security_group/web"], id="the default group goes only if it is named"
        ),
        pytest.param([{"name": "a"}], "present", ["network/a"], id="a network"),
        pytest.param([{"name": "web", "kind": "security_group"}], "present", ["security_group/web"], id="a group"),
    ],
)
def test_what_is_asked_for(wanted, state, keys):
    assert [each.key for each in asked(*wanted, networks={"a": LAN}, groups={"web": WEB}, state=state)] == keys


@pytest.mark.parametrize(
    ("groups", "faulty"),
    [
        pytest.param({"a": [], "b": 80}, ["b"], id="its own alone"),
        pytest.param({"a": [{"remote": "b"}], "b": 80}, ["a", "b"], id="a group that speaks of a wrong one"),
        pytest.param(
            {"a": [{"remote": "b"}], "b": [{"remote": "c"}], "c": 1, "d": []}, ["a", "b", "c"], id="and so on"
        ),
        pytest.param({"a": [{"remote": "nowhere"}], "b": [{"remote": "default"}]}, ["a"], id="one that is not there"),
        pytest.param({"a": [{"remote": "b"}], "b": [{"remote": "a"}]}, [], id="each speaks of the other"),
    ],
)
def test_a_wrong_definition_is_the_fault_of_what_needs_it(groups, faulty):
    requests = asked(groups=groups, networks={"bad": {"cidr": "x"}, "good": LAN})
    assert [each.name for each in requests if each.fault] == ["bad", *faulty]
    changes = plan(requests, Current(), "present")
    assert [change.error for change in changes] == [each.fault for each in requests]


PORTS = [
    {"network": "a", "security_groups": None, "record_id": "r"},
    {"network": "a", "security_groups": ["web"], "record_id": "r"},
    {"network": "open", "security_groups": None},
]


@pytest.mark.parametrize(
    ("ports", "names"),
    [
        pytest.param(PORTS, ["a", "default", "web", "open"], id="each once"),
        pytest.param(PORTS[2:], ["open"], id="no group without port security, by the network"),
        pytest.param([{**PORTS[0], "port_security": False}], ["a"], id="or by the port"),
        pytest.param([{**PORTS[2], "port_security": True}], ["open", "default"], id="the port overrules its network"),
        pytest.param([{**PORTS[0], "security_groups": []}], ["a"], id="no group"),
    ],
)
def test_what_a_launch_of_ports_asks_for(ports, names):
    found = request.wanted_for(ports, {"open": {**LAN, "port_security": False}})
    assert [each["name"] for each in found] == names
    assert not any(each["keep"] for each in found)
    assert found[0]["record_id"] == ports[0].get("record_id")


A = private()
HERE = item(A)


@pytest.mark.parametrize(
    ("wanted", "before", "action"),
    [
        pytest.param({}, None, "create", id="a missing one is made"),
        pytest.param({}, HERE, "keep", id="an equal one is kept"),
        pytest.param({}, item(private(mtu=1400)), "update", id="another definition"),
        pytest.param({}, item(model.replace(A, in_sync=False)), "update", id="what someone else changed"),
        pytest.param({"keep": False}, HERE, "keep", id="what is kept once is kept"),
        pytest.param({"keep": True}, item(A, keep=False), "update", id="it is to be kept"),
        pytest.param({"record_id": "r"}, item(A, record_id="first"), "keep", id="the first record stays"),
        pytest.param({"record_id": "r"}, HERE, "update", id="it gets a record"),
    ],
)
def test_plan(wanted, before, action):
    requests = asked({"name": "private", **wanted}, networks={"private": LAN})
    (change,) = plan(requests, current(*([before] if before else [])), "present")
    assert (change.error, change.action) == (None, action)


@pytest.mark.parametrize(
    ("wanted", "before", "outcome"),
    [
        pytest.param("private", [HERE], "keep", id="not defined: as it is there"),
        pytest.param("private", [], NotFound, id="neither defined nor there"),
        pytest.param("default", [], "create", id="the default group has a definition of its own"),
        pytest.param("default", [item(group([], name="default"))], "keep", id="but stays as it is there"),
    ],
)
def test_what_is_not_defined(wanted, before, outcome):
    kind = model.SECURITY_GROUP if wanted == "default" else model.NETWORK
    (change,) = plan(asked({"name": wanted, "kind": kind}), current(*before), "present")
    assert (change.action if isinstance(outcome, str) else type(change.error)) == outcome


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gateway": "10.20.0.2"}, "gateway's address 10.20.0.2 belongs to port p1"),
        ({"cidr": "10.20.0.0/16"}, "cannot become 10.20.0.0/16 while it has ports (p1)"),
        ({"gateway": "10.20.0.9"}, "network private has gateway 10.20.0.1, and its ports (p1) go out by it"),
        ({"gateway": ""}, "network private has gateway 10.20.0.1, and its ports (p1) go out by it"),
    ],
)
def test_what_ports_stand_in_the_way_of(options, words):
    there = current(item(A, ports=("p1",)), private={"10.20.0.2": "p1"})
    (change,) = plan(asked({"name": "private"}, networks={"private": {**LAN, **options}}), there, "present")
    assert isinstance(change.error, Conflict)
    assert words in str(change.error)
    assert "p1" not in change.error.public


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({}, {"router": "none"}, id="the gateway's address stays free for a router of yours"),
        pytest.param({"gateway": ""}, {}, id="a gateway that comes"),
        pytest.param({"router": "none"}, {"router": "none", "gateway": "10.20.0.9"}, id="another router of yours"),
    ],
)
def test_what_changes_of_a_gateway_while_there_are_ports(before, after):
    there = current(item(private(**before), ports=("p1",)), private={"10.20.0.2": "p1"})
    (change,) = plan(asked({"name": "private"}, networks={"private": {**LAN, **after}}), there, "present")
    assert (change.error, change.action) == (None, "update")


def speaking(name, *remotes, **fields):
    rules = [{"remote": remote} for remote in remotes]
    groups = tuple(name_in(None, each) for each in fields.pop("groups", ()))
    return item(group(rules, name=name, **{remote: [] for remote in remotes}), groups=groups, **fields)


@pytest.mark.parametrize(
    ("there", "wanted", "outcome"),
    [
        pytest.param([], ["a"], ["keep"], id="what is not there"),
        pytest.param([speaking("a")], ["a"], ["delete"], id="what nothing uses"),
        pytest.param([speaking("a", ports=("p1", "p2"))], ["a"], ["p1, p2"], id="what ports use"),
        pytest.param([speaking("a", groups=("b",))], ["a"], ["the rules of b"], id="what rules use"),
        pytest.param([speaking("a", "a", groups=("a",))], ["a"], ["delete"], id="its own rules do not count"),
        pytest.param([speaking("a", groups=("b",)), speaking("b", "a")], ["a", "b"], ["delete"] * 2, id="both go"),
        pytest.param(
            [speaking("a", groups=("b",)), speaking("b", "a", ports=("p",))],
            ["a", "b"],
            ["the rules of b", "p: remove"],
            id="one stays, and what it needs",
        ),
        pytest.param([Conflict("foreign")], ["a"], ["foreign"], id="what is not ours"),
    ],
)
def test_absent(there, wanted, outcome):
    items = {key_of(model.SECURITY_GROUP, name_in(None, name)): each for name, each in zip("ab", there)}
    requests = asked(*({"name": name, "kind": model.SECURITY_GROUP} for name in wanted), state="absent")
    changes = plan(requests, Current(items), "absent")
    for change, words in zip(changes, outcome):
        assert words in (str(change.error) if change.error else change.action)
