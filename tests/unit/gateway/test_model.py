# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who uses which gateway, and where there can be none."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Unavailable
from ansible_collections.kvmstack.launch.plugins.module_utils.core.request import Unsound
from ansible_collections.kvmstack.launch.plugins.module_utils.gateway import files, request
from ansible_collections.kvmstack.launch.plugins.module_utils.gateway.model import (
    Gateway,
    Peer,
    Use,
    as_text,
    check_peers,
    check_routes,
    plan,
    read_gateway,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.attachments import NetworkRequest

WEB = "11111111-0000-4000-8000-000000000001"
A = Gateway("aaaaaaaa-0000-4000-8000-00000000000a", "fa:16:3f:00:00:01", "private", "10.20.0.1/24", 1442, "lab.test")
DUAL = replace(A, ipv6_address="fd00:20::1/64", rdnss=("fd00:20::1", "2001:db8::53"))
ALONE = replace(DUAL, address=None)
B = replace(A, port="bbbbbbbb-0000-4000-8000-00000000000b", network="other", address="10.30.0.1/24", domain=None)


@pytest.mark.parametrize(
    ("wanted", "before", "state", "action"),
    [
        pytest.param((A,), None, "present", "create", id="the first use"),
        pytest.param((A, B), (B, A), "present", "keep", id="the same ones"),
        pytest.param((A,), (A, B), "present", "update", id="one less"),
        pytest.param((A,), (replace(A, up=False),), "present", "update", id="one that does not work"),
        pytest.param((replace(A, mtu=1400),), (A,), "present", "update", id="another MTU"),
        pytest.param((DUAL,), (A,), "present", "update", id="IPv6 beside the other"),
        pytest.param((DUAL,), (DUAL,), "present", "keep", id="both, as before"),
        pytest.param((), (A,), "present", "delete", id="none any more"),
        pytest.param((), None, "present", "keep", id="none, as before"),
        pytest.param((A,), (A,), "absent", "delete", id="the instance goes"),
        pytest.param((), None, "absent", "keep", id="the instance is gone"),
    ],
)
def test_plan(wanted, before, state, action):
    current = {} if before is None else {WEB: Use(WEB, before)}
    [change] = plan([Use(WEB, wanted)], current, state)
    assert change.action == action


@pytest.mark.parametrize(
    ("route", "told"),
    [
        pytest.param({"dst": "default", "dev": "eth0"}, None, id="the default route"),
        pytest.param({"dst": "10.21.0.0/16", "dev": "eth0"}, None, id="other addresses"),
        pytest.param({"dst": "10.20.0.0/24", "dev": A.interface}, None, id="our own"),
        pytest.param({"dst": "fd00::/8", "dev": "eth0"}, None, id="another family"),
        pytest.param({"dst": "10.0.0.0/8", "dev": "tun0"}, "reaches 10.0.0.0/8 by its interface tun0", id="a VPN"),
        pytest.param({"dst": "10.20.0.7", "dev": "eth1"}, "reaches 10.20.0.7/32", id="one machine"),
    ],
)
def test_a_host_with_another_way_to_the_addresses_is_refused(route, told):
    if told is None:
        check_routes(A, [route])
        return
    with pytest.raises(Unavailable, match="network private is 10.20.0.0/24, but this host") as error:
        check_routes(A, [route])
    assert told in str(error.value)
    assert not error.value.abort


@pytest.mark.parametrize(
    ("route", "told"),
    [
        pytest.param({"dst": "fe80::/64", "dev": "eth0"}, None, id="of one link"),
        pytest.param({"dst": "fd00:20::/64", "dev": A.interface}, None, id="our own"),
        pytest.param({"dst": "fd00:21::/64", "dev": "eth0"}, None, id="other addresses"),
        pytest.param({"dst": "fd00:20::/48", "dev": "tun0"}, "reaches fd00:20::/48 by its interface tun0", id="a VPN"),
        pytest.param({"dst": "10.20.0.0/16", "dev": "eth1"}, "reaches 10.20.0.0/16 by its", id="the other family"),
    ],
)
def test_a_host_with_another_way_to_the_ipv6_addresses_is_refused(route, told):
    check_routes(A, [] if "." in route["dst"] else [route])
    if told is None:
        check_routes(DUAL, [route])
        return
    with pytest.raises(Unavailable, match="network private is ") as error:
        check_routes(DUAL, [route])
    assert told in str(error.value)


CONTROLLER = Peer("10.20.0.5", "the other end of a connection", "10.5.0.7")


@pytest.mark.parametrize(
    ("gateway", "before", "peer", "told"),
    [
        pytest.param(A, None, replace(CONTROLLER, address="10.21.0.5"), None, id="somebody else"),
        pytest.param(A, None, replace(CONTROLLER, address="fd00:20::5"), None, id="one of another family"),
        pytest.param(A, None, replace(CONTROLLER, local="10.20.0.1"), None, id="a guest that is gone"),
        pytest.param(A, A, CONTROLLER, None, id="the gateway is there already"),
        pytest.param(DUAL, A, CONTROLLER, None, id="the gateway of this family is there already"),
        pytest.param(A, None, CONTROLLER, "lose 10.20.0.5, the other end of a connection:", id="a controller"),
        pytest.param(A, None, replace(CONTROLLER, local=None), "10.20.0.0/24, and this host would", id="a name server"),
        pytest.param(A, B, CONTROLLER, "10.20.0.5", id="the gateway had other addresses"),
        pytest.param(DUAL, A, replace(CONTROLLER, address="fd00:20::5"), "is fd00:20::/64, and this", id="of IPv6"),
    ],
)
def test_a_host_is_not_cut_off_from_those_that_it_talks_to(gateway, before, peer, told):
    if told is None:
        check_peers(gateway, before, [peer])
        return
    with pytest.raises(Unavailable, match="network private is ") as error:
        check_peers(gateway, before, [peer])
    assert told in str(error.value)
    assert not error.value.abort


@pytest.mark.parametrize("gateway", [A, B, DUAL])
def test_a_record_is_read_as_it_was_written(gateway):
    record = json.loads(json.dumps(gateway.to_record()))
    assert record == gateway.to_record()
    assert read_gateway({**record, "of a later release": 1}, up=True) == gateway
    assert ("ipv6_address" in record) == (gateway is DUAL)
    assert len(A.interface) <= 15


def test_the_files_of_a_unit():
    made = files.files(A)
    assert made["environment"].splitlines() == [
        "BRIDGE=br-int", "PORT=" + A.port, "MAC=fa:16:3f:00:00:01", "ADDRESS=10.20.0.1/24", "MTU=1442",
    ]  # fmt: skip
    assert 'add element inet kvmstack sources { "kvgaaaaaaaa000" . 10.20.0.0/24 }' in made["start.nft"]
    assert made["stop.nft"] == made["start.nft"].replace("add ", "delete ")
    assert "local=/lab.test/" in made["dnsmasq.conf"]
    assert "domain" not in files.files(B)["dnsmasq.conf"]
    assert not any(word in text for text in made.values() for word in ("IPV6", "6 {", "-ra"))


def test_the_files_of_a_unit_with_ipv6():
    made = files.files(DUAL)
    assert made["environment"].splitlines()[-1] == "IPV6_ADDRESS=fd00:20::1/64"
    assert 'add element inet kvmstack sources6 { "kvgaaaaaaaa000" . fd00:20::/64 }' in made["start.nft"]
    assert "add element inet kvmstack masqueraded6 { fd00:20::/64 }" in made["start.nft"]
    assert made["stop.nft"] == made["start.nft"].replace("add ", "delete ")
    assert made["dnsmasq.conf"].splitlines()[-4:] == [
        "enable-ra",
        "dhcp-range=fd00:20::,ra-only,64,1h",
        "dhcp-option=option6:dns-server,[fd00:20::1],[2001:db8::53]",
        "dhcp-option=option6:domain-search,lab.test",
    ]
    silent = files.files(replace(DUAL, rdnss=(), domain=None))["dnsmasq.conf"]
    assert silent.splitlines()[-1] == "dhcp-option=option6:dns-server"


def test_the_files_of_a_unit_of_ipv6_alone():
    made = files.files(ALONE)
    assert "ADDRESS=" in made["environment"].splitlines()
    assert [line.split()[4] for line in made["start.nft"].splitlines()] == ["sources6", "masqueraded6"]
    [use] = request.parse({"gateways": [{"instance_uuid": WEB, "gateways": [ALONE.to_record()]}]})
    assert use.gateways == (ALONE,)
    assert read_gateway(ALONE.to_record(), up=True) == ALONE
    assert "network private: ipv6_address fd00:20::1/64" in as_text(Use(WEB, (ALONE,)), whole=False)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"address": None}, "the gateway of network private has neither address nor ipv6_address"),
        ({"address": "10.20.0.1"}, None),
        ({"address": "nowhere"}, "is not one with a prefix length"),
        ({"mac": "ff:ff:ff:ff:ff:ff"}, "mac"),
        ({"ipv6_address": "fd00:20::1/48"}, "ipv6_address fd00:20::1/48 is not one in an IPv6 /64"),
        ({"ipv6_address": "10.20.0.1/24"}, "is not one in an IPv6 /64"),
        ({"ipv6_address": "fd00:20::1%x\n/64"}, "is not one with a prefix length"),
        ({"ipv6_address": "fd00:20::1/64", "rdnss": ["10.20.0.1"]}, "rdnss 10.20.0.1 is not an IPv6 address"),
    ],
)
def test_a_request(said, told):
    gateway = {"port": A.port, "mac": A.mac, "network": "private", "address": A.address, "mtu": 1442, **said}
    [use] = request.parse({"gateways": [{"instance_uuid": WEB, "gateways": [gateway]}]})
    if told is None:
        assert use.gateways[0].address == "10.20.0.1/32"
    else:
        assert isinstance(use, Unsound)
        assert told in str(use.fault)


