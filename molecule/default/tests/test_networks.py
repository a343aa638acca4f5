# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What guests reach, and what reaches them: out by their own host, in by rules only, and nothing past OVN."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import threading
from typing import Iterator

import pytest

from ansible_collections.kvmstack.launch.molecule.shared.launching import on_host, request

# The controller, seen from the hosts: all of the world outside that there is.
OUTSIDE = "198.51.100.1"
OUTSIDE_6 = "2001:db8:51:100::1"

# What the guest tries. Its host is $HOST, and $TAP the MAC address of its own interface there.
SCRIPT = """#!/bin/sh
said() { printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 "$1" "$2" 2> /dev/null | tail -n 1; }
names() { nslookup outside.test "$1" 2>&1 | grep -o -m 1 -e REFUSED -e SERVFAIL -e NXDOMAIN; }
again() { for _try in 1 2 3 4 5; do told=$("$@"); [ -n "$told" ] && break; sleep 1; done; echo "$told"; }
echo "TRY-OUT $(again said OUTSIDE PORT)."
echo "TRY-NAMES $(again names 10.23.0.1)."
echo "TRY-PEER $(nslookup out 10.23.0.1 2>&1 | grep -A 1 Name: | grep -o '10[.]23[.][0-9.]*')."
for address in 10.23.0.1 HOST; do echo "TRY-HOST $(said $address 22 | head -c 4)."; done
echo "TRY-DATABASE $(said CENTRAL 6642)."
read -r mac < /sys/class/net/eth0/address
tap=fe${mac#fa}
ip neigh replace 10.23.0.99 lladdr "$tap" dev eth0 nud permanent
ip route add HOST/32 via 10.23.0.99 dev eth0
echo "TRY-PAST $(said HOST 22 | head -c 4)."
ip route del HOST/32
echo "TRY-ARP $(arping -c 2 -w 2 -I eth0 HOST | grep -c 'reply from')."
local=$(echo "$tap" | awk -F: '{ printf "fe80::fc%s:%sff:fe%s:%s%s", $2, $3, $4, $5, $6 }')
echo "TRY-LINK $(said "$local%eth0" 22 | head -c 4)."
echo TRY-END
"""


# The same of IPv6, once the guest has made itself an address of what its host announces.
SCRIPT_6 = """#!/bin/sh
said() { printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 "$1" "$2" 2> /dev/null | tail -n 1; }
names() { nslookup outside.test "$1" 2>&1 | grep -o -m 1 -e REFUSED -e SERVFAIL -e NXDOMAIN; }
again() { for _try in 1 2 3 4 5; do told=$("$@"); [ -n "$told" ] && break; sleep 1; done; echo "$told"; }
global() { ip -6 addr show dev eth0 scope global | awk '$1 == "inet6" { print $2 }'; }
for _try in $(seq 60); do [ -n "$(global)" ] && break; sleep 1; done
sleep 2
for address in $(global); do echo "TRY-ADDRESS $address"; done
echo "TRY-ROUTER $(ip -6 route show default | grep -c 'via fe80')."
echo "TRY-OUT $(again said OUTSIDE PORT)."
echo "TRY-NAMES $(again names fd00:22::1)."
for address in fd00:22::1 HOST; do echo "TRY-HOST $(said $address 22 | head -c 4)."; done
echo "TRY-DATABASE $(said CENTRAL 6642)."
echo TRY-END
"""


class Hello(http.server.BaseHTTPRequestHandler):
    """Says who asks."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello %s\n" % self.client_address[0].encode())

    def log_message(self, *_words):
        pass


class Server6(http.server.ThreadingHTTPServer):
    """One of IPv6."""

    address_family = socket.AF_INET6


@contextlib.contextmanager
def outside(address: str = OUTSIDE) -> Iterator[int]:
    """A web server outside of the compute hosts; its port."""
    kind = Server6 if ":" in address else http.server.ThreadingHTTPServer
    with kind((address, 0), Hello) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def address_of(site, host, family=4):
    """A host's address on the management network."""
    return site.on(host, "ip -br -%d address show eth0 scope global" % family).split()[2].partition("/")[0]


@pytest.fixture
def gone(site):
    yield
    site.destroy(request("out", "inside"))


def tries(site, **entry):
    """What a guest says of its tries, by word; it runs on compute-1."""
    host = address_of(site, "compute-1")
    with outside() as port:
        words = {"OUTSIDE": OUTSIDE, "PORT": str(port), "HOST": host, "CENTRAL": address_of(site, site.central)}
        script = SCRIPT
        for word in ("OUTSIDE", "CENTRAL", "PORT", "HOST"):
            script = script.replace(" %s" % word, " %s" % words[word]).replace("add HOST", "add %s" % host)
        wanted = request("out", user_data=script.replace("del HOST", "del %s" % host), volumes=[], **entry)
        wanted["launch_instances"][0]["scheduler_hints"] = on_host("compute-1")
        wanted["launch_networks"] = {"world": WORLD, "inside": INSIDE}
        site.launch(wanted)
        text = site.console("out", "TRY-END")
        site.unchanged(wanted)
    return by_word(text)


