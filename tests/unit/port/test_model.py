# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules about ports, as tables."""

from __future__ import annotations

import uuid

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, InvalidRequest, NotFound
from ansible_collections.kvmstack.launch.plugins.module_utils.network.names import name_in
from ansible_collections.kvmstack.launch.plugins.module_utils.port import request
from ansible_collections.kvmstack.launch.plugins.module_utils.port.item import as_text
from ansible_collections.kvmstack.launch.plugins.module_utils.port.model import Current, plan
from ansible_collections.kvmstack.launch.plugins.module_utils.port.ovn import rows

MAC = "fa:16:3e:00:00:01"
PRIVATE = name_in(None, "private")


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
        held.setdefault(item.network.full_name, {}).update({item.fixed_ip: item.id, item.mac_address: item.id})
    return Current(
        ports={item.id: item for item in items},
        networks={item.network.full_name: item.network for item in items},
        groups={group: True for item in items for group in item.full_groups},
        held=held,
    )


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
        ({"allowed_address_pairs": [{"ip_address": "10.20.0.9"}], "port_security": False}, "port_security"),
        ({"allowed_address_pairs": [{"ip_address": "ten"}]}, "allowed_address_pairs"),
        ({"allowed_address_pairs": [{"ip_address": "10.20.0.9", "mac_address": "01:00:5e:00:00:01"}]}, "mac_address"),
        ({"mac_address": "00:00:00:00:00:00"}, "mac_address"),
        ({"fixed_ips": []}, "one address at least"),
        ({"fixed_ips": ["10.20.0.5", "ten"]}, "fixed_ips[1] 'ten' is not an IP address"),
        ({"fixed_ips": ["10.20.0.5", "10.20.0.5"]}, "twice"),
        ({"fixed_ips": ["10.20.0.5", "10.21.0.5"]}, "outside"),
        ({"fixed_ips": ["10.20.0.5", "10.20.0.1"]}, "gateway"),
        ({"fixed_ip": "10.20.0.6", "fixed_ips": ["10.20.0.5", "10.20.0.6"]}, "is not the first of fixed_ips"),
        ({"qos": {"max_kbps": 0}}, "qos: max_kbps: 0 is less than 1"),
        ({"qos": "fast"}, "qos: 'fast' is not a mapping"),
        ({"fixed_ip": "fd00:20::5"}, "the first address of a port is an IPv4 one"),
        ({"fixed_ips": ["fd00:20::5", "10.20.0.5"]}, "the first address of a port is an IPv4 one"),
        ({"fixed_ips": ["10.20.0.5", "fd00:20::5"]}, "fd00:20::5 is IPv6, and network private has no ipv6_cidr"),
    ],
)
def test_a_wrong_port_is_refused(said, words):
    good, bad = wanted(port(), {**port("bad"), **said})
    assert isinstance(bad.fault, InvalidRequest)
    assert words in str(bad.fault)
    changes = plan([good, bad], Current(), "present")
    assert [change.error for change in changes] == [None, bad.fault]


DUAL = {"private": {"cidr": "10.20.0.0/24", "ipv6_cidr": "fd00:20::/64"}}
OWN = "fd00:20::f816:3eff:fe00:1"


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({}, id="it is not mentioned"),
        pytest.param({"fixed_ips": ["10.20.0.2", OWN]}, id="it is named"),
        pytest.param({"fixed_ips": ["10.20.0.2", "fd00:0020::F816:3EFF:FE00:1"]}, id="in another spelling"),
    ],
)
def test_a_port_has_the_ipv6_address_that_follows_from_its_mac(said):
    [first] = made(port(mac_address=MAC, **said), networks=DUAL)
    assert (first.fixed_ip, first.further_ips, first.fixed_ips) == ("10.20.0.2", (), ("10.20.0.2", OWN))
    assert rows.addresses(first) == rows.sources(first) == ["%s 10.20.0.2 %s" % (MAC, OWN)]
    result = first.to_result()
    assert (result["fixed_ip"], result["fixed_ips"]) == ("10.20.0.2", ["10.20.0.2", OWN])
    assert result["ipv6_address"] == OWN
    assert (result["ipv6_cidr"], result["ipv6_gateway"]) == ("fd00:20::/64", "fd00:20::1")
    current = there(port(mac_address=MAC), networks=DUAL)
    [change] = plan(wanted(port(**said), networks=DUAL), current, "present")
    assert change.action == "keep"


