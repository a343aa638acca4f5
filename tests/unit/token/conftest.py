# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cloud on this machine, as the tests of the room cloud have it."""

from __future__ import annotations

from ansible_collections.kvmstack.launch.tests.unit.cloud.conftest import cloud, params, pauses

__all__ = ["cloud", "params", "pauses"]
