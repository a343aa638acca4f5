# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A libvirt that lives in memory; the real one is in molecule's scenarios."""

# ruff: noqa: N802  (libvirt's own names)
from __future__ import annotations

from types import SimpleNamespace
from xml.etree import ElementTree

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
    VIR_ERR_OPERATION_FAILED=9,
    VIR_ERR_NO_DOMAIN=42,
    VIR_ERR_OPERATION_INVALID=55,
    VIR_ERR_NO_SECRET=66,
    VIR_DOMAIN_PAUSED=PAUSED,
    VIR_DOMAIN_SHUTOFF=SHUTOFF,
    VIR_DOMAIN_CRASHED=6,
    VIR_DOMAIN_PMSUSPENDED=7,
    VIR_DOMAIN_START_PAUSED=1,
    VIR_DOMAIN_AFFECT_LIVE=1,
    VIR_DOMAIN_AFFECT_CONFIG=2,
    VIR_DOMAIN_BLOCK_RESIZE_BYTES=1,
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
        self.starts_with_host, self.hears = 0, True
        self.capacity = 1024**3

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
        self.host.hang()
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

    def shutdown(self):
        if not self.isActive():
            raise LibvirtError(55)
        self.log.append("push")
        if self.hears:
            self.now = SHUTOFF

    def autostart(self):
        return self.starts_with_host

    def setAutostart(self, value):
        self.starts_with_host = int(value)

    def undefineFlags(self, flags):
        self.host.domains.remove(self)
        self.log.append("undefine")

    def setMetadata(self, kind, mark, key, uri, flags):
        self.log.append("mark %s %d" % (key, flags))

    def updateDeviceFlags(self, text, flags):
        device = ElementTree.fromstring(text)
        alias = device.find("alias").get("name")
        self._change(lambda devices: devices.remove(devices.find("*/alias[@name='%s']/.." % alias)), flags)
        self._change(lambda devices: devices.append(device), flags)
        self.log.append("renew %s %d" % (alias, flags))
        self.text = self.stored

    def blockInfo(self, target):
        self.host.hang()
        assert self.isActive()
        return [self.capacity, 0, 0]

    def blockResize(self, target, size, flags):
        self.host.hang()
        assert flags == FAKE.VIR_DOMAIN_BLOCK_RESIZE_BYTES
        self.capacity = size
        self.log.append("resize %s" % target)

    def attachDeviceFlags(self, text, flags):
        self.host.hang()
        if self.host.refuses:
            raise LibvirtError(1, self.host.refuses)
        device = ElementTree.fromstring(text)
        self._change(lambda devices: devices.append(device), flags)
        self.log.append("attach %s %d" % (device.find("alias").get("name"), flags))

    def detachDeviceAlias(self, alias, flags):
        self._change(lambda devices: devices.remove(devices.find("*/alias[@name='%s']/.." % alias)), flags)
        self.log.append("detach %s %d" % (alias, flags))

    def _change(self, change, flags):
        for flag, which in {FAKE.VIR_DOMAIN_AFFECT_LIVE: "text", FAKE.VIR_DOMAIN_AFFECT_CONFIG: "stored"}.items():
            if flags & flag:
                root = ElementTree.fromstring(getattr(self, which))
                change(root.find("devices"))
                setattr(self, which, ElementTree.tostring(root, encoding="unicode"))


class Secret:
    """A secret of that libvirt."""

    def __init__(self, host, text):
        self.host, self.text = host, text
        self.uuid = ElementTree.fromstring(text).findtext("uuid")

    def setValue(self, value, flags):
        self.host.secrets[self.uuid] = (self, value)

    def undefine(self):
        del self.host.secrets[self.uuid]


class Host:
    """A connection to that libvirt, whose storage may hang."""

    def __init__(self):
        self.domains, self.refuses, self.secrets = [], None, {}
        self.hang = lambda: None

    def listAllDomains(self):
        return self.domains

    def secretDefineXML(self, text, flags):
        return Secret(self, text)

    def secretLookupByUUIDString(self, uuid):
        if uuid not in self.secrets:
            raise LibvirtError(FAKE.VIR_ERR_NO_SECRET)
        return self.secrets[uuid][0]

    def defineXML(self, text):
        handle = Handle(self, text)
        if any(each.name() == handle.name() for each in self.domains):
            raise LibvirtError(FAKE.VIR_ERR_OPERATION_FAILED, "domain '%s' already exists with uuid" % handle.name())
        self.domains.append(handle)
        return handle

    def lookupByUUIDString(self, uuid):
        for handle in self.domains:
            if handle.UUIDString() == uuid:
                return handle
        raise LibvirtError(FAKE.VIR_ERR_NO_DOMAIN)
