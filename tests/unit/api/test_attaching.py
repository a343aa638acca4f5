# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes and ports that servers are given, and lose, while they run."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.tests.unit.api.test_actions import row

DISK = {"boot_index": 1, "source_type": "blank", "destination_type": "volume", "volume_size": 2}
NOTHING = "11111111-0000-4000-8000-000000000001"


def attach(door, server_id, volume_id, status=200, version=1, **said):
    body = {"volumeAttachment": {"volumeId": volume_id, **said}}
    reply = door.ask("POST", "/servers/%s/os-volume_attachments" % server_id, body, version)
    assert reply.status_code == status, reply.text
    return reply.json.get("volumeAttachment") or reply.text


def detach(door, server_id, volume_id, status=202):
    reply = door.ask("DELETE", "/servers/%s/os-volume_attachments/%s" % (server_id, volume_id))
    assert reply.status_code == status, reply.text
    return reply.text


def attached(door, server_id):
    return [each["id"] for each in door.get("/servers/%s/os-volume_attachments" % server_id)["volumeAttachments"]]


def plug(door, server_id, status=200, version=1, **said):
    reply = door.ask("POST", "/servers/%s/os-interface" % server_id, {"interfaceAttachment": said}, version)
    assert reply.status_code == status, reply.text
    return reply.json.get("interfaceAttachment") or reply.text


def unplug(door, server_id, port_id, status=202):
    reply = door.ask("DELETE", "/servers/%s/os-interface/%s" % (server_id, port_id))
    assert reply.status_code == status, reply.text
    return reply.text


def plugged(door, server_id):
    return [each["port_id"] for each in door.get("/servers/%s/os-interface" % server_id)["interfaceAttachments"]]


@pytest.fixture
def kept(door):
    """A volume that has outlived its server, on host c1."""
    made = door.launch("old", block_device_mapping_v2=[DISK])
    [volume] = attached(door, made)
    door.ask("DELETE", "/servers/" + made)
    door.work("old")
    return volume


def test_a_server_is_made_with_a_volume_that_there_is(door, kept):
    device = {"uuid": kept, "source_type": "volume", "destination_type": "volume", "boot_index": -1}
    made = door.launch("new", block_device_mapping_v2=[device])
    assert attached(door, made) == [kept]
    told = door.create(name="none", status=400, block_device_mapping_v2=[{**device, "uuid": NOTHING}])
    assert "failed to get volume" in str(told)


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"delete_on_termination": True}, "delete_on_termination"),
        ({"delete_on_termination": "yes"}, "stays when that goes"),
        ({"volume_size": 9}, "volume_size"),
        ({"delete_on_termination": False, "volume_size": None, "device_type": None, "disk_bus": "virtio"}, None),
        ({"delete_on_termination": "no", "device_name": "vdb", "guest_format": ""}, None),
    ],
)
def test_a_volume_that_there_is_stays_as_it_is(door, kept, said, word):
    device = {"uuid": kept, "source_type": "volume", "destination_type": "volume", "boot_index": -1, **said}
    told = door.create(name="new", status=400 if word else 202, block_device_mapping_v2=[device])
    assert not word or word in told["badRequest"]["message"]


def test_a_volume_that_there_is_is_for_one_server(door, kept):
    device = {"uuid": kept, "source_type": "volume", "destination_type": "volume", "boot_index": -1}
    told = door.create(name="new", min_count=2, status=400, block_device_mapping_v2=[device])
    assert "to multiple instances" in told["badRequest"]["message"]
    door.create(name="new", min_count=1, max_count=1, block_device_mapping_v2=[device])


def network(door, name="other"):
    return next(each["id"] for each in door.get("/networks")["networks"] if each["name"] == name)


