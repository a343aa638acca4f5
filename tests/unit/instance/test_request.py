# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests as people write them: what they stand for, and what is refused."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.image.request import parse as parse_images
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.request import ANY, parse

FLAVORS = {"small": {"vcpus": 1, "ram": 512, "disk": 1}}
IMAGES = {"demo": {"url": "https://images.example/demo.qcow2", "checksum": "none"}}
NETWORKS = {"private": {"cidr": "10.20.0.0/24"}}
WEB = {"name": "web", "flavor": "small", "image": "demo"}


def request(*entries, state="present", **over):
    params = {
        "flavors": FLAVORS,
        "images": IMAGES,
        "networks": NETWORKS,
        "security_groups": {},
        "routers": {},
        "groups": {},
        "user_data": {},
        "image_service": "url",
        "network_service": "ovn",
        "volume_service": "file",
        "project_id": "p",
    }
    return {**params, **over, "instances": list(entries), "state": state}


def refused(entry, **over):
    """Why an entry is refused; the others are not."""
    *bad, good = parse(request({**WEB, **entry}, {**WEB, "name": "other"}, **over))
    assert (good.name, good.refusal, good.fault) == ("other", None, None)
    assert all(each.refusal.abort for each in bad)
    return str(bad[0].refusal)


def test_a_count_numbers_names_and_addresses():
    first, second = parse(request({**WEB, "count": 2, "networks": [{"network": "private", "fixed_ip": "10.20.0.50"}]}))
    assert (first.name, first.ports[0].fixed_ip) == ("web-1", "10.20.0.50")
    assert (second.name, second.ports[0].fixed_ip) == ("web-2", "10.20.0.51")


def test_what_is_a_ports_alone_counts():
    said = {"network": "private", "fixed_ips": ["10.20.0.50", "10.20.0.60"], "mac_address": "FA:16:3E:00:00:FF"}
    (first,), (second,) = (each.ports for each in parse(request({**WEB, "count": 2, "networks": [said]})))
    assert (first.fixed_ip, first.fixed_ips) == ("10.20.0.50", ["10.20.0.50", "10.20.0.60"])
    assert (second.fixed_ip, second.fixed_ips) == ("10.20.0.51", ["10.20.0.51", "10.20.0.61"])
    assert (first.mac_address, second.mac_address) == ("fa:16:3e:00:00:ff", "fa:16:3e:00:01:00")


def test_what_may_be_said_of_a_port_is_kept_as_the_stage_has_it():
    said = {"network": "private", "qos": {"max_kbps": "1000"}, "allowed_address_pairs": ["10.20.0.200"]}
    (instance,) = parse(request({**WEB, "networks": [said]}))
    (port,) = instance.ports
    assert port.qos == [{"direction": "egress", "max_kbps": 1000, "max_burst_kbps": 800}]
    assert port.allowed_address_pairs == [{"ip_address": "10.20.0.200"}]


@pytest.mark.parametrize("said", [{"qos": {"max_kbps": 1000}}, {"fixed_ips": ["10.0.0.5"]}])
def test_what_neutron_is_not_asked_for_is_refused(said):
    told = refused({"networks": [{"network": "outer", **said}]}, network_service="neutron", networks={})
    assert "%s: with the service neutron there is no such thing here" % next(iter(said)) in told


ONE = {"network": "private"}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"mac_address": "01:00:5e:00:00:01"}, "networks[0]: mac_address '01:00:5e:00:00:01' is not one machine's"),
        ({"mac_address": "ff:ff:ff:ff:ff:ff"}, "is not one machine's"),
        ({"mac_address": 5}, "networks[0]: mac_address: 5 is not a text"),
        ({"mac_address": "fe:ff:ff:ff:ff:ff", "count": 2}, "'ff:00:00:00:00:00' is not one machine's"),
        ({"fixed_ips": "10.20.0.5"}, "networks[0]: fixed_ips: '10.20.0.5' is not a list"),
        ({"fixed_ips": ["10.20.0.5", 7]}, "networks[0]: fixed_ips[1]: 7 is not a text"),
        ({"fixed_ips": []}, "networks[0]: fixed_ips: a port has one address at least"),
        ({"fixed_ips": ["10.20.0.5", "10.20.0.1"]}, "address of network private's gateway"),
        ({"fixed_ips": ["10.20.0.5", "10.20.0.6"], "fixed_ip": "10.20.0.6"}, "is not the first of fixed_ips"),
        ({"fixed_ips": ["10.20.0.5", "10.20.0.6"], "count": 2}, "10.20.0.6 on network private: port web-1 asks for it"),
        ({"qos": {"max_kbps": "fast"}}, "networks[0]: qos: max_kbps: 'fast' is not a whole number"),
        ({"allowed_address_pairs": ["ten"]}, "networks[0]: allowed_address_pairs[0]: ip_address 'ten'"),
        ({"allowed_address_pairs": ["10.20.0.9"], "port_security": False}, "can have no security groups and no"),
    ],
)
def test_what_makes_no_sense_of_a_port_is_refused(said, words):
    said = dict(said)
    count = {"count": said.pop("count")} if "count" in said else {}
    instances = parse(request({**WEB, **count, "networks": [{**ONE, **said}]}, {**WEB, "name": "other"}))
    assert words in str(instances[-2].refusal)
    assert instances[-1].refusal is None


