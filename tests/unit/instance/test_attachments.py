# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a running instance gains and loses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.kvmstack.launch.plugins.module_utils.instance import attachments, outcome
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.attachments import (
    BlockDeviceMapping,
    NetworkRequest,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.model import (
    Instance,
    InstanceRequest,
    to_document,
)

PORT = NetworkRequest("private")
MINE = NetworkRequest(port="mine")
DATA = BlockDeviceMapping("v1", "web-data", size=1, format="raw", delete_on_termination=True)
LOGS = replace(DATA, id="v2", name="web-logs")
ROOT = replace(DATA, id="v3", name="web-root", service="cinder", boot=True)
IDENTITY = "7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10"


def instance(ports, volumes, before=None):
    """An instance with these; over `before` as a running one takes them."""
    wanted = InstanceRequest("web", "p", ports=ports, volumes=volumes)
    made = attachments.ports(wanted, IDENTITY, before and before.ports)
    disks = attachments.volumes(wanted, IDENTITY, before and before.volumes)
    if before:
        made, disks = attachments.exchange(made, before.ports), attachments.exchange(disks, before.volumes)
    return Instance("web", "p", IDENTITY, ports=made, volumes=disks, host="c1")


def names(items, leaving=None):
    """The names of items; of those that stay, or of those that leave."""
    return [item.name for item in items if leaving in (None, item.leaving)]


def test_what_is_taken_off_the_list_leaves_and_what_is_added_joins():
    before = instance([PORT], [DATA])
    after = instance([PORT, PORT], [LOGS], before)
    assert names(after.ports, leaving=False) == ["web-private", "web-private-1"]
    assert names(after.volumes, leaving=False) == ["web-logs"]
    assert names(after.volumes, leaving=True) == ["web-data"]


def test_a_volume_that_leaves_is_not_deleted():
    [leaving] = instance([], [], instance([], [DATA])).volumes
    assert leaving.leaving
    assert leaving.delete_on_termination is False


def test_what_was_leaving_stays_when_it_is_asked_for_again():
    leaving = instance([], [], instance([PORT], [DATA]))
    again = instance([PORT], [DATA], leaving)
    assert (names(again.ports, leaving=False), names(again.ports, leaving=True)) == (["web-private"], [])
    assert (names(again.volumes, leaving=False), names(again.volumes, leaving=True)) == (["web-data"], [])


def test_devices_stay_and_a_new_one_takes_the_first_that_is_free():
    before = instance([], [ROOT, DATA, LOGS])
    assert [volume.device for volume in before.volumes] == ["vda", "vdb", "vdc"]
    after = instance([], [ROOT, LOGS, replace(DATA, id="v4", name="web-more")], before)
    assert {volume.name: volume.device for volume in after.volumes} == {
        "web-root": "vda", "web-logs": "vdc", "web-more": "vdd", "web-data": "vdb",
    }  # fmt: skip


def test_ports_of_the_users_own_are_known_by_their_name():
    before = instance([PORT, MINE], [])
    after = instance([MINE], [], before)
    assert after.ports[0].id == before.ports[1].id
    assert names(after.ports, leaving=True) == ["web-private"]


def on(network, fixed_ip=None, **said):
    return NetworkRequest(network, fixed_ip=fixed_ip, **said)


WEB, DB = on("a", security_groups=["web"]), on("a", security_groups=["db"])
FIFTH, SIXTH = on("a", "10.0.0.5"), on("a", "10.0.0.6")
FIRST_MAC, SECOND_MAC = (on("a", mac_address="fa:16:3e:00:00:0%d" % number) for number in (1, 2))
SLOW = on("a", qos=[{"direction": "egress", "max_kbps": 10, "max_burst_kbps": 8}])


@pytest.mark.parametrize(
    ("before", "after", "staying"),
    [
        pytest.param([FIFTH, SIXTH], [SIXTH], [1], id="the first is taken off"),
        pytest.param([FIFTH, SIXTH], [SIXTH, FIFTH], [1, 0], id="they change places"),
        pytest.param([WEB, DB], [DB], [1], id="told apart by what else is said"),
        pytest.param([WEB, DB], [on("a", security_groups=["other"])], [0], id="a change is that of the first"),
        pytest.param([FIFTH, SIXTH], [on("a")], [0], id="nothing tells"),
        pytest.param([on("a"), on("a")], [on("a")], [0], id="nothing ever told"),
        pytest.param(
            [FIFTH, on("b"), on("a")], [on("b"), on("a", "10.0.0.6")], [1, 2], id="one that has no address yet"
        ),
        pytest.param([MINE, on("a")], [on("a"), MINE], [1, 0], id="one of the user's own"),
        pytest.param([FIRST_MAC, SECOND_MAC], [SECOND_MAC], [1], id="told apart by its MAC address"),
        pytest.param([FIRST_MAC, on("a")], [SECOND_MAC], [1], id="another MAC address is that of another"),
        pytest.param([WEB, SLOW], [SLOW], [1], id="told apart by its limits"),
    ],
)
def test_a_port_is_known_by_what_is_said_of_it(before, after, staying):
    before = instance(before, [])
    made = instance(after, [], before)
    assert [port.id for port in made.ports if not port.leaving] == [before.ports[index].id for index in staying]
    assert names(made.ports, leaving=True) == [port.name for i, port in enumerate(before.ports) if i not in staying]
    assert len({port.id for port in made.ports}) == len(made.ports)


@pytest.mark.parametrize(
    ("now", "groups", "pairs"),
    [
        pytest.param({"qos": []}, ["web"], [{"ip_address": "10.0.0.9"}], id="what is not mentioned stays"),
        pytest.param({"allowed_address_pairs": []}, ["web"], [], id="no pairs any more"),
        pytest.param({"port_security": False}, None, None, id="without port security it has neither"),
        pytest.param({"port_security": False, "security_groups": []}, [], None, id="nor if that is said"),
        pytest.param(
            {"port_security": False, "security_groups": ["db"]}, ["db"], None, id="what makes no sense is the stage's"
        ),
    ],
)
def test_what_may_change_of_a_port(now, groups, pairs):
    before = instance([replace(WEB, allowed_address_pairs=[{"ip_address": "10.0.0.9"}])], [])
    [port] = instance([on("a", **now)], [], before).ports
    assert port.id == before.ports[0].id
    assert (port.security_groups, port.allowed_address_pairs) == (groups, pairs)


def test_a_mac_address_that_is_to_be_another_is_refused():
    before = instance([replace(FIFTH, mac_address="fa:16:3e:00:00:01")], [])
    wanted = InstanceRequest("web", "p", ports=[replace(FIFTH, mac_address="fa:16:3e:00:00:02")])
    assert attachments.fixed_changes(wanted, before) == ["networks (a: fa:16:3e:00:00:02, now fa:16:3e:00:00:01)"]


def test_a_new_port_beside_those_that_stay_and_go_is_none_of_them():
    before = instance([FIFTH, SIXTH], [])
    made = instance([SIXTH, on("a", "10.0.0.5"), on("a"), on("a")], [], before)
    assert names(made.ports) == ["web-a-1", "web-a", "web-a-2", "web-a-3"]
    gone = replace(made, ports=[port for port in made.ports if port.name != "web-a"])
    assert names(instance([SIXTH, on("a"), on("a"), FIFTH], [], gone).ports) == [
        "web-a-1", "web-a-2", "web-a-3", "web-a"
    ]  # fmt: skip


def test_what_is_leaving_is_the_last_that_an_interface_is_taken_for():
    before = instance([on("a"), on("a")], [])
    killed = replace(before, ports=[replace(before.ports[0], leaving=True), before.ports[1]])
    assert names(instance([on("a")], [], killed).ports, leaving=False) == ["web-a-1"]


def test_a_port_that_is_to_have_another_address_is_none_that_leaves():
    before = instance([on("a", "10.0.0.5")], [])
    leaving = replace(before, ports=[replace(before.ports[0], leaving=True)])
    made = instance([on("a", "10.0.0.6")], [], leaving)
    assert (names(made.ports, leaving=False), names(made.ports, leaving=True)) == (["web-a-1"], ["web-a"])


def test_a_port_of_the_record_is_known_by_its_id():
    before = instance([on("a"), on("a")], [])
    before = replace(before, ports=[replace(before.ports[0], mac_address="fa:16:3e:00:00:01"), before.ports[1]])
    made = instance([before.ports[1]], [], before)
    assert [(port.id, port.leaving, port.mac_address) for port in made.ports] == [
        (before.ports[1].id, False, None), (before.ports[0].id, True, "fa:16:3e:00:00:01")
    ]  # fmt: skip


TOLD_APART = [each for net in "ab" for each in (on(net, "10.0.0.5"), on(net, "10.0.0.6"), replace(WEB, network=net),
                                                replace(DB, network=net))]  # fmt: skip


@given(st.permutations(TOLD_APART).flatmap(lambda some: st.sampled_from([some[:n] for n in range(7)])), st.data())
def test_who_stays_on_the_list_stays_plugged_in(ports, data):
    """Whatever else is taken off, and in whatever order they are listed: if something tells each from all others."""
    before = instance(ports, [])
    staying = data.draw(st.permutations(ports).flatmap(lambda some: st.sampled_from([some[:n] for n in range(7)])))
    after = instance(staying, [], before)
    by_wish = {id(wish): port.id for wish, port in zip(ports, before.ports)}
    assert [port.id for port in after.ports if not port.leaving] == [by_wish[id(wish)] for wish in staying]


def test_no_two_names_are_one_port():
    made = instance([MINE, on("port/mine"), on("a"), on("a/1"), on("a/1")], [])
    assert len({port.id for port in made.ports}) == 5


@pytest.mark.parametrize(
    ("volumes", "told"),
    [
        pytest.param([ROOT, replace(DATA, size=2)], [], id="a larger one"),
        pytest.param([ROOT], [], id="one less"),
        pytest.param([DATA], ["volumes (web-root is what it boots from)"], id="the one to boot from"),
        pytest.param([ROOT, replace(DATA, size=0.5)], ["volumes (web-data 0 GiB, now 1 GiB)"], id="a smaller one"),
        pytest.param([ROOT, replace(DATA, type="fast")], ["volumes (web-data type fast, now None)"], id="another type"),
    ],
)
def test_what_cannot_change(volumes, told):
    assert attachments.fixed_changes(InstanceRequest("web", "p", volumes=volumes), instance([], [ROOT, DATA])) == told


@pytest.mark.parametrize(
    ("service", "taken_back", "left"),
    [
        pytest.param("file", False, [], id="a file is let go of by the domain alone"),
        pytest.param("cinder", False, ["web-data"], id="a service has yet to say so"),
        pytest.param("cinder", True, [], id="it has"),
    ],
)
def test_what_has_left_leaves_the_record(service, taken_back, left):
    before = replace(instance([], [replace(DATA, service=service)]), launched=True, vm_state="active")
    known = replace(before, volumes=instance([], [], before).volumes)
    document = {**to_document(known), "domain": {"status": "ACTIVE"}}
    document["volumes"] = [] if taken_back else document["volumes"]
    [ended] = outcome.parse({"instances": [document], "max_attempts": 3, "interim": False})
    assert names(outcome.settle(ended, known).volumes) == left
