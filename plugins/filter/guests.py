# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters for what comes after a launch: whether its guests answer, and what they are in the inventory."""

from __future__ import annotations

from typing import Any, Iterable, Iterator, Mapping

from ansible_collections.kvmstack.launch.plugins.module_utils.core import documents as travelling
from ansible_collections.kvmstack.launch.plugins.module_utils.core.convert import listed, whole
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import inventory

Document = Mapping[str, Any]

# What a task registers that waits, and who waits for the guests that are reached straight.
ANSWERS = "launch_guests"
CONTROLLER = "localhost"
SSH = {"port": 22, "banner": "SSH-"}


def wait_hosts(documents: Iterable[Document], wait_for: Any, direct_networks: Iterable[str] | None = None) -> list[str]:
    """The compute hosts on whose guests a launch is to wait, none if it is not to."""
    places = [place for _document, place, address, _why in _waited_for(documents, direct_networks) if address]
    return [place for place in dict.fromkeys(places) if place != CONTROLLER] if _asked(wait_for) else []


def guests(
    documents: Iterable[Document], host: str, wait_for: Any, direct_networks: Iterable[str] | None = None
) -> list[dict[str, Any]]:
    """The guests that this compute host, or the controller, is to wait for."""
    asked = _asked(wait_for)
    mine = [each for each in _waited_for(documents, direct_networks) if each[1] == host and each[2]] if asked else []
    return [{"name": document["name"], "address": address, **asked} for document, _place, address, _why in mine]


def waited(
    documents: Iterable[Document],
    hostvars: Mapping[str, Any],
    wait_for: Any,
    direct_networks: Iterable[str] | None = None,
) -> list[dict[str, Any]]:
    """The documents as the guests have answered; failed where one has not, nobody could ask it, or none knows how."""
    documents = list(documents)
    try:
        if not port_of(wait_for):
            return documents
        wrong = None
    except InvalidRequest as error:
        wrong = str(error)
    found = {document["uuid"]: each for document, *each in _waited_for(documents, direct_networks)}
    return [
        _answered(document, *found[document["uuid"]], hostvars, wrong) if document.get("uuid") in found else document
        for document in documents
    ]


def port_of(wait_for: Any) -> dict[str, Any] | None:
    """The port that guests are to answer on, and their banner; None if nobody waits."""
    if wait_for in (None, "", False):
        return None
    if str(wait_for).lower() == "ssh":
        return SSH
    try:
        return {"port": whole(wait_for, "launch_wait_for", 1, 65535), "banner": ""}
    except InvalidRequest:
        raise InvalidRequest("launch_wait_for: %.40s is neither ssh nor a port, 1 to 65535" % wait_for) from None


def _asked(wait_for: Any) -> dict[str, Any] | None:
    """The same; what makes no sense is told at the end, when the launch itself is done."""
    try:
        return port_of(wait_for)
    except InvalidRequest:
        return None


def _waited_for(
    documents: Iterable[Document], direct_networks: Iterable[str] | None
) -> Iterator[tuple[Document, str, str | None, str | None]]:
    """The documents of guests that run as they should, who is to ask each of them, and its address, or why nobody."""
    reach = inventory.Reach(direct_networks=tuple(listed(direct_networks)))
    for document in documents:
        if _is_living(document) and not document.get("failed") and document.get("status") == "ACTIVE":
            told = inventory.told(document)
            address, straight = inventory.endpoint(told, reach)
            why = inventory.out_of_reach(told, reach)
            yield document, CONTROLLER if straight else document["host"], address, why


def _answered(
    document: Document, place: str, address: str | None, why: str | None, hostvars: Mapping[str, Any], wrong: str | None
) -> dict[str, Any]:
    """A document as its guest has answered."""
    if wrong:
        return {**document, "failed": True, "msg": wrong}
    if why:
        return {**document, "failed": True, "msg": "nobody waited for it, as nobody reaches it: %s" % why}
    if not address:
        return {**document, "notes": [*document.get("notes", ()), "nobody waited for it, as it has no address"]}
    answer = _variables(place, hostvars).get(ANSWERS) or {}
    if answer.get("skipped"):
        return dict(document)
    results = {each["name"]: each for each in answer.get("guests") or ()}
    result = results.get(document["name"])
    if result is None:
        why = answer.get("msg") or "it is not among the hosts of this run: see the inventory and --limit"
        result = {"failed": True, "msg": "host %s could not ask: %s" % (place, why)}
    if not result["failed"]:
        return dict(document)
    return {**document, "failed": True, "msg": "it does not answer: %s" % result["msg"]}


def inventory_hosts(
    documents: Iterable[Document], hostvars: Mapping[str, Any], groups: Mapping[str, Any], user: str = "",
    direct_networks: Iterable[str] | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """The instances as the inventory is to have them, name, groups and variables; without those that it has so.

    user is the guests', where their images do not say it; direct_networks are those whose addresses are reached
    straight. Of one that the inventory has already and that is where it was, its own word stays of how it is reached.
    """
    living = [inventory.told(each) for each in documents if _is_living(each)]
    reach = inventory.Reach(user or None, direct_networks=tuple(listed(direct_networks)))
    found = inventory.hosts(
        living, lambda name: _holder(name, hostvars, groups), lambda name: _variables(name, hostvars), reach
    )
    wanted = [_unsaid(host, _variables(host.name, hostvars)) for host in found]
    return [
        {"name": host.name, "groups": host.groups, "variables": variables}
        for host, variables in zip(found, wanted)
        if not _has(_variables(host.name, hostvars), variables)
    ]


def _unsaid(host: inventory.Host, present: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of a host without those that its inventory has, by whatever rules, of an instance where it was.

    Its user does not depend on where it is.
    """
    before, now = present.get(inventory.VARIABLE) or {}, host.variables[inventory.VARIABLE]
    known = before.get("uuid") == now["uuid"]
    stays = known and all(before.get(name) == now[name] for name in ("host", "addresses"))
    return {
        name: value
        for name, value in host.variables.items()
        if name == inventory.VARIABLE or name not in present or not (stays or (known and name == "ansible_user"))
    }


def _is_living(document: Document) -> bool:
    return bool(document.get("uuid")) and travelling.wanted_status(document) != "DELETED"


def _holder(name: str, hostvars: Mapping[str, Any], groups: Mapping[str, Any]) -> str | None:
    """Whose a name is in the inventory: an instance's, by its UUID, something else's, or nobody's."""
    if name in hostvars:
        return (hostvars[name].get(inventory.VARIABLE) or {}).get("uuid", "")
    return "" if name in groups else None


def _variables(name: str, hostvars: Mapping[str, Any]) -> Mapping[str, Any]:
    if name not in hostvars:
        return {}
    return hostvars[name]


def _has(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether these variables are there as they are wanted."""
    return all(name in present and present[name] == value for name, value in wanted.items())


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Any]:
        """What Ansible asks for."""
        return {each.__name__: each for each in (wait_hosts, guests, waited, inventory_hosts)}
