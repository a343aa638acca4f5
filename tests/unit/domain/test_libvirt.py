# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How domains come, change and go."""

from __future__ import annotations

import hashlib
import os
import time

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core import destroyed, directory
from ansible_collections.kvmstack.launch.plugins.module_utils.core.change import Change
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, LaunchError, Unavailable
from ansible_collections.kvmstack.launch.plugins.module_utils.domain import libvirt as backend
from ansible_collections.kvmstack.launch.plugins.module_utils.domain import lifecycle, xml
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.elements import text
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.model import plan
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.request import parse
from ansible_collections.kvmstack.launch.tests.unit.domain.fake_libvirt import (
    FAKE,
    PAUSED,
    SHUTOFF,
    Handle,
    Host,
    LibvirtError,
)

UUID = "11111111-0000-4000-8000-000000000001"
OTHER = "99999999-0000-4000-8000-000000000009"
PORT = "22222222-0000-4000-8000-000000000002"
ALIAS = "ua-33333333-0000-4000-8000-000000000003"
FOREIGN = "<domain><name>%s</name><uuid>%s</uuid><vcpu>1</vcpu><memory>1024</memory></domain>"


def test_a_domain_is_started_paused_and_resumed_when_its_port_is_wired(run, host, tmp_path):
    action, domain = run()
    assert (action, domain.status) == ("create", "ACTIVE")
    assert host.domains[0].log == ["start", "resume"]
    assert domain.created
    assert not domain.interfaces[0].checksum_offload
    assert sorted(os.listdir(str(tmp_path / "instances" / UUID))) == ["config.iso", "instance.json"]


def test_a_second_run_keeps_it(run, host):
    run()
    assert run() == ("keep", None)
    assert host.domains[0].log == ["start", "resume"]


@pytest.mark.parametrize(("now", "log"), [(PAUSED, ["resume"]), (7, ["wake"]), (SHUTOFF, ["start", "resume"])])
def test_one_that_does_not_run_is_brought_back(run, host, now, log):
    run()
    host.domains[0].now = now
    host.domains[0].log.clear()
    assert run()[0] == "update"
    assert host.domains[0].log == log


def test_a_guest_for_which_nobody_waits_any_more_is_not_started(run, host):
    """Its controller has stopped waiting, and may have given it to another host."""
    past = time.monotonic() - 1
    action, error = run(deadline=past)
    assert action == "create"
    assert isinstance(error, Unavailable)
    assert "stopped waiting" in str(error)
    assert (error.abort, host.domains) == (False, [])
    run(deadline=time.monotonic() + 60)
    assert run(deadline=past) == ("keep", None), "one that runs is left alone"


@pytest.mark.parametrize("status", [None, SHUTOFF])
def test_what_another_run_has_destroyed_meanwhile_is_not_started(run, host, tmp_path, status):
    if status is not None:
        run()
        host.domains[0].now = status
    gone = {"instances": [{"uuid": UUID, "task_state": "deleting"}], "state_path": str(tmp_path)}
    destroyed.connect(gone).apply([Change(each, None, each) for each in destroyed.parse(gone)])
    _action, error = run()
    assert "another run has destroyed it" in str(error)
    assert not [guest for guest in host.domains if guest.now != SHUTOFF]


def test_a_new_mtu_waits_for_the_next_start(run, host, ask):
    run()
    ports = [{**ask()["domains"][0]["ports"][0], "mtu": 1400}]
    assert run(ports=ports)[0] == "keep"
    guest = host.domains[0]
    guest.now = SHUTOFF
    # Where the interface is in the guest is libvirt's to say, and stays.
    guest.text = guest.stored = guest.stored.replace('<mtu size="1442" />', '<mtu size="1442" /><address slot="7" />')
    guest.log.clear()
    assert run(ports=ports)[1].interfaces[0].mtu == 1400
    assert guest.log == ["renew ua-%s 2" % PORT, "start", "resume"]
    assert '<address slot="7" />' in guest.stored


@pytest.mark.parametrize("plugged", [{}, {"kvt22222222-00": "another port"}])
def test_one_whose_port_is_never_wired_is_taken_back(run, host, monkeypatch, plugged):
    monkeypatch.setattr(backend.openvswitch, "plugged", lambda: plugged)
    action, error = run()
    assert isinstance(error, Unavailable)
    assert "%s (kvt22222222-00)" % PORT in str(error)
    assert not error.abort
    assert host.domains == []


