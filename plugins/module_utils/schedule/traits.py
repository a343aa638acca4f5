# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Traits: what a host's CPU and its operator say it has, and what flavors and images ask for."""

from __future__ import annotations

import re
from typing import Any, Container, Iterable, Mapping

# libvirt's names of CPU features that traits call otherwise (nova/virt/libvirt/utils.py, CPU_TRAITS_MAPPING).
X86_NAMES = {
    "aes": "AESNI", "pni": "SSE3", "sse4.1": "SSE41", "sse4.2": "SSE42", "sse4-1": "SSE41", "sse4-2": "SSE42",
    "lahf_lm": "LAHF_LM", "cmp_legacy": "CMP_LEGACY", "pclmuldq": "CLMUL", "pclmulqdq": "CLMUL", "rdrand": "RDRAND",
    "sha-ni": "SHA", "fma": "FMA3", "fma4": "FMA4", "bmi1": "BMI", "3dnow": "3DNOW",
    "amx-bf16": "AMXBF16", "amx-int8": "AMXINT8", "amx-tile": "AMXTILE", "vaes": "AVX512VAES", "gfni": "AVX512GFNI",
    "vpclmulqdq": "AVX512VPCLMULQDQ", "avx512-vpopcntdq": "AVX512VPOPCNTDQ",
}  # fmt: skip
# Features that have a second trait, their vendor's.
X86_SECOND_NAMES = {
    "svm": "AMD_SVM", "vmx": "INTEL_VMX", "ibpb": "AMD_IBPB", "amd-no-ssb": "AMD_NO_SSB", "amd-ssbd": "AMD_SSBD",
    "virt-ssbd": "AMD_VIRT_SSBD", "ssbd": "INTEL_SSBD", "spec-ctrl": "INTEL_SPEC_CTRL", "pcid": "INTEL_PCID",
    "md-clear": "INTEL_MD_CLEAR",
}  # fmt: skip
HYPERTHREADING = "HW_CPU_HYPERTHREADING"


def host_traits(facts: Mapping, custom: Iterable[str] | None, asked: Container = (HYPERTHREADING,)) -> frozenset:
    """A host's traits: its CPU's features as HW_CPU_X86_AVX2, its architecture, and what the operator adds.

    Whether its cores have threads is found out only where that is asked for: it needs the host's whole topology.
    """
    architecture = str(facts.get("architecture") or "")
    family = "X86" if architecture in ("x86_64", "i686") else architecture.upper()
    features = list(facts.get("cpu_features") or ())
    first, second = (X86_NAMES, X86_SECOND_NAMES) if family == "X86" else ({}, {})
    words = [first.get(each) or re.sub("[^A-Z0-9]", "_", each.upper()) for each in features]
    words += [second[each] for each in features if each in second]
    names = {"HW_CPU_%s_%s" % (family, word) for word in words}
    if architecture:
        names.add("HW_ARCH_%s" % architecture.upper())
    if HYPERTHREADING in asked and _has_threads(facts):
        names.add(HYPERTHREADING)
    return frozenset(names | set(custom or ()))


def _has_threads(facts: Mapping) -> bool:
    return any(len(core) > 1 for cell in facts.get("numa_cells") or () for core in cell.get("siblings") or ())


def requested_traits(
    extra_specs: Mapping[str, Any], image_properties: Mapping[str, Any]
) -> tuple[frozenset, frozenset]:
    """The traits required and the traits forbidden, by the flavor or the image."""
    asked = [
        (key[6:], value)
        for words in (extra_specs, image_properties)
        for key, value in words.items()
        if key.startswith("trait:")
    ]
    required = frozenset(name for name, value in asked if value == "required")
    return required, frozenset(name for name, value in asked if value == "forbidden")
