# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes on compute hosts that have outlived their instances, and how one goes: as Cinder deletes a volume.

It is marked first, so that no instance can be given it any more. Its row goes when its host has said that it is gone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Callable, Mapping

from ..core.change import Change
from ..core.convert import mapping
from ..core.diff import showing
from ..core.errors import Conflict, LaunchError, Unavailable
from ..core.names import checked_name

OPTIONS = {"names": {"type": "list", "elements": "str", "default": []}, "answers": {"type": "dict"}}

as_text = showing("volume", "size", "host", "status")


@dataclass(frozen=True)
class Volume:
    """A volume of the record, or none (without an id) of that name. instance: who has it, by name.

    status: available, in-use, deleting, or deleted.
    """

    name: str
    id: str | None = None
    size: int | None = None
    format: str | None = None
    host: str | None = None
    instance_uuid: str | None = None
    instance: str | None = None
    status: str = "deleted"
    record_id: str | None = None

    @property
    def key(self) -> str:
        """The name, unique in a project."""
        return self.name

    def to_result(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)


def parse(params: Mapping[str, Any]) -> list[Volume]:
    """The volumes that are to go, by name. What none can be called is a slip: it is not taken for one long gone."""
    return [Volume(checked_name(name, "volume")) for name in dict.fromkeys(params["names"])]


def planner(answers: Mapping[str, str] | None) -> Callable[[list[Volume], Mapping[str, Volume], str], list[Change]]:
    """What becomes of the wanted volumes; without any, of those that an earlier run was to delete, the others stay.

    answers: by id why a volume is not gone from its host, an empty text when it is; None when no host was asked yet.
    """
    told = None if answers is None else {key: str(text) for key, text in mapping(answers, "answers").items()}

    def plan(wanted: list[Volume], current: Mapping[str, Volume], state: str) -> list[Change]:
        return [_change(item, current.get(item.key), told) for item in wanted or current.values()]

    return plan


def _change(item: Volume, before: Volume | None, answers: Mapping[str, str] | None) -> Change:
    was_named = item is not before
    if before is None or not (was_named or before.status == "deleting"):
        return Change(item, before, before)
    try:
        return Change(item, before, _going(before, answers))
    except LaunchError as error:
        return Change(item, before, before, error)


def _going(before: Volume, answers: Mapping[str, str] | None) -> Volume | None:
    """The next state of a volume that is to go."""
    if before.instance_uuid:
        owner = before.instance or before.instance_uuid
        raise Conflict("instance %s has it: detach it, by a launch without it, or destroy that first" % owner)
    if answers is None:
        return replace(before, status="deleting")
    reason = answers.get(str(before.id), "host %s has not been asked" % before.host)
    if reason:
        raise Unavailable("%s: no instance is given it any more; run again to end this" % reason)
    return None
