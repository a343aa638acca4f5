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
WITH_QUERY = ["instance", "host", "network", "port", "volume", "domain"]
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
