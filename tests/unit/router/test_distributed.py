# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Floating IPs that the hosts of their ports translate, in a real northbound."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.tests.unit.router.test_ovn import ROUTERS, identity, port, site

__all__ = ["site"]  # a fixture


@pytest.fixture
def distributed(site):
    site.routers = {"main": {**ROUTERS["main"], "distributed": True}}
    return site


def rows(site):
    """By external address the port and the MAC address of each floating IP."""
    columns = "--columns=external_ip,logical_port,external_mac"
    lines = site.nbctl("--data=bare", "--no-headings", "--format=csv", columns, "find", "NAT", "type=dnat_and_snat")
    return {address: (name, mac) for address, name, mac in (line.split(",") for line in lines.split())}


def on(host, name="web", **said):
    return port(name, host=host, **{"floating_ip": True, **said})


def test_it_is_where_its_port_is_if_that_host_is_on_the_wire(distributed):
    made = distributed.launch(on("kvm7"), on("kvm8", "db"))
    there = rows(distributed)
    mac = made["web"].to_result()["floating_ip_mac"]
    assert mac.startswith("fa:16:3f:")
    assert there == {"172.30.0.51": (identity("web"), mac), "172.30.0.52": ("", "")}
    assert made["db"].to_result()["floating_ip_mac"] is None
    before = distributed.dump()
    for said in (True, None):
        distributed.launch(on("kvm7", floating_ip=said), on("kvm8", "db", floating_ip=said))
        assert set(distributed.actions) == {"keep"}
    assert distributed.dump() == before


def test_two_have_two_mac_addresses(distributed):
    distributed.launch(on("kvm1"), on("kvm1", "db"))
    assert len({mac for _name, mac in rows(distributed).values()}) == 2


def test_it_follows_its_port(distributed):
    distributed.launch(on("kvm7"))
    near = rows(distributed)
    distributed.launch(on("kvm8", floating_ip=None))
    assert rows(distributed) == {"172.30.0.51": ("", "")}
    distributed.launch(on("kvm1", floating_ip=None))
    assert rows(distributed) == near
    distributed.destroy("web")
    assert rows(distributed) == {}


def test_a_router_becomes_distributed_and_central_again(site, distributed):
    wanted, site.routers = site.routers, ROUTERS
    site.launch(on("kvm7"))
    assert rows(site) == {"172.30.0.51": ("", "")}
    site.routers = wanted
    site.launch(on("kvm7"))
    assert site.actions.count("update") == 2  # the router and the port
    assert rows(site)["172.30.0.51"][0] == identity("web")
    site.routers = ROUTERS
    site.launch(on("kvm7"))
    assert rows(site) == {"172.30.0.51": ("", "")}


def test_who_does_not_say_which_hosts_are_on_the_wire_has_it_at_the_gateway(distributed):
    distributed.launch(port("other"))
    distributed.gateways = {}
    distributed.run("port", ports=[on("kvm7")])
    assert rows(distributed) == {"172.30.0.51": ("", "")}


def test_it_stays_where_it_is_if_nothing_is_said_of_hosts(distributed):
    distributed.launch(on("kvm7"))
    near, distributed.gateways = rows(distributed), None
    for said in (True, None):
        distributed.run("port", ports=[on("kvm7", floating_ip=said)])
        assert rows(distributed) == near


def test_a_mac_address_that_somebody_took_away_comes_back(distributed):
    distributed.launch(on("kvm7"))
    before = rows(distributed)
    nat = distributed.nbctl("--bare", "--columns=_uuid", "find", "NAT", "type=dnat_and_snat").strip()
    distributed.nbctl("clear", "NAT", nat, "external_mac")
    distributed.launch(on("kvm7"))
    assert rows(distributed) == before