def test_a_request_with_ipv6_is_read_as_it_is():
    asked = {**DUAL.to_record(), "ipv6_address": "FD00:0020::1/64"}
    [use] = request.parse({"gateways": [{"instance_uuid": WEB, "gateways": [asked]}]})
    assert use.gateways == (DUAL,)
    assert use.to_result()["gateways"][0]["rdnss"] == ["fd00:20::1", "2001:db8::53"]


def test_a_diff_names_each():
    assert as_text(Use(WEB, (A,)), whole=False) == (
        "gateway of network private: address 10.20.0.1/24, interface kvgaaaaaaaa000\n"
    )
    assert "ipv6_address fd00:20::1/64" in as_text(Use(WEB, (DUAL,)), whole=False)


GATE = {"gateway_port": "g1", "gateway_mac": "m", "gateway": "10.0.0.1", "cidr": "10.0.0.0/24", "network": "private"}
# As the record has it: of gateways it keeps nothing.
LEAVING = asdict(NetworkRequest("private", id="p1", network_info={"router": "host"}, leaving=True))
RUNS = {"launched": True, "status": "ACTIVE"}
GATE_6 = {**GATE, "ipv6_gateway": "fd00:20::1", "ipv6_cidr": "fd00:20::/64", "dns": ["10.0.0.1", "fd00:20::1"]}


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        pytest.param({"ipv6_cidr": "fd00:20::/64"}, None, id="a network without a router"),
        pytest.param(GATE, {"address": "10.0.0.1/24"}, id="IPv4"),
        pytest.param(
            GATE_6,
            {"address": "10.0.0.1/24", "ipv6_address": "fd00:20::1/64", "rdnss": ["fd00:20::1"]},
            id="both families, with the servers of this one",
        ),
        pytest.param(
            {**GATE_6, "gateway": None, "cidr": None},
            {"address": None, "ipv6_address": "fd00:20::1/64", "rdnss": ["fd00:20::1"]},
            id="IPv6 alone",
        ),
    ],
)
def test_a_gateway_is_of_the_families_of_its_network(port, expected):
    document = {"uuid": WEB, "name": "web", "ports": [{"id": "p1", "network": "private", **port}]}
    found = request.items_of(document, {"state": "present"})
    told = ("address", "ipv6_address", "rdnss")
    gateways = [{key: each[key] for key in told if key in each} for item in found for each in item["gateways"]]
    assert gateways == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("said", "state", "expected"),
    [
        pytest.param({}, "present", [["private"]], id="one that stays"),
        pytest.param({}, "absent", [], id="nothing of it goes"),
        pytest.param({"task_state": "deleting"}, "absent", [["private"]], id="one that goes"),
        pytest.param({"task_state": "deleting", "ports": []}, "absent", [[]], id="whatever its ports are said to be"),
        pytest.param({"task_state": "deleting"}, "present", [], id="nothing of that is made"),
        pytest.param({"failed": True}, "present", [], id="one that has failed"),
        pytest.param({**RUNS, "ports": [LEAVING]}, "present", [[]], id="its last port leaves"),
        pytest.param({**RUNS, "ports": [LEAVING, GATE]}, "present", [["private"]], id="a port leaves, another stays"),
        pytest.param({**RUNS, "ports": [{"network": "closed"}]}, "present", [[]], id="its network has no gateway now"),
        pytest.param({**RUNS, "ports": [LEAVING]}, "absent", [], id="nothing of one that stays goes"),
        pytest.param({"ports": [{"network": "closed"}]}, "present", [], id="a new one without a gateway"),
    ],
)
def test_what_an_instance_uses(said, state, expected):
    found = request.items_of({"uuid": WEB, "name": "web", "ports": [GATE], **said}, {"state": state})
    assert [[each["network"] for each in item["gateways"]] for item in found] == expected