def test_a_guest_that_is_to_be_off_is_asked_to_shut_down_and_stays_off(run, host):
    run()
    assert host.domains[0].starts_with_host
    action, domain = run(target_state="stopped")
    assert (action, domain.status) == ("update", "SHUTOFF")
    assert host.domains[0].log[2:] == ["push"]
    assert not host.domains[0].starts_with_host
    assert run(target_state="stopped") == ("keep", None)
    assert run(target_state="started")[1].status == "ACTIVE"
    assert host.domains[0].starts_with_host


def test_a_guest_that_does_not_hear_is_turned_off(run, host):
    run()
    host.domains[0].hears = False
    assert run(target_state="stopped")[1].status == "SHUTOFF"
    assert host.domains[0].log[2:] == ["push", "destroy"]


@pytest.mark.parametrize(
    ("task", "hears", "log"),
    [
        pytest.param("rebooting", True, ["push"], id="it is asked to shut down"),
        pytest.param("rebooting", False, ["push", "destroy"], id="it does not hear"),
        pytest.param("rebooting_hard", True, ["destroy"], id="by force"),
    ],
)
def test_a_guest_starts_anew_in_every_run_that_says_so(run, host, task, hears, log):
    run()
    guest = host.domains[0]
    guest.hears = hears
    for _run in range(2):
        guest.log.clear()
        action, domain = run(task_state=task)
        assert (action, domain.status, domain.restart) == ("update", "ACTIVE", None)
        assert guest.log == [*log, "start", "resume"]
    assert run() == ("keep", None)


@pytest.mark.parametrize("task", ["rebooting", "rebooting_hard"])
def test_one_that_is_off_or_new_is_only_started(run, host, task):
    assert run(task_state=task)[0] == "create"
    assert host.domains[0].log == ["start", "resume"]
    host.domains[0].now = SHUTOFF
    host.domains[0].log.clear()
    assert run(task_state=task)[0] == "update"
    assert host.domains[0].log == ["start", "resume"]
    host.domains[0].log.clear()
    assert run(task_state=task, target_state="stopped")[1].status == "SHUTOFF"
    assert host.domains[0].log == ["push"]


def test_a_guest_that_starts_anew_has_the_mtu_of_now_and_no_note_says_that_it_waits(run, host, ask):
    run()
    ports = [{**ask()["domains"][0]["ports"][0], "mtu": 1400}]
    assert run(ports=ports, task_state="rebooting")[1].interfaces[0].mtu == 1400


def test_a_guest_that_cannot_be_turned_off_fails_alone(run, host, monkeypatch):
    def stuck(self):
        raise LibvirtError(38, "Device or resource busy")

    run()
    host.domains[0].hears = False
    monkeypatch.setattr(Handle, "destroy", stuck)
    error = run(target_state="stopped")[1]
    assert isinstance(error, Unavailable)
    assert "could not be turned off: Device or resource busy" in str(error)


def test_a_new_one_that_is_to_be_off_is_defined_only(run, host):
    action, domain = run(target_state="stopped")
    assert (action, domain.status) == ("create", "SHUTOFF")
    assert host.domains[0].log == []
    assert not host.domains[0].starts_with_host


def test_what_goes_from_a_guest_that_is_turned_off_needs_no_answer_of_it(run, host):
    run()
    run(target_state="stopped", volumes=[])
    assert host.domains[0].log[2:] == ["push", "detach ua-33333333-0000-4000-8000-000000000003 2"]


def test_one_that_does_not_come_back_with_its_host_is_made_to(run, host):
    run()
    host.domains[0].starts_with_host = 0
    assert run()[0] == "update"
    assert host.domains[0].starts_with_host


def test_one_that_existed_is_only_stopped_again(run, host, monkeypatch):
    run()
    host.domains[0].now = SHUTOFF
    monkeypatch.setattr(backend.openvswitch, "plugged", dict)
    assert isinstance(run()[1], Unavailable)
    assert host.domains[0].log[-2:] == ["start", "destroy"]


def test_without_open_vswitch_all_that_waited_is_taken_back(run, host, monkeypatch):
    def plugged():
        raise Unavailable("ovs-vsctl is not on this host")

    monkeypatch.setattr(backend.openvswitch, "plugged", plugged)
    assert "ovs-vsctl" in str(run()[1])
    assert host.domains == []


