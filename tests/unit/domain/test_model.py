# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may change of a domain that exists, and what may not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, Unavailable
from ansible_collections.kvmstack.launch.plugins.module_utils.domain import xml
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.device import Disk, Interface, Mount, Remote
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.model import (
    HOST,
    Domain,
    Hypervisor,
    Labels,
    plan,
)

ROOT = Disk("root", "vda", "/instances/root.qcow2", "qcow2", "/base/a.raw", "raw")
DATA = Disk("volume-1", "vdb", "/volumes/1.raw", serial="service-1")
LOGS = Disk("volume-2", "vdc", "/volumes/2.raw")
PORT = Interface("port-1", "port-1", "fa:16:3e:00:00:01", "kvtport-1")
LABELS = Labels("default", "me", "small", "demo", (("role", "web"),))
HERE = Domain("uuid", "web", LABELS, 1, 512, (("hw_machine_type", "q35"),), ROOT, (DATA,), (PORT,))
SILENT = Domain("uuid", "web")
REMOTE = Remote("rbd", "volumes/volume-3", (("mon-1", 6789),), "cinder", "secret-1")
MOVED = replace(REMOTE, hosts=(("mon-2", 3300),), secret="secret-2")
CEPH = Disk("volume-3", "vda", remote=REMOTE, serial="service-3", boot=True)
SHARED = Disk("volume-4", "vdb", "/mnt/a/volume-4", mount=Mount("nfs:/a", "/mnt/a"), serial="service-4")
BOOTED = replace(HERE, root=None, volumes=(CEPH, SHARED))


def moved(domain):
    """The same domain, its volumes reached by other ways."""
    shared = replace(SHARED, path="/mnt/b/volume-4", mount=Mount("other:/a", "/mnt/b"))
    return replace(domain, volumes=(replace(CEPH, remote=MOVED), shared))


def test_nothing_of_a_rebuild_waits_for_the_next_start():
    wanted = replace(HERE, interfaces=(replace(PORT, mtu=1400),))
    assert plan([wanted], {"uuid": HERE}, "present")[0].notes
    assert not plan([replace(wanted, rebuild_id="1")], {"uuid": HERE}, "present")[0].notes


@pytest.mark.parametrize(
    ("wanted", "existing", "state", "action"),
    [
        pytest.param(HERE, None, "present", "create", id="a missing domain is created"),
        pytest.param(HERE, HERE, "present", "keep", id="an equal domain is kept"),
        pytest.param(SILENT, HERE, "present", "keep", id="what is not mentioned stays"),
        pytest.param(HERE, replace(HERE, status="SHUTOFF"), "present", "update", id="one that is shut off runs again"),
        pytest.param(HERE, replace(HERE, status="PAUSED"), "present", "update", id="one that is paused runs again"),
        pytest.param(HERE, replace(HERE, virt_type="kvm", vnc=True), "present", "keep", id="the host's choices stay"),
        pytest.param(
            replace(HERE, interfaces=(replace(PORT, mtu=1400),)), HERE, "present", "keep", id="a network's new mtu"
        ),
        pytest.param(replace(HERE, volumes=(DATA, LOGS)), HERE, "present", "update", id="a volume more"),
        pytest.param(replace(HERE, volumes=()), HERE, "present", "update", id="no volume any more"),
        pytest.param(replace(HERE, interfaces=()), HERE, "present", "update", id="no port any more"),
        pytest.param(replace(HERE, labels=replace(LABELS, metadata=())), HERE, "present", "update", id="no metadata"),
        pytest.param(BOOTED, BOOTED, "present", "keep", id="network disks are kept"),
        pytest.param(moved(BOOTED), BOOTED, "present", "keep", id="a running domain keeps its connections"),
        pytest.param(
            replace(HERE, interfaces=(replace(PORT, port_id="anew"),)), HERE, "present", "update", id="a port made anew"
        ),
        pytest.param(
            replace(HERE, volumes=(replace(DATA, serial="0123456789012345678912"),)),
            replace(HERE, volumes=(replace(DATA, serial="01234567890123456789"),)),
            "present",
            "keep",
            id="an older domain has 20 characters of the serial",
        ),
        pytest.param(replace(HERE, rebuild_id="1"), HERE, "present", "update", id="a rebuild"),
        pytest.param(
            replace(HERE, rebuild_id="1"), replace(HERE, rebuild_id="1"), "present", "keep", id="a rebuild is done once"
        ),
        pytest.param(HERE, replace(HERE, rebuild_id="1"), "present", "keep", id="after a rebuild"),
        pytest.param(SILENT, HERE, "absent", "delete", id="absent needs only the identity"),
        pytest.param(SILENT, None, "absent", "keep", id="absent again"),
    ],
)
def test_plan(wanted, existing, state, action):
    current = {"uuid": existing} if existing else {}
    change = plan([wanted], current, state)[0]
    assert (change.action, change.error) == (action, None)


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("name", replace(HERE, name="www")),
        ("flavor.vcpus", replace(HERE, vcpus=2)),
        ("flavor.ram", replace(HERE, ram=1024)),
        ("image.properties.hw_machine_type", replace(HERE, hardware=())),
        ("image", replace(HERE, root=replace(ROOT, base="/base/b.raw"))),
        ("root disk", replace(HERE, root=replace(ROOT, path="/elsewhere"))),
        ("boot disk", replace(HERE, root=None, volumes=(CEPH,))),
        ("volume volume-1: source", replace(HERE, volumes=(replace(DATA, path="/volumes/2.raw"),))),
        ("volume volume-1: source", replace(HERE, volumes=(replace(DATA, path=None, remote=REMOTE),))),
        ("volume volume-1: format", replace(HERE, volumes=(replace(DATA, format="qcow2"),))),
        ("volume volume-1: volume_id", replace(HERE, volumes=(replace(DATA, serial="other"),))),
        ("volume volume-1: target", replace(HERE, volumes=(replace(DATA, target="vdc"),))),
        ("port port-1: mac_address", replace(HERE, interfaces=(replace(PORT, mac_address="fa:16:3e:00:00:02"),))),
    ],
)
def test_what_cannot_change_is_named(field, wanted):
    change = plan([wanted], {"uuid": HERE}, "present")[0]
    assert isinstance(change.error, Conflict)
    assert "%s (" % field in str(change.error)
    assert not change.pending