def test_a_volume_is_the_servers_at_once_and_its_guests_when_a_worker_came_by(door, kept):
    made = door.launch()
    told = attach(door, made, kept, device="/dev/vdx")
    assert told == {"id": kept, "volumeId": kept, "serverId": made, "device": "/dev/vdb"}
    request = door.requests()["web"]
    assert (request.action, request.entry) == ("attach_volume", {"name": "web", "state": "started"})
    assert row(door).volumes[0]["id"] == kept
    assert attached(door, made) == [kept]
    server = door.get("/servers/" + made)["server"]
    assert server["os-extended-volumes:volumes_attached"] == [{"id": kept}]
    [action, _create] = door.get("/servers/%s/os-instance-actions" % made)["instanceActions"]
    assert action["action"] == "attach_volume"
    door.work()
    assert attached(door, made) == [kept]


def test_a_volume_goes_and_stays(door, kept):
    made = door.launch()
    attach(door, made, kept)
    door.work()
    for _again in range(2):
        detach(door, made, kept)
        assert attached(door, made) == [kept]
        assert row(door).volumes[0]["leaving"] is True
    assert door.requests()["web"].action == "detach_volume"
    door.work()
    assert attached(door, made) == []
    detach(door, made, kept, status=404)
    assert attach(door, made, kept)["id"] == kept


def test_of_two_changes_at_once_none_is_lost(door, kept):
    made = door.launch()
    attach(door, made, kept)
    port = plug(door, made, net_id=network(door))["port_id"]
    assert (attached(door, made), plugged(door, made)[1:]) == ([kept], [port])
    assert door.requests()["web"].action == "attach_interface"


def test_a_volume_has_one_server(door, kept):
    made, other = door.launch(), door.launch("other")
    attach(door, made, kept)
    assert "already attached" in attach(door, made, kept, status=400)
    assert "already attached" in attach(door, other, kept, status=400)
    assert attached(door, other) == []


def test_a_volume_of_another_host_stays_there(door, kept):
    made = door.launch(host="c2")
    assert "is on host c1" in attach(door, made, kept, status=409)
    door.seen_by()
    assert "is on another host than the instance" in attach(door, made, kept, status=409)


def test_a_volume_that_there_is_not(door):
    made = door.launch()
    assert "could not be found" in attach(door, made, NOTHING, status=404)
    detach(door, made, NOTHING, status=404)
    assert door.requests() == {}


@pytest.mark.parametrize(
    ("said", "version", "word"),
    [
        ({"volumeId": "x"}, 1, "volumeId"),
        ({"device": "vdb"}, 1, "device"),
        ({"tag": "a"}, 48, "tag"),
        ({"tag": "a"}, 49, "tags"),
        *(({"tag": word}, 49, "tags") for word in ("no", "off", "0", "false")),
        ({"delete_on_termination": True}, 78, "delete_on_termination"),
        ({"delete_on_termination": True}, 79, "stays"),
        ({"x": 1}, 96, "x"),
    ],
)
def test_what_cannot_be_said_of_a_volume(door, kept, said, version, word):
    made = door.launch()
    assert word in attach(door, made, status=400, version=version, **{"volume_id": kept, **said})
    assert door.requests() == {}


def test_an_attachment_is_as_its_version_has_it(door, kept):
    told = attach(door, door.launch(), kept, version=96, delete_on_termination=False)
    names = {"volumeId", "serverId", "device", "tag", "delete_on_termination", "attachment_id", "bdm_uuid"}
    assert set(told) == names


@pytest.mark.parametrize("state", ["building", "stopping", "taken", "locked"])
def test_a_server_that_is_busy_is_given_nothing_and_keeps_what_it_has(door, kept, state):
    made = door.create()["server"]["id"] if state == "building" else door.launch()
    if state == "stopping":
        door.act(made, "os-stop")
    elif state == "taken":
        door.act(made, "os-stop")
        door.work()
        door.act(made, "os-start")
        door.take("web")
    elif state == "locked":
        door.act(made, "lock")
        door.seen_by()
    attach(door, made, kept, status=409)
    plug(door, made, status=409, net_id=network(door))
    assert attached(door, made) == []


def test_a_server_that_is_off_is_given_a_volume(door, kept):
    made = door.launch()
    door.act(made, "os-stop")
    door.work()
    attach(door, made, kept)
    assert door.requests()["web"].entry == {"name": "web", "state": "stopped"}
    door.work()
    assert attached(door, made) == [kept]


