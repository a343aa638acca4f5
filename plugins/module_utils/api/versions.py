# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Microversions: which one a request asks for, and which keys a reply of that one has, and no others.

A microversion is 2.N, and N alone is what this room calls a version.
"""

from __future__ import annotations

import re
from typing import Any, Mapping

from .errors import ApiError

LEAST, MOST = 1, 96
STANDARD, LEGACY = "OpenStack-API-Version", "X-OpenStack-Nova-API-Version"
SERVICE = "compute"
_VERSION = re.compile(r"2\.(0|[1-9][0-9]{0,8})")

# Since which version a reply has a key; what is not named here it has always had.
SINCE = {
    "server": {
        "OS-EXT-SRV-ATTR:hostname": 3,
        "OS-EXT-SRV-ATTR:kernel_id": 3,
        "OS-EXT-SRV-ATTR:launch_index": 3,
        "OS-EXT-SRV-ATTR:ramdisk_id": 3,
        "OS-EXT-SRV-ATTR:reservation_id": 3,
        "OS-EXT-SRV-ATTR:root_device_name": 3,
        "OS-EXT-SRV-ATTR:user_data": 3,
        "locked": 9,
        "host_status": 16,
        "description": 19,
        "tags": 26,
        "trusted_image_certificates": 63,
        "server_groups": 71,
        "locked_reason": 73,
        "pinned_availability_zone": 96,
    },
    "rebuilt server": {"key_name": 54, "user_data": 57},
    "volume of a server": {"delete_on_termination": 3},
    "flavor": {"description": 55, "extra_specs": 61},
    "flavor in a list": {"description": 55},
    "keypair": {"type": 2},
    "action": {"updated_at": 58},
    "event": {"host": 51, "hostId": 62, "details": 84},
    "attachment": {
        "tag": 70,
        "delete_on_termination": 79,
        "attachment_id": 89,
        "bdm_uuid": 89,
    },
    "interface": {"tag": 70},
    "server group": {"project_id": 13, "user_id": 13, "policy": 64, "rules": 64},
    "service": {"forced_down": 11},
    "hypervisor": {"uptime": 88},
    "aggregate": {"uuid": 41},
}
# The first version whose reply does not have a key any more.
UNTIL = {
    "attachment": {"id": 89},
    "server group": {"policies": 64, "metadata": 64},
    "hypervisor": dict.fromkeys(
        (
            "cpu_info", "current_workload", "disk_available_least", "free_disk_gb", "free_ram_mb", "local_gb",
            "local_gb_used", "memory_mb", "memory_mb_used", "running_vms", "vcpus", "vcpus_used",
        ),
        88,
    ),
    "limits": {
        **dict.fromkeys(("maxSecurityGroups", "maxSecurityGroupRules", "maxTotalFloatingIps"), 36),
        **dict.fromkeys(("totalFloatingIpsUsed", "totalSecurityGroupsUsed"), 36),
        "maxImageMeta": 39,
        **dict.fromkeys(("maxPersonality", "maxPersonalitySize"), 57),
    },
    "quota": {
        **dict.fromkeys(("fixed_ips", "floating_ips", "security_groups", "security_group_rules"), 36),
        **dict.fromkeys(("injected_files", "injected_file_content_bytes", "injected_file_path_bytes"), 57),
    },
}  # fmt: skip


def exact(kind: str, told: Mapping[str, Any], version: int) -> dict[str, Any]:
    """What a reply of this version has of a thing of this kind."""
    since, until = SINCE.get(kind, {}), UNTIL.get(kind, {})
    return {key: value for key, value in told.items() if since.get(key, 0) <= version < until.get(key, MOST + 1)}


def asked(headers: Mapping[str, str]) -> int:
    """The version that a request's headers, their names in capitals, ask for; 1 where they ask for none.

    ApiError 400 for what is no version, 406 for one that this API does not speak.
    """
    standard = _of_service(headers.get(STANDARD.upper(), ""))
    text = standard if standard is not None else headers.get(LEGACY.upper(), "").strip()
    if not text:
        return LEAST
    if text == "latest":
        return MOST
    found = _VERSION.fullmatch(text)
    if not found:
        if re.fullmatch(r"[0-9]+\.[0-9]+", text):
            raise _unknown(text)
        raise ApiError(
            400, "API Version String %.80s is of invalid format. Must be of format MajorNum.MinorNum." % text
        )
    if not LEAST <= int(found[1]) <= MOST:
        raise _unknown(text)
    return int(found[1])


def _of_service(header: str) -> str | None:
    """What the standard header asks of us: it may name several services, compute 2.53, identity 3."""
    for part in header.split(","):
        words = part.split()
        if len(words) == 2 and words[0].lower() == SERVICE:
            return words[1]
    return None


def _unknown(text: str) -> ApiError:
    return ApiError(
        406,
        "Version %.20s is not supported by the API. Minimum is 2.%d and maximum is 2.%d." % (text, LEAST, MOST),
    )
