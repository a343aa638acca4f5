# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An instance as a host of Ansible's inventory: its name there, its variables and its groups; pure.

The inventory plugin and the launch itself go by the same rules, so that they agree.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Iterator, Mapping

from ..network.definition import HOST
from . import jump

Document = Mapping[str, Any]

# The group of all instances, and the variable of each that has what the record says of it.
GROUP = "instances"
VARIABLE = "kvmstack"

# What the variable has of a document as it is. Nothing in it is secret; user data and keys are not in it.
FACTS = (
    "uuid", "name", "project_id", "project_name", "user_name", "status", "target_state", "power_state", "host",
    "availability_zone", "metadata", "fault",
)  # fmt: skip

# Names with a meaning of their own for Ansible: no instance takes them.
MEANT = {"all", "ungrouped", "localhost", GROUP}

# The longest value of metadata that makes a group.
LONGEST = 63

# Where ssh keeps an instance's connection. By Ansible's own default two instances with one address, as those of two
# projects may have, would share it. A path is short; %r and %p are ssh's.
CONTROL_PATH = "%%(directory)s/%s-%%%%r-%%%%p"

_UNSAFE_GROUP = re.compile(r"[^A-Za-z0-9_]")
_UNSAFE_HOST = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True)
class Reach:
    """How guests are reached: as whom where the image does not say, over their hosts or not, and on which networks
    every address is reached straight."""

    user: str | None = None
    jump: bool = True
    direct_networks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Host:
    """A host of the inventory."""

    name: str
    groups: list[str]
    variables: dict[str, Any]


def told(document: Document) -> dict[str, Any]:
    """What the inventory tells of an instance, by its document: the variable that hosts have of it."""
    flavor, image = document.get("flavor") or {}, document.get("image") or {}
    return {
        **{name: document.get(name) for name in FACTS},
        "flavor": flavor.get("name"),
        "vcpus": flavor.get("vcpus"),
        "ram": flavor.get("ram"),
        "image": image.get("name"),
        "group": (document.get("group") or {}).get("name"),
        "admin_user": (image.get("properties") or {}).get("os_admin_user"),
        "addresses": [_address(port) for port in document.get("ports") or () if not port.get("leaving")],
        "volumes": [
            {"name": volume["name"], "size": volume.get("size")}
            for volume in document.get("volumes") or ()
            if not volume.get("leaving")
        ],
    }


def _address(port: Document) -> dict[str, Any]:
    """A port's addresses; one on a physical network is everybody's there, its compute host is not in between.

    router is who the network's is, where that is known: of the embedded service's.
    """
    known = port.get("network_info") or port
    return {
        "network": port.get("network") or port.get("port"),
        "address": port.get("fixed_ip"),
        "ipv6_address": known.get("ipv6_address"),
        "floating": known.get("floating_ip_address"),
        "physical": bool(known.get("physical_network")),
        "router": known.get("router"),
    }


def hosts(
    instances: Iterable[Document], holder: Callable[[str], str | None], variables_of: Callable[[str], Document],
    reach: Reach,
) -> list[Host]:  # fmt: skip
    """What the inventory has of such instances, in their order.

    holder(name): whose a name is, an instance's UUID, an empty text for what is none, None while it is free.
    variables_of(compute host): what the inventory says of it, nothing of one that it does not have.
    """
    instances = list(instances)
    return [
        Host(name, groups(instance), variables(instance, variables_of, reach))
        for name, instance in zip(names(instances, holder), instances)
    ]


