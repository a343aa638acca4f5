# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What clients ask of their servers: whether that makes sense now, in nova's words where it does not."""

from __future__ import annotations

import ipaddress
from typing import Any, Callable, Mapping

from ..core.convert import whole
from ..instance.model import Instance
from ..record import server_extras
from ..schedule.host_state import DEFAULT_ZONE
from . import reading, services
from .accepting import Accepting
from .context import RequestContext
from .entry import entry_of, untagged, user_data_of
from .errors import ApiError
from .model import Server
from .site import Site
from .views.hosts import zones

MOST = 1000  # servers by one request
FROM_ERROR = ("stop", "reboot", "rebuild")
DISK_CONFIG = "OS-DCF:diskConfig"  # kept, and of no effect, as with nova's libvirt: guests partition their disks
ADDRESSES = {"accessIPv4": "access_ip_v4", "accessIPv6": "access_ip_v6"}


def create(site: Site, context: RequestContext, body: Mapping[str, Any]) -> list[Instance]:
    """The instances that a body of POST /servers asks for, all of them or none."""
    server = _with_names(site, context, body["server"])
    body = {**body, "server": server}
    if context.version < 42:
        for device in server.get("block_device_mapping_v2") or ():
            untagged(device, "block_device_mapping_v2: ")
    mine = {key["name"]: key["public_key"] for key in reading.keys(site, context.identity.user_id or "")}
    entry = entry_of(body, site.known, context.project_id, mine, reading.groups_of(site, context.project_id))
    services.check(site, context, entry)
    services.complete(site, context, server, entry)
    _check_zone(site, entry.get("availability_zone"))
    least, most = _counts(server)
    names = [entry["name"]] if most == 1 else ["%s-%d" % (entry["name"], place + 1) for place in range(most)]
    if most > 1:
        _check_of_many(entry)
    extras = {
        "key_name": server.get("key_name"),
        "description": server.get("description"),
        "tags": sorted(set(server.get("tags") or ())),
        "disk_config": server.get(DISK_CONFIG),
        **{key: _address(server.get(name)) for name, key in ADDRESSES.items()},
    }
    accepting = Accepting(site, context, "create", user_data_of(server))
    return accepting.new([{**entry, "name": name} for name in names], least, extras)


def _with_names(site: Site, context: RequestContext, server: Mapping[str, Any]) -> dict[str, Any]:
    """A server as it is asked for, its volumes that the record keeps by their names, as an entry has them."""
    devices = [dict(each) for each in server.get("block_device_mapping_v2") or ()]
    for device in devices:
        identity = device.get("uuid") or device.get("volume_id")
        if device.get("source_type") == "volume" and identity:
            check_has_owners(site)
            if site.known["volume_service"] != "file":
                continue
            row = reading.volume(site, context.project_id, identity)
            if row is None:
                raise ApiError(400, "Block Device Mapping is Invalid: failed to get volume %s." % identity)
            device["uuid"] = row["name"]
    return {**server, **({"block_device_mapping_v2": devices} if devices else {})}


def check_has_owners(site: Site) -> None:
    """ApiError 400 where a client could name what is another project's: not every image of Ceph says whose it is."""
    if site.known["volume_service"] == "rbd":
        raise ApiError(
            400, "A volume that there is cannot be had here: Ceph without Cinder does not say whose each is."
        )


def _counts(server: Mapping[str, Any]) -> tuple[int, int]:
    least = whole(server.get("min_count", 1), "min_count", least=1, most=MOST)
    most = whole(server.get("max_count", least), "max_count", least=1, most=MOST)
    if least > most:
        raise ApiError(400, "min_count must be <= max_count")
    return least, most


def _check_of_many(entry: Mapping[str, Any]) -> None:
    """ApiError 400 for what only one server can have."""
    networks = entry.get("networks") or ()
    if any(network.get("fixed_ip") for network in networks):
        raise ApiError(400, "Invalid fixed IP for several servers: each needs its own.")
    if any(network.get("port") for network in networks):
        raise ApiError(400, "A port cannot be had by several servers: name its network instead.")
    if any(volume.get("size") is None for volume in entry.get("volumes") or ()):
        raise ApiError(400, "Cannot attach one or more volumes to multiple instances")


