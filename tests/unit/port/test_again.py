# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever is asked for: no two ports are given one address, a second run changes nothing, one bad port is alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from ansible_collections.kvmstack.launch.plugins.module_utils.network import model as networks
from ansible_collections.kvmstack.launch.plugins.module_utils.network import request as network_request
from ansible_collections.kvmstack.launch.plugins.module_utils.port import request
from ansible_collections.kvmstack.launch.plugins.module_utils.port.model import Current, plan

INSTANCE = "7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10"
NAMES = ("private", "wide", "six")
addresses = some.integers(0, 7).map("10.20.0.%d".__mod__)


def partly(**options):
    """A mapping that may have each of these keys."""
    return some.fixed_dictionaries({}, optional=options)


definitions = some.one_of(
    partly(
        cidr=some.sampled_from(["10.20.0.0/29", "10.20.0.0/24"]),
        ipv6_cidr=some.just("fd00:20::/64"),
        gateway=some.one_of(addresses, some.none()),
        allocation_pool=some.fixed_dictionaries({"start": addresses, "end": addresses}),
        router=some.sampled_from(["host", "none"]),
        dhcp=some.booleans(),
        port_security=some.booleans(),
    ),
    some.just({"cidr": "10.20.0.0/29"}),
)
asked = partly(
    fixed_ip=some.one_of(addresses, some.just("fd00:20::5")),
    fixed_ips=some.lists(addresses, max_size=3),
    mac_address=some.integers(1, 3).map("fa:16:3e:00:00:0%d".__mod__),
    security_groups=some.lists(some.sampled_from(["default", "web", "none"]), max_size=2),
    port_security=some.booleans(),
    allowed_address_pairs=some.lists(some.fixed_dictionaries({"ip_address": addresses}), max_size=2),
    floating_ip=some.one_of(some.booleans(), addresses),
)
ports = some.lists(some.tuples(some.sampled_from(NAMES), some.one_of(some.just({}), asked)), min_size=1, max_size=9)
of_others = some.sets(addresses)


def made(defined):
    """What a northbound has of these networks and groups once they are made, as far as they can be."""
    changes = networks.plan(network_request.parse(defined), networks.Current(), "present")
    found = [change.after.definition for change in changes if change.error is None]
    kinds = {change.after.definition.full_name: change.after.kind for change in changes if change.error is None}
    return {
        "networks": {each.full_name: each for each in found if kinds[each.full_name] == networks.NETWORK},
        "groups": {each.full_name: True for each in found if kinds[each.full_name] != networks.NETWORK},
    }


@given(some.fixed_dictionaries(dict.fromkeys(NAMES, definitions)), ports, of_others)
def test_a_second_run_keeps_what_the_first_has_made(defined, wanted, others):
    items = [
        {**said, "id": INSTANCE[:-1] + str(place), "name": "p%d" % place, "instance_uuid": INSTANCE, "network": name}
        for place, (name, said) in enumerate(wanted)
    ]
    params = {"networks": defined, "security_groups": {"web": []}, "ports": items, "service": "ovn"}
    there, requests = made(params), request.parse(params)
    held = {name: dict.fromkeys(others, "another's") for name in there["networks"]}
    changes = plan(requests, Current(**there, held=held), "present")
    sound = {change.key: change.after for change in changes if change.error is None}
    for port in sound.values():
        for word in (*port.fixed_ips, port.mac_address):
            assert held[port.network.full_name].setdefault(word, port.id) == port.id
    again = plan(requests, Current(**there, ports=sound, held=held), "present")
    assert {change.key for change in again if change.error is None and change.action == "keep"} >= set(sound)
    going = request.parse({**params, "state": "absent"})
    taken = [change.key for change in plan(going, Current(ports=sound), "absent") if change.action == "delete"]
    assert set(taken) == set(sound)
    assert {change.action for change in plan(going, Current(), "absent")} == {"keep"}
