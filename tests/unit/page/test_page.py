# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pages over a real record: what they show, what their forms do, and what they refuse."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlencode

import falcon
import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.api import consoles
from ansible_collections.kvmstack.launch.plugins.module_utils.core.carry import carry, parts_of
from ansible_collections.kvmstack.launch.plugins.module_utils.core.documents import mark_failed
from ansible_collections.kvmstack.launch.plugins.module_utils.page.guard import COOKIE
from ansible_collections.kvmstack.launch.plugins.module_utils.record import workers
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import now
from ansible_collections.kvmstack.launch.tests.unit.api.conftest import KEY
from ansible_collections.kvmstack.launch.tests.unit.instance.conftest import place

HERE = {"Host": "127.0.0.1:8774"}
ID = "11111111-0000-4000-8000-000000000001"
HOSTILE = "<script>alert(1)</script>\"'&"


class Browser:
    """Somebody who looks at the pages of a door."""

    def __init__(self, door):
        self.door = door
        self.token = ""

    def get(self, path, status=200, **headers):
        reply = self.door.client.simulate_get("/ui" + path, headers={**HERE, **headers}, cookies=self.cookies)
        assert reply.status_code == status, reply.text
        if COOKIE in reply.cookies:
            self.token = reply.cookies[COOKIE].value
        return reply

    @property
    def cookies(self):
        return {COOKIE: self.token} if self.token else {}

    def send(self, path, status=303, cookies=None, headers=None, **fields):
        """A form as a browser sends it."""
        said = {**HERE, "Origin": "http://127.0.0.1:8774", "Content-Type": "application/x-www-form-urlencoded"}
        said = {name: value for name, value in {**said, **(headers or {})}.items() if value is not None}
        body = urlencode({"token": self.token, **fields})
        cookies = self.cookies if cookies is None else cookies
        reply = self.door.client.simulate_post("/ui" + path, headers=said, body=body, cookies=cookies)
        assert reply.status_code == status, reply.text
        return reply

    def options(self, name):
        """What the form lets one choose, by what is shown."""
        [chosen] = re.findall(r'<select id="%s".*?</select>' % name, self.get("/launch").text, re.DOTALL)
        found = re.findall(r'<option value="(.*?)".*?>(.*?)</option>', chosen)
        return {unescape(told).partition(":")[0]: unescape(value) for value, told in found}

    def launch(self, name="web", status=303, **fields):
        asked = {
            "name": name, "flavor": "small", "image": self.options("image")["demo"],
            "network": self.options("network")["private"], **fields,
        }  # fmt: skip
        return self.send("/servers", status, **asked)


@pytest.fixture
def door(doors):
    return doors()


@pytest.fixture
def browser(door):
    return Browser(door)


def test_a_form_launches_stops_starts_and_deletes(browser, door):
    assert "There are no servers yet" in browser.get("/servers").text
    where = browser.launch().headers["location"].removeprefix("/ui")
    assert set(door.requests()) == {"web"}
    shown = browser.get(where).text
    assert "BUILD" in shown
    assert "to come" in shown
    door.work()
    assert "ACTIVE" in browser.get(where).text
    browser.send(where + "/stop")
    assert door.requests()["web"].action == "stop"
    assert "powering-off" in browser.get(where).text
    door.work()
    assert "SHUTOFF" in browser.get(where).text
    browser.send(where + "/start")
    door.work()
    browser.send(where + "/start", 409)
    browser.send(where + "/reboot")
    assert door.requests()["web"].action == "reboot"
    assert "1 server · 1 REBOOT" in browser.get("/servers").text
    door.work()
    browser.send(where + "/rebuild", 404)
    assert browser.send(where + "/delete").headers["location"] == "/ui/servers"
    assert "deleting" in browser.get("/servers").text
    door.work()
    browser.get(where, 404)


