# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documents, whole, and the domains that they ask for."""

from __future__ import annotations

import json
import re
from dataclasses import fields

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.domain import xml
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.device import Disk, Interface
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.model import plan
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.request import parse

UUID = "11111111-0000-4000-8000-000000000001"
PORT = "22222222-0000-4000-8000-000000000002"
OTHER = "99999999-0000-4000-8000-000000000009"
VOLUME = "33333333-0000-4000-8000-000000000003"


def everything(thing):
    """All fields, those too that do not count when domains are compared."""
    return {field.name: getattr(thing, field.name) for field in fields(thing)}


def test_all_parts_are_the_domains(ask):
    domain = parse(ask())[0]
    assert domain.fault is None
    assert (domain.vcpus, domain.ram, domain.labels.metadata) == (2, 512, (("role", "web"),))
    assert domain.root == Disk(
        "root", "vda", "/srv/state/instances/%s/root.qcow2" % UUID, "qcow2", "/srv/state/base/sha256-12.raw", "raw"
    )
    assert domain.root.boot
    assert domain.volumes == (Disk(VOLUME, "vdb", "/srv/state/volumes/%s.raw" % VOLUME),)
    assert domain.interfaces == (Interface(PORT, PORT, "fa:16:3e:00:00:01", "kvt22222222-00"),)
    assert domain.interfaces[0].mtu == 1442
    assert domain.drive.path == "/srv/state/instances/%s/config.iso" % UUID


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ports": [{"name": "web-1-private"}]}, "port web-1-private has no id: run that stage first"),
        ({"volumes": [{"name": "data", "device": "vdb"}]}, "volume data has no id: run that stage first"),
        ({"image": {"name": "demo", "properties": {}}}, "image demo has no root disk here: run that stage first"),
    ],
)
def test_a_missing_part_fails_its_domain(ask, changes, message):
    assert str(parse(ask(**changes))[0].fault) == message


@pytest.mark.parametrize(("noun", "field"), [("ports", "interfaces"), ("volumes", "volumes")])
@pytest.mark.parametrize("identity", [OTHER, None])
def test_a_part_that_leaves_is_not_the_domains(ask, noun, field, identity):
    params = ask()
    [document] = params["domains"]
    document[noun].append(dict(document[noun][0], id=identity, leaving=True))
    assert everything(parse(params)[0]) == everything(parse(ask())[0])
    document[noun][0]["leaving"] = True
    [domain] = parse(params)
    assert (domain.fault, getattr(domain, field)) == (None, ())


def test_in_check_mode_a_port_has_no_address_yet(ask):
    params = ask()
    params["domains"][0]["ports"][0].update(mac_address=None, fixed_ip=None)
    assert parse(params)[0].interfaces[0].mac_address is None


def test_what_a_document_does_not_mention_is_left_alone(ask):
    domain = parse(ask(ports=None, volumes=None, metadata=None))[0]
    assert (domain.interfaces, domain.volumes, domain.labels.metadata) == (None, None, None)


def test_absent_needs_only_the_identity(ask):
    params = ask()
    params.update(state="absent", domains=[{"uuid": UUID, "name": "web-1"}])
    domain = parse(params)[0]
    assert (domain.fault, domain.status) == (None, "DELETED")


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"uuid": "web-1"}, "is not a UUID"),
        ({"uuid": None}, "is not a UUID"),
        ({"name": "a/b"}, "'a/b'"),
        ({"name": "<name/>"}, "use 1 to 63 letters"),
        ({"record_id": "mine"}, "record_id 'mine' is not a UUID"),
    ],
)
def test_a_document_without_an_identity_is_refused(ask, changes, words, state):
    with pytest.raises(InvalidRequest, match=words):
        parse({**ask(**changes), "state": state})


