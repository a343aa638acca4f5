# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every stage has every room, and no model reaches the world.

A stage's noun names its module, its room in module_utils, its task in the role (or its place in the build) and its
tests; `parse` is in request.py, `plan` in model.py. Four bend that shape:

token     no list of things but who asks, as the identity service says it: nothing is asked for item by item, or planned
host      facts that compute hosts tell, not things that are made: record.py parses them and is what is recorded of them
schedule  a decision instead of a resource: plan.py is made with the operator's policy, and decides
build     no stage of its own but image, volume and domain in one process, so it takes documents and no request

The API is no stage: what it is asked for it makes an entry of the stage instance, and what it tells is the record's.
Its framework stays outside: resources are plain classes, and all but these, and what they read and write with, think.
"""

from __future__ import annotations

import ast
import functools
import importlib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
UTILS = PLUGINS / "module_utils"
PACKAGE = "ansible_collections.kvmstack.launch.plugins."

STAGES = [
    "token",
    "instance",
    "host",
    "schedule",
    "network",
    "router",
    "image",
    "port",
    "gateway",
    "volume",
    "domain",
    "build",
]
BENT = {"token", "host", "schedule", "build"}
WITH_QUERY = ["instance", "host", "network", "router", "port", "gateway", "volume", "domain"]
# Doors of compute hosts; all others are of the controller.
ON_HOSTS = {
    "bridge",
    "build",
    "console_info",
    "domain",
    "domain_info",
    "gateway",
    "gateway_info",
    "guest_wait",
    "host_info",
    "image",
    "image_cache",
}
DOORS = sorted(path.stem for path in PLUGINS.glob("modules/*.py"))
# What of the API touches: the rest of it thinks.
API = UTILS / "api"
TOUCHING = {
    "accepting",
    "acting",
    "app",
    "asking",
    "attaching",
    "bodies",
    "consoles",
    "gate",
    "keystone",
    "main",
    "permit",
    "reading",
    "rebuilding",
    "resetting",
    "routes",
    "security_groups",
    "services",
    "site",
}
API_MODELS = [*API.glob("views/*.py"), *(path for path in API.glob("*.py") if path.stem not in TOUCHING)]
MODELS = sorted({*UTILS.rglob("model.py"), *UTILS.glob("*/request.py"), UTILS / "instance/inventory.py", *API_MODELS})

# What a model may import, with all that it imports of ours.
PURE = {
    "__future__",
    "ansible.module_utils.common.arg_spec",
    "ansible.module_utils.parsing.convert_bool",
    "ast",
    "base64",
    "bisect",
    "collections",
    "contextlib",
    "copy",
    "dataclasses",
    "datetime",
    "enum",
    "fnmatch",
    "functools",
    "hashlib",
    "heapq",
    "ipaddress",
    "itertools",
    "json",
    "math",
    "operator",
    "os",
    "re",
    "reprlib",
    "shlex",
    "string",
    "struct",
    "types",
    "typing",
    "urllib.parse",
    "uuid",
    "xml.etree.ElementTree",
    "zlib",
}
# What of it only works on paths as texts.
PATHS = {"os.path.%s" % name for name in ("basename", "dirname", "isabs", "join", "normpath", "splitext")}


def door(name):
    return importlib.import_module(PACKAGE + "modules." + name)


@functools.cache
def parsed(path):
    """A file of Python as a tree."""
    return ast.parse(path.read_text())


def stages_of(module):
    """The stages that a door runs, one for each backend."""
    return [*getattr(module, "BACKENDS", {}).values(), *([module.STAGE] if hasattr(module, "STAGE") else [])]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_every_room(stage):
    assert (PLUGINS / "modules" / (stage + ".py")).is_file()
    assert (UTILS / stage / "model.py").is_file()
    assert (UTILS / stage / "request.py").is_file() == (stage not in BENT - {"schedule"})
    assert list((ROOT / "tests/unit" / stage).glob("test_*.py"))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_a_task_of_the_role_or_in_the_build(stage):
    built = {each.noun for each in importlib.import_module(PACKAGE + "module_utils.build.stages").STAGES}
    path = ROOT / "roles/launch/tasks" / (stage + ".yml")
    if not path.is_file():
        assert stage in built
        return
    [task] = yaml.safe_load(path.read_text())
    assert "kvmstack.launch." + stage in task


@pytest.mark.parametrize("stage", WITH_QUERY)
def test_a_stage_that_keeps_things_can_be_asked(stage):
    assert (PLUGINS / "modules" / (stage + "_info.py")).is_file()


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage not in BENT])
def test_a_stage_parses_in_its_request_and_plans_in_its_model(stage):
    runs = stages_of(door(stage))
    assert runs
    for each in runs:
        assert each.noun == stage
        assert each.parse.__module__ == "%smodule_utils.%s.request" % (PACKAGE, stage)
        room = each.plan.__module__.split("module_utils.")[1].split(".")
        # What only comes and goes is planned as all is; a backend that is one file may plan in it, if it is pure.
        assert room[0] == stage or room == ["core", "change"]
        if room[-1] != "model":
            reaches_nothing(UTILS.joinpath(*room).with_suffix(".py"))


@pytest.mark.parametrize("name", DOORS)
def test_what_a_door_chooses_among_is_its_backends(name):
    module = door(name)
    chosen = [option for option in ("service", "driver") if "choices" in getattr(module, "SPEC", {}).get(option, {})]
    assert bool(chosen) == hasattr(module, "BACKENDS")
    for option in chosen:
        assert module.SPEC[option]["choices"] == list(module.BACKENDS)


@pytest.mark.parametrize("name", DOORS)
def test_what_is_not_to_be_shown_is_one_text(name):
    """The values of a mapping would each be masked wherever they occur in a result, names of instances too."""
    spec = door(name).ARGUMENTS["argument_spec"]
    hidden = [option for option, described in spec.items() if described.get("no_log")]
    assert {spec[option]["type"] for option in hidden} <= {"str"}


@pytest.mark.parametrize(("option", "name"), [("network_service", "port"), ("volume_service", "volume")])
def test_a_request_names_the_services_that_there_are(option, name):
    assert door("instance").SPEC[option]["choices"] == list(door(name).BACKENDS)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: str(path.relative_to(UTILS)))
def test_a_model_reaches_nothing(path):
    reaches_nothing(path)


def reaches_nothing(path):
    """A file, and all of ours that it imports, only think."""
    for each in reached(path):
        tree = parsed(each)
        assert set(outside(tree)) <= PURE, each
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("os", "os.path"):
                assert ast.unparse(node) in {"os.path", *PATHS}, each
            assert not (isinstance(node, ast.Call) and ast.unparse(node.func) in ("open", "print", "input")), each


def reached(path):
    """A file of module_utils with all of ours that it imports, however far."""
    found, left = set(), [path]
    while left:
        each = left.pop()
        if each not in found:
            found.add(each)
            left.extend(imports(each))
    return found


def outside(tree):
    """The modules that are none of ours."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module


