# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The API over a real record, asked without a socket; and the runs of a playbook that a worker would make."""

from __future__ import annotations

import base64
import json
import shutil

import falcon.testing
import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.api.app import made
from ansible_collections.kvmstack.launch.plugins.module_utils.api.identity import Identity
from ansible_collections.kvmstack.launch.plugins.module_utils.api.permit import Permits
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import plan, request, sql
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import Database
from ansible_collections.kvmstack.launch.plugins.module_utils.service.settings import Settings
from ansible_collections.kvmstack.launch.tests.unit.instance.conftest import Run, place

DEFINITIONS = {
    "project_id": "p",
    "flavors": {
        "tiny": {"vcpus": 1, "ram": 128},
        "small": {"vcpus": 2, "ram": 512, "disk": 1, "extra_specs": {"hw:cpu_policy": "shared"}},
    },
    "images": {
        "demo": {"url": "https://images.example/demo.qcow2", "checksum": "none", "properties": {"os_admin_user": "me"}},
        "large": {"url": "https://images.example/large.qcow2", "checksum": "none", "min_disk": 20},
    },
    "networks": {"private": {"cidr": "10.20.0.0/24"}, "other": {"cidr": "10.30.0.0/24"}},
    "routers": {},
    "security_groups": {"web": [{"protocol": "tcp", "port": 80, "remote": "0.0.0.0/0"}]},
    "groups": {"spread": {"policy": "anti-affinity"}},
    "quotas": {},
    "project_quotas": {},
    "image_service": "url",
    "network_service": "ovn",
    "volume_service": "file",
}
KEY = "ssh-ed25519 %s me@here" % base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + 32 * b"k").decode()


class Door:
    """An API of its own, and what its workers would do."""

    def __init__(self, folder, **definitions):
        self.folder = folder
        self.url = "sqlite:///%s" % (folder / "launch.db")
        self.definitions = {**DEFINITIONS, "database": self.url, **definitions}
        self.write()
        self.settings = Settings(inventory=("inventory",), state_path=str(folder))
        self.client = falcon.testing.TestClient(made(self.settings))
        self.database = Database(self.url)

    def seen_by(self, project_id="p", admin=False):
        """Let requests come from a user of a project, as an identity service would say."""
        roles = ("admin",) if admin else ("member", "reader")
        known = Identity(project_id, "user", roles=roles, is_admin=admin, policy=Permits().policy(""))
        self.client = falcon.testing.TestClient(made(self.settings, lambda _environ: known))
        return self

    def write(self):
        (self.folder / "definitions.json").write_text(json.dumps(self.definitions))

    def ask(self, method, path, body=None, version=1, **headers):
        """One request; the path is below /v2.1."""
        said = {"Host": "127.0.0.1:8774", "OpenStack-API-Version": "compute 2.%d" % version, **headers}
        given = {} if body is None else {"body": json.dumps(body), "content_type": "application/json"}
        return self.client.simulate_request(method, "/v2.1" + path, headers=said, **given)

    def get(self, path, status=200, version=1):
        """The JSON of a reply that has this status."""
        reply = self.ask("GET", path, version=version)
        assert reply.status_code == status, reply.text
        return reply.json

    def create(self, version=1, status=202, beside=None, **server):
        """What POST /servers says."""
        reply = self.ask("POST", "/servers", {"server": {**self.asked(version), **server}, **(beside or {})}, version)
        assert reply.status_code == status, reply.text
        return reply.json

    def asked(self, version=1):
        [network] = [each for each in self.get("/networks")["networks"] if each["name"] == "private"]
        [image] = [each for each in self.get("/images")["images"] if each["name"] == "demo"]
        return {"name": "web", "flavorRef": "small", "imageRef": image["id"], "networks": [{"uuid": network["id"]}]}

    def act(self, server_id, action, status=202, version=1, said=None):
        reply = self.ask("POST", "/servers/%s/action" % server_id, {action: said}, version)
        assert reply.status_code == status, reply.text
        return reply

    def run(self):
        """A run of the playbook."""
        return Run(self.url, **{key: value for key, value in self.definitions.items() if key != "database"})

    def requests(self):
        """What is still to be done, by the name of the instance."""
        with self.database.reading() as connection:
            rows = connection.execute(self.database.tables.requests.select())
            return {row.name: row for row in rows}

    def finish(self, *names):
        """The requests of these have been done."""
        table = self.database.tables.requests
        with self.database.writing() as connection:
            connection.execute(table.delete().where(table.c.name.in_(names)))

    def launch(self, name="web", host="c1", **server):
        """A server that a worker has launched; its id."""
        made = self.create(name=name, **server)["server"]["id"]
        return self.work(name, host) and made

    def take(self, name, **more):
        """The first thing that a worker does: its run drives the instance; the entry that it is to be like."""
        run, entry = self.run(), self.requests()[name].entry
        params = {**run.params, **more, "instances": [entry]}
        [change] = plan.plan(request.parse(params), sql.connect(params).read(request.parse(params)), "present")
        assert change.error is None
        sql.connect(params).apply([change])
        return entry

    def work(self, name="web", host="c1"):
        """What a worker does: the launch of what the request asks for, and then the request is done."""
        built = self.play(name, host)
        self.finish(name)
        return built

    def play(self, name="web", host="c1"):
        """The launch of what the request asks for."""
        entry = self.take(name)
        place(self.url, host, **({name: host} if self.run().find()[name]["host"] is None else {}))
        document = self.run().find()[name]
        return (self.run().destroyed if entry["state"] == "absent" else self.run().built)(document)[name]


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    """A record that has nothing in it yet."""
    path = tmp_path_factory.mktemp("empty") / "launch.db"
    with Database("sqlite:///%s" % path).writing():
        return path


@pytest.fixture
def doors(tmp_path, empty):
    """doors(quotas=...) is one with other definitions."""
    shutil.copy(empty, tmp_path)
    return lambda **definitions: Door(tmp_path, **definitions)


@pytest.fixture
def door(doors):
    """The API of these tests."""
    return doors()
