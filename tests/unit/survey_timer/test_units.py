# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The units of the role survey_timer, as Ansible writes them and systemd reads them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.kvmstack.launch.tests.unit.systemd import command, read, words

ROLE = Path(__file__).parents[3] / "roles/survey_timer"
UNITS = ("kvmstack-survey.service", "kvmstack-survey.timer")

PLAY = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROLE / "defaults/main.yml"), str(ROLE / "vars/main.yml")],
        "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
        "tasks": [
            {
                "ansible.builtin.template": {
                    "src": "%s/templates/{{ item }}" % ROLE,
                    "dest": "{{ folder }}/{{ item }}",
                },
                "loop": list(UNITS),
            }
        ],
    }
]


def written(folder, **variables):
    """The two units that Ansible writes there with these variables."""
    (folder / "play.yml").write_text(json.dumps(PLAY))
    (folder / "hosts").write_text("localhost\n")
    (folder / "own.cfg").write_text("[defaults]\n")
    settings = {"USER": "root", "ANSIBLE_CONFIG": "own.cfg", "ANSIBLE_COLLECTIONS_PATH": str(folder / "100% ours")}
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "hosts", "play.yml"]
        + ["--extra-vars", json.dumps({"folder": str(folder), **variables})],
        cwd=folder,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [read(folder / unit) for unit in UNITS]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The units of a run that says nothing but -i."""
    folder = tmp_path_factory.mktemp("units")
    return folder, *written(folder)


def test_the_survey_is_the_playbook_with_the_inventory_of_this_run(plain):
    folder, service, _timer = plain
    start = [sys.executable, "-m", "ansible", "playbook"]
    assert command(service) == [*start, "--inventory=%s/hosts" % folder, "kvmstack.launch.survey"]
    assert service["Service"]["User"] == "root"
    assert service["Service"]["Type"] == "oneshot"
    # A machine may be its own compute host.
    assert not [name for name in service["Service"] if name.startswith(("Protect", "Private", "NoNew", "Restrict"))]
    assert words(service["Service"]["Environment"]) == [
        "ANSIBLE_COLLECTIONS_PATH=%s/100%% ours" % folder,
        "ANSIBLE_CONFIG=%s/own.cfg" % folder,
    ]


def test_the_survey_opens_the_vault_that_this_run_opens(tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("word")
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(tmp_path / "secret"))
    service, _timer = written(tmp_path)
    assert "ANSIBLE_VAULT_PASSWORD_FILE=%s/secret" % tmp_path in words(service["Service"]["Environment"])


def test_the_timer_goes_off_every_quarter_of_an_hour(plain):
    _folder, _service, timer = plain
    assert timer["Timer"] == {"OnActiveSec": "1min", "OnUnitActiveSec": "15min", "RandomizedDelaySec": "1min"}
    assert timer["Install"] == {"WantedBy": "timers.target"}


def test_what_is_given_is_what_systemd_gets(tmp_path):
    service, timer = written(
        tmp_path,
        survey_timer_user="launcher",
        survey_timer_interval="1h 30min",
        survey_timer_inventory=["/srv/two words", "/srv/100%$HOME"],
        survey_timer_extra_vars_file='/srv/a "site".yml',
    )
    assert service["Service"]["User"] == "launcher"
    assert timer["Timer"]["OnUnitActiveSec"] == "1h 30min"
    inventories = ["--inventory=/srv/two words", "--inventory=/srv/100%$HOME"]
    assert command(service)[4:] == [*inventories, '--extra-vars=@/srv/a "site".yml', "kvmstack.launch.survey"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed here")
def test_systemd_finds_nothing_wrong(plain):
    folder, _service, _timer = plain
    paths = [str(folder / unit) for unit in UNITS]
    done = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "kvmstack-survey" in line]
    assert (done.returncode, ours) == (0, [])
