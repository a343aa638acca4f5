# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host becomes a router of IPv6 and keeps the routes that it is told of; the kernel is a folder of files."""

from __future__ import annotations

import types
from pathlib import Path

import pytest

from ansible_collections.kvmstack.launch.tests.unit.systemd import read

SCRIPT = Path(__file__).parents[3] / "roles" / "compute_host" / "templates" / "forward-ipv6"
GATEWAY = "kvgaaaaaaaa000"


@pytest.fixture
def script(tmp_path, monkeypatch):
    """The script, as a module."""
    monkeypatch.delenv("IPV6_ADDRESS", raising=False)
    made = types.ModuleType("forward_ipv6")
    exec(compile(SCRIPT.read_text(), str(SCRIPT), "exec"), made.__dict__)
    made.CONF, made.ran = str(tmp_path), []
    monkeypatch.setattr(made.subprocess, "run", lambda words, check: made.ran.append(" ".join(words)))
    return made


def put(folder, interface, accept_ra, forwarding):
    (folder / interface).mkdir()
    for key, value in (("accept_ra", accept_ra), ("forwarding", forwarding), ("disable_ipv6", "0")):
        (folder / interface / key).write_text(value + "\n")


@pytest.mark.parametrize(
    ("interface", "accept_ra", "forwarding", "after"),
    [
        pytest.param("eth0", "1", "0", "2", id="one that is told of routes"),
        pytest.param("eth0", "2", "0", "2", id="one that is told of them for ever"),
        pytest.param("eth0", "0", "0", "0", id="one that is told of none"),
        pytest.param("eth0", "1", "1", "1", id="a router already"),
        pytest.param("default", "1", "0", "1", id="what comes later"),
        pytest.param("kvt00000000-00", "1", "0", "1", id="a guest's own"),
        pytest.param("kvgbbbbbbbb000", "1", "0", "1", id="another network's gateway"),
    ],
)
def test_who_takes_router_advertisements(script, tmp_path, interface, accept_ra, forwarding, after):
    put(tmp_path, "all", "1", "0")
    put(tmp_path, GATEWAY, "1", "0")
    put(tmp_path, interface, accept_ra, forwarding)
    for _again in range(2):
        script.main(GATEWAY, "fd00:20::1/64")
        assert (tmp_path / interface / "accept_ra").read_text().strip() == after
        assert (tmp_path / "all" / "accept_ra").read_text().strip() == "1"
        assert (tmp_path / "all" / "forwarding").read_text() == "1"
        assert (tmp_path / GATEWAY / "accept_ra").read_text() == "0"
    assert script.ran == ["ip -6 address replace fd00:20::1/64 dev %s nodad" % GATEWAY] * 2


def test_an_interface_that_goes_meanwhile_stops_nothing(script, tmp_path):
    put(tmp_path, "all", "1", "0")
    put(tmp_path, GATEWAY, "1", "0")
    for gone in ("kvt00000000-00", "veth0"):
        (tmp_path / gone).mkdir()
    put(tmp_path, "wlan0", "1", "0")
    script.main(GATEWAY, "fd00:20::1/64")
    assert (tmp_path / "wlan0" / "accept_ra").read_text() == "2"


def test_what_comes_up_at_boot_is_there_before():
    unit = read(SCRIPT.parent / "gateway.service")["Unit"]
    assert "network-online.target" in unit["After"].split()
    # A launch waits for no network.
    assert "Wants" not in unit
