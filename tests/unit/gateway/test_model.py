# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who uses which gateway, and where there can be none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Unavailable
from ansible_collections.kvmstack.launch.plugins.module_utils.core.request import Unsound
from ansible_collections.kvmstack.launch.plugins.module_utils.gateway import files, request
from ansible_collections.kvmstack.launch.plugins.module_utils.gateway.model import (
    Gateway,
    Use,
    as_text,
    check_routes,
    plan,
    read_gateway,
)

WEB = "11111111-0000-4000-8000-000000000001"
A = Gateway("aaaaaaaa-0000-4000-8000-00000000000a", "fa:16:3f:00:00:01", "private", "10.20.0.1/24", 1442, "lab.test")
B = replace(A, port="bbbbbbbb-0000-4000-8000-00000000000b", network="other", address="10.30.0.1/24", domain=None)


@pytest.mark.parametrize(
    ("wanted", "before", "state", "action"),
    [
        pytest.param((A,), None, "present", "create", id="the first use"),
        pytest.param((A, B), (B, A), "present", "keep", id="the same ones"),
        pytest.param((A,), (A, B), "present", "update", id="one less"),
        pytest.param((A,), (replace(A, up=False),), "present", "update", id="one that does not work"),
        pytest.param((replace(A, mtu=1400),), (A,), "present", "update", id="another MTU"),
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


def test_a_record_is_read_as_it_was_written():
    assert read_gateway({**A.to_record(), "of a later release": 1}, up=True) == A
    assert len(A.interface) <= 15


def test_the_files_of_a_unit():
    made = files.files(A, "br-int")
    assert made["environment"].splitlines() == [
        "BRIDGE=br-int", "PORT=" + A.port, "MAC=fa:16:3f:00:00:01", "ADDRESS=10.20.0.1/24", "MTU=1442",
    ]  # fmt: skip
    assert 'add element inet kvmstack sources { "kvgaaaaaaaa000" . 10.20.0.0/24 }' in made["start.nft"]
    assert made["stop.nft"] == made["start.nft"].replace("add ", "delete ")
    assert "local=/lab.test/" in made["dnsmasq.conf"]
    assert "domain" not in files.files(B, "br-int")["dnsmasq.conf"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"address": "10.20.0.1"}, None),
        ({"address": "nowhere"}, "is not one with a prefix length"),
        ({"mac": "ff:ff:ff:ff:ff:ff"}, "mac"),
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


def test_a_diff_names_each():
    assert as_text(Use(WEB, (A,)), whole=False) == (
        "gateway of network private: address 10.20.0.1/24, interface kvgaaaaaaaa000\n"
    )