def test_an_open_vswitch_that_is_slow_once_is_asked_again(run, host, monkeypatch):
    answers = iter([Unavailable("ovs-vsctl did not end in 5 s"), {"kvt22222222-00": PORT}])

    def plugged():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(backend.openvswitch, "plugged", plugged)
    assert run()[1].status == "ACTIVE"
    assert host.domains[0].log == ["start", "resume"]


def test_one_that_does_not_start_leaves_no_definition(run, host):
    host.refuses = "cannot allocate memory"
    assert "cannot allocate memory" in str(run()[1])
    assert host.domains == []


def test_without_a_bridge_nothing_is_defined(run, host, monkeypatch):
    def datapath_type(bridge):
        raise Unavailable("bridge br-int: is ovn-controller running on this host?")

    monkeypatch.setattr(backend.openvswitch, "datapath_type", datapath_type)
    assert "br-int" in str(run()[1])
    assert host.domains == []


def test_a_running_domain_changes_in_both_its_definitions(run, host):
    run()
    host.domains[0].log.clear()
    run(metadata={"role": "db"}, volumes=[])
    assert host.domains[0].log == ["mark kvmstack 3", "mark nova 3", "detach %s 2" % ALIAS, "detach %s 1" % ALIAS]
    run()
    assert host.domains[0].log[4:] == ["attach %s 3" % ALIAS]
    assert run() == ("keep", None)


def test_a_port_plugged_into_a_running_domain_takes_what_the_host_decides(run, host):
    run(ports=[])
    assert "csum" not in host.domains[0].text
    assert run()[1].interfaces[0].checksum_offload is False


@pytest.mark.parametrize("flags", [1, 2])
def test_a_device_that_is_half_there_is_completed(run, host, flags):
    run()
    host.domains[0].detachDeviceAlias(ALIAS, flags)
    host.domains[0].log.clear()
    run()
    assert host.domains[0].log == (["attach %s 1" % ALIAS] if flags == 1 else [])


def test_a_guest_that_clings_to_a_device_fails_and_can_be_tried_again(run, host, monkeypatch):
    run()
    monkeypatch.setattr(lifecycle, "DETACH_TIMEOUT", 0)
    with monkeypatch.context() as patch:
        patch.setattr(Handle, "_change", lambda self, change, flags: None)
        assert "unmount it there" in str(run(volumes=[])[1])
    assert run(volumes=[])[1].volumes == ()


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_foreign_domain_is_never_touched(run, host, state):
    foreign = host.defineXML(FOREIGN % ("other", UUID))
    assert isinstance(run(state)[1], Conflict)
    assert foreign.log == []
    assert host.domains == [foreign]


@pytest.mark.parametrize("ours", [False, True])
def test_a_namesake_leaves_a_domain_the_longer_name(run, host, domain, ours):
    namesake = host.defineXML(text(xml.definition(domain)).replace(UUID, OTHER) if ours else FOREIGN % ("web-1", OTHER))
    assert run("absent") == ("keep", None)
    action, made = run()
    assert (action, made.name, made.status) == ("create", "web-1", "ACTIVE")
    assert [handle.name() for handle in host.domains] == ["web-1", "web-1-11111111"]
    assert "<title>web-1</title>" in host.domains[1].text
    assert run() == ("keep", None)
    host.domains.remove(namesake)
    assert run() == ("keep", None)
    host.domains.append(namesake)
    assert run("absent")[0] == "delete"
    assert (host.domains, namesake.log) == ([namesake], [])


def test_domains_are_listed_under_their_instances_names(run, host):
    host.defineXML(FOREIGN % ("web-1", OTHER))
    run()
    stage = backend.Libvirt(FAKE, host, {"state_path": "/srv/state"})
    told = [stage.listed(handle).to_result() for handle in host.domains]
    assert [(each["name"], each["ours"]) for each in told] == [("web-1", False), ("web-1", True)]


def test_what_libvirt_does_not_define_for_another_reason_fails(run, host, monkeypatch):
    asked = []

    def define(self, xml):
        asked.append(xml)
        raise LibvirtError(1, "no room")

    monkeypatch.setattr(Host, "defineXML", define)
    assert "no room" in str(run()[1])
    assert len(asked) == 1


ONE, TWO = "44444444-0000-4000-8000-000000000001", "44444444-0000-4000-8000-000000000002"
ANEW = {"task_state": "rebuilding", "rebuild_id": ONE}
OTHER_IMAGE = {"name": "other", "path": "/srv/root.qcow2", "base": "/srv/other.raw", "disk_format": "raw"}


