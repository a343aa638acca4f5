# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Disks and interfaces as libvirt's XML, and back; pure."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from ..core.names import INTEGRATION_BRIDGE
from .device import Disk, Interface, Remote
from .elements import add, attribute

# Marks the devices that are ours; libvirt keeps an alias that begins so in the running and in the stored XML.
ALIAS = "ua-"

# libvirt's word for a secret, by the protocol that needs it.
SECRETS = {"rbd": "ceph", "iscsi": "iscsi"}


def alias(device: Disk | Interface) -> str:
    """The alias that marks a device as ours."""
    return ALIAS + device.role


def disk(disk: Disk) -> Element:
    """A disk.

    A file's cache is the host's page cache, with the guest's flushes honoured (writeback): `none` needs O_DIRECT,
    which not every file system has. Nothing is kept on this host of what others may write as well.
    """
    device = Element("disk", type="network" if disk.remote else "file", device=disk.device)
    driver = add(device, "driver", name="qemu", type=disk.format)
    if disk.role != "config":
        driver.set("cache", "none" if disk.remote or disk.shareable else "writeback")
        if disk.discard:
            driver.set("discard", "unmap")
    if disk.remote:
        _add_remote(device, disk.remote)
    else:
        add(device, "source", file=disk.path)
    for flag, is_set in (("readonly", disk.read_only), ("shareable", disk.shareable)):
        if is_set:
            add(device, flag)
    _add_chain(device, disk)
    add(device, "target", dev=disk.target, bus=disk.bus)
    if disk.serial:
        # QEMU passes on 20 characters of it: the guest's /dev/disk/by-id/virtio-SERIAL, as with nova.
        add(device, "serial", disk.serial)
    if disk.boot:
        add(device, "boot", order=1)
    if disk.limits:
        iotune = add(device, "iotune")
        for name, most in disk.limits:
            add(iotune, name, most)
    add(device, "alias", name=alias(disk))
    return device


def _add_remote(device: Element, remote: Remote) -> None:
    if remote.username:
        secret = {"type": SECRETS[remote.protocol], "uuid": remote.secret}
        add(add(device, "auth", username=remote.username), "secret", **secret)
    source = add(device, "source", protocol=remote.protocol, name=remote.name)
    for name, port in remote.hosts:
        add(source, "host", name=name, port=port)
    if remote.initiator:
        add(add(source, "initiator"), "iqn", name=remote.initiator)


def _add_chain(device: Element, disk: Disk) -> None:
    """What is below a disk, spelled out to the end, so that nobody guesses a format from what a guest wrote.

    A qcow2 on a share is left to libvirt: what is below it are Cinder's own snapshots, with their formats in it.
    """
    if disk.mount and disk.format == "qcow2":
        return
    chain = device
    if disk.base:
        chain = add(device, "backingStore", type="file")
        add(chain, "format", type=disk.base_format)
        add(chain, "source", file=disk.base)
    add(chain, "backingStore")


def interface(interface: Interface) -> Element:
    """An interface that libvirt plugs into OVN's bridge under the port's id; the bridge itself it leaves alone."""
    device = Element("interface", type="bridge")
    if interface.mac_address:
        add(device, "mac", address=interface.mac_address)
    add(device, "source", bridge=INTEGRATION_BRIDGE)
    add(add(device, "virtualport", type="openvswitch"), "parameters", interfaceid=interface.port_id)
    add(device, "target", dev=interface.tap)
    add(device, "model", type="virtio")
    if interface.queues or not interface.checksum_offload:
        driver = add(device, "driver", queues=interface.queues)
        if not interface.checksum_offload:
            add(driver, "host", csum="off")
    if interface.bandwidth:
        bandwidth = add(device, "bandwidth")
        for direction, limits in interface.bandwidth:
            add(bandwidth, direction, **dict(limits))
    if interface.mtu:
        add(device, "mtu", size=interface.mtu)
    add(device, "alias", name=alias(interface))
    return device


def set_mtu(interface: Element, mtu: int) -> None:
    """Give an interface of a domain's XML another MTU."""
    element = interface.find("mtu")
    (add(interface, "mtu") if element is None else element).set("size", str(mtu))


def parse_disk(device: Element) -> Disk | None:
    """A disk of ours; None if it is not."""
    role = _role(device)
    if role is None:
        return None
    source, driver, target = device.find("source"), device.find("driver"), device.find("target")
    base, boot = device.find("backingStore/source"), device.find("boot")
    return Disk(
        role=role,
        target=target.get("dev"),
        path=attribute(source, "file"),
        format=driver.get("type"),
        base=attribute(base, "file"),
        base_format=None if base is None else device.find("backingStore/format").get("type"),
        device=device.get("device"),
        bus=target.get("bus"),
        remote=_parse_remote(device) if device.get("type") == "network" else None,
        serial=device.findtext("serial"),
        boot=boot is not None,
        discard=driver.get("discard") == "unmap",
        read_only=device.find("readonly") is not None,
        shareable=device.find("shareable") is not None,
        limits=tuple(sorted((each.tag, each.text) for each in device.iterfind("iotune/*"))),
    )


def _parse_remote(device: Element) -> Remote:
    """The storage of a network disk; libvirt keeps the credentials beside the source, newer ones below it."""
    source = device.find("source")
    auth = next((each.find("auth") for each in (device, source) if each.find("auth") is not None), None)
    return Remote(
        protocol=source.get("protocol"),
        name=source.get("name"),
        hosts=tuple((host.get("name"), int(host.get("port", 0))) for host in source.findall("host")),
        username=attribute(auth, "username"),
        secret=None if auth is None else attribute(auth.find("secret"), "uuid"),
        initiator=attribute(source.find("initiator/iqn"), "name"),
    )


def parse_interface(device: Element) -> Interface | None:
    """An interface of ours; None if it is not."""
    role = _role(device)
    if role is None:
        return None
    mtu, queues = attribute(device.find("mtu"), "size"), attribute(device.find("driver"), "queues")
    return Interface(
        role=role,
        port_id=attribute(device.find("virtualport/parameters"), "interfaceid", role),
        mac_address=attribute(device.find("mac"), "address"),
        tap=device.find("target").get("dev"),
        mtu=None if mtu is None else int(mtu),
        checksum_offload=device.find("driver/host[@csum='off']") is None,
        queues=None if queues is None else int(queues),
        bandwidth=tuple(sorted((each.tag, tuple(sorted(each.items()))) for each in device.iterfind("bandwidth/*"))),
    )


def _role(device: Element) -> str | None:
    """What a device is to us, from its alias; None if it is not ours."""
    name = attribute(device.find("alias"), "name", "")
    return name[len(ALIAS) :] if name.startswith(ALIAS) else None
