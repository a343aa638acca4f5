# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the definitions of flavor, image, group and networks mean to an instance that runs: nothing any more.

It keeps what it was launched with, as nova's do, which have flavor and image properties in their own record. An entry
that names another flavor, image or group asks for a change, and that is refused; a definition that says something else
today, or that is gone, is told. Taken over is only where the same bytes of an image are.
"""

from __future__ import annotations

from typing import Any, Mapping

from ..core.properties import renamed

# What an entry calls by a name, and others define.
DEFINED = ("flavor", "image", "group")

CUSTOM = "custom"  # what a flavor is called that its entry spells out

# Where an image's bytes are.
PLACES = ("url", "direct_url")


def open_faults(wanted: Any, before: Any) -> list[str]:
    """Why the request cannot be as it says, without what only says that a definition is gone."""
    return [fault for what, fault in wanted.faults.items() if not _has(wanted, before, *what)]


def changes(wanted: Any, before: Any) -> list[str]:
    """What the entry names that is another than what the instance was launched with, for people."""
    differing = []
    for kind in DEFINED:
        asked, have = getattr(wanted, kind), getattr(before, kind)
        if asked is None or _is_same(kind, wanted, before):
            continue
        if kind == "flavor" and have and asked["name"] == have["name"]:
            differing.append("flavor (%s)" % ", ".join("%s: %s, now %s" % each for each in _differences(asked, have)))
        else:
            name = wanted.image_ref if kind == "image" and wanted.image_ref else asked["name"]
            differing.append("%s (%s, now %s)" % (kind, name, have["name"] if have else "none"))
    return differing


def notes(wanted: Any, before: Any) -> tuple[str, ...]:
    """What is defined otherwise today, or no more, and stays for this instance as it was, for people."""
    told = ["%s: the instance keeps what it was launched with" % fault for fault in wanted.faults.values()]
    if renew(wanted, before) != before.image:
        told.append("image %s is now at %s" % (before.image["name"], _shown("url", wanted.image["url"])))
    for kind in DEFINED:
        asked, have = getattr(wanted, kind), getattr(before, kind)
        if asked is None or have is None or kind in {what for what, _name in wanted.faults}:
            continue
        differing = ", ".join("%s %s, was %s" % each for each in _differences(asked, have))
        if differing:
            told.append(
                "%s %s has changed (%s): the instance keeps what it was launched with" % (kind, have["name"], differing)
            )
    return tuple(told)


def renew(wanted: Any, before: Any) -> dict[str, Any] | None:
    """The instance's image, with the place where the same bytes are to be had now."""
    asked, have = wanted.image, before.image
    if not asked or not have or not have.get("url") or not _has_same_bytes(asked, have):
        return have
    return {**have, **{key: asked[key] for key in PLACES if asked.get(key)}}


def _has(wanted: Any, before: Any, kind: str, name: str) -> bool:
    """Whether the instance has already what a fault is about."""
    if kind in DEFINED:
        return _is_same(kind, wanted, before)
    if kind == "network":
        return any(port.network == name for port in before.ports)
    return any(volume.name == name for volume in before.volumes)


def _is_same(kind: str, wanted: Any, before: Any) -> bool:
    """Whether the entry names what the instance was launched with; an image may go by its name or by its id."""
    asked, have = getattr(wanted, kind), getattr(before, kind)
    if not asked or not have:
        return False
    if kind == "image":
        called = wanted.image_ref or asked["name"]
        return called in (have["name"], have.get("id")) or bool(asked.get("id")) and asked["id"] == have.get("id")
    return asked["name"] == have["name"] and (asked["name"] != CUSTOM or not _differences(asked, have))


def _has_same_bytes(asked: Mapping[str, Any], have: Mapping[str, Any]) -> bool:
    """Whether two definitions are of the same bytes: one image of a service, or one checksum."""
    if asked.get("id") and asked["id"] == have.get("id"):
        return True
    words = [(str(each.get("checksum")).lower(), each.get("disk_format")) for each in (asked, have)]
    return words[0] == words[1] and words[0][0] not in ("none", "None")


def _differences(asked: Mapping[str, Any], have: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """What differs, as (key, asked, have). Where the same bytes of an image are is no difference."""
    ignored = PLACES if _has_same_bytes(asked, have) else ("direct_url",)
    sides = [_flat(each) for each in (asked, have)]
    keys = [key for key in dict.fromkeys([*sides[0], *sides[1]]) if key not in ("name", *ignored)]
    pairs = [(key, sides[0].get(key), sides[1].get(key)) for key in keys]
    return [(key, _shown(key, new), _shown(key, old)) for key, new, old in pairs if (new or None) != (old or None)]


def _flat(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A definition with what is in its mappings under keys of their own."""
    flat: dict[str, Any] = {}
    if definition.get("properties"):
        definition = {**definition, "properties": renamed(definition["properties"])}
    for key, value in definition.items():
        flat.update(
            {"%s.%s" % (key, name): each for name, each in value.items()} if isinstance(value, dict) else {key: value}
        )
    return flat


def _shown(key: str, value: Any) -> Any:
    """A value for people; what follows the path of a url may be a secret."""
    if value is None:
        return "nothing"
    return value.partition("?")[0] if key == "url" else value
