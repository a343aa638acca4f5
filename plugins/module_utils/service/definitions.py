# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a launch is told of flavors, images, networks and the record, as the services know it.

Ansible itself makes it of the role's defaults, the inventories and the site's variables: the playbook definitions.yml
writes it as JSON. Its keys are the module instance's, so that a request is judged by the API as the launch will.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ..core.errors import Unavailable


class Definitions:
    """The definitions in a file, read again whenever it has been written anew."""

    def __init__(self, path: str):
        self.path = path
        self._seen: tuple[int, int] | None = None
        self._known: dict[str, Any] = {}

    def current(self) -> dict[str, Any]:
        """The definitions by name; Unavailable where they have not been written, or are no JSON."""
        try:
            status = os.stat(self.path)
            if (status.st_ino, status.st_mtime_ns) != self._seen:
                with open(self.path, encoding="utf-8") as file:
                    self._known = json.load(file)
                self._seen = (status.st_ino, status.st_mtime_ns)
        except (OSError, ValueError) as error:
            raise Unavailable(
                "definitions %s: %s: have ansible-playbook kvmstack.launch.definitions write them"
                % (self.path, getattr(error, "strerror", None) or error)
            ) from None
        return self._known
