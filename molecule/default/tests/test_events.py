# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the record says of when the stages of a launch were, on the controller and on compute hosts."""

from __future__ import annotations

from datetime import datetime

import pytest

from ansible_collections.kvmstack.launch.molecule.shared.launching import request


@pytest.fixture
def gone(site):
    yield
    site.destroy(request("timed"))


@pytest.mark.usefixtures("gone")
def test_each_stage_has_its_own_time_within_the_launch(site):
    site.launch(request("timed"))
    [action] = site.records("instance_actions", "instance_uuid = '%s'" % site.record("timed")["uuid"])
    events = site.records("instance_action_events", "action_id = %s order by start_time" % action["id"])
    names = [event["event"] for event in events]
    assert names.index("schedule") < names.index("port") < names.index("image") < names.index("domain")
    spans = [tuple(datetime.fromisoformat(event[key]) for key in ("start_time", "finish_time")) for event in events]
    whole = [datetime.fromisoformat(action[key]) for key in ("start_time", "finish_time")]
    assert all(start < finish for start, finish in spans)
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:]))
    assert whole[0] <= spans[0][0]
    assert spans[-1][1] <= whole[1]
