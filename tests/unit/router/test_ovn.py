# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routers and floating IPs in a real northbound: a launch's stages network, router and port, and each alone."""

from __future__ import annotations

import re
import uuid

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import LaunchError
from ansible_collections.kvmstack.launch.plugins.module_utils.network import model as network_model
from ansible_collections.kvmstack.launch.plugins.module_utils.network import request as network_request
from ansible_collections.kvmstack.launch.plugins.module_utils.network.names import name_in
from ansible_collections.kvmstack.launch.plugins.module_utils.network.ovn import backend as network_backend
from ansible_collections.kvmstack.launch.plugins.module_utils.port import model as port_model
from ansible_collections.kvmstack.launch.plugins.module_utils.port import request as port_request
from ansible_collections.kvmstack.launch.plugins.module_utils.port.ovn import backend as port_backend
from ansible_collections.kvmstack.launch.plugins.module_utils.router import model, request
from ansible_collections.kvmstack.launch.plugins.module_utils.router.names import router_port
from ansible_collections.kvmstack.launch.plugins.module_utils.router.ovn import backend

PROVIDER = {
    "physical_network": "physnet1", "cidr": "172.30.0.0/24", "gateway": "172.30.0.1",
    "allocation_pool": {"start": "172.30.0.50", "end": "172.30.0.99"},
}  # fmt: skip
LAB = {"cidr": "10.20.0.0/24", "ipv6_cidr": "fd00:20::/64", "router": "main", "domain": "lab.test"}
NETWORKS = {"provider": PROVIDER, "lab": LAB, "closed": {"cidr": "10.21.0.0/24", "router": "main", "mtu": 1400}}
ROUTERS = {"main": {"external_network": "provider"}}
GATEWAYS = {"physnet1": ["kvm%d" % number for number in range(1, 8)]}
STAGES = {
    "network": (network_backend, network_request, network_model),
    "router": (backend, request, model),
    "port": (port_backend, port_request, port_model),
}


def identity(name):
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def port(name="web", network="lab", **said):
    owner = {"id": identity(name), "name": name, "instance_uuid": identity("i" + name), "network": network}
    return {"record_id": identity("record"), **owner, **said}


class Site:
    """A northbound, and what is defined for it."""

    def __init__(self, server):
        self.server, self.nbctl, self.dump = server, server.nbctl, server.dump
        self.networks, self.routers, self.gateways = NETWORKS, ROUTERS, GATEWAYS
        self.interrupted = None

    def run(self, noun, check=False, state="present", **said):
        """What core.run does with a door's parameters: by key the item as it now is, or would be, or why not."""
        rooms = STAGES[noun]
        defined = {"networks": self.networks, "routers": self.routers, "security_groups": {}, "gateways": self.gateways}
        params = {"ovn": {"northbound": self.server.endpoint}, "state": state, **defined, **said}
        wanted = rooms[1].parse(params)
        stage = rooms[0].connect(params)
        try:
            changes = rooms[2].plan(wanted, stage.read(wanted), state)
            self.actions = [change.action for change in changes if change.error is None]
            pending = [change for change in changes if change.pending]
            outcome = {} if check else stage.apply(pending)
        finally:
            stage.link.close()
        return {change.key: outcome.get(change.key, change.error or change.after) for change in changes}

    def launch(self, *ports, check=False):
        """The stages of a launch, as far as it goes; its actions, and the ports by name or why one was not made."""
        actions = []
        wanted = {
            "network": network_request.wanted_for(ports, self.networks, self.routers),
            "router": request.wanted_for(ports, self.networks),
        }
        for noun, items in wanted.items():
            for end in self.run(noun, wanted=items, check=check).values():
                if isinstance(end, LaunchError):
                    raise end
            actions += self.actions
        ends = self.run("port", ports=list(ports), check=check)
        self.actions = actions + self.actions
        return {each["name"]: ends[each["id"]] for each in ports}

    def destroy(self, *names):
        self.run("port", ports=[port(name) for name in names], state="absent")

    def column(self, table, column="name"):
        return sorted(self.nbctl("--bare", "--columns=" + column, "list", table).split())


