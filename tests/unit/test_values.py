# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever is written in a request, at any place of it: it is taken, or refused in words, and that one's alone.

A request goes through the doors of the controller, on a record in SQLite, and through the stages of a compute host that
lives in memory. VALUES_EXAMPLES=20000 tries more of them than a few seconds allow.
"""

from __future__ import annotations

import copy
import datetime
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from ansible_collections.kvmstack.launch.plugins.filter.request import (
    images_asked,
    public_images,
    public_request,
    user_data,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.build.stages import STAGES
from ansible_collections.kvmstack.launch.plugins.module_utils.core import carry
from ansible_collections.kvmstack.launch.plugins.module_utils.core import documents as travelling
from ansible_collections.kvmstack.launch.plugins.module_utils.core.request import Unsound
from ansible_collections.kvmstack.launch.plugins.module_utils.core.run import travel
from ansible_collections.kvmstack.launch.plugins.module_utils.domain import xml
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.model import HOST, Domain, Hypervisor
from ansible_collections.kvmstack.launch.plugins.module_utils.network import request as network_request
from ansible_collections.kvmstack.launch.plugins.module_utils.network.ovn import rows
from ansible_collections.kvmstack.launch.plugins.module_utils.network.security import Group
from ansible_collections.kvmstack.launch.plugins.module_utils.port import request as port_request
from ansible_collections.kvmstack.launch.plugins.module_utils.volume import request as volume_request
from ansible_collections.kvmstack.launch.plugins.modules import build as build_door
from ansible_collections.kvmstack.launch.plugins.modules import host as host_door
from ansible_collections.kvmstack.launch.plugins.modules import instance as instance_door
from ansible_collections.kvmstack.launch.plugins.modules import instance_update as update_door
from ansible_collections.kvmstack.launch.plugins.modules import schedule as schedule_door
from ansible_collections.kvmstack.launch.plugins.plugin_utils.control import Exit, Module

ROOT = Path(__file__).parents[2]
EXAMPLES = int(os.environ.get("VALUES_EXAMPLES", "50"))

GOOD = {
    "launch_flavors": {"small": {"vcpus": 1, "ram": 512, "disk": 1}},
    "launch_images": {"demo": {"url": "https://images.example/demo.qcow2", "checksum": "none"}},
    "launch_networks": {"private": {"cidr": "10.20.0.0/24"}},
    "launch_routers": {},
    "launch_security_groups": {"web": [{"protocol": "tcp", "port": 80}]},
    "launch_server_groups": {"apart": {"policy": "soft-anti-affinity"}},
    "launch_quotas": {},
    "launch_host_settings": {},
}
# One of everything that may be said, each as it is right.
FULL = {
    "launch_flavors": {
        "full": {"vcpus": 2, "ram": 64, "disk": 2, "extra_specs": {"hw:cpu_sockets": 1, "ssd": "true"}},
    },
    "launch_images": {
        "full": {
            "url": "https://images.example/full.raw", "checksum": "sha256:" + "0" * 64, "disk_format": "raw",
            "min_disk": 1, "min_ram": 64, "properties": {"hw_machine_type": "q35", "os_distro": "debian"},
        },
    },
    "launch_routers": {"full": {"routes": [{"destination": "198.51.100.0/24", "nexthop": "10.22.0.9"}]}},
    "launch_networks": {
        "routed": {"cidr": "10.22.0.0/24", "router": "full"},
        "full": {
            "cidr": "10.21.0.0/24", "gateway": "10.21.0.1", "dns": ["192.0.2.53"], "mtu": 1400, "dhcp": True,
            "allocation_pool": {"start": "10.21.0.10", "end": "10.21.0.90"}, "domain": "a.example",
            "port_security": True,
        },
    },
    "launch_security_groups": {
        "full": [{"direction": "egress", "protocol": "udp", "port": "53-54", "remote": "10.0.0.0/8",
                  "ethertype": "IPv4"}, {"remote": "web"}],
    },
    "launch_server_groups": {"full": {"policy": "anti-affinity", "max_server_per_host": 3}},
    "launch_quotas": {"instances": 2000, "cores": -1, "ram": "10000000", "volumes": 2000, "gigabytes": 100000},
    "launch_host_settings": {
        "c1": {
            "enabled": True, "disabled_reason": "new disks", "vcpus_reserved": 1, "memory_mb_reserved": 1,
            "disk_gb_reserved": 1, "cpu_allocation_ratio": 2.0, "ram_allocation_ratio": 1.5,
            "disk_allocation_ratio": 1.0, "availability_zone": "north",
            "aggregates": [{"name": "fast", "metadata": {"ssd": "true"}}],
            "units": {"vcpus": {"min_unit": 1, "max_unit": 90, "step_size": 1}}, "traits": ["CUSTOM_A"],
            "metrics": {"load": 0.5}, "cpu_dedicated_set": "4-7",
            "bridge_mappings": {"physnet1": {"bridge": "br-ex", "interface": "eth2"}},
        },
    },
}  # fmt: skip
ENTRY = {
    "name": "full", "count": 2, "state": "started", "flavor": "full", "image": "full", "group": "full",
    "networks": [
        "private",
        {"network": "full", "fixed_ips": ["10.21.0.20", "10.21.0.40"], "security_groups": ["web", "full"],
         "port_security": True,
         "mac_address": "fa:16:3e:00:00:01", "qos": [{"max_kbps": 9, "max_burst_kbps": 9, "direction": "ingress"}],
         "allowed_address_pairs": ["10.21.0.9", {"ip_address": "10.21.0.0/28", "mac_address": "fa:16:3e:00:00:02"}]},
    ],
    "volumes": [{"name": "data", "size": 1, "format": "qcow2", "delete_on_termination": True}],
    "ssh_keys": ["ssh-ed25519 AAAA me@here"], "metadata": {"role": "web", "nr": 7}, "availability_zone": "north",
    "user_data": "#cloud-config\n",
    "scheduler_hints": {
        "different_host": ["good"], "build_near_host_ip": "192.0.2.7", "cidr": "/24",
        "query": [">=", "$free_ram_mb", 1], "acme.cloud.rack": {"a": [1]},
    },
}  # fmt: skip
# What only services have, and what their image service has told.
SERVED = {
    "name": "full", "flavor": {"vcpus": 1, "ram": 64},
    "networks": [
        {"network": "outer", "fixed_ip": "2001:db8::7", "floating_ip": "198.51.100.7", "security_groups": ["web 1"],
         "allowed_address_pairs": ["10.0.0.9", {"ip_address": "10.0.0.0/8", "mac_address": "fa:16:3e:00:00:01"}]},
        {"port": "mine", "floating_ip": True},
    ],
    "volumes": [
        {"name": "root", "size": 1, "image": "served", "boot": True}, {"name": "old", "size": 1, "snapshot": "a@b"},
        {"name": "archive"},
    ],
}  # fmt: skip
IMAGES = {
    "served": {
        "name": "served", "id": "11111111-1111-4111-8111-111111111111", "url": "http://glance/file", "min_disk": 1,
        "checksum": "sha256:" + "0" * 64, "disk_format": "raw", "direct_url": "rbd://cluster/images/i/snap",
    },
}  # fmt: skip
SPELLED = {"vcpus": 1, "ram": 64, "disk": 1, "extra_specs": {"ssd": "true"}}
GOOD_ENTRY = {"name": "good", "flavor": "small", "image": "demo", "networks": ["private"]}
NODE = {
    "host": "c1", "name": "c1", "hypervisor_type": "QEMU", "hypervisor_version": 9000000, "virt_type": "kvm",
    "architecture": "x86_64", "vcpus": 5000, "memory_mb": 2000000, "disk_gb": 2**31 - 1, "free_disk_gb": 2**31 - 1,
    "vcpus_used": 0, "memory_mb_used": 0, "running_vms": 0,
    "cpu_features": [], "numa_cells": [], "hugepages": [], "pci_devices": [], "host_ip": "192.0.2.7",
}  # fmt: skip
WITHOUT = "00000000-0000-4000-8000-000000000000"  # in check mode a new instance has no UUID yet

# Values of every wrong kind, and of none that is right everywhere.
JUNK = [
    None, True, False, 0, -1, 2**31, 2**63, 10**400, 1.5, float("nan"), float("inf"), "", " ", "yes", "2", "2.0", "²",
    "1e999", "a/b", "../x", "-x", "a\0b", "a\nb", "\x1b[2J", "\udcff", "\uffff", "fe80::1%x || ip4", "[" * 9000,
    "x" * 3000, b"\xff", datetime.date(2026, 1, 1), [], [None], ["a", 1], [[]], {}, {1: 2}, {None: None}, {"a": {}},
    {(1, 2): 3}, {"\0": "\0"}, {1, 2}, (1,),
]  # fmt: skip


class Memory:
    """A host, or a database, on which everything that is asked for comes about."""

    def __init__(self, noun, _params):
        self.noun = noun

    def read(self, _wanted):
        return {HOST: Hypervisor("qemu")} if self.noun == "domain" else {}

    def apply(self, changes):
        return {change.key: change.after for change in changes}


def ask(door, url, check_mode, **task):
    """The result of a door inside Ansible's worker."""
    known = door.ARGUMENTS["argument_spec"]
    asked = {key: value for key, value in {"database": url, "run_id": "r", **task}.items() if key in known}
    with pytest.raises(Exit) as ended:
        door.stage(Module(door.ARGUMENTS, asked, check_mode, True, 1))
    return ended.value.result


