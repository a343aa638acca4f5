# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Before and after, and what follows from the two."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.change import Change, over, plan
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict


@dataclass(frozen=True)
class Thing:
    name: str
    size: int | None = None

    @property
    def key(self):
        return self.name

    def over(self, before):
        if before and self.size is not None and self.size < before.size:
            raise Conflict("cannot shrink")
        return over(self, before)


BIG, SMALL, SILENT = Thing("a", 2), Thing("a", 1), Thing("a")
FOREIGN = Conflict("not ours")


@pytest.mark.parametrize(
    ("wanted", "existing", "state", "action"),
    [
        pytest.param(BIG, None, "present", "create", id="a missing thing is created"),
        pytest.param(BIG, BIG, "present", "keep", id="an equal thing is kept"),
        pytest.param(SILENT, BIG, "present", "keep", id="a field left out is kept"),
        pytest.param(BIG, SMALL, "present", "update", id="a different thing is updated"),
        pytest.param(SILENT, BIG, "absent", "delete", id="an unwanted thing is deleted"),
        pytest.param(SILENT, None, "absent", "keep", id="a missing unwanted thing is left missing"),
    ],
)
def test_plan(wanted, existing, state, action):
    [change] = plan([wanted], {"a": existing} if existing else {}, state)
    assert change.action == action
    assert change.pending == (action != "keep")


@pytest.mark.parametrize(
    ("wanted", "existing", "reason"),
    [
        pytest.param(SMALL, BIG, "cannot shrink", id="a change that the thing cannot make"),
        pytest.param(BIG, FOREIGN, "not ours", id="a thing that is not ours"),
    ],
)
def test_an_error_is_its_own_items_alone(wanted, existing, reason):
    refused, created = plan([wanted, Thing("b", 1)], {"a": existing}, "present")
    assert str(refused.error) == reason
    assert not refused.pending
    assert created == Change(Thing("b", 1), None, Thing("b", 1))
