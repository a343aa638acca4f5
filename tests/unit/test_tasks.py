# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tasks of the role launch and its playbooks are a table of contents: one list travels, nothing else is kept."""

from __future__ import annotations

import importlib
from pathlib import Path

import jinja2
import pytest
import yaml
from jinja2 import nodes

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "roles/launch"
MODULE = "kvmstack.launch."
PACKAGE = "ansible_collections.kvmstack.launch.plugins.modules."

# The list that travels, what is asked once for it, and what compute hosts answer for filters to collect.
REGISTERED = {
    "launch",
    "launch_token",
    "launch_image_info",
    "launch_hosts",
    "launch_host_info",
    "launch_console_info",
    "launch_built",
    "launch_domains",
    "launch_volumes",
    "launch_gateways",
    "launch_networks_found",
    "launch_ports",
    "launch_wires",
    "launch_audit",
    "launch_kept",
    "launch_removed",
    "launch_controller",
    "launch_guests",
}
# How a task brings in another file, and where that is named.
BRINGS = ("ansible.builtin.import_tasks", "ansible.builtin.include_tasks", "ansible.builtin.import_role")
# Keys whose values are expressions without braces.
BARE = ("when", "failed_when", "changed_when", "until", "that")


def flat(tasks):
    """Tasks, also those in blocks."""
    for task in tasks or ():
        yield task
        for part in ("block", "rescue", "always"):
            yield from flat(task.get(part))


FILES = {path.stem: list(flat(yaml.safe_load(path.read_text()))) for path in sorted(ROLE.glob("tasks/*.yml"))}
PLAYS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(ROOT.glob("playbooks/*.yml"))}
TASKS = [(name, task) for name, tasks in FILES.items() for task in tasks]
TASKS += [(name, task) for name, plays in PLAYS.items() for play in plays for task in flat(play.get("tasks"))]
VARIABLES = yaml.safe_load((ROLE / "vars/main.yml").read_text())
SPECS = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]
DEFAULTS = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
named = pytest.mark.parametrize(("name", "task"), TASKS, ids=["%s: %s" % (name, task["name"]) for name, task in TASKS])


def parsed(value, bare=False):
    """The syntax trees of all templates in a value."""
    if isinstance(value, dict):
        return [tree for key, each in value.items() for tree in parsed(each, key in BARE)]
    if isinstance(value, list):
        return [tree for each in value for tree in parsed(each, bare)]
    if not isinstance(value, str):
        return []
    return [jinja2.Environment().parse("{{ %s }}" % value if bare else value)]


def used(value):
    """The names of the variables in a value's templates."""
    return {node.name for tree in parsed(value) for node in tree.find_all(nodes.Name)}


def module_of(task):
    """The collection's module that a task runs."""
    return next((key[len(MODULE) :] for key in task if key.startswith(MODULE)), None)


def brought(task):
    """The file of the role that a task brings in."""
    for key in BRINGS:
        if key in task:
            value = task[key]
            return Path(value if isinstance(value, str) else value["tasks_from"]).stem
    return None


@named
def test_a_task_registers_the_list_or_one_of_the_few_others(name, task):
    assert task.get("register") in REGISTERED | {None}
    assert not {key for key in task if key.rpartition(".")[2] == "set_fact"}


@named
def test_a_task_on_a_compute_host_ends(name, task):
    """A host that goes silent in the middle of a task would hold the whole run for ever."""
    plays = [play for each in PLAYS.values() for play in each if play.get("vars_files") == "vars/compute_host.yml"]
    if module_of(task) and name in {brought(each) for play in plays for each in flat(play.get("tasks"))}:
        assert used(task["timeout"]) & {"launch_build_timeout", "launch_info_timeout", "launch_wait_timeout"}


@named
def test_the_argument_specs_are_read_with_the_request_only(name, task):
    """They are long, and Ansible would copy them for each play that brings in the role, also without a use."""
    role = task.get("ansible.builtin.import_role", {})
    if role.get("name") == "kvmstack.launch.launch":
        assert role.get("rolespec_validate", True) == (role["tasks_from"] in SPECS)


