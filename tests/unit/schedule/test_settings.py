# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an operator may set of filters and weighers, and which PCI devices an alias speaks of."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.hardware.fit import fit, free_devices
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.hardware.topology import PCIRequest, match_of
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.settings import (
    CONVERTERS,
    Settings,
    parse_settings,
)
from ansible_collections.kvmstack.launch.tests.unit.schedule.samples import GPU, ask, host


@pytest.mark.parametrize(
    ("values", "setting", "value"),
    [
        ({}, "max_io_ops_per_host", 8),
        ({"max_io_ops_per_host": None}, "max_io_ops_per_host", 8),
        ({"max_io_ops_per_host": "3"}, "max_io_ops_per_host", 3),
        ({"metrics_required": "no"}, "metrics_required", False),
        ({"metrics_weight_setting": {"load": "-2"}}, "metrics_weight_setting", {"load": -2.0}),
        ({"isolated_hosts": ["c1"]}, "isolated_hosts", ["c1"]),
        ({"pci_aliases": {"gpu": GPU}}, "pci_aliases", {"gpu": GPU}),
        ({"extra": {"racks": [1]}}, "extra", {"racks": [1]}),
    ],
)
def test_settings(values, setting, value):
    assert getattr(parse_settings(values), setting) == value


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "scheduler settings: .* is not a mapping"),
        ({"nonsense": 1}, "scheduler settings: unknown key nonsense"),
        ({"max_io_ops_per_host": "many"}, "scheduler setting max_io_ops_per_host: 'many' is not a whole number"),
        ({"max_instances_per_host": True}, "True is not a whole number"),
        ({"max_instances_per_host": -1}, "-1 is less than 0"),
        ({"metrics_required": "perhaps"}, "is not true or false"),
        ({"metrics_weight_of_unavailable": "nan"}, "is not a number"),
        ({"metrics_weight_setting": {"load": {}}}, "metrics_weight_setting: load: {} is not a number"),
        ({"isolated_hosts": "c1"}, "is not a list"),
        ({"isolated_images": [7]}, "put it in quotes"),
        ({"pci_aliases": [GPU]}, "is not a mapping"),
    ],
)
def test_wrong_settings_are_told(values, words):
    with pytest.raises(InvalidRequest, match=words):
        parse_settings(values)


def test_every_setting_is_converted():
    assert list(CONVERTERS) == list(Settings.__dataclass_fields__)


# nova's option [pci] alias: vendor and product, four hexadecimal digits each, device_type and numa_policy.
@pytest.mark.parametrize(
    ("alias", "words"),
    [
        ({}, "say vendor_id and product_id"),
        ({"vendor_id": "8086"}, "say vendor_id and product_id"),
        ({"product_id": "154d"}, "say vendor_id and product_id"),
        ({"numa_policy": "required"}, "say vendor_id and product_id"),
        ({**GPU, "speed": "1"}, "unknown key speed"),
        ({**GPU, "vendor_id": 8086}, "gpu: vendor_id: 8086 is not a text: put it in quotes"),
        ({**GPU, "product_id": "0x154d"}, "product_id is '0x154d', it must be four hexadecimal digits"),
        ({**GPU, "device_type": "type-X"}, "device_type is 'type-X', it must be one of type-PCI, type-PF, type-VF"),
        ({**GPU, "numa_policy": "bogus"}, "numa_policy is 'bogus', it must be one of required, socket, legacy, pref"),
        ({"address": "02:00.0"}, "address such as 0000:01:00.0 is needed"),
        (None, "is not a mapping"),
    ],
)
def test_wrong_aliases_are_told(alias, words):
    with pytest.raises(InvalidRequest, match=words):
        parse_settings({"pci_aliases": {"gpu": alias}})


@pytest.mark.parametrize(
    "alias",
    [
        GPU,
        {**GPU, "vendor_id": "10DE"},
        {**GPU, "device_type": "type-VF", "numa_policy": "socket"},
        {"address": "0000:02:00.0"},
    ],
)
def test_right_aliases(alias):
    assert parse_settings({"pci_aliases": {"gpu": alias}}).pci_aliases == {"gpu": alias}


CARD = {"vendor_id": "8086", "product_id": "154d"}
FUNCTION = {"vendor_id": "8086", "product_id": "10ed"}
DEVICES = [
    {"address": "0000:01:00.0", "device_type": "type-PF", **CARD},
    {"address": "0000:01:10.0", "device_type": "type-VF", "parent": "0000:01:00.0", **FUNCTION},
    {"address": "0000:01:10.1", "device_type": "type-VF", "parent": "0000:01:00.0", **FUNCTION},
    {"address": "0000:02:00.0", "device_type": "type-PCI", **CARD},
    {"address": "0000:03:00.0", **CARD},  # a host that was asked before it told types
]


# nova's admin/pci-passthrough: a device with SR-IOV is passed through only where type-PF is said.
@pytest.mark.parametrize(
    ("alias", "slots"),
    [
        (CARD, ["02:00.0", "03:00.0"]),
        ({**CARD, "device_type": "type-PCI"}, ["02:00.0", "03:00.0"]),
        ({**CARD, "device_type": "type-PF"}, ["01:00.0"]),
        ({"address": "0000:01:00.0"}, ["01:00.0"]),
        ({**FUNCTION, "device_type": "type-VF"}, ["01:10.0", "01:10.1"]),
        ({**FUNCTION, "device_type": "type-PF"}, []),
        ({**CARD, "vendor_id": "8087"}, []),
    ],
)
def test_devices_of_an_alias(alias, slots):
    request = PCIRequest("nic", 1, match_of(alias))
    assert [each["address"] for each in free_devices(host(facts={"pci_devices": DEVICES}), request)] == [
        "0000:" + slot for slot in slots
    ]


@pytest.mark.parametrize(
    ("taken", "aliases", "fits"),
    [
        pytest.param([], "card:1", True, id="the card"),
        pytest.param([], "function:2", True, id="two of its functions"),
        pytest.param(["0000:01:10.0"], "card:1", False, id="no card of which a function is taken"),
        pytest.param(["0000:01:10.0"], "function:1", True, id="another function"),
        pytest.param(["0000:01:00.0"], "function:1", False, id="no function of a card that is taken"),
        pytest.param([], "card:1,function:1", False, id="nor both at once"),
    ],
)
def test_a_card_is_as_one_with_its_functions(taken, aliases, fits):
    settings = {"pci_aliases": {"card": {**CARD, "device_type": "type-PF"}, "function": FUNCTION}}
    compute = host(facts={"pci_devices": DEVICES}, allocations=[{"pci": taken}])
    request = ask(extra_specs={"pci_passthrough:alias": aliases}, settings=settings)
    assert (fit(compute, request).allocation is not None) is fits
