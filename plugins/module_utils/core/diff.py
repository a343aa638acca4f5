# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a task's diff shows: each thing once, in a line, only what is set of it; with -v whole."""

from __future__ import annotations

import json
from typing import Any, Callable

from .change import Change
from .errors import LaunchError


def differences(module: Any, stage: Any, changes: list[Change], outcome: dict[str, Any]) -> list[dict[str, str]]:
    """Ansible's diff of a task: one entry, a line for each item that changes; empty when nothing is to be shown."""
    pairs = [(change, outcome.get(change.key)) for change in changes if is_changed(change, outcome)]
    whole = module._verbosity > 0
    sides = {
        "before": [stage.as_text(change.before, whole) for change, _made in pairs if change.before is not None],
        "after": [stage.as_text(made or change.after, whole) for change, made in pairs if change.after is not None],
    }
    texts = {side: "".join(lines) for side, lines in sides.items()}
    if texts["before"] == texts["after"]:
        return []
    return [{**{side + "_header": stage.list_name for side in sides}, **texts}]


def merge(diff: list[dict[str, str]], header: str) -> list[dict[str, str]]:
    """The diffs of several stages as the one of a task."""
    if not diff:
        return []
    sides = {side: "".join(each[side] for each in diff) for side in ("before", "after")}
    return [{"before_header": header, "after_header": header, **sides}]


def is_changed(change: Change, outcome: dict[str, Any]) -> bool:
    """Whether an item has become another one, or in check mode would."""
    return change.changed and not isinstance(outcome.get(change.key), LaunchError)


def showing(kind: str, *keys: str) -> Callable[[Any, bool], str]:
    """How a diff shows an item of a kind: these fields of its result in a line, as far as they are set; or all."""

    def as_text(item: Any, whole: bool) -> str:
        fields = item.to_result()
        if whole:
            return "%s\n" % json.dumps(fields, indent=2, sort_keys=True, default=str)
        return line("%s %s" % (kind, fields["name"]), {key: fields.get(key) for key in keys})

    return as_text


def when_whole(item: Any, whole: bool) -> str:
    """How a diff shows what other stages show already, or a table at the end: with -v only."""
    return showing("")(item, True) if whole else ""


def line(name: str, fields: dict[str, Any]) -> str:
    """A thing in a line: its name, and each of its fields that is set."""
    shown = ["%s %s" % (key, words(value)) for key, value in fields.items() if _is_set(value)]
    return "%s: %s\n" % (name, ", ".join(shown)) if shown else "%s\n" % name


def words(value: Any) -> str:
    """A value as a person writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{%s}" % ", ".join("%s: %s" % (key, words(each)) for key, each in value.items() if _is_set(each))
    if isinstance(value, (list, tuple)):
        return "[%s]" % ", ".join(map(words, value))
    return str(value)


def _is_set(value: Any) -> bool:
    return value is False or bool(value)