def test_a_volume_with_a_size_is_the_instances_own():
    [web] = parse(request({**WEB, "volumes": [{"name": "data", "size": 1}, {"name": "archive"}]}))
    assert [volume.name for volume in web.volumes] == ["web-data", "archive"]
    assert web.volumes[1].delete_on_termination is False


def test_a_count_may_be_text_as_templates_make_it():
    assert [item.name for item in parse(request({**WEB, "count": "2"}))] == ["web-1", "web-2"]


def test_absent_needs_only_names():
    assert [item.name for item in parse(request({"name": "web", "count": 2}, state="absent"))] == ["web-1", "web-2"]


def test_a_group_may_be_spelled_out():
    [web] = parse(request({**WEB, "group": {"name": "apart", "policy": "anti-affinity", "max_server_per_host": 2}}))
    assert web.group == {"name": "apart", "policy": "anti-affinity", "max_server_per_host": 2}
    assert "group" in refused({**WEB, "group": {"policy": "affinity"}})
    assert "policy" in refused({**WEB, "group": {"name": "apart"}})


def test_each_entry_has_its_state():
    off, gone, usual = parse(
        request(
            {**WEB, "name": "off", "state": "stopped"},
            {"name": "gone", "state": "absent", "flavor": []},
            {**WEB, "state": None},
        )
    )
    assert (off.target_state, gone.absent, usual.target_state) == ("stopped", True, "started")
    again = parse(
        request({**WEB, "state": "restarted"}, {**WEB, "name": "hard", "state": "reset"}, {**WEB, "name": "usual"})
    )
    assert [each.target_state for each in again] == ["started"] * 3
    assert [each.restart for each in again] == ["rebooting", "rebooting_hard", None]
    [anew] = parse(request({**WEB, "state": "rebuilt"}))
    assert (anew.target_state, anew.restart, anew.rebuild) == (None, None, True)
    assert (
        refused({**WEB, "state": "off"})
        == "state: 'off' is none of started, stopped, restarted, reset, rebuilt, absent"
    )


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        pytest.param({"flavor": "huge"}, "flavor huge is not defined in launch_flavors (small)", id="flavor"),
        pytest.param({"image": "none"}, "image none is not defined in launch_images (demo)", id="image"),
        pytest.param({"group": "g"}, "group g is not defined in launch_server_groups (it has none)", id="group"),
        pytest.param(
            {"networks": ["public"]}, "network public is not defined in launch_networks (private)", id="network"
        ),
    ],
)
def test_an_unknown_reference_is_that_instances_fault(entry, fault):
    web, other = parse(request({**WEB, **entry}, {**WEB, "name": "other"}))
    assert web.fault == fault
    assert other.fault is None


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        pytest.param({"nmae": "x"}, "unknown key nmae", id="unknown key"),
        pytest.param({"name": "a/b"}, "instance name 'a/b'", id="slash"),
        pytest.param({"name": "a<b"}, "instance name 'a<b'", id="angle bracket"),
        pytest.param({"name": "a'b"}, "instance name", id="quote"),
        pytest.param({"name": "a\nb"}, "instance name", id="newline"),
        pytest.param({"name": "a" * 64}, "instance name", id="too long"),
        pytest.param({"name": None}, "name: None is not a text", id="no name"),
        pytest.param({"count": 0}, "count of web: 0 is less than 1", id="count of 0"),
        pytest.param({"count": "many"}, "count of web: 'many' is not a whole number", id="count in words"),
        pytest.param({"count": "1001"}, "count of web: 1001 is more than 1000", id="count too large"),
        pytest.param({"flavor": {"vcpus": 0, "ram": 1}}, "vcpus: 0 is less than 1", id="no CPU"),
        pytest.param({"flavor": {"vcpus": 1, "ram": -1}}, "ram (MiB): -1 is less than 1", id="negative RAM"),
        pytest.param({"volumes": [{"name": "d", "size": 0}]}, "size (GiB): 0 is less than 1", id="volume of size 0"),
        pytest.param({"volumes": [{"name": "d", "size": 1}] * 2}, "two volumes", id="equal volumes"),
        pytest.param({"volumes": [{"name": "../x", "size": 1}]}, "volume name", id="volume name with a path"),
        pytest.param({"volumes": [{"name": "d"}], "count": 2}, "cannot serve 2", id="one volume for two"),
        pytest.param({"networks": [{"network": "private", "fixed_ip": "10.20.0.500"}]}, "fixed_ip", id="no address"),
        pytest.param({"networks": [{"network": "private", "ip": "10.20.0.5"}]}, "unknown key ip", id="network key"),
        pytest.param(
            {"networks": [{"network": "private", "fixed_ip": "10.21.0.5"}]}, "10.21.0.5", id="foreign address"
        ),
        pytest.param(
            {"networks": [{"network": "private", "fixed_ip": "10.20.0.1"}]},
            "fixed_ip 10.20.0.1 is the address of network private's gateway",
            id="the gateway's address",
        ),
        pytest.param({"ssh_keys": ["not-a-key"]}, "not a public key", id="ssh key"),
        pytest.param(
            {"ssh_keys": "ssh-ed25519 AAAA"}, "ssh_keys: 'ssh-ed25519 AAAA' is not a list", id="ssh keys as a text"
        ),
        pytest.param({"metadata": ["a"]}, "metadata: ['a'] is not a mapping", id="metadata as a list"),
        pytest.param(
            {"metadata": {"nothing": None}}, "metadata: nothing: None is not a text", id="metadata of nothing"
        ),
        pytest.param({"metadata": {"tags": {"a": 1}}}, "metadata: tags: {'a': 1} is not a text", id="deep metadata"),
        pytest.param({"metadata": {1: "a"}}, "metadata: the key: 1 is not a text", id="a key that is a number"),
        pytest.param({"flavor": 1}, "flavor: 1 is not a text: put it in quotes", id="a flavor without quotes"),
        pytest.param({"flavor": {"vcpus": 1, "ram": "²"}}, "ram (MiB): '²' is not a whole number", id="ram squared"),
        pytest.param({"flavor": {"vcpus": 1, "ram": 2**63}}, "is more than 2147483647", id="ram beyond the column"),
        pytest.param(
            {"flavor": {"vcpus": 1, "ram": 1, "extra_specs": ["a"]}}, "extra_specs: ['a'] is not a mapping", id="specs"
        ),
        pytest.param(
            {"volumes": [{"name": "d", "size": 1, "delete_on_termination": "perhaps"}]},
            "delete_on_termination: 'perhaps' is not true or false",
            id="delete perhaps",
        ),
        pytest.param(
            {"volumes": [{"name": "d", "delete_on_termination": True}]},
            "volume d: is an existing one (no size), and stays: leave out delete_on_termination",
            id="delete one that there was before",
        ),
        pytest.param(
            {"networks": [{"network": "private", "security_groups": "web"}]},
            "security_groups: 'web' is not a list",
            id="groups as a text",
        ),
    ],
)
def test_a_wrong_shape_is_refused_alone(entry, reason):
    assert reason in refused(entry)


