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
LONGEST = 255  # text of a column that has a length
LEVELS = 32  # of lists and mappings in each other

_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")  # Python reads no number of thousands of digits
# What XML 1.0 cannot hold, the carriage return, which it does not keep, and what makes terminals do something.
_CONTROL = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
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
    """A text of at most so many characters that databases, XML and terminals can take as it is.

    YAML's 42, 1.10, yes and null are none.
    """
    if value is None or isinstance(value, (bool, int, float)):
        raise _wrong(value, what, "is not a text: put it in quotes")
    if not isinstance(value, str):
        raise _wrong(value, what, "is not a text")
    if _CONTROL.search(value):
        raise _wrong(value, what, "has a control character, or one that stands for none")
    if longest is not None and len(value) > longest:
        raise _wrong(value, what, "is longer than %d characters" % longest)
    return value


def printable(value: Any, what: str, longest: int = LONGEST) -> str:
    """A text that is a line by itself, as names are: printable characters, one at least."""
    if text(value, what, longest).strip() and value.isprintable():
        return value
    raise _wrong(value, what, "is not a line of printable characters")


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
        raise InvalidRequest("%s %s is not a UUID" % (what, shown(value))) from None


def is_uuid(value: Any) -> bool:
    """Whether it is a UUID as it is kept, in lower case and with hyphens."""
    try:
        return str(uuid.UUID(value)) == value
    except (AttributeError, TypeError, ValueError):
        return False


def pci_address(value: Any, what: str) -> str:
    """A PCI device's address, domain:bus:slot.function, as Linux and libvirt write it."""
    address = text(value, what).lower()
    if not _PCI_ADDRESS.fullmatch(address):
        raise InvalidRequest("%s %r: an address such as 0000:01:00.0 is needed" % (what, value))
    return address


def label(value: Any, what: str, longest: int | None = None) -> str:
    """A text for a value that is kept as one: a text as it is, true, false and numbers as JSON writes them."""
    if isinstance(value, (bool, int, float)):
        value = json.dumps(data(value, what))
    return text(value, what, longest)


def labels(value: Any, what: str) -> dict[str, str]:
    """A mapping of such texts."""
    return {key: label(each, below(what, key)) for key, each in mapping(value, what).items()}


def numbers_by_key(value: Any, what: str) -> dict[str, float]:
    """A mapping of such numbers."""
    return {key: number(each, below(what, key)) for key, each in mapping(value, what).items()}


def mapping(value: Any, what: str, keys: Iterable[str] | None = None) -> dict[str, Any]:
    """A mapping whose keys are texts, and none but these where they are given."""
    if not isinstance(value, dict):
        raise _wrong(value, what, "is not a mapping of keys to values")
    for key in value:
        text(key, "%s: the key" % what)
    unknown = [] if keys is None else sorted(set(value) - set(keys))
    if unknown:
        named = ", ".join("%.80s" % key for key in unknown[:5])
        raise InvalidRequest("%s: unknown key %s (known: %s)" % (what, named, ", ".join(keys)))
    return value


def data(value: Any, what: str, levels: int = LEVELS) -> Any:
    """Anything that JSON can hold, in so many levels of lists and mappings."""
    if isinstance(value, (list, tuple, dict)) and not levels:
        raise InvalidRequest("%s: has more than %d lists and mappings in each other" % (what, LEVELS))
    if isinstance(value, dict):
        return {key: data(each, below(what, key), levels - 1) for key, each in mapping(value, what).items()}
    if isinstance(value, (list, tuple)):
        return [data(each, what, levels - 1) for each in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number(value, what)
    return value if value is None or isinstance(value, (bool, int, float)) else text(value, what)


def sequence(value: Any, what: str) -> list[Any]:
    """A list; a text is none, also where Ansible would split it at its commas."""
    if not isinstance(value, (list, tuple)):
        raise _wrong(value, what, "is not a list")
    return list(value)


def listed(value: Any) -> list[Any]:
    """What a variable lists, as Ansible's own options read it: a text, as from -e, is split at its commas."""
    if isinstance(value, (str, int)) and value:
        return [each.strip() for each in str(value).split(",") if each.strip()]
    return list(value or ())


def json_object(value: str | None, what: str) -> dict[str, Any]:
    """The mapping in the text of a JSON object, as secrets come; nothing in an empty one. No error shows any of it."""
    try:
        found = json.loads(value or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidRequest("%s: the text of a JSON object is needed" % what)
    return found


def below(what: str, key: Any) -> str:
    """What errors call the value of a key that anybody may have chosen."""
    return "%s: %.80s" % (what, key)


def shown(value: Any) -> str:
    """A value as errors show it: never longer than a person reads."""
    try:
        return _REPR.repr(value)
    except ValueError:  # Python writes no number of thousands of digits
        return "a number"


def _within(value: Any, what: str, least: Any, most: Any) -> Any:
    if least is not None and value < least:
        raise _wrong(value, what, "is less than %s" % least)
    if most is not None and value > most:
        raise _wrong(value, what, "is more than %s" % most)
    return value


def _wrong(value: Any, what: str, problem: str) -> InvalidRequest:
    return InvalidRequest("%s: %s %s" % (what, shown(value), problem))
