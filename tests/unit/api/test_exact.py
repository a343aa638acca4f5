# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A reply of each microversion has what that version has, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.api import schemas, versions
from ansible_collections.kvmstack.launch.plugins.module_utils.api.app import made as made_app
from ansible_collections.kvmstack.launch.plugins.module_utils.api.identifiers import identity
from ansible_collections.kvmstack.launch.plugins.module_utils.api.identity import Identity
from ansible_collections.kvmstack.launch.plugins.module_utils.api.permit import Permits
from ansible_collections.kvmstack.launch.plugins.module_utils.api.routes import ROUTES

FIRST = {
    "accessIPv4", "accessIPv6", "addresses", "created", "flavor", "hostId", "id", "image", "links", "metadata", "name",
    "status", "tenant_id", "user_id", "updated", "OS-DCF:diskConfig", "progress", "OS-EXT-AZ:availability_zone",
    "config_drive", "key_name", "OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at", "security_groups",
    "OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:instance_name", "OS-EXT-SRV-ATTR:hypervisor_hostname",
    "OS-EXT-STS:task_state", "OS-EXT-STS:vm_state", "OS-EXT-STS:power_state", "os-extended-volumes:volumes_attached",
}  # fmt: skip
# What came with a version, as nova's history of the REST API tells.
LATER = {
    3: {"OS-EXT-SRV-ATTR:" + name for name in (
        "hostname", "kernel_id", "launch_index", "ramdisk_id", "reservation_id", "root_device_name", "user_data")},
    9: {"locked"},
    16: {"host_status"},
    19: {"description"},
    26: {"tags"},
    63: {"trusted_image_certificates"},
    71: {"server_groups"},
    73: {"locked_reason"},
    96: {"pinned_availability_zone"},
}  # fmt: skip
AROUND = sorted({1, *range(2, 97, 10), *LATER, *(version - 1 for version in LATER), 47, 75, 90})


@pytest.mark.parametrize("version", AROUND)
def test_a_server_has_the_keys_of_its_version(door, version):
    made = door.launch()
    keys = FIRST.union(*(names for since, names in LATER.items() if since <= version))
    assert set(door.get("/servers/" + made, version=version)["server"]) == keys
    [listed] = door.get("/servers/detail", version=version)["servers"]
    assert set(listed) == keys - {"server_groups"}
    [named] = door.get("/servers", version=version)["servers"]
    assert set(named) == {"id", "name", "links"}


@pytest.mark.parametrize("version", [1, 18, 19, 74, 75, 96])
def test_a_reply_to_a_change_has_less_until_75(door, version):
    made = door.launch()
    told = door.ask("PUT", "/servers/" + made, {"server": {}}, version).json["server"]
    shown = door.get("/servers/" + made, version=version)["server"]
    if version >= 75:
        assert told == shown
        return
    less = {key for key in shown if key.startswith(("OS-EXT-", "OS-SRV-", "os-extended")) or key in (
        "config_drive", "key_name", "security_groups", "host_status")}  # fmt: skip
    assert set(told) == set(shown) - less
    assert "OS-EXT-IPS" not in str(told["addresses"])


def test_who_is_no_administrator_sees_no_host(door):
    made = door.launch()
    reader = Identity("p", "u", roles=("reader",), policy=Permits().policy(""))
    door.client = type(door.client)(made_app(door.settings, lambda environ: reader))
    shown = door.get("/servers/" + made, version=96)["server"]
    assert [key for key in shown if key.startswith("OS-EXT-SRV-ATTR")] == ["OS-EXT-SRV-ATTR:hostname"]
    assert "host_status" not in shown
    for path in ("/os-hypervisors", "/os-services", "/os-availability-zone/detail", "/servers?all_tenants=1"):
        path, _mark, query = path.partition("?")
        reply = door.client.simulate_get("/v2.1" + path, query_string=query)
        assert reply.status_code == 403, path
    member = Identity("q", "u", roles=("member", "reader"), policy=Permits().policy(""))
    door.client = type(door.client)(made_app(door.settings, lambda environ: member))
    door.get("/servers/" + made, status=404)
    assert door.ask("DELETE", "/servers/" + made).status_code == 404
    door.act(made, "os-stop", status=404)


@pytest.mark.parametrize(("version", "keys"), [(46, {"id", "links"}), (47, {
    "vcpus", "ram", "disk", "ephemeral", "swap", "original_name", "extra_specs"})])  # fmt: skip
def test_a_servers_flavor(door, version, keys):
    shown = door.get("/servers/" + door.launch(), version=version)["server"]
    assert set(shown["flavor"]) == keys
    assert shown["flavor"].get("id", shown["flavor"].get("original_name")) == "small"


FLAVOR = {
    "id", "name", "links", "ram", "disk", "vcpus", "swap", "OS-FLV-EXT-DATA:ephemeral", "OS-FLV-DISABLED:disabled",
    "os-flavor-access:is_public", "rxtx_factor",
}  # fmt: skip


