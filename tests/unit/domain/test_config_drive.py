# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a guest reads on its config drive."""

from __future__ import annotations

import json

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.domain import config_drive
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.request import parse

PORT = "22222222-0000-4000-8000-000000000002"


def read(domain, name):
    return json.loads(domain.config_drive["openstack/latest/" + name])


def test_meta_data(domain):
    assert read(domain, "meta_data.json") == {
        "uuid": domain.uuid,
        "name": "web-1",
        "hostname": "web-1",
        "launch_index": 0,
        "availability_zone": "north",
        "project_id": "default",
        "meta": {"role": "web"},
        "public_keys": {"key-1": "ssh-ed25519 AAAA me"},
        "keys": [{"name": "key-1", "type": "ssh", "data": "ssh-ed25519 AAAA me"}],
        "devices": [],
    }


def test_network_data(domain):
    assert read(domain, "network_data.json") == {
        "links": [
            {
                "id": "kvt22222222-00",
                "vif_id": PORT,
                "type": "ovs",
                "mtu": 1442,
                "ethernet_mac_address": "fa:16:3e:00:00:01",
            }
        ],
        "networks": [{"id": "network0", "type": "ipv4_dhcp", "link": "kvt22222222-00", "network_id": "private"}],
        "services": [{"type": "dns", "address": "10.20.0.2"}],
    }


@pytest.mark.parametrize("dhcp", [True, False])
def test_several_addresses_of_a_port_are_all_said(ask, dhcp):
    params = ask()
    first, *others = params["domains"][0]["ports"]
    first.update(dhcp=dhcp, network_id="net-1", fixed_ips=["10.20.0.11", "10.20.0.12"])
    params["domains"][0]["ports"] = [first, {**first, "fixed_ips": None, "fixed_ip": "10.20.0.13"}, *others]
    networks = read(parse(params)[0], "network_data.json")["networks"]
    assert [(each["id"], each.get("ip_address")) for each in networks] == [
        ("network0", None if dhcp else "10.20.0.11"),
        ("network1", "10.20.0.12"),
        ("network2", None if dhcp else "10.20.0.13"),
    ]
    assert networks[1] == {
        "id": "network1",
        "type": "ipv4",
        "link": networks[0]["link"],
        "network_id": "net-1",
        "ip_address": "10.20.0.12",
        "netmask": "255.255.255.0",
        "routes": [],
        "services": [],
    }


def test_a_network_without_dhcp_says_its_addresses(ask):
    params = ask()
    params["domains"][0]["ports"][0].update(dhcp=False, gateway="10.20.0.1", network_id="net-1")
    assert read(parse(params)[0], "network_data.json")["networks"] == [
        {
            "id": "network0",
            "type": "ipv4",
            "link": "kvt22222222-00",
            "network_id": "net-1",
            "ip_address": "10.20.0.11",
            "netmask": "255.255.255.0",
            "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.20.0.1"}],
            "services": [{"type": "dns", "address": "10.20.0.2"}, {"type": "dns", "address": "10.20.0.2"}],
        }
    ]


@pytest.mark.parametrize(
    ("dhcp", "said"),
    [
        (True, {"type": "ipv6_dhcp"}),
        (
            False,
            {
                "type": "ipv6",
                "ip_address": "2001:db8::5",
                "netmask": "ffff:ffff:ffff:ffff::",
                "routes": [{"network": "::", "netmask": "::", "gateway": "2001:db8::1"}],
                "services": [{"type": "dns", "address": "2001:db8::53"}],
            },
        ),
    ],
)
def test_a_subnet_of_ipv6_in_neutron_is_told_as_what_it_is(ask, dhcp, said):
    params = ask()
    first = params["domains"][0]["ports"][0]
    first.update(fixed_ip="2001:db8::5", cidr="2001:db8::/64", gateway="2001:db8::1", dns=["2001:db8::53"], dhcp=dhcp)
    params["domains"][0]["ports"] = [first]
    [told] = read(parse(params)[0], "network_data.json")["networks"]
    assert told == {"id": "network0", "link": told["link"], "network_id": "private", **said}


