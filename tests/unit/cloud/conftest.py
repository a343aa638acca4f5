# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cloud on this machine, and the parameters of an account in it."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.cloud import retry
from ansible_collections.kvmstack.launch.tests.unit.clock import sleeping
from ansible_collections.kvmstack.launch.tests.unit.cloud.fake import PASSWORD, serving


@pytest.fixture
def cloud():
    """The server that plays Keystone and the services."""
    with serving() as server:
        yield server


@pytest.fixture
def params(cloud, tmp_path, monkeypatch):
    """What a door's parameters are. Neither this machine's clouds.yaml nor its OS_* variables play a part."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    auth = {
        "auth_url": cloud.url,
        "username": "ann",
        "password": PASSWORD,
        "project_name": "one",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "token": None,
    }
    return {
        "cloud": {"auth": auth},
        "service_cloud": None,
        "private_path": str(tmp_path / "private"),
        "request_id": None,
        "identity": "keystone",
        "project_id": "default",
        "user_id": None,
        "actions": ["create"],
        "policy_file": None,
    }


@pytest.fixture
def pauses(monkeypatch):
    """The pauses between attempts, which do not last here."""
    made = []
    monkeypatch.setattr(retry, "time", sleeping(made.append))
    return made
