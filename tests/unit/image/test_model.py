# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an image is and may become."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.change import plan
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.core.names import GIB
from ansible_collections.kvmstack.launch.plugins.module_utils.image.model import base_name, root_size
from ansible_collections.kvmstack.launch.plugins.module_utils.image.request import check_url, parse

UUID = "7b0f0f3e-5f0c-4d4e-9a53-0f2a3c1c7d11"
DIGEST = "sha256:" + "ab" * 32
ENTRY = {
    "name": "demo",
    "url": "http://x.test/d.qcow2",
    "checksum": DIGEST,
    "disk_format": "qcow2",
    "instance_uuid": UUID,
}


def parsed(state="present", state_path="/s", **changes):
    return parse({"images": [dict(ENTRY, **changes)], "state": state, "state_path": state_path})[0]


WANTED = parsed(size=2)
MADE = replace(WANTED, virtual_size=2 * GIB)
CACHED = parsed(instance_uuid=None)
WAIVED = parsed(checksum="none")
ANEW = parsed(size=2, launched=True, rebuild_id=UUID.upper(), checksum="sha256:" + "cd" * 32)
DONE = replace(ANEW, rebuild_id=UUID, virtual_size=2 * GIB)


@pytest.mark.parametrize(
    ("wanted", "existing", "state", "action"),
    [
        pytest.param(WANTED, None, "present", "create", id="a missing root disk is made"),
        pytest.param(WANTED, MADE, "present", "keep", id="a root disk is kept"),
        pytest.param(parsed(), MADE, "present", "keep", id="a size left out is kept"),
        pytest.param(parsed(size=0), MADE, "present", "keep", id="size 0 is kept"),
        pytest.param(WANTED, replace(MADE, path=None), "present", "update", id="a half made root disk is completed"),
        pytest.param(WANTED, replace(MADE, cached=False), "present", "update", id="a base that is gone is fetched"),
        pytest.param(CACHED, None, "present", "create", id="an image is cached"),
        pytest.param(CACHED, CACHED, "present", "keep", id="a cached image is kept"),
        pytest.param(parsed(url="http://mirror.test/d"), MADE, "present", "keep", id="the source may move"),
        pytest.param(
            WAIVED,
            replace(WAIVED, base="/s/base/" + base_name(WAIVED, "v1"), virtual_size=1),
            "present",
            "keep",
            id="a waived image is kept whatever its version",
        ),
        pytest.param(ANEW, MADE, "present", "update", id="a rebuild takes another image"),
        pytest.param(ANEW, replace(DONE, rebuild_id="first"), "present", "update", id="or the same one again"),
        pytest.param(ANEW, None, "present", "create", id="a rebuild that was killed, and the disk gone"),
        pytest.param(ANEW, DONE, "present", "keep", id="a rebuild is done once"),
        pytest.param(WANTED, replace(MADE, rebuild_id="first"), "present", "keep", id="after a rebuild"),
        pytest.param(WANTED, MADE, "absent", "delete", id="a root disk is removed"),
        pytest.param(WANTED, replace(MADE, path=None), "absent", "delete", id="half a root disk is removed"),
        pytest.param(WANTED, None, "absent", "keep", id="none is to remove"),
    ],
)
def test_plan(wanted, existing, state, action):
    (change,) = plan([wanted], {wanted.key: existing} if existing else {}, state)
    assert (change.error, change.action) == (None, action)


