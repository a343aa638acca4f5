# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests as people write them: what they stand for, and what is refused."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.request import parse

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
        "groups": {},
        "user_data": {},
        "image_service": "url",
        "network_service": "ovn",
        "volume_service": "file",
        "project_id": "p",
    }
    return {**params, **over, "instances": list(entries), "state": state}


def test_a_count_numbers_names_and_addresses():
    first, second = parse(request({**WEB, "count": 2, "networks": [{"network": "private", "fixed_ip": "10.20.0.50"}]}))
    assert (first.name, first.ports[0].fixed_ip) == ("web-1", "10.20.0.50")
    assert (second.name, second.ports[0].fixed_ip) == ("web-2", "10.20.0.51")


def test_a_volume_with_a_size_is_the_instances_own():
    [web] = parse(request({**WEB, "volumes": [{"name": "data", "size": 1}, {"name": "archive"}]}))
    assert [volume.name for volume in web.volumes] == ["web-data", "archive"]
    assert web.volumes[1].delete_on_termination is False


def test_a_count_may_be_text_as_templates_make_it():
    assert [item.name for item in parse(request({**WEB, "count": "2"}))] == ["web-1", "web-2"]


def test_absent_needs_only_names():
    assert [item.name for item in parse(request({"name": "web", "count": 2}, state="absent"))] == ["web-1", "web-2"]


def test_each_entry_has_its_state():
    off, gone, usual = parse(
        request(
            {**WEB, "name": "off", "state": "stopped"},
            {"name": "gone", "state": "absent", "flavor": []},
            {**WEB, "state": None},
        )
    )
    assert (off.target_state, gone.absent, usual.target_state) == ("stopped", True, "started")
    with pytest.raises(InvalidRequest, match="web: state: 'off' is none of started, stopped, absent"):
        parse(request({**WEB, "state": "off"}))


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
        pytest.param({"name": None}, "without a name", id="no name"),
        pytest.param({"count": 0}, "count: 0 is less than 1", id="count of 0"),
        pytest.param({"count": "many"}, "count: 'many' is not a whole number", id="count in words"),
        pytest.param({"count": "1001"}, "count: 1001 is more than 1000", id="count too large"),
        pytest.param({"flavor": None}, "flavor is missing", id="no flavor"),
        pytest.param({"flavor": {"vcpus": 0, "ram": 1}}, "vcpus: 0 is less than 1", id="no CPU"),
        pytest.param({"flavor": {"vcpus": 1, "ram": -1}}, "ram (MiB): -1 is less than 1", id="negative RAM"),
        pytest.param({"image": None}, "image is missing", id="no image"),
        pytest.param({"volumes": [{"name": "d", "size": 0}]}, "size (GiB): 0 is less than 1", id="volume of size 0"),
        pytest.param({"volumes": [{"name": "d", "size": 1}] * 2}, "two volumes", id="equal volumes"),
        pytest.param({"volumes": [{"name": "../x", "size": 1}]}, "volume name", id="volume name with a path"),
        pytest.param({"volumes": [{"name": "d"}], "count": 2}, "cannot serve 2", id="one volume for two"),
        pytest.param({"networks": [{"network": "private", "fixed_ip": "10.20.0.500"}]}, "fixed_ip", id="no address"),
        pytest.param({"networks": [{"network": "private", "ip": "10.20.0.5"}]}, "unknown key ip", id="network key"),
        pytest.param(
            {"networks": [{"network": "private", "fixed_ip": "10.21.0.5"}]}, "10.21.0.5", id="foreign address"
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
            {"networks": [{"network": "private", "security_groups": "web"}]},
            "security_groups: 'web' is not a list",
            id="groups as a text",
        ),
    ],
)
def test_a_wrong_shape_refuses_the_request(entry, reason):
    with pytest.raises(InvalidRequest) as refusal:
        parse(request({**WEB, **entry}))
    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("service", "network"),
    [
        ("ovn", {"fixed_ip": "fe80::1%x || ip4"}),
        ("neutron", {"fixed_ip": "fe80::1%a"}),
        ("neutron", {"allowed_address_pairs": ["fe80::%a/64"]}),
    ],
)
def test_an_address_with_a_scope_is_refused(service, network):
    with pytest.raises(InvalidRequest, match="an address with a scope"):
        parse(request({**WEB, "networks": [{"network": "private", **network}]}, network_service=service))


@pytest.mark.parametrize(
    ("definitions", "reason"),
    [
        pytest.param({"networks": {"private": {"cidr": "10.20.0.0/99"}}}, "10.20.0.0/99", id="cidr"),
        pytest.param({"security_groups": {"web": [{"protocol": "tcp", "prot": 80}]}}, "prot", id="rule"),
        pytest.param({"images": {"demo": {"url": "https://x/y", "checksum": "sha256:1"}}}, "checksum", id="checksum"),
        pytest.param({"images": {"demo": {"url": "ftp://x/y", "checksum": "none"}}}, "scheme 'ftp'", id="scheme"),
        pytest.param({"flavors": {"small": {"vcpus": 1}}}, "ram", id="flavor"),
        pytest.param({"groups": {"unused": {"policy": "close"}}}, "group unused: policy", id="group"),
    ],
)
def test_a_wrong_definition_refuses_the_request(definitions, reason):
    with pytest.raises(InvalidRequest) as refusal:
        parse(request({**WEB, "networks": ["private"]}, **definitions))
    assert reason in str(refusal.value)


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


def test_all_that_is_wrong_is_named_at_once():
    with pytest.raises(InvalidRequest) as refusal:
        parse(request(WEB, WEB, {**WEB, "name": "a/b"}, {**WEB, "name": "c", "size": 1}))
    assert all(word in str(refusal.value) for word in ("two instances are named web", "a/b", "unknown key size"))


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
    [web] = parse(request(entry, images={"demo": image}, volume_service=service))
    assert web.volumes[0].image == made_from
    assert (web.fault is None) is (fault is None)
    assert (fault or "") in (web.fault or "")
