# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read, plan, apply, report: the same four steps for every stage."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Iterator, Mapping, NamedTuple

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from . import carry, moments
from .change import Change
from .change import plan as plan_items
from .diff import differences, is_changed, when_whole
from .errors import InvalidRequest, LaunchError, MissingLibrary
from .request import Unsound


@dataclass(frozen=True)
class Stage:
    """A stage as its door has it: its noun, and who reads, thinks and touches for it.

    parse(params) gives the wanted items, an Unsound (request.py) in place of one that makes no sense; or raises
    InvalidRequest before anything is touched.
    connect(params) gives a backend: read(wanted) what exists, by key; apply(changes) makes the
    pending ones true and returns, by key, the item as it now is or the LaunchError that stopped it.
    plan(wanted, current, state) pairs the two and is pure.
    options are those of an item, as an argument spec has them; as_text(item, whole) is what a diff shows (diff.py).
    items(document, params) are those of one document, in params["state"], where they are not its parts of that noun;
    several documents may share them; option is the module's that has them, if it is not called like the list.
    list_name is the option that has the stage's own list, or what its results are called where it has none.
    on_host: it works on a compute host, so that another host may do better where it fails.
    """

    noun: str
    parse: Callable
    connect: Callable
    plan: Callable = plan_items
    options: Mapping[str, Any] = field(default_factory=dict)
    as_text: Callable[[Any, bool], str] = when_whole
    items: Callable[[Mapping[str, Any], Mapping[str, Any]], list[dict]] | None = None
    option: str = ""
    list_name: str = ""
    on_host: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "list_name", self.list_name or self.noun + "s")


class Travelled(NamedTuple):
    """The documents after a stage, whether it changed anything (or would), and Ansible's diff of that."""

    documents: list[dict]
    changed: bool = False
    diff: list[dict] = []


def run(module: AnsibleModule, stage: Stage) -> None:
    """Take a list from what it is to what it should be and exit the module: the stage's own, or the instances'.

    Of its own list a failed item fails the task, which names them all. An instance that fails says so in its document,
    and the play goes on with the others.
    """
    documents = module.params.get("instances")
    if documents is None or stage.noun == "instance":
        with failing(module):
            changes, outcome = take(module, stage, module.params)
        report(module, stage, changes, outcome)
    with failing(module):
        travelled = travel(module, stage, documents)
    exit_with(module, travelled)


def take(module: AnsibleModule, stage: Stage, params: Mapping[str, Any]) -> tuple[list[Change], dict[str, Any]]:
    """Read, plan, apply; the changes, and by key what became of them."""
    wanted = stage.parse(params)
    sound = [item for item in wanted if not isinstance(item, Unsound)]
    backend = stage.connect(params)
    changes = stage.plan(sound, backend.read(sound), params.get("state") or "present")
    if len(sound) < len(wanted):
        planned = iter(changes)
        changes = [
            Change(item, None, None, item.fault) if isinstance(item, Unsound) else next(planned) for item in wanted
        ]
    return changes, {} if module.check_mode else backend.apply([change for change in changes if change.pending])


def travel(
    module: AnsibleModule, stage: Stage, documents: Iterable[Mapping[str, Any]], state: str | None = None
) -> Travelled:
    """Take the documents through a stage: the same documents with their parts filled in.

    An error of the whole stage is that of every instance that it had something to do for. On the controller it aborts
    them, as in nova the error of a service does; another compute host may do better.
    """
    state = state or module.params.get("state") or "present"
    documents, parts = list(documents), _parts(module, stage, state)
    wanted = [_known(stage.options, item) for item in carry.items(documents, parts)]
    if not wanted:
        return Travelled(documents)
    # Several documents may share what is no part of theirs; it is done once.
    distinct = {_identity(item): item for item in wanted} if stage.items else dict(enumerate(wanted))
    params = {**module.params, "state": state, stage.option or stage.list_name: list(distinct.values())}
    begun = moments.now()
    try:
        changes, outcome = take(module, stage, params)
    except MissingLibrary:
        raise
    except LaunchError as error:
        if stage.list_name == "instances" and not isinstance(error, InvalidRequest):
            raise  # it is the record's, to which nothing can be told now
        messages = messages_of(error, stage.noun + ": ")
        failure = {**messages, "abort": error.abort or not stage.on_host, **_span(begun)}
        return Travelled(carry.fail(documents, stage.noun, failure, parts))
    span = _span(begun)
    results = dict(zip(distinct, (_result(change, outcome.get(change.key)) for change in changes)))
    each = [results[_identity(item)] for item in wanted] if stage.items else list(results.values())
    return Travelled(
        carry.carry(documents, stage.noun, each, parts, state, span),
        any(is_changed(change, outcome) for change in changes),
        differences(module, stage, changes, outcome) if module._diff else [],
    )