def launch(request, url, check_mode=False):
    """The documents after every stage, of two hosts that are this request's alone."""
    entries, project = request["launch_instances"], request["project"]
    hosts = ["c1-" + project, "c2-" + project]
    nodes = [{**NODE, "host": name, "name": name} for name in hosts]
    of_hosts = {"%s-%s" % (name, project): each for name, each in request["launch_host_settings"].items()}
    images_asked(entries)
    texts = user_data(entries)
    asked = ask(
        instance_door, url, check_mode, instances=public_request(entries), user_data=texts,
        flavors=request["launch_flavors"], images=public_images(request["launch_images"]),
        networks=request["launch_networks"], routers=request["launch_routers"],
        security_groups=request["launch_security_groups"], groups=request["launch_server_groups"],
        quotas=request["launch_quotas"], project_id=project,
    )  # fmt: skip
    ask(host_door, url, check_mode, hosts=hosts, nodes=nodes, settings=of_hosts)
    placed = ask(
        schedule_door, url, check_mode, instances=asked["instances"], candidates=hosts, nodes=nodes,
        host_settings=of_hosts,
    )  # fmt: skip
    documents = build(with_ports(placed["instances"], request), texts)
    if check_mode:
        return documents
    written = ask(update_door, url, False, instances=documents, project_id=project)
    return json.loads(json.dumps(written["instances"]))


