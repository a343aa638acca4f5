# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes and ports of servers that there are: the row changes at once, the guest when a worker has come by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Iterable, Mapping

from ..core.convert import boolean
from ..core.names import volume_id
from ..instance.attachments import BlockDeviceMapping, NetworkRequest
from ..instance.model import Instance, InstanceRequest
from ..instance.parts import MAX_VOLUMES
from . import asking, reading, services
from .accepting import Accepting
from .context import RequestContext
from .entry import SEVERAL, STAYS, network_of, untagged
from .errors import ApiError, not_found
from .identifiers import named
from .model import Server
from .site import Site


def attach_volume(site: Site, context: RequestContext, server_id: str, body: Mapping[str, Any]) -> tuple[Server, Any]:
    """Give a server a volume that there is. Which device it becomes is not the client's choice, as with nova's libvirt.

    Gives the server, and the volume as it has it.
    """
    server = _resting(site, context, server_id, "attach_volume")
    untagged(body)
    if boolean(body.get("delete_on_termination", False), "delete_on_termination"):
        raise ApiError(400, STAYS)
    identity = body["volumeId"]
    name = _volume_name(site, server, identity)

    def parts(wanted: InstanceRequest, before: Instance) -> InstanceRequest:
        [new] = wanted.volumes or ()
        staying = [each for each in before.volumes if not each.leaving]
        if any(identity in (each.id, each.volume_id) or each.name == new.name for each in staying):
            raise ApiError(400, "Invalid volume: volume %s already attached" % identity)
        if len([each for each in before.volumes if not each.boot]) >= MAX_VOLUMES:
            raise ApiError(403, "The maximum number of devices of instance %s is attached." % server.id)
        if new.service == "cinder":
            new = replace(new, volume_id=identity)
        return replace(wanted, volumes=[*staying, new])

    entry = asking.as_it_is(server, volumes=[{"name": name}])
    after = Accepting(site, context, "attach_volume").exchange(server, entry, parts)
    # One of a service may have another name in the record than its id.
    staying = [each for each in after.volumes if not each.leaving]
    return server, next(each for each in staying if each.name == name or each.volume_id == identity)


def detach_volume(site: Site, context: RequestContext, server_id: str, identity: str) -> None:
    """Take a volume from a server; it is kept. Again, while it goes, is as good."""
    server = _resting(site, context, server_id, "detach_volume")
    found = volume_of(server, identity)
    if found.boot:
        raise ApiError(403, "Cannot detach a root device volume")

    def parts(wanted: InstanceRequest, before: Instance) -> InstanceRequest:
        staying = [each for each in before.volumes if each.id != found.id and not each.leaving]
        return replace(wanted, volumes=staying)

    Accepting(site, context, "detach_volume").exchange(server, asking.as_it_is(server), parts)


def update_volume(site: Site, context: RequestContext, server_id: str, identity: str, body: Mapping[str, Any]) -> None:
    """Say whether a volume goes with its server, since version 85: in the record, which is asked when that goes.

    (nova/api/openstack/compute/volume_attachments.py, `update`.) Before that version it is to be swapped for another,
    as nova lets Cinder ask, and nobody here.
    """
    server = _resting(site, context, server_id, "update_volume")
    found = volume_of(server, identity)
    if context.version < 85 or body["volumeId"] not in (found.id, found.public_id):
        raise ApiError(409, "Volume %s cannot be swapped for another: detach it, and attach that one." % identity)
    if found.leaving:
        raise ApiError(409, "Volume %s is being detached, and stays." % identity)
    has = {"id": identity, "serverId": server.id, "device": "/dev/%s" % found.device, "tag": None}
    for name in has.keys() & body.keys():
        if body[name] != has[name]:
            raise ApiError(400, "The %s property is not mutable" % name)
    if "delete_on_termination" not in body:
        return
    goes = boolean(body["delete_on_termination"], "delete_on_termination")
    if goes and not _is_own(server, found):
        raise ApiError(400, STAYS)

    def amended(before: Instance) -> Instance:
        volumes = [
            replace(each, delete_on_termination=goes) if each.id == found.id and not each.leaving else each
            for each in before.volumes
        ]
        return replace(before, volumes=volumes)

    Accepting(site, context, "update_volume").amend(server, amended)


