# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long compute hosts have been up, and the services that stand for them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.api.views import hosts
from ansible_collections.kvmstack.launch.tests.unit.api.test_actions import silence

NOW = datetime(2026, 7, 1, 12, 0, 30, tzinfo=timezone.utc)
NOBODY = "11111111-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("up", "told"),
    [
        (timedelta(seconds=59), "12:00:30 up 0 min"),
        (timedelta(minutes=59, seconds=59), "12:00:30 up 59 min"),
        (timedelta(hours=1), "12:00:30 up  1:00"),
        (timedelta(days=1, minutes=7), "12:00:30 up 1 day, 7 min"),
        (timedelta(days=400, hours=23, minutes=5), "12:00:30 up 400 days, 23:05"),
        (timedelta(seconds=-5), "12:00:30 up 0 min"),
    ],
)
def test_how_long_a_host_is_up(up, told):
    row = {"facts": {"booted_at": int((NOW - up).timestamp())}, "silent_since": None}
    assert hosts.uptime(row, NOW) == told


def boot(door, ago=timedelta(hours=3, minutes=4)):
    table = door.database.tables.compute_nodes
    told = {"booted_at": int((datetime.now(timezone.utc) - ago).timestamp())}
    door.database.write(lambda connection: connection.execute(table.update().values(facts=told)))


def uptime(door, status=200):
    [host] = door.get("/os-hypervisors")["hypervisors"]
    return door.get("/os-hypervisors/%s/uptime" % host["id"], status=status)


def whole(door):
    [host] = door.get("/os-hypervisors/detail", version=88)["hypervisors"]
    assert door.get("/os-hypervisors/" + host["id"], version=88)["hypervisor"].keys() == host.keys()
    return host


def test_an_uptime_is_told_by_itself_and_later_with_the_host(door):
    door.launch()
    boot(door)
    told = uptime(door)["hypervisor"]
    assert set(told) == {"id", "hypervisor_hostname", "state", "status", "uptime"}
    assert re.fullmatch(r"\d\d:\d\d:\d\d up  3:04", told["uptime"])
    assert re.fullmatch(r"\d\d:\d\d:\d\d up  3:04", whole(door)["uptime"])


def test_a_host_that_did_not_tell_or_is_down_has_none(door):
    door.launch()
    assert "has not said yet" in uptime(door, status=400)["badRequest"]["message"]
    assert whole(door)["uptime"] is None
    boot(door)
    silence(door)
    assert uptime(door, status=400)["badRequest"]["message"] == "Compute service of c1 is unavailable at this time."
    assert whole(door)["uptime"] is None
    door.get("/os-hypervisors/%s/uptime" % NOBODY, status=404)


@pytest.mark.parametrize("said", [{"status": "enabled"}, {"status": "disabled", "disabled_reason": "x"}])
def test_a_service_that_there_is_not_cannot_be_found(door, said):
    door.launch()
    [service] = door.get("/os-services", version=53)["services"]
    missing = door.ask("PUT", "/os-services/" + NOBODY, said, 53)
    assert (missing.status_code, "could not be found" in missing.text) == (404, True)
    known = door.ask("PUT", "/os-services/" + service["id"], said, 53)
    assert (known.status_code, "set by the site" in known.text) == (403, True)
    assert door.ask("PUT", "/os-services/enable", {"host": "c1", "binary": "nova-compute"}, 52).status_code == 403