def accept(entries, url, volumes):
    """The documents of a request to services; what their stages take of it they do not refuse."""
    asked = ask(
        instance_door, url, True, instances=public_request(entries), user_data=user_data(entries), images=IMAGES,
        image_service="glance", network_service="neutron", volume_service=volumes, project_id="p",
    )  # fmt: skip
    for document in asked["instances"]:
        if not document.get("failed") and not document["fault"]:
            check_parts({**document, "uuid": WITHOUT}, volumes)
    return asked["instances"]


def check_parts(document, service):
    """The stages of services would refuse none of the document's ports and volumes."""
    ports = carry.items([document], carry.parts_of("port"))
    assert [port.fault for port in port_request.parse({"service": "neutron", "ports": ports}) if port.fault] == []
    items = carry.items([document], carry.parts_of("volume", service=service))
    known = [{key: item.get(key) for key in volume_request.OPTIONS} for item in items]
    parsed = volume_request.parse({"service": service, "volumes": known, "state_path": "/s"})
    assert [each.fault for each in parsed if isinstance(each, Unsound)] == []


def with_ports(documents, request):
    """What the stages network and port make of the documents; what they would write, is whole."""
    params = {name: request["launch_" + name] for name in ("networks", "security_groups")}
    going = [document for document in documents if travelling.goes_on(document)]
    for document in going:
        for item in network_request.parse({**params, "wanted": network_request.items_of(document, params)}):
            assert item.fault is None
            if isinstance(item.definition, Group):
                for acl in rows.group_acls(item.definition):
                    assert re.fullmatch(r"[\w@$=&<>./:| -]+", acl.match)
            elif item.definition is not None:
                json.dumps(rows.dhcp_columns(item.definition))
    items = carry.items(going, carry.parts_of("port"))
    for port in port_request.parse({**params, "ports": items}):
        assert port.fault is None
    return documents


