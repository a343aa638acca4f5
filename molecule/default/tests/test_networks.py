# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What guests reach, and what reaches them: out by their own host, in by rules only, and nothing past OVN."""

from __future__ import annotations

import contextlib
import http.server
import json
import shlex
import socket
import subprocess
import threading
from typing import Iterator

import pytest

from ansible_collections.kvmstack.launch.molecule.shared.launching import ROOT, on_host, request

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


# On IPv6 alone: nothing is leased, so the guest makes its page here, and another guest is found by its name.
SCRIPT_ALONE = (
    SCRIPT_6.replace("22::1", "24::1")
    .replace("echo TRY-END\n", "")
    .replace('echo "TRY-DATABASE', 'echo "TRY-ANY $(ip -4 addr show dev eth0 | grep -c inet)."\necho "TRY-DATABASE')
    + """
echo "hello from $(hostname)" >> /www/index.html
answers() { ping -6 -c 3 -W 5 "$1" | grep -c ' bytes from '; }
named() { nslookup -type=aaaa "$1" fd00:24::1 2>&1 | grep -A 1 Name: | grep -o 'fd00:24:[0-9a-f:]*'; }
for address in fd00:24::1 OUTSIDE "$(again named inside)"; do echo "TRY-PING $(answers $address)."; done
for name in inside inside.six.test; do echo "TRY-PEER $(again named $name)."; done
echo TRY-END
"""
)


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


def guest(script, **entry):
    """A request for the guest `out` on compute-1, which does what a script says."""
    entry = {"image": "demo", "user_data": script, "volumes": [], **entry}
    return request("out", scheduler_hints=on_host("compute-1"), **entry)


def tries(site, times=5, **entry):
    """What a guest says of its tries, by word; it runs on compute-1, and tries so often what has to be ready first."""
    host = address_of(site, "compute-1")
    with outside() as port:
        words = {"OUTSIDE": OUTSIDE, "PORT": str(port), "HOST": host, "CENTRAL": address_of(site, site.central)}
        script = SCRIPT.replace("1 2 3 4 5", " ".join(map(str, range(times))))
        for word in ("OUTSIDE", "CENTRAL", "PORT", "HOST"):
            script = script.replace(" %s" % word, " %s" % words[word]).replace("add HOST", "add %s" % host)
        wanted = guest(script.replace("del HOST", "del %s" % host), **entry)
        wanted["launch_networks"] = {"world": WORLD, "inside": INSIDE}
        site.launch(wanted)
        text = site.console("out", "TRY-END", seconds=180)
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
ALONE = {"ipv6_cidr": "fd00:24::/64", "domain": "six.test"}
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
    interfaces = json.loads(site.on("compute-1", "ip --json address"))
    assert [each["ifname"] for each in interfaces if "10.23.0.1" in str(each)]
    site.destroy(request("out"))
    left = site.on(
        "compute-1", "ip -br address; cat /var/lib/kvmstack/gateways/*/environment || true; nft list ruleset"
    )
    assert "10.23.0." not in left


# A guest that goes out again and again.
BEAT = """#!/bin/sh
while :; do
  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 OUTSIDE PORT 2> /dev/null | sed -n '$s/hello.*/TRY-BEAT/p'
  sleep 1
done
"""
# As ufw and Docker do it when they come, and when they are reloaded.
FIREWALL = """iptables-restore << END
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -i docker0 -j ACCEPT
COMMIT
END"""


@pytest.mark.usefixtures("gone")
def test_a_firewall_that_comes_later_lets_guests_through_as_well(site):
    state = "systemctl is-active kvmstack-let-through || true"
    with outside() as port:
        script = BEAT.replace("OUTSIDE", OUTSIDE).replace("PORT", str(port))
        wanted = guest(script, networks=["world"])
        wanted["launch_networks"] = {"world": WORLD}
        site.launch(wanted)
        site.console("out", "TRY-BEAT")
        assert site.on("compute-1", state) == "active\n"
        try:
            for _reload in range(2):
                site.on("compute-1", FIREWALL)
                beats = site.console("out", "TRY-BEAT").count("TRY-BEAT")
                site.console("out", "TRY-BEAT", times=beats + 3)
            rules = site.on("compute-1", "iptables-save --table filter")
            assert rules.count("--comment kvmstack") == 2
            assert "-A FORWARD -i docker0 -j ACCEPT" in rules
            site.on("compute-1", "systemctl stop kvmstack-let-through")
            rules = site.on("compute-1", "iptables-save --table filter")
            assert (rules.count("kvmstack"), "docker0" in rules) == (0, True)
            site.destroy(request("out"))
        finally:
            site.on("compute-1", "nft delete table ip filter; systemctl start kvmstack-let-through")


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
        wanted = guest(script, networks=networks)
        wanted["launch_networks"] = {"dual": DUAL}
        rules = [{"protocol": "tcp", "port": 80, "remote": remote} for remote in ("10.22.0.1/32", "fd00:22::1/128")]
        wanted["launch_security_groups"] = {"web6": rules}
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
    site.reboot("compute-1", "out")
    site.console("out", "TRY-END")
    for known in (address, made["fixed_ip"]):
        assert "hello from out" in site.page("compute-1", known)
    site.destroy(request("out"))
    assert "fd00:22:" not in site.on("compute-1", "ip -br address")