@pytest.fixture
def site(northbound):
    return Site(northbound)


def floating(made):
    return {name: each.to_result()["floating_ip_address"] for name, each in made.items()}


def test_a_launch_makes_it_all_and_a_second_run_nothing(site):
    made = site.launch(port(floating_ip=True), port("db"))
    assert floating(made) == {"web": "172.30.0.51", "db": None}
    assert site.column("Logical_Switch") == ["kvmstack-lab", "kvmstack-provider"]
    assert site.nbctl("lr-nat-list", "kvmstack-main").split()[-10:]
    assert site.column("NAT", "external_ip") == ["172.30.0.50", "172.30.0.51"]
    assert sorted(site.nbctl("--bare", "--columns=networks", "list", "Logical_Router_Port").split()) == [
        "10.20.0.1/24", "172.30.0.50/24", "fd00:20::1/64",
    ]  # fmt: skip
    [group] = site.column("HA_Chassis_Group")
    assert group == "kvmstack-main"
    assert site.column("HA_Chassis", "chassis_name") == ["kvm1", "kvm2", "kvm3", "kvm4", "kvm5"]
    assert site.nbctl("--bare", "--columns=ip_prefix,nexthop", "list", "Logical_Router_Static_Route").split() == [
        "0.0.0.0/0", "172.30.0.1",
    ]  # fmt: skip
    before = site.dump()
    site.launch(port(floating_ip=True), port("db"))
    assert set(site.actions) == {"keep"}
    assert site.dump() == before


def test_check_mode_plans_what_is_made(site):
    before = site.dump()
    planned = floating(site.launch(port(floating_ip=True), check=True))
    assert site.dump() == before
    assert floating(site.launch(port(floating_ip=True))) == planned == {"web": "172.30.0.51"}


def test_all_goes_with_the_last_that_uses_it(site):
    site.nbctl("set", "nb_global", ".", "external_ids:kvmstack\\:generation=1")
    before = site.dump()
    site.launch(port(floating_ip=True), port("db", network="closed"))
    site.destroy("web")
    assert site.column("Logical_Switch") == ["kvmstack-closed", "kvmstack-provider"]
    assert site.column("NAT", "type") == ["snat"]
    site.run("port", ports=[port("db", network="closed")], state="absent")
    assert site.dump().replace(generation(site), "generation") == before.replace('generation"="1"', "generation")


def generation(site):
    number = site.nbctl("get", "nb_global", ".", "external_ids:kvmstack\\:generation").strip('"')
    return 'generation"="%s"' % number


def refusal(site, *ports, **defined):
    """Why a launch of these ports is refused; nothing is written."""
    vars(site).update(defined)
    before = site.dump()
    try:
        ends = site.launch(*ports).values()
    except LaunchError as error:
        ends = [error]
    [told] = [str(end) for end in ends if isinstance(end, LaunchError)]
    return told, site.dump() == before


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("provider", "172.30.0.51"),
        (True, "172.30.0.51"),
        ("172.30.0.77", "172.30.0.77"),
        (None, None),
        (False, None),
    ],
)
def test_a_floating_ip_is_of_the_external_network(site, said, address):
    assert floating(site.launch(port(floating_ip=said))) == {"web": address}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            {"floating_ip": "172.30.0.10"},
            "floating_ip 172.30.0.10 is outside of the allocation_pool of network provider",
        ),
        ({"floating_ip": "192.0.2.1"}, "floating_ip 192.0.2.1 is outside 172.30.0.0/24"),
        ({"floating_ip": "172.30.0.50"}, "floating_ip 172.30.0.50 of network provider belongs to port"),
        ({"floating_ip": "outside"}, "the external_network of router main is provider"),
        ({"floating_ip": True, "network": "private"}, "network private is on no router"),
        ({"floating_ip": True, "network": "apart"}, "router inner has no external_network"),
    ],
)
def test_a_floating_ip_that_cannot_be(site, said, told):
    site.networks = {
        **NETWORKS, "private": {"cidr": "10.22.0.0/24"}, "apart": {"cidr": "10.23.0.0/24", "router": "inner"},
    }  # fmt: skip
    site.routers = {**ROUTERS, "inner": {}}
    site.launch(port("first"))
    assert told in refusal(site, port(**said))[0]


