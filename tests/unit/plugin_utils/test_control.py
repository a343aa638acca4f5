# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A door inside Ansible's worker: as strict and as silent as the module that it also is."""

from __future__ import annotations

import json
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.kvmstack.launch.plugins.module_utils.core.specs import CLOUD
from ansible_collections.kvmstack.launch.plugins.plugin_utils import control
from ansible_collections.kvmstack.launch.tests.unit.shown import shown

ARGUMENTS = {
    "argument_spec": {
        **CLOUD,
        "ports": {"type": "list", "elements": "dict"},
        "instances": {"type": "list", "elements": "dict"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "database": {"type": "str", "no_log": True},
        "token": {"type": "str", "no_log": True},
        "token_url": {"type": "str"},
        "timeout": {"type": "int", "default": 60},
    },
    "mutually_exclusive": [("ports", "instances")],
    "required_one_of": [("ports", "instances")],
    "required_together": [("token", "token_url")],
    "supports_check_mode": True,
}
GIVEN = {"instances": []}
HERE = {"ansible_python_interpreter": sys.executable}


@pytest.fixture
def door(monkeypatch):
    """A door called room, which says what it was given; its stage can be another one."""
    door = ModuleType("room")
    door.ARGUMENTS = ARGUMENTS
    door.stage = lambda module: module.exit_json(
        changed=True, params=module.params, check=module.check_mode, diff=module._diff, verbosity=module._verbosity
    )
    monkeypatch.setitem(sys.modules, control.MODULES + ".room", door)
    return door


@pytest.fixture
def run(door, monkeypatch):
    """Runs a task; what would go out as a module says how instead."""

    def as_module(_self, **how):
        return {"as_module": True, **how}

    monkeypatch.setattr(control.Control, "_execute_module", as_module)

    def run(args=None, variables=None, transport="local", become=None, **more):
        args, variables = GIVEN if args is None else args, HERE if variables is None else variables
        task = {"action": "kvmstack.launch.room", "check_mode": False, "diff": False, "environment": [], "async_val": 0}
        shell = SimpleNamespace(tmpdir="/nowhere")
        connection = SimpleNamespace(transport=transport, become=become, _shell=shell)
        templar = SimpleNamespace(template=lambda value: sys.executable if value == "{{ python }}" else value)
        action = control.Control(SimpleNamespace(args=args, **{**task, **more}), connection, None, None, templar)
        return action.run(task_vars=variables)

    return run


def test_what_a_door_warns_of_is_in_its_result_whatever_that_is(run, door):
    def warning(end):
        def stage(module):
            module.warn("mind that")
            end(module)

        return stage

    door.stage = warning(lambda module: module.exit_json(changed=False, warnings=["and this"]))
    assert run()["warnings"] == ["and this", "mind that"]
    door.stage = warning(lambda module: module.fail_json(msg="no"))
    assert run() == {"failed": True, "msg": "no", "warnings": ["mind that"]}


def test_the_door_is_that_of_the_tasks_action(run, door, monkeypatch):
    other = ModuleType("other")
    other.ARGUMENTS, other.stage = ARGUMENTS, lambda module: module.exit_json(of="other")
    monkeypatch.setitem(sys.modules, control.MODULES + ".other", other)
    assert run(action="kvmstack.launch.other") == {"of": "other"}
    assert run(action="other") == {"of": "other"}
    assert run(action="kvmstack.launch.room")["changed"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"ports": [], "instances": []}, "parameters are mutually exclusive: ports|instances",
                     id="two lists"),
        pytest.param({}, "one of the following is required: ports, instances", id="no list"),
        pytest.param({**GIVEN, "prots": []}, "unsupported parameters: prots", id="an unknown option"),
        pytest.param({**GIVEN, "token": "a token"}, "are required together: token, token_url", id="half a pair"),
        pytest.param({**GIVEN, "state": "gone"}, "state must be one of: present, absent, got: gone", id="a choice"),
        pytest.param({**GIVEN, "timeout": "soon"}, "argument 'timeout' is of type", id="not a number"),
        pytest.param({"instances": ["web"]}, "Elements value for option 'instances' is of type", id="not a mapping"),
    ],
)  # fmt: skip
def test_what_a_module_refuses_is_refused(run, door, given, message):
    door.stage = None
    with pytest.raises(AnsibleActionFail) as refusal:
        run(given)
    assert message in str(refusal.value)


