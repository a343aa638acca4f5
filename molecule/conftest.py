# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tests of all scenarios are given."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.molecule.shared.launching import Site
from ansible_collections.kvmstack.launch.tests.unit.conftest import postgresql

__all__ = ["postgresql", "site"]


@pytest.fixture(scope="session")
def site() -> Site:
    """The test hosts, with the record in the file that converge uses."""
    return Site()
