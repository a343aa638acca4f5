# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The consoles that clients ask for: one playbook at a time reads all of them, each on its host."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import Any

from ..record import consoles
from ..record.database import now
from ..service.settings import Settings
from . import run

PLAYBOOK = "kvmstack.launch.consoles"
ANSWERS = "consoles.json"
DEADLINE = 60  # seconds for all of a playbook's hosts; who waits has long gone
UNTOLD = "its host has not told it: see the log of the worker"


class Consoles:
    """What a worker does for those who ask for consoles."""

    def __init__(self, settings: Settings, database: Any, owner: str, runner: run.Runner):
        self.database, self.owner, self.runner = database, owner, runner
        self.folder = os.path.join(run.folder_of(settings, owner), "consoles")
        self.asked: dict[str, list[str]] = {}
        self.run: run.Run | None = None

    def look(self, begins: bool = True) -> None:
        """Answer what has been read, and, unless the worker is to stop, have what is asked for be read."""
        if self.run is not None:
            self.run.stop_late(DEADLINE)
            if self.run.ended:
                self._tell(self._said())
        if self.run is not None or not begins:
            return
        with self.database.reading() as connection:
            if not consoles.is_due(self.database, connection, now(connection)):
                return
        self.asked = self.database.write(self._claim)
        if self.asked:
            self._start()

    def stop(self) -> None:
        """End what goes on: who asked is told so by the next worker, or asks again."""
        if self.run is not None:
            self.run.stop()

    def _claim(self, connection) -> dict[str, list[str]]:
        consoles.forget(self.database, connection, now(connection))
        return consoles.claim(self.database, connection, self.owner)

    def _start(self) -> None:
        path = os.path.join(self.folder, ANSWERS)
        variables = json.dumps({"launch_consoles": self.asked, "launch_consoles_path": path})
        try:
            self.run = self.runner.start(self.folder, variables, [], PLAYBOOK)
        except OSError as error:
            self._tell({}, "the worker cannot read it: %s" % error)

    def _said(self) -> dict[str, Any]:
        with suppress(OSError, ValueError), open(os.path.join(self.folder, ANSWERS), encoding="utf-8") as file:
            return json.load(file)
        return {}

    def _tell(self, said: dict[str, Any], why: str = UNTOLD) -> None:
        told = answers(self.asked, said, why)
        self.database.write(
            lambda connection: consoles.tell(self.database, connection, told, self.owner, now(connection))
        )
        if self.run is not None:
            self.run.forget()
        self.run, self.asked = None, {}


def answers(asked: dict[str, list[str]], said: dict[str, Any], why: str) -> dict[str, dict[str, Any]]:
    """By instance what its host said of its console, {output}, or why it did not, {error}."""
    told: dict[str, dict[str, Any]] = {}
    for host, identities in asked.items():
        answer = said.get(host) or {}
        found = {each["instance_uuid"]: each["output"] for each in answer.get("consoles") or ()}
        error = "host %s: %s" % (host, answer.get("msg") or why)
        for identity in identities:
            told[identity] = {"output": found[identity] or ""} if identity in found else {"error": error[:1000]}
    return told