def build(documents, texts):
    """The documents after the stages of their host."""
    door = {name: option.get("default") for name, option in build_door.SPEC.items()}
    params = {**door, "instances": documents, "user_data": texts, "state_path": "/var/lib/kvmstack"}
    module = SimpleNamespace(params=params, check_mode=False, _diff=True, _verbosity=1)
    for stage in STAGES:
        stage = replace(stage, connect=lambda params, noun=stage.noun: Memory(noun, params))
        documents = travel(module, stage, documents, "present").documents
        if stage.noun == "domain":
            wanted = [document for document in documents if travelling.goes_on(document)]
            for domain in stage.parse({**params, "domains": wanted}):
                check(domain)
    return documents


def check(domain: Domain):
    """What a sound domain says is XML, and what XML makes of it again is the same."""
    assert domain.fault is None
    text = ElementTree.tostring(xml.definition(domain.on(Hypervisor("qemu"))), "unicode")
    labels = [each.attrib for each in ElementTree.fromstring(text).iter() if each.tag.endswith("}meta")]
    assert {each["name"]: each["value"] for each in labels} == dict(domain.labels.metadata or ())


project = iter(range(10**9))


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A record for all requests, each in a project of its own."""
    return "sqlite:///%s" % (tmp_path_factory.mktemp("record") / "launch.db")


def request(*entries, **definitions):
    """A request with a good entry before these; what it needs is defined beside what they define."""
    both = {name: {**part, **good} if isinstance(part := definitions.get(name, {}), dict) else part
            for name, good in GOOD.items()}  # fmt: skip
    return {**both, "launch_instances": [copy.deepcopy(GOOD_ENTRY), *entries], "project": "p%d" % next(project)}


def test_ansible_itself_refuses_no_entry():
    """By the role's argument spec it would refuse all of them for one."""
    specs = yaml.safe_load((ROOT / "roles/launch/meta/argument_specs.yml").read_text())["argument_specs"]
    entries = [ENTRY, "text", 5, None, {"nmae": 1}, {**ENTRY, "count": "two", "volumes": "data"}]
    checked = ArgumentSpecValidator(specs["accept"]["options"]).validate({"launch_instances": entries})
    assert (checked.error_messages, checked.validated_parameters["launch_instances"]) == ([], entries)


def test_one_of_everything(url):
    spelled = {**ENTRY, "name": "spelled", "flavor": SPELLED, "networks": [], "group": None}
    documents = launch(request(ENTRY, spelled, **FULL), url)
    assert [(each["name"], each.get("msg")) for each in documents] == [
        ("good", None), ("full-1", None), ("full-2", None), ("spelled-1", None), ("spelled-2", None),
    ]  # fmt: skip


def as_texts(value):
    """The same as -e and templates give it."""
    if isinstance(value, dict):
        return {key: each if key == "scheduler_hints" else as_texts(each) for key, each in value.items()}
    if isinstance(value, list):
        return [as_texts(each) for each in value]
    return value if value is None else str(value)


def asked_of(documents):
    """What documents say of what was asked for."""
    kept = ("name", "flavor", "image", "group", "metadata", "host", "target_state", "scheduler_hints", "msg")
    ports = [
        [(port["network"], port["fixed_ip"], port["port_security"]) for port in each["ports"]] for each in documents
    ]
    sizes = [[(volume["size"], volume["delete_on_termination"]) for volume in each["volumes"]] for each in documents]
    return [{key: each.get(key) for key in kept} for each in documents], ports, sizes