def test_what_one_has_no_other_gets(site):
    """Neither a router, nor a port on the wire, nor a floating IP has the address of another."""
    site.routers = {**ROUTERS, "other": {"external_network": "provider"}}
    site.networks = {**NETWORKS, "away": {"cidr": "10.20.0.0/24", "router": "other"}}
    ports = [
        port("a", floating_ip=True),
        port("b", "provider"),
        port("c", "away", floating_ip=True),
        port("d", "provider"),
    ]
    made = {}
    for each in ports:
        made.update(site.launch(each))
    have = [made["a"].floating.address, made["b"].fixed_ip, made["c"].floating.address, made["d"].fixed_ip]
    assert have == ["172.30.0.51", "172.30.0.52", "172.30.0.54", "172.30.0.55"]
    assert "belongs to port" in refusal(site, port("e", floating_ip="172.30.0.52"))[0]
    assert "belongs to port" in refusal(site, port("e", "provider", fixed_ip="172.30.0.54"))[0]
    assert "belongs to port" in refusal(site, port("e", "provider", fixed_ip="172.30.0.50"))[0]


def test_another_ones_router_keeps_what_it_has(site):
    site.launch(port("first", "provider"))
    site.nbctl("lr-add", "theirs", "--", "lrp-add", "theirs", "out", "00:00:00:00:00:01", "172.30.0.51/24")
    site.nbctl("lsp-add", "kvmstack-provider", "plug", "--", "set", "logical_switch_port", "plug", "type=router",
               "addresses=router", "options:router-port=out")  # fmt: skip
    site.nbctl("lr-nat-add", "theirs", "dnat_and_snat", "172.30.0.52", "10.9.0.9")
    assert floating(site.launch(port(floating_ip=True))) == {"web": "172.30.0.54"}
    assert site.run("router", wanted=[{"name": "main", "keep": False}])["main"].external_ip == "172.30.0.53"
    site.destroy("web")
    site.run("port", ports=[port("first", "provider")], state="absent")
    assert site.column("Logical_Router") == ["theirs"]
    assert site.column("Logical_Switch") == ["kvmstack-provider"]


def test_floating_ips_change_places_in_one_list(site):
    first, second = "172.30.0.60", "172.30.0.61"
    site.launch(port(floating_ip=first), port("db", floating_ip=second))
    swapped = [port(floating_ip=second), port("db", floating_ip=first)]
    assert floating(site.launch(*swapped)) == {"web": second, "db": first}
    chain = [port("new", floating_ip=True), port("db", floating_ip=second), port(floating_ip=False)]
    assert floating(site.launch(*chain)) == {"new": "172.30.0.51", "db": second, "web": None}
    assert sorted(site.column("NAT", "external_ip")) == ["172.30.0.50", "172.30.0.51", second]


def test_a_floating_ip_that_is_given_up_is_for_who_asks_for_it(site):
    site.launch(port(floating_ip=True), port("new"), port("db"))
    told = site.launch(port(floating_ip=False), port("new", floating_ip=True), port("db", floating_ip="172.30.0.51"))
    assert floating(told) == {"web": None, "new": "172.30.0.52", "db": "172.30.0.51"}


