# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a task's diff shows: each thing once, in a line, only what is set of it; with -v whole."""

from __future__ import annotations

import json
from typing import Any

from .change import Change
from .errors import LaunchError

# What tells things apart for us, and nothing to a person.
UNSHOWN = ("id", "uuid", "instance_uuid", "name", "record_id", "action", "changed", "failed")


def differences(module: Any, stage: Any, changes: list[Change], outcome: dict[str, Any]) -> list[dict[str, str]]:
    """Ansible's diff of a task: one entry, a line for each item that changes; empty when none does."""
    pairs = [(change, outcome.get(change.key)) for change in changes if change.changed]
    pairs = [(change, made) for change, made in pairs if not isinstance(made, LaunchError)]
    if not pairs:
        return []
    whole, show = module._verbosity > 0, stage.as_text or as_text
    sides = {
        "before": [show(change.before, whole) for change, _made in pairs if change.before is not None],
        "after": [show(made or change.after, whole) for change, made in pairs if change.after is not None],
    }
    headers = {side + "_header": stage.list_name for side in sides}
    return [{**headers, **{side: "".join(texts) for side, texts in sides.items()}}]


def as_text(item: Any, whole: bool = False) -> str:
    """An item's fields: those that are set, in a line behind its name; or all of them."""
    fields = item.to_result()
    if whole:
        return "%s\n" % json.dumps(fields, indent=2, sort_keys=True, default=str)
    return line(fields["name"], {key: value for key, value in fields.items() if key not in UNSHOWN})


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
    return value is not None and value != "" and value != [] and value != () and value != {}