@pytest.fixture
def disk(door):
    """A server and a volume that was made for it."""
    made = door.launch(block_device_mapping_v2=[DISK])
    [volume] = attached(door, made)
    return made, volume


def update(door, server_id, volume_id, status=202, version=85, **said):
    path = "/servers/%s/os-volume_attachments/%s" % (server_id, volume_id)
    reply = door.ask("PUT", path, {"volumeAttachment": {"volumeId": volume_id, **said}}, version)
    assert reply.status_code == status, reply.text
    return reply.text


def goes(door):
    """Whether the volume goes with its server, as the server's row has it, and as its own."""
    table = door.database.tables.volumes
    with door.database.reading() as connection:
        [own] = connection.execute(table.select())
    return row(door).volumes[0]["delete_on_termination"], own.delete_on_termination


def test_whether_a_volume_goes_with_its_server_may_change(door, disk):
    made, volume = disk
    for word, told in ((True, True), ("no", False), ("yes", True)):
        assert update(door, made, volume, delete_on_termination=word) == ""
        assert goes(door) == (told, told)
    shown = door.get("/servers/%s/os-volume_attachments/%s" % (made, volume), version=85)["volumeAttachment"]
    del shown["delete_on_termination"], shown["tag"]
    update(door, made, volume, **shown)
    assert goes(door) == (True, True)
    assert door.requests() == {}
    door.ask("DELETE", "/servers/" + made)
    door.work()
    table = door.database.tables.volumes
    with door.database.reading() as connection:
        assert connection.execute(table.select()).all() == []


def test_a_volume_that_there_was_before_never_goes(door, kept):
    made = door.launch()
    attach(door, made, kept)
    door.work()
    assert "stays when that goes" in update(door, made, kept, status=400, delete_on_termination=True)
    update(door, made, kept, delete_on_termination=False)
    assert goes(door) == (False, False)


@pytest.mark.parametrize(
    ("said", "status", "version", "word"),
    [
        ({}, 409, 84, "cannot be swapped"),
        ({"volumeId": NOTHING}, 409, 84, "cannot be swapped"),
        ({"volumeId": NOTHING, "delete_on_termination": True}, 409, 85, "cannot be swapped"),
        ({"delete_on_termination": True}, 400, 84, "delete_on_termination"),
        ({"delete_on_termination": "maybe"}, 400, 85, "delete_on_termination"),
        ({"id": NOTHING}, 400, 85, "The id property is not mutable"),
        ({"serverId": NOTHING}, 400, 85, "The serverId property is not mutable"),
        ({"device": "/dev/vdz"}, 400, 85, "The device property is not mutable"),
        ({"tag": "a"}, 400, 85, "The tag property is not mutable"),
        ({"x": 1}, 400, 96, "x"),
    ],
)
def test_nothing_else_of_an_attachment_changes(door, disk, said, status, version, word):
    assert word in update(door, *disk, status=status, version=version, **said)
    assert goes(door) == (False, False)


def test_what_is_not_attached_does_not_change(door, disk):
    made, volume = disk
    update(door, made, NOTHING, status=404, delete_on_termination=True)
    detach(door, made, volume)
    assert "is being detached" in update(door, made, volume, status=409, delete_on_termination=True)
    door.act(made, "os-stop")
    assert "powering-off" in update(door, made, volume, status=409, delete_on_termination=True)


def test_a_server_keeps_what_it_boots_from(doors):
    door = doors(volume_service="cinder")
    root = {"boot_index": 0, "source_type": "volume", "destination_type": "volume", "uuid": NOTHING}
    made = door.launch(imageRef="", block_device_mapping_v2=[root])
    [volume] = attached(door, made)
    assert "root device" in detach(door, made, volume, status=403)