def test_a_rebuild_turns_the_guest_off_at_once_and_defines_it_anew_over_its_new_disk(run, host, tmp_path):
    run()
    old = host.domains[0]
    action, domain = run(image=OTHER_IMAGE, name="renamed", ssh_keys=[], **ANEW)
    assert (action, domain.status, domain.labels.image, domain.name) == ("update", "ACTIVE", "other", "renamed")
    assert old.log[2:] == ["destroy", "undefine"]
    [new] = host.domains
    assert (new.log, new.name(), domain.root.base) == (["start", "resume"], "renamed", "/srv/other.raw")
    assert directory.read(str(tmp_path), UUID).rebuild_id == ONE
    # What it is done by is not done again, by whichever run.
    assert run(image=OTHER_IMAGE, name="renamed", **ANEW) == ("keep", None)
    assert run(image=OTHER_IMAGE, name="renamed") == ("keep", None)
    assert run(image=OTHER_IMAGE, name="renamed", **{**ANEW, "rebuild_id": TWO})[0] == "update"


def test_one_that_is_rebuilt_while_it_is_to_be_off_is_not_started(run, host):
    run()
    old = host.domains[0]
    action, domain = run(target_state="stopped", **ANEW)
    assert (action, domain.status, host.domains[0].log) == ("update", "SHUTOFF", [])
    assert old.log[2:] == ["destroy", "undefine"], "nobody asks its guest"


def test_a_rebuild_that_was_killed_is_ended(run, host, monkeypatch):
    run()
    host.refuses = "no memory"
    assert "no memory" in str(run(image=OTHER_IMAGE, **ANEW)[1])
    assert host.domains == []
    host.refuses = None
    assert run(image=OTHER_IMAGE, **ANEW)[1].status == "ACTIVE"
    [new] = host.domains
    new.now = SHUTOFF  # its host was booted before the record had it
    assert run(image=OTHER_IMAGE, **ANEW)[0] == "update"
    assert (host.domains, new.log[2:]) == ([new], ["start", "resume"])


@pytest.fixture
def meanwhile(host, ask, tmp_path):
    """One run of the stage that has read all before another one does what is given here; gives its outcome."""

    def meanwhile(other, **changes):
        params = {**ask(**changes), "state_path": str(tmp_path)}
        stage, wanted = backend.Libvirt(FAKE, host, params), parse(params)
        planned = plan(wanted, stage.read(wanted), "present")
        other()
        return stage.apply([change for change in planned if change.pending])[UUID]

    return meanwhile


def test_a_guest_that_another_run_has_rebuilt_meanwhile_is_not_turned_off(run, host, meanwhile):
    run()
    error = meanwhile(lambda: run(**ANEW), **ANEW)
    assert isinstance(error, Conflict)
    assert "another run has done this rebuild" in str(error)
    assert host.domains[0].log == ["start", "resume"]


def test_a_rebuild_that_another_run_has_done_meanwhile_stays_noted(run, meanwhile, tmp_path):
    run(**ANEW)
    later = {**ANEW, "rebuild_id": TWO}
    assert meanwhile(lambda: run(**later), metadata={"role": "db"}).status == "ACTIVE"
    assert directory.read(str(tmp_path), UUID).rebuild_id == TWO


def test_the_user_data_of_a_rebuild_that_says_none_is_that_of_the_drive(run, host, ask, monkeypatch):
    written = []
    monkeypatch.setattr(lifecycle.iso, "write", lambda path, files: written.append(files))
    monkeypatch.setattr(lifecycle.iso, "read", lambda path, name: b"old " + name.encode())
    run(user_data_digest=digest(b"old openstack/latest/user_data"), **ANEW)
    run(**{**ANEW, "rebuild_id": TWO})
    with_data, without = written
    asked = parse({**ask(user_data_digest="digest", **ANEW), "user_data": '{"web-1": "new"}'})[0]
    assert (asked.user_data_digest, asked.config_drive["openstack/latest/user_data"]) == (None, b"new")
    assert with_data["openstack/latest/user_data"] == b"old openstack/latest/user_data"
    assert "openstack/latest/user_data" not in without


def digest(user_data):
    return hashlib.sha256(user_data).hexdigest()


