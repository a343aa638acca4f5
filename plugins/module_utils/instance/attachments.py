# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is attached to an instance, its ports and volumes: who is who from run to run, and what may change.

An item that a running instance is to lose is `leaving` until its stage has taken it back.
"""

from __future__ import annotations

from typing import Any

from ..core.names import port_id

# What a volume is made with and keeps.
MADE_WITH = ("type", "snapshot", "boot")


def boot_volume(items: list[dict[str, Any]] | None) -> dict[str, Any] | None:
    """The volume that the instance boots from; None if it has a root disk."""
    return next((item for item in items or [] if item.get("boot")), None)


def ports(wanted: Any, identity: str, before: list | None) -> list[dict[str, Any]]:
    """The wanted ports with their ids and names, laid over those of the record, whose MAC and address stay."""
    known = {port["id"]: port for port in before or []}
    identified, seen = [], {}
    for asked in wanted.ports or []:
        on = asked["network"] or "port/%s" % asked["port"]
        index = seen[on] = seen.get(on, -1) + 1
        label = asked["network"] or asked["port"]
        port = {
            "id": port_id(identity, on, index),
            "name": "%s-%s%s" % (wanted.name, label, "-%d" % index if index else ""),
            "instance_uuid": identity,
            "mac_address": None,
            **asked,
        }
        identified.append(_merge(known[port["id"]], port) if port["id"] in known else port)
    return identified


def volumes(wanted: Any, identity: str, before: list | None) -> list[dict[str, Any]]:
    """The wanted volumes as disks of this instance: vdb and so on, each where it was; vda is the one to boot from."""
    known = {volume["id"]: volume for volume in before or []}
    taken = {volume["device"] for volume in known.values()}
    free = ("vd" + chr(letter) for letter in range(ord("b"), ord("z")))
    identified = []
    for asked in wanted.volumes or []:
        if asked["id"] in known:
            identified.append(_merge(known[asked["id"]], {**asked, "instance_uuid": identity}))
            continue
        device = "vda" if asked.get("boot") else next(name for name in free if name not in taken)
        identified.append({**asked, "instance_uuid": identity, "device": device})
    return identified


def exchange(asked: list[dict[str, Any]], before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a running instance is to have, and what it is to lose; a volume that is detached is never deleted."""
    staying = {item["id"] for item in asked}
    leaving = [{**item, "leaving": True} for item in before if item["id"] not in staying]
    for item in leaving:
        if "delete_on_termination" in item:
            item["delete_on_termination"] = False
    return asked + leaving


def fixed_changes(wanted: Any, before: Any) -> list[str]:
    """Every change of an attached port or volume that a running guest cannot take, for people."""
    have_ports = {port["id"]: port for port in before.ports or []}
    changes = []
    for port in ports(wanted, before.uuid, None) if wanted.ports is not None else []:
        have = (have_ports.get(port["id"]) or {}).get("fixed_ip")
        if have and port["fixed_ip"] and port["fixed_ip"] != have:
            changes.append("networks (%s: %s, now %s)" % (port["network"], port["fixed_ip"], have))
    if wanted.volumes is not None:
        changes += _fixed_volume_changes(wanted.volumes, before.volumes or [])
    return changes


def _fixed_volume_changes(wanted: list[dict[str, Any]], before: list[dict[str, Any]]) -> list[str]:
    asked = {volume["id"]: volume for volume in wanted}
    changes = []
    for have in before:
        volume = asked.get(have["id"])
        if volume is None:
            if have.get("boot"):
                changes.append("volumes (%s is what it boots from)" % have["name"])
            continue
        if volume["size"] and volume["size"] < (have["size"] or 0):
            changes.append("volumes (%s %d GiB, now %d GiB)" % (have["name"], volume["size"], have["size"]))
        for key in MADE_WITH:
            if volume.get(key) is not None and volume[key] != have.get(key):
                changes.append("volumes (%s %s %s, now %s)" % (have["name"], key, volume[key], have.get(key)))
    return changes


def learn(item: dict[str, Any], made: dict[str, Any] | None, keys: tuple[str, ...]) -> dict[str, Any]:
    """The item with what its stage has found out about it."""
    return {**item, **{key: made[key] for key in keys if made.get(key) is not None}} if made else item


def without_detached(items: list[dict[str, Any]], existing: set[str]) -> list[dict[str, Any]]:
    """The items without those that were leaving and have left: taken back by their stage, or kept by nothing."""
    return [
        item for item in items if not item.get("leaving") or (item["id"] in existing and item.get("service") != "file")
    ]


def _merge(before: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """An item of the record with what is asked for; it stays."""
    mentioned = {key: value for key, value in asked.items() if value is not None}
    return {**{key: value for key, value in before.items() if key != "leaving"}, **mentioned}
