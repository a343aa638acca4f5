# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters between the stages: which hosts an attempt is for, and the documents as these gave them back."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ansible_collections.kvmstack.launch.plugins.module_utils.core import documents as travelling
from ansible_collections.kvmstack.launch.plugins.module_utils.core.convert import sequence

# What the role's tasks on compute hosts register.
BUILT = "launch_built"
ASKED = "launch_host_info"


def gather(documents: list[dict], hostvars: Mapping[str, Any]) -> list[dict]:
    """The documents as the compute hosts of this attempt gave them back; failed where a host did not."""
    names = [host for host in travelling.hosts(documents) if host in hostvars]
    return travelling.gather(documents, {host: hostvars[host].get(BUILT) or {} for host in names})


def nodes(documents: list[dict], hostvars: Mapping[str, Any]) -> list[dict]:
    """What the compute hosts of the documents said of their room when they built."""
    hosts = dict.fromkeys(document["host"] for document in documents if document.get("host"))
    answers = [hostvars[host].get(BUILT) or {} for host in hosts if host in hostvars]
    return [node for answer in answers for node in answer.get("hosts") or ()]


def on_host(documents: Iterable[dict], host: str) -> list[dict]:
    """The slice of a compute host: the documents that go on there."""
    return [document for document in documents if travelling.goes_on(document) and document.get("host") == host]


def build_hosts(documents: Iterable[dict]) -> list[str]:
    """The compute hosts of the documents that go on."""
    return travelling.hosts(documents)


def controller(documents: Iterable[dict]) -> list[str]:
    """localhost while there is an instance that goes on, else nobody: a play for them has no hosts then."""
    return ["localhost"] if travelling.controller_needed(documents) else []


def pending(documents: Iterable[dict]) -> list[dict]:
    """The documents of the instances that are still to be built."""
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


def answers(names: Iterable[str], hostvars: Mapping[str, Any]) -> list[dict]:
    """What these compute hosts have said of themselves in this run."""
    said = [hostvars[host].get(ASKED) or {} for host in sequence(names, "hosts") if host in hostvars]
    return [node for answer in said for node in answer.get("hosts") or ()]


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
        return {each.__name__: each for each in (*known, image_endpoint)}