def by_word(text):
    """What follows each word of a guest's tries on its console."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        word, _space, told = line.strip().partition(" ")
        if word.startswith("TRY-") and told:
            found.setdefault(word[4:], []).append(told)
    return found


DUAL = {"cidr": "10.22.0.0/24", "ipv6_cidr": "fd00:22::/64"}
WORLD = {"cidr": "10.23.0.0/24"}
INSIDE = {"cidr": "10.21.0.0/24", "router": "none", "dns": []}


@pytest.mark.usefixtures("gone")
def test_a_guest_reaches_the_world_and_its_host_reaches_the_guest(site):
    # As Docker and ufw have it.
    drop = "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }"
    site.on("compute-1", "nft '%s'" % drop)
    found = tries(site, networks=[{"network": "world", "security_groups": ["default", "web"]}])
    host = address_of(site, "compute-1")
    assert found == {
        "OUT": ["hello %s." % host],
        "NAMES": ["REFUSED."],
        "PEER": ["%s." % site.record("out")["ports"][0]["fixed_ip"]],
        "HOST": [".", "."],
        "DATABASE": ["."],
        "PAST": ["."],
        "ARP": ["0."],
        "LINK": ["."],
    }
    [port] = site.record("out")["ports"]
    assert "hello from out" in site.page("compute-1", port["fixed_ip"])
    site.reboot("compute-1")
    site.console("out", "TRY-END")
    assert "hello from out" in site.page("compute-1", port["fixed_ip"])
    interfaces = json.loads(site.on("compute-1", "ip --json address"))
    assert [each["ifname"] for each in interfaces if "10.23.0.1" in str(each)]
    site.destroy(request("out"))
    left = site.on(
        "compute-1", "ip -br address; cat /var/lib/kvmstack/gateways/*/environment || true; nft list ruleset"
    )
    assert "10.23.0." not in left


@pytest.mark.usefixtures("gone")
def test_a_guest_has_an_address_of_each_family_and_reaches_the_world_by_both(site):
    host = address_of(site, "compute-1", 6)
    routes = site.on("compute-1", "ip -6 route show default")
    with outside(OUTSIDE_6) as port:
        words = {"OUTSIDE": OUTSIDE_6, "PORT": str(port), "HOST": host, "CENTRAL": address_of(site, site.central, 6)}
        script = SCRIPT_6
        for word, said in words.items():
            script = script.replace(" %s" % word, " %s" % said)
        networks = [{"network": "dual", "security_groups": ["default", "web6"]}]
        wanted = request("out", user_data=script, volumes=[], networks=networks, scheduler_hints=on_host("compute-1"))
        wanted["launch_networks"] = {"dual": DUAL}
        wanted["launch_security_groups"] = {"web6": [{"protocol": "tcp", "port": 80, "remote": "fd00:22::1/128"}]}
        run = site.launch(wanted)
        found = by_word(site.console("out", "TRY-END"))
        site.unchanged(wanted)
    [made] = site.record("out")["ports"]
    address = made["network_info"]["ipv6_address"]
    assert "%s, %s" % (made["fixed_ip"], address) in run.output
    assert found == {
        "ADDRESS": [address + "/64"],
        "ROUTER": ["1."],
        "OUT": ["hello %s." % host],
        "NAMES": ["REFUSED."],
        "HOST": [".", "."],
        "DATABASE": ["."],
    }
    assert "hello from out" in site.page("compute-1", address)
    # The host keeps what it was told of its own routes; nobody outside gets in.
    assert site.on("compute-1", "ip -6 route show default") == routes
    site.on(site.central, "ip -6 route replace fd00:22::/64 via %s" % host)
    try:
        assert "hello" not in site.page(site.central, address)
    finally:
        site.on(site.central, "ip -6 route del fd00:22::/64")
    site.destroy(request("out"))
    left = site.on("compute-1", "ip -br address; cat /proc/sys/net/ipv6/conf/all/forwarding")
    assert "fd00:22:" not in left
    assert left.endswith("0\n")


@pytest.mark.usefixtures("gone")
def test_a_network_without_a_router_is_an_island(site):
    found = tries(site, networks=[{"network": "inside", "security_groups": ["default", "web"]}])
    assert (found["OUT"], found["PAST"], found["ARP"], found["LINK"]) == (["."], ["."], ["0."], ["."])
    assert "10.21.0." not in site.on("compute-1", "ip -br address")


@pytest.mark.usefixtures("gone")
def test_a_host_with_another_way_to_the_network_is_left_out(site):
    site.on("compute-2", "ip route add 10.23.0.128/25 dev eth0")
    try:
        wanted = request("out", scheduler_hints=on_host("compute-2"), volumes=[], networks=["world"])
        wanted["launch_networks"] = {"world": WORLD}
        run = site.launch(wanted, status=2)
        assert "network world is 10.23.0.0/24, but this host reaches 10.23.0.128/25 by its interface eth0" in run.output
        assert "10.23.0.1/" not in site.on("compute-2", "ip -br address")
    finally:
        site.on("compute-2", "ip route del 10.23.0.128/25")
