# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What who operates the API is told, and whom the API tells of what it has accepted."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

from ansible_collections.kvmstack.launch.plugins.module_utils.api import main
from ansible_collections.kvmstack.launch.plugins.module_utils.api.app import made
from ansible_collections.kvmstack.launch.plugins.module_utils.api.identity import Identity
from ansible_collections.kvmstack.launch.plugins.module_utils.service import broker
from ansible_collections.kvmstack.launch.plugins.module_utils.service.publisher import Publisher

HERE = {"Host": "localhost"}


def client(door, **settings):
    door.settings = replace(door.settings, **settings)
    door.client.app = made(door.settings)
    return door.client


@pytest.mark.parametrize(
    ("arguments", "listens"),
    [
        ([], ["127.0.0.1:8774"]),
        (["--backlog", "9", "--threads=2"], ["127.0.0.1:8774"]),
        (["-b", "unix:/run/a"], ["unix:/run/a"]),
        (["-b127.0.0.1:1"], ["127.0.0.1:1"]),
        (["--bind", "127.0.0.1:1", "--bind=127.0.0.1:2"], ["127.0.0.1:1", "127.0.0.1:2"]),
        (["--bin=127.0.0.1:1"], ["127.0.0.1:1"]),
    ],
)
def test_gunicorn_listens_where_an_argument_says_else_where_the_settings_do(monkeypatch, arguments, listens):
    commands = []
    monkeypatch.setattr(main.settings, "named", lambda: SimpleNamespace(listen="127.0.0.1:8774"))
    monkeypatch.setattr(main.os, "execv", lambda _program, words: commands.append(words))
    main.main(arguments)
    [[_python, _m, gunicorn, *told]] = commands
    assert (gunicorn, Config().parser().parse_args(told).bind) == ("gunicorn", listens)


def test_health_tells_of_the_record_and_of_a_transport(door):
    said = door.client.simulate_get("/healthcheck", headers=HERE)
    assert (said.status_code, said.text) == (200, "OK\ndatabase: OK\ntransport: none\n")
    away = client(door, transport="rabbit://launch@127.0.0.1:1/v").simulate_get("/healthcheck", headers=HERE)
    assert (away.status_code, away.text.splitlines()[0]) == (200, "OK")
    assert "transport: away: " in away.text
    assert "127.0.0.1" not in away.text


def test_a_broker_that_does_not_answer_keeps_one_thread_waiting(door, monkeypatch):
    told, asked, answers = {}, threading.Event(), threading.Event()

    def reach(_url):
        asked.set()
        assert answers.wait(30)

    def ask(name):
        told[name] = asking.simulate_get("/healthcheck", headers=HERE).text.splitlines()[-1]

    monkeypatch.setattr(broker, "reach", reach)
    asking = client(door, transport="rabbit://launch@127.0.0.1:1/v")
    first, second = (threading.Thread(target=ask, args=(name,)) for name in ("first", "second"))
    first.start()
    assert asked.wait(30)
    second.start()
    second.join(20)
    assert told == {"second": "transport: unknown: it is being asked"}
    answers.set()
    first.join()
    assert told["first"] == "transport: OK"


def test_health_tells_nobody_where_the_record_is(door):
    door.definitions["database"] = "postgresql+psycopg://launch:secret@127.0.0.1:1/v"
    door.write()
    said = door.client.simulate_get("/healthcheck", headers=HERE)
    assert (said.status_code, "127.0.0.1" in said.text) == (503, False)


def test_the_health_of_a_transport_that_answers(door, rabbitmq, tmp_path):
    (tmp_path / "password").write_text(rabbitmq.password)
    (tmp_path / "password").chmod(0o600)
    told = {"transport": rabbitmq.vhost(), "transport_password_file": str(tmp_path / "password")}
    assert "transport: OK" in client(door, **told).simulate_get("/healthcheck", headers=HERE).text
    (tmp_path / "password").write_text("wrong")
    said = client(door, **told).simulate_get("/healthcheck", headers=HERE).text
    assert "transport: away: " in said
    assert "wrong" not in said


def test_metrics_are_for_this_machine_and_for_administrators(door):
    door.create()
    said = door.client.simulate_get("/metrics", headers=HERE)
    assert said.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'kvmstack_requests{state="waiting"} 1' in said.text
    assert 'kvmstack_instances{vm_state="building"} 1' in said.text
    assert door.client.simulate_get("/metrics", headers=HERE, remote_addr="192.0.2.7").status_code == 403
    door.client.app = made(door.settings, lambda environ: Identity("p", "u"))
    assert door.client.simulate_get("/metrics", headers=HERE).status_code == 403


def test_what_is_accepted_is_told_after_it_is_written(door, monkeypatch):
    told = []

    def tell(_publisher, asked):
        told.append((asked, {row.instance_uuid for row in door.requests().values()}))

    monkeypatch.setattr(Publisher, "tell", tell)
    client(door, transport="rabbit://launch@127.0.0.1:1/v")
    made_ = [door.create(name="web", max_count=2, min_count=2)["server"]["id"]]
    [(asked, written)] = told
    assert made_[0] in asked
    assert set(asked) == written
    assert len(written) == 2
    assert {action for action, _request in asked.values()} == {"create"}
    assert {request for _action, request in asked.values()} == {row.request_id for row in door.requests().values()}
    door.ask("DELETE", "/servers/" + made_[0])
    assert [action for action, _request in told[-1][0].values()] == ["delete"]
