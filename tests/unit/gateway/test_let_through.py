# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests' packets are let through other firewalls, once and again; nft and iptables are lists of rules here."""

from __future__ import annotations

import errno
import json
import subprocess
import types
from pathlib import Path

import jinja2
import pytest

from ansible_collections.kvmstack.launch.tests.unit.clock import sleeping
from ansible_collections.kvmstack.launch.tests.unit.systemd import read

TEMPLATES = Path(__file__).parents[3] / "roles" / "compute_host" / "templates"
FORWARD, DOCKER, ZONES = ("ip", "filter", "FORWARD"), ("ip", "docker", "forward"), ("inet", "firewalld", "forward")
OPEN, OURS, BRIDGED = ("inet", "mine", "forward"), ("inet", "kvmstack", "forward"), ("bridge", "filter", "FORWARD")
INPUT, ZONES_IN = ("ip", "filter", "INPUT"), ("inet", "firewalld", "input")


class Kernel:
    """Chains with the rules that are ours in them, by number, and what policy each has."""

    def __init__(self):
        self.chains = {place: {} for place in (FORWARD, DOCKER, ZONES, ZONES_IN, INPUT, OPEN, OURS, BRIDGED)}
        self.policies = dict.fromkeys((FORWARD, DOCKER, OURS, BRIDGED), "drop")
        self.numbers, self.iptables, self.takes = iter(range(1, 1000)), [], True
        self.restarted, self.owned, self.last = 0, set(), {}

    def nft(self, _nft, *words):
        if words == ("--json", "list", "tables"):
            tables = [{"table": {"family": family, "name": name}} for family, name, _chain in self.chains]
            return self.said(json.dumps({"nftables": [{"metainfo": {}}, *tables]}))
        if words[:1] == ("--json",):
            keys = ("family", "table", "name")
            base = [{**dict(zip(keys, place)), "hook": place[-1].lower()} for place in self.chains]
            for place, chain in zip(self.chains, base):
                chain["policy"] = self.policies.get(place, "accept")
            told = [{"metainfo": {}}, {"chain": {"family": "ip", "table": "filter", "name": "plain"}}]
            return self.said(json.dumps({"nftables": told + [{"chain": chain} for chain in base]}))
        if words == ("--no-block", "restart", "kvmstack-firewall.service"):
            self.restarted += 1
            return self.said("")
        if words[0] == "--handle":
            rules = self.chains[words[3:]].items()
            return self.said("".join('%s comment "kvmstack" # handle %d\n' % (text, number) for number, text in rules))
        if words[:2] == ("list", "chain"):
            head = (
                "table %s %s {\n\tchain %s {\n\t\ttype filter hook input priority filter; policy accept;\n" % words[2:]
            )
            return self.said(head + "".join("\t\t%s\n" % each for each in self.last.get(words[2:], ())) + "\t}\n}\n")
        place = words[2:5]
        if place in self.owned:
            raise subprocess.CalledProcessError(1, "nft", stderr="Error: Operation not permitted\n")
        if words[0] == "insert":
            self.chains[place][next(self.numbers)] = " ".join(words[5:-2])
        else:
            del self.chains[place][int(words[-1])]
        return self.said("")

    @staticmethod
    def said(text):
        return types.SimpleNamespace(stdout=text)

    def by_iptables(self, _tool, what, name, rule):
        rule = (name, *rule)
        if what == "--insert" and self.takes:
            self.iptables.append(rule)
        elif rule not in self.iptables or what == "--insert":
            return False
        elif what == "--delete":
            self.iptables.remove(rule)
        return True

    def counts(self):
        """How many of ours are in each chain that has any."""
        return {place: len(rules) for place, rules in self.chains.items() if rules}


@pytest.fixture
def kernel():
    return Kernel()


@pytest.fixture
def script(kernel, monkeypatch):
    """The script, as a module, on a host without iptables."""
    monkeypatch.delenv("SERVICE_RESULT", raising=False)
    made = types.ModuleType("let_through")
    path = TEMPLATES / "let-through"
    exec(compile(path.read_text(), str(path), "exec"), made.__dict__)
    made.run, made.by_iptables = kernel.nft, kernel.by_iptables
    monkeypatch.setattr(made.shutil, "which", lambda tool: None)
    return made


def test_strict_chains_of_others_get_the_rules_once(script, kernel, capsys):
    assert script.let_through()
    assert kernel.counts() == {FORWARD: 2, DOCKER: 2, ZONES: 2, ZONES_IN: 3}
    assert "guests are let through ip docker forward" in capsys.readouterr().out
    assert not script.let_through()
    assert kernel.counts() == {FORWARD: 2, DOCKER: 2, ZONES: 2, ZONES_IN: 3}