@named
def test_no_task_is_repeated(name, task):
    """But the one that Ansible takes hosts from: one of a result."""
    if "ansible.builtin.add_host" in task:
        return
    assert not {key for key in task if key in ("loop", "until", "retries") or key.startswith("with_")}


def test_all_of_what_may_be_registered_is():
    assert {task.get("register") for _name, task in TASKS} - {None} == REGISTERED


@named
def test_a_task_reads_other_hosts_through_filters_only(name, task):
    for tree in parsed(task):
        arguments = [each for part in tree.find_all(nodes.Filter) for each in part.args]
        handed = {id(node) for each in arguments for node in of_hostvars(each)}
        assert {id(node) for node in of_hostvars(tree)} == handed


def of_hostvars(tree):
    """Where hostvars is read."""
    every = [tree] if isinstance(tree, nodes.Name) else tree.find_all(nodes.Name)
    return [node for node in every if node.name == "hostvars"]


@pytest.mark.parametrize("name", PLAYS)
def test_a_play_reads_what_the_controller_has_registered_and_no_other(name):
    for play in PLAYS[name]:
        for tree in parsed({key: value for key, value in play.items() if key != "tasks"}):
            of_localhost = [node for node in tree.find_all(nodes.Getattr) if node.attr == "localhost"]
            of_localhost += [node for node in tree.find_all(nodes.Getitem) if node.arg == nodes.Const("localhost")]
            assert len(of_hostvars(tree)) == len(of_localhost)


@pytest.mark.parametrize("name", PLAYS)
def test_a_play_is_the_controllers_or_reaches_its_hosts_without_a_file(name):
    for play in PLAYS[name]:
        # What asks Ansible alone, wherever it happens to be, reaches nobody.
        if "hosts" in play and name != "controller":
            of_controller = play["hosts"] == "localhost" or play["hosts"].endswith("kvmstack.launch.controller }}")
            assert play["vars_files"] == "vars/%s.yml" % ("controller" if of_controller else "compute_host")


@pytest.mark.parametrize(
    ("name", "task"),
    [pytest.param(name, task, id="%s: %s" % (name, module_of(task))) for name, task in TASKS if module_of(task)],
)
def test_a_task_passes_what_its_module_takes(name, task):
    spec = importlib.import_module(PACKAGE + module_of(task)).ARGUMENTS["argument_spec"]
    passed = task[MODULE + module_of(task)]
    assert set(passed) <= set(spec)
    assert {option for option, described in spec.items() if described.get("required")} <= set(passed)


def test_all_that_a_build_can_be_told_is_a_variable():
    [task] = FILES["build"]
    spec = importlib.import_module(PACKAGE + "build").ARGUMENTS["argument_spec"]
    assert set(task[MODULE + "build"]) == set(spec)


def missing(name):
    """The underscored variables that a file needs and does not have of itself or of the role's vars."""
    needed = set()
    for task in FILES[name]:
        below = missing(brought(task)) if brought(task) else set()
        needed |= {each for each in used(task) | below if each.startswith("_")} - set(task.get("vars", ()))
    return needed - set(VARIABLES)


@pytest.mark.parametrize("playbook", PLAYS)
def test_every_variable_of_the_role_is_defined_for_who_uses_it(playbook):
    for play in PLAYS[playbook]:
        for task in filter(brought, flat(play.get("tasks"))):
            assert missing(brought(task)) - set(play.get("vars", ())) - set(task.get("vars", ())) == set()


@pytest.mark.parametrize("name", FILES)
def test_every_file_of_the_role_is_brought_in(name):
    assert name in {brought(task) for _name, task in TASKS}


def test_what_the_role_uses_is_given_registered_or_its_own():
    holders = [*(task for _name, task in TASKS), *(play for plays in PLAYS.values() for play in plays)]
    own = {each for holder in holders for each in holder.get("vars", ())}
    known = set(DEFAULTS) | set(VARIABLES) | REGISTERED | own
    for value in [VARIABLES, *(task for _name, task in TASKS)]:
        assert {each for each in used(value) if each.lstrip("_").startswith("launch")} <= known


def test_every_variable_of_the_role_is_used():
    everywhere = used([VARIABLES, *(task for _name, task in TASKS)])
    assert set(VARIABLES) <= everywhere