@pytest.mark.parametrize(
    "gateway", [pytest.param("fd00:20::1", id="the host is the router"), pytest.param(None, id="nobody is")]
)
def test_the_address_that_a_guest_makes_itself_is_said_as_nova_says_it(ask, gateway):
    params = ask()
    first, *others = params["domains"][0]["ports"]
    ipv6 = {"ipv6_address": "fd00:20::f816:3eff:fe00:1", "ipv6_cidr": "fd00:20::/64", "ipv6_gateway": gateway}
    first.update(ipv6, dns=["10.20.0.1", "fd00:20::1"], fixed_ips=["10.20.0.11", "10.20.0.12", ipv6["ipv6_address"]])
    params["domains"][0]["ports"] = [first, *others]
    told = read(parse(params)[0], "network_data.json")
    assert [each["type"] for each in told["networks"]] == ["ipv4_dhcp", "ipv4", "ipv6_slaac"]
    assert told["networks"][2] == {
        "id": "network2",
        "type": "ipv6_slaac",
        "link": told["networks"][0]["link"],
        "network_id": "private",
        "ip_address": "fd00:20::f816:3eff:fe00:1",
        "netmask": "ffff:ffff:ffff:ffff::",
        "routes": [{"network": "::", "netmask": "::", "gateway": gateway}] if gateway else [],
        "services": [{"type": "dns", "address": "fd00:20::1"}],
    }
    assert [service["address"] for service in told["services"]] == ["10.20.0.1", "fd00:20::1"]


def test_on_ipv6_alone_nothing_is_leased(ask):
    params = ask()
    first = params["domains"][0]["ports"][0]
    own = "fd00:20::f816:3eff:fe00:1"
    first.update(ipv6_address=own, ipv6_cidr="fd00:20::/64", ipv6_gateway="fd00:20::1", fixed_ip=own, fixed_ips=[own])
    first.update(cidr=None, gateway=None, dhcp=False, dns=["fd00:20::1"])
    params["domains"][0]["ports"] = [first]
    told = read(parse(params)[0], "network_data.json")
    assert [(each["type"], each["ip_address"]) for each in told["networks"]] == [("ipv6_slaac", own)]


def test_both_versions_say_the_same(domain):
    files = domain.config_drive
    names = {name.split("/")[2] for name in files}
    assert names == {"meta_data.json", "network_data.json", "vendor_data.json"}
    assert all(files["openstack/latest/" + name] == files["openstack/2018-08-27/" + name] for name in names)


def test_user_data_and_vendor_data_are_as_given(ask):
    text = "#!/bin/sh\r\necho 'ü'\n\n"
    domain = parse({**ask(), "user_data": json.dumps({"web-1": text}), "vendor_data": '{"cloud-init": "x"}'})[0]
    assert domain.config_drive["openstack/2018-08-27/user_data"] == text.encode()
    assert read(domain, "vendor_data.json") == {"cloud-init": "x"}


@pytest.mark.parametrize(
    ("name", "hostname"), [("web-1", "web-1"), ("Web_1.example", "web-1-example"), ("a" * 63, "a" * 63), ("a.", "a")]
)
def test_hostname(name, hostname):
    assert config_drive.hostname(name) == hostname


def test_a_sub_port_is_a_vlan_of_its_parent_and_no_interface(ask):
    params = ask()
    first, *_others = params["domains"][0]["ports"]
    child = {**first, "id": "33333333-0000-4000-8000-000000000001", "mac_address": "fa:16:3e:00:00:30"}
    child.update(port_id=child["id"], network="storage", cidr="10.40.0.0/24", parent=first["id"], vlan=30, tap=None)
    params["domains"][0]["ports"] = [first, child]
    [domain] = parse(params)
    assert [each.role for each in domain.interfaces] == [first["id"]]
    told = read(domain, "network_data.json")
    assert told["links"][1] == {
        "id": "kvt33333333-00",
        "vif_id": child["id"],
        "type": "vlan",
        "mtu": 1442,
        "vlan_link": told["links"][0]["id"],
        "vlan_id": 30,
        "vlan_mac_address": "fa:16:3e:00:00:30",
    }
    assert [each["link"] for each in told["networks"]] == [each["id"] for each in told["links"]]