ALONE = {"private": {"ipv6_cidr": "fd00:20::/64"}}


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({}, id="it is not mentioned"),
        pytest.param({"fixed_ip": "FD00:20::F816:3EFF:FE00:1"}, id="it is named"),
        pytest.param({"fixed_ips": [OWN]}, id="it is the only one of a list"),
    ],
)
def test_on_ipv6_alone_a_port_has_one_address(said):
    [first] = made(port(mac_address=MAC, **said), networks=ALONE)
    assert (first.fixed_ip, first.ipv6_address, first.fixed_ips) == (OWN, OWN, (OWN,))
    assert rows.addresses(first) == rows.sources(first) == ["%s %s" % (MAC, OWN)]
    result = first.to_result()
    assert (result["cidr"], result["gateway"], result["dhcp"], result["dns"]) == (None, None, False, ["fd00:20::1"])
    [change] = plan(wanted(port(**said), networks=ALONE), there(port(mac_address=MAC), networks=ALONE), "present")
    assert change.action == "keep"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"fixed_ip": "10.20.0.5"}, "fixed_ip 10.20.0.5 is IPv4, and network private has no cidr"),
        ({"fixed_ip": "fd00:20::5"}, "the IPv6 address of a port on network private follows from its MAC address"),
        ({"fixed_ips": [OWN, "10.20.0.5"], "mac_address": MAC}, "fixed_ip 10.20.0.5 is IPv4"),
        ({"floating_ip": True}, "floating_ip: network private is on no router"),
    ],
)
def test_on_ipv6_alone_no_other_address_is_given(said, words):
    [change] = plan(wanted(port(**said), networks=ALONE), Current(), "present")
    assert words in str(change.error)


@pytest.mark.parametrize("mac", [MAC, None])
def test_another_ipv6_address_is_refused(mac):
    asked = port(mac_address=mac, fixed_ips=["10.20.0.2", "fd00:20::5"])
    [change] = plan(wanted(asked, networks=DUAL), Current(), "present")
    assert isinstance(change.error, InvalidRequest)
    assert "fixed_ip fd00:20::5: the IPv6 address of a port on network private follows from its" in str(change.error)


@pytest.mark.parametrize("network", [None, Conflict("logical switch kvmstack-private is not ours")])
def test_a_floating_address_asked_for_where_no_network_is_is_that_ports_fault(network):
    current = Current(networks={name_in(None, "gone"): network} if network else {})
    asked = wanted(port("a", network="gone", floating_ip="192.0.2.60"), port("b"))
    bad, good = plan(asked, current, "present")
    assert bad.error is network if network else "network gone is not there" in str(bad.error)
    assert good.error is None


@pytest.mark.parametrize("bad", [{"networks": {"private": {"cidr": "z"}}}, {"groups": {"web": 80}}])
def test_a_wrong_definition_is_the_fault_of_the_ports_that_need_it(bad):
    definitions = {"networks": {"private": {"cidr": "10.20.0.0/24"}, "other": {"cidr": "10.30.0.0/24"}}}
    definitions = {"groups": {}, **definitions, **{key: {**definitions.get(key, {}), **bad[key]} for key in bad}}
    needs, does_not = wanted(port("a", security_groups=["web"]), port("b", network="other"), **definitions)
    assert isinstance(needs.fault, InvalidRequest)
    assert does_not.fault is None


def test_to_be_removed_a_port_need_only_be_known():
    params = {"ports": [port(fixed_ip="fifty", host="a b")], "networks": {"private": {}}, "state": "absent"}
    assert [item.fault for item in request.parse(params)] == [None]


def test_two_ports_cannot_ask_for_one_thing():
    twice = {"fixed_ip": "10.20.0.5", "mac_address": MAC}
    first, second = wanted(port(**twice), port("b", **twice))
    assert first.fault is None
    for words in ("fixed_ip 10.20.0.5 on network private: port web asks for it too", "mac_address"):
        assert words in str(second.fault)
    with pytest.raises(InvalidRequest, match="id .* is asked for several times"):
        wanted(port(), port())


def test_of_several_addresses_each_is_its_ports_alone():
    first, second = wanted(port(fixed_ips=["10.20.0.5", "10.20.0.6"]), port("b", fixed_ips=["10.20.0.7", "10.20.0.6"]))
    assert first.fault is None
    assert "fixed_ip 10.20.0.6 on network private: port web asks for it too" in str(second.fault)
    items = made(port("a"), port("b", fixed_ips=["10.20.0.2", "10.20.0.3"]), port("c"))
    assert [item.fixed_ips for item in items] == [("10.20.0.4",), ("10.20.0.2", "10.20.0.3"), ("10.20.0.5",)]


