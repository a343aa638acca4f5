# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets are hidden by us, or by an Ansible that was told."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core import secrets
from ansible_collections.kvmstack.launch.tests.unit.shown import shown


@pytest.fixture
def told(monkeypatch):
    """What an ansible-core like 2.22 is told."""
    found = []
    newer = ModuleType("ansible.module_utils.secrets")
    newer.register_secrets = found.extend
    monkeypatch.setitem(sys.modules, newer.__name__, newer)
    importlib.reload(secrets)
    yield found
    monkeypatch.undo()
    importlib.reload(secrets)


def test_no_secret_is_shown():
    said = secrets.hide({"msg": "ann is hidden", "name": "ann"}, {"hidden"})
    assert shown(str(said)) == str({"msg": "ann is ********", "name": "ann"})


def test_an_ansible_that_hides_secrets_is_told_them(told):
    assert secrets.hide("ann is hidden", {"hidden"}) == "ann is hidden"
    secrets.register({"hidden too"})
    assert told == ["hidden", "hidden too"]
