# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be said of a port beside its network, against a real northbound: written, kept, changed, mended, removed."""

from __future__ import annotations

import json
import subprocess

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict
from ansible_collections.kvmstack.launch.plugins.module_utils.network.ovn import backend as network_backend
from ansible_collections.kvmstack.launch.plugins.module_utils.port import model, request
from ansible_collections.kvmstack.launch.plugins.module_utils.port.ovn import backend as ovn
from ansible_collections.kvmstack.launch.tests.unit.port.test_ovn import (
    WEB,
    Run,
    find,
    identity,
    make,
    module,
    parameters,
    plain,
    port,
    records,
)

# The first sorts before the port's own, the second after it.
MACS = ["02:00:00:00:00:01", "fe:00:00:00:00:01"]
MAC = "fa:16:3e:00:00:01"
BOTH = [{"max_kbps": 20000}, {"max_kbps": 10000, "max_burst_kbps": 1000, "direction": "ingress"}]


def as_set(value):
    """A set as OVSDB's JSON has it."""
    value = plain(value)
    return value if isinstance(value, list) else [value]


def row(server, name="a"):
    """The addresses, the port security and the marks of a port."""
    columns = ("name", "addresses", "port_security", "external_ids")
    [found] = [each for each in records(server, "Logical_Switch_Port", *columns) if each["name"] == identity(name)]
    return as_set(found["addresses"]), as_set(found["port_security"]), plain(found["external_ids"])


def limits(server):
    """The rows of QoS that switches have."""
    found = records(server, "QoS", "direction", "priority", "match", "bandwidth")
    return sorted([each["direction"], each["priority"], each["match"], plain(each["bandwidth"])] for each in found)


def transactions(server):
    """How many there have been."""
    log = ["ovsdb-tool", "show-log", server.database]
    return subprocess.run(log, check=True, capture_output=True, text=True).stdout.count("record ")


def rows_of_both(name="a"):
    return [
        ["from-lport", 2002, 'inport == "%s"' % identity(name), {"burst": 16000, "rate": 20000}],
        ["to-lport", 2002, 'outport == "%s"' % identity(name), {"burst": 1000, "rate": 10000}],
    ]


def check_kept(server, item, **options):
    """A second run with it, and one that does not mention it, change nothing."""
    before = server.dump()
    assert Run(server, item, **options).actions == ["keep"]
    assert Run(server, port(item["name"]), **options).actions == ["keep"]
    assert server.dump() == before


def test_address_pairs_come_change_and_go(northbound):
    Run(northbound, port("a", mac_address=MAC))
    pairs = [{"ip_address": "10.20.0.200"}, {"ip_address": "10.9.0.0/16", "mac_address": MAC}]
    pairs += [{"ip_address": "10.20.0.201", "mac_address": mac} for mac in MACS]
    run = Run(northbound, port("a", allowed_address_pairs=pairs))
    assert run.actions == ["update"]
    assert (run.ports[0].mac_address, run.ports[0].fixed_ip) == (MAC, "10.20.0.2")
    addresses, port_security, _marks = row(northbound)
    assert addresses == [MACS[0], MAC + " 10.20.0.2", MACS[1]]
    assert port_security == [
        MACS[0] + " 10.20.0.201", MAC + " 10.20.0.2 10.20.0.200 10.9.0.0/16", MACS[1] + " 10.20.0.201"
    ]  # fmt: skip
    check_kept(northbound, port("a", allowed_address_pairs=pairs))
    assert len(find(northbound)[0].to_result()["allowed_address_pairs"]) == 4
    assert Run(northbound, port("a", allowed_address_pairs=pairs[:1])).actions == ["update"]
    assert row(northbound)[:2] == ([MAC + " 10.20.0.2"], [MAC + " 10.20.0.2 10.20.0.200"])
    assert Run(northbound, port("a", allowed_address_pairs=[])).actions == ["update"]
    addresses, port_security, marks = row(northbound)
    assert addresses == port_security == [MAC + " 10.20.0.2"]
    assert "kvmstack:allowed_address_pairs" not in marks


def test_the_mac_address_of_a_pair_is_no_other_ports(northbound):
    Run(northbound, port("a", allowed_address_pairs=[{"ip_address": "10.20.0.9", "mac_address": MACS[0]}]))
    (error,) = Run(northbound, port("b", mac_address=MACS[0])).errors
    assert isinstance(error, Conflict)
    assert identity("a") in str(error)


