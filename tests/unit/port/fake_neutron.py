# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Neutron in memory, at the edge of the backend: the rules and answers of Zed's API, as seen against the real one."""

from __future__ import annotations

import threading
import uuid
from ipaddress import ip_address, ip_network

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import (
    Conflict,
    NotFound,
    QuotaExceeded,
    Refused,
)

# What only the owner of a network may say of a port there.
OWNERS = {"mac_address", "fixed_ips", "port_security_enabled", "allowed_address_pairs"}


class Killed(BaseException):
    """The run ended here."""


def identity(name):
    """An id that can be told again."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


class FakeNeutron:
    """The cloud and its networks, of project p and of another; as the user sees them and as the launcher does."""

    project_id = "p"

    def __init__(self):
        self.roles = ("member",)
        self.hosts = {"c1", "c2"}
        self.quota = 100
        self.requests = []
        self.kill_at = None  # the number of changing requests after which the run is killed
        self.trunks_take_bound_ports = True
        self.errors = []  # (method, beginning of the path, error), each for one request
        self.lock = threading.RLock()
        self.tables = {
            "networks": [
                network("private"),
                network("theirs", "other"),
                network("shared", "other", shared=True),
                network("empty"),
                network("public", "other", **{"router:external": True}),
                {**network("twin"), "id": identity("twin 1")},
                {**network("twin"), "id": identity("twin 2")},
            ],
            "subnets": [
                subnet("private", "10.20.0.0/24"),
                subnet("shared", "10.30.0.0/29"),
                subnet("theirs", "10.31.0.0/24"),
                subnet("public", "192.0.2.0/24"),
            ],
            "security-groups": [group("default"), group("web"), group("db"), group("default", "other")],
            "ports": [],
            "floatingips": [],
            "agents": [],
            "trunks": [],
        }

    def api(self, service_type, as_service=False):
        assert service_type == "network"
        return View(self, as_service)

    def port(self, **fields):
        """A port that is there."""
        row = {"id": str(uuid.uuid4()), "name": "", "project_id": "p", "network_id": identity("private"), "tags": []}
        row.update(device_id="", device_owner="", description="", status="DOWN", port_security_enabled=True)
        row.update(fixed_ips=[{"ip_address": "10.20.0.77"}], mac_address="fa:16:3e:00:00:77")
        row.update(security_groups=[identity("default p")], allowed_address_pairs=[])
        row.update({"binding:host_id": "", "binding:vif_type": "unbound"})
        row.update(fields)
        self.tables["ports"].append(row)
        return row

    def floating(self, address, **fields):
        """A floating IP that is there."""
        row = {"id": identity(address), "floating_ip_address": address, "floating_network_id": identity("public")}
        row.update(project_id="p", port_id=None, description="", **fields)
        self.tables["floatingips"].append(row)
        return row

    @property
    def ports(self):
        return self.tables["ports"]

    def changes(self):
        """The requests that changed something: who, method, path, body."""
        return [request for request in self.requests if request[1] != "GET"]

    def change(self):
        """Count a changing request; the run may end after it."""
        if self.kill_at is not None:
            self.kill_at -= 1
            if self.kill_at < 0:
                raise Killed


class View:
    """The service for one account."""

    def __init__(self, fake, as_service):
        self.fake, self.as_service = fake, as_service

    def list(self, path, key, what, **query):
        assert key == path.replace("-", "_")
        if [] in query.values():
            return []
        self.begin("GET", path, query)
        fields = query.pop("fields", None)
        with self.fake.lock:
            found = [row for row in self.fake.tables[path] if self.sees(path, row) and matches(row, query)]
        return [self.told(path, row, fields) for row in found]

    def told(self, path, row, fields=None):
        """A row as neutron tells it: a trunk's parent with what it has."""
        trunk = next((each for each in self.fake.tables["trunks"] if each["port_id"] == row["id"]), None)
        if path == "ports" and trunk:
            row = {**row, "trunk_details": {"trunk_id": trunk["id"], "sub_ports": trunk["sub_ports"]}}
        return shown(row, self.as_service, fields)

    def sees(self, path, row):
        if self.as_service or "admin" in self.fake.roles or path == "subnets":
            return True
        return row["project_id"] == "p" or row.get("shared") or row.get("router:external")

    def post(self, path, body, what):
        self.begin("POST", path, body)
        if path == "trunks":
            return {"trunk": self.new_trunk(body["trunk"])}
        with self.fake.lock:
            row = self.new_floating(body["floatingip"]) if path == "floatingips" else self.new_port(body["port"], what)
            self.fake.change()
        return {"port": shown(row, self.as_service), "floatingip": row}

    def put(self, path, body, what):
        self.begin("PUT", path, body)
        table, identity_, *rest = path.split("/")
        with self.fake.lock:
            row = self.row(table, identity_)
            if table == "trunks":
                self.change_trunk(row, rest[0], body["sub_ports"])
            elif rest:
                row["tags"] = sorted({*row["tags"], rest[1]})
            elif table == "ports":
                self.check_launcher(body["port"])
                row.update(body["port"])
                row["binding:host_id"] = row["binding:host_id"] or ""
                self.bind(row)
            else:
                row.update(port_id=body["floatingip"]["port_id"])
            self.fake.change()
        return {"port": self.told(table, row), "floatingip": row}

    def delete(self, path, what):
        self.begin("DELETE", path, None)
        table, identity_, *rest = path.split("/")
        with self.fake.lock:
            row = self.row(table, identity_)
            if rest:
                row["tags"].remove(rest[1])
            else:
                self.check_unused(table, row)
                self.fake.tables[table].remove(row)
                for floating in self.fake.tables["floatingips"]:
                    if floating["port_id"] == identity_:
                        floating["port_id"] = None
            self.fake.change()
        return {}

    def begin(self, method, path, said):
        with self.fake.lock:
            if self.fake.kill_at is not None and self.fake.kill_at < 0:
                raise Killed
            self.fake.requests.append(("launcher" if self.as_service else "user", method, path, said))
            for error in list(self.fake.errors):
                if method == error[0] and path.startswith(error[1]):
                    self.fake.errors.remove(error)
                    raise error[2]

    def row(self, table, identity_):
        found = [row for row in self.fake.tables[table] if row["id"] == identity_ and self.sees(table, row)]
        if not found:
            raise NotFound("%s %s could not be found" % (table, identity_))
        return found[0]

    def new_trunk(self, said):
        with self.fake.lock:
            parent = self.row("ports", said["port_id"])
            if parent["binding:host_id"] and not self.fake.trunks_take_bound_ports:
                raise Conflict(
                    "Port %s is currently in use and is not eligible for use as a parent port" % parent["id"]
                )
            row = {"id": str(uuid.uuid4()), "project_id": parent["project_id"], "sub_ports": [], **said}
            self.fake.tables["trunks"].append(row)
            self.fake.change()
            return row

    def change_trunk(self, row, what, subports):
        ids, vlans = ({each.get(key) for each in subports} for key in ("port_id", "segmentation_id"))
        if what == "remove_subports":
            row["sub_ports"] = [each for each in row["sub_ports"] if each["port_id"] not in ids]
            return
        every = [each for trunk in self.fake.tables["trunks"] for each in trunk["sub_ports"]]
        if ids & {each["port_id"] for each in every} or vlans & {each["segmentation_id"] for each in row["sub_ports"]}:
            raise Conflict("a trunk has that port, or this one has that VLAN")
        for each in subports:
            if self.row("ports", each["port_id"])["device_id"]:
                raise Conflict("Port %s is in use by a device" % each["port_id"])
            self.row("ports", each["port_id"])["device_owner"] = "trunk:subport"
        row["sub_ports"] = [*row["sub_ports"], *subports]

    def check_unused(self, table, row):
        trunks = self.fake.tables["trunks"]
        if table == "trunks" and self.row("ports", row["port_id"])["binding:host_id"]:
            raise Conflict("Trunk %s is currently in use" % row["id"])
        subports = [each["port_id"] for trunk in trunks for each in trunk["sub_ports"]]
        if table == "ports" and row["id"] in [*subports, *(trunk["port_id"] for trunk in trunks)]:
            raise Conflict("Port %s is a trunk's" % row["id"])

    def check_launcher(self, said):
        if not self.as_service and any(name.startswith("binding:") for name in said):
            raise Refused("rule:binding:host_id is disallowed by policy")

    def new_port(self, said, what):
        self.check_launcher(said)
        there = self.row("networks", said["network_id"])
        if not self.as_service and there["project_id"] != "p" and OWNERS & set(said):
            raise Refused("%s: disallowed by policy" % what)
        siblings = [port for port in self.fake.ports if port["network_id"] == there["id"]]
        if len([port for port in self.fake.ports if port["project_id"] == "p"]) >= self.fake.quota:
            raise QuotaExceeded("%s: Quota exceeded for resources: ['port']" % what)
        mac = said.get("mac_address") or "fa:16:3e:%02x:%02x:%02x" % tuple(uuid.uuid4().bytes[:3])
        if mac in {port["mac_address"] for port in siblings}:
            raise Conflict("%s: The mac address %s is in use" % (what, mac))
        taken = {fixed["ip_address"] for port in siblings for fixed in port["fixed_ips"]}
        asked = [fixed["ip_address"] for fixed in said.get("fixed_ips", [])] or [self.free(there, taken, what)]
        if taken & set(asked):
            raise Conflict("%s: IP address %s already allocated" % (what, asked[0]))
        fixed_ips = [{"ip_address": address} for address in asked]
        secured = said.get("port_security_enabled", there["port_security_enabled"])
        return self.bind(
            self.fake.port(**{**said, "mac_address": mac, "fixed_ips": fixed_ips, "port_security_enabled": secured})
        )

    def free(self, there, taken, what):
        for row in self.fake.tables["subnets"]:
            if row["network_id"] == there["id"]:
                for address in list(ip_network(row["cidr"]).hosts())[1:]:
                    if str(address) not in taken:
                        return str(address)
        raise Conflict("%s: No more IP addresses available on network %s" % (what, there["id"]))

    def bind(self, row):
        host = row["binding:host_id"]
        row["binding:vif_type"] = "unbound" if not host else "ovs" if host in self.fake.hosts else "binding_failed"
        for pair in row["allowed_address_pairs"]:
            pair.setdefault("mac_address", row["mac_address"])
        return row

    def new_floating(self, said):
        if any(row["port_id"] == said["port_id"] for row in self.fake.tables["floatingips"]):
            raise Conflict("Cannot associate floating IP: the port has one")
        count = len(self.fake.tables["floatingips"])
        row = self.fake.floating(str(ip_address("192.0.2.10") + count))
        row.update(said)
        return row


