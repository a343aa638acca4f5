# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the user data of a request is in bytes: one answer for the record's digest and for the drive that has them."""

from __future__ import annotations

import base64
from typing import Any

from .errors import InvalidRequest

# How what a guest's cloud-init knows begins: scripts and its own formats, MIME, gzip.
BEGINNINGS = (b"#", b"Content-Type:", b"MIME-Version:", b"\x1f\x8b")


def as_bytes(value: Any, what: str) -> bytes:
    """The bytes of a text, those of a file that Ansible made a text of too; base64, as nova takes it, is decoded.

    Taken for base64 is what decodes to something that cloud-init knows. No error shows any of it.
    """
    try:
        data = value.encode("utf-8", "surrogateescape")
    except (AttributeError, UnicodeEncodeError):
        raise InvalidRequest("%s: a text is needed" % what) from None
    decoded = _decoded(data)
    return decoded if decoded.startswith(BEGINNINGS) else data


def _decoded(data: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except ValueError:
        return b""
