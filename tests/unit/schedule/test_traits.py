# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host's traits: nova's names of what libvirt tells."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.traits import host_traits


@pytest.mark.parametrize(
    ("feature", "traits"),
    [
        ("avx512bw", {"HW_CPU_X86_AVX512BW"}),
        ("avx512-vpopcntdq", {"HW_CPU_X86_AVX512VPOPCNTDQ"}),
        ("amx-tile", {"HW_CPU_X86_AMXTILE"}),
        ("gfni", {"HW_CPU_X86_AVX512GFNI"}),
        ("svm", {"HW_CPU_X86_SVM", "HW_CPU_X86_AMD_SVM"}),
        ("vmx", {"HW_CPU_X86_VMX", "HW_CPU_X86_INTEL_VMX"}),
        ("sse4.2", {"HW_CPU_X86_SSE42"}),
        ("arch-capabilities", {"HW_CPU_X86_ARCH_CAPABILITIES"}),
    ],
)
def test_a_feature_of_an_x86_cpu(feature, traits):
    facts = {"architecture": "x86_64", "cpu_features": [feature]}
    assert host_traits(facts, ["CUSTOM_SSD"]) == traits | {"HW_ARCH_X86_64", "CUSTOM_SSD"}


def test_other_architectures():
    assert host_traits({"architecture": "aarch64", "cpu_features": ["aes"]}, None) == {
        "HW_CPU_AARCH64_AES",
        "HW_ARCH_AARCH64",
    }
    assert host_traits({}, None) == frozenset()