def test_a_chain_that_was_emptied_or_half_written_gets_them_again(script, kernel):
    script.let_through()
    kernel.chains[ZONES].clear()
    kernel.chains[DOCKER].popitem()
    assert script.let_through()
    assert kernel.counts() == {FORWARD: 2, DOCKER: 2, ZONES: 2, ZONES_IN: 3}


def test_a_chain_that_takes_no_rule_is_told_of_once_and_stops_no_other(script, kernel, capsys):
    kernel.owned = {FORWARD, ZONES, ZONES_IN}
    assert script.let_through()
    assert kernel.counts() == {DOCKER: 2}
    told = capsys.readouterr().out
    assert "guests are not let through ip filter FORWARD: Error: Operation not permitted\n" in told
    assert told.count("NftablesTableOwner=no") == 1
    assert not script.let_through()
    assert capsys.readouterr().out == ""
    kernel.chains[FORWARD][1000] = "a rule of before"
    script.undo()
    assert kernel.counts() == {FORWARD: 1}


def test_a_chain_that_becomes_strict_gets_them(script, kernel):
    script.let_through()
    kernel.policies[OPEN] = "drop"
    assert script.let_through()
    assert kernel.counts()[OPEN] == 2


@pytest.mark.parametrize(
    ("last", "strict"),
    [
        pytest.param("counter packets 4 bytes 208 reject with icmp type host-prohibited", True, id="iptables' REJECT"),
        pytest.param('counter packets 0 bytes 0 xt target "REJECT"', True, id="one that nft has no words for"),
        pytest.param(" counter packets 0 bytes 0 drop", True, id="one with a comment of iptables'"),
        pytest.param("reject", True, id="reject"),
        pytest.param('log prefix "no " level warn reject with icmpx admin-prohibited comment "end"', True, id="logged"),
        pytest.param("tcp dport 25 drop", False, id="some packets"),
        pytest.param("limit rate over 10/second drop", False, id="too many"),
        pytest.param("counter packets 0 bytes 0 jump more", False, id="another chain"),
        pytest.param('iifname "kvg*" accept comment "kvmstack"', False, id="our own"),
        pytest.param(None, False, id="none"),
    ],
)
def test_a_chain_that_accepts_but_ends_with_a_drop_is_strict(script, kernel, last, strict):
    kernel.last[OPEN] = ["ct state established accept", last] if last else []
    script.let_through()
    assert (OPEN in kernel.counts()) == strict
    script.undo()
    assert kernel.counts() == {}


def test_a_chain_of_iptables_gets_rules_of_its_own_words(script, kernel, monkeypatch):
    monkeypatch.setattr(script.shutil, "which", lambda tool: "/usr/sbin/" + tool)
    forwarded = [("FORWARD", *rule) for rule in script.IPTABLES_RULES["FORWARD"]]
    assert script.let_through()
    assert kernel.iptables == forwarded
    assert FORWARD not in kernel.counts()
    assert not script.let_through()
    kernel.iptables.pop()
    assert script.let_through()
    assert kernel.iptables == forwarded
    script.undo()
    assert (kernel.iptables, kernel.counts()) == ([], {})


def test_what_comes_in_for_names_and_by_tunnels_is_let_through_as_well(script, kernel, monkeypatch):
    kernel.policies[INPUT] = "drop"
    script.let_through()
    told = [
        "iifname kvg* meta l4proto { tcp, udp } th dport 53 accept",
        "iifname kvg* meta l4proto { icmp, icmpv6 } accept",
        "udp dport 6081 accept",
    ]
    for place in (INPUT, ZONES_IN):
        assert list(kernel.chains[place].values()) == told
    script.undo()
    assert kernel.counts() == {}
    monkeypatch.setattr(script.shutil, "which", lambda tool: "/usr/sbin/" + tool)
    script.let_through()
    assert INPUT not in kernel.counts()
    for rule in (("-i", "kvg+", "-p", "udp", "--dport", "53"), ("-p", "udp", "--dport", "6081")):
        assert ("INPUT", *rule) in kernel.iptables
    assert not script.let_through()
    script.undo()
    assert (kernel.iptables, kernel.counts()) == ([], {})


def test_a_chain_that_only_looks_like_one_of_iptables(script, kernel, monkeypatch):
    monkeypatch.setattr(script.shutil, "which", lambda tool: "/usr/sbin/" + tool)
    kernel.takes = False
    script.let_through()
    assert kernel.counts()[FORWARD] == 2


def test_all_of_it_is_taken_back_but_by_a_watch_that_failed(script, kernel, monkeypatch):
    script.let_through()
    kernel.policies.clear()
    monkeypatch.setenv("SERVICE_RESULT", "exit-code")
    script.undo()
    assert kernel.counts()[FORWARD] == 2
    monkeypatch.setenv("SERVICE_RESULT", "success")
    script.undo()
    assert kernel.counts() == {}


