# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Quotas as a user writes them; test_sql.py has what they do."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import quota


def test_only_limits_that_are_set_count():
    assert quota.limits({"cores": "20", "ram": -1, "instances": 0, "volumes": None}) == {"cores": 20, "instances": 0}


@pytest.mark.parametrize(
    ("quotas", "reason"),
    [
        ({"core": 1}, "quotas: unknown key core .known: instances, "),
        ({"cores": "many"}, "quotas: cores .* 'many' is not a whole number"),
        ({"ram": 1.5}, "quotas: ram .* 1.5 is not a whole number"),
        ({"ram": -2}, "quotas: ram .* -2 is less than -1"),
        ({1: 2, "x": 3}, "quotas: the key: 1 is not a text"),
    ],
)
def test_wrong_quotas(quotas, reason):
    with pytest.raises(InvalidRequest, match=reason):
        quota.limits(quotas)
