# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who launches when nobody vouches for it."""

from __future__ import annotations

import getpass

from ansible_collections.kvmstack.launch.plugins.module_utils.token.model import embedded


def test_without_an_identity_service_the_account_launches():
    identity = embedded({"project_id": "p", "user_id": None}).to_result()
    assert identity == {"identity": "none", "project_id": "p", "user_id": getpass.getuser(), "roles": ("admin",)}


def test_a_user_can_be_named():
    assert embedded({"project_id": "p", "user_id": "ada"}).user_id == "ada"
