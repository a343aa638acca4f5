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
from packaging.version import Version

ROOT = Path(__file__).parents[2]


def required(file):
    """The requirements in a file, by name."""
    lines = [line for line in (ROOT / file).read_text().splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(each.name): each for each in map(Requirement, lines)}


USERS = required("requirements.txt")
API = required("requirements-api.txt")
TESTS = {**required("tests/requirements.txt"), **required("tests/galaxy.txt")}
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text())
DOCUMENTED = sorted(
    path.relative_to(ROOT)
    for pattern in (
        "plugins/modules/*.py",
        "plugins/inventory/*.py",
        "plugins/lookup/*.py",
        "plugins/filter/*.yml",
        "roles/*/meta/argument_specs.yml",
    )
    for path in ROOT.glob(pattern)
)
ROLES = sorted((ROOT / "roles").iterdir())
PINS = required("tests/constraints.txt")


@pytest.mark.parametrize("requirement", [*USERS.values(), *API.values()], ids=str)
def test_a_user_may_have_any_newer_release(requirement):
    assert [each.operator for each in requirement.specifier] == [">="]


def test_who_only_launches_needs_nothing_of_the_api():
    assert API
    assert not set(API) & set(USERS)
    assert "requirements-api.txt" not in GALAXY["build_ignore"]


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
    known = {**TESTS, **USERS, **API}
    assert set(PINS) == set(known)
    for name, requirement in PINS.items():
        [pin] = requirement.specifier
        assert pin.operator == "==", name
        assert known[name].specifier.contains(pin.version), name


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_a_role_is_described(role):
    assert (role / "README.md").read_text().startswith("# kvmstack.launch.%s\n" % role.name)
    described = yaml.safe_load((role / "meta/main.yml").read_text())["galaxy_info"]["description"]
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    assert "main" not in specs or described == specs["main"]["short_description"]


@pytest.mark.parametrize("path", DOCUMENTED, ids=str)
def test_what_is_documented_says_since_when_it_is_there(path):
    added = re.findall(r"^ {0,4}version_added: (\S+)$", (ROOT / path).read_text(), re.MULTILINE)
    assert added
    assert max(map(Version, added)) <= Version(GALAXY["version"])


def test_every_release_is_in_the_changelog():
    releases = yaml.safe_load((ROOT / "changelogs/changelog.yaml").read_text())["releases"]
    text = (ROOT / "CHANGELOG.rst").read_text()
    assert re.findall(r"^v(\S+)$", text, re.MULTILINE) == sorted(releases, key=Version, reverse=True)
    assert max(map(Version, releases)) <= Version(GALAXY["version"])


def description(path):
    """Since when something documented is there, and its short description; of a role only where it has a main."""
    text = (ROOT / path).read_text()
    if path.suffix == ".py":
        text = re.search(r'^DOCUMENTATION = r?"""\n(.*?)"""', text, re.DOTALL | re.MULTILINE)[1]
    read = next(yaml.safe_load_all(text))
    told = read.get("DOCUMENTATION") or read.get("argument_specs", {"main": read}).get("main") or {}
    return told.get("version_added"), told.get("short_description")


def test_the_next_release_tells_of_plugins_and_roles_what_they_say_of_themselves():
    release = yaml.safe_load((ROOT / "changelogs/changelog.yaml").read_text())["releases"].get(GALAXY["version"])
    if release is None:
        pytest.skip("%s is not in the changelog yet" % GALAXY["version"])
    told = {"modules": release["modules"], **release["plugins"], "roles": release["objects"]["role"]}
    told = {(kind, each["name"]): each["description"] for kind, list_ in told.items() for each in list_}
    said = {}
    for path in DOCUMENTED:
        kind, name = path.parts[-2], path.stem
        if path.parts[0] == "roles":
            kind, name = "roles", path.parts[1]
        added, words = description(path)
        if added == GALAXY["version"]:
            said[kind, name] = words
    assert told == said
    text = (ROOT / "CHANGELOG.rst").read_text()
    assert [each for each in said.items() if "- kvmstack.launch.%s - %s\n" % (each[0][1], each[1]) not in text] == []


def test_galaxy_is_told_what_it_asks_for():
    assert Version(GALAXY["version"]) >= Version("1.0.0")
    for file in (GALAXY["readme"], "LICENSE", "CHANGELOG.rst", "CODE_OF_CONDUCT.md", "meta/runtime.yml"):
        assert (ROOT / file).is_file()
        assert file not in GALAXY["build_ignore"]


def test_an_execution_environment_has_what_the_controller_needs():
    needs = yaml.safe_load((ROOT / "meta/execution-environment.yml").read_text())["dependencies"]
    assert needs["python"] == "requirements.txt"
    assert "requirements.txt" not in GALAXY["build_ignore"]
