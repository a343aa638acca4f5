# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A northbound of its own for tests: a real ovsdb-server on a socket of its own, no root, nothing else of OVN."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time

SCHEMA = "/usr/share/ovn/ovn-nb.ovsschema"


class Server:
    """An ovsdb-server and the way to speak to it."""

    def __init__(self, directory):
        for tool in ("ovsdb-server", "ovsdb-tool", "ovn-nbctl"):
            assert shutil.which(tool), "%s is missing: install ovn-central and openvswitch-switch" % tool
        self.directory = str(directory)
        self.socket = os.path.join(self.directory, "nb.sock")
        self.endpoint = "unix:" + self.socket
        database = os.path.join(self.directory, "nb.db")
        subprocess.run(["ovsdb-tool", "create", database, SCHEMA], check=True, timeout=20)
        self.process = subprocess.Popen(
            ["ovsdb-server", database, "--remote=p" + self.endpoint, "--unixctl=%s/ctl" % self.directory, "--no-chdir"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while not self._listens():
            assert self.process.poll() is None, "ovsdb-server ended at once"
            assert time.monotonic() < deadline, "ovsdb-server does not listen"
            time.sleep(0.01)
        self.nbctl("init")

    def _listens(self):
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(self.socket) == 0

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

    def stop(self):
        """End the server; its socket goes with it."""
        self.process.kill()
        self.process.wait()