def test_texts_from_the_command_line_mean_the_same(url):
    entries, texts = (
        [ENTRY, {**ENTRY, "name": "spelled", "flavor": SPELLED, "group": None, "networks": []}],
        as_texts(FULL),
    )
    meant = launch(request(*entries, **FULL), url)
    said = launch(request(*as_texts(entries), **texts), url)
    for document in [*meant, *said]:
        document["host"] = document["host"].partition("-")[0]
    assert asked_of(said) == asked_of(meant)
    assert len(said) == 5


def paths(value, above=()):
    """Every place in a value, as the keys that lead there."""
    yield above
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from paths(each, (*above, key))


def with_value(whole, path, value):
    """A copy of the whole with another value at a place."""
    if not path:
        return value
    changed = copy.copy(whole)
    changed[path[0]] = with_value(whole[path[0]], path[1:], value)
    return changed


def check_told(documents, path, values):
    """The good one goes on; of the others each does, or a message a person can read names the key and its value."""
    good, *others = documents
    assert not good.get("failed"), good["msg"]
    assert len(others) == len(values)
    keys = [str(each) for each in path if isinstance(each, str)]
    for value, document in zip(values, others):
        if document.get("failed"):
            check_message(document["msg"])
            assert document.get("uuid") or not keys or keys[-1] in document["msg"], (value, document["msg"])


def check_message(message):
    """It is of a length that a person reads, and Python does not speak in it."""
    assert not re.search(r"[a-z]Error\b|Traceback|object at 0x|NoneType", message), message
    assert len(message) < 2000, message


IN_ENTRY = [path for path in paths({**ENTRY, "flavor": SPELLED}) if path not in (("name",), ("count",))]
DEFINED = [
    (kind, path)
    for kind in ("flavors", "images", "networks", "security_groups", "server_groups")
    for path in paths(FULL["launch_" + kind]["full"])
]
NAMES = {"flavors": "flavor", "images": "image", "server_groups": "group"}


@pytest.mark.parametrize("path", IN_ENTRY, ids=lambda path: ".".join(map(str, path)) or "entry")
def test_a_value_of_another_kind_in_an_entry_is_that_entrys_alone(path, url):
    one = copy.deepcopy({**ENTRY, "count": None, "flavor": SPELLED, "group": None})
    for own in ("fixed_ips", "mac_address"):
        if path[:3] != ("networks", 1, own):
            del one["networks"][1][own]
    entries = [with_value({**one, "name": "e%d" % index}, path, value) for index, value in enumerate(JUNK)]
    check_told(launch(request(*entries, **FULL), url, check_mode=True), path, JUNK)


@pytest.mark.parametrize("volumes", ["cinder", "rbd"])
@pytest.mark.parametrize("path", [path for path in paths(SERVED) if path != ("name",)], ids=str)
def test_a_value_of_another_kind_in_an_entry_for_services_is_that_entrys_alone(path, volumes, url):
    one = copy.deepcopy(SERVED)
    if path[-1:] != ("fixed_ip",):
        del one["networks"][0]["fixed_ip"]
    good = {**SERVED, "name": "good", "networks": [], "volumes": SERVED["volumes"][:1]}
    entries = [with_value({**one, "name": "e%d" % index}, path, value) for index, value in enumerate(JUNK)]
    check_told(accept([good, *entries], url, volumes), path, JUNK)


@pytest.mark.parametrize(("kind", "path"), DEFINED, ids=str)
def test_a_value_of_another_kind_in_a_definition_is_theirs_who_name_it(kind, path, url):
    full = FULL["launch_" + kind]["full"]
    defined = {"full%d" % index: with_value(full, path, value) for index, value in enumerate(JUNK)}
    entries = [{**GOOD_ENTRY, "name": "e%d" % index, **naming(kind, name)} for index, name in enumerate(defined)]
    check_told(launch(request(*entries, **{"launch_" + kind: defined}), url, check_mode=True), path, JUNK)


