# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Flavors, images and networks of the settings as each microversion tells them; pure."""

from __future__ import annotations

from typing import Any, Mapping

from ..context import RequestContext
from ..identifiers import definition_id, identity
from ..versions import exact

# When what is only defined was made: nobody has noted that.
EVER = "1970-01-01T00:00:00Z"


def flavor(context: RequestContext, name: str, defined: Mapping[str, Any], kind: str = "flavor") -> dict[str, Any]:
    """A flavor, whose id is its name."""
    told = {
        **flavor_named(context, name),
        "ram": defined["ram"],
        "disk": defined["disk"],
        "vcpus": defined["vcpus"],
        "swap": 0 if context.version >= 75 else "",
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "OS-FLV-DISABLED:disabled": False,
        "os-flavor-access:is_public": True,
        "rxtx_factor": 1.0,
        "extra_specs": defined["extra_specs"],
    }
    return exact(kind, told, context.version)


def flavor_named(context: RequestContext, name: str) -> dict[str, Any]:
    """What a list without details has of it."""
    told = {"id": name, "name": name, "links": context.links("flavors", name), "description": None}
    return exact("flavor in a list", told, context.version)


def image(context: RequestContext, name: str, defined: Mapping[str, Any]) -> dict[str, Any]:
    """An image as nova's own proxy told it, until version 36."""
    told = image_named(context, name, defined)
    return {
        **told,
        "status": "ACTIVE",
        "progress": 100,
        "created": EVER,
        "updated": EVER,
        "minDisk": defined["min_disk"],
        "minRam": defined["min_ram"],
        "OS-EXT-IMG-SIZE:size": 0,  # not known before a host has loaded it
        "metadata": defined["properties"],
    }


def image_named(context: RequestContext, name: str, defined: Mapping[str, Any]) -> dict[str, Any]:
    """What a list without details has of it."""
    known = definition_id("image", name, defined)
    glance = {"rel": "alternate", "type": "application/vnd.openstack.image", "href": context.link("images", known)}
    return {"id": known, "name": name, "links": [*context.links("images", known), glance]}


def glance_image(name: str, defined: Mapping[str, Any]) -> dict[str, Any]:
    """The same as Glance tells it."""
    known = definition_id("image", name, defined)
    return {
        "id": known,
        "name": name,
        "status": "active",
        "visibility": "public",
        "protected": False,
        "os_hidden": False,
        "owner": None,
        "container_format": "bare",
        "disk_format": defined["disk_format"],
        "min_disk": defined["min_disk"],
        "min_ram": defined["min_ram"],
        "size": None,
        "checksum": None,
        "tags": [],
        "created_at": EVER,
        "updated_at": EVER,
    }


def network(name: str, defined: Any) -> dict[str, Any]:
    """A network as nova's own proxy told it, until version 36."""
    defined = _said(defined)
    told = {"id": definition_id("network", name, defined), "label": name, "cidr": defined.get("cidr")}
    return {**told, "cidr_v6": defined.get("ipv6_cidr")}


def neutron_network(name: str, defined: Any, project_id: str) -> dict[str, Any]:
    """The same as Neutron tells it."""
    defined = _said(defined)
    return {
        "id": definition_id("network", name, defined),
        "name": name,
        "status": "ACTIVE",
        "admin_state_up": True,
        "shared": bool(defined.get("shared")),
        "router:external": False,
        "mtu": defined.get("mtu"),
        "project_id": project_id,
        "tenant_id": project_id,
        "subnets": [],
        "tags": [],
        "port_security_enabled": defined.get("port_security") is not False,
    }


def _said(defined: Any) -> Mapping[str, Any]:
    """What a definition says; nothing where it makes no sense, so that all others are told."""
    return defined if isinstance(defined, Mapping) else {}


def security_group(name: str, project_id: str, known: str | None = None) -> dict[str, Any]:
    """A security group as Neutron tells it, and as nova does of a server's; known: its id there."""
    told = {"id": known or identity("security group", name, project_id), "name": name, "description": ""}
    return {**told, "tenant_id": project_id, "rules": []}
