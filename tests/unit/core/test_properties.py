# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table of extra specs and image properties: what it says is so, and its page says the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.core.properties import (
    EXTRA_SPEC,
    PROPERTY,
    faults,
    find,
    followed,
    renamed,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.core.property_table import (
    FOLLOWED,
    PASSED_OVER,
    REFUSED,
    RENAMED,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.domain import hardware
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.filters.capabilities import _capabilities
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.hardware import topology
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.model import IMAGE_REQUIREMENTS, Request
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.traits import requested_traits

PAGE = Path(__file__).parents[3] / "docs/properties.md"
SECTIONS = {"Followed": FOLLOWED, "Refused": REFUSED, "Passed over": PASSED_OVER}

# What goes for all instances, whether it is asked for or not.
ALWAYS = {"hw_disk_bus", "hw_vif_model", "hw_rng_model", "img_config_drive"}

# A value of each key that is not the default, and what it needs beside it: (value, extra specs, properties).
DEDICATED, PAGES = {"hw:cpu_policy": "dedicated"}, {"hw:mem_page_size": "large"}
CELLS = {"hw:numa_nodes": "2", "hw:numa_cpus.0": "0", "hw:numa_cpus.1": "1-3", "hw:numa_mem.0": "64",
         "hw:numa_mem.1": "448"}  # fmt: skip
AVERAGES = {"quota:vif_inbound_average": "10", "quota:vif_outbound_average": "10"}
SAMPLES = {
    "hw:cpu_policy": ("dedicated", {}, {}),
    "hw:cpu_thread_policy": ("isolate", DEDICATED, {}),
    "hw:emulator_threads_policy": ("share", DEDICATED, {}),
    "hw:locked_memory": ("true", PAGES, {}),
    "hw:mem_page_size": ("large", {}, {}),
    "hw_mem_page_size": ("2MB", PAGES, {}),
    "hw:numa_cpus.{N}": ("0-1", {**CELLS, "hw:numa_cpus.1": "2-3"}, {}),
    "hw_numa_cpus.{N}": ("0", {},
                         {"hw_numa_nodes": "2", "hw_numa_cpus.1": "1-3", "hw_numa_mem.0": "64",
                          "hw_numa_mem.1": "448"}),
    "hw:numa_mem.{N}": ("128", {**CELLS, "hw:numa_mem.1": "384"}, {}),
    "hw_numa_mem.{N}": ("64", {},
                        {"hw_numa_nodes": "2", "hw_numa_cpus.0": "0", "hw_numa_cpus.1": "1-3", "hw_numa_mem.1": "448"}),
    "hw:pci_numa_affinity_policy": ("required", {"pci_passthrough:alias": "gpu:1"}, {}),
    "pci_passthrough:alias": ("gpu:1", {}, {}),
    "hw:serial_port_count": ("2", {}, {}),
    "hw_video:ram_max_mb": ("64", {}, {"hw_video_model": "vga", "hw_video_ram": "32"}),
    "hw_video_ram": ("32", {"hw_video:ram_max_mb": "64"}, {"hw_video_model": "vga"}),
    "hw_rng:rate_bytes": ("9", {}, {}),
    "hw_rng:rate_period": ("9", {"hw_rng:rate_bytes": "9"}, {}),
    "hw_rng:allowed": ("false", {}, {}),
    "trait:{NAME}": ("required", {}, {}),
    "capabilities:{key}": (">= 2", {}, {}),
    "aggregate_instance_extra_specs:{key}": ("true", {}, {}),
    "hw_machine_type": ("q35", {}, {}),
    "hw_firmware_type": ("uefi", {}, {}),
    "os_type": ("windows", {}, {}),
    "quota:cpu_quota": ("5000", {}, {}),
    **{"quota:vif_%s_%s" % (way, rate): ("20", AVERAGES, {}) for way in ("inbound", "outbound")
       for rate in ("average", "peak", "burst")},
    **{"quota:disk_%s_%s_sec" % (way, of): ("500", {}, {}) for way in ("read", "write", "total")
       for of in ("bytes", "iops")},
}  # fmt: skip


def keys(rows):
    """Each key of the rows, as (noun, key, row)."""
    pairs = [((EXTRA_SPEC, row.extra_spec, row), (PROPERTY, row.image_property, row)) for row in rows]
    return [each for pair in pairs for each in pair if each[1]]


def concrete(name):
    """A key that a name stands for."""
    places = {"{N}": "0", "{NAME}": "CUSTOM_GOLD", "{key}": "vcpus", "{group}": "1", "{what}": "disk_io"}
    for place, word in places.items():
        name = name.replace(place, word)
    return name


def sample(name, row):
    """A value of the key."""
    spec = row.extra_spec if name not in SAMPLES else name
    if spec in SAMPLES:
        return SAMPLES[spec]
    return ((row.kind.words or "x").partition(",")[0].split()[0], {}, {})


def asked(extra_specs, properties):
    """All that the stages make of a flavor and an image, or why they cannot."""
    request = Request(None, 4, 512, 1, extra_specs=extra_specs, image_properties=properties)
    judges = (
        lambda: hardware.resolve(4, extra_specs, properties),
        lambda: topology.parse_topology(4, 512, extra_specs, properties),
        lambda: topology.parse_pci_requests(extra_specs, properties, {"gpu": {"vendor_id": "10de"}}),
        lambda: requested_traits(extra_specs, properties),
        lambda: _capabilities(request),
        lambda: {key: value for key, value in extra_specs.items() if key.startswith("aggregate_instance_extra_specs:")},
        lambda: {key: properties.get(key) for key in IMAGE_REQUIREMENTS},
    )
    return [outcome(judge) for judge in judges]


def outcome(judge):
    try:
        return judge()
    except InvalidRequest as error:
        return str(error)


@pytest.mark.parametrize(("noun", "name", "row"), keys(FOLLOWED), ids=lambda value: str(value)[:40])
def test_what_is_said_to_be_followed_is(noun, name, row):
    value, extra_specs, properties = sample(name, row)
    key = concrete(name)
    sides = {EXTRA_SPEC: dict(extra_specs), PROPERTY: dict(properties)}
    sides[noun].pop(key, None)
    before = asked(*sides.values())
    sides[noun][key] = value
    after = asked(*sides.values())
    assert faults(noun, {key: value}) == []
    assert not any(isinstance(each, str) for each in after)
    assert (after != before) == (name not in ALWAYS)


@pytest.mark.parametrize(("noun", "name", "row"), keys(REFUSED), ids=lambda value: str(value)[:40])
def test_what_is_refused_says_why(noun, name, row):
    key = concrete(name)
    assert faults(noun, {key: "required"}) == ["%s %s required: %s" % (noun, key, row.words)]
    if row.kind is not None:
        assert faults(noun, {key: row.kind.words.partition(",")[0]}) == []


@pytest.mark.parametrize(("noun", "name", "row"), keys(PASSED_OVER), ids=lambda value: str(value)[:40])
def test_what_is_passed_over_asks_for_nothing(noun, name, row):
    assert faults(noun, {name: "anything"}) == []


@pytest.mark.parametrize(
    ("noun", "key", "value", "told"),
    [
        (EXTRA_SPEC, "hw:cpu_polcy", "dedicated", "extra spec hw:cpu_polcy is unknown: correct it"),
        (EXTRA_SPEC, "trait:hw_cpu_x86_avx2", "required", "is unknown"),
        (EXTRA_SPEC, "hw:cpu_policy", "mixed", "hw:cpu_policy: 'mixed' is none of shared, dedicated"),
        (EXTRA_SPEC, "hw:cpu_sockets", "many", "hw:cpu_sockets: 'many' is not a whole number"),
        (EXTRA_SPEC, "hw:numa_nodes", "3000000", "is more than 128"),
        (EXTRA_SPEC, "quota:cpu_period", "5", "is less than 1000"),
        (EXTRA_SPEC, "quota:cpu_period", "0", None),
        (EXTRA_SPEC, "trait:CUSTOM_GOLD", "preferred", "is none of required, forbidden"),
        (EXTRA_SPEC, "ssd", "true", None),
        (EXTRA_SPEC, "acme:rack", "7", None),
        (PROPERTY, "hw_qemu_guestagent", "yes", "property hw_qemu_guestagent is unknown"),
        (PROPERTY, "img_confg_drive", "mandatory", "is unknown"),
        (PROPERTY, "os_secure_boot", "required", "secure boot is not offered"),
        (PROPERTY, "os_type", "Windows", None),
        (PROPERTY, "kernel_id", "", None),
        (PROPERTY, "my_note", "anything", None),
    ],
)
def test_a_fault_names_the_key_the_value_and_what_to_do(noun, key, value, told):
    found = faults(noun, {key: value})
    assert len(found) == bool(told)
    assert (told or "") in "".join(found)


def test_values_become_what_they_stand_for():
    asked = {"hw:pmu": "yes", "hw:cpu_sockets": " 2 ", "quota:cpu_quota": -1, "ssd": "true"}
    assert followed(EXTRA_SPEC, asked) == {"hw:pmu": True, "hw:cpu_sockets": 2, "quota:cpu_quota": -1}
    with pytest.raises(InvalidRequest):
        followed(EXTRA_SPEC, {"hw:pmu": "perhaps"})


def test_an_old_name_stands_for_the_present_one_which_counts_before_it():
    assert renamed({"architecture": "x86_64", "vm_mode": "hvm"}) == {"hw_architecture": "x86_64", "hw_vm_mode": "hvm"}
    assert renamed({"architecture": "arm", "hw_architecture": "x86_64"}) == {"hw_architecture": "x86_64"}
    assert all(find(PROPERTY, name) for name in RENAMED.values())


def test_every_key_has_one_row():
    names = [(noun, name) for noun, name, _row in keys((*FOLLOWED, *REFUSED, *PASSED_OVER))]
    assert len(names) == len(set(names)) > 150


def test_the_scheduler_takes_the_words_that_the_table_takes():
    for key, choices in topology.CHOICES.items():
        assert find(EXTRA_SPEC, key).kind.words.split(", ") == sorted(
            choices, key=find(EXTRA_SPEC, key).kind.words.index
        )


def page(section):
    """The rows of a section, as the page has them."""
    return [
        "| %s |"
        % " | ".join(
            (
                *("`%s`" % name if name else "" for name in (row.extra_spec, row.image_property)),
                row.kind.words if row.kind else "",
                row.words,
            )
        )
        for row in SECTIONS[section]
    ]


@pytest.mark.parametrize("section", SECTIONS)
def test_the_page_has_the_rows_of_the_table(section):
    text = PAGE.read_text().partition("\n## %s\n" % section)[2].partition("\n## ")[0]
    assert [line for line in text.splitlines() if line.startswith("| `") or line.startswith("|  |")] == page(section)


def test_the_page_has_the_old_names():
    text = PAGE.read_text().partition("\n## Old names\n")[2]
    assert [line for line in text.splitlines() if line.startswith("| `")] == [
        "| `%s` | `%s` |" % pair for pair in RENAMED.items()
    ]
