# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Control's stages inside Ansible's own worker: no module to pack, no process to start, libraries imported once.

A stage's door is the same either way. Where it is to run elsewhere (another host or Python, as another user, with
another environment, asynchronously), it runs as the module that it also is.
"""

from __future__ import annotations

import gc
import json
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.cloud.definition import secrets
from ..module_utils.core.secrets import hide

MODULES = "ansible_collections.kvmstack.launch.plugins.modules"
RULES = ("mutually_exclusive", "required_one_of", "required_together")

display = Display()


def preload(*libraries: str) -> None:
    """Import libraries before the workers are forked; whether one is missing is for the stage to say.

    Only what several tasks of every such run need: the plugin is loaded before its task's condition is looked at.
    They are for the whole run: the garbage collector need not look at them, now or later, 0.3 s of a launch.
    """
    gc.disable()
    for library in libraries:
        with suppress(ImportError):
            import_module(library)
    gc.freeze()
    gc.enable()


class Exit(Exception):
    """The door has its result."""

    def __init__(self, result: dict[str, Any]):
        super().__init__(result.get("msg", ""))
        self.result = result


class Module:
    """What a door uses of AnsibleModule, made of the same arguments."""

    def __init__(self, arguments: dict[str, Any], task: dict[str, Any], check_mode: bool, diff: bool, verbosity: int):
        rules = {name: arguments[name] for name in RULES if name in arguments}
        self.argument_spec = arguments["argument_spec"]
        checked = ArgumentSpecValidator(self.argument_spec, **rules).validate(task)
        of_cloud = secrets(task)
        found = checked._no_log_values | of_cloud
        for error in checked.errors:
            what = "unsupported parameters: " if isinstance(error, UnsupportedError) else ""
            raise AnsibleActionFail(hide(what + error.msg, found))
        self._secrets = found - _listed(of_cloud, task)
        self.params = checked.validated_parameters
        self.check_mode = check_mode
        self._diff = diff
        self._verbosity = verbosity
        self._warnings: list[str] = []

    def warn(self, warning: str) -> None:
        """Have the user warned, whatever the result is."""
        self._warnings.append(warning)

    def exit_json(self, **result: Any) -> NoReturn:
        """Leave with a result."""
        warned = {"warnings": [*result.get("warnings", ()), *self._warnings]} if self._warnings else {}
        raise Exit(hide({**result, **warned}, self._secrets))

    def fail_json(self, **result: Any) -> NoReturn:
        """Leave with a failure."""
        self.exit_json(**{**result, "failed": True})


def _listed(found: set[str], task: dict[str, Any]) -> set[str]:
    """The secrets that occur in the task's lists, as a password `web` beside an instance `web`.

    Nobody can tell there that it is one; masked, it would be another name to the next stage.
    """
    if not found:
        return set()
    lists = json.dumps([value for value in task.values() if isinstance(value, list)])
    return {secret for secret in found if json.dumps(secret)[1:-1] in lists}


class Control(ActionBase):
    """The action of the module that the task names: the door is that module's."""

    _supports_async = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Run the stage here if that is where it would run as a module too."""
        result = super().run(tmp, task_vars)
        if not self._is_here(task_vars or {}):
            return {**result, **self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)}
        # The worker is a process for this one task: what it makes is garbage when it ends.
        gc.disable()
        # As a module would get them: plain data, without Ansible's tags.
        task = json.loads(json.dumps(self._task.args, default=str))
        door = import_module("%s.%s" % (MODULES, self._task.action.rpartition(".")[2]))
        try:
            door.stage(Module(door.ARGUMENTS, task, self._task.check_mode, self._task.diff, display.verbosity))
        except Exit as done:
            return {**result, **done.result}
        raise AnsibleActionFail("module %s ended without a result" % self._task.action)

    def _is_here(self, task_vars: dict[str, Any]) -> bool:
        elsewhere = any(self._task.environment or ()) or self._task.async_val or self._connection.become is not None
        interpreter = self._templar.template(task_vars.get("ansible_python_interpreter"))
        return self._connection.transport == "local" and interpreter == sys.executable and not elsewhere
