# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Domains in a libvirt that lives in memory; the real one is in molecule's scenarios."""

# ruff: noqa: N802  (libvirt's own names)
from __future__ import annotations

import os
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, LaunchError, Unavailable
from ansible_collections.kvmstack.launch.plugins.module_utils.domain import libvirt as backend
from ansible_collections.kvmstack.launch.plugins.module_utils.domain import lifecycle, xml
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.model import NameTaken, plan
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.request import parse

UUID = "11111111-0000-4000-8000-000000000001"
PORT = "22222222-0000-4000-8000-000000000002"
ALIAS = "ua-33333333-0000-4000-8000-000000000003"
FOREIGN = "<domain><name>%s</name><uuid>%s</uuid><vcpu>1</vcpu><memory>1024</memory></domain>"

RUNNING, PAUSED, SHUTOFF = 1, 3, 5


class LibvirtError(Exception):
    """What libvirt raises, with a code."""

    def __init__(self, code, message="no"):
        super().__init__(message)
        self.code = code

    def get_error_code(self):
        return self.code


FAKE = SimpleNamespace(
    libvirtError=LibvirtError,
    VIR_ERR_NO_DOMAIN=42,
    VIR_ERR_OPERATION_INVALID=55,
    VIR_DOMAIN_PAUSED=PAUSED,
    VIR_DOMAIN_SHUTOFF=SHUTOFF,
    VIR_DOMAIN_CRASHED=6,
    VIR_DOMAIN_PMSUSPENDED=7,
    VIR_DOMAIN_START_PAUSED=1,
    VIR_DOMAIN_AFFECT_LIVE=1,
    VIR_DOMAIN_AFFECT_CONFIG=2,
    VIR_DOMAIN_XML_INACTIVE=2,
    VIR_DOMAIN_METADATA_ELEMENT=2,
    VIR_DOMAIN_UNDEFINE_MANAGED_SAVE=1,
    VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA=2,
    VIR_DOMAIN_UNDEFINE_NVRAM=4,
    VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA=16,
)


class Handle:
    """A domain of that libvirt; its log says what was done to it."""

    def __init__(self, host, text):
        self.host, self.text, self.stored, self.now, self.log = host, text, text, SHUTOFF, []

    def name(self):
        return ElementTree.fromstring(self.text).findtext("name")

    def UUIDString(self):
        return ElementTree.fromstring(self.text).findtext("uuid")

    def XMLDesc(self, flags=0):
        return self.stored if flags & FAKE.VIR_DOMAIN_XML_INACTIVE else self.text

    def state(self):
        return [self.now, 0]

    def isActive(self):
        return self.now != SHUTOFF

    def isPersistent(self):
        return True

    def createWithFlags(self, flags):
        assert flags == FAKE.VIR_DOMAIN_START_PAUSED
        if self.host.refuses:
            raise LibvirtError(1, self.host.refuses)
        self.now = PAUSED
        self.log.append("start")

    def resume(self):
        self.now = RUNNING
        self.log.append("resume")

    def pMWakeup(self):
        self.now = RUNNING
        self.log.append("wake")

    def destroy(self):
        self.now = SHUTOFF
        self.log.append("destroy")

    def undefineFlags(self, flags):
        self.host.domains.remove(self)
        self.log.append("undefine")

    def setMetadata(self, kind, mark, key, uri, flags):
        self.log.append("mark %d" % flags)

    def attachDeviceFlags(self, text, flags):
        device = ElementTree.fromstring(text)
        self._change(lambda devices: devices.append(device), flags)
        self.log.append("attach %s %d" % (device.find("alias").get("name"), flags))

    def detachDeviceAlias(self, alias, flags):
        self._change(lambda devices: devices.remove(devices.find("*/alias[@name='%s']/.." % alias)), flags)
        self.log.append("detach %s %d" % (alias, flags))

    def _change(self, change, flags):
        which = {FAKE.VIR_DOMAIN_AFFECT_LIVE: "text", FAKE.VIR_DOMAIN_AFFECT_CONFIG: "stored"}[flags]
        root = ElementTree.fromstring(getattr(self, which))
        change(root.find("devices"))
        setattr(self, which, ElementTree.tostring(root, encoding="unicode"))