def _is_own(server: Server, volume: BlockDeviceMapping) -> bool:
    """Whether a volume was made for its server, of which its id tells (core/names.py, `volume_id`)."""
    instance = server.instance
    return volume.id == volume_id(instance.project_id, instance.name, volume.name[len(instance.name) + 1 :])


def volume_of(server: Server, identity: str) -> BlockDeviceMapping:
    """A server's volume of this id; ApiError 404 where it has none."""
    found = [each for each in server.instance.volumes if identity in (each.id, each.public_id)]
    if not found:
        raise ApiError(404, "Instance %s is not attached to volume %s" % (server.id, identity))
    return found[0]


def attach_interface(site: Site, context: RequestContext, server_id: str, body: Mapping[str, Any]) -> NetworkRequest:
    """Give a server a port: on a network, or one of the user's own. Gives the port."""
    server = _resting(site, context, server_id, "attach_interface")
    entry = asking.as_it_is(server, networks=[_network(body, site.known)])
    services.check(site, context, entry)

    def parts(wanted: InstanceRequest, before: Instance) -> InstanceRequest:
        [new] = wanted.ports or ()
        if new.port and any(new.port in (each.port, each.public_id) for each in before.ports):
            raise ApiError(409, "Port %s is still in use." % new.port)
        return replace(wanted, ports=[*(each for each in before.ports if not each.leaving), new])

    known = {each.id for each in server.instance.ports if not each.leaving}
    after = Accepting(site, context, "attach_interface").exchange(server, entry, parts)
    # One that was leaving stays, where it is as this one is to be.
    return next(each for each in interfaces_of(after.ports) if not each.leaving and each.id not in known)


def _network(body: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """What an entry says of a port; where nothing is said, the only network there is."""
    network, port, addresses = body.get("net_id"), body.get("port_id"), body.get("fixed_ips")
    untagged(body)
    if network and port:
        raise ApiError(400, "Must not input both network_id and port_id")
    if addresses and not network:
        raise ApiError(400, "Must input network_id when request IP address")
    if port:
        return network_of({"port": port}, None, known)
    if known["network_service"] == "ovn":
        if not network and len(known["networks"]) != 1:
            raise ApiError(409, SEVERAL)
        network = network or next(iter(known["networks"]))
        if named("network", network, known["networks"]) is None:
            raise not_found("Network", network)
    if not network:
        raise ApiError(400, "net_id or port_id is needed with this network service")
    return network_of({"uuid": network, "fixed_ip": addresses[0]["ip_address"] if addresses else None}, None, known)


def detach_interface(site: Site, context: RequestContext, server_id: str, identity: str) -> None:
    """Take a port from a server. Again, while it goes, is as good."""
    server = _resting(site, context, server_id, "detach_interface")
    found = port_of(server, identity)

    def parts(wanted: InstanceRequest, before: Instance) -> InstanceRequest:
        return replace(wanted, ports=[each for each in before.ports if each.id != found.id and not each.leaving])

    Accepting(site, context, "detach_interface").exchange(server, asking.as_it_is(server), parts)


def interfaces(server: Server) -> list[NetworkRequest]:
    """The ports that a server has interfaces for. Of its sub-ports nova knows nothing: they follow these."""
    return interfaces_of(server.instance.ports)


def interfaces_of(ports: Iterable[NetworkRequest]) -> list[NetworkRequest]:
    """Those that are no sub-ports."""
    return [each for each in ports if each.parent is None]


def port_of(server: Server, identity: str) -> NetworkRequest:
    """A server's port of this id; ApiError 404 where it has none."""
    found = [each for each in interfaces(server) if identity in (each.id, each.public_id)]
    if not found:
        raise ApiError(404, "Port id %s could not be found." % identity)
    return found[0]


def _resting(site: Site, context: RequestContext, server_id: str, word: str) -> Server:
    server = asking.changeable(site, context, server_id)
    asking.check_rests(server, word)
    return server


def _volume_name(site: Site, server: Server, identity: str) -> str:
    """What an entry calls a volume: those that the record keeps by their names, others by their service's id."""
    asking.check_has_owners(site)
    if site.known["volume_service"] != "file":
        return identity
    row = reading.volume(site, server.instance.project_id, identity)
    if row is None:
        raise not_found("Volume", identity)
    if row["instance_uuid"] is not None and row["instance_uuid"] != server.id:
        raise ApiError(400, "Invalid volume: volume %s already attached" % identity)
    return row["name"]