@pytest.mark.parametrize(
    ("version", "more", "swap"),
    [(1, set(), ""), (54, set(), ""), (55, {"description"}, ""), (61, {"description", "extra_specs"}, ""),
     (75, {"description", "extra_specs"}, 0)],
)  # fmt: skip
def test_a_flavor(door, version, more, swap):
    shown = door.get("/flavors/small", version=version)["flavor"]
    assert set(shown) == FLAVOR | more
    assert shown["swap"] == swap
    assert [set(each) for each in door.get("/flavors/detail", version=version)["flavors"]] == 2 * [FLAVOR | more]
    assert {key for each in door.get("/flavors", version=version)["flavors"] for key in each} == {
        "id", "name", "links"} | (more & {"description"})  # fmt: skip


HYPERVISOR = {
    "id", "hypervisor_hostname", "state", "status", "hypervisor_type", "hypervisor_version", "host_ip", "service",
}  # fmt: skip
ROOM = {
    "cpu_info", "current_workload", "disk_available_least", "free_disk_gb", "free_ram_mb", "local_gb", "local_gb_used",
    "memory_mb", "memory_mb_used", "running_vms", "vcpus", "vcpus_used",
}  # fmt: skip


@pytest.mark.parametrize(
    ("version", "more", "kind", "info"),
    [
        (1, ROOM, int, str),
        (27, ROOM, int, str),
        (28, ROOM, int, dict),
        (53, ROOM, str, dict),
        (88, {"uptime"}, str, None),
    ],
)
def test_a_hypervisor(door, version, more, kind, info):
    door.launch()
    [told] = door.get("/os-hypervisors/detail", version=version)["hypervisors"]
    assert set(told) == HYPERVISOR | more
    assert isinstance(told["id"], kind)
    assert isinstance(told["service"]["id"], kind)
    assert info is None or isinstance(told["cpu_info"], info)
    assert door.get("/os-hypervisors/%s" % told["id"], version=version)["hypervisor"] == told
    [named] = door.get("/os-hypervisors", version=version)["hypervisors"]
    assert set(named) == {"id", "hypervisor_hostname", "state", "status"}


@pytest.mark.parametrize(
    ("path", "version", "status"),
    [
        ("/os-hypervisors/statistics", 87, 200), ("/os-hypervisors/statistics", 88, 404),
        ("/os-hypervisors/c1/search", 52, 200), ("/os-hypervisors/c1/search", 53, 404),
        ("/os-hypervisors/c1/servers", 52, 200), ("/os-hypervisors/c1/servers", 53, 404),
        ("/os-hypervisors/ID/uptime", 87, 400), ("/os-hypervisors/ID/uptime", 88, 404),
        ("/os-hypervisors/nothing/search", 1, 404), ("/os-hypervisors?hypervisor_hostname_pattern=c", 53, 200),
        ("/os-hypervisors?hypervisor_hostname_pattern=x", 53, 404),
        ("/images", 35, 200), ("/images", 36, 404), ("/os-networks", 35, 200), ("/os-networks", 36, 404),
        ("/networks", 96, 200), ("/security-groups", 96, 200), ("/os-aggregates", 96, 200),
    ],
)  # fmt: skip
def test_what_comes_and_goes_with_versions(door, path, version, status):
    door.launch()
    path, _mark, query = path.replace("ID", identity("hypervisor", "c1")).partition("?")
    headers = {"Host": "localhost", "OpenStack-API-Version": "compute 2.%d" % version}
    assert door.client.simulate_get("/v2.1" + path, query_string=query, headers=headers).status_code == status


ABSOLUTE = {
    "maxServerMeta", "maxTotalInstances", "maxTotalCores", "maxTotalRAMSize", "maxTotalKeypairs", "maxServerGroups",
    "maxServerGroupMembers", "totalInstancesUsed", "totalCoresUsed", "totalRAMUsed", "totalServerGroupsUsed",
}  # fmt: skip
NETWORKS = {
    "maxSecurityGroups", "maxSecurityGroupRules", "maxTotalFloatingIps", "totalFloatingIpsUsed",
    "totalSecurityGroupsUsed",
}  # fmt: skip
FILES = {"maxPersonality", "maxPersonalitySize"}


@pytest.mark.parametrize(
    ("version", "more"),
    [(1, NETWORKS | FILES | {"maxImageMeta"}), (36, FILES | {"maxImageMeta"}), (39, FILES), (57, set())],
)
def test_limits(doors, version, more):
    door = doors(quotas={"instances": 7, "cores": 8, "ram": 9000})
    door.launch()
    told = door.get("/limits", version=version)["limits"]
    assert told["rate"] == []
    assert set(told["absolute"]) == ABSOLUTE | more
    used = {key: value for key, value in told["absolute"].items() if value not in (-1, 0)}
    assert used == {
        "maxTotalInstances": 7, "maxTotalCores": 8, "maxTotalRAMSize": 9000, "totalInstancesUsed": 1,
        "totalCoresUsed": 2, "totalRAMUsed": 512, "totalServerGroupsUsed": 1,
    }  # fmt: skip


