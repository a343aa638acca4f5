# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service runs as it is described, also after a run that was killed between what it wrote and its restart.

The roles' own tasks are played with a systemctl that notes down what it is told, and real files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).parents[2] / "roles"
# What systemd tells, from files in $UNITS; it says when a unit has begun to the microsecond.
SYSTEMCTL = (
    """#!%s
import os, sys, time
from datetime import datetime, timezone

folder, words = os.environ["UNITS"], [word for word in sys.argv[1:] if not word.startswith("-")]
verb, unit = words[0], words[-1]
began, enabled, changed = (os.path.join(folder, unit + end) for end in (".began", ".enabled", ".changed"))
if verb == "show":
    known = {"LoadState": "loaded", "ActiveState": "active" if os.path.exists(began) else "inactive"}
    known["NeedDaemonReload"] = "yes" if os.path.exists(changed) else "no"
    if os.path.exists(began):
        moment = datetime.fromtimestamp(os.stat(began).st_mtime, timezone.utc)
        known["InactiveExitTimestamp"] = moment.strftime("%%a %%Y-%%m-%%d %%H:%%M:%%S.%%f UTC")
    [asked] = [word.partition("=")[2] for word in sys.argv if word.startswith("--property=")] or [""]
    wanted = {key: value for key, value in known.items() if asked in ("", key)}
    bare = "--value" in sys.argv
    print("\\n".join(value if bare else "%%s=%%s" %% (key, value) for key, value in wanted.items()))
elif verb in ("is-active", "is-enabled"):
    sys.exit(not os.path.exists(began if verb == "is-active" else enabled))
else:
    with open(os.path.join(folder, "log"), "a") as log:
        print(verb, *([] if verb == "daemon-reload" else [unit]), file=log)
    if verb == "daemon-reload":
        for name in os.listdir(folder):
            if name.endswith(".changed"):
                os.unlink(os.path.join(folder, name))
    else:
        with open(enabled if verb == "enable" else began, "w"):
            pass
"""
    % sys.executable
)


def pairs():
    """By role and file of tasks: one that asks which units are outdated, and the next one, which restarts them."""
    for path in sorted(ROLES.glob("*/tasks/*.yml")):
        tasks = yaml.safe_load(path.read_text())
        for task, following in zip(tasks, tasks[1:]):
            if "_outdated }}" in str(task.get("ansible.builtin.command")):
                yield path.parents[1].name, path.stem, task, following


PAIRS = list(pairs())
paired = pytest.mark.parametrize(
    ("role", "asking", "restarting"),
    [each[:1] + each[2:] for each in PAIRS],
    ids=["-".join(each[:2]) for each in PAIRS],
)


def played(folder, role, *tasks):
    """What systemd was told, with what else the tasks themselves have written there."""
    (folder / "systemctl").write_text(SYSTEMCTL)
    (folder / "systemctl").chmod(0o755)
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROLES / role / "vars/main.yml")],
        "vars": {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            **{"front_door_" + name: {"changed": False} for name in ("ansible", "required", "written", "described")},
        },
        "tasks": tasks,
    }
    (folder / "play.yml").write_text(json.dumps([play]))
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "play.yml"]
        + ["--extra-vars", json.dumps({"files": [str(folder / "rules"), str(folder / "lib"), "/none"]})],
        cwd=folder,
        env={
            **os.environ,
            "PATH": "%s:%s" % (folder, os.environ["PATH"]),
            "UNITS": str(folder),
            "ANSIBLE_PIPELINING": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return (folder / "log").read_text().splitlines()


def note(what, script):
    """A task that does something by itself, and has the log say so."""
    return {"name": what, "ansible.builtin.shell": "%s; echo -- %s >> log" % (script, what)}


def test_every_role_that_describes_services_asks():
    assert [each[:2] for each in PAIRS] == [
        ("compute_host", "gateways"),
        ("compute_host", "tunnel_bridge"),
        ("front_door", "present"),
        ("front_door", "rabbitmq"),
        ("survey_timer", "present"),
    ]


def test_they_ask_in_the_same_words():
    words = {
        yaml.safe_load((ROLES / role / "vars/main.yml").read_text())[role + "_outdated"]
        for role in {each[0] for each in PAIRS}
    }
    assert len(words) == 1


# What happens between two runs, and whether the second one restarts the services.
HAPPENS = {
    "nothing": ("true", False),
    "written": ("touch rules", True),
    "installed": ("mkdir lib/python3.11/site-packages/new", True),
    "compiled": ("mkdir lib/python3.11/site-packages/old/__pycache__", False),
    "undescribed": ("for unit in *.began; do touch ${unit%.began}.changed; done", True),
    "stopped": ("rm *.began", True),
    "disabled": ("rm *.enabled", True),
    "again": ("true", False),
}


@paired
def test_what_was_written_after_a_service_began_restarts_it(tmp_path, role, asking, restarting):
    (tmp_path / "lib/python3.11/site-packages/old").mkdir(parents=True)
    (tmp_path / "rules").touch()
    happens = HAPPENS if (role, asking["register"]) == ("front_door", "front_door_run") else list(HAPPENS)[:2]
    between = [task for what in happens for task in (note(what, HAPPENS[what][0]), asking, restarting)]
    first, *others = "\n".join(played(tmp_path, role, asking, restarting, *between)).split("-- ")
    assert "daemon-reload\nenable" in first
    heard = {part.split()[0]: part.split()[1:] for part in others}
    assert {what: bool(told) for what, told in heard.items()} == {what: HAPPENS[what][1] for what in happens}
    assert [told[0] for told in heard.values() if told] == ["daemon-reload"] * sum(HAPPENS[what][1] for what in happens)
    assert heard["written"][1] == "restart"
