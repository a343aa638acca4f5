# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What projects have used."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.api import usage

DAY = datetime(2026, 3, 1)
NOON = DAY + timedelta(hours=12)
WHEN = usage.Period(DAY, DAY + timedelta(days=1), DAY + timedelta(hours=18))


@pytest.mark.parametrize(
    ("began", "ended", "hours"),
    [
        pytest.param(NOON, None, 6, id="it runs, and the period goes on"),
        pytest.param(DAY - timedelta(days=3), None, 18, id="since before"),
        pytest.param(NOON, DAY + timedelta(hours=13), 1, id="it was there for an hour"),
        pytest.param(DAY - timedelta(hours=2), DAY + timedelta(hours=1), 1, id="it ended in it"),
        pytest.param(DAY - timedelta(hours=2), DAY, 0, id="it ended before"),
    ],
)
def test_hours(began, ended, hours):
    assert WHEN.hours(began, ended) == hours


def set_times(door, name, **hours):
    """Give a server times, in hours of the day."""
    table = door.database.tables.instances
    values = {key: DAY + timedelta(hours=each) for key, each in hours.items()}
    with door.database.writing() as connection:
        connection.execute(table.update().where(table.c.name == name).values(values))


def used(door, path="/p", query="start=2026-03-01&end=2026-03-02", status=200, version=1):
    return door.get("/os-simple-tenant-usage%s?%s" % (path, query), status=status, version=version)


@pytest.fixture
def servers(door):
    """One that was there from 1 to 3 in the morning, and one that is there since 12 before; by name."""
    made = {name: door.launch(name) for name in ("gone", "here")}
    door.ask("DELETE", "/servers/" + made["gone"])
    door.work("gone")
    set_times(door, "gone", launched_at=1, deleted_at=3)
    set_times(door, "here", launched_at=-12)
    return made


def test_a_project_is_told_of_each_of_its_servers(door, servers):
    told = used(door)["tenant_usage"]
    assert (told["tenant_id"], told["start"], told["stop"]) == (
        "p", "2026-03-01T00:00:00.000000", "2026-03-02T00:00:00.000000",
    )  # fmt: skip
    assert (told["total_hours"], told["total_vcpus_usage"]) == (26, 52)
    assert (told["total_memory_mb_usage"], told["total_local_gb_usage"]) == (26 * 512, 26)
    by_name = {each["name"]: each for each in told["server_usages"]}
    assert by_name["gone"] == {
        "name": "gone", "instance_id": servers["gone"], "tenant_id": "p", "flavor": "small", "vcpus": 2,
        "memory_mb": 512, "local_gb": 1, "hours": 2, "started_at": "2026-03-01T01:00:00.000000",
        "ended_at": "2026-03-01T03:00:00.000000", "state": "terminated", "uptime": 7200,
    }  # fmt: skip
    assert (by_name["here"]["state"], by_name["here"]["ended_at"], by_name["here"]["hours"]) == ("active", None, 24)


def test_what_is_still_to_be_launched_has_used_nothing(door):
    door.create()
    assert used(door) == {"tenant_usage": {}}
    assert used(door, path="") == {"tenant_usages": []}


def test_all_projects_are_an_administrators_business(door, servers):
    [told] = used(door, path="")["tenant_usages"]
    assert "server_usages" not in told
    [told] = used(door, path="", query="start=2026-03-01&end=2026-03-02&detailed=1")["tenant_usages"]
    assert len(told["server_usages"]) == 2
    door.seen_by()
    used(door, path="", status=403)
    used(door, path="/other", status=403)
    assert used(door)["tenant_usage"]["total_hours"] == 26


def test_since_40_it_comes_in_pages(door, servers):
    first, second = sorted(servers.values())
    query = "start=2026-03-01&end=2026-03-02&limit=1"
    assert len(used(door, query=query)["tenant_usage"]["server_usages"]) == 2
    told = used(door, query=query, version=40)
    assert [each["instance_id"] for each in told["tenant_usage"]["server_usages"]] == [first]
    [link] = told["tenant_usage_links"]
    assert link["rel"] == "next"
    assert link["href"].endswith("&limit=1&marker=" + first)
    told = used(door, query=query + "&marker=" + first, version=40)
    assert [each["instance_id"] for each in told["tenant_usage"]["server_usages"]] == [second]
    assert "tenant_usage_links" not in told
    used(door, query="marker=nothing", version=40, status=400)
    assert "tenant_usages_links" in used(door, path="", query=query, version=40)


@pytest.mark.parametrize("query", ["start=yesterday", "end=2026-13-01", "start=2026-03-02&end=2026-03-01"])
def test_a_period_begins_before_it_ends(door, query):
    used(door, query=query, status=400)


@pytest.mark.parametrize("text", ["2026-03-01T00:00:00", "2026-03-01T00:00:00.000000", "2026-03-01%2000:00:00.5"])
def test_a_time_in_each_of_novas_forms(door, servers, text):
    assert used(door, query="start=%s&end=2026-03-02" % text)["tenant_usage"]["total_hours"] > 25
