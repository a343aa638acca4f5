# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lists: which servers are in them, in which order, and in which parts."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest

from ansible_collections.kvmstack.launch.tests.unit.api.conftest import KEY, Door


def fill(door):
    """alpha ACTIVE on c1, beta SHUTOFF on c2, gamma and delta in BUILD; made in this order."""
    door.launch("alpha", "c1", metadata={"a": "1"})
    stopped = door.launch("beta", "c2", flavorRef="tiny")
    door.act(stopped, "os-stop")
    door.work("beta")
    door.create(name="gamma")
    door.create(name="delta")
    return door


@pytest.fixture(scope="module")
def four(tmp_path_factory, empty):
    """They, for those who only look."""
    folder = tmp_path_factory.mktemp("four")
    shutil.copy(empty, folder)
    return fill(Door(folder))


def names(door, query, version=1, path="/servers"):
    headers = {"Host": "127.0.0.1", "OpenStack-API-Version": "compute 2.%d" % version}
    reply = door.client.simulate_get("/v2.1" + path, query_string=query, headers=headers)
    assert reply.status_code == 200, reply.text
    return [each["name"] for each in reply.json["servers"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "delta gamma beta alpha"),
        ("deleted=False", "delta gamma beta alpha"),
        ("all_tenants=1", "delta gamma beta alpha"),
        ("all_tenants", "delta gamma beta alpha"),
        ("status=DELETED", ""),
        ("all_tenants=1&project_id=other", ""),
        ("name=a%24", "delta gamma beta alpha"),
        ("name=%5Eal", "alpha"),
        ("name=eta", "beta"),
        ("status=ACTIVE", "alpha"),
        ("status=active", "alpha"),
        ("status=ACTIVE&status=SHUTOFF", "beta alpha"),
        ("status=NONSENSE", ""),
        ("vm_state=building", "delta gamma"),
        ("task_state=scheduling", "delta gamma"),
        ("power_state=4", "beta"),
        ("flavor=tiny", "beta"),
        ("flavor=nothing", ""),
        ("image=demo", "delta gamma beta alpha"),
        ("image=nothing", ""),
        ("host=c1", "alpha"),
        ("availability_zone=nova", "delta gamma beta alpha"),
        ("ip=10", ""),
        ("sort_key=display_name&sort_dir=asc", "alpha beta delta gamma"),
        ("sort_key=display_name", "gamma delta beta alpha"),
        ("sort_key=vm_state&sort_dir=asc&sort_key=name&sort_dir=asc", "alpha delta gamma beta"),
        ("sort_key=created_at&sort_dir=asc", "alpha beta gamma delta"),
        ("sort_key=host&sort_dir=asc&sort_key=name&sort_dir=asc", "delta gamma alpha beta"),
        ("sort_key=instance_type_id&sort_dir=desc&sort_key=name&sort_dir=asc", "beta alpha delta gamma"),
        ("limit=2", "delta gamma"),
        ("limit=0", ""),
        ("limit=100000", "delta gamma beta alpha"),
        ("unheard_of=1", "delta gamma beta alpha"),
    ],
)
def test_which_and_in_which_order(four, query, found):
    assert names(four, query) == found.split()
    assert names(four, query, path="/servers/detail") == found.split()


@pytest.mark.parametrize(
    ("query", "version", "found"),
    [
        ("tags=a,b", 26, "two"),
        ("tags=a", 26, "two one"),
        ("tags=a", 25, "none two one"),
        ("tags-any=b,c", 26, "two"),
        ("not-tags=a", 26, "none"),
        ("not-tags-any=b", 26, "none one"),
        ("key_name=me", 1, "one"),
        ("description=first", 1, "one"),
        ("locked=True", 73, ""),
        ("locked=False", 73, "none two one"),
        ("config_drive=True", 1, "none two one"),
        ("reservation_id=r-nothing", 1, ""),
        ("limit=1&sort_key=name&all_tenants=1&deleted=False", 96, "two"),
    ],
)
def test_which_by_what_is_kept_for_clients(door, query, version, found):
    door.ask("POST", "/os-keypairs", {"keypair": {"name": "me", "public_key": KEY}})
    door.create(96, name="one", tags=["a"], key_name="me", description="the first")
    door.create(96, name="two", tags=["a", "b"])
    door.create(name="none")
    assert names(door, query, version) == found.split()


