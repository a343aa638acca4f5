# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The services of the role front_door, as Ansible writes them, systemd reads them and the worker its settings."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ansible_collections.kvmstack.launch.plugins.module_utils.service import settings
from ansible_collections.kvmstack.launch.tests.unit.systemd import command, read, words

ROLE = Path(__file__).parents[3] / "roles/front_door"
DEFINITIONS, WORKER, API = UNITS = "kvmstack-definitions.service", "kvmstack-worker.service", "kvmstack-api.service"
WRITING = ("The folder of the settings", "Settings", "Describe the services to systemd")
ALL = yaml.safe_load((ROLE / "tasks/present.yml").read_text())
TASKS = [task for task in ALL if task["name"] in WRITING]
REFUSING = [task for task in ALL if task["name"] in ("Look the user up", "Refuse what would not work")]


def written(folder, **variables):
    """The settings and the two units that the role's own tasks write there with these variables."""
    done, settings_path = played(folder, TASKS, variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return settings.read(settings_path), read(folder / DEFINITIONS), read(folder / WORKER)


def played(folder, tasks, variables):
    """These tasks of the role, and where their settings are."""
    for task in tasks:
        if "ansible.builtin.template" in task:
            task["ansible.builtin.template"]["src"] = str(ROLE / "templates/unit.service")
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROLE / "defaults/main.yml"), str(ROLE / "vars/main.yml")],
        "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
        "tasks": tasks,
    }
    (folder / "play.yml").write_text(json.dumps([play]))
    (folder / "hosts").write_text("localhost\n")
    (folder / "own.cfg").write_text("[defaults]\n")
    given = {"role_path": "/srv/c/ansible_collections/kvmstack/launch/roles/front_door"}
    given.update(front_door_folder=str(folder), front_door_settings="%s/etc/front_door.yml" % folder, **variables)
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "hosts", "play.yml", "--extra-vars", json.dumps(given)],
        cwd=folder,
        env={**os.environ, "USER": "root", "ANSIBLE_CONFIG": "own.cfg", "ANSIBLE_COLLECTIONS_PATH": "/srv/c:/x y"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done, given["front_door_settings"]


BROKERS = "rabbit://launch@192.0.2.10:5672,launch@192.0.2.11:5672/launch"


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        pytest.param({"front_door_transport": BROKERS, "front_door_notification_format": "both"}, "", id="two brokers"),
        pytest.param({"front_door_rabbitmq": True, "front_door_notification_format": "both"}, "", id="one of its own"),
        pytest.param({"front_door_notification_format": "both"}, "there is no message queue for it", id="no broker"),
        pytest.param({"front_door_memcache_security_strategy": "MAC"}, "it needs a secret key", id="no key"),
        pytest.param({"front_door_memcache_secret_key_file": "/key"}, "there is nothing to protect", id="no cache"),
        pytest.param(
            {"front_door_transport": "rabbit://launch@a:1,launch:hush@b:5672/launch"}, "does not belong", id="password"
        ),
    ],
)
def test_what_the_services_would_refuse_is_refused_before_it_is_written(tmp_path, variables, why):
    done, _settings = played(tmp_path, REFUSING, {"front_door_user": getpass.getuser(), **variables})
    assert (done.returncode == 0) == (not why), done.stdout
    assert why in " ".join(done.stdout.split())
    assert "hush" not in done.stdout


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """What a run writes that says nothing but -i."""
    folder = tmp_path_factory.mktemp("units")
    return folder, *written(folder)


def test_the_worker_is_started_with_its_settings(plain):
    folder, told, _definitions, worker = plain
    module = "ansible_collections.kvmstack.launch.plugins.module_utils.worker.main"
    python = "/opt/kvmstack/front_door/bin/python"
    assert command(worker) == [python, "-m", module, "%s/etc/front_door.yml" % folder]
    assert (told.inventory, told.extra_vars, told.runs) == (("%s/hosts" % folder,), (), 2)
    assert (worker["Service"]["User"], worker["Service"]["Restart"]) == ("root", "always")
    # Its machine may be a compute host, too.
    assert not [name for name in worker["Service"] if name.startswith(("Protect", "Private", "NoNew", "RestrictN"))]
    assert worker["Install"] == {"WantedBy": "multi-user.target"}
    assert words(worker["Service"]["Environment"]) == [
        "PYTHONPATH=/srv/c",
        "ANSIBLE_COLLECTIONS_PATH=/srv/c:/x y",
        "KVMSTACK_DOOR=%s/etc/front_door.yml" % folder,
        "ANSIBLE_CONFIG=%s/own.cfg" % folder,
    ]


def test_the_services_open_the_vault_that_this_run_opens(tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("word")
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(tmp_path / "secret"))
    _told, definitions, worker = written(tmp_path)
    for unit in (definitions, worker):
        assert "ANSIBLE_VAULT_PASSWORD_FILE=%s/secret" % tmp_path in words(unit["Service"]["Environment"])


def test_the_api_listens_on_this_machine_with_the_same_settings(plain):
    folder, told, _definitions, worker = plain
    api = read(folder / API)
    assert command(api)[1:] == ["-m", "ansible_collections.kvmstack.launch.plugins.module_utils.api.main"]
    assert told.listen == "127.0.0.1:8774"
    assert api["Service"]["Environment"] == worker["Service"]["Environment"]
    assert (api["Unit"]["After"], api["Install"]) == (worker["Unit"]["After"], worker["Install"])


