# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A rebuild: on its host an instance is made anew over a new root disk, and stays what it is; pure.

What it was made from may change then: its image, its keys, its user data. Its identity, flavor, host, ports and volumes
stay (nova/compute/api.py, `rebuild`). It is begun once it is recorded, and whichever run comes next ends it.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any, Mapping

from ..core.change import first
from ..core.errors import InvalidRequest
from ..core.states import REBUILDING
from ..schedule.hardware.topology import parse_topology
from . import attachments, misfit

# What of an entry a rebuild may change, where a guest else keeps it.
ANEW = ("image", "ssh_keys", "user_data_digest")

# The properties of an image by which hosts are chosen (schedule/filters/image_properties.py), beside its traits.
CHOOSING = ("hw_architecture", "hw_vm_mode", "img_hv_type", "img_hv_requested_version", "hw_pci_numa_affinity_policy")


def kept(wanted: Any) -> Any:
    """The request without what a rebuild makes anew."""
    return replace(wanted, **dict.fromkeys(ANEW)) if wanted.rebuild else wanted


def over(wanted: Any, before: Any, after: Any) -> Any:
    """What an instance becomes by a request, after being what it is without: it is rebuilt, or its rebuild goes on.

    One that is off stays off. A rebuild that goes on and is asked for otherwise is another one. Of an image whose bytes
    nobody has looked for yet, as the Compute API asks for those of Glance, the run that does it learns where they are.
    """
    goes_on = before.task_state == REBUILDING
    if not wanted.rebuild and not goes_on:
        return after
    if wanted.rebuild or not (before.image or {}).get("url"):
        after = replace(after, image=wanted.sound("image") or before.image)
    after = replace(after, task_state=REBUILDING, fault=None)
    if not wanted.rebuild:
        return after
    why = refusal(before, after.image)
    if why:
        raise InvalidRequest(why)
    # Of one whose rebuild goes on the host may have said that it is off: that the rebuild has done.
    off = before.target_state == "stopped" or (before.status == "SHUTOFF" and not goes_on)
    after = replace(
        after,
        target_state="stopped" if off else "started",
        vm_state="stopped" if off else "active",
        ssh_keys=first(wanted.ssh_keys, before.ssh_keys),
        user_data_digest=first(wanted.user_data_digest, before.user_data_digest),
    )
    return after if goes_on and after == before else replace(after, rebuild_id=str(uuid.uuid4()))


def refusal(instance: Any, image: Mapping[str, Any]) -> str | None:
    """Why an instance cannot be rebuilt from an image, for people; None if it can."""
    boot = attachments.boot_volume(instance.volumes)
    if boot is not None:
        return "it boots from volume %s, which a rebuild does not make anew: launch another instance" % boot.name
    why = misfit.reason(instance.flavor, image, None)
    # What a service has not been asked for yet has no checksum: its properties are not known.
    return why or (_other_place(instance, image) if image.get("checksum") else None)


def _other_place(instance: Any, image: Mapping[str, Any]) -> str | None:
    """What the image asks of a host that the instance's image has not: it stays where it is, with what it has there
    (nova/compute/api.py, `_validate_numa_rebuild`)."""
    flavor, sides = instance.flavor, [(each or {}).get("properties") or {} for each in (instance.image, image)]
    topologies = [
        parse_topology(flavor["vcpus"], flavor["ram"], flavor.get("extra_specs") or {}, each) for each in sides
    ]
    if topologies[0] != topologies[1]:
        asked, have = (str(each or "any CPUs") for each in topologies[::-1])
        return "image %s: asks for %s, and the instance has %s: take another image" % (image["name"], asked, have)
    asked, have = ({key: value for key, value in each.items() if _chooses(key)} for each in sides[::-1])
    differing = sorted(key for key in {*asked, *have} if asked.get(key, "") != have.get(key, ""))
    if differing:
        return "image %s: hosts are chosen by its %s, which the instance's has otherwise: take another image" % (
            image["name"],
            ", ".join(differing),
        )
    return None


def _chooses(key: str) -> bool:
    """Whether hosts are chosen by a property of an image."""
    return key in CHOOSING or key.startswith("trait:")