def test_what_thinks_and_touches_knows_no_door():
    for path in UTILS.rglob("*.py"):
        within = len(path.relative_to(PLUGINS).parts) - 1
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= within, path
                assert node.level or "kvmstack" not in node.module, path
            elif isinstance(node, ast.Import):
                assert not any("kvmstack" in name.name for name in node.names), path


@pytest.mark.parametrize(
    ("library", "place"),
    [
        ("falcon", "api/app.py"),
        ("jsonschema", "api/bodies.py"),
        ("keystonemiddleware.auth_token", "api/keystone.py"),
        ("oslo_messaging", "service/transport.py"),
    ],
)
def test_a_library_of_the_api_is_imported_in_one_place(library, place):
    found = [path for path in UTILS.rglob("*.py") if library in set(outside(parsed(path)))]
    assert found == [UTILS / place]


def test_what_the_api_answers_with_is_routed():
    from ansible_collections.kvmstack.launch.plugins.module_utils.api.routes import ROUTES

    kinds = {(kind.__module__, kind.__name__) for _path, kind, _suffix in ROUTES}
    for path in API.glob("resources/*.py"):
        names = {node.name for node in parsed(path).body if isinstance(node, ast.ClassDef)}
        module = "%smodule_utils.api.resources.%s" % (PACKAGE, path.stem)
        assert {(module, name) for name in names} <= kinds | {
            (module, "Versions"),
            (module, "Health"),
            (module, "Metrics"),
        }, path


def test_check_mode_is_read_in_one_line():
    lines = [line for path in PLUGINS.rglob("*.py") for line in path.read_text().splitlines() if "check_mode" in line]
    assert len([line for line in lines if "module.check_mode" in line]) == 1


def test_two_actions_are_for_all_doors_of_the_controller():
    assert {path.stem for path in PLUGINS.glob("action/*.py")} == {"control", "cloud"}
    redirects = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["plugin_routing"]["action"]
    with_stage = {
        name
        for name in DOORS
        if "def stage(module: AnsibleModule)" in (PLUGINS / "modules" / (name + ".py")).read_text()
    }
    assert set(redirects) == with_stage - ON_HOSTS
    assert {name for name, entry in redirects.items() if entry["redirect"] == "kvmstack.launch.cloud"} == {"token"}
    assert {entry["redirect"] for entry in redirects.values()} == {"kvmstack.launch.control", "kvmstack.launch.cloud"}


@pytest.mark.parametrize("name", DOORS)
def test_defaults_for_the_cloud_are_of_the_doors_that_take_one(name):
    group = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]["cloud"]
    assert (name in group) == ("cloud" in getattr(door(name), "SPEC", {}))


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
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            candidates = [folder / (name.name + ".py") for name in node.names] + [folder.with_suffix(".py")]
            yield from (candidate for candidate in candidates if candidate.is_file())


def test_no_two_files_import_each_other_in_a_circle():
    left = {path: set(imports(path)) for path in UTILS.rglob("*.py")}
    assert sum(map(len, left.values())) > len(left)
    while True:
        free = {path for path, needed in left.items() if not needed & set(left)}
        if not free:
            break
        left = {path: needed for path, needed in left.items() if path not in free}
    assert not left, sorted(str(path.relative_to(PLUGINS)) for path in left)


# Each table's one writer in record/; preview.py copies tables in memory only.
WRITERS = {
    "records": "identity",
    "instances": "instances",
    "instance_actions": "events",
    "instance_action_events": "events",
    "instance_faults": "events",
    "instance_groups": "groups",
    "projects": "projects",
    "volumes": "volumes",
    "compute_nodes": "compute_nodes",
    "allocations": "allocations",
    "remains": "remains",
    "requests": "requests",
    "server_extras": "server_extras",
    "key_pairs": "key_pairs",
    "workers": "workers",
    "console_outputs": "consoles",
}
RECORD = UTILS / "record"
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
    for function in ast.walk(parsed(path)):
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