def network(name, project_id="p", **fields):
    row = {"id": identity(name), "name": name, "project_id": project_id, "shared": False, "mtu": 1442}
    return {**row, "port_security_enabled": True, "dns_domain": "lab.test.", "router:external": False, **fields}


def subnet(name, cidr):
    gateway = str(ip_network(cidr)[1])
    row = {"id": identity(cidr), "network_id": identity(name), "cidr": cidr, "gateway_ip": gateway}
    return {**row, "dns_nameservers": ["192.0.2.53"], "enable_dhcp": True}


def group(name, project_id="p"):
    return {"id": identity("%s %s" % (name, project_id)), "name": name, "project_id": project_id, "rules": []}


def matches(row, query):
    """Whether a row passes neutron's filters; None is none."""
    for name, value in query.items():
        values = value if isinstance(value, list) else [value]
        if name == "tags-any":
            if not set(values) & set(row["tags"]):
                return False
        elif value is not None and row[name] not in values:
            return False
    return True


def shown(row, as_service, fields=None):
    """A row as neutron tells it: where a port is bound is for the launcher only."""
    hidden = () if as_service else ("binding:host_id", "binding:vif_type")
    copied = {name: list(value) if isinstance(value, list) else value for name, value in row.items()}
    return {name: value for name, value in copied.items() if name not in hidden and name in (fields or row)}
