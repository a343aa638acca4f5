# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How routers are defined, and what of that is refused before anything is made."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.network.request import definitions, wanted_for
from ansible_collections.kvmstack.launch.plugins.module_utils.router import request
from ansible_collections.kvmstack.launch.plugins.module_utils.router.definition import read_router

POOL = {"start": "172.30.0.50", "end": "172.30.0.99"}
PROVIDER = {"physical_network": "physnet1", "cidr": "172.30.0.0/24", "allocation_pool": POOL}
LAB = {"cidr": "10.20.0.0/24", "router": "main"}


def told(networks=None, **routers):
    """What is wrong with the router main, and with network lab."""
    defined = definitions({"networks": {"provider": PROVIDER, "lab": LAB, **(networks or {})}, "routers": routers})
    return str(defined.routers.get("main")), str(defined.networks["lab"])


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        pytest.param({"external_network": "lab"}, "external_network lab has no physical_network", id="no wire"),
        pytest.param({"snat": True}, "snat needs an external_network", id="nowhere to go out"),
        pytest.param({"external_ip": "172.30.0.60"}, "external_ip needs an external_network", id="address of nothing"),
        pytest.param(
            {"external_network": "provider", "external_ip": "172.30.0.9"},
            "external_ip 172.30.0.9 is outside of the allocation_pool of network provider, 172.30.0.50 to 172.30.0.99",
            id="address of another machine",
        ),
        pytest.param({"external_network": "provider", "snat": "perhaps"}, "snat", id="neither true nor false"),
        pytest.param({"distributed": True}, "distributed needs an external_network", id="distributed to nowhere"),
        pytest.param({"external_network": "provider", "distributed": "far"}, "distributed: 'far'", id="no boolean"),
        pytest.param({"gateway": "provider"}, "gateway", id="unknown key"),
        pytest.param({"routes": [{"destination": "10.0.0.0/8"}]}, "routes[0]: nexthop", id="route by nobody"),
        pytest.param(
            {"routes": [{"destination": "fd00::/8", "nexthop": "10.0.0.1"}]},
            "routes: fd00::/8 by 10.0.0.1: both are of IPv4, or of IPv6",
            id="route of two families",
        ),
        pytest.param({"external_ipv6": "fd00:30::5"}, "external_ipv6 needs an external_network", id="IPv6 of nothing"),
        pytest.param(
            {"external_network": "provider", "external_ipv6": "fd00:30::5"},
            "external_ipv6 fd00:30::5: external_network provider has no ipv6_cidr",
            id="a wire without IPv6",
        ),
        pytest.param([], "is not a mapping", id="a list"),
    ],
)
def test_a_router_that_makes_no_sense(said, problem):
    router, network = told(main=said)
    assert problem in router
    assert "network lab is on it: router main: " in network
    assert problem in network


@pytest.mark.parametrize(
    ("networks", "problem"),
    [
        ({"other": {"cidr": "10.20.0.128/25", "router": "main"}}, "its networks lab (10.20.0.0/24) and other"),
        ({"provider": {**PROVIDER, "cidr": "cat"}}, "network provider: cidr"),
        ({"provider": {**PROVIDER, "router": "main"}}, "router: main is not for physical_network physnet1"),
        ({"lab": {**LAB, "gateway": None}}, "router: main needs a gateway"),
        ({"lab": {**LAB, "shared": True}}, "router: main is its project's own"),
        ({"lab": {**LAB, "router": "mian"}}, "router mian is neither host nor none, nor the name of a router that is"),
    ],
)
def test_networks_that_no_router_can_have(networks, problem):
    assert problem in told(networks, main={"external_network": "provider"})[1]


WIRE_6 = {"physical_network": "physnet1", "ipv6_cidr": "fd00:30::/64", "ipv6_gateway": "fd00:30::1"}


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (
            {},
            "external_network provider is of IPv6 alone: say the router's address there, an external_ipv6 in fd00:30::",
        ),
        (
            {"external_ipv6": "fd00:31::5"},
            "external_ipv6 fd00:31::5 is no machine's in fd00:30::/64 of network provider",
        ),
        ({"external_ipv6": "172.30.0.9"}, "external_ipv6 172.30.0.9 is no machine's in fd00:30::/64"),
        ({"external_ipv6": "fd00:30::"}, "external_ipv6 fd00:30:: is no machine's in fd00:30::/64"),
        ({"external_ipv6": "fd00:30::1"}, "external_ipv6 fd00:30::1 is the ipv6_gateway of network provider"),
        (
            {"external_ipv6": "fd00:30::5", "external_ip": "172.30.0.60"},
            "external_ip 172.30.0.60 is IPv4, and network provider has no cidr",
        ),
    ],
)
def test_an_external_network_of_ipv6_alone(said, problem):
    assert problem in told({"provider": WIRE_6}, main={"external_network": "provider", **said})[0]


@pytest.mark.parametrize("name", ["host", "none", "a/b"])
def test_names_that_no_router_has(name):
    [asked] = request.parse({"routers": {name: {}}, "networks": {}})
    assert asked.fault is not None


def test_a_definition_is_read_as_it_was_written():
    routes = [{"destination": "198.51.100.0/24", "nexthop": "172.30.0.7"}]
    said = {"external_network": "provider", "external_ip": "172.30.0.60", "routes": routes}
    router = definitions({"networks": {"provider": {**PROVIDER, "shared": True}}, "routers": {"main": said}}).routers[
        "main"
    ]
    assert read_router("main", "default", router.definition()) == router
    assert "ipv6" not in router.definition()
    assert router.external.project == ""


@pytest.mark.parametrize("said", [True, "true"])
def test_one_that_is_distributed_says_so_and_any_other_is_as_it_was_before_there_were_any(said):
    asked = {"near": {"external_network": "provider", "distributed": said}, "far": {"external_network": "provider"}}
    routers = definitions({"networks": {"provider": PROVIDER}, "routers": asked}).routers
    assert [routers[name].distributed for name in asked] == [True, False]
    assert read_router("near", "default", routers["near"].definition()).distributed
    assert "distributed" not in routers["far"].definition()


def test_a_launch_asks_for_the_routers_of_its_ports_and_their_external_networks():
    networks = {"lab": LAB, "provider": PROVIDER, "alone": {"cidr": "10.21.0.0/24"}, "wrong": 7}
    ports = [{"network": name, "security_groups": []} for name in ("lab", "alone", "lab", "wrong", None)]
    routers = request.wanted_for(ports, networks)
    assert [each["name"] for each in routers] == ["main"]
    assert not routers[0]["keep"]
    asked = wanted_for(ports[:3], networks, {"main": {"external_network": "provider"}})
    assert [each["name"] for each in asked] == ["lab", "provider", "alone"]