def test_who_cannot_change_keeps_its_floating_ip(site):
    """Nobody gets what it was to give up."""
    first, second = "172.30.0.60", "172.30.0.61"
    site.launch(port(floating_ip=first), port("db", floating_ip=second))
    ends = site.launch(port("db", floating_ip=first), port(floating_ip="172.30.0.50"))
    assert all("172.30.0" in str(end) for end in ends.values())
    assert {"172.30.0.60", "172.30.0.61"} <= set(site.column("NAT", "external_ip"))


@pytest.mark.parametrize("gives", [False, "172.30.0.61"])
def test_a_floating_ip_moves_between_ports_of_one_list(site, gives):
    asked = "172.30.0.60"
    site.launch(port(floating_ip=asked), port("db"))
    moved = [port("db", floating_ip=asked), port(floating_ip=gives)]
    assert floating(site.launch(*moved, check=True)) == {"web": gives or None, "db": asked}
    assert floating(site.launch(*moved)) == {"web": gives or None, "db": asked}
    assert site.column("NAT", "external_ip").count(asked) == 1


def test_a_floating_ip_changes_and_goes(site):
    assert floating(site.launch(port(floating_ip=True))) == {"web": "172.30.0.51"}
    assert floating(site.launch(port())) == {"web": "172.30.0.51"}
    assert site.actions[-1] == "keep"
    assert floating(site.launch(port(floating_ip="172.30.0.60"))) == {"web": "172.30.0.60"}
    assert floating(site.launch(port(floating_ip="provider"))) == {"web": "172.30.0.60"}
    assert floating(site.launch(port(floating_ip=False))) == {"web": None}
    assert site.column("NAT", "type") == ["snat"]


def test_what_others_changed_is_put_right(site):
    site.launch(port(floating_ip=True), port("db", "closed"))
    before = site.dump()
    for command in (
        ("lr-nat-del", "kvmstack-main", "dnat_and_snat", "172.30.0.51"),
        ("lr-nat-del", "kvmstack-main", "snat", "10.20.0.0/24"),
        ("lr-route-del", "kvmstack-main"),
        ("set", "logical_router", "kvmstack-main", "options:dynamic_neigh_routers=false"),
        ("ha-chassis-group-remove-chassis", "kvmstack-main", "kvm1"),
        ("ha-chassis-group-add-chassis", "kvmstack-main", "kvm2", "99"),
        ("lsp-del", plug(site, "lab")),
        ("lsp-del", plug(site, "provider")),
        ("lrp-del", "lrp-" + plug(site, "lab")),
        ("lrp-del", "lrp-" + plug(site, "provider")),
        ("set", "logical_router_port", "lrp-" + plug(site, "lab"), 'mac="00:00:00:00:00:09"'),
    ):
        site.nbctl(*command)
        site.launch(port(floating_ip=True), port("db", "closed"))
        assert "update" in site.actions or "create" in site.actions, command
        assert contents(site.dump()) == contents(before), command


def plug(site, network):
    return router_port(name_in(None, "main"), name_in(None, network))


def contents(dump):
    """A dump without rows' UUIDs and the count of transactions."""
    text = re.sub(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|generation"="[0-9]+"', "", dump)
    return sorted(re.sub(r"[\s,]+|-{2,}", " ", line) for line in text.splitlines())


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("lr-add", "kvmstack-main"), "logical router kvmstack-main is not ours"),
        (("ha-chassis-group-add", "kvmstack-main"), "HA chassis group kvmstack-main is not ours"),
    ],
)
def test_what_has_our_names_and_is_not_ours_stays(site, command, told):
    site.nbctl(*command)
    before = site.dump()
    assert told in str(site.run("router")["main"])
    assert told in str(site.run("router", state="absent", wanted=[{"name": "main"}])["main"])
    assert site.dump() == before