WRONG = [
    ({"flavor": {"vcpus": 0, "ram": 512}}, "flavor.vcpus 0"),
    ({"flavor": {"vcpus": True, "ram": 512}}, "flavor.vcpus True"),
    ({"flavor": {"vcpus": 1}}, "flavor.ram None"),
    ({"flavor": {"vcpus": 1, "ram": 512, "disk": "2 GB"}}, "flavor.disk '2 GB'"),
    ({"flavor": "small"}, "flavor 'small': a mapping is needed"),
    ({"metadata": {"role": "\x00"}}, "role: '.x00' has a control character"),
    ({"metadata": {"role": 5}}, "role: 5 is not a text"),
    ({"metadata": {"flavor": None}}, "flavor: None is not a text"),
    ({"metadata": {1: "one", "role": "web"}}, "a key: 1 is not a text"),
    ({"metadata": ["role"]}, "metadata .*: a mapping is needed"),
    ({"project_name": 5}, "project_name: 5 is not a text"),
    ({"ssh_keys": [5]}, "ssh_keys .*: a list of texts is needed"),
    ({"flavor": {"vcpus": 1, "ram": 512, "extra_specs": ["a"]}}, "flavor.extra_specs .*: a mapping is needed"),
    ({"image": {"properties": ["a"]}}, "image.properties .*: a mapping is needed"),
    ({"ports": ["one"]}, "ports .*: a list of mappings is needed"),
    ({"ports": [{"name": "one"}]}, "port one has no id"),
    ({"volumes": [{"id": VOLUME}]}, "device is missing"),
    ({"allocation": {"pci": ["eth0"]}}, "PCI device 'eth0'"),
    ({"task_state": "rebuilding", "rebuild_id": 5}, "domain .*: rebuild_id"),
]


@pytest.mark.parametrize(("changes", "words"), WRONG)
def test_what_is_wrong_with_a_document_is_its_domains_fault(ask, changes, words):
    params, good = ask(**changes), ask()["domains"][0]
    params["domains"].append(dict(good, uuid=OTHER, name="web-2", ports=[], volumes=[]))
    bad, other = parse(params)
    assert re.search(words, str(bad.fault))
    assert bad.fault.abort
    assert (other.fault, other.vcpus) == (None, 2)


@pytest.mark.parametrize("user_data", [{"packages": ["x"]}, 5, "\ud800"])
def test_user_data_that_is_no_text_is_its_domains_fault(ask, user_data):
    [domain] = parse({**ask(), "user_data": json.dumps({"web-1": user_data})})
    assert str(domain.fault) == "user_data of web-1: a text is needed"


@pytest.mark.parametrize(("changes", "words"), WRONG)
def test_absent_looks_at_nothing_but_the_identity(ask, changes, words):
    params = {**ask(**changes), "state": "absent", "user_data": "[", "vendor_data": "["}
    [domain] = parse(params)
    assert (domain.uuid, domain.fault, domain.status) == (UUID, None, "DELETED")


def test_all_wrong_documents_are_named_at_once(ask):
    params = ask()
    params["domains"] += [{"uuid": "x", "name": "one"}, {"uuid": "y", "name": "two"}]
    with pytest.raises(InvalidRequest, match="one.*two"):
        parse(params)


def test_no_two_domains_are_the_same(ask):
    params = ask()
    params["domains"] *= 2
    with pytest.raises(InvalidRequest, match="^uuid %s is given twice$" % UUID):
        parse(params)


def test_a_port_goes_by_the_id_that_its_service_gave_it(ask):
    params = ask()
    params["domains"][0]["ports"][0].update(port_id="44444444-0000-4000-8000-000000000004", tap=None)
    domain = parse(params)[0]
    assert domain.interfaces == (
        Interface(PORT, "44444444-0000-4000-8000-000000000004", "fa:16:3e:00:00:01", "kvt44444444-00"),
    )
    assert (
        b'"vif_id": "44444444-0000-4000-8000-000000000004"' in domain.config_drive["openstack/latest/network_data.json"]
    )