def names(instances: list[Document], holder: Callable[[str], str | None]) -> Iterator[str]:
    """What the instances are called: by their names; NAME.PROJECT where it is not one instance's alone.

    So are those that have the name of a compute host, of another host of the inventory or of one of Ansible's groups:
    whoever may launch could be taken for it. Where that is another's too, it is NAME.UUID. One that the inventory has
    already keeps what it is called there.
    """
    counted = Counter(instance["name"] for instance in instances)
    longer = Counter(_with_project(instance) for instance in instances)
    compute = {instance["host"] for instance in instances}
    for instance in instances:
        name, other, last = instance["name"], _with_project(instance), "%s.%s" % (instance["name"], instance["uuid"])
        known = next((each for each in (name, other, last) if holder(each) == instance["uuid"]), None)
        free = {
            name: counted[name] == 1 and name not in compute | MEANT and holder(name) is None,
            other: longer[other] == 1 and other not in compute | set(counted) and holder(other) is None,
        }
        yield known or next((each for each, is_free in free.items() if is_free), last)


def _with_project(instance: Document) -> str:
    return "%s.%s" % (instance["name"], _UNSAFE_HOST.sub("_", str(instance["project_id"])))


def groups(instance: Document) -> list[str]:
    """The groups of an instance; what is no letter, digit or _ in a name becomes _."""
    about = {
        "project": instance["project_id"],
        "host": instance["host"],
        "flavor": instance["flavor"],
        "image": instance["image"],
        "status": (instance["status"] or "").lower(),
        "zone": instance["availability_zone"],
        "server_group": instance["group"],
    }
    said = ["%s_%s" % each for each in about.items() if each[1]]
    metadata = sorted((instance["metadata"] or {}).items())
    said += ["metadata_%s_%s" % (key, value) for key, value in metadata if len(value) <= LONGEST]
    return list(dict.fromkeys([GROUP, *(_UNSAFE_GROUP.sub("_", each) for each in said)]))


def variables(instance: Document, variables_of: Callable[[str], Document], reach: Reach) -> dict[str, Any]:
    """The variables of an instance: where it is, as whom, through what, and what the record says of it."""
    address, straight = endpoint(instance, reach)
    user = instance["admin_user"] or reach.user
    args = "-o HostKeyAlias=%s" % instance["uuid"]
    if address and not straight and instance["host"] and reach.jump:
        compute = variables_of(instance["host"])
        if not jump.is_local(compute):
            args = "%s %s" % (jump.option(instance["host"], compute), args)
    return {
        **({"ansible_host": address} if address else {}),
        **({"ansible_user": user} if user else {}),
        "ansible_ssh_common_args": args,
        "ansible_control_path": CONTROL_PATH % instance["uuid"][:18],
        VARIABLE: dict(instance),
    }


def endpoint(instance: Document, reach: Reach) -> tuple[str | None, bool]:
    """The address by which the instance is reached, and whether it is straight, without its compute host.

    A floating address, else one on a network where it is so, else the first that its compute host reaches, which is on
    the networks alone whose router it is, as far as that is known.
    """
    addresses = instance["addresses"]
    floating = [each["floating"] for each in addresses if each["floating"]]
    straight = [each for each in addresses if each["physical"] or each["network"] in reach.direct_networks]
    found = [*floating, *(each["address"] for each in straight if each["address"])]
    if found:
        return found[0], True
    near = [each for each in addresses if each["address"] and (not reach.jump or _is_near(each))]
    return next((each["address"] for each in near), None), False


def out_of_reach(instance: Document, reach: Reach) -> str | None:
    """Why nobody reaches the instance by an address; None where somebody does, nobody knows, or it has none."""
    own = [each for each in instance["addresses"] if each["address"]]
    if not own or endpoint(instance, reach)[0]:
        return None
    networks = ", ".join(sorted({"%s (router: %s)" % (each["network"], each["router"]) for each in own}))
    # A floating IP is translated to an address of IPv4.
    floating = "a floating_ip or " if any("." in each["address"] for each in own) else ""
    return (
        "its compute host is not on its networks, %s: give it %sa port on a network with router: host, "
        "or name a network that the controller reaches in launch_direct_networks" % (networks, floating)
    )


def _is_near(address: Document) -> bool:
    """Whether an instance's compute host is on the network of an address, or nobody knows."""
    return address.get("router") in (None, HOST)
