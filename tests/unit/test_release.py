# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is released fits beside what its users have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def required(file):
    """The requirements in a file, by name."""
    lines = [line for line in (ROOT / file).read_text().splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(each.name): each for each in map(Requirement, lines)}


USERS = required("requirements.txt")
TESTS = required("tests/requirements.txt")
ROLES = sorted((ROOT / "roles").iterdir())
PINS = required("tests/constraints.txt")


@pytest.mark.parametrize("name", USERS)
def test_a_user_may_have_any_newer_release(name):
    assert [each.operator for each in USERS[name].specifier] == [">="]


@pytest.mark.parametrize("name", USERS)
def test_the_documentation_requires_the_same(name):
    texts = [path.read_text() for path in (ROOT / "plugins").rglob("*.py")]
    said = re.findall(r"^  - (\S+) (\S*) ?(\S*?) ?on the controller$", "\n".join(texts), re.MULTILINE)
    mine = {"".join(rest) for each, *rest in said if canonicalize_name(each) == name}
    assert mine == {str(USERS[name].specifier)}


def test_a_user_keeps_the_ansible_core_that_is_there():
    assert "ansible-core" not in USERS
    [pin] = PINS["ansible-core"].specifier
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
    assert SpecifierSet(runtime["requires_ansible"]).contains(pin.version)


def test_the_tests_run_with_one_release_of_each():
    assert set(PINS) == set(USERS) | set(TESTS)
    for name, requirement in PINS.items():
        [pin] = requirement.specifier
        assert pin.operator == "==", name
        assert {**TESTS, **USERS}[name].specifier.contains(pin.version), name


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_a_role_is_described(role):
    assert (role / "README.md").read_text().startswith("# kvmstack.launch.%s\n" % role.name)
    described = yaml.safe_load((role / "meta/main.yml").read_text())["galaxy_info"]["description"]
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    assert "main" not in specs or described == specs["main"]["short_description"]
