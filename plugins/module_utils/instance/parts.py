# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An instance's networks and volumes as a person asks for them, made the items that their stages take."""

from __future__ import annotations

from typing import Any

from ..core.convert import LARGEST, boolean, mapping, sequence, text, whole
from ..core.errors import InvalidRequest
from ..core.names import checked_name, volume_id
from ..network.addresses import checked_address, checked_prefix
from .attachments import BlockDeviceMapping, NetworkRequest

NETWORK_KEYS = {
    "network", "port", "fixed_ip", "security_groups", "port_security", "allowed_address_pairs", "floating_ip",
}  # fmt: skip
VOLUME_KEYS = {"name", "size", "format", "type", "image", "snapshot", "boot", "delete_on_termination"}
# What the embedded services do not have.
BEYOND = {"ovn": {"port", "allowed_address_pairs", "floating_ip"}, "file": {"type", "image", "snapshot", "boot"}}
MAX_VOLUMES = 24  # vdb to vdy; vda is the root disk, vdz the config drive


def ports(name: str, index: int, entries: Any, service: str) -> list[NetworkRequest]:
    """The ports that an entry's networks stand for; each is on a network, or is one that the user has."""
    entries = sequence(entries, "%s: networks" % name)
    return [_port(name, index, {"network": entry} if isinstance(entry, str) else entry, service) for entry in entries]


def _port(name: str, index: int, entry: Any, service: str) -> NetworkRequest:
    entry = mapping(entry, "%s: a network" % name)
    what = "%s: network %s" % (name, entry.get("network") or entry.get("port"))
    entry = _known(entry, NETWORK_KEYS, service, what)
    if bool(entry.get("network")) == bool(entry.get("port")):
        raise InvalidRequest("%s: a network needs a name, or a port of yours, and not both" % name)
    if entry.get("port") and set(entry) - {"port", "floating_ip"}:
        raise InvalidRequest("%s: a port of yours is taken as it is; only floating_ip goes with it" % what)
    pairs = entry.get("allowed_address_pairs")
    if pairs is not None:
        pairs = [_pair(pair, what) for pair in sequence(pairs, "%s: allowed_address_pairs" % what)]
    return NetworkRequest(
        network=_text(entry, "network", what),
        port=_text(entry, "port", what),
        fixed_ip=_address(name, entry.get("fixed_ip"), index),
        security_groups=_texts(entry, "security_groups", what),
        port_security=_boolean(entry, "port_security", what),
        allowed_address_pairs=pairs,
        floating_ip=entry.get("floating_ip"),
    )


def _pair(pair: Any, what: str) -> dict[str, str]:
    pair = {"ip_address": pair} if isinstance(pair, str) else pair
    pair = mapping(pair, "%s: an allowed address pair" % what, ("ip_address", "mac_address"))
    checked_prefix(str(pair.get("ip_address")), "%s: allowed_address_pairs" % what, strict=False)
    return pair


def _address(name: str, address: Any, index: int) -> str | None:
    """The fixed_ip of the index-th of a count: the first has the address given, the others those that follow."""
    if address is None:
        return None
    what = "%s: fixed_ip" % name
    try:
        return str(checked_address(text(address, what), what) + index)
    except ValueError as error:
        raise InvalidRequest("%s: fixed_ip: %s" % (name, error)) from None


def volumes(name: str, count: int, entries: Any, project_id: str, service: str) -> list[BlockDeviceMapping]:
    """The volumes that an entry's volumes stand for: new ones have a size, existing ones a name or an id alone."""
    entries = sequence(entries, "%s: volumes" % name)
    items = [_volume(name, count, entry, project_id, service) for entry in entries]
    if len(items) > MAX_VOLUMES:
        raise InvalidRequest("%s: %d volumes, there is room for %d" % (name, len(items), MAX_VOLUMES))
    labels = [item.name for item in items]
    if len(set(labels)) < len(labels):
        raise InvalidRequest("%s: two volumes have the same name" % name)
    if len([item for item in items if item.boot]) > 1:
        raise InvalidRequest("%s: two volumes to boot from, there can be one" % name)
    return items


def _volume(name: str, count: int, entry: Any, project_id: str, service: str) -> BlockDeviceMapping:
    entry = mapping(entry, "%s: a volume" % name)
    label = checked_name(entry.get("name"), "%s: volume" % name)
    what = "%s: volume %s" % (name, label)
    entry = _known(entry, VOLUME_KEYS, service, what)
    size, form = entry.get("size"), entry.get("format", "raw")
    if size is not None:
        size = whole(size, "%s: size (GiB)" % what, least=1, most=LARGEST)
    if size is None and count > 1:
        raise InvalidRequest("%s is an existing one (no size) and cannot serve %d instances" % (what, count))
    if service != "file" and entry.get("format"):
        raise InvalidRequest("%s: format: a volume of the service %s has none" % (what, service))
    if form not in ("raw", "qcow2"):
        raise InvalidRequest("%s: format is %r, it must be raw or qcow2" % (what, form))
    if size is None and set(entry) & {"type", "image", "snapshot"}:
        raise InvalidRequest("%s is an existing one (no size): leave out type, image and snapshot" % what)
    if entry.get("image") and entry.get("snapshot"):
        raise InvalidRequest("%s: made from an image or from a snapshot, not from both" % what)
    full_name = label if size is None else "%s-%s" % (name, label)
    return BlockDeviceMapping(
        id=volume_id(project_id, label) if size is None else volume_id(project_id, name, label),
        name=full_name,
        size=size,
        delete_on_termination=bool(_boolean(entry, "delete_on_termination", what)) and size is not None,
        service=service,
        format=form if service == "file" else None,
        boot=_boolean(entry, "boot", what) or None,
        **{key: _text(entry, key, what) or None for key in ("type", "image", "snapshot")},
    )


def _text(entry: dict[str, Any], key: str, what: str) -> str | None:
    return None if entry.get(key) is None else text(entry[key], "%s: %s" % (what, key))


def _texts(entry: dict[str, Any], key: str, what: str) -> list[str] | None:
    if entry.get(key) is None:
        return None
    return [text(each, "%s: %s" % (what, key)) for each in sequence(entry[key], "%s: %s" % (what, key))]


def _boolean(entry: dict[str, Any], key: str, what: str) -> bool | None:
    return None if entry.get(key) is None else boolean(entry[key], "%s: %s" % (what, key))


def _known(entry: dict[str, Any], keys: set[str], service: str, what: str) -> dict[str, Any]:
    """The keys that have a value; InvalidRequest for one that is unknown, or that is beyond the service."""
    entry = {key: value for key, value in mapping(entry, what, sorted(keys)).items() if value is not None}
    beyond = sorted(key for key in BEYOND.get(service, ()) if entry.get(key))
    if beyond:
        raise InvalidRequest("%s: %s: the embedded service %s has no such thing" % (what, ", ".join(beyond), service))
    return entry