@pytest.mark.parametrize(("version", "status"), [(74, 200), (75, 400)])
def test_a_parameter_that_is_none_is_wrong_since_75(door, version, status):
    headers = {"Host": "localhost", "OpenStack-API-Version": "compute 2.%d" % version}
    for path in ("/v2.1/servers", "/v2.1/servers/detail"):
        assert door.client.simulate_get(path, query_string="unheard_of=1", headers=headers).status_code == status


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "a*a*a*a*a*b", "(a|aa){9}", "a?a?a?a?a?aaaaa", "(" * 250])
def test_a_pattern_that_takes_for_ever_is_refused(door, pattern):
    door.create(name="a" * 60)
    reply = door.client.simulate_get("/v2.1/servers", params={"name": pattern}, headers={"Host": "localhost"})
    assert reply.status_code == 400


@pytest.mark.parametrize(("field", "pattern"), [("name", "a*a*a*b"), ("description", "a*a*b"), ("ip", ".*.*.*1")])
def test_a_longer_text_is_searched_with_fewer_repetitions(door, field, pattern):
    reply = door.client.simulate_get("/v2.1/servers", params={field: pattern}, headers={"Host": "localhost"})
    assert reply.status_code == 400
    assert "repeats more" in reply.text


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+01:00", "never", "9999-12-31T23:59:59-01:00"])
def test_a_time_that_is_none_is_wrong(door, moment):
    reply = door.client.simulate_get("/v2.1/servers", params={"changes-since": moment}, headers={"Host": "localhost"})
    assert reply.status_code == 400


def test_a_pattern_may_repeat(door):
    door.create(name="a" * 60)
    for pattern in ("^a+$", "a.*a.*a$", r"\.|a{3,}", "(a|b)"):
        reply = door.client.simulate_get("/v2.1/servers", params={"name": pattern}, headers={"Host": "localhost"})
        assert len(reply.json["servers"]) == 1, pattern


def test_parts_of_a_list(four):
    seen, path = [], "/servers?limit=3&sort_key=display_name&sort_dir=asc"
    while path:
        path, _mark, query = path.partition("?")
        told = four.client.simulate_get("/v2.1" + path, query_string=query, headers={"Host": "localhost"}).json
        seen.append([each["name"] for each in told["servers"]])
        [link] = told.get("servers_links") or [{"href": ""}]
        path = link["href"].partition("/v2.1")[2]
    assert seen == [["alpha", "beta", "delta"], ["gamma"]]


def test_a_list_goes_on_after_one_that_is_not_asked_for_any_more(door):
    four = fill(door)
    with four.database.reading() as connection:
        uuids = {row.name: row.uuid for row in connection.execute(four.database.tables.instances.select())}
    assert names(four, "status=BUILD&marker=" + uuids["beta"]) == []
    assert names(four, "status=ACTIVE&marker=" + uuids["gamma"]) == ["alpha"]
    four.ask("DELETE", "/servers/" + uuids["gamma"])
    four.work("gamma")
    assert names(four, "status=ACTIVE&marker=" + uuids["gamma"]) == ["alpha"]
    assert names(four, "marker=" + uuids["delta"]) == ["beta", "alpha"]
    reply = four.client.simulate_get("/v2.1/servers", query_string="marker=none", headers={"Host": "localhost"})
    assert reply.status_code == 400