def test_a_router_alone(site):
    """Made without networks, joined by them, kept when they go, removed when it is told to be."""
    site.networks = {"provider": PROVIDER}
    assert "neither defined nor there" in str(site.run("router", networks={})["main"])
    site.run("network")
    assert site.run("router", check=True)["main"].external_ip == "172.30.0.50"
    assert site.column("Logical_Router") == []
    assert site.run("router")["main"].networks == ()
    site.networks = NETWORKS
    site.run("network")
    made = site.run("router")["main"]
    assert [network.name for network in made.networks] == ["closed", "lab"]
    assert 'gateway_mtu="1400"' in site.nbctl("list", "Logical_Router_Port")
    assert "router main is that of networks, closed, lab" in str(absent(site, "router", "main"))
    assert "used by ports, router main" in str(absent(site, "network", "network/provider"))
    for name in ("closed", "lab"):
        assert absent(site, "network", "network/" + name) is None
    assert site.run("router")["main"].networks == ()
    assert 'gateway_mtu="1500"' in site.nbctl("list", "Logical_Router_Port")
    assert [item.name for item in find(site)] == ["main"]
    assert absent(site, "router", "main") is None
    assert absent(site, "router", "main") is None
    assert site.actions == ["keep"]
    assert [site.column(table) for table in ("Logical_Router", "HA_Chassis_Group", "Logical_Switch")] == [
        [], [], ["kvmstack-provider"],
    ]  # fmt: skip


def absent(site, noun, key):
    kind = {} if noun == "router" else {"kind": "network"}
    return site.run(noun, state="absent", wanted=[{"name": key.rpartition("/")[2], **kind}])[key]


def find(site, **narrow):
    stage = backend.connect({"ovn": {"northbound": site.server.endpoint}})
    try:
        return stage.find({"names": None, "project_id": None, **narrow})
    finally:
        stage.link.close()


def test_a_query_tells_what_the_stage_told(site):
    site.launch(port(floating_ip=True))
    [found] = find(site, names=["main"])
    assert found.in_sync
    assert found.to_result() == site.run("router", wanted=[{"name": "main", "keep": False}])["main"].to_result()
    assert found.to_result()["gateways"] == ["kvm1", "kvm2", "kvm3", "kvm4", "kvm5"]
    assert find(site, names=["other"]) == find(site, project_id="other") == []
    stage = port_backend.connect({"ovn": {"northbound": site.server.endpoint}})
    asked = dict.fromkeys(("instance_uuids", "names", "networks"))
    for narrow in ({}, {"names": ["web"]}, {"networks": ["lab"]}):
        [seen] = stage.find({**asked, **narrow})
        assert seen.to_result()["floating_ip_address"] == "172.30.0.51"
    stage.link.close()


def test_gateways_follow_the_inventory(site):
    site.launch(port())
    site.gateways = {"physnet1": ["kvm9", "kvm2"]}
    made = site.run("router", wanted=[{"name": "main", "keep": False}])["main"]
    assert made.gateways == ("kvm9", "kvm2")
    listed = site.nbctl("--bare", "--columns=chassis_name,priority", "list", "HA_Chassis").split()
    assert dict(zip(listed[::2], listed[1::2])) == {"kvm9": "2", "kvm2": "1"}
    site.gateways = {"other": ["kvm1"]}
    told, unchanged = refusal(site, port())
    assert "no compute host is on physical_network physnet1" in told
    assert unchanged


def test_the_external_network_changes_unless_floating_ips_are_there(site):
    other = {**PROVIDER, "physical_network": "physnet2", "cidr": "192.0.2.0/24", "gateway": "192.0.2.1",
             "allocation_pool": {"start": "192.0.2.9", "end": "192.0.2.9"}}  # fmt: skip
    site.networks, site.gateways = {**NETWORKS, "wan": other}, {**GATEWAYS, "physnet2": ["kvm3"]}
    site.launch(port(floating_ip=True))
    site.routers = {"main": {"external_network": "wan"}}
    assert "instances have 1 floating IPs" in refusal(site, port())[0]
    site.routers = ROUTERS
    site.launch(port(floating_ip=False))
    site.routers = {"main": {"external_network": "wan"}}
    site.launch(port())
    assert site.column("Logical_Switch") == ["kvmstack-lab", "kvmstack-wan"]
    assert site.column("NAT", "external_ip") == ["192.0.2.9"]
    assert site.column("HA_Chassis", "chassis_name") == ["kvm3"]
    told = site.launch(port(floating_ip=True))["web"]
    assert "network wan (192.0.2.0/24) has no free address left" in str(told)


