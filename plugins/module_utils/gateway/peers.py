# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whom a host talks to now: a gateway that took their addresses for guests' would cut it off from them.

Linux, Documentation/networking/proc_net_tcp.rst; resolv.conf(5); ovn-controller(8).
"""

from __future__ import annotations

import json
import re
import sys
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Iterator

from ..core.command import command
from .model import Peer

CONNECTIONS = ("/proc/net/tcp", "/proc/net/tcp6")
ESTABLISHED = "01"
# The second has what systemd-resolved asks in the name of the first.
RESOLVERS = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")
# A remote of OVN's database: tcp:192.0.2.1:6642, or ssl:[2001:db8::1]:6642.
_REMOTE = re.compile(r"(?:tcp|ssl):\[?([0-9A-Fa-f.:]+?)\]?(?::[0-9]+)?")


def found() -> Iterator[Peer]:
    """All of them, some more than once."""
    for path in CONNECTIONS:
        yield from _connected(_lines(path))
    for path in RESOLVERS:
        yield from _resolvers(_lines(path))
    yield from _tunnels()


def _lines(path: str) -> list[str]:
    """A file's lines, none where there is no such file: a host may be without IPv6, or without that resolver."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def _connected(lines: list[str]) -> Iterator[Peer]:
    for line in lines[1:]:
        _number, local, remote, state = line.split()[:4]
        if state == ESTABLISHED:
            yield Peer(_address(remote), "the other end of a connection", _address(local))


def _address(text: str) -> str:
    """An address as the kernel writes it: words of 32 bits in the processor's order, in hexadecimal, and a port."""
    raw = bytes.fromhex(text.partition(":")[0])
    words = [raw[place : place + 4] for place in range(0, len(raw), 4)]
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    if len(packed) == 4:
        return str(IPv4Address(packed))
    address = IPv6Address(packed)
    return str(address.ipv4_mapped or address)


def _resolvers(lines: list[str]) -> Iterator[Peer]:
    for line in lines:
        key, *values = line.split() or [""]
        if key == "nameserver" and values:
            yield from _peer(values[0].partition("%")[0], "a name server")


def _tunnels() -> Iterator[Peer]:
    """OVN's databases, and both ends of tunnels."""
    switch, interfaces = command(
        "ovs-vsctl", "--timeout=20", "--format=json",
        "--", "--columns=external_ids", "list", "Open_vSwitch",
        "--", "--columns=options", "list", "Interface",
        package="openvswitch-switch",
    ).splitlines()  # fmt: skip
    [[[_kind, pairs]]] = json.loads(switch)["data"]
    ids = dict(pairs)
    for remote in ids.get("ovn-remote", "").split(","):
        match = _REMOTE.fullmatch(remote.strip())
        if match:
            yield from _peer(match.group(1), "OVN's database")
    for address in ids.get("ovn-encap-ip", "").split(","):
        yield from _peer(address.strip(), "this host's end of tunnels")
    for [[_kind, options]] in json.loads(interfaces)["data"]:
        yield from _peer(dict(options).get("remote_ip", ""), "another host's end of tunnels")


def _peer(text: str, what: str) -> Iterator[Peer]:
    """Who has this address, if it is one and no name."""
    with suppress(ValueError):
        yield Peer(str(ip_address(text)), what)
