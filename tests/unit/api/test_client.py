# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The API as gunicorn serves it, to OpenStack's own SDK, which knows nothing but this one address."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import openstack
import pytest
from openstack.exceptions import ConflictException, ForbiddenException, NotFoundException

from ansible_collections.kvmstack.launch.tests.unit.api.conftest import KEY

MAIN = "ansible_collections.kvmstack.launch.plugins.module_utils.api.main"
SECONDS_TO_START = 60

# The SDK warns of its own fields.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def address(doors):
    """Where gunicorn serves the API of a door, with a quota of two instances; and that door."""
    door = doors(quotas={"instances": 2})
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (door.folder / "door.yml").write_text("inventory: hosts\nstate_path: .\nlisten: 127.0.0.1:%d\n" % port)
    environment = {**os.environ, "KVMSTACK_DOOR": str(door.folder / "door.yml"), "PYTHONPATH": "build/collections"}
    environment["HOME"] = str(door.folder)  # newer ones keep a socket there
    with open(door.folder / "log", "wb") as log:
        process = subprocess.Popen([sys.executable, "-m", MAIN], env=environment, stdout=log, stderr=log)
    try:
        wait_for("http://127.0.0.1:%d/" % port, door.folder / "log")
        yield "http://127.0.0.1:%d/v2.1" % port, door
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def wait_for(url, log):
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            return urllib.request.urlopen(url).close()
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)


def connect(url, version):
    auth = {"auth_type": "none", "auth": {"endpoint": url}}
    return openstack.connect(**auth, compute_default_microversion=version, load_yaml_config=False, load_envvars=False)


@pytest.mark.parametrize("version", ["2.1", "2.96"])
def test_openstacks_sdk(address, version):
    url, door = address
    cloud = connect(url, version)
    image, network = cloud.image.find_image("demo"), cloud.network.find_network("private")
    cloud.compute.create_keypair(name="me", public_key=KEY)
    asked = {"image_id": image.id, "flavor_id": "small", "networks": [{"uuid": network.id}], "key_name": "me"}
    server = cloud.compute.create_server(name="web", metadata={"role": "web"}, **asked)
    assert door.work()["uuid"] == server.id
    server = cloud.compute.wait_for_server(server, wait=10)
    assert (server.status, server.name, server.metadata) == ("ACTIVE", "web", {"role": "web"})
    assert [each.id for each in cloud.compute.servers(status="ACTIVE")] == [server.id]
    assert cloud.compute.find_server("web").id == server.id
    assert [each.name for each in cloud.compute.flavors()] == ["small", "tiny"]
    with pytest.raises(ConflictException, match="names are unique"):
        cloud.compute.create_server(name="web", **asked)
    cloud.create_server("other", image="demo", flavor="tiny", network="private", wait=False)
    with pytest.raises(ForbiddenException, match="instances: 2 of 2 used"):
        cloud.compute.create_server(name="more", **asked)
    cloud.compute.stop_server(server)
    door.work()
    assert cloud.compute.wait_for_server(server, status="SHUTOFF", wait=10).vm_state == "stopped"
    assert [each.action for each in cloud.compute.server_actions(server)] == ["stop", "create"]
    assert [each.name for each in cloud.compute.hypervisors(details=True)] == ["c1"]
    cloud.compute.delete_server(server)
    door.work()
    cloud.compute.wait_for_delete(server, wait=10)
    with pytest.raises(NotFoundException):
        cloud.compute.delete_server(server, ignore_missing=False)


def test_a_request_is_accepted_in_no_time(address):
    """What the client waits for is one transaction; the bound is wide, as other things go on beside the tests."""
    url, door = address
    body = json.dumps({"server": door.asked()}).encode()
    sent = urllib.request.Request(url + "/servers", body, {"Content-Type": "application/json"})
    began = time.monotonic()
    with urllib.request.urlopen(sent) as reply:
        assert reply.status == 202
    assert time.monotonic() - began < 2


def test_a_connection_stays_as_long_as_clients_wait_between_two_looks(address):
    """The SDK looks every two seconds, and does not ask again where a connection is closed in its face."""
    url, _door = address
    connection = http.client.HTTPConnection(url.partition("//")[2].partition("/")[0])
    connection.request("GET", "/healthcheck")
    assert connection.getresponse().read() is not None
    kept = connection.sock
    time.sleep(4)
    connection.request("GET", "/healthcheck")
    assert connection.getresponse().status == 200
    assert connection.sock is kept