def test_a_volume_that_stays_keeps_its_place_before_new_ones():
    after = replace(HERE, volumes=(LOGS, DATA)).over(replace(HERE, volumes=(DATA,)))
    assert after.volumes == (DATA, LOGS)


def test_a_domain_that_was_off_takes_the_connections_of_now():
    after = moved(BOOTED).over(replace(BOOTED, status="SHUTOFF"))
    assert [disk.source for disk in after.volumes] == ["rbd:volumes/volume-3", "/mnt/b/volume-4"]
    assert after.volumes[0].remote == MOVED
    assert after.volumes[1].mount.export == "other:/a"


@pytest.mark.parametrize(
    ("status", "mtu", "taken", "note"),
    [
        ("SHUTOFF", 1400, 1400, ""),
        ("SHUTOFF", None, 1442, ""),
        ("ACTIVE", 1400, 1442, "fa:16:3e:00:00:01 has MTU 1442, and 1400 from its next start on"),
        ("ACTIVE", 1442, 1442, ""),
        ("ACTIVE", None, 1442, ""),
    ],
)
def test_a_networks_new_mtu_reaches_the_guest_at_its_next_start(status, mtu, taken, note):
    before = replace(HERE, status=status, interfaces=(replace(PORT, mtu=1442),))
    [change] = plan([replace(HERE, interfaces=(replace(PORT, mtu=mtu),))], {"uuid": before}, "present")
    assert change.after.interfaces[0].mtu == taken
    assert note in "".join(change.notes)
    assert len(change.notes) == bool(note)


def test_where_nobody_knows_a_volume_stays_as_it_is():
    unknown = replace(BOOTED, volumes=(replace(CEPH, remote=None), SHARED))
    assert unknown.over(replace(BOOTED, status="SHUTOFF")).volumes[0].remote == REMOTE


@pytest.mark.parametrize("volumes", [(), (SHARED,)])
def test_the_volume_that_a_domain_boots_from_stays(volumes):
    change = plan([replace(BOOTED, volumes=volumes)], {"uuid": BOOTED}, "present")[0]
    assert "boot disk (none, now volume-3)" in str(change.error)


def test_a_new_domain_takes_what_the_host_decides():
    change = plan([HERE], {"uuid": None, HOST: Hypervisor("qemu", "aarch64", checksum_offload=False)}, "present")[0]
    assert (change.after.virt_type, change.after.architecture) == ("qemu", "aarch64")
    assert not change.after.interfaces[0].checksum_offload


def test_a_host_that_cannot_have_new_domains_keeps_the_old_ones():
    new, plugged = replace(HERE, uuid="new"), replace(HERE, uuid="plugged")
    current = {"uuid": HERE, "new": None, "plugged": replace(HERE, interfaces=()), HOST: Unavailable("no bridge")}
    changes = plan([HERE, new, plugged], current, "present")
    assert [change.action for change in changes] == ["keep", "keep", "keep"]
    assert [str(change.error) for change in changes] == ["None", "no bridge", "no bridge"]


@pytest.mark.parametrize(
    ("asked", "seen", "size"),
    [
        pytest.param(2, 1, 2, id="the guest sees less"),
        pytest.param(2, 2, 2, id="the guest sees all"),
        pytest.param(1, 2, 2, id="a disk never shrinks"),
        pytest.param(2, None, None, id="nobody looked, as the domain is off"),
        pytest.param(None, 1, 1, id="the service does not say"),
    ],
)
def test_a_volume_grows_to_what_its_service_says(asked, seen, size):
    wanted, before = (replace(HERE, volumes=(replace(DATA, size=each),)) for each in (asked, seen))
    change = plan([wanted], {"uuid": before}, "present")[0]
    assert change.after.volumes[0].size == size
    assert change.action == ("keep" if size == seen else "update")


def test_a_diff_shows_how_a_volume_grows():
    grown = replace(HERE, ram=512, volumes=(replace(DATA, size=1024**3),))
    assert "<!-- vdb: 1073741824 bytes -->" in xml.as_text(grown, True)


def test_a_diff_has_a_line_for_a_domain():
    assert xml.as_text(HERE, False) == (
        "guest web: vcpus 1, ram 512, metadata {role: web}, disks [vda, vdb], ports [fa:16:3e:00:00:01], "
        "status ACTIVE\n"
    )


@pytest.mark.parametrize(("namesake", "name"), [(False, "web"), (True, "web-11111111")])
def test_a_domain_with_a_namesake_has_a_longer_name(namesake, name):
    domain = replace(HERE, uuid="11111111-0000-4000-8000-000000000001", namesake=namesake)
    assert (domain.domain_name, domain.to_result()["name"]) == (name, "web")


def test_a_fault_stops_the_domain_but_not_its_removal():
    faulty = replace(HERE, fault=Conflict("bad image"))
    assert str(plan([faulty], {"uuid": None}, "present")[0].error) == "bad image"
    assert plan([faulty], {"uuid": HERE}, "absent")[0].action == "delete"
