# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What becomes of instances when the count of their entry becomes smaller: nothing, in words."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.instance.counts import beyond

TOLD = "beyond the count of %d there is %s, which stays: to destroy it, ask for it with state: absent"


@pytest.mark.parametrize(
    ("count", "living", "asked", "told"),
    [
        pytest.param(2, ["web-1", "web-2"], [], None, id="as many as there are"),
        pytest.param(3, ["web-1"], [], None, id="more"),
        pytest.param(1, ["web-1", "web-2"], [], "web-2", id="one less"),
        pytest.param(1, ["web-10", "web-9", "web-2"], [], "web-2, web-9, web-10", id="by number"),
        pytest.param(1, ["web-%d" % each for each in range(1, 10)], [], "web-2, web-3, web-4, web-5, web-6 and 3 more",
                     id="many"),
        pytest.param(1, ["web-2"], ["web-2"], None, id="asked for by another entry"),
        pytest.param(1, ["web", "web-x", "web-02", "web-2-3", "db-2", "aweb-2", "web-99999"], [], None,
                     id="what is called otherwise"),
    ],
)  # fmt: skip
def test_what_is_told(count, living, asked, told):
    assert beyond("web", count, living, asked) == ((TOLD % (count, told),) if told else ())


def test_a_count_that_becomes_smaller(run):
    run().ask({"count": 3})
    told = run().ask({"count": 2})
    assert (told["web-1"]["notes"], "notes" in told["web-2"]) == ([TOLD % (2, "web-3")], False)
    assert "notes" not in run().ask({"count": 2}, {"name": "web-3"})["web-1"]
    assert run().ask({"count": 1}, state="absent")["web-1"]["notes"] == [TOLD % (1, "web-2, web-3")]
    assert "notes" not in run(project_id="q").ask({"count": 1})["web-1"]