@pytest.mark.parametrize("found", [b"of another rebuild", None])
def test_a_rebuild_never_has_other_user_data_than_the_record_says(run, host, monkeypatch, found):
    """As where the run that was to bring it was killed, and the one that ends its rebuild has none."""
    run()
    monkeypatch.setattr(lifecycle.iso, "read", lambda path, name: found)
    _action, error = run(user_data_digest=digest(b"#!/bin/sh"), **ANEW)
    assert isinstance(error, Conflict)
    assert str(error).startswith("user_data: that which its rebuild is to have is not on its host")
    assert "another" not in str(error)
    host.domains.clear()
    assert run(user_data_digest=digest(b"#!/bin/sh"))[1].status == "ACTIVE", "a guest that was lost has read it"


def test_a_rebuild_takes_what_the_host_decides_and_the_networks_say_now(run, host, ask):
    run()
    ports = [{**ask()["domains"][0]["ports"][0], "mtu": 1400}]
    [port] = run(ports=ports, **ANEW)[1].interfaces
    assert (port.mtu, port.checksum_offload) == (1400, False)


def test_a_rebuild_keeps_what_the_scheduler_has_given(run, host):
    devices = {"pci": ["0000:01:00.0"], "cpus": {"0": 3}}
    run(allocation=devices)
    assert run(allocation=None, **ANEW)[1].allocation == devices


def test_absent_removes_what_is_ours_and_nothing_else(run, host, tmp_path):
    run()
    directory = tmp_path / "instances" / UUID
    for name in ("console.log", "console.log.0", "root.qcow2"):
        (directory / name).touch()
    action, domain = run("absent")
    assert (action, domain.status) == ("delete", "DELETED")
    assert sorted(os.listdir(str(directory))) == ["instance.json", "root.qcow2"]
    assert host.domains == []
    assert run("absent") == ("keep", None)


def test_absent_clears_files_of_a_domain_that_the_host_lost(run, host, tmp_path):
    run()
    host.domains.clear()
    assert run("absent")[0] == "delete"
    assert os.listdir(str(tmp_path / "instances")) == []


def test_a_port_without_an_address_is_not_given_a_random_one(host, ask):
    params = ask()
    params["domains"][0]["ports"][0]["mac_address"] = None
    stage = backend.Libvirt(FAKE, host, params)
    wanted = parse(params)
    outcome = stage.apply(plan(wanted, stage.read(wanted), "present"))
    assert isinstance(outcome[UUID], LaunchError)
    assert host.domains == []


MINE, THEIRS = "aaaaaaaa-0000-4000-8000-00000000000a", "bbbbbbbb-0000-4000-8000-00000000000b"


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize(
    ("made_by", "asked_by", "allowed"),
    [
        pytest.param(MINE, MINE, True, id="the same record"),
        pytest.param(MINE, None, True, id="nobody asks"),
        pytest.param(None, MINE, True, id="it does not say"),
        pytest.param(THEIRS, MINE, False, id="another record"),
    ],
)
@pytest.mark.parametrize("lost", [False, True], ids=["there", "only its directory"])
def test_a_domain_of_another_record_is_foreign(run, host, made_by, asked_by, allowed, state, lost):
    run(record_id=made_by)
    if lost:
        host.domains.clear()
    logs = [list(handle.log) for handle in host.domains]
    action, outcome = run(state, record_id=asked_by)
    assert isinstance(outcome, Conflict) != allowed
    if not allowed:
        assert "belongs to another record (%s)" % THEIRS in str(outcome)
        assert [handle.log for handle in host.domains] == logs


def test_a_domain_that_names_no_record_is_given_it(run, host, tmp_path):
    run()
    action, domain = run(record_id=MINE)
    assert action == "update"
    assert host.domains[0].log[-2:] == ["mark kvmstack 3", "mark nova 3"]
    assert directory.read(str(tmp_path), UUID) == directory.Owner(UUID, "web-1", MINE, "default")


def test_queries_tell_the_record(run, host, tmp_path):
    assert run(record_id=MINE)[1].to_result()["record_id"] == MINE
    stage = backend.Libvirt(FAKE, host, {"state_path": str(tmp_path)})
    assert stage.listed(host.domains[0]).to_result()["record_id"] == MINE


def test_a_run_without_a_record_does_not_forget_it(run, host, tmp_path):
    run(record_id=MINE)
    host.domains.clear()
    run()
    assert directory.read(str(tmp_path), UUID).record_id == MINE