class Rules:
    """The kernel's messages: one for each wait, and more to drain; then it is enough."""

    def __init__(self, waits):
        self.waits, self.pending, self.blocking = waits, 0, True

    def bind(self, _address):
        pass

    def setblocking(self, blocking):
        self.blocking = blocking

    def recv(self, _size):
        if self.blocking:
            if not self.waits:
                raise KeyboardInterrupt
            self.waits, self.pending = self.waits - 1, 3
            raise OSError(errno.ENOBUFS, "more than is kept")
        if not self.pending:
            raise BlockingIOError(errno.EAGAIN, "no more")
        self.pending -= 1
        return b"."


@pytest.fixture
def watched(script, monkeypatch):
    """How long it slept, in a watch in which looks go like that: mended, nothing to do, an error, or a call."""

    def watch(looks, waits):
        slept, left = [], iter(looks)

        def look():
            found = next(left)
            if isinstance(found, Exception):
                raise found
            return found() if callable(found) else found

        monkeypatch.setattr(script, "let_through", look)
        monkeypatch.setattr(script.socket, "socket", lambda *_kind: Rules(waits))
        monkeypatch.setattr(script, "time", sleeping(slept.append))
        with pytest.raises(KeyboardInterrupt):
            script.watch()
        return slept

    return watch


def test_it_waits_for_changes_and_longer_while_others_undo_it(watched):
    assert watched([True, False, False], 2) == [2, 1]
    assert watched([True] * 7, 6) == [2, 4, 8, 16, 30, 30]


def test_what_cannot_be_read_now_is_read_again(watched, capsys):
    gone = subprocess.CalledProcessError(1, "nft", stderr="Error: No such file or directory")
    assert watched([gone, gone, False], 0) == [2, 4]
    assert "guests may not be let through: Error: No such file" in capsys.readouterr().out


def test_our_own_table_is_brought_back_once(script, kernel):
    assert script.bring_back(False)
    assert script.bring_back(True)
    assert kernel.restarted == 0
    del kernel.chains[OURS]
    assert not script.bring_back(True)
    assert kernel.restarted == 1
    assert not script.bring_back(False)
    assert kernel.restarted == 1


def test_a_watch_brings_back_what_it_has_seen(script, kernel, watched):
    assert watched([lambda: bool(kernel.chains.pop(OURS)) and False, False, False], 2) == [1, 1]
    assert kernel.restarted == 1
    watched([False, False], 1)
    assert kernel.restarted == 1


def test_it_runs_as_long_as_the_firewall_does():
    files = ("let-through.service", "gateway.service", "firewall.service")
    watch, gateway, firewall = (read(TEMPLATES / name) for name in files)
    assert firewall["Unit"]["Wants"] == "kvmstack-let-through.service"
    assert "kvmstack-let-through.service" in gateway["Unit"]["After"].split()
    assert not {"Install", "StopWhenUnneeded"} & {*watch, *watch["Unit"]}
    assert watch["Unit"]["PartOf"] == "kvmstack-firewall.service"
    assert "kvmstack-firewall.service" in watch["Unit"]["After"].split()


@pytest.mark.parametrize(("kind", "port"), [("geneve", "6081"), ("vxlan", "4789")])
def test_where_tunnels_come_in_is_told(kind, port):
    unit = jinja2.Template((TEMPLATES / "let-through.service").read_text()).render(compute_host_tunnel_type=kind)
    assert "Environment=TUNNEL_PORT=%s" % port in unit.splitlines()


def test_what_nftables_reloads_is_followed():
    firewall, gateway = (read(TEMPLATES / name) for name in ("firewall.service", "gateway.service"))
    assert firewall["Unit"]["ReloadPropagatedFrom"] == "{{ compute_host_nftables }}.service"
    assert gateway["Unit"]["ReloadPropagatedFrom"] == "kvmstack-firewall.service"
    assert all("ExecReload" in unit["Service"] for unit in (firewall, gateway))


def test_what_nftables_flushes_comes_back_and_what_it_is_stopped_by_stops_nothing_else():
    """firewalld conflicts with it, which stops it and all that is part of it, even where it does not run."""
    firewall, told = (read(TEMPLATES / name) for name in ("firewall.service", "flushed.conf"))
    assert not {"PartOf", "Requires", "BindsTo"} & firewall["Unit"].keys()
    again = "-systemctl --no-block try-restart kvmstack-firewall.service"
    assert told == {"Service": {"ExecStartPost": again, "ExecStopPost": again}}


def test_gateways_go_and_come_with_the_firewall_which_closes_what_it_leaves():
    firewall, gateway = (read(TEMPLATES / name) for name in ("firewall.service", "gateway.service"))
    assert "kvmstack-firewall.service" in gateway["Unit"]["PartOf"].split()
    assert "kvmstack-firewall.service" in gateway["Install"]["WantedBy"].split()
    assert not {"ExecStop", "ExecStopPost"} & firewall["Service"].keys()