def test_port_security_goes_off_and_on_again(northbound):
    said = port("a", mac_address=MAC, security_groups=["web"], allowed_address_pairs=[{"ip_address": "10.20.0.200"}])
    Run(northbound, said, groups=WEB)
    off = port("a", port_security=False)
    assert Run(northbound, off, groups=WEB).actions == ["update"]
    assert row(northbound)[:2] == ([MAC + " 10.20.0.2", "unknown"], [])
    assert records(northbound, "Port_Group", "name") == []
    assert Run(northbound, off, groups=WEB).actions == ["keep"]
    assert Run(northbound, port("a", port_security=True), groups=WEB).actions == ["update"]
    assert row(northbound)[:2] == ([MAC + " 10.20.0.2"], [MAC + " 10.20.0.2"])
    names = [each["name"] for each in records(northbound, "Port_Group", "name")]
    assert sorted(names) == ["kvmstack_drop", "kvmstack_sg_default"]
    check_kept(northbound, port("a", port_security=True), groups=WEB)


def test_limits_come_change_and_go(northbound):
    Run(northbound, port("a", qos={}), port("b", qos=BOTH))
    assert limits(northbound) == rows_of_both("b")
    assert Run(northbound, port("a", qos=BOTH)).actions == ["update"]
    assert limits(northbound) == sorted(rows_of_both() + rows_of_both("b"))
    check_kept(northbound, port("a", qos=BOTH))
    kept = {each["match"]: each["_uuid"] for each in records(northbound, "QoS", "match", "_uuid")}
    assert Run(northbound, port("a", qos=[BOTH[1], {"max_kbps": 100}])).actions == ["update"]
    assert sorted([*rows_of_both()[1:], *rows_of_both("b"), [*rows_of_both()[0][:3], {"burst": 80, "rate": 100}]]) == (
        limits(northbound)
    )
    now = {each["match"]: each["_uuid"] for each in records(northbound, "QoS", "match", "_uuid")}
    assert [match for match, uuid in now.items() if kept[match] != uuid] == ['inport == "%s"' % identity("a")]
    assert Run(northbound, port("a", qos={})).actions == ["update"]
    assert limits(northbound) == rows_of_both("b")
    assert "kvmstack:qos" not in row(northbound)[2]
    check_kept(northbound, port("a", qos={}))
    assert Run(northbound, port("a"), state="absent", networks={}).actions == ["delete"]
    assert limits(northbound) == rows_of_both("b")


def test_limits_go_with_their_port_and_those_of_others_stay(northbound):
    Run(northbound, port("a", qos=BOTH), port("b"))
    northbound.nbctl("qos-add", "kvmstack-private", "to-lport", "7", "ip4", "rate=5")
    Run(northbound, port("a"), state="absent", networks={})
    assert [each[1] for each in limits(northbound)] == [7]


@pytest.mark.parametrize(
    "damage",
    [
        "qos-del kvmstack-private from-lport",
        "qos-del kvmstack-private",
        "set qos {qos} bandwidth:rate=1",
        "set qos {qos} priority=1",
        "set qos {qos} match=ip4",
        "remove qos {qos} bandwidth burst",
        "--id=@q create qos direction=to-lport match=ip4 external_ids:kvmstack\\:port={port} -- "
        "add logical_switch kvmstack-private qos_rules @q",
        "remove qos {qos} external_ids kvmstack\\:port -- qos-del kvmstack-private",
        "lsp-set-port-security {port} fa:16:3e:00:00:01\\ 10.20.0.5",
        "lsp-set-addresses {port} fa:16:3e:00:00:01\\ 10.20.0.5",
        "lsp-set-addresses {port} fa:16:3e:00:00:01\\ 10.20.0.5\\ 10.20.0.99 02:00:00:00:00:01",
        "lsp-set-addresses {port} fa:16:3e:00:00:01\\ 10.20.0.5\\ 10.20.0.6",
    ],
)
def test_what_someone_else_changed_is_put_right(northbound, damage):
    said = {"mac_address": MAC, "fixed_ips": ["10.20.0.5", "10.20.0.6"], "qos": BOTH}
    said["allowed_address_pairs"] = [{"ip_address": "10.20.0.9", "mac_address": MACS[0]}]
    (made,) = Run(northbound, port("a", **said)).ports
    before = row(northbound), limits(northbound)
    qos = northbound.nbctl("--bare", "--columns=_uuid", "find", "qos", "direction=to-lport")
    words = damage.format(port=identity("a"), qos=qos).replace("\\ ", "\0").split()
    northbound.nbctl(*(word.replace("\0", " ") for word in words))
    assert (row(northbound), limits(northbound)) != before
    # As nobody says more of it than that it is to be there.
    run = Run(northbound, port("a"))
    assert (run.actions, run.ports) == (["update"], [made])
    assert (row(northbound), limits(northbound)) == before
    assert Run(northbound, port("a")).actions == ["keep"]


