# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a stage began and ended, on machines whose clocks differ."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.carry import carry, fail, parts_of
from ansible_collections.kvmstack.launch.plugins.module_utils.core.documents import gather
from ansible_collections.kvmstack.launch.plugins.module_utils.core.moments import between, now, parsed

WEB = {
    "name": "web", "uuid": "u1", "host": "c1", "status": "BUILD", "attempted_hosts": [], "events": [],
    "ports": [{"id": "p1", "name": "web-private"}],
}  # fmt: skip


def at(seconds):
    return "2026-01-01T00:00:%09.6fZ" % seconds


def event(start, finish):
    return {"event": "domain", "start_time": at(start), "finish_time": at(finish)}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([event(12, 13), event(13, 15)], [event(12, 13), event(13, 15)], id="clocks agree"),
        pytest.param([event(32, 33), event(33, 35)], [event(17, 18), event(18, 20)], id="the host's is ahead"),
        pytest.param([event(2, 3), event(3, 5)], [event(10, 11), event(11, 13)], id="the host's is behind"),
        pytest.param([event(5, 25)], [event(0, 20)], id="longer than there was time"),
        pytest.param([{"event": "host"}], [{"event": "host"}], id="without times"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_events_of_a_host_lie_where_it_was_asked(events, expected):
    assert between(events, at(10), at(20)) == expected


def test_a_span_is_kept_with_what_came_of_it():
    span = {"start_time": at(1), "finish_time": at(2)}
    made = {"name": "web-private", "action": "create", "changed": True}
    lost = {"name": "web-private", "action": "create", "failed": True, "msg": "is full"}
    for result in (made, lost):
        [document] = carry([WEB], "port", [result], parts_of("port"), span=span)
        [told] = document["events"]
        assert (told["start_time"], told["finish_time"]) == (at(1), at(2))
    [document] = fail([WEB], "port", {"msg": "no answer", **span}, parts_of("port"))
    assert document["events"][0]["finish_time"] == at(2)


def test_what_a_host_did_is_not_in_the_future():
    before = {**WEB, "events": [{**event(1, 2), "event": "port"}]}
    built = {**before, "events": [*before["events"], {**event(0, 4), "start_time": "2999-01-01T00:00:00.000000Z",
                                                      "finish_time": "2999-01-01T00:00:04.000000Z"}]}  # fmt: skip
    [document] = gather([before], {"c1": {"instances": [built]}})
    port, domain = document["events"]
    assert port == before["events"][0]
    assert (parsed(domain["finish_time"]) - parsed(domain["start_time"])).total_seconds() == 4
    assert domain["finish_time"] <= now()