def _identity(item: Mapping[str, Any]) -> str:
    """By this what several documents share is known to be one thing."""
    return json.dumps(item, sort_keys=True, default=str)


def _span(begun: str) -> dict[str, str]:
    """From a beginning until now."""
    return {"start_time": begun, "finish_time": moments.now()}


def _parts(module: AnsibleModule, stage: Stage, state: str) -> carry.Parts:
    """What the stage has to do with a document."""
    if stage.items is None:
        return carry.parts_of(stage.noun, state, module.params.get("service") or "file")
    return lambda document: [(None, item) for item in stage.items(document, {**module.params, "state": state})]


def exit_with(module: AnsibleModule, travelled: Travelled, **more: Any) -> None:
    """Exit with the documents."""
    answer = {"instances": travelled.documents, "changed": travelled.changed, **more}
    if module._diff:
        answer["diff"] = travelled.diff
    module.exit_json(**answer)


def report(module: AnsibleModule, stage: Stage, changes: list[Change], outcome: dict[str, Any]) -> None:
    """Exit with one result per item, in order; with failed items the task fails and names them all."""
    results = [_result(change, outcome.get(change.key)) for change in changes]
    failures = ["%s: %s" % (result["name"], result["msg"]) for result in results if result["failed"]]
    answer = {stage.list_name: results, "changed": any(result["changed"] for result in results)}
    notes = list(dict.fromkeys(note for change in changes for note in change.notes))
    if notes and stage.list_name != "instances":  # theirs are told at the end, with their documents
        answer["warnings"] = notes
    if module._diff:
        answer["diff"] = differences(module, stage, changes, outcome)
    if failures:
        module.fail_json(msg="; ".join(failures), **answer)
    module.exit_json(**answer)


def query(module: AnsibleModule, noun: str, find: Callable, **others: Callable) -> None:
    """Exit with what find(params) lists: the shape of every `_info` module. others: more lists, by their nouns."""
    with failing(module):
        found = {name: each(module.params) for name, each in {noun: find, **others}.items()}
    module.exit_json(changed=False, **{name: [item.to_result() for item in items] for name, items in found.items()})


def query_one(module: AnsibleModule, find: Callable) -> None:
    """Exit with the fields of the one thing that find(params) gives: the shape of a stage that has no list."""
    with failing(module):
        found = find(module.params)
    module.exit_json(changed=False, **found.to_result())


@contextmanager
def failing(module: AnsibleModule) -> Iterator[None]:
    """Turn an error of ours into the module's failure."""
    try:
        yield
    except MissingLibrary as error:
        module.fail_json(msg=missing_required_lib(error.library))
    except LaunchError as error:
        module.fail_json(msg=str(error))


def _known(options: Mapping[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    """An item with the options that its stage has, and no others; a stage without options takes all of it."""
    return {name: item.get(name, option.get("default")) for name, option in options.items()} if options else item


def _result(change: Change, outcome: Any) -> dict[str, Any]:
    """What the user gets for one item: its fields, what was done, and how it failed if it did.

    It also failed, as it should, when the state it is in is that of a fault.
    """
    error = outcome if isinstance(outcome, LaunchError) else change.error
    result = final(change, outcome).to_result()
    result.update(action=change.action, changed=change.changed and error is None, failed=error is not None)
    if getattr(change.wanted, "instance_uuid", None):
        # By this it is joined to its instance, also where it is no longer that instance's.
        result["instance_uuid"] = change.wanted.instance_uuid
    if change.notes:
        result["notes"] = list(change.notes)
    if error is not None:
        result.update(**messages_of(error), abort=error.abort, **error.facts)
    elif result.get("fault"):
        result.update(msg=result["fault"], failed=True, abort=True)
    return result


def messages_of(error: LaunchError, where: str = "") -> dict[str, str]:
    """The text of an error as a result has it, msg; and public_msg, what of it is for everybody, where that is less."""
    public = {} if error.public == str(error) else {"public_msg": where + error.public}
    return {"msg": where + str(error), **public}


def final(change: Change, outcome: Any) -> Any:
    """The item as it now is as far as we know: as applied, else as planned, else as it was, else as asked for."""
    if outcome is not None and not isinstance(outcome, LaunchError):
        return outcome
    return change.after or change.before or change.wanted