def test_a_volume_of_cinder_goes_by_its_id_there(doors):
    door = doors(volume_service="cinder")
    made = door.launch()
    assert attach(door, made, NOTHING)["volumeId"] == NOTHING
    assert row(door).volumes[0]["volume_id"] == NOTHING
    assert "already attached" in attach(door, made, NOTHING, status=400)
    detach(door, made, NOTHING)


def test_a_volume_of_cinder_that_has_a_name_here_comes_back_before_it_has_left(doors):
    """It is asked for by its id, and keeps what it is called in the record."""
    door = doors(volume_service="cinder")
    disk = {"boot_index": -1, "source_type": "blank", "destination_type": "volume", "volume_size": 1}
    made = door.launch(block_device_mapping_v2=[disk])
    [volume] = row(door).volumes
    table = door.database.tables.instances
    with door.database.writing() as connection:
        connection.execute(table.update().values(volumes=[{**volume, "volume_id": NOTHING, "attachment_id": "a"}]))
    detach(door, made, NOTHING)
    assert attach(door, made, NOTHING)["volumeId"] == NOTHING
    [again] = row(door).volumes
    assert (again["name"], again["id"], again["leaving"]) == (volume["name"], volume["id"], False)


def test_images_of_ceph_that_there_are_cannot_be_named_by_clients(doors):
    """They do not say whose they are."""
    door = doors(volume_service="rbd")
    made = door.launch()
    assert "does not say whose each is" in attach(door, made, NOTHING, status=400)
    root = {"boot_index": 0, "source_type": "volume", "destination_type": "volume", "uuid": NOTHING}
    told = door.create(name="db", imageRef="", block_device_mapping_v2=[root], status=400)
    assert "does not say whose each is" in told["badRequest"]["message"]


def test_a_port_is_the_servers_at_once(door):
    made = door.launch()
    [first] = plugged(door, made)
    told = plug(door, made, net_id=network(door), fixed_ips=[{"ip_address": "10.30.0.9"}])
    assert (told["net_id"], told["port_state"]) == (network(door), "BUILD")
    assert told["mac_addr"].startswith("fa:16:3e:")
    assert told["fixed_ips"] == [{"subnet_id": network(door), "ip_address": "10.30.0.9"}]
    request = door.requests()["web"]
    assert (request.action, request.entry) == ("attach_interface", {"name": "web", "state": "started"})
    assert plugged(door, made) == [first, told["port_id"]]
    assert door.get("/servers/%s/os-interface/%s" % (made, told["port_id"]))["interfaceAttachment"] == told
    again = plug(door, made, net_id=network(door))
    assert len({first, told["port_id"], again["port_id"]}) == 3


def test_a_port_goes(door):
    made = door.launch()
    port = plug(door, made, net_id=network(door))["port_id"]
    door.work()
    for _again in range(2):
        unplug(door, made, port)
        assert [each["leaving"] for each in row(door).ports] == [False, True]
    assert door.requests()["web"].action == "detach_interface"
    door.take("web")
    document = door.run().find()["web"]
    door.run().built({**document, "ports": [each for each in document["ports"] if not each["leaving"]]})
    assert port not in plugged(door, made)
    unplug(door, made, port, status=404)


def bind(door, server_id):
    """Have the ports of a server addresses, as those that a worker has made."""
    table = door.database.tables.instances
    ports = [
        {**each, "mac_address": "fa:16:3e:00:00:0%d" % number, "fixed_ip": "10.30.0.1%d" % number}
        for number, each in enumerate(row(door).ports)
    ]
    with door.database.writing() as connection:
        connection.execute(table.update().where(table.c.uuid == server_id).values(ports=ports))


def test_a_port_that_comes_while_another_of_its_network_goes_is_another(door):
    made, same = door.launch(), network(door)
    first = plug(door, made, net_id=same)["port_id"]
    door.work()
    bind(door, made)
    second = plug(door, made, net_id=same)["port_id"]
    unplug(door, made, first)
    ports = {each["id"]: (each["leaving"], each["mac_address"]) for each in row(door).ports}
    assert (ports[first], ports[second]) == ((True, "fa:16:3e:00:00:01"), (False, None))