def test_addresses_are_the_lowest_free_ones_in_order():
    current = Current(held={PRIVATE: {"10.20.0.2": "foreign", "10.20.0.4": "foreign"}})
    items = made(port("a"), port("b"), port("c", fixed_ip="10.20.0.5"), port("d"), current=current)
    assert [item.fixed_ip for item in items] == ["10.20.0.3", "10.20.0.6", "10.20.0.5", "10.20.0.7"]


def test_a_plan_is_the_same_every_time():
    assert made(port("a"), port("b")) == made(port("a"), port("b"))


def test_a_mac_that_is_taken_is_derived_anew():
    first = made(port())[0].mac_address
    second = made(port(), current=Current(held={PRIVATE: {first: "foreign"}}))[0].mac_address
    assert first != second
    assert first.startswith("fa:16:3e:")
    assert second.startswith("fa:16:3e:")


def test_a_full_network_aborts_and_says_what_to_do():
    pool = {"private": {"cidr": "10.20.0.0/24", "allocation_pool": {"start": "10.20.0.8", "end": "10.20.0.9"}}}
    changes = plan(wanted(*map(port, "abcd"), networks=pool), Current(), "present")
    assert [change.error is None for change in changes] == [True, True, False, False]
    for change in changes[2:]:
        assert change.error.abort
        for words in ("private", "10.20.0.0/24", "all 2 ", "10.20.0.8 to 10.20.0.9", "allocation_pool"):
            assert words in str(change.error)


@pytest.mark.parametrize(
    "what", [{"fixed_ip": "10.20.0.5"}, {"mac_address": MAC}, {"fixed_ips": ["10.20.0.4", "10.20.0.5"]}]
)
def test_what_another_port_has_is_a_conflict_that_names_it(what):
    word = what.get("mac_address", "10.20.0.5")
    current = Current(held={PRIVATE: {word: "0e991dc9"}})
    changes = plan(wanted(port("a", **what), port("b")), current, "present")
    assert isinstance(changes[0].error, Conflict)
    assert "0e991dc9" in str(changes[0].error)
    assert changes[1].after.fixed_ip == "10.20.0.2"


WEB = {"web": [{"protocol": "tcp", "port": 80}]}
OTHER_MAC = "fa:16:3e:00:00:09"
PAIRS = [{"ip_address": "10.20.0.200"}]
FAST, SLOW = {"max_kbps": 20000}, {"max_kbps": 1000, "max_burst_kbps": 500}
TWO = ["10.20.0.5", "10.20.0.6"]


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
        pytest.param({"port_security": False}, {}, "keep", id="security left out is kept"),
        pytest.param({"port_security": False}, {"port_security": True}, "update", id="security on"),
        pytest.param({}, {"allowed_address_pairs": PAIRS}, "update", id="an address pair"),
        pytest.param({"allowed_address_pairs": PAIRS}, {}, "keep", id="pairs left out are kept"),
        pytest.param({"allowed_address_pairs": PAIRS}, {"allowed_address_pairs": []}, "update", id="no pairs"),
        pytest.param({"allowed_address_pairs": PAIRS}, {"port_security": False}, "update", id="pairs go with security"),
        pytest.param(
            {"allowed_address_pairs": PAIRS, "mac_address": MAC},
            {"allowed_address_pairs": [{**PAIRS[0], "mac_address": MAC.upper()}]},
            "keep",
            id="its own MAC address is none of a pair's",
        ),
        pytest.param({}, {"qos": {}}, "keep", id="no limit, as before"),
        pytest.param({}, {"qos": FAST}, "update", id="a limit"),
        pytest.param({"qos": FAST}, {}, "keep", id="limits left out are kept"),
        pytest.param({"qos": FAST}, {"qos": [FAST]}, "keep", id="a list of the same one"),
        pytest.param({"qos": FAST}, {"qos": SLOW}, "update", id="another limit"),
        pytest.param({"qos": FAST}, {"qos": {**FAST, "direction": "ingress"}}, "update", id="another direction"),
        pytest.param({"qos": FAST}, {"qos": {}}, "update", id="no limit any more"),
        pytest.param({"fixed_ip": TWO[0]}, {"fixed_ips": TWO[:1]}, "keep", id="a list of the one address"),
        pytest.param({"fixed_ip": TWO[0]}, {"fixed_ips": TWO}, "update", id="one address more"),
        pytest.param({"fixed_ips": TWO}, {}, "keep", id="several addresses left out are kept"),
        pytest.param({"fixed_ips": TWO}, {"fixed_ip": TWO[0]}, "keep", id="the first says nothing of the others"),
        pytest.param({"fixed_ips": TWO}, {"fixed_ips": TWO[:1]}, "update", id="one address less"),
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
        ({"fixed_ips": ["10.20.0.9", "10.20.0.2"]}, "fixed_ip is 10.20.0.2 and cannot become 10.20.0.9"),
        ({"network": "other"}, "on network private and cannot move to other"),
    ],
)
def test_what_cannot_change_is_a_conflict(said, words):
    networks = {"private": {"cidr": "10.20.0.0/24"}, "other": {"cidr": "10.20.0.0/24"}}
    (change,) = plan(wanted(port(**said), networks=networks), there(port()), "present")
    assert isinstance(change.error, Conflict)
    assert words in str(change.error)
    assert change.action == "keep"