def test_a_network_leaves_its_router_when_it_has_no_ports(site):
    site.launch(port())
    site.networks = {**NETWORKS, "lab": {**LAB, "router": "host"}}
    assert "network lab is on router main, and stays there" in refusal(site, port())[0]
    site.run("network", networks=NETWORKS, wanted=[{"name": "lab"}])
    site.destroy("web")
    assert site.column("Logical_Router") == ["kvmstack-main"]
    site.run("network", wanted=[{"name": "lab"}])
    assert site.column("Logical_Switch") == ["kvmstack-lab"]
    assert site.column("Logical_Router") == site.column("HA_Chassis_Group") == []
    assert site.nbctl("--bare", "--columns=type", "list", "Logical_Switch_Port") == "localport"


def test_two_controllers_give_out_two_addresses(site, monkeypatch):
    site.launch(port(), port("db"))
    fill, other = port_backend.Apply._fill, {}

    def interrupted(writer, changes, left):
        fill(writer, changes, left)
        monkeypatch.setattr(port_backend.Apply, "_fill", staticmethod(fill))
        other.update(site.launch(port("db", floating_ip=True)))

    monkeypatch.setattr(port_backend.Apply, "_fill", staticmethod(interrupted))
    made = site.launch(port(floating_ip=True))
    assert floating({**made, **other}) == {"web": "172.30.0.52", "db": "172.30.0.51"}


def test_projects_have_routers_of_one_name_on_a_shared_wire(site):
    site.networks = {**NETWORKS, "provider": {**PROVIDER, "shared": True}}
    ones = {}
    for project in ("red", "blue"):
        ones[project] = site.launch(port(project, project_id=project, floating_ip=True))[project]
    assert [each.floating.address for each in ones.values()] == ["172.30.0.51", "172.30.0.53"]
    assert site.column("Logical_Router") == ["kvmstack-main@blue", "kvmstack-main@red"]
    site.run("port", ports=[port("red", project_id="red")], state="absent")
    assert site.column("Logical_Router") == ["kvmstack-main@blue"]
    assert site.column("Logical_Switch") == ["kvmstack-lab@blue", "kvmstack-provider@"]
    assert site.column("NAT", "external_ip") == ["172.30.0.52", "172.30.0.53"]
    site.run("port", ports=[port("blue", project_id="blue")], state="absent")
    assert site.column("Logical_Switch") == []


def test_snat_false_and_routes(site):
    site.routers = {"main": {"external_network": "provider", "snat": "no", "external_ip": "172.30.0.90",
                             "routes": [{"destination": "198.51.100.0/24", "nexthop": "172.30.0.7"}]}}  # fmt: skip
    made = site.launch(port(floating_ip=True))
    assert floating(made) == {"web": "172.30.0.50"}
    assert site.column("NAT", "type") == ["dnat_and_snat"]
    assert site.column("Logical_Router_Static_Route", "nexthop") == ["172.30.0.1", "172.30.0.7"]
    assert site.column("Logical_Router_Port", "networks")[-1] == "fd00:20::1/64"
    assert "172.30.0.90/24" in site.column("Logical_Router_Port", "networks")
    assert "belongs to port" in refusal(site, port("db", floating_ip="172.30.0.90"))[0]


def test_ipv6_is_announced(site):
    site.launch(port())
    told = site.nbctl("get", "Logical_Router_Port", "lrp-" + plug(site, "lab"), "ipv6_ra_configs")
    assert told == '{address_mode=slaac, dnssl=lab.test, mtu="1442", send_periodic="true"}'


