# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters between the stages: which hosts an attempt is for, and the documents as these gave them back."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ansible_collections.kvmstack.launch.plugins.module_utils.core import documents as travelling
from ansible_collections.kvmstack.launch.plugins.module_utils.core.convert import boolean, sequence

# What the role's tasks on compute hosts register.
BUILT = "launch_built"
ASKED = "launch_host_info"


def gather(documents: list[dict], hostvars: Mapping[str, Any], force: Any = False) -> list[dict]:
    """The documents as the compute hosts of this attempt gave them back; failed where a host did not.

    force: what is to go from a host that did not is given up.
    """
    names = [host for host in travelling.hosts(documents) if host in hostvars]
    answers = {host: hostvars[host].get(BUILT) or {} for host in names}
    return travelling.gather(documents, answers, boolean(force, "launch_force"))


def nodes(documents: list[dict], hostvars: Mapping[str, Any]) -> list[dict]:
    """What the compute hosts of the documents said of themselves when they built."""
    places = [[document.get("host"), *(document.get("remains") or ())] for document in documents]
    hosts = dict.fromkeys(host for each in places for host in each if host)
    answers = [hostvars[host].get(BUILT) or {} for host in hosts if host in hostvars]
    return [node for answer in answers for node in answer.get("hosts") or ()]


def on_host(documents: Iterable[dict], host: str, hosts: Iterable[dict] | None = None) -> list[dict]:
    """The slice of a compute host: the documents that go on there, and what is left there of others.

    hosts: what the record knows of hosts.
    """
    mine = [document for document in documents if travelling.goes_on(document) and document.get("host") == host]
    known = {document["uuid"] for document in mine}
    left = [document for each in hosts or () if each["name"] == host for document in each.get("remains") or ()]
    return mine + [document for document in left if document["uuid"] not in known]


def build_hosts(documents: Iterable[dict]) -> list[str]:
    """The compute hosts of the documents that go on."""
    return travelling.hosts(documents)


def controller(documents: Iterable[dict]) -> list[str]:
    """localhost while there is an instance that goes on, else nobody: a play for them has no hosts then."""
    return ["localhost"] if travelling.controller_needed(documents) else []


def abandoned(documents: Iterable[dict]) -> list[dict]:
    """The documents of instances that another run has taken over, of which something is to be taken back yet."""
    return travelling.abandoned(documents)


def pending(documents: Iterable[dict]) -> list[dict]:
    """The documents of the instances for which it matters what is known of hosts."""
    return travelling.pending(documents)


def unwritten(documents: Iterable[dict]) -> list[dict]:
    """The documents of which the record may not know yet what was made of them."""
    return travelling.unwritten(documents)


def addresses(documents: Iterable[dict], hostvars: Mapping[str, Any]) -> dict[str, str]:
    """By compute host of the documents the address by which Ansible reaches it."""
    names = [host for host in travelling.hosts(documents) if host in hostvars]
    return {host: hostvars[host].get("ansible_host") or "" for host in names}


def unseen(hosts: Iterable[dict]) -> list[str]:
    """The names of the recorded hosts that have never said what they have room for."""
    return [host["name"] for host in hosts if host.get("age") is None]


def uncleared(hosts: Iterable[dict]) -> list[str]:
    """The names of the recorded hosts on which something may be left of instances that are elsewhere."""
    return [host["name"] for host in hosts if host.get("remains")]


def answers(names: Iterable[str], hostvars: Mapping[str, Any]) -> list[dict]:
    """What these compute hosts have said of themselves in this run."""
    said = [hostvars[host].get(ASKED) or {} for host in sequence(names, "hosts") if host in hostvars]
    return [node for answer in said for node in answer.get("hosts") or ()]


def silent(names: Iterable[str], hostvars: Mapping[str, Any]) -> list[str]:
    """The names of those of these compute hosts that were asked in this run and could not be reached."""
    asked = [host for host in sequence(names, "hosts") if host in hostvars]
    return [host for host in asked if (hostvars[host].get(ASKED) or {}).get("unreachable")]


def image_endpoint(documents: Iterable[dict]) -> str:
    """The image service's URL, below which the images of these documents are; empty if none is to be loaded."""
    staying = [document for document in documents if not travelling.is_deleting(document)]
    urls = [document["image"]["url"] for document in staying if (document.get("image") or {}).get("url")]
    return urls[0].rsplit("/images/", 1)[0] if urls else ""


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Any]:
        """What Ansible asks for."""
        known = (gather, nodes, on_host, build_hosts, controller, pending, unwritten, addresses, unseen, answers)
        return {each.__name__: each for each in (*known, abandoned, uncleared, silent, image_endpoint)}
