# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compute hosts as hypervisors, services and zones, as each microversion tells them; pure."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Iterable, Mapping

from ...schedule.host_state import zone_of
from ..context import RequestContext
from ..identifiers import identity, number
from ..versions import exact

BINARY = "nova-compute"
EVER = "1970-01-01T00:00:00.000000"  # of what is only set


def key(context: RequestContext, kind: str, host: str) -> Any:
    """The id of a host, or of the service on it: a UUID since version 53."""
    return identity(kind, host) if context.version >= 53 else number(kind, host)


def hypervisor(context: RequestContext, row: Mapping[str, Any]) -> dict[str, Any]:
    """What a list without details has of a host."""
    return {
        "id": key(context, "hypervisor", row["host"]),
        "hypervisor_hostname": row["host"],
        "state": state(row),
        "status": "enabled" if row["enabled"] else "disabled",
    }


def hypervisor_whole(context: RequestContext, row: Mapping[str, Any], moment: datetime) -> dict[str, Any]:
    """All of a host at a moment. Amounts are in MiB and GiB; what is used is what instances hold, not what is busy."""
    facts = row["facts"] or {}
    told = {
        **hypervisor(context, row),
        "hypervisor_type": facts.get("hypervisor_type", "QEMU"),
        "hypervisor_version": facts.get("hypervisor_version", 0),
        "host_ip": facts.get("host_ip"),
        "service": {
            "id": key(context, "service", row["host"]),
            "host": row["host"],
            "disabled_reason": row["disabled_reason"],
        },
        "cpu_info": _cpu_info(context, facts),
        "current_workload": 0,
        "running_vms": row["num_instances"],
        "uptime": uptime(row, moment),
        **_room(row, facts),
    }
    return exact("hypervisor", told, context.version)


def uptime(row: Mapping[str, Any], moment: datetime) -> str | None:
    """How long a host has been up, as uptime(1) of procps tells it, whose words nova's libvirt driver passes on; users
    and load are not recorded. None of a host that is down, or has not said when it was booted."""
    booted = (row["facts"] or {}).get("booted_at")
    if booted is None or state(row) == "down":
        return None
    minutes = max(int(moment.timestamp() - booted), 0) // 60
    days, hours = divmod(minutes // 60, 24)
    told = "%d day%s, " % (days, "" if days == 1 else "s") if days else ""
    told += "%2d:%02d" % (hours, minutes % 60) if hours else "%d min" % (minutes % 60)
    return "%s up %s" % (moment.strftime("%H:%M:%S"), told)


def _room(row: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "vcpus": row["vcpus"],
        "vcpus_used": row["vcpus_used"],
        "memory_mb": row["memory_mb"],
        "memory_mb_used": row["memory_mb_used"] + row["memory_mb_reserved"],
        "free_ram_mb": row["memory_mb"] - row["memory_mb_used"] - row["memory_mb_reserved"],
        "local_gb": row["disk_gb"],
        "local_gb_used": row["disk_gb_used"],
        "free_disk_gb": row["disk_gb"] - row["disk_gb_used"],
        "disk_available_least": facts.get("free_disk_gb"),
    }


def _cpu_info(context: RequestContext, facts: Mapping[str, Any]) -> Any:
    told = {
        "arch": facts.get("architecture"),
        "model": facts.get("cpu_model"),
        "vendor": facts.get("cpu_vendor"),
        "features": list(facts.get("cpu_features") or ()),
        "topology": facts.get("cpu_topology") or {},
    }
    return told if context.version >= 28 else json.dumps(told)


SUMMED = (
    "vcpus", "memory_mb", "local_gb", "vcpus_used", "memory_mb_used", "local_gb_used", "free_ram_mb", "free_disk_gb",
    "current_workload", "running_vms",
)  # fmt: skip


def statistics(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The sums of all hosts that are enabled."""
    told = [{**_room(row, row["facts"] or {}), "current_workload": 0, "running_vms": row["num_instances"]}
            for row in rows if row["enabled"]]  # fmt: skip
    sums = {name: sum(each[name] for each in told) for name in SUMMED}
    return {**sums, "count": len(told), "disk_available_least": sum(each["disk_available_least"] or 0 for each in told)}


def service(context: RequestContext, row: Mapping[str, Any]) -> dict[str, Any]:
    """What stands for a nova-compute: the host itself, as there is no daemon on it."""
    told = {
        "id": key(context, "service", row["host"]),
        "binary": BINARY,
        "host": row["host"],
        "zone": zone(row),
        "status": "enabled" if row["enabled"] else "disabled",
        "state": state(row),
        "updated_at": row["updated_at"].isoformat(),
        "disabled_reason": row["disabled_reason"],
        "forced_down": False,
    }
    return exact("service", told, context.version)


def zones(rows: Iterable[Mapping[str, Any]], detail: bool) -> list[dict[str, Any]]:
    """The availability zones; a zone is there as long as one of its hosts is."""
    found: dict[str, list] = {}
    for row in rows:
        found.setdefault(zone(row), []).append(row)
    return [
        {
            "zoneName": name,
            "zoneState": {"available": any(is_available(row) for row in found[name])},
            "hosts": {row["host"]: _services(row) for row in found[name]} if detail else None,
        }
        for name in sorted(found)
    ]


def _services(row: Mapping[str, Any]) -> dict[str, Any]:
    active = {
        "available": is_available(row),
        "active": bool(row["enabled"]),
        "updated_at": row["updated_at"].isoformat(),
    }
    return {BINARY: active}


def is_available(row: Mapping[str, Any]) -> bool:
    """Whether it takes new servers."""
    return bool(row["enabled"]) and state(row) == "up"


def state(row: Mapping[str, Any]) -> str:
    """up until it does not answer."""
    return "down" if row["silent_since"] else "up"


def zone(row: Mapping[str, Any]) -> str:
    """The zone that it is in."""
    return zone_of(row["availability_zone"], row["aggregates"])


def aggregate(context: RequestContext, told: Mapping[str, Any]) -> dict[str, Any]:
    """An aggregate, of which hosts' settings have the name and the metadata."""
    metadata = told.get("metadata") or {}
    view = {
        "id": number("aggregate", told["name"]),
        "uuid": identity("aggregate", told["name"]),
        "name": told["name"],
        "availability_zone": metadata.get("availability_zone"),
        "hosts": [],
        "metadata": metadata,
        "created_at": EVER,
        "updated_at": None,
        "deleted": False,
        "deleted_at": None,
    }
    return exact("aggregate", view, context.version)
