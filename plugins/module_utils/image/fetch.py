# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring an image's bytes to this host: by http(s), going on where an earlier download stopped; or from a local file."""

from __future__ import annotations

import http.client
import os
import re
import time
from contextlib import closing
from typing import Any, BinaryIO, Callable
from urllib.parse import urlsplit

from ..core.disk import check_room, mebibytes, read_record, remove, write_record
from ..core.errors import NotFound, Unavailable
from .local import copy, file_version, open_file
from .source import Source, check_size
from .web import Again, NoParts, get

ATTEMPTS = 4
CHUNK = 1024 * 1024
_PART_OF = re.compile(r"bytes (\d+)-\d+/(\d+)")


def version(source: Source, pause: Callable | None = None) -> str:
    """What tells this version of the source from another: ETag, Last-Modified and length, or a file's time and size."""
    if urlsplit(source.url).scheme == "file":
        with open_file(source) as file:
            return file_version(file)
    return _insist(source, lambda: _remote_version(source), lambda: 0, pause)


def fetch(source: Source, part: BinaryIO, most: int, pause: Callable | None = None) -> bool:
    """Fill the file `part` with at most so many bytes; return whether some of an earlier attempt are in it.

    Where it came from and which version came, which need not be the one of a moment ago, is kept beside the part until
    forget(). NotFound, Refused and InvalidRequest are final, Exhausted is for lack of room, Unavailable after a few
    attempts without progress, with growing pauses, or when the policy's time is over.
    """
    if urlsplit(source.url).scheme == "file":
        write_record(_memory(part.name), {"url": source.url, "version": copy(source, part, most)})
        return False
    ends = time.monotonic() + source.policy.seconds
    return _insist(source, lambda: _receive(source, part, most, ends), lambda: _length(part), pause)


def received(part: str) -> str:
    """The version() of what has come into a part."""
    return str((read_record(_memory(part)) or {})["version"])


def forget(part: str) -> None:
    """Remove what is remembered about a part."""
    remove(_memory(part))


def _memory(part: str) -> str:
    return part + ".json"


def _insist(source: Source, attempt: Callable, progress: Callable, pause: Callable | None) -> Any:
    """Attempt until it works or ATTEMPTS times in a row brought no progress."""
    failures, furthest = 0, progress()
    while True:
        try:
            return attempt()
        except Again as error:
            reason = error
        failures = 0 if progress() > furthest else failures + 1
        furthest = max(furthest, progress())
        if failures == ATTEMPTS:
            raise Unavailable("url %s: %s (%d attempts)" % (source.url, reason, ATTEMPTS))
        (pause or time.sleep)(0.5 * 2 ** max(failures - 1, 0))


def _remote_version(source: Source) -> str:
    with closing(get(source)) as response:
        return _response_version(response.headers)


def _response_version(headers: Any) -> str:
    said = [headers.get(name) for name in ("ETag", "Last-Modified", "Content-Length")]
    return "|".join(value or "" for value in said)


def _validator(headers: Any) -> str | None:
    """What If-Range may name: a strong ETag, else a date."""
    etag = headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


def _length(part: BinaryIO) -> int:
    return os.fstat(part.fileno()).st_size


def _receive(source: Source, part: BinaryIO, most: int, ends: float) -> bool:
    """One attempt: ask for what is missing, or for everything if what is there may be of another version."""
    memory = read_record(_memory(part.name)) or {}
    have = _length(part)
    validator = memory.get("validator")
    if memory.get("url") != source.url or not memory.get("version") or not (validator or source.immutable):
        have = 0
    if have and have == memory.get("length"):
        return True
    headers = {"Range": "bytes=%d-" % have} if have else {}
    if have and validator:
        headers["If-Range"] = validator
    try:
        response = get(source, headers)
    except Again as error:
        _start_anew_if_useless(part, memory, error)
        raise
    with closing(response):
        if response.getcode() == 206:
            _check_continues(response.headers, have, memory, part)
        elif response.getcode() == 204:
            raise source.error(NotFound, "the server has lost the image's data: upload it anew")
        else:
            have = 0
            _begin(source, part, response.headers)
        missing = response.headers.get("Content-Length")
        if missing:
            check_size(source, have + int(missing), most)
            check_room(os.path.dirname(part.name), int(missing))
        part.seek(have)
        for chunk in _chunks(response):
            check_size(source, part.tell() + len(chunk), most)
            _write(part, chunk)
            if time.monotonic() > ends:
                raise Unavailable(
                    "url %s: %s came in the %d s of launch_image_timeout; run again to go on, or give it longer"
                    % (source.url, mebibytes(part.tell()), source.policy.seconds)
                )
    if missing and _length(part) != have + int(missing):
        raise Again("the connection broke after %d of %d bytes" % (_length(part), have + int(missing)))
    return have > 0


def _start_anew_if_useless(part: BinaryIO, memory: dict[str, Any], error: Again) -> None:
    """A part longer than the whole makes every range wrong (416); without ranges no part is of use."""
    if isinstance(error, NoParts) or _length(part) > (memory.get("length") or _length(part)):
        part.truncate(0)


def _check_continues(headers: Any, have: int, memory: dict[str, Any], part: BinaryIO) -> None:
    """Start anew if a partial answer is not the rest of what we have."""
    place = _PART_OF.fullmatch(headers.get("Content-Range", ""))
    same = _validator(headers) in (None, memory.get("validator"))
    if not (have and place and same and int(place[1]) == have and memory.get("length") in (None, int(place[2]))):
        part.truncate(0)
        raise Again("the server sent another part than asked for")


def _begin(source: Source, part: BinaryIO, headers: Any) -> None:
    """Empty the part and remember which version goes into it."""
    part.truncate(0)
    length = headers.get("Content-Length")
    facts = {"validator": _validator(headers), "length": int(length) if length else None}
    write_record(_memory(part.name), {"url": source.url, "version": _response_version(headers), **facts})


def _chunks(response: Any) -> Any:
    """What comes, as it comes: who sends a byte at a time is not waited for until there are many."""
    while True:
        try:
            chunk = response.read1(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise Again(str(error) or type(error).__name__) from error
        if not chunk:
            return
        yield chunk


def _write(part: BinaryIO, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[part.write(rest) :]