@pytest.mark.parametrize("image", [None, {"name": "demo", "properties": {}}])
def test_a_domain_boots_from_the_volume_that_says_so(ask, image):
    params = ask(image=image)
    params["domains"][0]["volumes"][0].update(boot=True, device=None)
    domain = parse(params)[0]
    assert (domain.fault, domain.root) == (None, None)
    assert (domain.volumes[0].target, domain.volumes[0].boot) == ("vda", True)


def test_each_instance_has_its_own_way_to_a_shared_volume(ask):
    params = ask()
    [mine] = params["domains"]
    mine["volumes"][0].update(multiattach=True)
    others = dict(mine, uuid=OTHER, volumes=[dict(mine["volumes"][0], path="/elsewhere")])
    for documents in ([mine, others], [others, mine]):
        domains = {domain.uuid: domain for domain in parse({**params, "domains": documents})}
        for document in documents:
            (volume,) = domains[document["uuid"]].volumes
            assert (volume.path, volume.shareable) == (document["volumes"][0]["path"], True)


def test_in_check_mode_a_volume_is_nowhere_yet(ask):
    params = ask()
    params["domains"][0]["volumes"][0].update(path=None, connection=None)
    (volume,) = parse(params)[0].volumes
    assert (volume.source, volume.target) == (None, "vdb")


def test_a_connection_that_is_not_offered_fails_its_domain(ask):
    params = ask()
    params["domains"][0]["volumes"][0].update(connection={"protocol": "fibre_channel"})
    fault = parse(params)[0].fault
    assert "volume data: connection: 'fibre_channel' is missing or not offered: rbd, iscsi, nfs are" in str(fault)
    assert fault.abort


def test_the_owners_names_are_labels(ask):
    labels = parse(ask(project_name="demo", user_name="member"))[0].labels
    assert (labels.project_id, labels.project_name, labels.user_name) == ("default", "demo", "member")


@pytest.mark.parametrize("name", ["user_data", "vendor_data"])
@pytest.mark.parametrize("text", ["[", "[]", "5", "[" * 100000])
def test_user_data_and_vendor_data_are_json_objects(ask, name, text):
    with pytest.raises(InvalidRequest, match="^%s: the text of a JSON object is needed$" % name):
        parse({**ask(), name: text})


def test_user_data_shows_nowhere(ask):
    domain = parse({**ask(), "user_data": '{"web-1": "secret"}'})[0]
    assert domain.config_drive["openstack/latest/user_data"] == b"secret"
    shown = xml.as_text(domain, False) + xml.as_text(domain, True)
    assert "secret" not in repr(domain) + str(domain.to_result()) + shown


@pytest.mark.parametrize(
    ("extra_specs", "properties", "words"),
    [
        ({}, {"hw_disk_bus": "scsi"}, "domain web-1: property hw_disk_bus: 'scsi' is none of virtio"),
        ({}, {"hw_firmware_type": "coreboot"}, "hw_firmware_type: 'coreboot' is none of bios, uefi"),
        ({"hw:pmu": "on"}, {"hw_pmu": "off"}, "the image's hw_pmu false is not the flavor's true"),
    ],
)
def test_hardware_that_cannot_be_is_not_made_and_leaves_what_there_is(ask, extra_specs, properties, words):
    params = ask()
    params["domains"][0]["flavor"]["extra_specs"] = extra_specs
    params["domains"][0]["image"]["properties"] = properties
    [wanted] = parse(params)
    [made] = plan([wanted], {}, "present")
    assert words in str(made.error)
    assert made.error.abort
    assert plan([wanted], {UUID: parse(ask())[0]}, "present")[0].action == "keep"


def test_a_cdrom_where_the_image_asks_for_one(ask):
    params = ask()
    params["domains"][0]["image"]["properties"] = {"hw_cdrom_bus": "sata"}
    drive = parse(params)[0].drive
    assert (drive.device, drive.bus, drive.target) == ("cdrom", "sata", "sda")
