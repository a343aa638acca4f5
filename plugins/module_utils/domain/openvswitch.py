# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a domain needs to know of the host's Open vSwitch. Only read: the bridge is ovn-controller's."""

from __future__ import annotations

import json

from ..core.command import command
from ..core.errors import LaunchError, Unavailable


def datapath_type(bridge: str) -> str:
    """The bridge's datapath: `netdev` in userspace; empty or `system` in the kernel."""
    try:
        return _list("Bridge", "datapath_type", bridge)[0][0]
    except LaunchError as error:
        raise Unavailable("bridge %s: %s; is ovn-controller running on this host?" % (bridge, error)) from error


def plugged() -> dict[str, str]:
    """The interfaces for which ovn-controller has installed all flows: their ports' ids, by name."""
    installed = {}
    for name, (_kind, pairs) in _list("Interface", "name,external_ids"):
        ids = dict(pairs)
        if ids.get("ovn-installed") == "true":
            installed[name] = ids.get("iface-id", "")
    return installed


def _list(table: str, columns: str, *records: str) -> list[list]:
    arguments = ("--timeout=5", "--format=json", "--columns=" + columns, "list", table)
    output = command("ovs-vsctl", *arguments, *records, package="openvswitch-switch")
    return json.loads(output)["data"]
