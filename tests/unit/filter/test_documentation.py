# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every filter has its documentation beside it, and that is what the filter takes."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "plugins/filter"
PACKAGE = "ansible_collections.kvmstack.launch.plugins.filter."


def given():
    """Every filter by name, as Ansible gets them."""
    modules = [importlib.import_module(PACKAGE + path.stem) for path in sorted(FOLDER.glob("*.py"))]
    return {name: part for module in modules for name, part in module.FilterModule().filters().items()}


@pytest.fixture(scope="module")
def documented():
    """What ansible-doc makes of the files, by the filter's name."""
    names = ["kvmstack.launch." + path.stem for path in FOLDER.glob("*.yml")]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections")}
    command = [sys.executable, "-m", "ansible", "doc", "--type", "filter", "--json", *names]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return {name.rpartition(".")[2]: entry for name, entry in json.loads(done.stdout).items()}


def test_every_filter_has_documentation_and_no_other():
    assert len(given()) >= 19
    assert {path.stem for path in FOLDER.glob("*.yml")} == set(given())


@pytest.mark.parametrize("name", sorted(given()))
def test_the_documentation_is_of_the_filter(name, documented):
    entry, parameters = documented[name], dict(inspect.signature(given()[name]).parameters)
    parameters = dict(zip(["_input", *list(parameters)[1:]], parameters.values()))
    assert entry["doc"]["short_description"]
    assert set(entry["doc"]["options"]) == set(parameters)
    assert entry["doc"].get("positional", "") == ", ".join(list(parameters)[1:])
    for option, parameter in parameters.items():
        described = entry["doc"]["options"][option]
        required = parameter.default is inspect.Parameter.empty
        assert bool(described.get("required")) == required, option
        assert described.get("default") == (None if required else parameter.default), option
    assert "kvmstack.launch.%s" % name in entry["examples"]
    assert entry["return"]["_value"]["type"]
