# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whom a host talks to, by what its kernel, its resolver and its Open vSwitch say."""

from __future__ import annotations

import json
import socket

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.gateway import peers

CONNECTED = "the other end of a connection"


@pytest.fixture
def silent(monkeypatch):
    """A host that says nothing, but what a test has it say."""
    monkeypatch.setattr(peers, "CONNECTIONS", ())
    monkeypatch.setattr(peers, "RESOLVERS", ())
    said = {"external_ids": [], "options": []}

    def command(*_words, package):
        rows = {"external_ids": [[["map", list(map(list, said["external_ids"]))]]]}
        rows["options"] = [[["map", list(map(list, each))]] for each in said["options"]]
        return "".join(json.dumps({"headings": [key], "data": data}) + "\n" for key, data in rows.items())

    monkeypatch.setattr(peers, "command", command)
    return said


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize(
    ("family", "address"),
    [
        pytest.param(socket.AF_INET, "127.0.0.1", id="IPv4"),
        pytest.param(socket.AF_INET6, "::1", id="IPv6"),
        pytest.param(socket.AF_INET6, "::ffff:127.0.0.1", id="IPv4 by a socket of IPv6"),
    ],
)
def test_who_is_connected(monkeypatch, family, address):
    monkeypatch.setattr(peers, "CONNECTIONS", ("/proc/net/tcp", "/proc/net/tcp6", "/proc/net/nothing"))
    with socket.socket(family) as server, socket.socket(family) as client:
        server.bind((address, 0))
        server.listen()
        client.connect(server.getsockname())
        known = address.rpartition(":")[2] if "." in address else address
        assert peers.Peer(known, CONNECTED, known) in list(peers.found())


@pytest.mark.usefixtures("silent")
def test_who_only_listens_is_nobody(tmp_path, monkeypatch):
    (tmp_path / "tcp").write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue\n"
        "   0: 0100007F:97C5 00000000:0000 0A 00000000:00000000\n"
        "   1: 0100007F:97C6 0100007F:1234 06 00000000:00000000\n"
    )
    monkeypatch.setattr(peers, "CONNECTIONS", (str(tmp_path / "tcp"),))
    assert list(peers.found()) == []


@pytest.mark.usefixtures("silent")
def test_who_answers_for_names(tmp_path, monkeypatch):
    (tmp_path / "resolv.conf").write_text(
        "# nameserver 10.20.0.4\nsearch lab.test\n\nnameserver 10.20.0.5\nnameserver fe80::1%eth0\nnameserver\n"
    )
    monkeypatch.setattr(peers, "RESOLVERS", (str(tmp_path / "resolv.conf"), str(tmp_path / "nothing")))
    assert [each.address for each in peers.found()] == ["10.20.0.5", "fe80::1"]


def test_where_ovn_and_its_tunnels_are(silent):
    silent["external_ids"] = {
        "ovn-remote": "tcp:10.20.0.5:6642, ssl:[fd00:20::5]:6642,tcp:central.test:6642,unix:/run/ovn/ovnsb_db.sock",
        "ovn-encap-ip": "10.20.0.6,fd00:20::6",
    }.items()
    silent["options"] = [[], [("csum", "true"), ("remote_ip", "10.20.0.7")], [("remote_ip", "flow")]]
    told = ["10.20.0.5", "fd00:20::5", "10.20.0.6", "fd00:20::6", "10.20.0.7"]
    assert [each.address for each in peers.found()] == told
    silent["external_ids"], silent["options"] = [], []
    assert list(peers.found()) == []