@pytest.mark.usefixtures("gone")
def test_a_guest_lives_on_ipv6_alone(site, tmp_path):
    host = address_of(site, "compute-1", 6)
    with outside(OUTSIDE_6) as port:
        words = {"OUTSIDE": OUTSIDE_6, "PORT": str(port), "HOST": host, "CENTRAL": address_of(site, site.central, 6)}
        script = SCRIPT_ALONE
        for word, said in words.items():
            script = script.replace(" %s" % word, " %s" % said)
        networks = [{"network": "alone", "security_groups": ["default", "web6"]}]
        wanted = guest(script, networks=networks)
        wanted["launch_networks"] = {"alone": ALONE}
        wanted["launch_security_groups"] = {"web6": [{"protocol": "tcp", "port": 80, "remote": "fd00:24::1/128"}]}
        peer = request("inside", image="demo", volumes=[], networks=networks, scheduler_hints=on_host("compute-2"))
        site.launch({**wanted, **{"launch_instances": peer["launch_instances"]}})
        waiting = {**wanted, "launch_wait_for": 80, "launch_wait_timeout": 120}
        run = site.launch(waiting)
        found = by_word(site.console("out", "TRY-END"))
        site.unchanged(waiting)
    [made], [other] = (site.record(name)["ports"] for name in ("out", "inside"))
    address = made["fixed_ip"]
    assert address == made["network_info"]["ipv6_address"]
    assert [line for line in run.output.splitlines() if line.count(address) == 1 and "ACTIVE" in line], run.output
    assert found == {
        "ADDRESS": [address + "/64"],
        "ROUTER": ["1."],
        "OUT": ["hello %s." % host],
        "NAMES": ["REFUSED."],
        "HOST": [".", "."],
        "ANY": ["0."],
        "DATABASE": ["."],
        "PING": ["3.", "3.", "3."],
        "PEER": ["%s." % other["fixed_ip"]] * 2,
    }
    # The controller's way to it, by the record.
    source = tmp_path / "vms.kvmstack.yml"
    source.write_text(json.dumps({"plugin": "kvmstack.launch.instances", "database": site.database}))
    command = ["ansible-inventory", "-i", str(ROOT / site.inventory), "-i", str(source), "--host", "out"]
    known = json.loads(subprocess.run(command, check=True, capture_output=True, **site.streams).stdout)
    assert known["ansible_host"] == address
    _option, jump, *_more = shlex.split(known["ansible_ssh_common_args"])
    command = jump.partition("ProxyCommand=")[2].replace("%h", address).replace("%p", "80")
    get = {"input": "GET / HTTP/1.0\r\n\r\n", "capture_output": True, "text": True, "timeout": 60}
    assert "hello from out" in subprocess.run(shlex.split(command), check=True, **get).stdout
    site.destroy(request("out", "inside"))
    assert "fd00:24:" not in site.on("compute-1", "ip -br address")


@pytest.mark.usefixtures("gone")
def test_what_a_network_of_ipv6_alone_cannot_have_is_refused(site):
    wanted = request("out", volumes=[], networks=[{"network": "alone", "floating_ip": True}])
    router = {"launch_routers": {"main": {}}, "launch_networks": {"alone": {**ALONE, "router": "main"}}}
    run = site.launch({**wanted, **router}, status=2)
    assert "network alone has no cidr, and a floating IP is translated to an address of IPv4" in run.output
    for network, told in (
        ({"domain": "six.test"}, "it has neither a cidr, like 10.20.0.0/24, nor an ipv6_cidr"),
        ({"ipv6_cidr": "fd00:24::/56"}, "ipv6_cidr fd00:24::/56 is not an IPv6 /64"),
    ):
        run = site.launch({**wanted, "launch_networks": {"alone": network}}, status=2)
        assert told in run.output


@pytest.mark.usefixtures("gone")
def test_a_network_without_a_router_is_an_island(site):
    # Each try takes all its time.
    found = tries(site, times=1, networks=[{"network": "inside", "security_groups": ["default", "web"]}])
    assert (found["OUT"], found["PAST"], found["ARP"], found["LINK"]) == (["."], ["."], ["0."], ["."])
    assert "10.21.0." not in site.on("compute-1", "ip -br address")


@pytest.mark.usefixtures("gone")
def test_who_is_on_an_island_is_not_waited_for(site):
    wanted = {**request("out", volumes=[], networks=["inside"]), "launch_networks": {"inside": INSIDE}}
    run = site.launch({**wanted, "launch_wait_for": 80, "launch_wait_timeout": 290}, status=2)
    assert "nobody waited for it, as nobody reaches it" in run.output
    assert "inside (router: none)" in run.output


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