def _check_zone(site: Site, zone: str | None) -> None:
    if zone is None or zone == DEFAULT_ZONE:
        return
    known = {each["zoneName"] for each in zones(reading.hosts(site), detail=False) if each["zoneState"]["available"]}
    if zone not in known:
        raise ApiError(400, "The requested availability zone is not available")


def changeable(site: Site, context: RequestContext, server_id: str) -> Server:
    """A server that who asks may change; ApiError 409 for one that is locked, of which only administrators are free."""
    server = reading.one(site, context, server_id)
    if server.locked and not context.identity.is_admin:
        raise ApiError(409, "Instance %s is locked" % server.id)
    return server


def check_rests(server: Server, word: str) -> None:
    """ApiError 409 for a server with which something is being done, or that has never run; or is in error, but for
    what brings it out of that (nova/compute/api.py, `check_instance_state`)."""
    if server.task_state is not None:
        raise in_state(server, word, "task_state", server.task_state)
    if not server.instance.launched or (server.instance.vm_state == "error" and word not in FROM_ERROR):
        raise in_state(server, word, "vm_state", server.instance.vm_state)


def in_state(server: Server, word: str, attribute: str, value: str) -> ApiError:
    """That a server cannot do what is asked for, in nova's words."""
    return ApiError(409, "Cannot '%s' instance %s while it is in %s %s" % (word, server.id, attribute, value))


def as_it_is(server: Server, **changes: Any) -> dict[str, Any]:
    """The entry of an instance that was launched, which asks for no more than these changes."""
    return {"name": server.instance.name, "state": server.instance.target_state, **changes}


def delete(site: Site, context: RequestContext, server_id: str) -> None:
    """Let a server go, whatever is being done for it: who does that ends it, and then takes it away."""
    server = changeable(site, context, server_id)
    if server.task_state == "deleting" and server.pending == "delete":
        return
    entry = {"name": server.instance.name, "state": "absent"}
    Accepting(site, context, "delete").change(server, entry, even_busy=True)


def set_metadata(
    site: Site, context: RequestContext, server_id: str, change: Callable[[Mapping[str, str]], Mapping[str, str]]
) -> dict[str, str]:
    """What a server's metadata becomes: in the record at once, in its guest's description when a worker comes by."""
    server = changeable(site, context, server_id)
    check_rests(server, "update metadata of")
    metadata = dict(change(server.instance.metadata))
    Accepting(site, context, "metadata").change(server, as_it_is(server, metadata=metadata))
    return metadata


def describe(site: Site, context: RequestContext, server_id: str, body: Mapping[str, Any]) -> None:
    """What is said of a server: its description and access addresses."""
    check_called(reading.one(site, context, server_id), body)
    keep(site, context, server_id, described(body))


def check_called(server: Server, body: Mapping[str, Any]) -> None:
    """ApiError 409 for another name: volumes, guest and addresses are known by that which a server has."""
    for word in ("name", "hostname"):
        if body.get(word, server.instance.name) != server.instance.name:
            raise ApiError(409, "%s: a server is called %s for as long as it is there" % (word, server.instance.name))


def described(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a body says of a server that is for the API's clients only, as it is kept."""
    values = {key: _address(body[name]) for name, key in ADDRESSES.items() if name in body}
    if "description" in body:
        values["description"] = body["description"] or None
    if DISK_CONFIG in body:
        values["disk_config"] = body[DISK_CONFIG]
    return values


def _address(text: str | None) -> str | None:
    """An address as nova writes it, whatever way the client does; an empty one is none."""
    return str(ipaddress.ip_address(text)) if text else None


def keep(site: Site, context: RequestContext, server_id: str, values: dict[str, Any]) -> None:
    """Keep something of a server that is for the API's clients only."""
    server = reading.one(site, context, server_id)
    if values:
        site.database.write(lambda connection: server_extras.write(site.database, connection, server.id, values))