@pytest.mark.parametrize(
    ("service", "network"),
    [
        ("ovn", {"fixed_ip": "fe80::1%x || ip4"}),
        ("neutron", {"fixed_ip": "fe80::1%a"}),
        ("neutron", {"allowed_address_pairs": ["fe80::%a/64"]}),
    ],
)
def test_an_address_with_a_scope_is_refused(service, network):
    entry = {"networks": [{"network": "private", **network}]}
    assert "an address with a scope" in refused(entry, network_service=service)


BAD = "bad"
DEFINITIONS = [
    pytest.param("networks", {"cidr": "10.20.0.0/99"}, {"networks": [BAD]}, "cidr '10.20.0.0/99'", id="cidr"),
    pytest.param(
        "security_groups",
        [{"protocol": "tcp", "prot": 80}],
        {"networks": [{"network": "private", "security_groups": [BAD]}]},
        "prot",
        id="rule",
    ),
    pytest.param("images", {"url": "https://x/y", "checksum": "sha256:1"}, {"image": BAD}, "checksum", id="sum"),
    pytest.param("images", {"url": "ftp://x/y", "checksum": "none"}, {"image": BAD}, "url: scheme", id="scheme"),
    pytest.param("images", None, {"image": BAD}, "None is not a mapping", id="no image"),
    pytest.param("images", {"url": 5, "checksum": "none"}, {"image": BAD}, "url: 5 is not", id="url"),
    pytest.param(
        "images",
        {"url": "https://x/y", "checksum": "none", "min_disk": "2 GB"},
        {"image": BAD},
        "min_disk (GiB): '2 GB' is not a whole number",
        id="min_disk",
    ),
    pytest.param(
        "images", {"url": "https://x/y", "checksum": "none", "id": "x"}, {"image": BAD}, "unknown key id", id="an id"
    ),
    pytest.param("flavors", {"vcpus": 1}, {"flavor": BAD}, "ram (MiB): None is not", id="flavor"),
    pytest.param("groups", {"policy": "close"}, {"group": BAD}, "policy: 'close' is none", id="group"),
]


