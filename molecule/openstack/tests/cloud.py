# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The test hosts with OpenStack's services: launches on these, and what OpenStack's own command line says of them."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import time
from pathlib import Path
from typing import Any, Iterator

import yaml
from openstack.config import OpenStackConfig
from openstack.connection import Connection
from openstack.exceptions import raise_from_response

from ansible_collections.kvmstack.launch.molecule.shared.launching import ROOT, Site

# What converge.yml launches, and which services it is launched with.
REQUEST = yaml.safe_load((Path(__file__).parents[1] / "request.yml").read_text())
NAMES = [entry["name"] for entry in REQUEST["launch_instances"]]

# In place of Cinder: the cluster itself, and the libvirt secret by which the hosts know its client.
CEPH = {
    "launch_volume_service": "rbd",
    "launch_ceph": {
        "conf": str(ROOT / "build/hosts/ceph/ceph.conf"),
        "keyring": str(ROOT / "build/hosts/ceph/ceph.client.cinder.keyring"),
        "secret_uuid": "3f0c6a3e-6a53-4f5b-9a10-3c0e4a7f0001",
    },
}

# What one instance of request() has of everything.
WHOLE = {"domains": 1, "ports": 1, "claims": 1, "volumes": 1, "attachments": 1}

# Whatever a launch could leave behind: the service that has it, and where that lists it for the operator.
LISTS = {
    "ports": ("network", "/ports"),
    "floating IPs": ("network", "/floatingips"),
    "volumes": ("block_storage", "/volumes?all_tenants=1"),
    "attachments": ("block_storage", "/attachments?all_tenants=1"),
    "images": ("image", "/images?limit=1000"),
}
# The same as the services' databases have it, with the revision of each thing.
TABLES = {
    "neutron": "ports ipallocations ml2_port_bindings floatingips securitygroupportbindings tags standardattributes",
    "cinder": "volumes volume_attachment volume_metadata snapshots",
    "glance": "images image_members image_locations",
}
# The services that a test may stop, and where they listen on the control host.
LISTENING = {"keystone": 5000, "glance-api": 9292, "neutron-server": 9696, "cinder-api": 8776, "ceph-mon@control": 6789}


def request(*names: str, **entry: Any) -> dict:
    """A request for instances without much of a guest, each with a volume that goes with it."""
    return {
        "launch_instances": [
            {
                "name": name,
                "flavor": "tiny",
                "image": "nop",
                "networks": ["private"],
                "volumes": [{"name": "data", "size": 1, "delete_on_termination": True}],
                **entry,
            }
            for name in names
        ],
    }


class Cloud(Site):
    """The control host, the compute hosts and the services; launches are the member's unless a request says else."""

    inventory = "molecule/openstack/inventory"
    central = "control"
    compute_hosts = ("compute-1", "compute-2")
    variables = {key: value for key, value in REQUEST.items() if key != "launch_instances"}
    environment = {"OS_CLIENT_CONFIG_FILE": str(ROOT / "build/hosts/clouds.yaml")}
    private = ROOT / "build/hosts/private"

    def openstack(self, user: str, *commands: str) -> list[Any]:
        """What the command line answers to commands that list, show or create, all in one go as it is slow to start."""
        shell = "OS_CLOUD=%s OS_VOLUME_API_VERSION=3.70 openstack 2> /tmp/said; cat /tmp/said >&2; test ! -s /tmp/said"
        telling = re.compile(r" (list|show|create)\b")
        typed = [command + " -f json" if telling.search(command) else command for command in commands]
        text = self.on("control", shell % user, "".join(line + "\n" for line in typed))
        decoder, answers = json.JSONDecoder(), []
        while text.strip():
            answer, end = decoder.raw_decode(text.lstrip())
            answers.append(answer)
            text = text.lstrip()[end:]
        return answers

    @functools.cached_property
    def admin(self) -> Connection:
        """The operator's client, which the command line takes seconds to be."""
        clouds = OpenStackConfig(config_files=[self.environment["OS_CLIENT_CONFIG_FILE"]])
        return Connection(config=clouds.get_one("admin"))

    def listed(self, service: str, path: str) -> list[dict[str, Any]]:
        """What a service lists for the operator, as its API has it."""
        answer = getattr(self.admin, service).get(path, microversion="3.27" if service == "block_storage" else None)
        raise_from_response(answer)
        [things] = [value for key, value in answer.json().items() if isinstance(value, list) and "_links" not in key]
        return things

    def quota(self, ports: int, volumes: int) -> None:
        """Let the member's project have so many; the command line would ask nova as well."""
        self.admin.set_network_quotas("demo", port=ports)
        self.admin.set_volume_quotas("demo", volumes=volumes)

    def things(self) -> dict[str, list[str]]:
        """The ids of everything that launches make, in all projects."""
        return {kind: sorted(thing["id"] for thing in self.listed(*where)) for kind, where in LISTS.items()}

    @contextlib.contextmanager
    def as_before(self) -> Iterator[None]:
        """The services have afterwards exactly what they had before, once what a test has deleted there is gone."""
        before = self.things()
        yield
        end = time.monotonic() + 60
        while self.things() != before and time.monotonic() < end:
            time.sleep(1)
        assert self.things() == before

    def state(self) -> str:
        """Everything that a run could write, also to the services' databases.

        A revision counts where Neutron decides it, in its database: what it brings to OVN late is its own affair.
        """
        dump = "mysqldump --compact --no-create-info --skip-extended-insert --databases"
        tables = ["%s %s --tables %s" % (dump, database, names) for database, names in TABLES.items()]
        ours = re.sub(r'"neutron:revision_number"="\d+"', "", super().state())
        return "\n".join([ours, self.on("control", "; ".join(tables))])

    def port(self, name: str) -> dict[str, Any]:
        """The one port of an instance, as the operator sees it."""
        [port] = self.listed("network", "/ports?device_id=%s" % self.record(name)["uuid"])
        return port

    def volume(self, name: str) -> dict[str, Any]:
        """The one volume of a name."""
        [volume] = self.listed("block_storage", "/volumes/detail?all_tenants=1&name=%s" % name)
        return volume

    def parts(self, name: str) -> dict[str, int]:
        """How much of everything an instance has, over all hosts and in all services."""
        row = self.record(name)
        own = {volume["name"] for volume in row["volumes"]}
        return {
            "domains": sum(self.domains(host).count(row["uuid"]) for host in self.compute_hosts),
            "ports": len(self.listed("network", "/ports?device_id=%s" % row["uuid"])),
            "claims": len(self.records("allocations", "instance_uuid = '%s'" % row["uuid"])),
            "volumes": len([volume for volume in self.listed(*LISTS["volumes"]) if volume["name"] in own]),
            "attachments": len([one for one in self.listed(*LISTS["attachments"]) if one["instance"] == row["uuid"]]),
        }

    @contextlib.contextmanager
    def without(self, *services: str) -> Iterator[None]:
        """Some services of the control host are down for a while."""
        self.on("control", "systemctl stop %s" % " ".join(services))
        try:
            yield
        finally:
            self.restored(*services)

    def restored(self, *services: str) -> None:
        """These services run and listen."""
        ports = " ".join(str(LISTENING[service]) for service in services)
        wait = "for port in %s; do until nc -z 198.51.100.20 $port; do sleep 0.2; done; done" % ports
        self.on("control", "systemctl start %s; %s" % (" ".join(services), wait))

    def tokens(self) -> list[str]:
        """The texts of the tokens that the controller keeps."""
        return [json.loads(path.read_text())["auth_token"] for path in sorted(self.private.glob("token-*"))]