def test_several_addresses_are_one_ports_and_never_given_out(northbound):
    run = Run(northbound, port("a", fixed_ips=["10.20.0.2", "10.20.0.3"], mac_address=MAC), port("b"))
    assert [item.fixed_ips for item in run.ports] == [("10.20.0.2", "10.20.0.3"), ("10.20.0.4",)]
    assert row(northbound)[0] == row(northbound)[1] == [MAC + " 10.20.0.2 10.20.0.3"]
    assert find(northbound)[0].to_result()["fixed_ips"] == ["10.20.0.2", "10.20.0.3"]
    check_kept(northbound, port("a", fixed_ips=["10.20.0.2", "10.20.0.3"]))
    run = Run(northbound, port("c"), port("d", fixed_ips=["10.20.0.9", "10.20.0.3"]))
    assert run.ports[0].fixed_ip == "10.20.0.5"
    assert "10.20.0.3 of network private belongs to port %s" % identity("a") in str(run.errors[1])
    assert "10.20.0.3 of network private belongs to another port" in run.errors[1].public


def test_an_address_beside_the_first_comes_and_goes(northbound):
    Run(northbound, port("a", fixed_ip="10.20.0.2", mac_address=MAC), port("b", fixed_ip="10.20.0.4"))
    (error,) = Run(northbound, port("a", fixed_ips=["10.20.0.2", "10.20.0.4"])).errors
    assert isinstance(error, Conflict)
    assert identity("b") in str(error)
    assert Run(northbound, port("a", fixed_ips=["10.20.0.2", "10.20.0.9"])).actions == ["update"]
    assert row(northbound)[0] == [MAC + " 10.20.0.2 10.20.0.9"]
    assert Run(northbound, port("a", fixed_ips=["10.20.0.2"])).actions == ["update"]
    assert row(northbound)[0] == [MAC + " 10.20.0.2"]
    assert Run(northbound, port("c", fixed_ip="10.20.0.9")).errors == [None]


SEVEN = ["10.20.0.2", "10.20.0.7"]
BESIDE = {name: port(name, fixed_ips=["10.20.0.%d" % number, "10.20.0.7"]) for number, name in enumerate("ab", 2)}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(BESIDE["a"], port("new", fixed_ip="10.20.0.7"), id="another makes a port with it"),
        pytest.param(port("new", fixed_ip="10.20.0.7"), BESIDE["a"], id="another has a port that gets it"),
        pytest.param(BESIDE["a"], BESIDE["b"], id="both have ports that get it"),
    ],
)
def test_an_address_that_two_controllers_give_out_is_one_ports(northbound, monkeypatch, ours, theirs):
    Run(northbound, port("a", fixed_ip="10.20.0.2"), port("b", fixed_ip="10.20.0.3"))
    (error,) = Run(northbound, ours, monkeypatch=monkeypatch, meanwhile=lambda: Run(northbound, theirs)).errors
    assert isinstance(error, Conflict)
    assert theirs["id"] in str(error)


def test_an_address_that_was_taken_off_and_given_to_another_is_not_taken_back(northbound):
    Run(northbound, port("a", fixed_ips=SEVEN, mac_address=MAC))
    northbound.nbctl("lsp-set-addresses", identity("a"), MAC + " 10.20.0.2")
    Run(northbound, port("b", fixed_ip="10.20.0.7"))
    (error,) = Run(northbound, port("a")).errors
    assert isinstance(error, Conflict)
    assert identity("b") in str(error)


