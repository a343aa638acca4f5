# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be asked for of a volume, with each service."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.volume.request import parse

ID, ONE, TWO = ("00000000-0000-0000-0000-00000000000%d" % number for number in range(3))


def parsed(service, *entries):
    return parse({"volumes": [{"id": ID, **entry} for entry in entries], "service": service, "state_path": "/s"})


@pytest.mark.parametrize(
    ("service", "entry", "words"),
    [
        ("file", {"size": 0}, "size: 0"),
        ("file", {"size": -1}, "size: -1"),
        ("file", {"format": "vmdk"}, "format"),
        ("file", {"name": "a/b"}, "name"),
        ("file", {"id": "../x"}, "not a UUID"),
        ("file", {"instance_uuid": "x"}, "not a UUID"),
        ("file", {"type": "fast"}, "type: a volume of the service file has none"),
        ("cinder", {"size": 0}, "size: 0"),
        ("cinder", {"format": "raw"}, "format: a volume of the service cinder has none"),
        ("cinder", {"name": "a\nb"}, "name"),
        ("cinder", {"name": ""}, "name"),
        ("cinder", {"id": "x"}, "not a UUID"),
        ("cinder", {"image": "i", "snapshot": "s"}, "one of them"),
        ("rbd", {"type": "fast"}, "type: a volume of the service rbd has none"),
        ("rbd", {"name": "data", "snapshot": "base"}, "snapshot 'base': write IMAGE@SNAPSHOT"),
        ("rbd", {"name": "data", "image": "i"}, "image 'i': only a raw image in the same Ceph cluster"),
    ],
)
def test_bad_request(service, entry, words):
    [bad] = parsed(service, entry)
    assert words in str(bad.fault)


@pytest.mark.parametrize("service", ["file", "cinder", "rbd"])
def test_a_bad_one_is_wrong_alone(service):
    bad, good, bare = parsed(service, {"name": "a", "size": 0}, {"name": "b", "size": 1}, {"id": "x"})
    assert (bad.name, str(bad.fault)) == ("a", "size: 0 GiB is not above 0")
    assert good.size == 1
    assert bare.name == "x"


@pytest.mark.parametrize("service", ["file", "cinder", "rbd"])
def test_a_volume_is_listed_once(service):
    assert [str(each.fault) for each in parsed(service, {"name": "a"}, {"name": "b"})] == ["is listed twice"] * 2


def test_one_volume_for_two_instances_is_two_items():
    assert [each.key for each in parsed("cinder", {"instance_uuid": ONE}, {"instance_uuid": TWO})] == [
        ID + "/" + ONE,
        ID + "/" + TWO,
    ]
    assert str(parsed("cinder", {"instance_uuid": ONE}, {"instance_uuid": ONE})[0].fault) == "is listed twice"
