# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that part a launch request into what may be shown and what may not."""

from __future__ import annotations

import json
from typing import Any, Iterable

from ansible.errors import AnsibleFilterError

from ansible_collections.kvmstack.launch.plugins.module_utils.cloud.definition import parse
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import LaunchError
from ansible_collections.kvmstack.launch.plugins.module_utils.core.states import REBUILT, RESTARTS
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.request import names

# What each state of an entry may need a right for; started is the default.
ACTIONS = {"stopped": ("create", "stop"), REBUILT: ("create", "rebuild"), "absent": ("delete",)}
ACTIONS.update(dict.fromkeys(RESTARTS, ("create", "reboot")))


def public_request(entries: list[dict[str, Any]]) -> list[dict[str, Any] | None]:
    """The request without user_data, which may hold secrets, as may what is no mapping; none of these are shown."""
    return [
        {key: value for key, value in entry.items() if key != "user_data"} if isinstance(entry, dict) else None
        for entry in _entries(entries)
    ]


def user_data(entries: list[dict[str, Any]], documents: Iterable[dict[str, Any]] | None = None) -> str:
    """The user data by instance name, counts expanded, as the text of a JSON object; empty if there is none.

    With documents only theirs: a host gets its own. One text, as what must not be shown is masked wherever it occurs,
    and a mapping's values would each be.
    """
    wanted = None if documents is None else {document["name"] for document in documents}
    with_data = [entry for entry in _mappings(entries) if entry.get("user_data") is not None]
    found = {name: _text(entry["user_data"]) for entry in with_data for name in _names(entry)}
    mine = {name: data for name, data in found.items() if wanted is None or name in wanted}
    return json.dumps(mine) if mine else ""


def _names(entry: dict[str, Any]) -> list[str]:
    """The instances of an entry; of one that makes no sense there are none, as the stage instance tells."""
    try:
        return names(entry)
    except LaunchError:
        return []


def _text(data: Any) -> Any:
    """User data as JSON can hold it: bytes become a text as those of a file do; what is neither is refused later."""
    if isinstance(data, bytes):
        return data.decode("utf-8", "surrogateescape")
    return data if isinstance(data, str) else False


def images_asked(entries: list[dict[str, Any]]) -> list[str]:
    """The images that instances and their volumes are to be made from, each once."""
    entries = [entry for entry in _mappings(entries) if entry.get("state") != "absent"]
    lists = [entry["volumes"] for entry in entries if isinstance(entry.get("volumes"), (list, tuple))]
    volumes = [volume for each in lists for volume in each if isinstance(volume, dict)]
    asked = [thing.get("image") for thing in [*entries, *volumes]]
    return list(dict.fromkeys(name for name in asked if isinstance(name, str)))


def public_images(images: Any) -> Any:
    """The definitions of images without the queries of their urls, which may be signatures."""
    if not isinstance(images, dict):
        return images
    return {name: {**image, "url": _parted(image)[0]} if _has_url(image) else image for name, image in images.items()}


def image_queries(images: Any, documents: Iterable[dict[str, Any]]) -> str:
    """The queries of the urls of these instances' images, by image name, as the text of a JSON object, or empty."""
    known = images if isinstance(images, dict) else {}
    names = {(document.get("image") or {}).get("name") for document in documents}
    queries = {name: _parted(known[name])[2] for name in names if _has_url(known.get(name))}
    mine = {name: query for name, query in sorted(queries.items()) if query}
    return json.dumps(mine) if mine else ""


def _has_url(image: Any) -> bool:
    return isinstance(image, dict) and isinstance(image.get("url"), str)


def _parted(image: dict[str, Any]) -> tuple[str, str, str]:
    """The url until its query, and the query."""
    return image["url"].partition("?")


def actions(entries: list[dict[str, Any]], state: str) -> list[str]:
    """What the request is about to do, in the words of the module token: create, stop, reboot, delete."""
    if state == "absent":
        return ["delete"]
    asked = [ACTIONS.get(str(entry.get("state")), ("create",)) for entry in _mappings(entries)]
    return list(dict.fromkeys(action for each in asked for action in each)) or ["create"]


def project_cloud(service_cloud: Any, project_id: str, project_clouds: Any = None) -> Any:
    """The account by which a project's requests are done: the site's for it, else the launcher's own, scoped to it."""
    if not isinstance(project_clouds or {}, dict):
        raise AnsibleFilterError("launch_project_clouds: has to be a mapping of projects' ids to accounts")
    if (project_clouds or {}).get(project_id):
        return project_clouds[project_id]
    try:
        account = parse({"service_cloud": service_cloud}, "service_cloud")
    except LaunchError as error:
        raise AnsibleFilterError("launch_" + str(error)) from error
    if account is None:
        raise AnsibleFilterError(
            "launch_service_cloud: is missing: requests of project %s are done by the launcher's own account there"
            % project_id
        )
    account = {"cloud": account} if isinstance(account, str) else account
    auth = {key: value for key, value in account.get("auth", {}).items() if key not in SCOPE}
    return {**account, "auth": {**auth, "project_id": project_id}}


# What says in an account's definition what its token is for.
SCOPE = ("project_id", "project_name", "project_domain_id", "project_domain_name", "domain_id", "domain_name",
         "system_scope")  # fmt: skip


def _mappings(entries: Any) -> list[dict[str, Any]]:
    """The entries that are mappings; the stage instance refuses the others."""
    return [entry for entry in _entries(entries) if isinstance(entry, dict)]


def _entries(entries: Any) -> list[Any]:
    """The entries of a request; what is no list, as a text from -e, is not shown: it may hold secrets."""
    if not isinstance(entries, (list, tuple)):
        raise AnsibleFilterError("launch_instances: is not a list")
    return list(entries)


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Any]:
        """What Ansible asks for."""
        known = (public_request, user_data, public_images, image_queries, images_asked, actions, project_cloud)
        return {each.__name__: each for each in known}
