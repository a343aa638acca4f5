# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The scheduler's weighers, with nova's names: each gives a host a number, more is better.

To add one: a function here, its name in WEIGHERS with nova's default multiplier, a case in
tests/unit/schedule/test_weighers.py.
"""

from __future__ import annotations

from .model import Host, Request


def ram(host: Host, request: Request) -> float:
    """Hosts with more RAM left first: instances spread."""
    return host.free_memory_mb


def cpu(host: Host, request: Request) -> float:
    """Hosts with more vCPUs left first."""
    return host.free_vcpus


WEIGHERS = {
    "RAMWeigher": (ram, 1.0),
    "CPUWeigher": (cpu, 1.0),
}
