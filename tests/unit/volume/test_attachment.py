# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Attachments, from whichever step an earlier run stopped at, and the connections they give."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.cinder.attachment import (
    Attachment,
    connector,
    plan_attachment,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.cinder.connection import connection, password


def one(name, status, host=None):
    return Attachment(name, "i", status, host)


HERE, THERE, UNTOLD = one("h", "attached", "kvm1"), one("t", "attached", "kvm2"), one("u", "attached")
RESERVED, BEGUN, BROKEN = one("r", "reserved"), one("b", "attaching"), one("x", "error_attaching")


@pytest.mark.parametrize(
    ("mine", "keep", "finish", "before", "after"),
    [
        pytest.param([], None, True, [], [], id="none: a new one"),
        pytest.param([HERE], HERE, False, [], [], id="complete: nothing to do"),
        pytest.param([UNTOLD], UNTOLD, False, [], [], id="complete, host not told: nothing to do"),
        pytest.param([RESERVED], RESERVED, True, [], [], id="reserved: gone on with"),
        pytest.param([BEGUN], BEGUN, True, [], [], id="connected: gone on with"),
        pytest.param([BROKEN], None, True, [BROKEN], [], id="broken: removed first"),
        pytest.param([THERE], None, True, [], [THERE], id="elsewhere: removed when the new one is complete"),
        pytest.param([THERE, BEGUN], None, True, [BEGUN], [THERE], id="killed on the way to another host"),
        pytest.param([THERE, HERE], HERE, False, [], [THERE], id="killed before the old one was removed"),
        pytest.param([RESERVED, BEGUN], None, True, [RESERVED, BEGUN], [], id="two unfinished ones"),
    ],
)
def test_steps(mine, keep, finish, before, after):
    plan = plan_attachment(mine, "kvm1")
    assert (plan.keep, plan.finish, list(plan.before), list(plan.after)) == (keep, finish, before, after)
    assert plan.done is not finish
    assert plan.stale == tuple(each.id for each in before + after)


def test_connector():
    asked = connector("Kvm1", "vdb", "192.0.2.1")
    assert (asked["host"], asked["ip"], asked["mountpoint"]) == ("Kvm1", "192.0.2.1", "/dev/vdb")
    assert asked["initiator"] == "iqn.2026-11.dev.kvmstack:kvm1"
    for address in (None, "", "kvm1.example.org"):
        assert {"ip", "mountpoint"}.isdisjoint(connector("kvm1", None, address))


RBD = {
    "driver_volume_type": "rbd",
    "name": "volumes/volume-1",
    "hosts": ["192.0.2.1", "192.0.2.2"],
    "ports": ["6789", "6790"],
    "auth_enabled": True,
    "auth_username": "cinder",
    "secret_uuid": "s",
    "keyring": "[client.cinder] key = hidden",
    "discard": True,
    "access_mode": "rw",
    "encrypted": False,
}
NFS = {
    "driver_volume_type": "nfs",
    "export": "192.0.2.1:/vols",
    "name": "volume-1",
    "options": "-o vers=4",
    "format": "qcow2",
    "access_mode": "ro",
}
ISCSI = {
    "driver_volume_type": "iscsi",
    "target_portal": "192.0.2.1:3260",
    "target_iqn": "iqn.2010-10.org.openstack:volume-1",
    "target_lun": 1,
    "auth_method": "CHAP",
    "auth_username": "user",
    "auth_password": "hidden",
    "discard": False,
}
MANY = {"target_portals": ["[2001:db8::1]:3260", "192.0.2.9:3260"], "target_iqns": ["a", "b"], "target_luns": [0, 5]}


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        pytest.param(
            RBD,
            {
                "protocol": "rbd",
                "name": "volumes/volume-1",
                "hosts": [{"name": "192.0.2.1", "port": "6789"}, {"name": "192.0.2.2", "port": "6790"}],
                "auth_username": "cinder",
                "secret_uuid": "s",
                "format": "raw",
                "discard": True,
                "read_only": False,
            },
            id="rbd: all monitors",
        ),
        pytest.param(
            NFS,
            {
                "protocol": "nfs",
                "export": "192.0.2.1:/vols",
                "name": "volume-1",
                "options": "-o vers=4",
                "format": "qcow2",
                "read_only": True,
            },
            id="nfs",
        ),
        pytest.param(
            ISCSI,
            {
                "protocol": "iscsi",
                "name": "iqn.2010-10.org.openstack:volume-1/1",
                "hosts": [{"name": "192.0.2.1", "port": "3260"}],
                "auth_username": "user",
                "initiator": "iqn.2026-11.dev.kvmstack:kvm1",
                "format": "raw",
                "discard": False,
                "read_only": False,
            },
            id="iscsi",
        ),
    ],
)
def test_connection(info, expected):
    found = connection("volume data", info, "kvm1")
    assert found == expected
    assert "hidden" not in repr(found)


def test_the_first_of_several_portals_without_chap():
    found = connection("volume data", {"driver_volume_type": "iscsi", **MANY}, "kvm1")
    assert (found["name"], found["hosts"]) == ("a/0", [{"name": "2001:db8::1", "port": "3260"}])
    assert found["auth_username"] is None


def test_ceph_without_authentication():
    found = connection("volume data", dict(RBD, auth_enabled=False), "kvm1")
    assert (found["auth_username"], found["secret_uuid"]) == (None, None)


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"driver_volume_type": "fibre_channel"}, "its driver offers fibre_channel; only iscsi, nfs, rbd"),
        ({}, "its driver offers no connection"),
        (dict(RBD, encrypted=True), "encrypted"),
        ({"driver_volume_type": "rbd", "name": "n"}, "not complete for rbd"),
        (dict(NFS, name="../x"), "not complete for nfs"),
        (dict(ISCSI, target_portal=None), "not complete for iscsi"),
    ],
)
def test_no_connection(info, words):
    with pytest.raises(Conflict, match="volume data: .*" + words):
        connection("volume data", info, "kvm1")


def test_password():
    assert (password(ISCSI), password(RBD), password({"auth_password": "x"})) == ("hidden", None, None)


def test_secrets_do_not_show():
    assert "hidden" not in repr(Attachment("a", "i", "attached", None, ISCSI))
