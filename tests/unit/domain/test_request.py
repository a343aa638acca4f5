# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documents joined with the results of their parts."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.domain import xml
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.device import Disk, Interface
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.request import parse

UUID = "11111111-0000-4000-8000-000000000001"
PORT = "22222222-0000-4000-8000-000000000002"
OTHER = "99999999-0000-4000-8000-000000000009"
VOLUME = "33333333-0000-4000-8000-000000000003"


def everything(thing):
    """All fields, those too that do not count when domains are compared."""
    return {field.name: getattr(thing, field.name) for field in fields(thing)}


def test_all_parts_are_joined(ask):
    domain = parse(ask())[0]
    assert domain.fault is None
    assert (domain.vcpus, domain.ram, domain.labels.metadata) == (2, 512, (("role", "web"),))
    assert domain.root == Disk(
        "root", "vda", "/srv/state/instances/%s/root.qcow2" % UUID, "qcow2", "/srv/state/base/sha256-12.raw", "raw"
    )
    assert domain.root.boot
    assert domain.volumes == (Disk(VOLUME, "vdb", "/srv/state/volumes/%s.raw" % VOLUME),)
    assert domain.interfaces == (Interface(PORT, PORT, "fa:16:3e:00:00:01", "tap22222222-00"),)
    assert domain.interfaces[0].mtu == 1442
    assert domain.drive.path == "/srv/state/instances/%s/config.iso" % UUID


@pytest.mark.parametrize(
    ("noun", "abort", "message"),
    [
        ("ports", True, "port web-1-private: no such address"),
        ("volumes", False, "volume data: no such address"),
        ("images", True, "image demo: no such address"),
    ],
)
def test_a_failed_part_fails_its_domain_with_the_same_judgement(ask, noun, abort, message):
    params = ask()
    params[noun][0].update(failed=True, msg="no such address", abort=abort)
    fault = parse(params)[0].fault
    assert (str(fault), fault.abort) == (message, abort)


@pytest.mark.parametrize("noun", ["ports", "volumes", "images"])
def test_a_missing_part_fails_its_domain(ask, noun):
    params = ask()
    params[noun] = []
    assert "no result of %s" % noun[:-1] in str(parse(params)[0].fault)


def test_a_whole_document_needs_no_results_beside_it(ask):
    params = ask()
    [document] = params["domains"]
    whole = {
        **document,
        **{noun: [{**document[noun][0], **params[noun][0]}] for noun in ("ports", "volumes")},
        "image": {**document["image"], **params["images"][0]},
    }
    [domain] = parse({**params, "domains": [whole], "ports": None, "volumes": None, "images": None})
    assert domain.fault is None
    assert everything(domain) == everything(parse(params)[0])


@pytest.mark.parametrize("noun", ["ports", "volumes", "image"])
def test_a_failed_part_of_a_whole_document_fails_its_domain(ask, noun):
    params = {**ask(), "ports": None, "volumes": None, "images": None}
    [document] = params["domains"]
    part = document[noun] if noun == "image" else document[noun][0]
    part.update(failed=True, msg="no such address", abort=False)
    [domain] = parse(params)
    assert str(domain.fault).endswith("no such address")
    assert not domain.fault.abort


def test_a_part_of_a_whole_document_has_an_id(ask):
    params = {**ask(ports=[{"name": "one"}]), "ports": None, "volumes": None, "images": None}
    assert "no result of port None" in str(parse(params)[0].fault)


def test_a_whole_document_without_a_root_disk_names_the_stage(ask):
    params = {**ask(), "ports": None, "volumes": None, "images": None}
    params["domains"][0].update(ports=[], volumes=[])
    assert "no result of image demo" in str(parse(params)[0].fault)


def test_in_check_mode_a_port_has_no_address_yet(ask):
    params = ask()
    params["ports"][0].update(mac_address=None, fixed_ip=None)
    assert parse(params)[0].interfaces[0].mac_address is None


def test_what_a_document_does_not_mention_is_left_alone(ask):
    domain = parse(ask(ports=None, volumes=None, metadata=None))[0]
    assert (domain.interfaces, domain.volumes, domain.labels.metadata) == (None, None, None)


def test_absent_needs_only_the_identity(ask):
    params = ask()
    params.update(state="absent", domains=[{"uuid": UUID, "name": "web-1"}], images=[])
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
    ({"metadata": {"role": "\x00"}}, "control characters"),
    ({"metadata": {"role": 5}}, "role 5"),
    ({"metadata": {"flavor": None}}, "flavor None"),
    ({"metadata": {1: "one", "role": "web"}}, "1 'one'"),
    ({"metadata": ["role"]}, "metadata .*: a mapping is needed"),
    ({"project_name": 5}, "project_name 5"),
    ({"ssh_keys": [5]}, "ssh_keys .*: a list of texts is needed"),
    ({"image": {"properties": {"hw_disk_bus": "ide"}}}, "hw_disk_bus: only virtio"),
    ({"image": {"properties": {"hw_disk_bus": "scsi"}}}, "hw_disk_bus: only virtio"),
    ({"image": {"properties": {"hw_firmware_type": "coreboot"}}}, "use one of bios, uefi"),
    ({"image": {"properties": {"hw_machine_type": "q35\x1b"}}}, "control characters"),
    ({"image": {"properties": ["a"]}}, "image.properties .*: a mapping is needed"),
    ({"ports": ["one"]}, "ports .*: a list of mappings is needed"),
    ({"ports": [{"name": "one"}]}, "no result of port None"),
    ({"volumes": [{"id": VOLUME}]}, "device is missing"),
    ({"allocation": {"pci": ["eth0"]}}, "PCI device 'eth0'"),
]