class Host:
    """A connection to that libvirt."""

    def __init__(self):
        self.domains, self.refuses = [], None

    def defineXML(self, text):
        self.domains.append(Handle(self, text))
        return self.domains[-1]

    def lookupByUUIDString(self, uuid):
        return self._only(Handle.UUIDString, uuid)

    def lookupByName(self, name):
        return self._only(Handle.name, name)

    def _only(self, say, said):
        for handle in self.domains:
            if say(handle) == said:
                return handle
        raise LibvirtError(FAKE.VIR_ERR_NO_DOMAIN)


@pytest.fixture
def host(monkeypatch):
    monkeypatch.setattr(backend.openvswitch, "plugged", lambda: {"tap22222222-00": PORT})
    monkeypatch.setattr(backend.openvswitch, "datapath_type", lambda bridge: "netdev")
    monkeypatch.setattr(backend, "POLL", 0.01)
    monkeypatch.setattr(lifecycle.iso, "write", lambda path, files: open(path, "wb").close())
    return Host()


@pytest.fixture
def run(host, ask, tmp_path):
    """One run of the stage over the complete domain."""

    def run(state="present", **changes):
        params = {**ask(**changes), "state": state, "state_path": str(tmp_path)}
        stage = backend.Libvirt(FAKE, host, params)
        wanted = parse(params)
        changes = plan(wanted, stage.read(wanted), state)
        outcome = stage.apply([change for change in changes if change.pending])
        return changes[0].action, outcome.get(UUID, changes[0].error)

    return run


def test_a_domain_is_started_paused_and_resumed_when_its_port_is_wired(run, host, tmp_path):
    action, domain = run()
    assert (action, domain.status) == ("create", "ACTIVE")
    assert host.domains[0].log == ["start", "resume"]
    assert domain.created
    assert not domain.interfaces[0].checksum_offload
    assert os.listdir(str(tmp_path / "instances" / UUID)) == ["config.iso"]


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


@pytest.mark.parametrize("plugged", [{}, {"tap22222222-00": "another port"}])
def test_one_whose_port_is_never_wired_is_taken_back(run, host, monkeypatch, plugged):
    monkeypatch.setattr(backend.openvswitch, "plugged", lambda: plugged)
    action, error = run()
    assert isinstance(error, Unavailable)
    assert "%s (tap22222222-00)" % PORT in str(error)
    assert not error.abort
    assert host.domains == []


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
    assert host.domains[0].log == ["mark 3", "detach %s 2" % ALIAS, "detach %s 1" % ALIAS]
    run()
    assert host.domains[0].log[3:] == ["attach %s 2" % ALIAS, "attach %s 1" % ALIAS]
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
@pytest.mark.parametrize(
    ("name", "uuid", "kind"),
    [("web-1", "99999999-0000-4000-8000-000000000009", NameTaken), ("other", UUID, Conflict)],
)
def test_a_foreign_domain_is_never_touched(run, host, state, name, uuid, kind):
    foreign = host.defineXML(FOREIGN % (name, uuid))
    assert isinstance(run(state)[1], kind)
    assert foreign.log == []
    assert host.domains == [foreign]


def test_a_namesake_of_ours_hinders_a_launch_but_not_a_removal(run, host, domain):
    host.defineXML(xml.text(xml.definition(domain)).replace(UUID, "99999999-0000-4000-8000-000000000009"))
    assert isinstance(run()[1], NameTaken)
    assert run("absent") == ("keep", None)


def test_absent_removes_what_is_ours_and_nothing_else(run, host, tmp_path):
    run()
    directory = tmp_path / "instances" / UUID
    for name in ("console.log", "console.log.0", "root.qcow2"):
        (directory / name).touch()
    action, domain = run("absent")
    assert (action, domain.status) == ("delete", "DELETED")
    assert os.listdir(str(directory)) == ["root.qcow2"]
    assert host.domains == []
    assert run("absent") == ("keep", None)


def test_absent_clears_files_of_a_domain_that_the_host_lost(run, host, tmp_path):
    run()
    host.domains.clear()
    assert run("absent")[0] == "delete"
    assert os.listdir(str(tmp_path / "instances")) == []


def test_a_port_without_an_address_is_not_given_a_random_one(host, ask):
    params = ask()
    params["ports"][0]["mac_address"] = None
    stage = backend.Libvirt(FAKE, host, params)
    wanted = parse(params)
    outcome = stage.apply(plan(wanted, stage.read(wanted), "present"))
    assert isinstance(outcome[UUID], LaunchError)
    assert host.domains == []