@pytest.mark.parametrize(("kind", "definition", "entry", "reason"), DEFINITIONS)
def test_a_wrong_definition_refuses_who_names_it(kind, definition, entry, reason):
    good = {"flavors": FLAVORS, "images": IMAGES, "networks": NETWORKS}.get(kind, {})
    told = refused(entry, **{kind: {**good, BAD: definition}})
    assert told.startswith("%s bad: " % kind.replace("_", " ").rstrip("s"))
    assert reason in told


def test_a_checksum_is_kept_as_hosts_compare_it():
    images = {"demo": {"url": "https://x/y", "checksum": "SHA256:" + "AB" * 32}}
    [web] = parse(request(WEB, images=images))
    assert web.image["checksum"] == "sha256:" + "ab" * 32
    [on_host] = parse_images({"images": [{**web.image, "instance_uuid": ANY}], "state": "present", "state_path": "/s"})
    assert on_host.checksum == web.image["checksum"]


def test_an_image_that_hosts_could_not_name_is_refused():
    images = {**IMAGES, "my image": IMAGES["demo"]}
    assert "image name 'my image': use 1 to 63 letters" in refused({"image": "my image"}, images=images)


@pytest.mark.parametrize("kind", ["flavor", "image", "group"])
def test_what_is_defined_under_a_number_has_no_name(kind):
    definitions = {"flavors": FLAVORS, "images": IMAGES, "groups": {}}[kind + "s"]
    [web] = parse(request({**WEB, kind: "1"}, **{kind + "s": {**definitions, 1: {}}}))
    assert web.fault.startswith("%s 1 is not defined in launch_" % kind)
    assert "1 without quotes" in web.fault


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("web", "is not a mapping of keys to values"),
        (None, "is not a mapping of keys to values"),
        ({"flavor": "small"}, "instance name: None is not a text"),
        ({**WEB, "name": 42}, "instance name: 42 is not a text: put it in quotes"),
        ({**WEB, "count": "two"}, "count of web: 'two' is not a whole number"),
    ],
)
@pytest.mark.parametrize("state", ["present", "absent"])
def test_an_entry_without_a_name_is_called_by_its_place(entry, reason, state):
    good, bad = parse(request(WEB, entry, state=state))
    assert (good.name, good.refusal) == ("web", None)
    assert bad.name == "launch_instances[1]"
    assert str(bad.refusal).startswith(reason)
    assert bad.to_result()["status"] == "ERROR"


@pytest.mark.parametrize(
    ("value", "kept"),
    [("false", True), ("no", True), (False, True), (0, True), ("true", False), ("yes", False), (True, False)],
)
def test_a_text_from_the_command_line_means_what_ansible_makes_of_it(value, kept):
    """A volume whose data is to be kept is lost where "false" counts as true."""
    volume = {"name": "data", "size": " 2 ", "delete_on_termination": value}
    [web] = parse(request({**WEB, "volumes": [volume]}))
    assert (web.volumes[0].delete_on_termination, web.volumes[0].size) == (not kept, 2)


def test_true_and_numbers_are_texts_as_json_writes_them():
    [web] = parse(request({**WEB, "metadata": {"managed": True, "port": 80, "name": "x"}}))
    assert web.metadata == {"managed": "true", "port": "80", "name": "x"}


SERVED = {"id": "11111111-1111-4111-8111-111111111111", "url": "http://glance/file", "name": "demo"}
IN_CEPH = "rbd://cluster/images/demo/snap"


