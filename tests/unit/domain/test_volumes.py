# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes of services in domains: what libvirt and the host get for them, when, and what is taken back."""

from __future__ import annotations

import threading
import time

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.domain import connection, lifecycle, mounts, sizes
from ansible_collections.kvmstack.launch.tests.unit.domain.fake_libvirt import FAKE, SHUTOFF, Handle, LibvirtError

ALIAS = "ua-33333333-0000-4000-8000-000000000003"
MONITORS = [{"name": "192.0.2.1", "port": "6789"}]
RBD = {"protocol": "rbd", "name": "volumes/1", "hosts": MONITORS, "auth_username": "cinder", "secret_uuid": "ceph"}
CHAP = {"protocol": "iscsi", "name": "iqn/1", "hosts": MONITORS, "auth_username": "chap"}
NFS = {"protocol": "nfs", "export": "192.0.2.1:/vols", "name": "volume-1", "format": "raw"}


@pytest.fixture
def ceph(host):
    """That libvirt with the secret that the role gives it."""
    host.secretDefineXML("<secret><uuid>ceph</uuid></secret>", 0).setValue(b"key", 0)


@pytest.mark.usefixtures("ceph")
def test_a_network_disk_is_kept_at_the_second_run(run, host):
    assert run(connection=RBD)[1].volumes[0].source == "rbd:volumes/1"
    assert run(connection=RBD) == ("keep", None)
    moved = dict(RBD, hosts=[{"name": "192.0.2.9", "port": "3300"}])
    assert run(connection=moved) == ("keep", None)
    host.domains[0].now = SHUTOFF
    host.domains[0].log.clear()
    assert run(connection=moved)[1].volumes[0].remote.hosts == (("192.0.2.9", 3300),)
    assert host.domains[0].log == ["renew %s 2" % ALIAS, "start", "resume"]
    assert run(connection=moved) == ("keep", None)


GIB = 1024**3


@pytest.mark.usefixtures("ceph")
@pytest.mark.parametrize("volume", [RBD, NFS])
def test_a_guest_is_told_that_its_volume_grew(run, host, volume, monkeypatch):
    monkeypatch.setattr(mounts, "command", lambda *words, **limits: None)
    run(connection=volume, size=1)
    [handle] = host.domains
    handle.log.clear()
    action, domain = run(connection=volume, size=2)
    assert (action, domain.volumes[0].size, handle.capacity) == ("update", 2 * GIB, 2 * GIB)
    assert handle.log == ["resize vdb"]
    assert run(connection=volume, size=2) == ("keep", None)
    assert run(connection=volume, size=1) == ("keep", None)
    assert run(connection=volume) == ("keep", None)


@pytest.mark.usefixtures("ceph")
def test_one_that_is_off_sees_its_volumes_anew_when_it_starts(run, host):
    run(connection=RBD, size=1)
    [handle] = host.domains
    handle.now = SHUTOFF
    handle.log.clear()
    assert run(connection=RBD, size=2)[0] == "update"
    assert handle.log == ["start", "resume"]


def test_a_password_is_not_needed_to_grow(run, host):
    run(connection=CHAP, password="secret-1", size=1)
    host.secrets.clear()
    assert run(connection=CHAP, size=2)[1].volumes[0].size == 2 * GIB


def test_files_are_the_volume_stages_to_grow(run, host):
    run(size=1)
    host.hang = None  # QEMU is not even asked
    assert run(size=2) == ("keep", None)


@pytest.mark.usefixtures("ceph")
def test_storage_that_does_not_answer_is_not_waited_for(run, host, monkeypatch):
    run(connection=RBD, size=1)
    monkeypatch.setattr(sizes, "TIMEOUT", 0.05)
    end = threading.Event()
    host.hang = end.wait
    assert "QEMU did not answer in 0 s: see that its storage answers" in str(run(connection=RBD, size=2)[1])
    assert run("absent")[0] == "delete"
    end.set()


def test_cephs_secret_has_to_be_there(run, host):
    assert "no secret ceph for Ceph's user cinder: give it to the role" in str(run(connection=RBD)[1])
    assert host.domains == []


@pytest.mark.usefixtures("ceph")
def test_cephs_secret_stays(run, host):
    run(connection=RBD)
    run("absent")
    assert list(host.secrets) == ["ceph"]