def test_what_is_not_defined_is_taken_as_it_is_there():
    current = there(port(security_groups=["web"]), groups=WEB)
    (item,) = made(port("new", security_groups=["web"]), current=current, networks={"private": {"cidr": "10.9.0.0/24"}})
    assert item.security_groups == ("web",)
    assert item.network == current.networks[PRIVATE]


@pytest.mark.parametrize(
    ("said", "definitions", "words"),
    [
        ({"security_groups": ["web", "nope"]}, {"groups": WEB}, "security group nope is not there"),
        ({"network": "nope"}, {}, "network nope is not there"),
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


def test_a_port_that_names_no_group_is_in_the_default_one():
    (item,) = made(port())
    assert item.security_groups == ("default",)


@pytest.mark.parametrize(
    ("have", "asked", "outcome"),
    [
        pytest.param(None, None, "keep", id="nobody says whose it is"),
        pytest.param(None, "r1", "update", id="it gets its record"),
        pytest.param("r1", None, "keep", id="its record stays"),
        pytest.param("r1", "r1", "keep", id="its record is the same"),
    ],
)
def test_a_ports_record(have, asked, outcome):
    (change,) = plan(wanted(port(record_id=asked)), there(port(record_id=have)), "present")
    assert (change.action, change.after.record_id) == (outcome, asked or have)


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
    ("said", "addresses", "port_security"),
    [
        pytest.param({}, [MAC + " 10.20.0.5"], [MAC + " 10.20.0.5"], id="its own"),
        pytest.param({"port_security": False}, [MAC + " 10.20.0.5", "unknown"], [], id="no security"),
        pytest.param(
            {"allowed_address_pairs": [{"ip_address": "10.20.0.200"}, {"ip_address": "10.30.0.0/16"}]},
            [MAC + " 10.20.0.5"],
            [MAC + " 10.20.0.5 10.20.0.200 10.30.0.0/16"],
            id="pairs with its own MAC address",
        ),
        pytest.param(
            {"allowed_address_pairs": [{"ip_address": "10.20.0.5"}]},
            [MAC + " 10.20.0.5"],
            [MAC + " 10.20.0.5"],
            id="a pair that is its own address",
        ),
        pytest.param(
            {
                "allowed_address_pairs": [
                    {"ip_address": ip, "mac_address": OTHER_MAC} for ip in ("10.0.0.8", "10.0.0.9")
                ]
            },
            [MAC + " 10.20.0.5", OTHER_MAC],
            [MAC + " 10.20.0.5", OTHER_MAC + " 10.0.0.8 10.0.0.9"],
            id="pairs with another MAC address",
        ),
        pytest.param({"fixed_ips": TWO}, *[[MAC + " 10.20.0.5 10.20.0.6"]] * 2, id="several addresses"),
    ],
)
def test_what_a_row_says_of_addresses(said, addresses, port_security):
    (item,) = made(port(**{"mac_address": MAC, "fixed_ip": "10.20.0.5", **said}))
    columns = rows.port_columns(item)
    assert (columns["addresses"], columns["port_security"]) == (addresses, port_security)


def test_a_diff_says_what_is_not_as_of_most_ports():
    (plain,), (item,) = (
        made(port(mac_address=MAC, **said))
        for said in ({}, {"fixed_ips": TWO, "qos": SLOW, "allowed_address_pairs": PAIRS, "security_groups": []})
    )
    assert as_text(plain, False) == (
        "port web: network private, fixed_ip 10.20.0.2, mac_address %s, security_groups [default]\n" % MAC
    )
    assert as_text(item, False) == (
        "port web: network private, fixed_ips [10.20.0.5, 10.20.0.6], mac_address %s, allowed_address_pairs "
        "[{ip_address: 10.20.0.200}], qos [{direction: egress, max_kbps: 1000, max_burst_kbps: 500}]\n" % MAC
    )
    (off,) = made(port(port_security=False))
    assert "port_security false" in as_text(off, False)
