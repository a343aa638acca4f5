# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tests of rulebooks are given."""

from __future__ import annotations

from ansible_collections.kvmstack.launch.tests.unit.conftest import rabbitmq

__all__ = ["rabbitmq"]