def test_what_a_launch_is_told_is_written_before(plain):
    folder, _told, definitions, worker = plain
    assert command(definitions)[1:] == [
        "-m", "ansible", "playbook", "--inventory=%s/hosts" % folder, "kvmstack.launch.definitions",
    ]  # fmt: skip
    assert definitions["Service"]["Type"] == "oneshot"
    assert "Install" not in definitions
    for word in ("Wants", "After"):
        assert worker["Unit"][word] == "network-online.target " + DEFINITIONS
        assert definitions["Unit"][word] == "network-online.target"


def test_a_transport_is_a_variable_away(tmp_path, plain):
    assert (plain[1].transport, plain[1].deadline) == (None, 3600)
    url = "rabbit://launch@192.0.2.10:5672/launch"
    told, *_units = written(
        tmp_path,
        launch_transport=url,
        front_door_transport_password_file="/etc/kvmstack/password",
        front_door_notification_format="both",
        front_door_deadline="600",
    )
    assert (told.transport, told.transport_password_file) == (url, "/etc/kvmstack/password")
    assert (told.notification_format, told.deadline) == ("both", 600)


def test_memcached_is_a_variable_away(tmp_path, plain):
    assert plain[1].memcached_servers == ()
    key = "/etc/kvmstack/memcache_secret_key"
    for servers in (["192.0.2.10:11211", "192.0.2.11:11211"], "192.0.2.10:11211,192.0.2.11:11211"):
        told, *_units = written(tmp_path, front_door_memcached_servers=servers, front_door_memcache_secret_key_file=key)
        assert told.memcached_servers == ("192.0.2.10:11211", "192.0.2.11:11211")
        assert (told.memcache_secret_key_file, told.memcache_security_strategy) == (key, "ENCRYPT")


def test_its_own_rabbitmq_is_named_by_itself(tmp_path):
    told, *_units = written(tmp_path, front_door_rabbitmq="true", front_door_rabbitmq_address="192.0.2.10")
    assert told.transport == "rabbit://launch@192.0.2.10:5672/launch"
    assert told.transport_password_file == "/etc/kvmstack/transport_password"


def test_lists_may_be_texts_as_e_gives_them(tmp_path):
    given = {"front_door_proxies": "192.0.2.7, 2001:db8::7", "front_door_packages": "psycopg[binary],PyMySQL"}
    installed = {"content": "{{ front_door_installed | to_json }}", "dest": str(tmp_path / "installed")}
    done, _settings = played(tmp_path, [*TASKS, {"name": "Installed", "ansible.builtin.copy": installed}], given)
    assert done.returncode == 0, done.stdout
    assert command(read(tmp_path / API))[-1] == "127.0.0.1,::1,192.0.2.7,2001:db8::7"
    assert json.loads((tmp_path / "installed").read_text())[-2:] == ["psycopg[binary]", "PyMySQL"]


def test_they_begin_anew_after_all_that_they_read_once(tmp_path):
    files = {"content": "{{ front_door_files | to_json }}", "dest": str(tmp_path / "files")}
    given = {"front_door_transport_password_file": "/srv/password", "front_door_memcache_secret_key_file": "/srv/key"}
    done, settings_path = played(tmp_path, [*TASKS, {"name": "Files", "ansible.builtin.copy": files}], given)
    assert done.returncode == 0, done.stdout
    read_once = {
        settings_path,
        "/srv/password",
        "/srv/key",
        "/opt/kvmstack/front_door/lib",
        *(str(tmp_path / unit) for unit in UNITS),
    }
    assert set(json.loads((tmp_path / "files").read_text())) == read_once


def test_what_is_given_is_what_they_get(tmp_path):
    told, definitions, worker = written(
        tmp_path,
        front_door_user="launcher",
        front_door_inventory=["/srv/two words", "/srv/100%$HOME"],
        front_door_extra_vars_file='/srv/a "site".yml',
        front_door_runs="4",
        front_door_virtualenv="",
        front_door_certificate="/srv/a cert.pem",
        front_door_certificate_key="/srv/key.pem",
        front_door_proxies=["192.0.2.7", "2001:db8::7"],
    )
    tls = ["--certfile", "/srv/a cert.pem", "--keyfile", "/srv/key.pem"]
    proxies = ["--forwarded-allow-ips", "127.0.0.1,::1,192.0.2.7,2001:db8::7"]
    assert command(read(tmp_path / API))[-6:] == tls + proxies
    assert (told.inventory, told.extra_vars) == (("/srv/two words", "/srv/100%$HOME"), ('/srv/a "site".yml',))
    assert told.runs == 4
    assert worker["Service"]["User"] == definitions["Service"]["User"] == "launcher"
    assert command(worker)[0] == sys.executable
    inventories = ["--inventory=/srv/two words", "--inventory=/srv/100%$HOME"]
    assert command(definitions)[4:] == [
        *inventories, '--extra-vars=@/srv/a "site".yml', "kvmstack.launch.definitions",
    ]  # fmt: skip


def test_another_release_of_the_collection_is_another_unit_which_restarts_them(tmp_path):
    role = tmp_path / "roles/front_door"
    role.mkdir(parents=True)
    units = []
    for name, text in (("galaxy.yml", "1"), ("galaxy.yml", "2"), ("MANIFEST.json", "3"), ("MANIFEST.json", "3")):
        (tmp_path / name).write_text(text)
        written(tmp_path, role_path=str(role))
        units.append((tmp_path / WORKER).read_text())
    assert (len(set(units)), units[2]) == (3, units[3])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed here")
def test_systemd_finds_nothing_wrong(tmp_path):
    written(tmp_path, front_door_virtualenv="", front_door_user=getpass.getuser())
    paths = [str(tmp_path / unit) for unit in UNITS]
    done = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "kvmstack-" in line]
    assert (done.returncode, ours) == (0, [])
