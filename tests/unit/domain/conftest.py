# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An instance's document with what the stages before made of its parts, as the tests of this stage have it."""

from __future__ import annotations

import copy
import json

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.domain import libvirt as backend
from ansible_collections.kvmstack.launch.plugins.module_utils.domain import lifecycle
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.model import Hypervisor, plan
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.request import parse
from ansible_collections.kvmstack.launch.tests.unit.domain.fake_libvirt import FAKE, Host

UUID = "11111111-0000-4000-8000-000000000001"
PORT = "22222222-0000-4000-8000-000000000002"
VOLUME = "33333333-0000-4000-8000-000000000003"

PARAMS = {
    "state": "present",
    "state_path": "/srv/state",
    "virt_type": "qemu",
    "cpu_model": None,
    "vnc": False,
    "vif_plugging_timeout": 0.2,
    "shutdown_timeout": 0.2,
    "user_data": "",
    "vendor_data": "{}",
    "volume_secrets": "",
    "domains": [
        {
            "uuid": UUID,
            "name": "web-1",
            "project_id": "default",
            "user_id": None,
            "status": "BUILD",
            "host": "compute-1",
            "zone": "north",
            "flavor": {"name": "small", "vcpus": 2, "ram": 512, "disk": 1, "extra_specs": {}},
            "image": {
                "name": "demo",
                "properties": {},
                "path": "/srv/state/instances/%s/root.qcow2" % UUID,
                "format": "qcow2",
                "disk_format": "raw",
                "base": "/srv/state/base/sha256-12.raw",
            },
            "metadata": {"role": "web"},
            "ssh_keys": ["ssh-ed25519 AAAA me"],
            "ports": [
                {
                    "id": PORT,
                    "name": "web-1-private",
                    "network": "private",
                    "mac_address": "fa:16:3e:00:00:01",
                    "fixed_ip": "10.20.0.11",
                    "tap": "kvt22222222-00",
                    "cidr": "10.20.0.0/24",
                    "dns": ["10.20.0.2", "10.20.0.2"],
                    "mtu": 1442,
                }
            ],
            "volumes": [
                {
                    "id": VOLUME,
                    "name": "data",
                    "size": 1,
                    "device": "vdb",
                    "path": "/srv/state/volumes/%s.raw" % VOLUME,
                    "format": "raw",
                }
            ],
        }
    ],
}


@pytest.fixture
def ask():
    """Parameters that ask for one complete domain; keywords change its document."""

    def ask(**changes):
        params = copy.deepcopy(PARAMS)
        params["domains"][0].update(changes)
        return params

    return ask


@pytest.fixture
def domain(ask):
    """The complete domain, as it would be made on a host."""
    return parse(ask())[0].on(Hypervisor("qemu"))


@pytest.fixture
def host(monkeypatch):
    monkeypatch.setattr(backend.openvswitch, "plugged", lambda: {"kvt22222222-00": PORT})
    monkeypatch.setattr(backend.openvswitch, "datapath_type", lambda bridge: "netdev")
    monkeypatch.setattr(backend, "POLL", 0.01)
    monkeypatch.setattr(lifecycle.iso, "write", lambda path, files: open(path, "wb").close())
    return Host()


@pytest.fixture
def run(host, ask, tmp_path):
    """One run of the stage over the complete domain."""

    def run(state="present", connection=None, password=None, nowhere=False, size=None, deadline=None, **changes):
        params = {**ask(**changes), "state": state, "state_path": str(tmp_path), "deadline": deadline}
        volumes = params["domains"][0]["volumes"]
        if connection:
            volumes[0].update(connection=connection, volume_id="service-1", size=size)
        if nowhere:
            volumes[0].update(path=None)
        if password:
            params["volume_secrets"] = json.dumps({"service-1": password})
        stage = backend.Libvirt(FAKE, host, params)
        wanted = parse(params)
        changes = plan(wanted, stage.read(wanted), state)
        outcome = stage.apply([change for change in changes if change.pending])
        return changes[0].action, outcome.get(UUID, changes[0].error)

    return run