@pytest.mark.parametrize(("changes", "words"), WRONG)
def test_what_is_wrong_with_a_document_is_its_domains_fault(ask, changes, words):
    params, good = ask(**changes), ask()["domains"][0]
    params["domains"].append(dict(good, uuid=OTHER, name="web-2", ports=[], volumes=[]))
    params["images"].append(dict(params["images"][0], instance_uuid=OTHER))
    bad, other = parse(params)
    assert re.search(words, str(bad.fault))
    assert bad.fault.abort
    assert (other.fault, other.vcpus) == (None, 2)


@pytest.mark.parametrize("user_data", [{"packages": ["x"]}, 5, "\ud800"])
def test_user_data_that_is_no_text_is_its_domains_fault(ask, user_data):
    [domain] = parse({**ask(), "user_data": {"web-1": user_data}})
    assert str(domain.fault) == "user_data of web-1: a text is needed"


@pytest.mark.parametrize(("changes", "words"), WRONG)
def test_absent_looks_at_nothing_but_the_identity(ask, changes, words):
    params = {**ask(**changes), "state": "absent", "user_data": {"web-1": 5}, "vendor_data": "["}
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
    params["ports"][0].update(port_id="44444444-0000-4000-8000-000000000004", tap=None)
    domain = parse(params)[0]
    assert domain.interfaces == (
        Interface(PORT, "44444444-0000-4000-8000-000000000004", "fa:16:3e:00:00:01", "tap44444444-00"),
    )
    assert (
        b'"vif_id": "44444444-0000-4000-8000-000000000004"' in domain.config_drive["openstack/latest/network_data.json"]
    )


@pytest.mark.parametrize("image", [None, {"name": "demo", "properties": {}}])
def test_a_domain_boots_from_the_volume_that_says_so(ask, image):
    params = ask(image=image)
    params["volumes"][0].update(boot=True, device=None)
    params["images"] = []
    domain = parse(params)[0]
    assert (domain.fault, domain.root) == (None, None)
    assert (domain.volumes[0].target, domain.volumes[0].boot) == ("vda", True)


def test_each_instance_has_its_own_result_of_a_shared_volume(ask):
    params = ask()
    mine = params["volumes"][0]
    others = dict(mine, instance_uuid="99999999-0000-4000-8000-000000000009", path="/elsewhere")
    for results in ([mine, others], [others, mine]):
        params["volumes"] = [dict(result, multiattach=True) for result in results]
        (volume,) = parse(params)[0].volumes
        assert (volume.path, volume.shareable) == (mine["path"], True)


def test_in_check_mode_a_volume_is_nowhere_yet(ask):
    params = ask()
    params["volumes"][0].update(path=None, connection=None, device=None)
    (volume,) = parse(params)[0].volumes
    assert (volume.source, volume.target) == (None, "vdb")


def test_a_connection_that_is_not_offered_fails_its_domain(ask):
    params = ask()
    params["volumes"][0].update(connection={"protocol": "fibre_channel"})
    fault = parse(params)[0].fault
    assert "volume data: connection: 'fibre_channel' is missing or not offered: rbd, iscsi, nfs are" in str(fault)
    assert fault.abort


def test_the_owners_names_are_labels(ask):
    labels = parse(ask(project_name="demo", user_name="member"))[0].labels
    assert (labels.project_id, labels.project_name, labels.user_name) == ("default", "demo", "member")


@pytest.mark.parametrize("vendor_data", ["[", "[]", "5"])
def test_vendor_data_is_a_json_object(ask, vendor_data):
    with pytest.raises(InvalidRequest, match="vendor_data"):
        parse({**ask(), "vendor_data": vendor_data})


def test_user_data_shows_nowhere(ask):
    domain = parse({**ask(), "user_data": {"web-1": "secret"}})[0]
    assert domain.config_drive["openstack/latest/user_data"] == b"secret"
    assert "secret" not in repr(domain) + str(domain.to_result()) + xml.as_text(domain)


def test_a_cdrom_where_the_image_asks_for_one(ask):
    drive = parse(ask(image={"name": "demo", "properties": {"hw_cdrom_bus": "sata"}}))[0].drive
    assert (drive.device, drive.bus, drive.target) == ("cdrom", "sata", "sda")