def test_a_password_is_libvirts_as_long_as_the_disk_is_there(run, host):
    run(connection=CHAP, password="secret-1")
    [(secret, value)] = host.secrets.values()
    assert value == b"secret-1"
    assert '<secret ephemeral="no" private="yes">' in secret.text
    assert "secret-1" not in host.domains[0].text
    assert run(connection=CHAP) == ("keep", None)
    run(volumes=[])
    assert host.secrets == {}
    run(connection=CHAP, password="secret-1")
    assert len(host.secrets) == 1
    run("absent")
    assert host.secrets == {}


def test_a_domain_that_was_off_gets_its_password_again(run, host):
    run(connection=CHAP, password="secret-1")
    host.secrets.clear()
    host.domains[0].now = SHUTOFF
    assert "no password of volume 33333333-0000-4000-8000-000000000003 is given" in str(run(connection=CHAP)[1])
    assert run(connection=CHAP, password="secret-1")[1].status == "ACTIVE"
    assert len(host.secrets) == 1


@pytest.mark.parametrize("there", [False, True])
def test_no_password_is_left_of_what_failed(run, host, there):
    if there:
        run(volumes=[])
    host.refuses = "Authentication failure(513)"
    assert "513" in str(run(connection=CHAP, password="secret-1")[1])
    assert host.secrets == {}


def test_a_disk_that_failed_is_in_neither_definition(run, host):
    run(volumes=[])
    host.refuses = "no such image"
    run()
    assert not any(ALIAS in text for text in (host.domains[0].text, host.domains[0].stored))


@pytest.fixture
def hanging(host, monkeypatch):
    """Storage that does not answer before the end of the test."""
    end = threading.Event()
    monkeypatch.setattr(lifecycle, "START_TIMEOUT", 0.05)
    monkeypatch.setattr(lifecycle, "ATTACH_TIMEOUT", 0.05)
    host.hang = end.wait
    yield end
    end.set()


@pytest.mark.usefixtures("hanging")
def test_a_domain_that_does_not_start_in_time_is_taken_back(run, host):
    error = run()[1]
    assert "did not start in 0 s: see that the storage" in str(error)
    assert not error.abort
    assert host.domains == []


def test_a_disk_that_is_not_attached_in_time(run, host, hanging):
    hanging.set()
    run(volumes=[])
    hanging.clear()
    assert "was not attached in 0 s: see that its storage answers" in str(run()[1])
    # libvirt goes on, and the next run looks before it asks again.
    hanging.set()
    while ALIAS not in host.domains[0].stored:
        time.sleep(0.01)
    assert run() == ("keep", None)


def test_a_guest_that_does_not_listen_yet_is_asked_again(run, host, monkeypatch):
    run()
    monkeypatch.setattr(lifecycle, "DETACH_REPEAT", 0.02)
    change, asked = Handle._change, []

    def deaf(self, what, flags):
        asked.append(flags)
        if flags == FAKE.VIR_DOMAIN_AFFECT_CONFIG or len(asked) > 3:
            change(self, what, flags)
        elif len(asked) == 3:
            raise LibvirtError(1, "already in the process of unplug")

    monkeypatch.setattr(Handle, "_change", deaf)
    assert run(volumes=[])[1].volumes == ()
    assert asked == [2, 1, 1, 1]


def test_a_share_is_mounted_before_and_goes_after(run, host, monkeypatch, tmp_path):
    mounted, path = set(), connection.mount_path(str(tmp_path), NFS["export"])
    commands = {"mount": mounted.add, "umount": mounted.remove}
    monkeypatch.setattr(mounts, "command", lambda *words, **limits: commands[words[0]](words[-1]))
    monkeypatch.setattr(mounts, "mounted", lambda: mounted)
    assert run(connection=NFS)[1].volumes[0].path == path + "/volume-1"
    assert mounted == {path}
    assert run(connection=NFS) == ("keep", None)
    assert mounted == {path}
    run("absent")
    assert mounted == set()


@pytest.mark.parametrize("there", [False, True])
def test_a_volume_that_is_nowhere_is_not_attached(run, host, ask, there):
    if there:
        run(volumes=[])
    wanted = [{"id": "33333333-0000-4000-8000-000000000003", "device": "vdb"}]
    error = run(volumes=wanted, nowhere=True)[1]
    assert "volume 33333333-0000-4000-8000-000000000003 is nowhere: run the volume stage first" in str(error)
    assert not any(ALIAS in handle.text + handle.stored for handle in host.domains)
