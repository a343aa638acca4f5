# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filters at the end of a playbook: what people read."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.filter.report import failures, notes, plan, shown, table

PORT = {"fixed_ip": "10.0.0.9"}
FLOATING = {"fixed_ip": "10.0.0.9", "network_info": {"floating_ip_address": "192.0.2.9"}}
DATA, UNSIZED = {"name": "data", "size": 2}, {"name": "old", "size": None}
WEB = {"name": "web", "uuid": "u1", "host": "c1", "status": "ACTIVE", "launched": True, "was_launched": True,
       "action": "keep", "ports": [PORT], "volumes": [DATA]}  # fmt: skip
GOING = {**WEB, "task_state": "deleting"}
OFF = {**WEB, "status": "SHUTOFF", "target_state": "stopped"}
NEW = {**WEB, "was_launched": False}
REFUSED = {"name": "bad", "uuid": None, "status": "ERROR", "failed": True, "msg": "flavor huge is not known"}


@pytest.mark.parametrize(
    ("column", "document", "cell"),
    [
        pytest.param("name", WEB, "web", id="a key"),
        pytest.param("size", WEB, "", id="a key that it has not"),
        pytest.param("host", {**WEB, "host": None}, "", id="none"),
        pytest.param("seconds", {"seconds": 0}, "0", id="zero"),
        pytest.param("attempted_hosts", {"attempted_hosts": ["c1", "c2"]}, "c1, c2", id="a list"),
        pytest.param("address", WEB, "10.0.0.9", id="an address"),
        pytest.param("address", {"ports": [FLOATING]}, "10.0.0.9, 192.0.2.9", id="a floating address"),
        pytest.param(
            "address", {"ports": [{**PORT, "fixed_ips": ["10.0.0.9", "10.0.0.8"]}]}, "10.0.0.9, 10.0.0.8", id="2"
        ),
        pytest.param(
            "address",
            {"ports": [{**PORT, "fixed_ips": ["10.0.0.9", "fd00::9"], "ipv6_address": "fd00::9"}]},
            "10.0.0.9, fd00::9",
            id="of both families, in a plan",
        ),
        pytest.param(
            "address",
            {"ports": [{"fixed_ip": "10.0.0.9", "fixed_ips": None, "network_info": {"ipv6_address": "fd00::9"}}]},
            "10.0.0.9, fd00::9",
            id="of both families, as recorded",
        ),
        pytest.param("address", {"ports": [{**PORT, "leaving": True}, {"fixed_ip": None}]}, "", id="no address"),
        pytest.param("address", {"address": "c1"}, "c1", id="a row that is no instance"),
        pytest.param("volumes", {"volumes": [DATA, UNSIZED]}, "data 2 GiB, old ? GiB", id="volumes"),
        pytest.param("volumes", {"volumes": [{**DATA, "leaving": True}]}, "", id="a volume that leaves"),
        pytest.param("fault", REFUSED, "flavor huge is not known", id="this run's failure"),
        pytest.param("fault", {"fault": "no host"}, "no host", id="the record's fault"),
    ],
)
def test_a_cell(column, document, cell):
    assert table([document], [column]) == [column.upper(), cell]


def test_columns_are_aligned_and_lines_not_padded():
    assert table([WEB, REFUSED], ["name", "host", "fault"]) == [
        "NAME  HOST  FAULT",
        "web   c1",
        "bad         flavor huge is not known",
    ]


@pytest.mark.parametrize("column", ["fault", "reason"])
def test_where_all_is_as_it_should_be_no_column_says_why(column):
    assert table([WEB], ["name", column]) == ["NAME", "web"]


def test_a_table_of_nothing_has_its_heading():
    assert table([], ["name", "host"]) == ["NAME  HOST"]
    assert table([WEB], []) == ["", ""]


def test_columns_may_be_a_text_as_e_gives_it():
    assert table([WEB], "name, host") == table([WEB], ["name", "host"])


