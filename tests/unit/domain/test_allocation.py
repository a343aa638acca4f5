# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the scheduler allocated, in the domain's XML, and that a second run keeps them."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.domain import allocation, xml
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.elements import text
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.model import plan
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.request import parse

ALLOCATION = {
    "numa": [
        {
            "cell": 1,
            "vcpus": [0, 1],
            "cpus": [6, 2],
            "dedicated": True,
            "blocked": [],
            "memory_mb": 256,
            "page_size": 2048,
        },
        {
            "cell": 0,
            "vcpus": [2, 3],
            "cpus": [0, 1],
            "dedicated": False,
            "blocked": [],
            "memory_mb": 256,
            "page_size": None,
        },
    ],
    "pci": ["0000:0a:1f.7"],
}
EXPECTED = """
<domain>
  <vcpu/>
  <cputune>
    <vcpupin vcpu="0" cpuset="6"/><vcpupin vcpu="1" cpuset="2"/>
    <vcpupin vcpu="2" cpuset="0,1"/><vcpupin vcpu="3" cpuset="0,1"/>
    <emulatorpin cpuset="0,1,2,6"/>
  </cputune>
  <numatune>
    <memory mode="strict" nodeset="0,1"/>
    <memnode cellid="0" mode="strict" nodeset="1"/><memnode cellid="1" mode="strict" nodeset="0"/>
  </numatune>
  <memoryBacking><hugepages><page size="2048" unit="KiB" nodeset="0"/></hugepages></memoryBacking>
  <cpu><numa>
    <cell id="0" cpus="0,1" memory="256" unit="MiB"/><cell id="1" cpus="2,3" memory="256" unit="MiB"/>
  </numa></cpu>
</domain>
"""


def canonical(text):
    return ElementTree.canonicalize(text, strip_text=True)


def test_what_is_allocated_is_written():
    root = ElementTree.fromstring("<domain><vcpu/></domain>")
    allocation.write(root, ALLOCATION)
    assert canonical(ElementTree.tostring(root, encoding="unicode")) == canonical(EXPECTED)


def test_without_an_allocation_nothing_is_written():
    root = ElementTree.fromstring("<domain><vcpu/></domain>")
    allocation.write(root, {})
    assert ElementTree.tostring(root) == b"<domain><vcpu /></domain>"


def test_shared_cpus_are_all_that_the_others_run_on():
    root = ElementTree.fromstring("<domain><vcpu/></domain>")
    allocation.write(root, {"shared_cpus": [0, 1, 4]})
    assert root.find("vcpu").get("cpuset") == "0,1,4"


def test_the_emulator_runs_where_it_is_allocated():
    root = ElementTree.fromstring("<domain><vcpu/></domain>")
    allocation.write(root, {**ALLOCATION, "emulator_cpus": [8, 9]})
    assert root.find("cputune/emulatorpin").get("cpuset") == "8,9"


def test_a_device():
    device = allocation.host_device("0000:0A:1f.7")
    assert (device.get("managed"), device.find("source/address").attrib) == (
        "yes", {"domain": "0x0000", "bus": "0x0a", "slot": "0x1f", "function": "0x7"},
    )  # fmt: skip
    with pytest.raises(InvalidRequest, match="an address such as"):
        allocation.host_device("0000:0a:1f.7'/>")


def test_the_documents_allocation_is_the_domains(ask):
    [wanted] = parse(ask(allocation=ALLOCATION))
    root = xml.definition(replace(wanted, virt_type="kvm", cpu_model="Nehalem"))
    assert len(root.findall("cpu")) == 1
    assert root.find("cpu/numa/cell") is not None
    assert root.find("devices/hostdev") is not None
    assert xml.parse(text(root), "ACTIVE").allocation == ALLOCATION


def test_a_second_run_keeps(ask):
    [wanted] = parse(ask(allocation=ALLOCATION))
    there = xml.parse(text(xml.definition(replace(wanted, virt_type="qemu"))), "ACTIVE")
    for again in (ask(allocation=ALLOCATION), ask(allocation=None), ask()):
        [change] = plan(parse(again), {wanted.uuid: there}, "present")
        assert change.action == "keep"
        assert change.after.allocation == ALLOCATION
