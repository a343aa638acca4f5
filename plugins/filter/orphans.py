# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters for the audit: what there is, and what it found, as the items that a stage takes to remove it."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ansible_collections.kvmstack.launch.plugins.module_utils.core.convert import boolean, sequence
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.audit import THINGS

# What the role's tasks on compute hosts register.
REGISTERED = ("launch_domains", "launch_volumes", "launch_gateways")

# What goes by one stage.
TOGETHER = {"domain": ("domain", "disk"), "network": ("network", "security_group")}

ITEMS = {
    "domain": lambda found: {"uuid": found["id"], "name": found["name"]},
    "disk": lambda found: {"instance_uuid": found["id"], "name": found["name"]},
    "volume": lambda found: {"id": found["id"], "name": found["name"]},
    "gateway": lambda found: {"instance_uuid": found["instance_uuid"], "name": found["name"]},
    # A project's id may hold a slash, a network's name none.
    "network": lambda found: {
        "kind": found["kind"],
        "name": found["name"],
        "project_id": found["id"].rpartition("/")[0],
        "shared": found["shared"],
    },
    "port": lambda found: {key: found[key] for key in ("id", "name", "instance_uuid", "network", "host")},
}


def orphans(found: Iterable[dict[str, Any]], kind: str, host: str | None = None) -> list[dict[str, Any]]:
    """The orphans of a kind (no others are ours to remove) as items of that stage's list; of one host if it is named.

    A disk without a domain goes the domain's way too: what lies beside the disk is the domain's. A security group goes
    by the stage of its network.
    """
    kinds = TOGETHER.get(kind, (kind,))
    orphaned = [each for each in found if each["problem"] == "orphan" and host in (None, each["host"])]
    chosen = {
        (each["id"], each.get("shared"), kind == "network" and wanted): each
        for wanted in reversed(kinds)
        for each in orphaned
        if each["kind"] == wanted
    }
    return [ITEMS[kind](each) for each in chosen.values()]


def repair_hosts(found: Iterable[dict[str, Any]], repair: Any) -> list[str]:
    """The compute hosts on which something is to be removed; none unless a repair is asked for."""
    kinds = ("domain", "disk", "volume", "gateway")
    hosts = [each["host"] for each in found if each["problem"] == "orphan" and each["kind"] in kinds]
    return list(dict.fromkeys(hosts)) if boolean(repair, "launch_repair") else []


def existing(names: Iterable[str], hostvars: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What there is with our mark on the compute hosts; of one that has not answered, why that is not known."""
    return {host: _existing(host, hostvars) for host in sequence(names, "hosts")}


def _existing(host: str, hostvars: Mapping[str, Any]) -> dict[str, Any]:
    if host not in hostvars:
        return {"msg": "it is not in the inventory"}
    answers = [hostvars[host].get(name) or {} for name in REGISTERED]
    told = {name: answer[name] for answer in answers for name in THINGS if name in answer}
    if set(told) == set(THINGS):
        return told
    said = [answer["msg"] for answer in answers if answer.get("msg")] or [
        "it was not asked: see --limit, and the group compute"
    ]
    return {"msg": " ".join(str(said[0]).split())}


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Any]:
        """What Ansible asks for."""
        return {"orphans": orphans, "repair_hosts": repair_hosts, "existing": existing}
