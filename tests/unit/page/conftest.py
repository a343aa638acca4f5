# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The API's doors are the pages' too."""

from __future__ import annotations

from ansible_collections.kvmstack.launch.tests.unit.api import conftest as api

doors, empty = api.doors, api.empty
