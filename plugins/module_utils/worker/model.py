# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a worker asks a launch for, and what it makes of its end; pure. No stage: it only has launch.yml run."""

from __future__ import annotations

import json
import re
from typing import Any, Container, Iterable, Iterator

from ..core.states import REBUILT, RESTARTS

# A request is given up after so many runs that did not settle its instance.
ATTEMPTS = 5
SHOWN = ("create", "delete", "stop", "start")  # actions whose end is a state of the instance

# What a site may say of its own launches, and what a request is not to have.
ALWAYS = {
    "launch_state": "present",
    "launch_run_id": "",
    "launch_force": False,
    "launch_default_keys": False,
    "launch_wait_for": "",
}
# By which account a run acts for users of an identity service: theirs it does not have. As a template of Ansible's it
# brings no secret into the file.
ACCOUNT = (
    "{{ launch_service_cloud | kvmstack.launch.project_cloud(launch_project_id, launch_project_clouds | default({})) }}"
)
# YAML reads these by their escapes only (YAML 1.1, 5.1).
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_FATAL = re.compile(r"^fatal: \[[^\]]*\]: [A-Z]+! => (?=\{)", re.MULTILINE)
_IGNORED = "\n...ignoring"  # below a failure that the playbook goes on after, one of another instance's host, too
_INSTANCE = re.compile(r"[\w.-]+ is [A-Z]+: ")  # as the filter failures tells it
_ERROR = re.compile(r"^\[?ERROR\]?[!:] ?(.*(?:\nOrigin: .*)?)", re.MULTILINE)


def variables(project_id: str, take_over: bool, requests: Iterable[Any], identity: str = "none") -> str:
    """The file of variables that has launch.yml do these requests: YAML, and no text of a user's is a template."""
    entries = [{**each.entry, **({} if each.user_data is None else {"user_data": each.user_data})} for each in requests]
    account = {} if identity == "none" else {"launch_cloud": ACCOUNT, "launch_on_behalf": True}
    said = {**ALWAYS, **account, "launch_take_over": take_over}
    lines = ["%s: %s" % (name, json.dumps(value)) for name, value in said.items()]
    lines += ["launch_project_id: " + _untrusted(project_id), "launch_instances: " + _untrusted(entries)]
    return "\n".join(lines) + "\n"


def _untrusted(value: Any) -> str:
    """The value as YAML that Ansible never takes for templates, all texts in it."""
    text = json.dumps(value, ensure_ascii=False)
    return "!unsafe " + _UNPRINTABLE.sub(lambda found: "\\u%04x" % ord(found.group()), text)


def runs(requests: Iterable[Any], left_behind: Container[str]) -> list[tuple[str, bool, list[Any]]]:
    """The runs that do these requests: the project of each, whether it takes over, and its requests.

    Only what a worker has left behind, by UUID, is taken over from the run that it had.
    """
    found: dict[tuple[str, bool], list[Any]] = {}
    for each in requests:
        found.setdefault((each.project_id, each.instance_uuid in left_behind), []).append(each)
    return [(*of, asked) for of, asked in found.items()]


def is_done(request: Any, row: Any, failed: bool = False) -> bool:
    """Whether there is nothing left to do for a request: by its instance's row, after a run that has failed it or not.

    An instance that is settled in the state that was asked for may be in ERROR: then its launch has ended so. Of what
    shows in no state, as a change of metadata, only the run knows.
    """
    if row is None or row.deleted:
        return True
    if request.action == "delete" or request.entry.get("state") == "absent":
        return False
    state = request.entry.get("state") or "started"
    state = "started" if state in RESTARTS else row.target_state if state == REBUILT else state
    settled = row.task_state is None and row.target_state == state
    return settled and (request.action in SHOWN or not failed)


def needs_no_run(request: Any, row: Any) -> bool:
    """The same before a run, where it is certain: it is gone, or the worker died that had built or restarted it.

    A name that another instance has by now would be that one's.
    """
    gone = row is None or bool(row.deleted)
    return gone or (request.action in ("create", "reboot") and is_done(request, row))


def without_unmade(row: Any) -> dict[str, list[dict[str, Any]]]:
    """The ports and volumes of a row, those that their service has never made or attached on their way out again.

    So that a later run does not fail at them. Of a volume that Cinder does not keep nobody knows it here.
    """
    ports = [each if each.get("mac_address") else {**each, "leaving": True} for each in row.ports]
    volumes = [
        each if each["service"] != "cinder" or each.get("attachment_id") else {**each, "leaving": True}
        for each in row.volumes
    ]
    return {"ports": ports, "volumes": volumes}


def pause(attempts: int) -> int:
    """Seconds until a request that has been tried so often, at least once, is tried again."""
    return 5 * 2 ** (attempts - 1)


def reasons(output: str) -> list[str]:
    """What a playbook has failed with, as the default callback with results in JSON shows it; the last errors else."""
    told = list(_fatal(output))
    told = told or [" ".join(found.group(1).split()) for found in _ERROR.finditer(output)]
    told = told or [line.strip() for line in output.splitlines() if line.strip()][-1:]
    return list(dict.fromkeys(filter(None, told)))


def _fatal(output: str) -> Iterator[str]:
    for found in _FATAL.finditer(output):
        try:
            result, end = json.JSONDecoder().raw_decode(output, found.end())
        except ValueError:
            continue
        if output.startswith(_IGNORED, end):
            continue
        message = result.get("msg")
        for each in message if isinstance(message, list) else [message]:
            yield str(each).replace("\0", "")  # as JSON may bring it, and no database takes it


def reason(name: str, told: Iterable[str], status: int) -> str | None:
    """Why a run has not done what was asked for one instance, for people; None where it failed only others, or none."""
    told = list(told)
    mine = [each for each in told if re.match(re.escape(name) + " is [A-Z]+: ", each)]
    if not status or (not mine and told and all(_INSTANCE.match(each) for each in told)):
        return None
    said = "; ".join(mine or told) or "ansible-playbook ended with status %d and said nothing" % status
    return said if len(said) <= 1000 else said[:1000] + "..."
