# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tests of this scenario, Tempest's and the dashboard's are given."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.molecule.openstack.tests.cloud import Cloud


@pytest.fixture(scope="session")
def site() -> Cloud:
    """The test hosts and the services, with the record in the file that converge uses."""
    return Cloud()
