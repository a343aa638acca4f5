# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HTML of templates, and the files beside it. All that is shown is escaped; a page is sent if it is not what the
browser has."""

from __future__ import annotations

import hashlib
import os
import re
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from ..core.errors import MissingLibrary

# What a terminal obeys and does not show (ECMA-48): sequences, and control characters but tab and line feed.
CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.?|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
FOLDER = os.path.dirname(__file__)
STATIC = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@lru_cache(maxsize=None)
def environment() -> Any:
    """Jinja's, with every value escaped."""
    try:
        import jinja2
    except ImportError:
        raise MissingLibrary("Jinja2") from None
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(os.path.join(FOLDER, "templates")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(utc=utc, clock=clock, seconds=seconds, plain=plain)
    made.globals.update(version={name: tag_of(content(name))[:12] for name in STATIC})
    return made


def page(template: str, **context: Any) -> str:
    """The HTML of a template."""
    return environment().get_template(template).render(**context)


def send(req: Any, resp: Any, template: str, **context: Any) -> None:
    """Answer with a page, or with 304 where the browser has it."""
    html = page(template, **{"token": req.context.token, "path": req.path, **context})
    _send(req, resp, html.encode(), "text/html; charset=utf-8")


def see_other(resp: Any, path: str) -> None:
    """Answer with where the next page is (303)."""
    resp.status = 303
    resp.set_header("Location", path)


def send_file(req: Any, resp: Any, name: str) -> None:
    """Answer with one of the files of STATIC."""
    _send(req, resp, content(name), STATIC[name])


@lru_cache(maxsize=None)
def content(name: str) -> bytes:
    """A file of STATIC."""
    with open(os.path.join(FOLDER, "static", name), "rb") as file:
        return file.read()


def tag_of(data: bytes) -> str:
    """By this the same content is known."""
    return hashlib.sha256(data).hexdigest()[:32]


def _send(req: Any, resp: Any, data: bytes, kind: str) -> None:
    tag = '"%s"' % tag_of(data)
    resp.set_header("ETag", tag)
    known = [each.strip().removeprefix("W/") for each in (req.get_header("If-None-Match") or "").split(",")]
    if tag in known:
        resp.status = 304
        return
    resp.content_type = kind
    resp.data = data


def _moment(value: Any) -> datetime:
    """A time of the record, in UTC, also where it is told as text."""
    known = datetime.fromisoformat(value.rstrip("Z")) if isinstance(value, str) else value
    return known.replace(tzinfo=timezone.utc)


def utc(value: Any) -> str:
    """A time for machines."""
    return _moment(value).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(value: Any) -> str:
    """A time for people."""
    return _moment(value).strftime("%Y-%m-%d %H:%M:%S")


def seconds(value: float | None) -> str:
    """A duration: with hundredths below ten seconds."""
    if value is None:
        return ""
    if value < 10:
        return "%.2f s" % value
    return "%.1f s" % value if value < 120 else "%d min %02d s" % divmod(round(value), 60)


def plain(text: str) -> str:
    """What a console shows, without what only a terminal understands."""
    return CONTROL.sub("", text)