OWN_6 = {"ipv6_cidr": "fd00:30::/64", "ipv6_gateway": "fd00:30::1"}


def ways(site):
    """By destination who is next."""
    told = site.nbctl("--bare", "--columns=ip_prefix,nexthop", "list", "Logical_Router_Static_Route").split()
    return dict(zip(told[::2], told[1::2]))


def test_ipv6_is_routed_outside_and_not_translated(site):
    site.networks = {
        **NETWORKS,
        "provider": {**PROVIDER, **OWN_6},
        "six": {"ipv6_cidr": "fd00:21::/64", "router": "main"},
    }
    made = site.launch(port(floating_ip=True), port("alone", network="six"))
    assert made["alone"].fixed_ips == (made["alone"].ipv6_address,)
    assert floating(made) == {"web": "172.30.0.51", "alone": None}
    [router] = site.run("router", wanted=[{"name": "main", "keep": False}]).values()
    own = router.external_ipv6
    assert own.startswith("fd00:30::f816:3fff:fe")
    assert site.column("Logical_Router_Port", "networks") == sorted(
        ["10.20.0.1/24", "fd00:20::1/64", "fd00:21::1/64", "172.30.0.50/24", own + "/64"]
    )
    assert ways(site) == {"0.0.0.0/0": "172.30.0.1", "::/0": "fd00:30::1"}
    assert site.column("NAT", "logical_ip") == ["10.20.0.0/24", made["web"].fixed_ip]
    told = site.nbctl("get", "Logical_Router_Port", "lrp-" + plug(site, "provider"), "ipv6_ra_configs")
    assert told == "{}"
    before = site.dump()
    site.launch(port(floating_ip=True), port("alone", network="six"))
    assert set(site.actions) == {"keep"}
    assert site.dump() == before
    site.destroy("web", "alone")
    assert site.column("Logical_Router") == site.column("Logical_Switch") == []


def test_a_way_out_of_ipv6_alone(site):
    site.networks = {
        "provider": {"physical_network": "physnet1", **OWN_6},
        "six": {"ipv6_cidr": "fd00:21::/64", "router": "main"},
    }
    routes = [{"destination": "2001:db8::/32", "nexthop": "FD00:30::7"}]
    site.routers = {"main": {"external_network": "provider", "external_ipv6": "FD00:30::5", "routes": routes}}
    site.launch(port(network="six"))
    assert site.column("Logical_Router_Port", "networks") == ["fd00:21::1/64", "fd00:30::5/64"]
    assert ways(site) == {"2001:db8::/32": "fd00:30::7", "::/0": "fd00:30::1"}
    assert site.column("NAT", "logical_ip") == []
    site.launch(port(network="six"))
    assert set(site.actions) == {"keep"}
    # Another router on the wire cannot have its address, nor can a guest there be given it.
    site.networks["seven"] = {"ipv6_cidr": "fd00:22::/64", "router": "other"}
    site.routers["other"] = site.routers["main"]
    [refused] = site.run("router", wanted=[{"name": "other"}]).values()
    assert "external_ipv6 fd00:30::5 of network provider belongs to port" in str(refused)
    assert "belongs to another port" in refused.public
    assert (
        "network six has no cidr, and a floating IP is translated to"
        in refusal(site, port("db", network="six", floating_ip=True))[0]
    )


def test_a_way_out_that_is_there_and_not_defined_is_judged_too(site):
    site.run("network", wanted=[{"name": "provider"}])
    site.networks, site.routers = {}, {"main": {"external_network": "provider", "external_ipv6": "fd00:30::5"}}
    [refused] = site.run("router", wanted=[{"name": "main"}]).values()
    assert str(refused) == "external_ipv6 fd00:30::5: external_network provider has no ipv6_cidr"


