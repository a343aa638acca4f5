# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets of the services: each the first line of a file that its owner alone may read."""

from __future__ import annotations

import os
import stat

from ..core.errors import InvalidRequest, Unavailable


def secret(setting: str, path: str) -> str:
    """The secret of a setting; InvalidRequest where others may read its file, or there is none in it."""
    try:
        with open(path, encoding="utf-8") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise InvalidRequest("%s %s: others may read it: chmod 600 it" % (setting, path))
            found = file.readline().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "this is no text"
        raise Unavailable("%s %s: %s" % (setting, path, why)) from None
    if not found:
        raise InvalidRequest("%s %s: its first line is empty" % (setting, path))
    return found
