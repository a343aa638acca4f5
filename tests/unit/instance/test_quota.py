# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Quotas as a user writes them; test_sql.py has what they do."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import quota


def test_only_limits_that_are_set_count():
    said = {"cores": "20", "ram": -1, "instances": 0, "volumes": None}
    assert quota.limits({"quotas": said}) == {"cores": 20, "instances": 0}


@pytest.mark.parametrize(
    ("project", "expected"),
    [
        pytest.param("p", {"cores": 9, "volumes": 3}, id="its own, and as all have it"),
        pytest.param("q", {"cores": 20, "instances": 2}, id="nothing is said of it"),
        pytest.param("r", {"cores": 20, "instances": 2}, id="null"),
        pytest.param(None, {"cores": 20, "instances": 2}, id="of no project"),
    ],
)
def test_a_project_may_have_limits_of_its_own(project, expected):
    own = {"p": {"cores": "9", "instances": -1, "volumes": 3, "ram": None}, "r": None}
    assert quota.limits({"quotas": {"cores": 20, "instances": 2}, "project_quotas": own}, project) == expected


def test_what_is_wrong_of_a_project_is_told_with_it():
    with pytest.raises(InvalidRequest, match="project_quotas: p: cores .* 'many' is not a whole number"):
        quota.limits({"project_quotas": {"p": {"cores": "many"}}}, "q")
    with pytest.raises(InvalidRequest, match="project_quotas"):
        quota.limits({"project_quotas": 5}, "p")


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
        quota.limits({"quotas": quotas})
