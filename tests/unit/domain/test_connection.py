# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a volume's connection to the disk that a domain gets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.connection import disk
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.device import Disk, Mount, Remote

UUID = "11111111-0000-4000-8000-000000000001"
HOSTS = [{"name": "192.0.2.1", "port": "6789"}, {"name": "[2001:db8::1]", "port": 3300}]
RBD = {
    "protocol": "rbd",
    "name": "volumes/volume-1",
    "hosts": HOSTS,
    "auth_username": "cinder",
    "secret_uuid": "secret-1",
    "format": "raw",
    "discard": True,
    "read_only": False,
}
ISCSI = {"protocol": "iscsi", "name": "iqn.2026-01.lab:one/1", "hosts": HOSTS[:1], "initiator": "iqn.2026-01.lab:kvm1"}
NFS = {"protocol": "nfs", "export": "192.0.2.1:/srv/vols", "name": "volume-1", "options": None, "format": "qcow2"}
MOUNT = "/srv/state/mnt/822a1f8c3bd15e31a31787036212b89d"


def made(connection, **said):
    volume = {"id": "v", "name": "data", "device": "vdb", "volume_id": "volume-1", "connection": connection}
    return disk({**volume, **said}, UUID, "/srv/state")


def everything(disk):
    return {name: getattr(disk, name) for name in Disk.__dataclass_fields__}


SECRET = "caadeefb-c3a6-5841-94ea-f30c7faf0816"
DATA = Disk("v", "vdb", serial="volume-1")
FIRST = (("192.0.2.1", 6789),)
BOTH = (*FIRST, ("2001:db8::1", 3300))
TARGET = Remote("iscsi", "iqn.2026-01.lab:one/1", FIRST, initiator="iqn.2026-01.lab:kvm1")
SHARE = Mount("192.0.2.1:/srv/vols", MOUNT)


@pytest.mark.parametrize(
    ("connection", "wanted"),
    [
        pytest.param(
            RBD, replace(DATA, remote=Remote("rbd", "volumes/volume-1", BOTH, "cinder", "secret-1")), id="rbd"
        ),
        pytest.param(
            dict(RBD, auth_username=None, discard=False, read_only=True, hosts=HOSTS[:1]),
            replace(DATA, remote=Remote("rbd", "volumes/volume-1", FIRST), discard=False, read_only=True),
            id="rbd without a user, to read only",
        ),
        pytest.param(
            dict(ISCSI, auth_username="chap"),
            replace(DATA, remote=replace(TARGET, username="chap", secret=SECRET), discard=False),
            id="iscsi with CHAP",
        ),
        pytest.param(ISCSI, replace(DATA, remote=TARGET, discard=False), id="iscsi without"),
        pytest.param(
            NFS, replace(DATA, path=MOUNT + "/volume-1", format="qcow2", mount=SHARE, discard=False), id="nfs"
        ),
        pytest.param(None, replace(DATA, path="/srv/1.qcow2", format="qcow2"), id="a file of the host's own"),
    ],
)
def test_a_disk(connection, wanted):
    said = {} if connection else {"path": "/srv/1.qcow2", "format": "qcow2"}
    assert everything(made(connection, **said)) == everything(wanted)


@pytest.mark.parametrize(
    ("options", "words"), [("-o vers=4.1,ro", ("-o", "vers=4.1,ro")), ("ro", ("-o", "ro")), ("", ()), (" ", ())]
)
def test_options_of_mount(options, words):
    assert made(dict(NFS, options=options)).mount.options == words


@pytest.mark.parametrize(
    ("connection", "size"), [(RBD, 2 * 1024**3), (ISCSI, 2 * 1024**3), (NFS, 2 * 1024**3), (None, None)]
)
def test_a_services_size_is_in_bytes_then(connection, size):
    assert made(connection, size=2).size == size


def test_the_booting_volume_is_the_first_disk():
    booting = made(RBD, boot=True, device=None)
    assert (booting.target, booting.boot) == ("vda", True)


@pytest.mark.parametrize(
    ("connection", "words"),
    [
        ({"protocol": "fibre_channel"}, "'fibre_channel' is missing or not offered"),
        ({"name": "x"}, "'protocol' is missing"),
        ({"protocol": "rbd"}, "'name' is missing"),
        (dict(RBD, hosts=[{"name": "x"}]), "'port' is missing"),
        (dict(RBD, hosts=[{"name": "x", "port": "y"}]), "invalid literal"),
        (dict(RBD, secret_uuid=None), "no secret_uuid: set rbd_secret_uuid"),
        (dict(RBD, format="vmdk"), "format vmdk is not one of raw, qcow2"),
        (dict(NFS, export="/srv"), "is not HOST:/PATH"),
        (dict(NFS, export="-x:/srv"), "is not HOST:/PATH"),
        (dict(NFS, export="a:/b c"), "is not HOST:/PATH"),
        (dict(NFS, name="../x"), "is not that of a file"),
        (dict(NFS, name=".."), "is not that of a file"),
        (dict(NFS, options="-o a --bind"), "only -o OPTIONS"),
        (dict(NFS, options="--bind"), "only -o OPTIONS"),
    ],
)
def test_what_is_wrong_with_a_connection_is_told(connection, words):
    with pytest.raises(Conflict, match="volume data: connection: ") as raised:
        made(connection)
    assert words in str(raised.value)