@pytest.mark.parametrize(
    ("wanted", "existing", "words"),
    [
        pytest.param(parsed(size=3), MADE, "size: .* 2 GiB, not 3", id="another size"),
        pytest.param(parsed(size=1), MADE, "size: ", id="a smaller size"),
        pytest.param(parsed(checksum="sha256:" + "cd" * 32), MADE, "image: .*abab.* in place", id="another image"),
        pytest.param(WAIVED, replace(WAIVED, base="/s/base/url-0-0.qcow2"), "image: ", id="another waived image"),
        pytest.param(WANTED, replace(MADE, base=None), "image: ", id="a root disk that is not over a base"),
        pytest.param(parsed(size=2, min_disk=3), None, "size: 2 GiB is less than min_disk 3", id="below min_disk"),
    ],
)
def test_conflict(wanted, existing, words):
    with pytest.raises(Conflict, match=words):
        wanted.over(existing)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"checksum": None}, "checksum is missing: .*sha256sum.*none", id="no checksum"),
        pytest.param({"checksum": "md5:" + "0" * 32}, "sha256", id="md5"),
        pytest.param({"checksum": "sha256:12"}, "64", id="short checksum"),
        pytest.param({"disk_format": "vmdk"}, "vmdk.*qemu-img convert -f vmdk", id="vmdk"),
        pytest.param({"disk_format": "vhd"}, "-f vpc", id="vhd"),
        pytest.param({"disk_format": None}, "qcow2 or raw", id="no format"),
        pytest.param({"size": -1}, "size: -1", id="negative size"),
        pytest.param({"min_disk": -1}, "min_disk", id="negative min_disk"),
        pytest.param({"name": "a/b"}, "name", id="bad name"),
        pytest.param({"instance_uuid": "../x"}, "not a UUID", id="bad instance"),
        pytest.param({"url": None}, "scheme", id="no url"),
        pytest.param({"state_path": "x"}, "absolute", id="relative directory"),
        pytest.param({"state": "absent", "instance_uuid": None}, "instance_uuid is missing", id="absent of the cache"),
    ],
)
def test_bad_request(changes, words):
    assert re.search(words, str(parsed(**changes).fault))


def test_a_bad_item_is_wrong_alone():
    entries = [dict(ENTRY, checksum="x"), dict(ENTRY, instance_uuid=None)]
    bad, good = parse({"images": entries, "state": "present", "state_path": "/s"})
    assert (bad.name, str(bad.fault)[:9]) == ("demo", "checksum:")
    assert good == CACHED


def test_an_instance_is_listed_once():
    entries = [ENTRY, dict(ENTRY, name="other"), dict(ENTRY, instance_uuid=None)]
    one, two, cached = parse({"images": entries, "state": "present", "state_path": "/s"})
    assert [(each.name, str(each.fault)) for each in (one, two)] == [
        ("demo", "is listed twice"),
        ("other", "is listed twice"),
    ]
    assert cached == CACHED


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://x/y", "scheme 'ftp'"),
        ("/etc/passwd", "scheme ''"),
        ("http:///y", "no host"),
        ("http://user:secret@x/y", "user or password"),
        ("https://x/y?Signature=secret", "has a query, .* give it in image_queries"),
        ("http://x:port/y", "url: "),
        ("http://[x/y", "url: "),
        ("http://x/y z", "blanks"),
        ("http://x/y\r\nHost: z", "control"),
        ("file://elsewhere/etc/x", "file:///PATH"),
        ("file:x", "file:///PATH"),
    ],
)
def test_bad_url(url, words):
    with pytest.raises(InvalidRequest, match=words) as raised:
        check_url(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://10.0.0.1:8080/x", "https://x/y", "file:///srv/a.img", "file://localhost/a"])
def test_good_url(url):
    check_url(url)


def test_names_of_bases():
    assert base_name(WANTED) == "sha256-%s.qcow2" % ("ab" * 32)
    first, second = base_name(WAIVED, "a"), base_name(WAIVED, "b")
    assert first != second
    assert WAIVED.is_base("/s/base/" + first)
    assert WAIVED.is_base(second)
    assert not WANTED.is_base(first)
    assert not parsed(checksum="none", url="http://y/").is_base(first)


@pytest.mark.parametrize(
    ("size", "virtual", "expected"), [(0, 1000, 1024), (None, GIB, GIB), (2, GIB, 2 * GIB), (1, GIB, GIB)]
)
def test_root_size(size, virtual, expected):
    assert root_size(parsed(size=size), virtual, 100) == expected


def test_root_too_small():
    with pytest.raises(Conflict, match="1.5 GiB, not 1"):
        root_size(parsed(size=1), GIB * 3 // 2, 100)


def test_result_can_be_joined():
    result = WANTED.to_result()
    assert (result["instance_uuid"], result["path"], result["format"]) == (
        UUID,
        "/s/instances/%s/root.qcow2" % UUID,
        "qcow2",
    )
    assert CACHED.to_result()["path"] is None
