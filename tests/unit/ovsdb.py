# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A database of OVSDB's for tests: a real ovsdb-server on a socket of its own, no root, nothing else of OVN or OVS."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time


class Server:
    """An ovsdb-server with an empty database of a schema. tools are those that speak to it."""

    def __init__(self, directory, schema, *tools):
        for tool in ("ovsdb-server", "ovsdb-tool", *tools):
            assert shutil.which(tool), "%s is missing: install ovn-central and openvswitch-switch" % tool
        self.directory = str(directory)
        self.socket = os.path.join(self.directory, "db.sock")
        self.endpoint = "unix:" + self.socket
        self.database = os.path.join(self.directory, "db")
        subprocess.run(["ovsdb-tool", "create", self.database, schema], check=True, timeout=20)
        self.process = subprocess.Popen(
            ["ovsdb-server", self.database, "--remote=p" + self.endpoint]
            + ["--unixctl=%s/ctl" % self.directory, "--no-chdir"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.wait_for(socket.AF_UNIX, self.socket)

    def wait_for(self, family, address):
        """Until it listens there."""
        deadline = time.monotonic() + 10
        while not self._listens(family, address):
            assert self.process.poll() is None, "ovsdb-server has ended"
            assert time.monotonic() < deadline, "ovsdb-server does not listen"
            time.sleep(0.01)

    @staticmethod
    def _listens(family, address):
        with socket.socket(family) as client:
            return client.connect_ex(address) == 0

    def stop(self):
        """End the server; its socket goes with it."""
        self.process.kill()
        self.process.wait()
