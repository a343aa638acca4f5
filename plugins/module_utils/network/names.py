# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose a network or a security group is: names are a project's own, as in neutron, or all projects share one; pure."""

from __future__ import annotations

import json
import uuid
from typing import NamedTuple

from ..core.names import NAMESPACE

# Who launches without an identity service is in it (roles/launch). What says of no project that it is its, is its.
DEFAULT_PROJECT = "default"
# In place of a project, for what all of them share.
SHARED = ""


class Name(NamedTuple):
    """A name, and the project in which it means something; SHARED if it means the same in all."""

    project: str
    name: str

    def __str__(self) -> str:
        return self.name


def name_in(project: str | None, name: str | None, shared: bool = False) -> Name:
    """The name as a project means it; None is the default project."""
    return Name(SHARED if shared else project or DEFAULT_PROJECT, str(name))


def gateway_port(network: Name) -> str:
    """The id of the port by which compute hosts are a network's gateway."""
    return _own("gateway", network)


def localnet_port(network: Name) -> str:
    """The name of the port by which a network is on a wire of the hosts; it begins as neutron's."""
    return "provnet-" + _own("localnet", network)


def _own(kind: str, network: Name) -> str:
    """The id of a network's own port of this kind, the same at every run."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([NAMESPACE, kind, *network])))
