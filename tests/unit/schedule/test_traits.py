# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host's traits: nova's names of what libvirt tells."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.traits import host_traits

# What nova's libvirt driver makes of libvirt's names of features (as in its cpu_map), with the names of os-traits.
SAME = [
    "abm", "avx", "avx2", "avx512bw", "avx512cd", "avx512dq", "avx512er", "avx512f", "avx512pf", "avx512vl",
    "avx512vnni", "avx512vbmi", "avx512ifma", "avx512vbmi2", "avx512bitalg", "bmi2", "f16c", "fma4", "mmx", "mpx",
    "sse", "sse2", "sse3", "sse4a", "ssse3", "tbm", "xop", "3dnow", "stibp", "pdpe1gb",
]  # fmt: skip
OTHER = {
    "aes": ["AESNI"],
    "amx-bf16": ["AMXBF16"],
    "amx-int8": ["AMXINT8"],
    "amx-tile": ["AMXTILE"],
    "avx512-vpopcntdq": ["AVX512VPOPCNTDQ"],
    "bmi1": ["BMI"],
    "fma": ["FMA3"],
    "gfni": ["AVX512GFNI"],
    "pclmuldq": ["CLMUL"],
    "sha-ni": ["SHA"],
    "sse4.1": ["SSE41"],
    "sse4.2": ["SSE42"],
    "svm": ["SVM", "AMD_SVM"],
    "vaes": ["AVX512VAES"],
    "vmx": ["VMX", "INTEL_VMX"],
    "vpclmulqdq": ["AVX512VPCLMULQDQ"],
    # Known to os-traits, though nova itself tells none of them.
    "pni": ["SSE3"],
    "pcid": ["PCID", "INTEL_PCID"],
    "spec-ctrl": ["SPEC_CTRL", "INTEL_SPEC_CTRL"],
    "ssbd": ["SSBD", "INTEL_SSBD"],
    "amd-ssbd": ["AMD_SSBD"],
    "virt-ssbd": ["VIRT_SSBD", "AMD_VIRT_SSBD"],
    "ibpb": ["IBPB", "AMD_IBPB"],
    "amd-no-ssb": ["AMD_NO_SSB"],
    "md-clear": ["MD_CLEAR", "INTEL_MD_CLEAR"],
    "arch-capabilities": ["ARCH_CAPABILITIES"],
}


@pytest.mark.parametrize(("feature", "names"), [*((each, [each.upper()]) for each in SAME), *OTHER.items()])
def test_a_feature_of_an_x86_cpu(feature, names):
    facts = {"architecture": "x86_64", "cpu_features": [feature]}
    traits = {"HW_CPU_X86_" + name for name in names}
    assert host_traits(facts, ["CUSTOM_SSD"]) == traits | {"HW_ARCH_X86_64", "CUSTOM_SSD"}


@pytest.mark.parametrize(
    ("siblings", "threads"), [([[0, 4], [1, 5]], True), ([[0], [1, 5]], True), ([[0], [1]], False), (None, False)]
)
def test_threads_of_cores(siblings, threads):
    facts = {"numa_cells": [{"id": 0, **({"siblings": siblings} if siblings else {})}]}
    assert host_traits(facts, None) == (frozenset({"HW_CPU_HYPERTHREADING"}) if threads else frozenset())
    assert host_traits(facts, None, {"CUSTOM_SSD"}) == frozenset()


def test_other_architectures():
    assert host_traits({"architecture": "aarch64", "cpu_features": ["aes"]}, None) == {
        "HW_CPU_AARCH64_AES",
        "HW_ARCH_AARCH64",
    }
    assert host_traits({}, None) == frozenset()