def test_only_limits_of_what_is_asked_for_are_replicated(northbound):
    crowd = [port("c%d" % number, dns_name="c%d" % number, qos=BOTH) for number in range(20)]
    Run(northbound, *crowd)
    params = parameters(northbound, crowd[3])
    backend = ovn.connect(params)
    backend.read(request.parse(params))
    tables = backend.link.tables
    assert sorted(row.match for row in tables["QoS"].rows.values()) == [each[2] for each in rows_of_both("c3")]
    assert [row.external_ids["kvmstack:port"] for row in tables["DNS"].rows.values()] == [identity("c3")]
    for column in ("qos_rules", "dns_records"):
        assert not any(row._data[column].as_list() for row in tables["Logical_Switch"].rows.values())
    backend.link.close()
    # Who does not write them needs none of them.
    query = {"instance_uuids": [identity("instance c3")], "names": None, "networks": None}
    for connect, asked, count in ((ovn.connect, query, 1), (network_backend.connect, {}, 2)):
        stage = connect(parameters(northbound))
        assert len(stage.find(asked)) == count
        assert not stage.link.tables["QoS"].rows
        assert not stage.link.tables["DNS"].rows
        stage.link.close()


def test_check_mode_shows_them_and_writes_nothing(northbound):
    Run(northbound, port("a"))
    before = northbound.dump()
    pair = {"ip_address": "10.20.0.200"}
    said = port("a", qos={"max_kbps": "1000"}, allowed_address_pairs=[pair], fixed_ips=["10.20.0.2", "10.20.0.3"])
    code, result, _errors, _seconds = module(northbound, said, check=True)
    assert (code, result["changed"], northbound.dump()) == (0, True, before)
    (diff,) = result["diff"]
    assert "qos" not in diff["before"]
    for words in ("qos [{direction: egress, max_kbps: 1000, max_burst_kbps: 800}]", "fixed_ips [10.20.0.2, 10.20.0.3]"):
        assert words in diff["after"]
    code, result, _errors, _seconds = module(northbound, said)
    assert (code, result["ports"][0]["qos"][0]["max_burst_kbps"]) == (0, 800)
    assert json.loads(row(northbound)[2]["kvmstack:qos"]) == [["egress", 1000, 800]]
    assert module(northbound, said)[1]["changed"] is False


def test_what_is_cut_off_leaves_all_or_nothing(northbound, monkeypatch):
    """Everything that a run writes of its ports is one transaction."""
    Run(northbound, port("a", qos=BOTH), port("b"))
    before = northbound.dump()
    changed = [port("a", qos={}, fixed_ips=["10.20.0.2", "10.20.0.9"]), port("b", qos=BOTH), port("c", qos=BOTH)]

    def killed():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Run(northbound, *changed, monkeypatch=monkeypatch, meanwhile=killed)
    assert northbound.dump() == before
    written = transactions(northbound)
    run = Run(northbound, *changed)
    assert (run.actions, transactions(northbound)) == (["update", "update", "create"], written + 1)
    assert Run(northbound, *changed).actions == ["keep"] * 3
    assert limits(northbound) == sorted(rows_of_both("b") + rows_of_both("c"))


def test_a_plan_is_what_is_made(northbound):
    make(northbound, port("a"))
    params = parameters(northbound, port("a", qos=BOTH, fixed_ips=["10.20.0.5", "10.20.0.6"]))
    wanted = request.parse(params)
    backend = ovn.connect(params)
    planned = [change.after for change in model.plan(wanted, backend.read(wanted), "present")]
    backend.link.close()
    assert Run(northbound, *params["ports"], made=True).ports == planned == find(northbound)


def names(server):
    """What switches have OVN answer for names."""
    known = server.nbctl("--bare", "--columns=_uuid", "list", "DNS").split()
    told = server.nbctl("--bare", "--columns=dns_records", "list", "Logical_Switch").split()
    assert sorted(told) == sorted(known)
    return {key: value for each in records(server, "DNS", "records") for key, value in plain(each["records"]).items()}


