# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An instance's directory on a compute host, and the file in it that says whose it is, as long as anything is there.

{state_path}/instances/UUID/instance.json: {"uuid", "name", "record_id", "project_id", "rebuild_id"}.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from .change import over
from .convert import is_uuid
from .disk import make_directory, read_record, remove, write_record
from .errors import Conflict
from .names import instance_path

FILE = "instance.json"


@dataclass(frozen=True)
class Owner:
    """Whose a directory is: an instance, and the record that it is in; None for what nobody said.

    rebuild_id is the last rebuild that has made the instance's root disk anew and has taken its domain away since.
    """

    uuid: str
    name: str | None = None
    record_id: str | None = None
    project_id: str | None = None
    rebuild_id: str | None = None

    def to_result(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)


def read(state_path: str, instance_uuid: str) -> Owner:
    """Whose an instance's directory is, as far as anybody said."""
    facts = read_record(instance_path(state_path, instance_uuid, FILE)) or {}
    return Owner(instance_uuid, *(facts.get(name) for name in ("name", "record_id", "project_id", "rebuild_id")))


def write(state_path: str, owner: Owner) -> None:
    """Say whose an instance's directory is, and make it if need be; what is None stays as it is said."""
    before = read(state_path, owner.uuid)
    after = over(owner, before)
    if after != before:
        make_directory(instance_path(state_path, owner.uuid))
        write_record(instance_path(state_path, owner.uuid, FILE), after.to_result())


def check(state_path: str, instance_uuid: str, record_id: str | None) -> Owner:
    """Whose an instance's directory is; Conflict if it is of another record than the one that asks."""
    owner = read(state_path, instance_uuid)
    if record_id and owner.record_id and owner.record_id != record_id:
        raise Conflict(
            "%s belongs to another record (%s): launch or destroy its instance with the database that has this record"
            % (instance_path(state_path, instance_uuid), owner.record_id)
        )
    return owner


def remove_if_unused(path: str) -> None:
    """Remove an instance's directory if only its owner file is left in it."""
    with suppress(FileNotFoundError):
        if set(os.listdir(path)) <= {FILE, FILE + ".part"}:
            remove(os.path.join(path, FILE), os.path.join(path, FILE + ".part"))
    with suppress(OSError):  # something else is in it, or it is gone
        os.rmdir(path)


def find(params: dict[str, Any]) -> list[Owner]:
    """The instances' directories of this host, by UUID."""
    try:
        entries = list(os.scandir(instance_path(params["state_path"], "")))
    except FileNotFoundError:
        return []
    names = sorted(entry.name for entry in entries if entry.is_dir() and is_uuid(entry.name))
    return [read(params["state_path"], name) for name in names]