@pytest.mark.parametrize(
    ("service", "image", "made_from", "fault"),
    [
        ("cinder", SERVED, SERVED["id"], None),
        ("cinder", IMAGES["demo"], None, "volume web-root: image demo: Cinder makes volumes from images of Glance"),
        ("rbd", {**SERVED, "direct_url": IN_CEPH}, IN_CEPH, None),
        ("rbd", SERVED, None, "volume web-root: image demo: Ceph makes volumes from its own raw images"),
        ("rbd", {"fault": "image demo: is queued"}, None, "image demo: is queued"),
    ],
)
def test_a_volume_is_never_blank_that_should_be_made_from_an_image(service, image, made_from, fault):
    entry = {"name": "web", "flavor": "small", "volumes": [{"name": "root", "size": 1, "image": "demo", "boot": True}]}
    where = "url" if image is IMAGES["demo"] else "glance"
    [web] = parse(request(entry, images={"demo": image}, image_service=where, volume_service=service))
    assert web.volumes[0].image == made_from
    assert (web.fault is None) is (fault is None)
    assert (fault or "") in (web.fault or "")


def test_what_services_say_of_who_asks_is_as_they_say_it():
    [web] = parse(request(WEB, user_id="", user_name="José\u00a0B.", project_name=None))
    assert (web.user_id, web.user_name, web.project_name) == (None, "José\u00a0B.", None)


def test_an_image_of_a_service_is_called_what_can_be_kept():
    served = {"id": "x", "url": "http://glance/file", "name": "demo \x1b[2J"}
    [web] = parse(request(WEB, images={"demo": served}, image_service="glance"))
    assert "image demo: name: 'demo \\x1b[2J' has a control character" in str(web.refusal)


def test_each_of_two_of_one_name_is_refused():
    two, one, other = parse(request({**WEB, "name": "web-1"}, {**WEB, "count": 1}, {**WEB, "name": "other"}))
    assert [str(each.refusal) for each in (two, one)] == ["two instances have this name"] * 2
    assert other.refusal is None


@pytest.mark.parametrize(("who", "value"), [("project_id", "a\x1b[2J"), ("user_name", "a\0"), ("project_id", "")])
def test_who_asks_has_a_name_that_can_be_shown(who, value):
    with pytest.raises(InvalidRequest, match=who):
        parse(request(WEB, **{who: value}))


def test_a_default_key_is_theirs_who_name_none_and_has_to_be_one():
    mine, own, bad = "ssh-ed25519 AAAA me@here", "ssh-rsa BBBB", "nonsense"
    entries = [{**WEB, "name": "a"}, {**WEB, "name": "b", "ssh_keys": [own]}]
    assert [(each.ssh_keys, each.default_ssh_keys) for each in parse(request(*entries, default_ssh_keys=[mine]))] == [
        (None, [mine]), ([own], None),
    ]  # fmt: skip
    first, second = parse(request(*entries, default_ssh_keys=[bad]))
    assert "the controller's own key (launch_default_keys: false does without): 'nonsense' is not" in str(first.refusal)
    assert second.refusal is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"network": "private", "floating_ip": True}, "floating_ip: network private is on no router"),
        ({"network": "lab", "floating_ip": "192.0.2.9"}, "floating_ip 192.0.2.9 is outside 172.30.0.0/24"),
        ({"network": "lab", "floating_ip": "172.30.0.9"}, "floating_ip 172.30.0.9 is outside of the allocation_pool"),
        ({"network": "lab", "floating_ip": "elsewhere"}, "the external_network of router main is provider"),
        ({"network": "apart", "floating_ip": "yes"}, "floating_ip: router inner has no external_network"),
        ({"network": "lost"}, "network lost: router mian is neither host nor none"),
        ({"network": "lab", "floating_ip": True}, None),
    ],
)
def test_what_no_router_can_do_is_told_before_anything_is_made(said, told):
    pool = {"start": "172.30.0.50", "end": "172.30.0.99"}
    networks = {
        "private": {"cidr": "10.20.0.0/24"},
        "provider": {"cidr": "172.30.0.0/24", "physical_network": "physnet1", "allocation_pool": pool},
        "lab": {"cidr": "10.21.0.0/24", "router": "main"},
        "apart": {"cidr": "10.22.0.0/24", "router": "inner"},
        "lost": {"cidr": "10.23.0.0/24", "router": "mian"},
    }
    routers = {"main": {"external_network": "provider"}, "inner": {}}
    [asked] = parse(request({**WEB, "networks": [said]}, networks=networks, routers=routers))
    assert (told or "None") in str(asked.refusal)
