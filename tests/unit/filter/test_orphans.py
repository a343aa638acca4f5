# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The audit's filters: only orphans are removed, and only where they are; a host that did not answer says nothing."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.filter.orphans import existing, orphans, repair_hosts
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest


def found(kind, name, host="c1", problem="orphan"):
    return {"kind": kind, "id": "id-" + name, "name": name, "host": host, "problem": problem,
            "instance_uuid": "u1", "network": "private", "reason": "it is deleted"}  # fmt: skip


DOMAIN, DISK, ALONE = found("domain", "web"), found("disk", "web"), found("disk", "db")
VOLUME, PORT, AWAY = found("volume", "data"), found("port", "nic", None), found("volume", "far", "c2")
FOREIGN = found("domain", "theirs", "c3", "foreign")
ALL = [DOMAIN, DISK, ALONE, VOLUME, PORT, AWAY, FOREIGN]


@pytest.mark.parametrize(
    ("listed", "kind", "host", "expected"),
    [
        pytest.param(ALL, "domain", "c1", [{"uuid": "id-web", "name": "web"}, {"uuid": "id-db", "name": "db"}],
                     id="domains, and disks that are left of some; each once"),
        pytest.param(ALL, "disk", "c1", [{"instance_uuid": "id-web", "name": "web"},
                                         {"instance_uuid": "id-db", "name": "db"}], id="disks"),
        pytest.param(ALL, "volume", "c1", [{"id": "id-data", "name": "data"}], id="volumes of one host"),
        pytest.param(ALL, "volume", None, [{"id": "id-data", "name": "data"}, {"id": "id-far", "name": "far"}],
                     id="volumes of all hosts"),
        pytest.param(ALL, "port", None, [{"id": "id-nic", "name": "nic", "instance_uuid": "u1", "network": "private",
                                          "host": None}], id="ports, which are nowhere"),
        pytest.param([{**PORT, "kind": kind, "id": "p/lab", "name": "lab", "shared": False}
                      for kind in ("network", "security_group")], "network", None,
                     [{"kind": "network", "name": "lab", "project_id": "p", "shared": False},
                      {"kind": "security_group", "name": "lab", "project_id": "p", "shared": False}],
                     id="networks and groups of their projects"),
        pytest.param([{**PORT, "kind": "network", "id": "team/a/lab", "name": "lab", "shared": shared}
                      for shared in (False, True)], "network", None,
                     [{"kind": "network", "name": "lab", "project_id": "team/a", "shared": False},
                      {"kind": "network", "name": "lab", "project_id": "team/a", "shared": True}],
                     id="one that is shared, and its own"),
        pytest.param(ALL, "domain", "c3", [], id="nothing that is foreign"),
        pytest.param(ALL, "domain", "left-the-inventory", [], id="nothing of a host without any"),
        pytest.param([], "domain", "c1", [], id="nothing"),
    ],
)  # fmt: skip
def test_orphans(listed, kind, host, expected):
    assert sorted(map(str, orphans(listed, kind, host))) == sorted(map(str, expected))


@pytest.mark.parametrize(
    ("listed", "repair", "expected"),
    [
        pytest.param(ALL, True, ["c1", "c2"], id="each host once, and none for ports or what is foreign"),
        pytest.param(ALL, "true", ["c1", "c2"], id="true as -e gives it"),
        pytest.param(ALL, "1", ["c1", "c2"], id="1 as -e gives it"),
        pytest.param(ALL, "false", [], id="false as -e gives it"),
        pytest.param(ALL, False, [], id="not asked for"),
        pytest.param([PORT, FOREIGN], True, [], id="nothing on compute hosts"),
        pytest.param([], True, [], id="nothing"),
    ],
)
def test_repair_hosts(listed, repair, expected):
    assert repair_hosts(listed, repair) == expected


@pytest.mark.parametrize("repair", ["maybe", "", None, []])
def test_a_repair_that_is_neither_asked_for_nor_not(repair):
    with pytest.raises(InvalidRequest, match="launch_repair: .* is not true or false"):
        repair_hosts(ALL, repair)


ANSWERED = {
    "launch_domains": {"domains": ["d"], "directories": ["r"], "changed": False},
    "launch_volumes": {"volumes": ["v"], "changed": False},
    "launch_gateways": {"gateways": ["g"], "changed": False},
}
FAILED = {"failed": True, "msg": "no libvirt"}


@pytest.mark.parametrize(
    ("hostvars", "expected"),
    [
        pytest.param(
            {"c1": ANSWERED},
            {"c1": {"domains": ["d"], "directories": ["r"], "volumes": ["v"], "gateways": ["g"]}},
            id="all of it",
        ),
        pytest.param({"c1": {**ANSWERED, "launch_domains": FAILED}}, {"c1": {"msg": "no libvirt"}}, id="no domains"),
        pytest.param({"c1": {**ANSWERED, "launch_gateways": FAILED}}, {"c1": {"msg": "no libvirt"}}, id="no gateways"),
        pytest.param({"c1": {**ANSWERED, "launch_volumes": FAILED}}, {"c1": {"msg": "no libvirt"}}, id="no volumes"),
        pytest.param(
            {"c1": {"launch_domains": {"unreachable": True, "msg": "Failed to connect\r\nto the host"}}},
            {"c1": {"msg": "Failed to connect to the host"}},
            id="it is away",
        ),
        pytest.param(
            {"c1": {}}, {"c1": {"msg": "it was not asked: see --limit, and the group compute"}}, id="it was not asked"
        ),
        pytest.param({}, {"c1": {"msg": "it is not in the inventory"}}, id="it left the inventory"),
    ],
)
def test_existing(hostvars, expected):
    assert existing(["c1"], hostvars) == expected


def test_one_host_that_failed_takes_nothing_from_the_others():
    answers = existing(["c1", "c2", "c3"], {"c1": {"launch_domains": FAILED}, "c2": ANSWERED})
    assert [host for host, things in answers.items() if "domains" in things] == ["c2"]
    assert existing([], {"c2": ANSWERED}) == {}


def test_names_given_as_text_are_refused_and_not_taken_apart():
    with pytest.raises(InvalidRequest, match="hosts: 'c1,c2' is not a list"):
        existing("c1,c2", {})
