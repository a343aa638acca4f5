# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role's own tasks, played on hosts that are none: of each that it has failed or not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys


def failed(folder, inventory, play):
    """Whether each host of a play has failed, by its name; and what the play said."""
    (folder / "hosts.yml").write_text(json.dumps(inventory))
    (folder / "own.cfg").write_text("[defaults]\n")
    (folder / "play.yml").write_text(json.dumps([{"gather_facts": False, **play}]))
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.yml", "play.yml"],
        cwd=folder,
        env={**os.environ, "ANSIBLE_CONFIG": "own.cfg", "ANSIBLE_NOCOLOR": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    counts = dict(re.findall(r"^(\S+) +: .* failed=(\d)", done.stdout, re.MULTILINE))
    return {host: count != "0" for host, count in counts.items()}, done.stdout
