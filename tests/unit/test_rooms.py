# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every stage has every room, and no model reaches the world."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
STAGES = ["token", "instance", "host", "schedule", "image", "port", "volume", "domain"]
WITH_QUERY = ["instance", "host", "port", "volume", "domain"]
PURE = frozenset(
    [
        "__future__",
        "abc",
        "ansible",
        "ast",
        "base64",
        "bisect",
        "collections",
        "copy",
        "dataclasses",
        "datetime",
        "enum",
        "fnmatch",
        "functools",
        "getpass",
        "hashlib",
        "heapq",
        "ipaddress",
        "itertools",
        "json",
        "math",
        "operator",
        "os",
        "random",
        "re",
        "string",
        "struct",
        "types",
        "typing",
        "urllib",
        "uuid",
        "xml",
    ]
)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_every_room(stage):
    assert (PLUGINS / "modules" / (stage + ".py")).is_file()
    assert (PLUGINS / "module_utils" / stage / "model.py").is_file()
    assert (ROOT / "roles/launch/tasks" / (stage + ".yml")).is_file()
    assert list((ROOT / "tests/unit" / stage).glob("test_*.py"))


@pytest.mark.parametrize("stage", WITH_QUERY)
def test_a_stage_that_keeps_things_can_be_asked(stage):
    assert (PLUGINS / "modules" / (stage + "_info.py")).is_file()


@pytest.mark.parametrize("path", sorted(PLUGINS.glob("module_utils/*/model.py")), ids=lambda path: path.parent.name)
def test_a_model_reaches_nothing(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert {name.name.split(".")[0] for name in node.names} <= PURE
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert node.module.split(".")[0] in PURE


def test_check_mode_is_read_in_one_line():
    lines = [line for path in PLUGINS.rglob("*.py") for line in path.read_text().splitlines() if "check_mode" in line]
    assert len([line for line in lines if "module.check_mode" in line]) == 1


@pytest.mark.parametrize("path", sorted(PLUGINS.glob("action/*.py")), ids=lambda path: path.stem)
def test_an_action_is_of_its_module(path):
    assert "from ..modules import %s as door" % path.stem in path.read_text()
    assert (PLUGINS / "modules" / path.name).is_file()


def test_the_shipped_folders_need_no_other():
    for folder in ("plugins", "roles", "playbooks", "meta"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".yml"):
                text = path.read_text()
                assert not any(word in text for word in ("molecule/", "tests/guests", "examples/")), path


@pytest.mark.parametrize("role", sorted(path.name for path in (ROOT / "roles").iterdir()))
def test_a_roles_defaults_and_its_argument_specs_agree(role):
    specs = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())["argument_specs"]
    options = {name: option for entry in specs.values() for name, option in entry["options"].items()}
    defaults = yaml.safe_load((ROOT / "roles" / role / "defaults/main.yml").read_text()) or {}
    assert set(defaults) <= set(options)
    for name, option in options.items():
        if "default" in option:
            assert defaults.get(name) == option["default"], name


def test_a_requests_keys_are_the_same_everywhere():
    from ansible_collections.kvmstack.launch.plugins.module_utils.instance import parts, request

    specs = yaml.safe_load((ROOT / "roles/launch/meta/argument_specs.yml").read_text())["argument_specs"]
    entry = specs["accept"]["options"]["launch_instances"]["options"]
    assert set(entry) - {"user_data"} == request.INSTANCE_KEYS
    assert set(entry["volumes"]["options"]) == parts.VOLUME_KEYS


def imports(path):
    """The files of module_utils that a file of it imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            candidates = [folder / (name.name + ".py") for name in node.names] + [folder.with_suffix(".py")]
            yield from (candidate for candidate in candidates if candidate.is_file())


def test_no_two_files_import_each_other_in_a_circle():
    left = {path: set(imports(path)) for path in (PLUGINS / "module_utils").rglob("*.py")}
    assert sum(map(len, left.values())) > len(left)
    while True:
        free = {path for path, needed in left.items() if not needed & set(left)}
        if not free:
            break
        left = {path: needed for path, needed in left.items() if path not in free}
    assert not left, sorted(str(path.relative_to(PLUGINS)) for path in left)
# Each table's one writer in record/; preview copies tables in memory, and revisions make them.
# Each table's one writer in record/; a revision makes the identity in records. preview.py copies tables in memory only.
WRITERS = {
    "records": None,
    "instances": "instances",
    "instance_actions": "events",
    "instance_action_events": "events",
    "instance_faults": "events",
    "instance_groups": "groups",
    "projects": "projects",
    "volumes": "volumes",
    "compute_nodes": "compute_nodes",
    "allocations": "allocations",
}
RECORD = PLUGINS / "module_utils/record"
STATEMENTS = {"insert", "update", "delete"}


def tables_named(node):
    """The table of `tables.x`, or those of a tuple of such; None for what is none."""
    if isinstance(node, ast.Tuple):
        return [tables_named(each) for each in node.elts]
    of_tables = isinstance(node, ast.Attribute) and (
        (isinstance(node.value, ast.Attribute) and node.value.attr == "tables")
        or (isinstance(node.value, ast.Name) and node.value.id == "tables")
    )
    return node.attr if of_tables else None


def tables_written(path):
    """The tables that a file makes statements of; "?" for one that this cannot tell."""
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef):
            continue
        known = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                target, value = node.targets[0], tables_named(node.value)
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                values = value if isinstance(value, list) else [value]
                known.update({name.id: each for name, each in zip(names, values) if isinstance(name, ast.Name)})
        for node in ast.walk(function):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.args or node.keywords:
                continue
            if node.func.attr in STATEMENTS:
                base = node.func.value
                yield tables_named(base) or (isinstance(base, ast.Name) and known.get(base.id)) or "?"


def test_every_table_has_one_writer():
    from ansible_collections.kvmstack.launch.plugins.module_utils.record.schema import schema

    assert set(WRITERS) == set(schema().metadata.tables)
    writes = set()
    for path in RECORD.glob("*.py"):
        writes |= {(path.stem, table) for table in tables_written(path) if path.stem != "preview"}
    assert writes == {(writer, table) for table, writer in WRITERS.items() if writer}


def test_nobody_else_writes_a_table():
    for path in PLUGINS.rglob("*.py"):
        if RECORD not in path.parents and "database.tables" in path.read_text():
            assert list(tables_written(path)) == [], path
