# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front door behind real Keystone: users ask in their projects, and a worker launches by the launcher's account.

API and worker run on the controller, started by hand.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request

import openstack
import pytest
from openstack.config import OpenStackConfig
from openstack.connection import Connection

from ansible_collections.kvmstack.launch.molecule.shared.launching import ROOT

ADDRESS = "127.0.0.1:18774"
ENDPOINT = "http://%s/v2.1" % ADDRESS
MODULES = "ansible_collections.kvmstack.launch.plugins.module_utils."


class Door:
    """An API and a worker, by the settings in a folder."""

    def __init__(self, site, folder):
        self.site, self.folder = site, folder
        self.processes: list[subprocess.Popen] = []
        path = folder / "site.json"
        path.write_text(json.dumps({**site.variables, "launch_database": site.database}))
        inventory = str(ROOT / site.inventory)
        said = {"inventory": inventory, "extra_vars": str(path), "state_path": str(folder / "state"), "listen": ADDRESS}
        (folder / "door.yml").write_text(json.dumps(said))
        site.run("definitions.yml", {"launch_definitions_path": str(folder / "state/definitions.json")})

    def start(self, *command: str) -> None:
        paths = {"PYTHONPATH": str(ROOT / "build/collections"), "KVMSTACK_DOOR": str(self.folder / "door.yml")}
        with open(self.folder / ("%d.log" % len(self.processes)), "wb") as log:
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", *command],
                    cwd=ROOT,
                    env={**os.environ, **self.site.environment, **paths},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )

    def answers(self) -> bool:
        with contextlib.suppress(OSError):
            return urllib.request.urlopen("http://%s/healthcheck" % ADDRESS, timeout=5).status == 200
        return False

    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def end(self) -> None:
        for process in self.processes:
            process.terminate()
            process.wait(timeout=120)

    def by(self, user: str) -> Connection:
        """The cloud as a user sees it, with this API as its compute service."""
        clouds = OpenStackConfig(config_files=[self.site.environment["OS_CLIENT_CONFIG_FILE"]])
        return Connection(config=clouds.get_one(user, compute_endpoint_override=ENDPOINT))

    def asked(self, token: str, path: str = "/servers") -> int:
        """The status of a reply to who has this token."""
        session = self.by("member").session
        said = {"headers": {"X-Auth-Token": token}, "authenticated": False, "raise_exc": False}
        return session.get(ENDPOINT + path, **said).status_code


@pytest.fixture(scope="module")
def door(site, tmp_path_factory):
    door = Door(site, tmp_path_factory.mktemp("door"))
    door.start("gunicorn", "--bind", ADDRESS, "--threads", "8", MODULES + "api.app:application()")
    door.start(MODULES + "worker.main")
    try:
        end = time.monotonic() + 60
        while not door.answers():
            assert time.monotonic() < end, door.logs()
            time.sleep(0.2)
        yield door
    finally:
        door.end()


def ask(cloud: Connection, name: str, **asked):
    """A server of the tiny flavor on the project's network, where it has any."""
    network, image = cloud.network.find_network("private"), cloud.image.find_image("nop")
    return cloud.compute.create_server(
        name=name, image_id=image.id, flavor_id="tiny", networks=[{"uuid": network.id}] if network else "none", **asked
    )


def test_a_member_launches_and_what_is_his_is_his(site, door):
    member, token = door.by("member"), None
    made = ask(member, "asked")
    token = member.auth_token
    try:
        server = member.compute.wait_for_server(made, wait=240)
        row, port = site.record("asked"), site.port("asked")
        assert site.on(row["host"], "virsh domstate %s" % row["uuid"]).strip() == "running"
        assert (row["user_id"], row["project_id"]) == (member.current_user_id, member.current_project_id)
        assert (server.user_id, port["project_id"]) == (row["user_id"], row["project_id"])
        with pytest.raises(openstack.exceptions.NotFoundException):
            door.by("stranger").compute.get_server(made.id)
        assert list(door.by("stranger").compute.servers()) == []
        assert "asked" in [each.name for each in door.by("reader").compute.servers()]
        assert made.id in [each.id for each in door.by("admin").compute.servers(all_projects=True)]
        for refused in (
            lambda: door.by("reader").compute.delete_server(made.id),
            lambda: ask(door.by("reader"), "no"),
            lambda: list(member.compute.servers(all_projects=True)),
            lambda: list(member.compute.hypervisors()),
        ):
            with pytest.raises(openstack.exceptions.ForbiddenException):
                refused()
    finally:
        member.compute.delete_server(made.id)
        member.compute.wait_for_delete(made, wait=240)
    assert token not in door.logs()
    texts = [path.read_text() for path in door.folder.rglob("*") if path.is_file()]
    assert not any(token in text for text in texts)


def test_a_worker_has_no_business_where_the_launcher_has_no_role(site, door):
    """The stranger's request is accepted, as of all projects, and its fault says what is missing."""
    stranger = door.by("stranger")
    made = ask(stranger, "theirs")
    try:
        with pytest.raises(openstack.exceptions.ResourceFailure):
            stranger.compute.wait_for_server(made, wait=280)
        assert "Keystone says" in stranger.compute.get_server(made.id).fault["message"]
    finally:
        site.destroy({"launch_cloud": "stranger", "launch_instances": [{"name": "theirs", "state": "absent"}]})


def test_a_token_that_is_none_is_401_and_keystone_away_503(site, door):
    member = door.by("member")
    assert door.asked("nonsense") == 401
    assert door.asked(member.auth_token) == 200
    late = door.by("reader").auth_token
    with site.without("keystone"):
        assert door.asked(late) == 503
        assert door.asked(member.auth_token) == 200  # it is kept for five minutes
        assert door.answers()
    assert door.asked(late) == 200
