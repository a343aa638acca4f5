# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that only the account that runs this can read: tokens and other secrets."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress

from ..core.errors import InvalidRequest, Unavailable


def private_directory(path: str) -> str:
    """Make a directory of mode 0700, with its parents; InvalidRequest if one is there that others may use."""
    path = os.path.expanduser(path)
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        found = os.stat(path)
    except OSError as error:
        raise Unavailable("private path %s: %s; choose another" % (path, error.strerror)) from error
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise InvalidRequest("private path %s: others may use it; chmod 700 it, or choose another" % path)
    return path


def write_private(path: str, text: str) -> None:
    """Write a file of mode 0600, whole or not at all."""
    directory = os.path.dirname(path)
    try:
        # mkstemp makes it 0600.
        descriptor, temporary = tempfile.mkstemp(prefix=".", dir=directory)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise Unavailable("private file %s: %s" % (path, error.strerror)) from error


def read_private(path: str) -> str | None:
    """The text of a file that write_private wrote; None if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    except OSError as error:
        raise Unavailable("private file %s: %s" % (path, error.strerror)) from error


def remove_private(path: str) -> None:
    """Remove such a file; one that is gone already is fine."""
    with suppress(FileNotFoundError):
        os.unlink(path)
