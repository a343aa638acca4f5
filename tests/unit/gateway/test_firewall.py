# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What guests may reach on their host and through it: the rules as the role writes them, and as nft takes them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import jinja2
import pytest
import yaml

from ansible_collections.kvmstack.launch.plugins.module_utils.core.convert import listed
from ansible_collections.kvmstack.launch.plugins.module_utils.gateway import files

from .test_model import DUAL, B

ROLE = Path(__file__).parents[3] / "roles" / "compute_host"
WIRES = {"physnet1": {"bridge": "br-ex", "interface": "eth1"}, "physnet2": {"bridge": "br-own"}}
# nft in a network of its own, and as its root.
APART = ("unshare", "--map-root-user", "--net")


def nft(*words):
    return subprocess.run((*APART, "nft", *words), capture_output=True, check=False)


checked = pytest.mark.skipif(
    not all(map(shutil.which, ("unshare", "nft"))) or nft("list", "tables").returncode != 0,
    reason="there is no nft here, or no network of one's own",
)


def rules(**variables):
    """The firewall of a host with these variables, and else with the role's own."""
    known = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    world = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    world.filters["kvmstack.launch.listed"] = listed
    text = (ROLE / "templates" / "firewall.nft").read_text()
    return world.from_string(text).render({**known, "compute_host_ways_out": ["br-ex", "eth0"], **variables})


def chain(text, name):
    """The rules of a chain, without their indentation."""
    body = text.partition("  chain %s {\n" % name)[2].partition("\n  }")[0]
    return [line.strip() for line in body.splitlines()[1:]]


def test_a_gateway_whose_unit_does_not_run_is_closed_all_the_same():
    text = rules()
    assert "gateways" not in text.partition("table inet")[2]
    assert chain(text, "input")[0] == 'iifname != "kvg*" accept'
    assert 'iifname "kvg*" iifname . ip saddr != @sources drop' in chain(text, "forward")
    unit = (ROLE / "templates" / "gateway.service").read_text()
    assert unit.index("/start.nft") < unit.index("ip link set %i up")


def test_a_gateway_has_the_address_that_it_is_started_with_and_no_other():
    unit = (ROLE / "templates" / "gateway.service").read_text()
    order = (
        "ip address flush dev %i scope global",
        "ip address replace",
        "/start.nft",
        "ip link set %i up",
        "forward-ipv6",
    )
    places = [unit.index("ExecStart=") - unit.index(each) for each in order]
    assert places == sorted(places, reverse=True)


def test_what_others_have_inside_the_host_is_closed_but_not_the_ways_out():
    told = chain(rules(compute_host_closed_interfaces=["br-*", "virbr*"]), "forward")
    closed = [
        'iifname "kvg*" oifname "%s" ct state != { established, related } drop' % name for name in ("br-*", "virbr*")
    ]
    ways = ['iifname "kvg*" oifname "%s" accept' % name for name in ("br-ex", "eth0")]
    first = told.index(ways[0])
    assert told[first : first + 4] == ways + closed
    assert all(
        " tcp dport " in rule or " saddr " in rule or rule.endswith('oifname "kvg*" drop') for rule in told[:first]
    )


def test_what_is_closed_by_itself():
    told = chain(rules(), "forward")
    for name in ("br-*", "cni*", "docker*", "lxc*", "podman*", "virbr*"):
        assert 'iifname "kvg*" oifname "%s" ct state != { established, related } drop' % name in told


def test_what_is_closed_may_be_a_text():
    said = {"compute_host_closed_ports": "22, 6640-6644", "compute_host_closed_interfaces": "docker0, br-*"}
    listed = {name: [each.strip() for each in text.split(",")] for name, text in said.items()}
    assert rules(**said) == rules(**listed)
    assert 'iifname "kvg*" oifname "docker0" ct state != { established, related } drop' in rules(**said)


def test_a_text_without_anything_closes_nothing():
    none = ("compute_host_closed_ports", "compute_host_closed_interfaces")
    assert rules(**dict.fromkeys(none, "")) == rules(**dict.fromkeys(none, []))


@checked
@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({}, id="as the role has it"),
        pytest.param({"compute_host_datapath_type": "netdev"}, id="the userspace datapath"),
        pytest.param({"compute_host_closed_ports": []}, id="no closed port"),
        pytest.param({"compute_host_closed_interfaces": []}, id="no closed interface"),
        pytest.param({"compute_host_ways_out": []}, id="no way out"),
        pytest.param({"compute_host_closed_ports": ["22", "6640-6644"]}, id="closed ports"),
    ],
)
def test_nft_takes_the_rules_and_the_gateways(tmp_path, variables):
    made = [files.files(each) for each in (B, DUAL)]
    elements = "".join(each[name] for each in made for name in ("start.nft", "stop.nft"))
    path = tmp_path / "rules.nft"
    path.write_text(rules(compute_host_bridge_mappings=WIRES, **variables) + elements)
    done = nft("--check", "--file", str(path))
    assert (done.returncode, done.stderr) == (0, b"")