def test_what_has_changed_and_what_is_gone(door):
    four = fill(door)
    table = four.database.tables.instances
    with four.database.writing() as connection:
        row = connection.execute(table.select().where(table.c.name == "beta")).one()
        since = row.updated_at + timedelta(microseconds=1)
    four.ask("DELETE", "/servers/" + row.uuid)
    four.work("beta", "c2")
    text = since.isoformat()
    assert names(four, "changes-since=%sZ" % text) == ["delta", "gamma", "beta"]
    assert names(four, "changes-since=%s%%2B00:00&deleted=False" % text) == ["delta", "gamma"]
    assert names(four, "deleted=True") == names(four, "status=deleted") == ["beta"]
    assert names(four, "changes-before=%s" % text, version=66) == ["alpha"]
    assert names(four, "changes-before=2100-01-01T00:00:00Z", version=66) == ["delta", "gamma", "beta", "alpha"]
    assert names(four, "changes-before=2100-01-01T00:00:00Z&deleted=False", version=66) == ["delta", "gamma", "alpha"]
    assert names(four, "changes-before=2100-01-01T00:00:00Z", version=65) == ["delta", "gamma", "alpha"]
    assert names(four, "changes-before=%s" % text, version=65) == ["delta", "gamma", "alpha"]
    headers, query = {"Host": "localhost"}, "deleted=True"
    detail = four.client.simulate_get("/v2.1/servers/detail", query_string=query, headers=headers).json["servers"]
    assert [(each["status"], bool(each["OS-SRV-USG:terminated_at"])) for each in detail] == [("DELETED", True)]


def test_addresses_are_told_and_found(door):
    made = door.create()["server"]["id"]
    table = door.database.tables.instances
    with door.database.writing() as connection:
        [port] = connection.execute(table.select()).one().ports
        told = {**port, "mac_address": "fa:16:3e:00:00:01", "fixed_ip": "10.20.0.7", "network_info": {
            "ipv6_address": "fd00:20::7", "port_id": "the-port"}}  # fmt: skip
        connection.execute(table.update().values(ports=[told]))
    shown = door.get("/servers/" + made)["server"]
    extended = {"OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:01"}
    plain = [{"addr": "10.20.0.7", "version": 4}, {"addr": "fd00:20::7", "version": 6}]
    assert shown["addresses"] == {"private": [{**each, **extended} for each in plain]}
    assert door.get("/servers/%s/ips" % made) == {"addresses": {"private": plain}}
    assert door.get("/servers/%s/ips/private" % made) == {"private": plain}
    door.get("/servers/%s/ips/other" % made, status=404)
    for query, found in (("ip=10.20", ["web"]), ("ip=10.20.0.8", []), ("ip6=fd00", ["web"]), ("ip6=10", [])):
        assert names(door, query) == found
    [interface] = door.get("/servers/%s/os-interface" % made)["interfaceAttachments"]
    assert (interface["port_id"], interface["mac_addr"], len(interface["fixed_ips"])) == (
        "the-port", "fa:16:3e:00:00:01", 2)  # fmt: skip
    path = "/servers/%s/os-interface/" % made
    assert door.get(path + "the-port")["interfaceAttachment"] == interface
    door.get(path + "nothing", status=404)
    assert door.get("/servers/%s/os-security-groups" % made)["security_groups"][0]["name"] == "default"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["small", "tiny"]),
        ("is_public=None", ["small", "tiny"]),
        ("is_public=False", []),
        ("minRam=500", ["small"]),
        ("minDisk=1", ["small"]),
        ("limit=1", ["small"]),
        ("marker=small", ["tiny"]),
        ("sort_key=memory_mb&sort_dir=asc", ["tiny", "small"]),
        ("sort_dir=desc", ["tiny", "small"]),
    ],
)
def test_flavors(door, query, found):
    for path in ("/v2.1/flavors", "/v2.1/flavors/detail"):
        told = door.client.simulate_get(path, query_string=query, headers={"Host": "localhost"}).json["flavors"]
        assert [each["id"] for each in told] == found


def test_a_flavor_that_makes_no_sense_is_not_offered(doors):
    door = doors(flavors={"good": {"vcpus": 1, "ram": 64}, "bad": {"vcpus": "many"}})
    assert [each["name"] for each in door.get("/flavors")["flavors"]] == ["good"]