QUOTA = {"id", "instances", "cores", "ram", "metadata_items", "key_pairs", "server_groups", "server_group_members"}
OLD = {"fixed_ips", "floating_ips", "security_groups", "security_group_rules"}
OLDER = {"injected_files", "injected_file_content_bytes", "injected_file_path_bytes"}


@pytest.mark.parametrize(("version", "more"), [(1, OLD | OLDER), (36, OLDER), (57, set())])
def test_quotas(doors, version, more):
    door = doors(quotas={"cores": 8}, project_quotas={"p": {"instances": 5}})
    door.launch()
    for path, count in (("/os-quota-sets/p", 5), ("/os-quota-sets/p/defaults", -1)):
        told = door.get(path, version=version)["quota_set"]
        assert set(told) == QUOTA | more
        assert (told["id"], told["cores"], told["instances"]) == ("p", 8, count)
    told = door.get("/os-quota-sets/p/detail", version=version)["quota_set"]
    assert told["cores"] == {"limit": 8, "in_use": 2, "reserved": 0}
    assert told["instances"] == {"limit": 5, "in_use": 1, "reserved": 0}


@pytest.mark.parametrize(
    ("version", "keys"),
    [
        (1, {"id", "volumeId", "serverId", "device"}),
        (70, {"id", "volumeId", "serverId", "device", "tag"}),
        (79, {"id", "volumeId", "serverId", "device", "tag", "delete_on_termination"}),
        (89, {"volumeId", "serverId", "device", "tag", "delete_on_termination", "attachment_id", "bdm_uuid"}),
    ],
)
def test_attachments(door, version, keys):
    disk = {"source_type": "blank", "destination_type": "volume", "volume_size": 2, "boot_index": -1}
    made = door.launch(block_device_mapping_v2=[disk])
    path = "/servers/%s/os-volume_attachments" % made
    [told] = door.get(path, version=version)["volumeAttachments"]
    assert set(told) == keys
    assert door.get("%s/%s" % (path, told["volumeId"]), version=version)["volumeAttachment"] == told
    door.get(path + "/nothing", version=version, status=404)
    shown = door.get("/servers/" + made, version=version)["server"]["os-extended-volumes:volumes_attached"]
    assert [set(each) for each in shown] == [{"id"} | ({"delete_on_termination"} if version >= 3 else set())]


@pytest.mark.parametrize(
    ("version", "keys"),
    [
        (1, {"id", "name", "policies", "members", "metadata"}),
        (13, {"id", "name", "policies", "members", "metadata", "project_id", "user_id"}),
        (64, {"id", "name", "policy", "rules", "members", "project_id", "user_id"}),
    ],
)
def test_server_groups(door, version, keys):
    [empty] = door.get("/os-server-groups", version=version)["server_groups"]
    made = door.create(beside={"os:scheduler_hints": {"group": empty["id"]}})["server"]["id"]
    told = door.get("/os-server-groups/" + empty["id"], version=version)["server_group"]
    assert set(told) == keys
    assert told == {**empty, "members": [made]}
    assert door.get("/servers/" + made, version=71)["server"]["server_groups"] == [empty["id"]]


@pytest.mark.parametrize(("version", "more"), [(1, set()), (58, {"updated_at"})])
def test_actions(door, version, more):
    made = door.create()["server"]["id"]
    [told] = door.get("/servers/%s/os-instance-actions" % made, version=version)["instanceActions"]
    assert set(told) == more | {
        "action", "instance_uuid", "request_id", "user_id", "project_id", "start_time", "message"}  # fmt: skip


def test_what_is_served_is_documented():
    text = (Path(__file__).parents[3] / "docs/api.md").read_text()
    for path, _kind, _suffix in ROUTES:
        words = [word for word in path.split("/") if word and not word.startswith("{")]
        assert all("/" + word in text for word in words), path
    assert "2.%d to 2.%d" % (versions.LEAST, versions.MOST) in text


@pytest.mark.parametrize("name", sorted(schemas.SCHEMAS))
def test_a_schema_changes_only_in_the_versions_that_it_names(name):
    steps = schemas.SCHEMAS[name].steps
    for version in range(versions.LEAST, versions.MOST + 1):
        last = [step for step in steps if step <= version][-1]
        assert schemas.schema_of(name, version) == schemas.schema_of(name, last), version


def test_what_the_table_names_is_within_the_versions():
    for table in (versions.SINCE, versions.UNTIL):
        for kind, spans in table.items():
            assert all(versions.LEAST <= version <= versions.MOST for version in spans.values()), kind
