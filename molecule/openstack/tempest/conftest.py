# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The test hosts with OpenStack's services, for Tempest."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.molecule.openstack.tests.cloud import Cloud


@pytest.fixture(scope="session")
def site() -> Cloud:
    """The test hosts and the services."""
    return Cloud()
