# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An instance's networks and volumes as a person asks for them, made the items that their stages take."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

from ..core.convert import LARGEST, boolean, choice, mapping, printable, sequence, text, whole
from ..core.errors import InvalidRequest
from ..core.names import checked_name, volume_id
from ..network.addresses import checked_mac, checked_prefix
from ..port.addresses import counted_ip, counted_ips, counted_mac, first_and_further
from ..port.qos import limits
from ..port.request import floating_ip
from ..port.trunk import checked_vlan
from .attachments import BlockDeviceMapping, NetworkRequest

# What the services do not have; of neutron, what is its own business.
BEYOND = {
    "ovn": {"port"},
    "neutron": {"qos", "fixed_ips"},
    "file": {"type", "image", "snapshot", "boot"},
}
GROUPS = "security_groups"
SUBS = "subports"
MAX_VOLUMES = 24  # vdb to vdy; vda is the root disk, vdz the config drive


def ports(index: int, entries: Any, service: str) -> list[NetworkRequest]:
    """The ports that an entry's networks stand for in its index-th instance, on a network each, or the user's own."""
    asked = enumerate(sequence(entries, "networks"))
    return [_trunk(index, entry, service, "networks[%d]" % place) for place, entry in asked]


def _trunk(index: int, entry: Any, service: str, what: str) -> NetworkRequest:
    """A port with the sub-ports that the guest has by VLANs of its interface."""
    entry = {"network": entry} if isinstance(entry, str) else dict(mapping(entry, what, sorted({*NETWORK_KEYS, SUBS})))
    asked = entry.pop(SUBS, None)
    if asked and "port" in entry:
        raise InvalidRequest("%s: a port of yours is taken as it is: make its trunk in neutron" % what)
    port = _port(index, entry, service, what)
    if asked is None:
        return port
    listed = enumerate(sequence(asked, "%s: %s" % (what, SUBS)))
    subports = [_subport(index, each, service, "%s: %s[%d]" % (what, SUBS, place)) for place, each in listed]
    counted = Counter(each.vlan for each in subports)
    twice = sorted(vlan for vlan, number in counted.items() if number > 1)
    if twice:
        raise InvalidRequest("%s: %s: vlan %d is there twice: give each its own" % (what, SUBS, twice[0]))
    return replace(port, subports=subports)


def _subport(index: int, entry: Any, service: str, what: str) -> NetworkRequest:
    """A port by a VLAN of another one's interface."""
    if isinstance(entry, dict) and SUBS in entry:
        raise InvalidRequest("%s: a sub-port has no %s of its own: list them all below the port" % (what, SUBS))
    entry = dict(mapping(entry, what, sorted({*NETWORK_KEYS, "vlan"})))
    if entry.get("port") is not None:
        raise InvalidRequest("%s: port: a sub-port is made on a network; take the parent of a trunk of yours" % what)
    vlan = entry.pop("vlan", None)
    if vlan is None:
        raise InvalidRequest("%s: vlan is missing: the tag by which the guest has it, 1 to 4094" % what)
    return replace(_port(index, entry, service, what), vlan=checked_vlan(vlan, "%s: vlan" % what))


def _port(index: int, entry: Any, service: str, what: str) -> NetworkRequest:
    entry = _mentioned(entry, NETWORK_KEYS, what)
    if ("network" in entry) == ("port" in entry):
        raise InvalidRequest("%s: needs the name of a network, or a port of yours, and not both" % what)
    if set(entry) - {"port", "floating_ip"} and "port" in entry:
        raise InvalidRequest("%s: a port of yours is taken as it is; only floating_ip goes with it" % what)
    said = {key: convert(entry[key], "%s: %s" % (what, key)) for key, convert in NETWORK.items() if key in entry}
    _refuse_beyond(said, service, what)
    if service == "ovn":
        checked_name(said["network"], "%s: network" % what)
        for group in said.get(GROUPS, ()):
            checked_name(group, "%s: %s: security group" % (what, GROUPS))
    own = {key: convert(entry[key], index, "%s: %s" % (what, key)) for key, convert in COUNTED.items() if key in entry}
    _refuse_beyond(own, service, what)
    own["fixed_ip"], _further = first_and_further(own.get("fixed_ip"), own.get("fixed_ips"))
    return NetworkRequest(**said, **own)


def _names(value: Any, what: str) -> list[str]:
    return [printable(each, "%s[%d]" % (what, index)) for index, each in enumerate(sequence(value, what))]


def _pairs(value: Any, what: str) -> list[dict[str, str]]:
    """Allowed address pairs; an address alone is one with the port's own MAC address."""
    return [_pair(pair, "%s[%d]" % (what, index)) for index, pair in enumerate(sequence(value, what))]


