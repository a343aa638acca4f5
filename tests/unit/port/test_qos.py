# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be said of a port's limits, as tables."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.port.qos import Limit, limits


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        pytest.param({}, [], id="none"),
        pytest.param([], [], id="a list of none"),
        pytest.param({"max_kbps": 10000}, [Limit("egress", 10000, 8000)], id="neutron's direction and burst"),
        pytest.param({"max_kbps": "10000", "max_burst_kbps": "16"}, [Limit("egress", 10000, 16)], id="texts"),
        pytest.param({"max_kbps": 1, "max_burst_kbps": 0}, [Limit("egress", 1, 1)], id="a burst of 0 is not said"),
        pytest.param({"max_kbps": 9, "max_burst_kbps": None, "direction": None}, [Limit("egress", 9, 7)], id="nulls"),
        pytest.param({"max_kbps": 9, "direction": "ingress"}, [Limit("ingress", 9, 7)], id="to the instance"),
        pytest.param(
            [{"max_kbps": 9, "direction": "ingress"}, {"max_kbps": 8}],
            [Limit("egress", 8, 6), Limit("ingress", 9, 7)],
            id="both directions",
        ),
        pytest.param([Limit("egress", 10, 9)._asdict()], [Limit("egress", 10, 9)], id="as results have it"),
    ],
)
def test_what_is_meant(said, meant):
    assert limits(said, "qos") == tuple(meant)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("fast", "qos: 'fast' is not a mapping of keys to values"),
        (None, "qos: None is not a mapping"),
        ([None], "qos[0]: None is not a mapping"),
        ({"max_kbps": None}, "qos: max_kbps: None is not a whole number"),
        ({"max_kbps": 2**31}, "qos: max_kbps: 2147483648 is more than 2147483647"),
        ({"max_kbps": 1.5}, "qos: max_kbps: 1.5 is not a whole number"),
        ({"direction": "egress"}, "qos: max_kbps: None is not a whole number"),
        ({"max_kbps": 1, "max_burst_kbps": -1}, "qos: max_burst_kbps: -1 is less than 0"),
        ({"max_kbps": 1, "direction": "up"}, "qos: direction: 'up' is none of egress, ingress"),
        ({"max_kbps": 1, "rate": 2}, "qos: unknown key rate"),
        ([{"max_kbps": 1}, {"max_kbps": 2}], "qos: there can be one limit for each direction"),
        ([{"max_kbps": 1}, {}], "qos[1]: max_kbps: None is not a whole number"),
    ],
)
def test_what_makes_no_sense(said, words):
    with pytest.raises(InvalidRequest) as refused:
        limits(said, "qos")
    assert words in str(refused.value)