def test_values_are_converted_as_a_modules_are(run):
    params = run({"instances": [{"name": "web"}], "timeout": "5", "private_path": "~/x"})["params"]
    assert (params["timeout"], params["state"], params["ports"]) == (5, "present", None)
    assert params["instances"] == [{"name": "web"}]
    assert params["private_path"].endswith("/x")
    assert "~" not in params["private_path"]


def test_a_door_gets_plain_data(run):
    class Text(str):
        """As Ansible tags what came from a file."""

    [instance] = run({"instances": [{"name": Text("web")}]})["params"]["instances"]
    assert instance["name"].__class__ is str


SECRETS = {
    "database": "postgresql://launch:hidden@db/launch",
    "cloud": {"region_name": "here", "auth": {"username": "ann", "password": "hidden too"}},
}


@pytest.mark.parametrize("fails", [False, True])
def test_secrets_are_masked_in_what_a_door_says_and_nothing_else_is(run, door, fails):
    def stage(module):
        text = "ann at %s with %s" % (module.params["database"], module.params["cloud"]["auth"]["password"])
        (module.fail_json if fails else module.exit_json)(msg=text, instances=[{"name": "here", "note": text}])

    door.stage = stage
    result = json.loads(shown(json.dumps(run({**GIVEN, **SECRETS}))))
    assert "hidden" not in json.dumps(result)
    assert result["msg"].startswith("ann at ***")
    assert result["instances"][0]["name"] == "here"
    assert result.get("failed", False) == fails


def test_a_name_that_is_also_a_password_stays_a_name(run, door):
    """Masked, it would be another instance to the next stage."""
    door.stage = lambda module: module.exit_json(instances=module.params["instances"], msg=module.params["database"])
    cloud = {"auth": {"username": "ann", "password": "web"}}
    result = run({**SECRETS, "cloud": cloud, "instances": [{"name": "web-1"}]})
    assert result["instances"] == [{"name": "web-1"}]
    assert "hidden" not in shown(result["msg"])


def test_a_secret_does_not_show_in_a_refusal(run):
    with pytest.raises(AnsibleActionFail) as refusal:
        run({**GIVEN, **SECRETS, "state": "hidden too"})
    message = shown(str(refusal.value))
    assert "value of state must be one of" in message
    assert "hidden" not in message


@pytest.mark.parametrize(("check", "diff"), [(False, False), (True, False), (False, True), (True, True)])
def test_check_mode_and_diff_reach_the_door(run, monkeypatch, check, diff):
    monkeypatch.setattr(control.display, "verbosity", 2)
    result = run(check_mode=check, diff=diff)
    assert (result["check"], result["diff"], result["verbosity"]) == (check, diff, 2)


def test_a_door_that_says_nothing_is_a_failure(run, door):
    door.stage = lambda module: None
    with pytest.raises(AnsibleActionFail, match="kvmstack.launch.room ended without a result"):
        run()


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"transport": "ssh"}, id="on another host"),
        pytest.param({"become": object()}, id="as another user"),
        pytest.param({"environment": [{}, {"OS_CLOUD": "mine"}]}, id="with another environment"),
        pytest.param({"variables": {"ansible_python_interpreter": "/usr/bin/python9"}}, id="with another Python"),
        pytest.param({"variables": {"ansible_python_interpreter": "auto"}}, id="with a Python yet to be found"),
        pytest.param({"variables": {}}, id="with no Python named"),
        pytest.param({"async_val": 60}, id="asynchronously"),
    ],
)
def test_elsewhere_it_goes_the_modules_way(run, door, how):
    door.stage = None
    result = run(**how)
    assert result["as_module"]
    assert result["wrap_async"] == how.get("async_val", 0)
    assert result["task_vars"] == how.get("variables", HERE)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"environment": [{}, None]}, id="an environment that is empty"),
        pytest.param({"variables": {"ansible_python_interpreter": "{{ python }}"}}, id="a Python by a template"),
    ],
)
def test_here_it_runs_in_the_worker(run, how):
    assert "as_module" not in run(**how)


def test_a_library_that_is_missing_is_for_the_stage_to_say():
    lines = (
        "import gc, sys",
        "from %s import preload" % control.__name__,
        "preload('no_such_library', 'wave')",
        "print('wave' in sys.modules, gc.get_freeze_count() > 0)",
    )
    command = [sys.executable, "-c", "\n".join(lines)]
    environment = {"PYTHONPATH": ":".join(sys.path)}
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert ran.stdout.split() == ["True", "True"]
