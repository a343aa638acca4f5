# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read, plan, apply, report: the same four steps for every stage."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import Any, Callable, Iterator

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from .change import Change
from .change import plan as plan_items
from .errors import LaunchError, MissingLibrary


def as_json(item: Any) -> str:
    """An item's result as a person reads it in a diff."""
    return json.dumps(item.to_result(), indent=2, sort_keys=True, default=str) + "\n"


def run(
    module: AnsibleModule,
    noun: str,
    parse: Callable,
    connect: Callable,
    plan: Callable = plan_items,
    as_text: Callable[[Any], str] = as_json,
) -> None:
    """Take the list `noun` from what it is to what it should be and exit the module.

    parse(params) gives the wanted items, or raises InvalidRequest before anything is touched.
    connect(params) gives a backend: read(wanted) what exists, by key; apply(changes) makes the
    pending ones true and returns, by key, the item as it now is or the LaunchError that stopped it.
    plan(wanted, current, state) pairs the two and is pure. as_text(item) is an item for the diff.
    """
    with _failing(module):
        wanted = parse(module.params)
        backend = connect(module.params)
        changes = plan(wanted, backend.read(wanted), module.params.get("state", "present"))
        outcome = {} if module.check_mode else backend.apply([change for change in changes if change.pending])
    report(module, noun, changes, outcome, as_text)


def report(
    module: AnsibleModule,
    noun: str,
    changes: list[Change],
    outcome: dict[str, Any],
    as_text: Callable[[Any], str] = as_json,
) -> None:
    """Exit with one result per item, in order; with failed items the task fails and names them all."""
    results = [_result(change, outcome.get(change.key)) for change in changes]
    failures = ["%s: %s" % (result["name"], result["msg"]) for result in results if result["failed"]]
    answer = {noun: results, "changed": any(result["changed"] for result in results)}
    if module._diff:
        changed = [change for change in changes if change.changed]
        answer["diff"] = [_difference(noun, change, outcome.get(change.key), as_text) for change in changed]
    if failures:
        module.fail_json(msg="; ".join(failures), **answer)
    module.exit_json(**answer)


def query(module: AnsibleModule, noun: str, find: Callable, **others: Callable) -> None:
    """Exit with what find(params) lists: the shape of every `_info` module. others: more lists, by their nouns."""
    with _failing(module):
        found = {name: each(module.params) for name, each in {noun: find, **others}.items()}
    module.exit_json(changed=False, **{name: [item.to_result() for item in items] for name, items in found.items()})


def tell(module: AnsibleModule, find: Callable) -> None:
    """Exit with the fields of the one thing that find(params) gives: the shape of a stage that has no list."""
    with _failing(module):
        found = find(module.params)
    module.exit_json(changed=False, **found.to_result())


@contextmanager
def _failing(module: AnsibleModule) -> Iterator[None]:
    """Turn an error of ours into the module's failure."""
    try:
        yield
    except MissingLibrary as error:
        module.fail_json(msg=missing_required_lib(error.library))
    except LaunchError as error:
        module.fail_json(msg=str(error))


def _result(change: Change, outcome: Any) -> dict[str, Any]:
    """What the user gets for one item: its fields, what was done, and how it failed if it did.

    It also failed, as it should, when the state it is in is that of a fault.
    """
    error = outcome if isinstance(outcome, LaunchError) else change.error
    result = _final(change, outcome).to_result()
    result.update(action=change.action, changed=change.changed and error is None, failed=error is not None)
    if getattr(change.wanted, "instance_uuid", None):
        # By this it is joined to its instance, also where it is no longer that instance's.
        result["instance_uuid"] = change.wanted.instance_uuid
    if error is not None:
        result.update(msg=str(error), abort=error.abort)
    elif result.get("fault"):
        result.update(msg=result["fault"], failed=True, abort=True)
    return result


def _difference(noun: str, change: Change, outcome: Any, as_text: Callable[[Any], str]) -> dict[str, str]:
    """One entry of Ansible's diff: the item's text before and after."""
    header = "%s %s" % (noun, change.wanted.name)
    after = None if change.after is None else _final(change, outcome)
    return {
        "before_header": header,
        "after_header": header,
        "before": "" if change.before is None else as_text(change.before),
        "after": "" if after is None else as_text(after),
    }


def _final(change: Change, outcome: Any) -> Any:
    """The item as it now is as far as we know: as applied, else as planned, else as it was, else as asked for."""
    if outcome is not None and not isinstance(outcome, LaunchError):
        return outcome
    return change.after or change.before or change.wanted
