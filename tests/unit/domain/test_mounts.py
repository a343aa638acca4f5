# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a share is mounted and when it goes; the kernel's table is read as it is."""

from __future__ import annotations

import json
import os
import subprocess
import threading

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Unavailable
from ansible_collections.kvmstack.launch.plugins.module_utils.domain import mounts as module
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.device import Mount
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.mounts import Mounts


class Host:
    """What is mounted on a host, which files its domains have, and the commands that were run."""

    def __init__(self, path):
        self.mounted, self.sources, self.ran, self.refuses = {"/", "/proc"}, [], [], []
        self.mounts = Mounts(str(path), lambda: self.sources)
        self.share = Mount("192.0.2.1:/vols", str(path / "mnt" / "one"), ("-o", "ro"))

    def command(self, *arguments, package, timeout):
        self.ran.append(arguments)
        for error in self.refuses:
            raise error
        change = self.mounted.add if arguments[0] == "mount" else self.mounted.remove
        change(arguments[-1])


@pytest.fixture
def host(tmp_path, monkeypatch):
    host = Host(tmp_path)
    monkeypatch.setattr(module, "command", host.command)
    monkeypatch.setattr(module, "mounted", lambda: host.mounted)
    return host


def test_a_share_is_mounted_once(host):
    host.mounts.mount(host.share)
    host.mounts.mount(host.share)
    assert host.ran == [("mount", "-t", "nfs", "-o", "ro", "192.0.2.1:/vols", host.share.path)]


def test_a_share_that_cannot_be_mounted(host):
    host.refuses = [Unavailable("mount failed (32): no route")]
    with pytest.raises(Unavailable, match="share 192.0.2.1:/vols: mount failed .* nfs-common"):
        host.mounts.mount(host.share)
    assert not os.path.exists(host.share.path)


def test_a_share_that_another_run_mounts_meanwhile(host, monkeypatch):
    looks = iter([set(), {host.share.path}])
    monkeypatch.setattr(module, "mounted", lambda: next(looks))
    host.refuses = [Unavailable("busy")]
    host.mounts.mount(host.share)


@pytest.mark.parametrize(("sources", "left"), [([], False), (["/volumes/x"], False), (["one/x"], True)])
def test_what_no_domain_has_a_disk_in_goes(host, sources, left):
    host.mounts.mount(host.share)
    host.sources = [os.path.join(os.path.dirname(host.share.path), source) for source in sources]
    host.mounts.sweep()
    assert (host.share.path in host.mounted, os.path.exists(host.share.path)) == (left, left)
    assert {"/", "/proc"} <= host.mounted


def test_a_share_of_a_like_name_is_another_one(host):
    host.mounts.mount(host.share)
    host.sources = [host.share.path + "2/x"]
    host.mounts.sweep()
    assert host.share.path not in host.mounted


def test_a_busy_share_stays(host):
    host.mounts.mount(host.share)
    host.refuses = [Unavailable("target is busy")]
    host.mounts.sweep()
    assert host.share.path in host.mounted


def test_nothing_goes_while_a_run_prepares_domains(host):
    sweep = threading.Thread(target=host.mounts.sweep)
    with host.mounts.held(True), host.mounts.held(True):
        host.mounts.mount(host.share)
        sweep.start()
        sweep.join(0.2)
        assert sweep.is_alive()
        host.sources = [host.share.path + "/x"]
    sweep.join()
    assert host.share.path in host.mounted


def test_a_run_without_shares_makes_nothing(host, tmp_path):
    with host.mounts.held(False):
        host.mounts.sweep()
    assert os.listdir(tmp_path) == []


def test_the_kernels_table(tmp_path):
    table = tmp_path / "mountinfo"
    table.write_text(
        "22 1 0:21 / / rw - overlay overlay rw\n98 22 254:0 /srv /mnt/a\\040b rw,relatime - ext4 /dev/vda rw\n"
    )
    assert module.mounted(str(table)) == {"/", "/mnt/a b"}
    assert "/proc" in module.mounted()


def written(host):
    with open(host.mounts._table, encoding="utf-8") as file:
        return file.read()


def test_what_is_mounted_is_written_down_for_the_next_boot(host):
    host.mounts.mount(host.share)
    host.mounts.mount(host.share)
    assert written(host) == "192.0.2.1:/vols %s nfs ro 0 0\n" % host.share.path
    host.mounts.sweep()
    assert written(host) == ""


def test_a_share_that_was_not_there_at_boot_is_forgotten_when_nobody_needs_it(host):
    host.mounts.mount(host.share)
    host.mounted.discard(host.share.path)
    host.mounts.sweep()
    assert written(host) == ""
    assert host.ran[1:] == []


def test_a_table_for_fstab_is_read_by_mount_itself(tmp_path):
    """findmnt is of the package that mount is of; what it reads is what mount will."""
    mounts = Mounts(str(tmp_path / "a place"), list)
    share = Mount("[2001:db8::1]:/a#b\\c", str(tmp_path / "a place" / "mnt" / "one"), ("-o", "vers=4.1,ro"))
    os.makedirs(share.path)
    mounts._mount = lambda mount: None
    mounts.mount(share)
    found = subprocess.run(
        ["findmnt", "--tab-file", mounts._table, "--json", "--output", "SOURCE,TARGET,FSTYPE,OPTIONS"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    [known] = json.loads(found.stdout)["filesystems"]
    assert known == {"source": share.export, "target": share.path, "fstype": "nfs", "options": "vers=4.1,ro"}