def test_what_services_have_is_asked_for_by_what_can_be_given(doors):
    door = doors(image_service="glance", images={}, network_service="neutron", networks={})
    browser = Browser(door)
    asked = unescape(browser.get("/launch").text)
    assert "An image's id in the image service." in asked
    assert "A network's id in the network service; none for none." in asked
    said = {"name": "web", "flavor": "small", "image": ID, "network": ID}
    for name in ("image", "network"):
        assert "It was not accepted" in browser.send("/servers", 400, **{**said, name: "demo"}).text
    browser.send("/servers", 400, **{**said, "network": "auto"})
    browser.send("/servers", **said)
    browser.send("/servers", **{**said, "name": "db", "network": "none"})
    assert {name: each.entry["networks"] for name, each in door.requests().items()} == {
        "web": [{"network": ID}], "db": [],
    }  # fmt: skip


def test_one_definition_that_makes_no_sense_takes_no_page_down(doors):
    good = {"url": "https://images.example/a.qcow2", "checksum": "none"}
    browser = Browser(
        doors(
            flavors={"small": {"vcpus": 1, "ram": 64}, "text": {"vcpus": "many", "ram": "lots"}, "null": None},
            images={"demo": good, "null": None},
            networks={"private": {"cidr": "10.20.0.0/24"}, "null": None, "text": "x"},
        )
    )
    assert (set(browser.options("flavor")), set(browser.options("image"))) == ({"small"}, {"demo"})
    assert "private" in browser.get("/networks").text


def test_a_button_starts_what_is_off_on_a_silent_host(browser, door):
    where = browser.launch().headers["location"].removeprefix("/ui")
    door.work()
    browser.send(where + "/stop")
    door.work()
    table = door.database.tables.compute_nodes
    door.database.write(lambda connection: connection.execute(table.update().values(silent_since=now(connection))))
    shown = browser.get(where).text
    assert "UNKNOWN" in shown
    assert (where + "/start" in shown, where + "/stop" in shown) == (True, False)
    browser.send(where + "/start")


def test_a_console_is_shown_without_what_only_terminals_understand(browser, door, monkeypatch):
    where = browser.launch().headers["location"].removeprefix("/ui")
    browser.send(where + "/console", 409)
    door.work()
    monkeypatch.setattr(consoles, "WAIT", 0)
    assert "Back to the server" in browser.send(where + "/console", 503).text
    output = "\x1b[1;32mok\x1b[0m \x1b]0;title\x07%s\x1b\r\n\x9bline" % HOSTILE
    monkeypatch.setattr(consoles, "_told", lambda *_asked: {"output": output, "error": None})
    told = browser.send(where + "/console", 200).text
    assert HOSTILE not in told
    assert ">ok %s\nline</pre>" % HOSTILE in unescape(told)
    assert set(door.requests()) == set()


def test_a_form_that_asks_for_what_cannot_be_says_why_and_keeps_what_was_typed(browser, door):
    reply = browser.launch(HOSTILE, 400)
    assert "It was not accepted" in reply.text
    assert HOSTILE not in reply.text
    assert HOSTILE in unescape(reply.text)
    assert "Flavor huge could not be found" in browser.launch(flavor="huge", status=400).text
    browser.launch()
    assert "names are unique here" in browser.launch(status=409).text
    assert set(door.requests()) == {"web"}


def test_a_key_of_the_user_is_given(browser, door):
    reply = door.ask("POST", "/os-keypairs", {"keypair": {"name": "mine", "public_key": KEY}})
    assert reply.status_code == 200
    browser.launch(key=browser.options("key")["mine"], network="none")
    assert door.requests()["web"].entry["ssh_keys"] == [KEY]


@pytest.mark.parametrize(
    ("cookies", "headers", "fields"),
    [
        pytest.param({}, {}, {}, id="no cookie"),
        pytest.param({COOKIE: "x" * 43}, {}, {}, id="another cookie"),
        pytest.param({COOKIE: "x"}, {}, {"token": "x"}, id="a cookie that is none of ours"),
        pytest.param(None, {}, {"token": ""}, id="no token"),
        pytest.param(None, {}, {"token": "ö" * 43}, id="a token that is no text of ours"),
        pytest.param(None, {"Origin": "http://evil.example"}, {}, id="a foreign origin"),
        pytest.param(None, {"Origin": "http://127.0.0.1:3000"}, {}, id="another port of this machine"),
        pytest.param(None, {"Origin": "null"}, {}, id="an origin that is hidden"),
        pytest.param(None, {"Origin": "http://["}, {}, id="an origin that is none"),
        pytest.param(None, {"Origin": None}, {}, id="no origin"),
        pytest.param(None, {"Sec-Fetch-Site": "cross-site"}, {}, id="a browser says that it is another's"),
        pytest.param(None, {"Host": "evil.example", "Origin": "http://evil.example"}, {}, id="a name that leads here"),
    ],
)
def test_a_form_of_others_is_refused(browser, door, cookies, headers, fields):
    where = browser.launch().headers["location"].removeprefix("/ui")
    browser.send(where + "/delete", 403, cookies=cookies, headers=headers, **fields)
    assert door.requests()["web"].action == "create"


