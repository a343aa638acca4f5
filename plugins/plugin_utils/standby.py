# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run that stands by: a process with all imports of a run, a third of a launch, that waits to be told which it is.

It reads one line from its input, JSON: `arguments` of ansible-playbook, and `output`, the file for what it says. Then
it is that run, by Ansible's own command line. Where nobody tells it anything, it ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

STAGES = "ansible_collections.kvmstack.launch.plugins.action.control"


def make_ready() -> None:
    """Import what every run imports: Ansible, the libraries of the stages, and these as Ansible loads them."""
    import sqlite3  # noqa: F401  pylint: disable=unused-import

    from ansible.cli import playbook  # noqa: F401  pylint: disable=unused-import
    from ansible.executor import playbook_executor  # noqa: F401  pylint: disable=unused-import
    from ansible.plugins import loader

    # Ansible loads collections itself, and not those that are there by another way.
    for name in [name for name in sys.modules if name.partition(".")[0] == "ansible_collections"]:
        del sys.modules[name]
    loader.init_plugin_loader()
    # What the run itself says when it comes to the same.
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")
    for name in (STAGES, "ansible.plugins.connection.local", "ansible.plugins.connection.ssh"):
        import_module(name)
    for name in ("ansible.builtin.default", "kvmstack.launch.table", "kvmstack.launch.wait_hosts"):
        loader.filter_loader.get(name)


def become(arguments: list[str]) -> NoReturn:
    """Be ansible-playbook."""
    from ansible.cli.playbook import main

    sys.argv = ["ansible-playbook", *arguments]
    main(sys.argv)
    raise SystemExit


class Ended(BaseException):
    """It is to end before it has been told anything, and to remove what Ansible has made for its files."""


def _end(*_signal: Any) -> NoReturn:
    raise Ended


def main() -> None:
    """Stand by, and be the run that is told."""
    signal.signal(signal.SIGTERM, _end)
    try:
        # Ansible makes a folder, and then sees to it that it goes: nobody is to end us between the two.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        # A run that cannot have them says so itself.
        with suppress(Exception, SystemExit):
            make_ready()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        line = sys.stdin.readline()
    except Ended:
        return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if not line:
        return
    told = json.loads(line)
    with open(os.devnull, "rb") as nothing, open(told["output"], "ab") as output:
        os.dup2(nothing.fileno(), 0)
        for number in (1, 2):
            os.dup2(output.fileno(), number)
    become(told["arguments"])


if __name__ == "__main__":
    main()
