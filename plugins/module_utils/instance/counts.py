# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An entry with a count, and what there is of it beyond: nothing goes because a number became smaller."""

from __future__ import annotations

import re
from typing import Collection, Iterable

from ..core.table import few

MOST = 1000


def named(name: str, count: int) -> list[str]:
    """The names of the instances that an entry counts."""
    return ["%s-%d" % (name, number + 1) for number in range(count)]


def beyond(name: str, count: int, living: Iterable[str], asked: Collection[str]) -> tuple[str, ...]:
    """What to tell of the instances beyond an entry's count, which no other entry asks for; nothing of none."""
    pattern = re.compile(re.escape(name) + "-([1-9][0-9]{0,3})")
    found = (pattern.fullmatch(each) for each in living if each not in asked)
    numbers = sorted(int(match[1]) for match in found if match and int(match[1]) > count)
    if not numbers:
        return ()
    names = few(["%s-%d" % (name, number) for number in numbers])
    return (
        "beyond the count of %d there is %s, which stays: to destroy it, ask for it with state: absent"
        % (count, names),
    )
