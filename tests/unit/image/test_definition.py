# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which image a name stands for, and which images a launch can use."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, NotFound
from ansible_collections.kvmstack.launch.plugins.module_utils.image.definition import choose, define

IMAGE = {
    "id": "c1aebfc7-577f-46d0-9da7-190b9839046b",
    "name": "demo",
    "status": "active",
    "owner": "mine",
    "visibility": "public",
    "container_format": "bare",
    "disk_format": "qcow2",
    "os_hash_algo": "sha512",
    "os_hash_value": "ab" * 64,
    "size": 16515072,
    "min_disk": 1,
    "min_ram": 64,
    "file": "/v2/images/c1aebfc7-577f-46d0-9da7-190b9839046b/file",
    "tags": ["a"],
}


def image(**changes):
    return dict(IMAGE, **changes)


def test_an_image_as_the_stages_take_it():
    assert define(IMAGE, "http://glance.test/v2").to_result() == {
        "name": "demo",
        "id": IMAGE["id"],
        "url": "http://glance.test/v2/images/%s/file" % IMAGE["id"],
        "checksum": "sha512:" + "ab" * 64,
        "disk_format": "qcow2",
        "size": 16515072,
        "min_disk": 1,
        "min_ram": 64,
        "properties": {},
        "service": "glance",
    }


@pytest.mark.parametrize(
    ("said", "properties"),
    [
        ({"hw_firmware_type": "uefi", "os_distro": "debian"}, {"hw_firmware_type": "uefi", "os_distro": "debian"}),
        ({"trait:HW_CPU_X86_AVX2": "required", "license": "x"}, {"trait:HW_CPU_X86_AVX2": "required", "license": "x"}),
        ({"hw_boot_menu": True, "hw_numa_nodes": 2}, {"hw_boot_menu": "True", "hw_numa_nodes": "2"}),
        ({"architecture": "x86_64", "hypervisor_type": "qemu"}, {"hw_architecture": "x86_64", "img_hv_type": "qemu"}),
        ({"architecture": "old", "hw_architecture": "new"}, {"hw_architecture": "new"}),
        ({"owner_specified.openstack.md5": "", "os_glance_failed_import": "", "locations": []}, {}),
        ({"kernel_id": None}, {}),
    ],
)
def test_properties_are_what_is_not_glances_own(said, properties):
    assert define(image(**said), "http://glance.test/v2").properties == properties


@pytest.mark.parametrize(
    ("said", "direct_url"),
    [
        ({"direct_url": "rbd://fsid/images/id/snap"}, "rbd://fsid/images/id/snap"),
        ({"direct_url": "file:///x", "locations": [{"url": "rbd://a/b/c/d"}]}, "rbd://a/b/c/d"),
        ({"direct_url": "swift+https://user:secret@x/y"}, None),
        ({"locations": None}, None),
    ],
)
def test_only_a_place_in_ceph_is_passed_on(said, direct_url):
    assert define(image(**said), "http://glance.test/v2").direct_url == direct_url


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "queued"}, "is queued, not active: nobody has uploaded"),
        ({"status": "importing"}, "is importing, not active: .*wait"),
        ({"status": "deactivated"}, "is deactivated, not active: its operator"),
        ({"status": "pending_delete"}, "is pending_delete, not active: it is gone"),
        ({"status": "new"}, "is new, not active"),
        ({"container_format": "ovf"}, "container_format is ovf: only bare"),
        ({"disk_format": "vmdk"}, "disk_format is vmdk: convert it"),
        ({"disk_format": "iso"}, "disk_format is iso: say disk_format: raw"),
        ({"os_hash_value": None}, "no os_hash_value"),
        ({"os_hash_algo": "md5"}, "os_hash_algo is md5: sha256 and sha512"),
        ({"size": 0}, "has no data"),
        ({"cinder_encryption_key_id": "x"}, "is encrypted"),
    ],
)
def test_an_image_that_is_of_no_use(changes, words):
    with pytest.raises(Conflict, match="image demo \\(%s\\): .*%s" % (IMAGE["id"], words)) as raised:
        define(image(**changes), "http://glance.test/v2")
    assert raised.value.abort


A, B = image(id="a", owner="other"), image(id="b", owner="other")
MINE, QUEUED = image(id="mine"), image(id="queued", status="queued")


@pytest.mark.parametrize(
    ("found", "identity"),
    [
        pytest.param([A], "a", id="the only one"),
        pytest.param([A, image(name="Demo")], "a", id="exactly that name"),
        pytest.param([A, MINE, B], "mine", id="the project's own"),
        pytest.param([QUEUED, MINE], "mine", id="one that is active"),
        pytest.param([QUEUED, A], "queued", id="its own, also while it is not active"),
    ],
)
def test_the_image_of_a_name(found, identity):
    assert choose("demo", found, "mine")["id"] == identity


def test_two_of_a_name_are_told_by_their_ids():
    with pytest.raises(Conflict, match="2 of that name: give the id of one, a, b"):
        choose("demo", [B, A], "mine")


def test_none_of_a_name():
    with pytest.raises(NotFound, match="image demo: there is none"):
        choose("demo", [image(name="Demo")], "mine")