def test_an_image_or_a_network_that_makes_no_sense_keeps_no_other_from_being_told(doors):
    good = {"url": "https://images.example/a.qcow2", "checksum": "none", "min_disk": "2"}
    door = doors(
        images={"good": good, "null": None, "text": "x", "ten": {**good, "min_disk": "ten"}, "nowhere": {}},
        networks={"good": {"cidr": "10.20.0.0/24"}, "null": None, "text": "x"},
    )
    for path in ("/images", "/images/detail"):
        assert [each["name"] for each in door.get(path)["images"]] == ["good"]
    [image] = door.get("/images")["images"]
    assert door.get("/images/" + image["id"])["min_disk"] == 2
    assert [each["label"] for each in door.get("/os-networks")["networks"]] == ["good", "null", "text"]
    assert [each["name"] for each in door.get("/networks")["networks"]] == ["good", "null", "text"]


def test_extra_specs(door):
    assert door.get("/flavors/small/os-extra_specs") == {"extra_specs": {"hw:cpu_policy": "shared"}}
    assert door.get("/flavors/small/os-extra_specs/hw:cpu_policy") == {"hw:cpu_policy": "shared"}
    door.get("/flavors/small/os-extra_specs/nothing", status=404)
    door.get("/flavors/nothing/os-extra_specs", status=404)


def test_an_image_is_found_by_its_name_first(door):
    door.get("/images/demo", status=404)
    headers = {"Host": "localhost"}
    [image] = door.client.simulate_get("/v2.1/images", query_string="name=demo", headers=headers).json["images"]
    shown = door.get("/images/" + image["id"])
    assert (shown["id"], shown["status"], shown["image"]["status"]) == (image["id"], "active", "ACTIVE")
    assert shown["image"]["metadata"] == {"os_admin_user": "me"}
    query = "id=in:%s,nothing" % image["id"]
    assert len(door.client.simulate_get("/v2.1/images", query_string=query, headers=headers).json["images"]) == 1


def test_hosts_are_services_and_zones(door):
    door.launch()
    [service] = door.get("/os-services")["services"]
    assert (service["host"], service["binary"], service["state"], service["status"]) == (
        "c1", "nova-compute", "up", "enabled")  # fmt: skip
    table = door.database.tables.compute_nodes
    with door.database.writing() as connection:
        moment = connection.execute(table.select()).one().updated_at
        connection.execute(table.update().values(silent_since=moment, availability_zone="north"))
    assert door.get("/os-services")["services"][0]["state"] == "down"
    assert door.get("/servers/detail", version=16)["servers"][0]["status"] == "UNKNOWN"
    [zone] = door.get("/os-availability-zone")["availabilityZoneInfo"]
    assert zone == {"zoneName": "north", "zoneState": {"available": False}, "hosts": None}
    [zone] = door.get("/os-availability-zone/detail")["availabilityZoneInfo"]
    assert list(zone["hosts"]) == ["c1"]
    door.create(name="other", availability_zone="north", status=400)


@pytest.mark.parametrize(
    ("own", "found"), [(None, "north"), ("south", "south")], ids=["an aggregate's", "its own before an aggregate's"]
)
def test_a_host_is_in_the_zone_that_the_scheduler_sees(door, own, found):
    identity = door.launch()
    aggregates = [{"name": "rack", "metadata": {}}, {"name": "row", "metadata": {"availability_zone": "north"}}]
    table = door.database.tables.compute_nodes
    with door.database.writing() as connection:
        connection.execute(table.update().values(availability_zone=own, aggregates=aggregates))
    assert [each["zoneName"] for each in door.get("/os-availability-zone")["availabilityZoneInfo"]] == [found]
    assert door.get("/os-services")["services"][0]["zone"] == found
    assert door.get("/servers/" + identity)["server"]["OS-EXT-AZ:availability_zone"] == found
    assert names(door, "availability_zone=" + found) == ["web"]
    assert names(door, "availability_zone=nova") == []
    door.create(name="other", availability_zone=found)
