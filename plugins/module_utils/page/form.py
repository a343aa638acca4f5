# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The form for a new server: what there is to choose from, and what it asks the API for."""

from __future__ import annotations

from typing import Any, Mapping

from ..api import reading as api
from ..api.identifiers import definition_id
from ..api.resources import definitions
from ..api.site import Site
from .render import send


def show(site: Site, req: Any, resp: Any, fields: dict[str, str], wrong: str = "") -> None:
    """Answer with the form, with what was typed in its fields and why that was refused."""
    mine = api.keys(site, req.context.nova.identity.user_id or "")
    send(
        req, resp, "launch.html", form=fields, wrong=wrong,
        flavors=flavors(site),
        images=choices("image", definitions.images(site)),
        networks=choices("network", site.known["networks"]),
        keys=[(key["name"], key["name"]) for key in mine],
    )  # fmt: skip


def choices(kind: str, named: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The id and the name of what is defined; a server may also be on no network."""
    found = [(definition_id(kind, name, defined), name) for name, defined in sorted(named.items())]
    return [*found, ("none", "none")] if found and kind == "network" else found


def flavors(site: Site) -> list[tuple[str, str]]:
    """The flavors with what they have, the smallest first."""
    ordered = sorted(definitions.flavors(site).items(), key=lambda pair: (*sizes(pair[1]), pair[0]))
    return [(name, "%s: %s vCPU, %s MiB, %s GiB" % (name, *sizes(flavor))) for name, flavor in ordered]


def sizes(flavor: Mapping[str, Any]) -> tuple[int, int, int]:
    """vCPUs, MiB, GiB."""
    return flavor["vcpus"], flavor["ram"], flavor["disk"]


def body(fields: dict[str, str]) -> dict[str, Any]:
    """The body of POST /servers that the fields ask for."""
    network = fields.get("network") or "auto"
    server: dict[str, Any] = {
        "name": fields.get("name", ""),
        "flavorRef": fields.get("flavor", ""),
        "imageRef": fields.get("image", ""),
        "networks": network if network in ("auto", "none") else [{"uuid": network}],
    }
    if fields.get("key"):
        server["key_name"] = fields["key"]
    return {"server": server}
