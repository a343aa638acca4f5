# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes of the record that go without an instance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..core.change import Change
from ..core.errors import Conflict
from ..record import volumes
from ..record.database import Database
from ..record.identity import record_id
from .kept import Volume


def connect(params: dict[str, Any]) -> Kept:
    """The volumes of params["project_id"] in the record."""
    return Kept(Database(params["database"]), params["project_id"])


class Kept:
    """The volumes of a project, those that are to go marked so, or no longer there."""

    def __init__(self, database: Database, project_id: str):
        self.database = database
        self.project_id = project_id

    def read(self, wanted: list[Volume]) -> dict[str, Volume]:
        """All of the project's volumes on compute hosts, by name."""
        with self.database.reading() as connection:
            mine = record_id(self.database, connection)
            rows = volumes.of_project(self.database, connection, self.project_id)
            return {row["name"]: Volume(**row, record_id=mine) for row in rows}

    def apply(self, changes: list[Change]) -> dict[str, Volume | Conflict]:
        """Mark volumes, or take them out of the record; unless another run has done something with them meanwhile."""
        return self.database.write(lambda connection: self._write(connection, changes)) if changes else {}

    def _write(self, connection, changes: list[Change]) -> dict[str, Volume | Conflict]:
        outcome: dict[str, Volume | Conflict] = {}
        for change in changes:
            if (volumes.mark if change.after else volumes.forget)(self.database, connection, change.before.id):
                outcome[change.key] = change.after or replace(change.before, status="deleted")
            else:
                outcome[change.key] = Conflict("another run has taken it, or deleted it, meanwhile: run again")
        return outcome