def test_a_form_is_one(browser):
    browser.get("/servers")
    browser.send("/servers", 415, headers={"Content-Type": "text/plain"})
    browser.send("/servers", 413, name="x" * 200000)
    browser.send(
        "/servers",
        400,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        **dict.fromkeys(map(str, range(200)), ""),
    )
    assert browser.get("/servers/no-such-server", 404).headers["content-type"].startswith("text/html")


def test_what_guests_and_hosts_say_is_shown_as_text(browser, door):
    where = browser.launch().headers["location"].removeprefix("/ui")
    door.take("web")
    place(door.url, "c1", web="c1")
    document = door.run().find()["web"]
    door.run().conclude(mark_failed(document, "domain", {"msg": HOSTILE, "abort": True, "details": HOSTILE}))
    table = door.database.tables.instances
    with door.database.writing() as connection:
        connection.execute(table.update().values(name=HOSTILE, instance_metadata={HOSTILE: HOSTILE}))
    for path in (where, "/servers", "/hosts", "/hosts/c1", "/queue"):
        told = browser.get(path).text
        assert "<script>alert" not in told
    assert unescape(browser.get(where).text).count(HOSTILE) >= 6
    assert browser.get("/servers", name=HOSTILE).text.count("&lt;script&gt;") >= 1


def test_a_page_that_has_not_changed_is_not_sent_again(browser, door):
    browser.get("/servers")
    for path in ("/servers", "/hosts", "/networks", "/queue", "/launch", "/static/page.css", "/static/page.js"):
        tag = browser.get(path).headers["etag"]
        assert browser.get(path, 304, **{"If-None-Match": tag}).text == ""
        assert browser.get(path, 304, **{"If-None-Match": 'W/%s, "other"' % tag}).text == ""
    tag = browser.get("/servers").headers["etag"]
    browser.launch()
    assert browser.get("/servers", 200, **{"If-None-Match": tag}).headers["etag"] != tag


def test_every_reply_is_guarded(browser, door):
    for path, status in (("/servers", 200), ("/nothing", 404), ("/static/page.js", 200), ("/static/../guard.py", 404)):
        headers = browser.get(path, status).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
    cookie = Browser(door).get("/servers").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/ui" in cookie


@pytest.mark.parametrize("path", ["/servers", "/hosts", "/networks", "/queue", "/launch"])
def test_a_page_has_nothing_that_its_policy_forbids(browser, path):
    browser.launch()
    told = browser.get(path).text
    assert not re.search(r"<[^>]*\s(style|on\w+)=", told)
    assert not re.search(r"<script(?! src=)|<style|https?://", told)
    assert '<a class="skip" href="#content">' in told
    assert '<html lang="en">' in told


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Host": "127.0.0.1", "Origin": "http://evil.example"}], ids=str
)
def test_only_this_machine_is_answered(door, headers):
    reply = door.client.simulate_get("/ui/servers", headers=headers)
    assert reply.status_code == 403
    reply = door.client.simulate_get("/ui/servers", headers=HERE, remote_addr="192.0.2.1")
    assert reply.status_code == 403


def test_beside_an_identity_service_there_are_no_pages(doors):
    browser = Browser(doors(identity="keystone"))
    for path in ("", "/servers", "/hosts", "/launch"):
        assert "these pages have no login" in browser.get(path, 404).text
    assert "these pages have no login" in browser.send("/servers", 404).text


