# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An instance as a host of Ansible's inventory: tables of names, groups, addresses and ways."""

from __future__ import annotations

import json
import shlex

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.instance import inventory, jump
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.inventory import Reach

UUID = "e5e9defd-803c-42dd-9fed-0683f1a33f1d"
ALIAS = "-o HostKeyAlias=" + UUID
PRIVATE = {"network": "private", "fixed_ip": "10.20.0.50"}
PUBLIC = {"network": "public", "fixed_ip": "192.0.2.50"}
DOCUMENT = {
    "name": "web", "uuid": UUID, "project_id": "p", "project_name": None, "user_name": None, "status": "ACTIVE",
    "target_state": "started", "power_state": "running", "host": "kvm1", "availability_zone": None, "metadata": {},
    "flavor": {"name": "small", "vcpus": 1, "ram": 512, "disk": 1}, "image": {"name": "demo", "properties": {}},
    "group": None, "ports": [PRIVATE], "volumes": [], "fault": None,
}  # fmt: skip


def with_info(port, **info):
    return {**port, "network_info": info}


def told(**said):
    return inventory.told({**DOCUMENT, **said})


def hosts(*instances, taken=(), compute=None, reach=None):
    holders = dict(taken if isinstance(taken, dict) else dict.fromkeys(taken, ""))
    return inventory.hosts(instances, holders.get, lambda name: compute or {}, reach or Reach())


@pytest.mark.parametrize(
    ("instances", "taken", "names"),
    [
        pytest.param([{}, {"name": "db"}], (), ["web", "db"], id="names are theirs"),
        pytest.param([{}, {"project_id": "q"}], (), ["web.p", "web.q"], id="a name of two projects"),
        pytest.param([{"project_id": "a b:c"}], {"web"}, ["web.a_b_c"], id="a project that no pattern can have"),
        pytest.param(
            [{"project_id": "a b"}, {"project_id": "a_b", "uuid": "u"}], (), ["web." + UUID, "web.u"],
            id="projects that look the same",
        ),
        pytest.param([{"name": "kvm1"}], (), ["kvm1.p"], id="a compute host's name"),
        pytest.param([{"name": "kvm2"}, {"host": "kvm2"}], (), ["kvm2.p", "web"], id="another's compute host's name"),
        pytest.param([{"name": "localhost"}], (), ["localhost.p"], id="the controller's name"),
        pytest.param([{"name": "instances"}], (), ["instances.p"], id="the group's name"),
        pytest.param([{}], {"web"}, ["web.p"], id="a name of the inventory"),
        pytest.param([{}], {"web", "web.p"}, ["web." + UUID], id="both names of the inventory"),
        pytest.param([{}], {"web": UUID}, ["web"], id="the inventory has it"),
        pytest.param([{}], {"web.p": UUID}, ["web.p"], id="the inventory has it, under that name"),
        pytest.param([{}], {"web": "another"}, ["web.p"], id="another instance's name"),
        pytest.param(
            [{}, {"project_id": "q"}, {"name": "web.q"}], (), ["web.p", "web." + UUID, "web.q"],
            id="a name that looks like that",
        ),
    ],
)  # fmt: skip
def test_names(instances, taken, names):
    assert [host.name for host in hosts(*(told(**each) for each in instances), taken=taken)] == names


@pytest.mark.parametrize(
    ("said", "groups"),
    [
        pytest.param(
            {}, ["instances", "project_p", "host_kvm1", "flavor_small", "image_demo", "status_active"], id="all",
        ),
        pytest.param(
            {"host": None, "image": None, "flavor": None, "status": "ERROR"},
            ["instances", "project_p", "status_error"],
            id="what it does not have makes none",
        ),
        pytest.param(
            {"host": "kvm-1.example", "image": {"name": "débian 12"}, "flavor": None},
            ["instances", "project_p", "host_kvm_1_example", "image_d_bian_12", "status_active"],
            id="names become safe",
        ),
        pytest.param(
            {"host": None, "image": None, "flavor": None, "availability_zone": "north", "group": {"name": "web"},
             "metadata": {"role": "web", "a-b": "c.d", "long": "x" * 64}},
            ["instances", "project_p", "status_active", "zone_north", "server_group_web", "metadata_a_b_c_d",
             "metadata_role_web"],
            id="zone, server group and metadata",
        ),
    ],
)  # fmt: skip
def test_groups(said, groups):
    assert inventory.groups(told(**said)) == groups


