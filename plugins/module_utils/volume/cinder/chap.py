# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""CHAP passwords of iSCSI volumes: {private_path}/volumes/VOLUME_ID, which only this account can read."""

from __future__ import annotations

import os

from ...cloud.private_files import private_directory, read_private, remove_private, write_private


def save(private_path: str, volume_id: str, password: str | None) -> None:
    """Keep a volume's password, or forget it when there is none."""
    path = _path(private_path, volume_id)
    if password is None:
        remove_private(path)
    elif read_private(path) != password:
        private_directory(private_path)
        private_directory(os.path.dirname(path))
        write_private(path, password)


def load(private_path: str, volume_id: str) -> str | None:
    """A volume's password; None if it needs none."""
    return read_private(_path(private_path, volume_id))


def _path(private_path: str, volume_id: str) -> str:
    return os.path.join(os.path.expanduser(private_path), "volumes", os.path.basename(volume_id))
