# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values of the user as the types that they stand for: one converter for each kind of value.

A role's argument spec converts nothing that the role hands on, and from -e or a template every value is a text.
So a text means what Ansible's own converters make of it; anything else is an InvalidRequest that names the key
(`what`, its whole path) and the value. None is no value of any kind: who allows it asks for it first.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
import uuid
from typing import Any, Iterable

from ansible.module_utils.parsing.convert_bool import boolean as ansible_boolean

from .errors import InvalidRequest

LARGEST = 2**31 - 1  # of an integer column, on every database

_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")  # Python reads no number of thousands of digits
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_PCI_ADDRESS = re.compile("[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}[.][0-7]")

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 80


def boolean(value: Any, what: str) -> bool:
    """True or false, also as 1 or 0 and as the words that Ansible knows: yes, no, on, off, true, false and others."""
    try:
        return ansible_boolean(value)
    except TypeError:
        raise _wrong(value, what, "is not true or false") from None


def whole(value: Any, what: str, least: int | None = None, most: int | None = None) -> int:
    """A whole number within the limits, also as a text of digits; neither true nor 2.0."""
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(value, what, "is not a whole number")
    return _within(value, what, least, most)


def number(value: Any, what: str, least: float | None = None, most: float | None = None) -> float:
    """A finite number within the limits, also as a text of digits; not true."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(value, what, "is not a number")
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise _wrong(value, what, "is not a finite number")
    return _within(value, what, least, most)


def text(value: Any, what: str, longest: int | None = None) -> str:
    """A text of at most so many characters that every database can keep; YAML's 42, 1.10, yes and null are none."""
    if value is None or isinstance(value, (bool, int, float)):
        raise _wrong(value, what, "is not a text: put it in quotes")
    if not isinstance(value, str):
        raise _wrong(value, what, "is not a text")
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise _wrong(value, what, "has a character that no database keeps")
    if longest is not None and len(value) > longest:
        raise _wrong(value, what, "is longer than %d characters" % longest)
    return value


def choice(value: Any, what: str, choices: Iterable[str], lower: bool = False) -> str:
    """One of these texts; with lower however it is capitalised."""
    word = text(value, what)
    word = word.lower() if lower else word
    if word not in choices:
        raise _wrong(value, what, "is none of %s" % ", ".join(choices))
    return word


def canonical_uuid(value: Any, what: str) -> str:
    """A UUID as it is kept, in lower case and with hyphens, however the text writes it."""
    try:
        return str(uuid.UUID(value))
    except (AttributeError, TypeError, ValueError):
        raise InvalidRequest("%s %r is not a UUID" % (what, value)) from None


def pci_address(value: Any, what: str) -> str:
    """A PCI device's address, domain:bus:slot.function, as Linux and libvirt write it."""
    address = text(value, what).lower()
    if not _PCI_ADDRESS.fullmatch(address):
        raise InvalidRequest("%s %r: an address such as 0000:01:00.0 is needed" % (what, value))
    return address


def label(value: Any, what: str, longest: int | None = None) -> str:
    """A text for a value that is kept as one: a text as it is, true, false and numbers as JSON writes them."""
    if isinstance(value, (bool, int, float)):
        value = json.dumps(value)
    return text(value, what, longest)


def labels(value: Any, what: str) -> dict[str, str]:
    """A mapping of such texts."""
    return {key: label(each, "%s: %s" % (what, key)) for key, each in mapping(value, what).items()}


def mapping(value: Any, what: str, keys: Iterable[str] | None = None) -> dict[str, Any]:
    """A mapping whose keys are texts, and none but these where they are given."""
    if not isinstance(value, dict):
        raise _wrong(value, what, "is not a mapping of keys to values")
    for key in value:
        text(key, "%s: the key" % what)
    unknown = [] if keys is None else sorted(set(value) - set(keys))
    if unknown:
        raise InvalidRequest("%s: unknown key %s (known: %s)" % (what, ", ".join(unknown), ", ".join(keys)))
    return value


def sequence(value: Any, what: str) -> list[Any]:
    """A list; a text is none, also where Ansible would split it at its commas."""
    if not isinstance(value, (list, tuple)):
        raise _wrong(value, what, "is not a list")
    return list(value)


def json_object(value: str | None, what: str) -> dict[str, Any]:
    """The mapping in the text of a JSON object, as secrets come; nothing in an empty one. No error shows any of it."""
    try:
        found = json.loads(value or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InvalidRequest("%s: the text of a JSON object is needed" % what)
    return found


def _within(value: Any, what: str, least: Any, most: Any) -> Any:
    if least is not None and value < least:
        raise _wrong(value, what, "is less than %s" % least)
    if most is not None and value > most:
        raise _wrong(value, what, "is more than %s" % most)
    return value


def _wrong(value: Any, what: str, problem: str) -> InvalidRequest:
    return InvalidRequest("%s: %s %s" % (what, _REPR.repr(value), problem))
