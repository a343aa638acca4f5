# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs on a record, without Ansible: the modules' own steps with the parameters they would have."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.carry import carry, parts_of
from ansible_collections.kvmstack.launch.plugins.module_utils.core.documents import wanted_status
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import LaunchError
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import listing, outcome, plan, request, sql

REQUEST = {
    "state": "present", "project_id": "p", "user_id": "me", "flavors": {"small": {"vcpus": 2, "ram": 512, "disk": 1}},
    "images": {"demo": {"url": "https://images.example/demo.qcow2", "checksum": "none"}},
    "networks": {"private": {"cidr": "10.20.0.0/24"}},
    "security_groups": {}, "routers": {}, "groups": {}, "user_data": "", "quotas": {},
    "image_service": "url", "network_service": "ovn", "volume_service": "file",
    "lease": 600, "run_id": "first", "take_over": False,
}  # fmt: skip
WEB = {"name": "web", "flavor": "small", "image": "demo", "networks": ["private"]}


def _plugged(port):
    """A port of a document as the network has made it."""
    return {**port, "port_id": port["id"], "mac_address": port.get("mac_address") or "fa:16:3e:00:00:01"}


class Run:
    """A run of the playbook with some options; its methods give the instances' results by name."""

    def __init__(self, url, **options):
        self.params = {**REQUEST, "database": url, **options}

    def ask(self, *entries, check_mode=False, **more):
        """The module instance."""
        params = {**self.params, **more, "instances": [{**WEB, **entry} for entry in entries or [{}]]}
        return self._done(request.parse(params), sql.connect(params), plan.plan, params["state"], check_mode)

    def conclude(self, *documents, interim=False):
        """The module instance_update."""
        params = {**self.params, "max_attempts": 3, "interim": interim, "instances": list(documents)}
        return self._done(outcome.parse(params), sql.conductor(params), outcome.plan, "present", False)

    def built(self, *documents):
        """The same, when all has gone well."""
        made = [{**each, "ports": [_plugged(port) for port in each["ports"]]} for each in documents]
        results = [{"name": each["name"], "status": wanted_status(each), "action": "create"} for each in made]
        return self.conclude(*carry(made, "domain", results, parts_of("domain")))

    def destroyed(self, *documents):
        """The same, when all of it has gone."""
        gone = [{"name": each["name"], "status": "DELETED", "action": "delete"} for each in documents]
        return self.conclude(*carry(documents, "domain", gone, parts_of("domain", "absent"), "absent"))

    def find(self, **options):
        """The module instance_info: the instances by name."""
        return {told.to_result()["name"]: told.to_result() for told in self._listed(options)[0]}

    def identity(self):
        """What it tells of the record."""
        return self._listed({})[1]

    def _listed(self, options):
        defaults = {"names": None, "hosts": None, "all_projects": False, "actions": False}
        return listing.find({**self.params, **defaults, **options})

    def _done(self, wanted, record, plan, state, check_mode):
        changes = plan(wanted, record.read(wanted), state)
        applied = {} if check_mode else record.apply([change for change in changes if change.pending])
        return {change.wanted.name: self._result(change, applied.get(change.key)) for change in changes}

    def _result(self, change, applied):
        error = applied if isinstance(applied, LaunchError) else change.error
        item = change.after or change.before or change.wanted
        if applied is not None and not isinstance(applied, LaunchError):
            item = applied
        told = {"notes": list(change.notes)} if change.notes else {}
        return {
            **item.to_result(),
            **told,
            "changed": change.changed and not error,
            "failed": error is not None,
            "msg": str(error) if error else None,
            **(error.facts if error else {}),
        }


@pytest.fixture
def run(database_url):
    """A run; run(run_id="second") is another one."""
    return lambda **options: Run(database_url, **options)


def place(url, *hosts, **by_name):
    """What the scheduler does: record hosts, and put instances there with their claims."""
    database = sql.Database(url)
    tables = database.tables
    nodes = {column.name: 0 for column in tables.compute_nodes.c if column.type.python_type in (int, float)}
    with database.writing() as connection:
        known = {row.host for row in connection.execute(tables.compute_nodes.select())}
        for host in dict.fromkeys(hosts):
            if host not in known:
                room = {"disk_gb": 100, "disk_allocation_ratio": 1.0, "updated_at": sql.now(connection)}
                values = {**nodes, "host": host, "enabled": True, "facts": {}, **room}
                connection.execute(tables.compute_nodes.insert().values(values))
        for name, host in by_name.items():
            living = (tables.instances.c.name == name, tables.instances.c.deleted == 0)
            row = connection.execute(tables.instances.select().where(*living)).one()
            connection.execute(tables.instances.update().where(*living).values(host=host))
            local = [volume["size"] for volume in row.volumes if volume["service"] == "file"]
            claim = {"vcpus": row.vcpus, "memory_mb": row.memory_mb, "disk_gb": row.flavor["disk"] + sum(local)}
            held = {**claim, "instance_uuid": row.uuid, "host": host, "created_at": sql.now(connection)}
            connection.execute(tables.allocations.insert().values(held))
            room = {kind + "_used": tables.compute_nodes.c[kind + "_used"] + claim[kind] for kind in claim}
            room["num_instances"] = tables.compute_nodes.c.num_instances + 1
            connection.execute(tables.compute_nodes.update().where(tables.compute_nodes.c.host == host).values(room))
    database.engine.dispose()


@pytest.fixture
def put(database_url):
    """put(web="c1") as the scheduler would."""
    return lambda **by_name: place(database_url, *by_name.values(), **by_name)


@pytest.fixture
def node(database_url):
    """node("c1") is the host's row."""

    def read(host):
        database = sql.Database(database_url)
        with database.reading() as connection:
            table = database.tables.compute_nodes
            return connection.execute(table.select().where(table.c.host == host)).one()

    return read
