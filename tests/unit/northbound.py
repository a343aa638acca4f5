# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A northbound of its own for tests."""

from __future__ import annotations

import subprocess

from . import ovsdb

SCHEMA = "/usr/share/ovn/ovn-nb.ovsschema"


class Server(ovsdb.Server):
    """An OVN northbound and the ways to look at it."""

    def __init__(self, directory):
        super().__init__(directory, SCHEMA, "ovn-nbctl")
        self.nbctl("init")

    def nbctl(self, *arguments):
        """What ovn-nbctl prints."""
        command = ["ovn-nbctl", "--timeout=10", "--db=" + self.endpoint, "--no-leader-only", *arguments]
        done = subprocess.run(command, check=False, timeout=20, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def dump(self):
        """Everything in the database, in the order of ovsdb-client."""
        command = ["ovsdb-client", "--timeout=10", "dump", self.endpoint, "OVN_Northbound"]
        return subprocess.run(command, check=True, timeout=20, capture_output=True, text=True).stdout
