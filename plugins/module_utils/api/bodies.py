# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a body may say, by JSON Schema; the error names where in it something is wrong, and never shows a secret."""

from __future__ import annotations

import ipaddress
import uuid
from base64 import b64decode
from functools import lru_cache
from typing import Any

from ..core.convert import printable, text
from ..core.errors import InvalidRequest, MissingLibrary
from .errors import ApiError
from .schemas import SCHEMAS, schema_of
from .site import body_of

# What is not to be shown in an error.
SECRET = {"user_data", "adminPass", "personality"}
# Of these rules an error names keys alone.
NAMING = ("required", "additionalProperties")


def checked(name: str, req: Any, version: int) -> Any:
    """The body of a request, which is as the schema of this name has it in this version; else ApiError 400."""
    return valid(name, body_of(req), version)


def valid(name: str, body: Any, version: int) -> Any:
    """The same of a body that has been read."""
    error = next(iter(sorted(_validator(name, version).iter_errors(body), key=_place)), None)
    if error is not None:
        raise ApiError(400, told(error))
    return body


def prepare() -> None:
    """Have the schemas of the longest bodies ready before anybody waits for them."""
    for version in SCHEMAS["create"].steps:
        _validator("create", version)


def _place(error: Any) -> tuple:
    return [str(each) for each in error.absolute_path], error.message


def told(error: Any) -> str:
    """Nova's words for what is wrong in a body."""
    path = [str(each) for each in error.absolute_path]
    is_one = not isinstance(error.instance, (dict, list))
    # What jsonschema says otherwise of what has parts has all of them in it.
    message = error.message if is_one or error.validator in NAMING else "It is not what it may be."
    if not path:
        return message[:500]
    what = "Invalid input for field/attribute %s." % path[-1]
    if SECRET & set(path):
        return what + " Its value is not shown. (at %s)" % "/".join(path)
    value = " Value: %.200s." % error.instance if is_one else ""
    return "%s%s %.300s (at %s)" % (what, value, message, "/".join(path))


def _validator(name: str, version: int) -> Any:
    """The validator of a schema; versions that mean the same have the same one."""
    made = SCHEMAS[name]
    steps = [since for since in made.steps if since <= version]
    return _made(name, steps[-1])


@lru_cache(maxsize=None)
def _made(name: str, version: int) -> Any:
    try:
        from jsonschema import Draft4Validator, FormatChecker
    except ImportError:
        raise MissingLibrary("jsonschema") from None
    formats = FormatChecker(())
    for each, check in FORMATS.items():
        formats.checks(each, raises=(ValueError, InvalidRequest))(check)
    return Draft4Validator(schema_of(name, version), format_checker=formats)


def _text(check: Any) -> Any:
    """A check of texts; what is none is for the schema's type to judge."""

    def checks(value: Any) -> bool:
        if isinstance(value, str):
            check(value)
        return True

    return checks


FORMATS = {
    "line": _text(lambda value: printable(value, "it")),
    "text": _text(lambda value: text(value, "it")),
    "uuid": _text(uuid.UUID),
    "ip": _text(lambda value: ipaddress.ip_address(value.replace("%", " "))),
    "ipv4": _text(ipaddress.IPv4Address),
    "ipv6": _text(lambda value: ipaddress.IPv6Address(value.replace("%", " "))),  # without the zone of a machine
    "base64": _text(lambda value: b64decode("".join(value.split()).encode("ascii"), validate=True)),
}