def naming(kind, name):
    """The part of an entry that names a definition."""
    if kind in NAMES:
        return {NAMES[kind]: name}
    return {"networks": [name if kind == "networks" else {"network": "private", "security_groups": [name]}]}


@pytest.mark.parametrize("path", list(paths(FULL["launch_host_settings"]["c1"])), ids=str)
def test_a_setting_of_another_kind_is_its_hosts_alone(path, url):
    full = FULL["launch_host_settings"]["c1"]
    names = ["h%d" % index for index in range(len(JUNK))]
    of_hosts = {name: with_value(full, path, value) for name, value in zip(names, JUNK)}
    nodes = [{**NODE, "host": name, "name": name} for name in ("good", *names)]
    told = ask(host_door, url, False, hosts=["good", *names], nodes=nodes, settings=of_hosts)["hosts"]
    check_told(told, path, JUNK)
    json.dumps(told, allow_nan=False)


@pytest.mark.parametrize("quota", FULL["launch_quotas"])
def test_a_quota_is_a_number_or_refuses_all_by_name(quota, url):
    for value in JUNK:
        told = ask(instance_door, url, True, instances=[], quotas={quota: value}, project_id="p")
        assert "instances" in told or told["msg"].startswith("quotas: %s" % quota)


@pytest.mark.parametrize("kind", GOOD)
def test_definitions_are_a_mapping(kind, url):
    option = {"launch_server_groups": "groups", "launch_host_settings": "settings"}.get(kind, kind[len("launch_") :])
    door = host_door if option == "settings" else instance_door
    with pytest.raises(AnsibleActionFail, match=option):
        ask(door, url, True, instances=[], hosts=[], project_id="p", **{option: 5})


ANYTHING = some.recursive(
    some.sampled_from(JUNK)
    | some.text(some.characters(), max_size=8)
    | some.integers(-9, 9)
    | some.integers(2**30, 2**70)
    | some.floats()
    | some.binary(max_size=4),
    lambda inner: (
        some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=3) | some.integers(), inner, max_size=3)
    ),
    max_leaves=4,
)


@some.composite
def broken(draw, whole, least=0):
    """The whole with up to three of its values replaced by anything."""
    for _time in range(draw(some.integers(0, 3))):
        places = [path for path in paths(whole) if len(path) >= least]
        whole = with_value(whole, draw(some.sampled_from(places)), draw(ANYTHING))
    return whole


ENTRIES = [ENTRY, {**ENTRY, "count": None, "flavor": SPELLED, "networks": ["full"], "group": None}]
REQUESTS = some.tuples(
    some.lists(some.sampled_from(ENTRIES).flatmap(broken), max_size=3),
    some.fixed_dictionaries({name: broken(FULL[name], 2) for name in FULL if name not in ("launch_quotas",)}),
    some.lists(some.sampled_from(ENTRIES).flatmap(broken), max_size=1),
)


@given(REQUESTS)
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_any_request_ends_in_words(url, drawn):
    entries, definitions, later = drawn
    entries = [{**each, "name": "e%d" % index} if isinstance(each, dict) and each.get("name") == "full" else each
               for index, each in enumerate(entries)]  # fmt: skip
    asked = request(*entries, **definitions)
    check_words(launch(asked, url))
    changed = [{**each, "name": "e0"} if isinstance(each, dict) else each for each in later]
    check_words(launch({**asked, "launch_instances": [GOOD_ENTRY, *changed]}, url))


@given(some.lists(broken(SERVED), max_size=3), some.sampled_from(["cinder", "rbd"]))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_request_to_services_ends_in_words(url, entries, volumes):
    good = {**SERVED, "name": "good", "networks": [], "volumes": SERVED["volumes"][:1]}
    documents = accept([good, *entries], url, volumes)
    assert not documents[0].get("failed")
    for document in documents:
        check_message(document.get("msg") or "")


def check_words(documents):
    """The good one runs; of the others each does as asked, or it is told why not."""
    good, *others = documents
    assert good["status"] == "ACTIVE", good
    for document in others:
        assert document["status"] == travelling.wanted_status(document) or document["msg"]
        check_message(document.get("msg") or "")