def test_a_port_that_was_going_stays_where_it_is_asked_for_again(door):
    made, same = door.launch(), network(door)
    first = plug(door, made, net_id=same)["port_id"]
    door.work()
    bind(door, made)
    unplug(door, made, first)
    other = plug(door, made, net_id=same, fixed_ips=[{"ip_address": "10.30.0.99"}])["port_id"]
    assert other != first
    assert plug(door, made, net_id=same)["port_id"] == first
    assert {each["id"] for each in row(door).ports if not each["leaving"]} >= {first, other}


def test_a_sub_port_is_no_interface_and_goes_with_its_parent(door):
    made = door.launch()
    parent, port = plugged(door, made)[0], plug(door, made, net_id=network(door))["port_id"]
    door.work()
    [first, second] = row(door).ports
    table = door.database.tables.instances
    with door.database.writing() as connection:
        connection.execute(table.update().values(ports=[first, {**second, "parent": first["id"], "vlan": 30}]))
    assert plugged(door, made) == [parent]
    door.get("/servers/%s/os-interface/%s" % (made, port), status=404)
    unplug(door, made, port, status=404)
    unplug(door, made, parent)
    assert [each["leaving"] for each in row(door).ports] == [True, True]


@pytest.mark.parametrize(
    ("said", "status", "version", "word"),
    [
        ({"net_id": NOTHING}, 404, 1, "Network"),
        ({"net_id": NOTHING, "port_id": NOTHING}, 400, 1, "not input both"),
        ({"fixed_ips": [{"ip_address": "10.30.0.9"}]}, 400, 1, "Must input network_id"),
        ({}, 409, 1, "Multiple possible networks"),
        ({"port_id": NOTHING}, 400, 1, "port"),
        ({"net_id": "x"}, 400, 1, "net_id"),
        ({"fixed_ips": []}, 400, 1, "fixed_ips"),
        ({"tag": "a"}, 400, 48, "tag"),
        ({"tag": "a"}, 400, 49, "devices have no tags"),
    ],
)
def test_what_cannot_be_said_of_a_port(door, said, status, version, word):
    assert word in plug(door, door.launch(), status=status, version=version, **said)
    assert door.requests() == {}


def test_an_address_of_another_network_is_refused(door):
    said = {"net_id": network(door), "fixed_ips": [{"ip_address": "192.0.2.9"}]}
    assert "192.0.2.9" in plug(door, door.launch(), status=400, **said)


def test_where_there_is_one_network_it_is_meant(doors):
    door = doors(networks={"private": {"cidr": "10.20.0.0/24"}})
    made = door.launch()
    assert door.ask("POST", "/servers/%s/os-interface" % made, {}).status_code == 200
    assert len(plugged(door, made)) == 2


LAB = {
    "physical_network": "physnet1",
    "cidr": "192.0.2.0/24",
    "allocation_pool": {"start": "192.0.2.9", "end": "192.0.2.19"},
}


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"c1": {"bridge_mappings": {}}}, 409),
        ({"c1": {"bridge_mappings": {"physnet1": {"bridge": "br-ex"}}}}, 200),
        ({"c2": {"bridge_mappings": {}}}, 200),
    ],
)
def test_a_server_gets_no_port_on_a_wire_that_its_host_is_not_on(doors, settings, status):
    door = doors(networks={"private": {"cidr": "10.20.0.0/24"}, "lab": LAB}, host_settings=settings)
    made = door.launch()
    told = plug(door, made, net_id=network(door, "lab"), status=status)
    assert status == 200 or "has no bridge mapping for physnet1 of network lab" in told
    assert len(plugged(door, made)) == (2 if status == 200 else 1)


def test_a_port_of_neutron_that_there_is(doors):
    door = doors(network_service="neutron")
    made = door.launch(networks=[{"uuid": NOTHING}])
    assert plug(door, made, port_id=NOTHING)["port_id"] == NOTHING
    assert "still in use" in plug(door, made, port_id=NOTHING, status=409)
    assert "net_id or port_id" in plug(door, made, status=400)
    unplug(door, made, NOTHING)
