# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Identities of requests, those that derive from an instance's UUID, and the marks of objects of ours."""

from __future__ import annotations

import json
import os
import re
import uuid

from .convert import shown, text
from .errors import InvalidRequest

# The XML namespace of our libvirt metadata; the prefix of our external_ids in OVN.
NAMESPACE = "https://kvmstack.dev/launch/1"
MARK = "kvmstack"

# The bridge of a compute host that ovn-controller manages.
INTEGRATION_BRIDGE = "br-int"

# Bytes.
GIB = 1024**3

# How many CPUs a host may have (Linux on x86, MAXSMP): no list of CPUs is longer.
MOST_CPUS = 8192

_RANGE = re.compile(r"\s*([0-9]{1,9})\s*(?:-\s*([0-9]{1,9})\s*)?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def checked_name(name: str, what: str) -> str:
    """The name itself if it is safe in a file name, an XML text, a host name and a command; else InvalidRequest."""
    if not _NAME.fullmatch(text(name, "%s name" % what)):
        raise InvalidRequest(
            "%s name %s: use 1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or digit"
            % (what, shown(name))
        )
    return name


def new_request_id() -> str:
    """An id of a request, as oslo.middleware makes them."""
    return "req-%s" % uuid.uuid4()


def reservation_id(request_id: str | None) -> str:
    """What instances of one request, that which created them, have in common."""
    return "r-%s" % (request_id or "").replace("req-", "")[:8]


def port_id(instance_uuid: str, kind: str, name: str, number: int) -> str:
    """The id of an instance's port, the same at every run: one on a network, or one of the user's own (kind port)."""
    return str(uuid.uuid5(uuid.UUID(instance_uuid), json.dumps(["port", kind, name, number])))


def volume_id(project_id: str, *names: str) -> str:
    """The id of a volume in a project, the same at every run: an instance's own has two names, that of the instance
    and its own there; any other has one.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([NAMESPACE, "volume", project_id, *names])))


def tap_name(port: str) -> str:
    """The host's interface for a port: `kvt` and 11 characters of the id.

    Not `tap`, as nova and neutron have it: by its name the host's firewall knows what is a guest's, and what a VPN's.
    """
    return "kvt" + port[:11]


def bracketed(address: object) -> str:
    """The address or host name; an IPv6 address in brackets, as its own colons end there (RFC 3986, ovsdb(7))."""
    written = str(address)
    return "[%s]" % written if ":" in written and not written.startswith("[") else written


def instance_path(state_path: str, instance_uuid: str, *parts: str) -> str:
    """Where a compute host keeps an instance's files: root disk, config drive, console log."""
    return os.path.join(state_path, "instances", instance_uuid, *parts)


def numbers(text: str) -> list[int]:
    """The numbers in a list such as 0-3,8,^2; ValueError if it is none, before more than MOST_CPUS are looked at."""
    chosen: set[int] = set()
    dropped: set[int] = set()
    count = 0
    for part in filter(None, (part.strip() for part in text.split(","))):
        into, part = (dropped, part[1:]) if part.startswith("^") else (chosen, part)
        found = _RANGE.fullmatch(part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if first > last:
            raise ValueError("%.40r is neither a number nor a range" % part)
        count += last - first + 1
        if count > MOST_CPUS:
            raise ValueError("it has more than %d numbers" % MOST_CPUS)
        into.update(range(first, last + 1))
    return sorted(chosen - dropped)
