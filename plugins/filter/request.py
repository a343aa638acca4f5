# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that part a launch request into what may be shown and what may not."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import LaunchError
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.request import names


def public_request(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The request without user_data, which may hold secrets."""
    return [{key: value for key, value in entry.items() if key != "user_data"} for entry in entries]


def user_data(entries: list[dict[str, Any]]) -> dict[str, str]:
    """The user data by instance name, counts expanded."""
    told = [entry for entry in entries if entry.get("user_data") is not None]
    try:
        return {name: entry["user_data"] for entry in told for name in names([entry])}
    except LaunchError as error:
        raise AnsibleFilterError(str(error)) from error


def images_asked(entries: list[dict[str, Any]]) -> list[str]:
    """The images that instances and their volumes are to be made from, each once."""
    volumes = [volume for entry in entries for volume in entry.get("volumes") or [] if isinstance(volume, dict)]
    asked = [thing.get("image") for thing in [*entries, *volumes]]
    return list(dict.fromkeys(name for name in asked if isinstance(name, str)))


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Any]:
        """What Ansible asks for."""
        return {"public_request": public_request, "user_data": user_data, "images_asked": images_asked}