@pytest.mark.parametrize(
    ("said", "reach", "compute", "address", "args"),
    [
        pytest.param({}, Reach(), {}, "10.20.0.50", "-o ProxyJump=kvm1 " + ALIAS, id="over a host by its name"),
        pytest.param(
            {}, Reach(), {"ansible_host": "2001:db8::1", "ansible_user": "ops", "ansible_port": 2222}, "10.20.0.50",
            "-o 'ProxyJump=ops@[2001:db8::1]:2222' " + ALIAS, id="over a host as the inventory has it",
        ),
        pytest.param({}, Reach(), {"ansible_connection": "local"}, "10.20.0.50", ALIAS, id="on the controller"),
        pytest.param({}, Reach(jump=False), {}, "10.20.0.50", ALIAS, id="without jumps"),
        pytest.param({"host": None}, Reach(), {}, "10.20.0.50", ALIAS, id="on no host"),
        pytest.param({"ports": []}, Reach(), {}, None, ALIAS, id="without an address"),
        pytest.param({"ports": [{"network": "private", "fixed_ip": None}]}, Reach(), {}, None, ALIAS, id="not yet"),
        pytest.param(
            {"ports": [PRIVATE, with_info(PUBLIC, floating_ip_address="198.51.100.9")]}, Reach(), {}, "198.51.100.9",
            ALIAS, id="a floating address",
        ),
        pytest.param(
            {"ports": [PRIVATE, with_info(PUBLIC, physical_network="physnet1")]}, Reach(), {}, "192.0.2.50", ALIAS,
            id="a provider address",
        ),
        pytest.param(
            {"ports": [PRIVATE, PUBLIC]}, Reach(direct_networks=("public",)), {}, "192.0.2.50", ALIAS,
            id="a network that is routed",
        ),
        pytest.param(
            {"ports": [with_info(PRIVATE, router="host")]}, Reach(), {}, "10.20.0.50", "-o ProxyJump=kvm1 " + ALIAS,
            id="its host is the router",
        ),
        pytest.param({"ports": [with_info(PRIVATE, router="main")]}, Reach(), {}, None, ALIAS, id="another router"),
        pytest.param({"ports": [with_info(PRIVATE, router="none")]}, Reach(), {}, None, ALIAS, id="an island"),
        pytest.param(
            {"ports": [with_info(PUBLIC, router="main"), with_info(PRIVATE, router="host")]}, Reach(), {},
            "10.20.0.50", "-o ProxyJump=kvm1 " + ALIAS, id="the network whose router its host is",
        ),
        pytest.param(
            {"ports": [with_info(PUBLIC, router="main")]}, Reach(direct_networks=("public",)), {}, "192.0.2.50",
            ALIAS, id="a router of its own, to which there is a way",
        ),
        pytest.param(
            {"ports": [with_info(PRIVATE, router="main")]}, Reach(jump=False), {}, "10.20.0.50", ALIAS,
            id="without jumps ways are the user's",
        ),
        pytest.param(
            {"ports": [with_info(PRIVATE, router="main", floating_ip_address="198.51.100.9")]}, Reach(), {},
            "198.51.100.9", ALIAS, id="a floating address on another router",
        ),
        pytest.param(
            {"ports": [{**PRIVATE, "leaving": True}, PUBLIC]}, Reach(jump=False), {}, "192.0.2.50", ALIAS,
            id="not one that it is to lose",
        ),
    ],
)  # fmt: skip
def test_the_way_to_a_guest(said, reach, compute, address, args):
    [host] = hosts(told(**said), compute=compute, reach=reach)
    assert (host.variables.get("ansible_host"), host.variables["ansible_ssh_common_args"]) == (address, args)


def test_a_jump_with_a_key_and_options_of_its_own_is_a_command():
    compute = {
        "ansible_host": "192.0.2.11", "ansible_user": "ops", "ansible_port": 2222,
        "ansible_ssh_private_key_file": "/keys/my key", "ansible_ssh_common_args": "-F '/etc/a%b'",
    }  # fmt: skip
    dash, option = shlex.split(jump.option("kvm1", compute))
    name, _is, command = option.partition("=")
    assert (dash, name) == ("-o", "ProxyCommand")
    assert shlex.split(command) == [
        "ssh", "-F", "/etc/a%%b", "-i", "/keys/my key", "-l", "ops", "-p", "2222", "-W", "[%h]:%p", "192.0.2.11",
    ]  # fmt: skip


def test_who_has_no_way_is_told_by_its_networks():
    apart, near = with_info(PUBLIC, router="main"), with_info(PRIVATE, router="host")
    assert "its networks, public (router: " in inventory.out_of_reach(told(ports=[apart]), Reach())
    assert "give it a floating_ip or a port" in inventory.out_of_reach(told(ports=[apart]), Reach())
    six = with_info({**PUBLIC, "fixed_ip": "fd00:20::f816:3eff:fe00:1"}, router="main")
    assert "give it a port on a network with router: host" in inventory.out_of_reach(told(ports=[six]), Reach())
    assert inventory.out_of_reach(told(ports=[apart, near]), Reach()) is None
    assert inventory.out_of_reach(told(ports=[]), Reach()) is None


def test_an_address_of_ipv6_is_told():
    dual = with_info(PRIVATE, ipv6_address="fd00:20::f816:3eff:fe00:1")
    [host] = hosts(told(ports=[dual, PUBLIC]))
    addresses = host.variables["kvmstack"]["addresses"]
    assert [each["ipv6_address"] for each in addresses] == ["fd00:20::f816:3eff:fe00:1", None]


@pytest.mark.parametrize(
    ("properties", "reach", "user"),
    [
        pytest.param({}, Reach(), None, id="nobody knows"),
        pytest.param({}, Reach("me"), "me", id="the option's"),
        pytest.param({"os_admin_user": "fedora"}, Reach("me"), "fedora", id="the image's"),
    ],
)
def test_the_user(properties, reach, user):
    [host] = hosts(told(image={"name": "demo", "properties": properties}), reach=reach)
    assert host.variables.get("ansible_user") == user


def test_nothing_that_is_not_to_be_shown_is_told():
    secret = {"ssh_keys": ["ssh-rsa SECRET"], "user_data_digest": "SECRET", "lease": "SECRET", "last_error": "SECRET"}
    image = {"name": "demo", "url": "https://me:SECRET@images.example/", "properties": {"mine": "SECRET"}}
    volumes = [{"name": "data", "size": 1, "attachment_id": "SECRET"}, {"name": "old", "size": 1, "leaving": True}]
    [host] = hosts(told(**secret, image=image, volumes=volumes))
    assert "SECRET" not in json.dumps(host.variables)
    assert host.variables["kvmstack"]["volumes"] == [{"name": "data", "size": 1}]


def test_two_instances_with_one_address_share_no_connection():
    paths = [host.variables["ansible_control_path"] for host in hosts(told(), told(project_id="q", uuid="another"))]
    assert [path % {"directory": "/cp"} for path in paths] == ["/cp/e5e9defd-803c-42dd-%r-%p", "/cp/another-%r-%p"]