def test_names_come_change_and_go_with_their_ports(northbound):
    domain = {"private": {"cidr": "10.20.0.0/24", "domain": "Lab.test"}}
    Run(northbound, port("x", dns_name="Web-1", fixed_ips=["10.20.0.5", "10.20.0.6"]), port("db", dns_name="db"))
    Run(northbound, port("nameless", fixed_ip="10.20.0.9"))
    assert names(northbound) == {
        "web-1": "10.20.0.5 10.20.0.6",
        "5.0.20.10.in-addr.arpa": "web-1",
        "6.0.20.10.in-addr.arpa": "web-1",
        "db": "10.20.0.2",
        "2.0.20.10.in-addr.arpa": "db",
    }
    check_kept(northbound, port("db"))
    make(northbound, networks=domain)
    assert Run(northbound, port("db"), networks=domain).actions == ["update"]
    assert names(northbound)["db.lab.test"] == "10.20.0.2"
    assert names(northbound)["2.0.20.10.in-addr.arpa"] == "db.lab.test"
    assert Run(northbound, port("x", fixed_ips=["10.20.0.5"]), networks=domain).actions == ["update"]
    assert names(northbound)["web-1"] == "10.20.0.5"
    assert "6.0.20.10.in-addr.arpa" not in names(northbound)
    assert Run(northbound, port("x"), port("db"), state="absent").errors == [None, None]
    assert records(northbound, "DNS", "_uuid") == []


def test_ports_of_both_families(northbound):
    dual, own = {"private": {"cidr": "10.20.0.0/24", "ipv6_cidr": "fd00:20::/64"}}, "fd00:20::f816:3eff:fe00:1"
    asked = port("a", dns_name="a", mac_address=MAC, fixed_ips=["10.20.0.5", "10.20.0.6"])
    Run(northbound, asked)
    assert Run(northbound, asked, networks=dual).actions == ["update"]
    rows = records(northbound, "Logical_Switch_Port", "addresses", "type")
    [gateway] = [as_set(each["addresses"])[0] for each in rows if each["type"] == "localport"]
    assert gateway.split()[1:] == ["10.20.0.1", "fd00:20::1"]
    both = "%s 10.20.0.5 10.20.0.6 %s" % (MAC, own)
    addresses, port_security, marks = row(northbound)
    assert addresses == port_security == [both]
    assert json.loads(marks["kvmstack:further_ips"]) == ["10.20.0.6"]
    assert names(northbound)["a"] == "10.20.0.5 10.20.0.6 " + own
    assert find(northbound)[0].fixed_ips == ("10.20.0.5", "10.20.0.6", own)
    check_kept(northbound, asked, networks=dual)
    check_kept(northbound, {**asked, "fixed_ips": ["10.20.0.5", "10.20.0.6", own]}, networks=dual)
    # Who names them by the record names it too; whose address comes or goes keeps it.
    assert Run(northbound, {**asked, "fixed_ips": ["10.20.0.5", own]}, networks=dual).actions == ["update"]
    assert row(northbound)[0] == ["%s 10.20.0.5 %s" % (MAC, own)]
    northbound.nbctl("lsp-set-port-security", identity("a"), MAC + " 10.20.0.5")
    assert Run(northbound, port("a"), networks=dual).actions == ["update"]
    assert row(northbound)[1] == ["%s 10.20.0.5 %s" % (MAC, own)]


def test_ports_of_ipv6_alone(northbound):
    alone, own = {"private": {"ipv6_cidr": "fd00:20::/64", "domain": "lab.test"}}, "fd00:20::f816:3eff:fe00:1"
    asked = port("a", dns_name="a", mac_address=MAC)
    assert Run(northbound, asked, networks=alone).ports[0].fixed_ips == (own,)
    addresses, port_security, _marks = row(northbound)
    assert addresses == port_security == ["%s %s" % (MAC, own)]
    assert names(northbound)["a.lab.test"] == own
    assert records(northbound, "DHCP_Options", "_uuid") == []
    assert find(northbound)[0].fixed_ip == own
    check_kept(northbound, {**asked, "fixed_ip": own}, networks=alone)
    check_kept(northbound, {**asked, "fixed_ips": [own]}, networks=alone)
    rival = Run(northbound, port("b", mac_address="fa:16:3e:00:00:02", fixed_ip=own), networks=alone)
    assert "follows from its MAC address (EUI-64)" in str(rival.errors[0])


@pytest.mark.parametrize("damage", ["--all destroy dns", "set dns {dns} records:x=10.20.0.9"])
def test_names_that_somebody_changed_are_mended(northbound, damage):
    Run(northbound, port("a", dns_name="a"))
    before = names(northbound)
    northbound.nbctl(*damage.format(dns=northbound.nbctl("--bare", "--columns=_uuid", "list", "dns")).split())
    assert Run(northbound, port("a")).actions == ["update"]
    assert names(northbound) == before