def test_servers_are_found(browser, door):
    for name in ("web-1", "web-2", "db"):
        browser.launch(name)
    door.work("db", "c1")
    assert re.findall(r'id="to-.*?>(.*?)</a>', browser.get("/servers").text) == ["db", "web-2", "web-1"]
    found = door.client.simulate_get("/ui/servers", headers=HERE, params={"name": "web-"}).text
    assert re.findall(r'id="to-.*?>(.*?)</a>', found) == ["web-2", "web-1"]
    found = door.client.simulate_get("/ui/servers", headers=HERE, params={"status": "ACTIVE"}).text
    assert re.findall(r'id="to-.*?>(.*?)</a>', found) == ["db"]
    found = door.client.simulate_get("/ui/servers", headers=HERE, params={"name": ".*"}).text
    assert "No server is like that" in found


def test_the_seconds_of_the_steps_are_shown(browser, door):
    where = browser.launch().headers["location"].removeprefix("/ui")
    door.take("web")
    place(door.url, "c1", web="c1")
    document = door.run().find()["web"]
    span = {"start_time": "2999-01-01T00:00:00.000000Z", "finish_time": "2999-01-01T00:00:02.500000Z"}
    made = {"name": "web-private", "action": "create", "changed": True, "port_id": "p", "mac_address": "m"}
    [document] = carry([document], "port", [made], parts_of("port"), span=span)
    door.run().built(document)
    told = browser.get(where).text
    assert len(re.findall(r'<td class="number">', told)) == 18
    assert "2.50 s" in told


def test_a_host_shows_its_claims_and_why_it_was_refused(browser, door):
    where = browser.launch().headers["location"].removeprefix("/ui")
    door.work("web", "c1")
    message = "no valid host: ram: 1 of 2 lack 512 MiB (c1 has 3 of 4 MiB left)"
    browser.launch("db")
    door.take("db")
    door.run().conclude(
        mark_failed(door.run().find()["db"], "schedule", {"msg": message, "public_msg": "no", "abort": True})
    )
    told = unescape(re.sub("<.*?>", "", browser.get("/hosts").text))
    assert "ram: has 3 of 4 MiB left" in told
    assert message in told
    browser.get("/hosts/nothing", 404)
    assert "web" in browser.get("/hosts/c1").text
    assert "ERROR" in browser.get("/servers").text
    assert where


def test_a_host_has_the_room_that_the_scheduler_counts(browser, door):
    browser.launch()
    door.work("web", "c1")
    place(door.url, "c1")
    aggregates = [{"name": "a", "metadata": {"availability_zone": "north", "cpu_allocation_ratio": "2"}}]
    values = {"vcpus": 8, "cpu_allocation_ratio": 4.0, "cpu_dedicated_set": "0-1", "aggregates": aggregates}
    waiting = {"id": "v", "project_id": "p", "name": "data", "size": 7, "host": "c1",
               "format": "raw", "delete_on_termination": False}  # fmt: skip
    with door.database.writing() as connection:
        tables = door.database.tables
        connection.execute(tables.compute_nodes.update().values(values))
        used = connection.execute(tables.compute_nodes.select()).one()
        connection.execute(tables.volumes.insert().values(waiting))
    for path in ("/hosts", "/hosts/c1"):
        told = " ".join(re.sub("<.*?>", " ", browser.get(path).text).split())
        assert "zone north" in told
        assert "vCPUs %d of 12" % used.vcpus_used in told
        assert "Disk %d of 100 GiB" % (used.disk_gb_used + 7) in told


def test_the_queue_says_what_waits_and_who_works(browser, door):
    assert "Nothing waits" in browser.get("/queue").text
    browser.launch()
    told = browser.get("/queue").text
    assert "1 waiting" in told
    assert "No worker is alive" in told
    tag = browser.get("/queue").headers["etag"]
    assert browser.get("/queue", 304, **{"If-None-Match": tag})
    beat = {"host": HOSTILE, "runs": 1, "transport": False}
    with door.database.writing() as connection:
        moment = now(connection)
        workers.beat(door.database, connection, HOSTILE, {**beat, "since": moment}, moment)
    told = browser.get("/queue").text
    assert "1 worker alive" in told
    assert "No worker is alive" not in told
    assert HOSTILE in unescape(told)
    assert HOSTILE not in told


def test_the_api_is_as_it_was_beside_the_pages(door):
    assert isinstance(door.get("/servers"), dict)
    assert door.client.simulate_get("/uid", headers=HERE).json["itemNotFound"]["code"] == 404
    assert falcon.__version__