def _pair(pair: Any, what: str) -> dict[str, str]:
    pair = {"ip_address": pair} if isinstance(pair, str) else mapping(pair, what, ("ip_address", "mac_address"))
    pair = {key: text(value, "%s: %s" % (what, key)) for key, value in pair.items() if value is not None}
    checked_prefix(pair.get("ip_address", ""), "%s: ip_address" % what, strict=False)
    if "mac_address" in pair:
        checked_mac(pair["mac_address"], "%s: mac_address" % what)
    return pair


def _limits(value: Any, what: str) -> list[dict[str, Any]]:
    """Limits, as the record and the stage have them."""
    return [limit._asdict() for limit in limits(value, what)]


# The keys of a network by the converters of their values.
NETWORK = {
    "network": printable,
    "port": printable,
    GROUPS: _names,
    "port_security": boolean,
    "allowed_address_pairs": _pairs,
    "qos": _limits,
    "floating_ip": floating_ip,
}
# Those whose values count.
COUNTED = {"fixed_ip": counted_ip, "fixed_ips": counted_ips, "mac_address": counted_mac}
NETWORK_KEYS = {*NETWORK, *COUNTED}


def volumes(name: str, count: int, entries: Any, project_id: str, service: str) -> list[BlockDeviceMapping]:
    """The volumes that an entry's volumes stand for: new ones have a size, existing ones a name or an id alone."""
    asked = enumerate(sequence(entries, "volumes"))
    items = [_volume(name, count, entry, project_id, service, "volumes[%d]" % place) for place, entry in asked]
    if len(items) > MAX_VOLUMES:
        raise InvalidRequest("volumes: there are %d, and room for %d" % (len(items), MAX_VOLUMES))
    named = Counter(item.name for item in items)
    twice = [volume for volume, number in named.items() if number > 1]
    if twice:
        raise InvalidRequest("volumes: two volumes are named %s" % ", ".join(twice))
    if len([item for item in items if item.boot]) > 1:
        raise InvalidRequest("volumes: two have boot: true, there can be one")
    return items


def _volume(name: str, count: int, entry: Any, project_id: str, service: str, what: str) -> BlockDeviceMapping:
    entry = _mentioned(entry, VOLUME_KEYS, what)
    label = checked_name(entry.pop("name", None), "%s: volume" % what)
    what = "volume %s" % label
    said = {key: VOLUME[key](value, "%s: %s" % (what, key)) for key, value in entry.items()}
    _refuse_beyond(said, service, what)
    size = said.get("size")
    if size is None and count > 1:
        raise InvalidRequest("%s: is an existing one (no size) and cannot serve %d instances" % (what, count))
    if service != "file" and "format" in said:
        raise InvalidRequest("%s: format: a volume of the service %s has none" % (what, service))
    if size is None and set(said) & {"type", "image", "snapshot"}:
        raise InvalidRequest("%s: is an existing one (no size): leave out type, image and snapshot" % what)
    if size is None and said.get("delete_on_termination"):
        raise InvalidRequest("%s: is an existing one (no size), and stays: leave out delete_on_termination" % what)
    if "image" in said and "snapshot" in said:
        raise InvalidRequest("%s: made from an image or from a snapshot, not from both" % what)
    full_name = label if size is None else "%s-%s" % (name, label)
    return BlockDeviceMapping(
        id=volume_id(project_id, label) if size is None else volume_id(project_id, name, label),
        name=full_name,
        size=size,
        delete_on_termination=said.get("delete_on_termination", False),
        service=service,
        # One that exists is what it is.
        format=said.get("format", None if size is None else "raw") if service == "file" else None,
        boot=said.get("boot") or None,
        **{key: said.get(key) for key in ("type", "image", "snapshot")},
    )


def _size(value: Any, what: str) -> int:
    return whole(value, what + " (GiB)", least=1, most=LARGEST)


# The keys of a volume by the converters of their values.
VOLUME = {
    "size": _size,
    "format": partial(choice, choices=("raw", "qcow2")),
    "type": printable,
    "image": printable,
    "snapshot": printable,
    "boot": boolean,
    "delete_on_termination": boolean,
}
VOLUME_KEYS = {*VOLUME, "name"}


def _mentioned(entry: Any, keys: set[str], what: str) -> dict[str, Any]:
    """The keys that have a value; InvalidRequest for one that is unknown."""
    return {key: value for key, value in mapping(entry, what, sorted(keys)).items() if value is not None}


def _refuse_beyond(said: dict[str, Any], service: str, what: str) -> None:
    """InvalidRequest for what is asked for and is beyond the service."""
    beyond = sorted(key for key in BEYOND.get(service, ()) if said.get(key))
    if beyond:
        raise InvalidRequest(
            "%s: %s: with the service %s there is no such thing here" % (what, ", ".join(beyond), service)
        )
