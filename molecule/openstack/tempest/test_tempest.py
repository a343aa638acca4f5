# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""OpenStack's own tests of a Compute API, on ours: `./dev tempest`.

include.txt has the tests, a regular expression a line. expected.txt has those that do not pass, each with the reason;
all others pass, and one of these that does is to be struck off.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Iterator

import pytest
from openstack.connection import Connection

from ansible_collections.kvmstack.launch.molecule.openstack.tests.door import Door, in_the_catalog, opened
from ansible_collections.kvmstack.launch.molecule.shared.launching import ROOT

HERE = Path(__file__).parent
TEMPEST = ROOT / "build/tempest/bin/tempest"
# What nobody has here, and Tempest leaves out when it is told.
LACKING = (
    "attach_encrypted_volume change_password cold_migration enable_instance_password interface_attach live_migration "
    "pause personality rescue resize shelve snapshot stable_rescue suspend swap_volume unified_limits vnc_console"
)
RESULT = re.compile(r"^\{\d+\} (?P<test>.+?) \[[\d.]+s\] \.\.\. (?P<word>ok|FAILED|SKIPPED)")


@pytest.fixture(scope="module")
def door(site, tmp_path_factory) -> Iterator[Door]:
    # Guests of the image nop do not hear that they are to shut down.
    folder, variables = tmp_path_factory.mktemp("door"), {"launch_shutdown_timeout": 2}
    site.survey()  # hosts are known by then
    with opened(site, folder, **variables) as door, in_the_catalog(site.admin), _for_new_projects(site.admin):
        yield door


@contextlib.contextmanager
def _for_new_projects(admin: Connection) -> Iterator[None]:
    """All projects have a network, and the launcher acts in every new one."""
    identity = admin.identity
    network = admin.network.create_network(name="tempest", is_shared=True)
    admin.network.create_subnet(network_id=network.id, name="tempest", ip_version=4, cidr="10.40.0.0/20")
    launcher, member = identity.find_user("launch"), identity.find_role("member")
    given = "/OS-INHERIT/domains/%s/users/%s/roles/%s/inherited_to_projects"
    identity.put(given % (launcher.domain_id, launcher.id, member.id))
    try:
        yield
    finally:
        identity.delete(given % (launcher.domain_id, launcher.id, member.id))
        admin.network.delete_network(network)


def _settings(site, folder: Path) -> dict[str, dict[str, Any]]:
    """What Tempest is told of the cloud."""
    images = {name: site.admin.image.find_image(name).id for name in ("nop", "demo")}
    auth = site.admin.config.auth
    return {
        "DEFAULT": {"log_file": folder / "tempest.log"},
        "oslo_concurrency": {"lock_path": folder},
        "auth": {
            "use_dynamic_credentials": True,
            "create_isolated_networks": False,
            "tempest_roles": "member",
            "admin_username": auth["username"],
            "admin_password": auth["password"],
            "admin_project_name": auth["project_name"],
            "admin_domain_name": "Default",
        },
        "identity": {
            "uri_v3": auth["auth_url"],
            "auth_version": "v3",
            "region": "RegionOne",
            "v3_endpoint_type": "public",
            "default_domain_id": "default",
        },
        "service_available": {
            **dict.fromkeys(("nova", "neutron", "glance"), True),
            **dict.fromkeys(("cinder", "swift", "horizon"), False),
        },
        "compute": {
            "image_ref": images["nop"],
            "image_ref_alt": images["demo"],
            "flavor_ref": "tiny",
            "flavor_ref_alt": "small",
            "min_compute_nodes": 1,
            "build_interval": 1,
            "build_timeout": 120,
            "fixed_network_name": "tempest",
        },
        "compute-feature-enabled": {**dict.fromkeys(LACKING.split(), False), "console_output": True},
        "validation": {"run_validation": False},
    }


def _run(site, folder: Path, version: str) -> dict[str, str]:
    """What became of each test: ok, FAILED or SKIPPED."""
    init = [TEMPEST, "init", "--workspace-path", folder / "workspaces.yaml", folder / "tempest"]
    subprocess.run(init, check=True, capture_output=True, timeout=120)
    folder = folder / "tempest"
    settings = configparser.RawConfigParser()
    settings.read_dict(_settings(site, folder))
    if version:
        settings["compute"]["max_microversion"] = version
    with open(folder / "etc/tempest.conf", "w") as file:
        settings.write(file)
    command = [TEMPEST, "run", "--serial", "--include-list", HERE / "include.txt"]
    environment = {**os.environ, "TEMPEST_CONFIG_DIR": str(folder / "etc")}
    environment.pop("PYTHONPATH", None)
    told = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=7200, check=False
    )
    (folder / "told.txt").write_text(told.stdout + told.stderr)
    found = map(RESULT.match, told.stdout.splitlines())
    return {each["test"].split("[")[0]: each["word"] for each in found if each}


def _expected(version: str) -> dict[str, str]:
    """By test why it does not pass."""
    lines = [line.partition("#") for line in (HERE / "expected.txt").read_text().splitlines()]
    return {test.strip(): reason.strip() for test, _hash, reason in lines if test.strip()}


@pytest.mark.parametrize("version", ["", "2.96"], ids=["2.1", "2.96"])
def test_what_nova_promises_is_kept(site, door, tmp_path, version):
    found = _run(site, tmp_path, version)
    words = {word: sorted(test for test in found if found[test] == word) for word in ("ok", "FAILED", "SKIPPED")}
    print(", ".join("%d %s" % (len(tests), word) for word, tests in words.items()), tmp_path)
    expected = _expected(version)
    assert [test for test in words["FAILED"] if test not in expected] == []
    assert [test for test in expected if found.get(test) == "ok"] == [], "they pass by now"
    assert words["ok"]
