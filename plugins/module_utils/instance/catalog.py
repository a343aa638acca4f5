# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an entry calls by a name, as documents have it: its flavor, its image, its server group.

A name that stands for nothing is a NotFound, a definition that makes no sense an InvalidRequest; both are only theirs
who name it.
"""

from __future__ import annotations

from typing import Any, Mapping

from ..core.convert import LARGEST, labels, mapping, printable, shown, text, whole
from ..core.errors import InvalidRequest, NotFound
from ..core.names import checked_name
from ..core.properties import renamed
from ..image.model import Image
from ..image.request import canonical_checksum
from ..image.request import check as check_image
from . import scheduling
from .definitions import CUSTOM

FLAVOR_KEYS = ("disk", "extra_specs", "ram", "vcpus")
IMAGE_KEYS = ("checksum", "disk_format", "min_disk", "min_ram", "properties", "url")


def flavor(asked: Any, flavors: Mapping[str, Any]) -> dict[str, Any] | None:
    """The flavor of that name, or the one that is spelled out; None if none is. ram in MiB, disk in GiB."""
    if asked is None:
        return None
    name = CUSTOM
    if not isinstance(asked, dict):
        name, asked = _defined("flavor", asked, flavors, "launch_flavors")
    what = "flavor %s" % name
    said = _said(asked, what, FLAVOR_KEYS)
    return {
        "name": name,
        "vcpus": whole(said.get("vcpus"), "%s: vcpus" % what, least=1, most=LARGEST),
        "ram": whole(said.get("ram"), "%s: ram (MiB)" % what, least=1, most=LARGEST),
        "disk": whole(said.get("disk", 0), "%s: disk (GiB; 0 is the image's own size)" % what, least=0, most=LARGEST),
        "extra_specs": labels(said.get("extra_specs", {}), "%s: extra_specs" % what),
    }


def image(asked: Any, images: Mapping[str, Any], service: str) -> dict[str, Any]:
    """The image of that name: as launch_images defines it, or as the image service told of it. min_disk in GiB."""
    name, found = _defined("image", asked, images, "launch_images")
    what = "image %s" % name
    said = {key: value for key, value in mapping(found, what).items() if value is not None}
    if service == "url":
        said = _checked(checked_name(name, "image"), _said(found, what, IMAGE_KEYS))
    elif said.get("fault"):
        raise NotFound(said["fault"])
    return {
        "name": text(said.get("name", name), "%s: name" % what),
        "url": said["url"],
        "checksum": said.get("checksum"),
        "disk_format": said.get("disk_format", "qcow2"),
        "min_disk": whole(said.get("min_disk", 0), "%s: min_disk (GiB)" % what, least=0, most=LARGEST),
        "min_ram": whole(said.get("min_ram", 0), "%s: min_ram (MiB)" % what, least=0, most=LARGEST),
        "properties": renamed(labels(said.get("properties", {}), "%s: properties" % what)),
        **{key: said[key] for key in ("id", "direct_url") if said.get(key)},
    }


def _checked(name: str, said: dict[str, Any]) -> dict[str, Any]:
    """The same definition, sound; what an image service says is not checked."""
    what = "image %s" % name
    texts = {"url": None, "checksum": None, "disk_format": "qcow2", **said}
    texts = {key: texts[key] and text(texts[key], "%s: %s" % (what, key)) for key in ("url", "checksum", "disk_format")}
    texts["checksum"] = canonical_checksum(texts["checksum"])
    try:
        check_image(Image(None, name, **texts))
    except InvalidRequest as error:
        raise InvalidRequest("%s: %s" % (what, error)) from None
    return {**said, **texts}


def group(asked: Any, groups: Mapping[str, Any]) -> dict[str, Any] | None:
    """The server group of that name, or the one that is spelled out, with its name; None if none is."""
    if isinstance(asked, dict):
        return scheduling.group(asked.get("name"), {key: value for key, value in asked.items() if key != "name"})
    return None if asked is None else scheduling.group(*_defined("group", asked, groups, "launch_server_groups"))


def unknown(kind: str, name: str, known: Mapping[Any, Any], variable: str) -> str:
    """That there is none of this name, and which there are; YAML's yes, 1 and null are no names."""
    names = [each if isinstance(each, str) else "%s without quotes" % shown(each) for each in known]
    return "%s %s is not defined in %s (%s)" % (kind, name, variable, ", ".join(sorted(names)) or "it has none")


def _defined(kind: str, asked: Any, known: Mapping[str, Any], variable: str) -> tuple[str, Any]:
    """A name and its definition."""
    name = printable(asked, kind)
    if name not in known:
        raise NotFound(unknown(kind, name, known, variable))
    return name, known[name]


def _said(definition: Any, what: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """What a definition mentions."""
    return {key: value for key, value in mapping(definition, what, keys).items() if value is not None}
