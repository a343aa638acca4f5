# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front door beside OpenStack's services: an API and a worker on the controller, started by hand."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Iterator

from openstack.config import OpenStackConfig
from openstack.connection import Connection

from ansible_collections.kvmstack.launch.molecule.openstack.tests.cloud import Cloud
from ansible_collections.kvmstack.launch.molecule.shared.launching import ROOT

ADDRESS = "127.0.0.1:18774"
ENDPOINT = "http://%s/v2.1" % ADDRESS
MODULES = "ansible_collections.kvmstack.launch.plugins.module_utils."


class Door:
    """An API and a worker, by the settings in a folder; launches have these variables beside the site's."""

    def __init__(self, site: Cloud, folder: Path, **variables: Any):
        self.site, self.folder = site, folder
        self.processes: list[subprocess.Popen] = []
        path = folder / "site.json"
        path.write_text(json.dumps({**site.variables, "launch_database": site.database, **variables}))
        inventory = str(ROOT / site.inventory)
        said = {"inventory": inventory, "extra_vars": str(path), "state_path": str(folder / "state"), "listen": ADDRESS}
        (folder / "door.yml").write_text(json.dumps(said))
        told = {**variables, "launch_definitions_path": str(folder / "state/definitions.json")}
        site.run("definitions.yml", told)

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


@contextlib.contextmanager
def opened(site: Cloud, folder: Path, **variables: Any) -> Iterator[Door]:
    """The door, as long as it is needed."""
    door = Door(site, folder, **variables)
    door.start(MODULES + "api.main")
    door.start(MODULES + "worker.main")
    try:
        end = time.monotonic() + 60
        while not door.answers():
            assert time.monotonic() < end, door.logs()
            time.sleep(0.2)
        yield door
    finally:
        door.end()


@contextlib.contextmanager
def in_the_catalog(admin: Connection) -> Iterator[None]:
    """The API is the cloud's compute service, for clients that ask Keystone where that is."""
    service = admin.identity.create_service(type="compute", name="compute")
    admin.identity.create_endpoint(service_id=service.id, interface="public", url=ENDPOINT, region_id="RegionOne")
    try:
        yield
    finally:
        admin.identity.delete_service(service)
