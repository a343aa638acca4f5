# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Quotas as a user writes them; test_sql.py has what they do."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import quota


def test_only_limits_that_are_set_count():
    assert quota.limits({"cores": "20", "ram": -1, "instances": 0}) == {"cores": 20, "instances": 0}


@pytest.mark.parametrize(
    ("quotas", "reason"), [({"core": 1}, "unknown resource core"), ({"cores": "many"}, "whole number")]
)
def test_wrong_quotas(quotas, reason):
    with pytest.raises(InvalidRequest, match=reason):
        quota.limits(quotas)