@pytest.mark.parametrize(
    ("document", "word"),
    [
        pytest.param(NEW, "create", id="it was no instance before"),
        pytest.param({**NEW, "actions": {"port": ["create"]}}, "create", id="whatever is made of it"),
        pytest.param({"name": "web", "launched": True}, "keep", id="not accepted yet, but known"),
        pytest.param(WEB, "keep", id="as it is"),
        pytest.param({**WEB, "task_state": "rebooting"}, "change (restart)", id="to start anew"),
        pytest.param(
            {**WEB, "was_task": "rebooting_hard", "task_state": None, "actions": {"domain": ["update"]}},
            "change (reset)",
            id="by force, after its host's plan",
        ),
        pytest.param(
            {**WEB, "was_task": "rebuilding", "actions": dict.fromkeys(("domain", "image", "port"), ["update"])},
            "change (rebuild, networks)",
            id="to be made anew over a new disk",
        ),
        pytest.param({**WEB, "was_status": "SHUTOFF", "was_task": "rebuilding"}, "change (rebuild)", id="found off"),
        pytest.param({**WEB, "actions": {"port": [], "schedule": ["keep"]}}, "keep", id="no part changes"),
        pytest.param({**WEB, "action": "update"}, "change (metadata)", id="only the record changes"),
        pytest.param({**WEB, "action": "update", "actions": {"port": ["create"], "network": ["create"],
                                                             "volume": ["update"], "image": ["create"]}},
                     "change (networks, volumes, root disk)", id="parts change, each kind once"),
        pytest.param({**WEB, "actions": {"domain": ["update"]}}, "change (guest)", id="the guest changes"),
        pytest.param(GOING, "destroy", id="it goes"),
        pytest.param({"name": "web", "uuid": None, "status": "DELETED"}, "keep", id="it is not there"),
        pytest.param(REFUSED, "refuse", id="it is refused"),
        pytest.param({**GOING, "failed": True}, "refuse", id="its end is refused"),
        pytest.param({**GOING, "status": "DELETED"}, "destroy", id="it would be gone"),
        pytest.param({**OFF, "was_status": "ACTIVE", "actions": {"domain": ["update"], "port": ["create"]}},
                     "change (stop, networks)", id="it is turned off"),
        pytest.param({**WEB, "status": "SHUTOFF"}, "change (start)", id="it is turned on"),
    ],
)  # fmt: skip
def test_what_is_planned(document, word):
    heading, line, _sums = plan([document])
    start = heading.index("PLAN")
    assert line[start : start + len(word) + 1].rstrip() == word


def test_a_plan_ends_with_its_sums():
    *_lines, sums = plan([NEW, REFUSED, WEB, {**WEB, "action": "update"}])
    assert sums == "1 to create, 1 to change, 1 as they are, 1 refused"
    assert "flavor huge is not known" in _lines[2]


def test_a_plan_of_nothing():
    assert plan([]) == ["NAME  PLAN  HOST  ADDRESS  VOLUMES", ""]


@pytest.mark.parametrize(
    ("document", "line"),
    [
        pytest.param(WEB, None, id="as it should be"),
        pytest.param(REFUSED, "bad is ERROR: flavor huge is not known", id="refused"),
        pytest.param({**WEB, "failed": True, "msg": "cannot grow"}, "web is ACTIVE: cannot grow",
                     id="it runs, and what was asked failed"),
        pytest.param({**WEB, "status": "ERROR", "fault": "no host"}, "web is ERROR: no host", id="a fault"),
        pytest.param({**WEB, "status": "BUILD"}, "web is BUILD: not finished; run again", id="unfinished"),
        pytest.param(GOING, "web is ACTIVE: not finished; run again", id="still there"),
        pytest.param({**WEB, "status": "DELETED"}, None, id="gone"),
        pytest.param(OFF, None, id="off, as it should be"),
        pytest.param({**OFF, "target_state": "started"}, "web is SHUTOFF: not finished; run again", id="off by itself"),
        pytest.param({**OFF, "status": "ACTIVE"}, "web is ACTIVE: not finished; run again", id="not off"),
    ],
)  # fmt: skip
def test_failures(document, line):
    assert failures([document]) == ([line] if line else [])


def test_failures_of_some_and_of_nothing():
    assert failures([WEB, REFUSED, WEB]) == ["bad is ERROR: flavor huge is not known"]
    assert failures([]) == []


def test_lines_are_shown_as_ansible_prints_them():
    assert (shown(["NAME", "web"], True), shown(("NAME", "web"), False)) == ("NAME\nweb", ["NAME", "web"])


def test_a_note_is_told_once_for_all_that_it_is_true_of():
    old = [{"name": "web-%d" % number, "notes": ["flavor small has changed"]} for number in range(7)]
    assert notes([WEB, *old, {**WEB, "notes": ["network a has MTU 1400"]}]) == [
        "Note: web-0, web-1, web-2, web-3, web-4 and 2 more: flavor small has changed",
        "Note: web: network a has MTU 1400",
    ]
    assert notes([WEB, REFUSED]) == []