def test_ipv6_comes_to_a_way_out_that_is_there(site):
    site.launch(port())
    assert ways(site) == {"0.0.0.0/0": "172.30.0.1"}
    site.networks = {**NETWORKS, "provider": {**PROVIDER, **OWN_6}}
    site.launch(port())
    assert ways(site) == {"0.0.0.0/0": "172.30.0.1", "::/0": "fd00:30::1"}
    site.launch(port())
    assert set(site.actions) == {"keep"}


def test_a_router_of_the_wire_that_is_known_by_the_link(site):
    """Each link has such addresses: the port says on which one it is (ovn-nb(5), output_port)."""
    site.networks = {**NETWORKS, "provider": {**PROVIDER, **OWN_6, "ipv6_gateway": "fe80::1"}}
    site.launch(port())
    assert ways(site) == {"0.0.0.0/0": "172.30.0.1", "::/0": "fe80::1"}
    outer = "lrp-" + plug(site, "provider")
    assert site.nbctl(
        "--bare", "--columns=nexthop", "find", "Logical_Router_Static_Route", "output_port=" + outer
    ).split() == ["fe80::1"]
    site.launch(port())
    assert set(site.actions) == {"keep"}
    site.networks = {**NETWORKS, "provider": {**PROVIDER, **OWN_6}}
    site.launch(port())
    assert ways(site) == {"0.0.0.0/0": "172.30.0.1", "::/0": "fd00:30::1"}
    assert (
        site.nbctl("--bare", "--columns=nexthop", "find", "Logical_Router_Static_Route", "output_port=" + outer).split()
        == []
    )


def test_a_floating_ip_whose_port_somebody_removed(site):
    """It is found by its record, and goes with what is left of the port; or is the port's again."""
    site.launch(port(floating_ip="172.30.0.70"), port("db"))
    site.nbctl("lsp-del", identity("web"))
    stage = port_backend.connect({"ovn": {"northbound": site.server.endpoint}})
    found = stage.find({"record_id": identity("record")})
    stage.link.close()
    assert [(each.name, each.network, each.instance_uuid) for each in found] == [
        ("db", "lab", identity("idb")), ("web", "lab", identity("iweb")),
    ]  # fmt: skip
    assert [each.to_result().get("left") for each in found] == [None, True]
    other = {**port(), "instance_uuid": identity("other")}
    assert "another port" in str(site.run("port", ports=[other], state="absent")[identity("web")])
    assert floating(site.launch(port(floating_ip=True))) == {"web": "172.30.0.70"}
    site.nbctl("lsp-del", identity("web"))
    site.destroy("web")
    assert site.actions == ["delete"]
    assert site.column("NAT", "type") == ["snat"]
    site.destroy("web")
    assert site.actions == ["keep"]


def test_what_a_killed_launch_left_is_unused_and_goes_together(site):
    def used():
        stage = network_backend.connect({"ovn": {"northbound": site.server.endpoint}})
        found = stage.find({"names": None, "kinds": ["network"]})
        stage.link.close()
        return {item.name: item.to_result()["used"] for item in found}

    site.launch(port())
    assert used() == {"lab": True, "provider": True}
    site.nbctl("lsp-del", identity("web"))
    assert used() == {"lab": False, "provider": True}
    assert absent(site, "network", "network/lab") is None
    assert used() == {}
    assert site.column("Logical_Router") == []


@pytest.mark.parametrize("row", ["logical_switch kvmstack-lab", "logical_router kvmstack-main"])
def test_what_nobody_can_read_of_a_network_or_a_router_takes_neither_away(site, row):
    site.launch(port(), port("other", network="closed"))
    site.nbctl("set", *row.split(), "external_ids:kvmstack\\:definition=" + '"{"')
    before = site.dump()
    for state in ("present", "absent"):
        try:
            [end] = site.run("router", wanted=[{"name": "main"}], state=state).values()
        except LaunchError as error:
            end = error
        assert "%s says in its external_ids" % row.replace("_", " ") in str(end)
        assert site.dump() == before
