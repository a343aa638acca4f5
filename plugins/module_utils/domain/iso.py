# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The config drive's file: ISO 9660 with Joliet and Rock Ridge, labelled config-2, as cloud-init looks for it."""

from __future__ import annotations

import os
import shutil
from typing import Mapping

from ..core.command import ENVIRONMENT, command
from ..core.disk import put_in_place
from ..core.errors import Unavailable

# These take the same options.
PROGRAMS = ("genisoimage", "mkisofs", "xorrisofs")


def write(path: str, files: Mapping[str, bytes]) -> None:
    """Make the drive with these files, whole or not at all; nobody but root can read it or what it is made from.

    Beside it, while it is made, is a folder that a killed run may leave and the next one removes.
    """
    remove_remains(path)
    folder = _folder(path)
    os.mkdir(folder, 0o700)
    try:
        for name, data in files.items():
            file = os.path.join(folder, "tree", name)
            os.makedirs(os.path.dirname(file), exist_ok=True)
            with open(file, "wb") as stream:
                stream.write(data)
        drive = os.path.join(folder, "drive")
        command(_program(), "-quiet", "-J", "-r", "-V", "config-2", "-o", drive, os.path.join(folder, "tree"))
        os.chmod(drive, 0o600)
        put_in_place(drive, path)
    finally:
        remove_remains(path)


def remove_remains(path: str) -> None:
    """Remove what a killed run may have left beside the drive."""
    shutil.rmtree(_folder(path), ignore_errors=True)


def _folder(path: str) -> str:
    return path + ".part"


def _program() -> str:
    for name in PROGRAMS:
        if shutil.which(name, path=ENVIRONMENT["PATH"]):
            return name
    raise Unavailable("nothing on this host makes a config drive: install genisoimage or xorriso")
