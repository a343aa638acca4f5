# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tests of this room share with another's."""

from __future__ import annotations

import tempfile

import pytest

from ansible_collections.kvmstack.launch.tests.unit.northbound import Server


@pytest.fixture
def northbound():
    """An empty northbound."""
    # Not tmp_path: a socket's path has room for about 100 characters.
    with tempfile.TemporaryDirectory(prefix="nb") as directory:
        server = Server(directory)
        yield server
        server.stop()
