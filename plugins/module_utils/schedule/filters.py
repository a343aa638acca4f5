# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The scheduler's filters, with nova's names: each says why a host cannot take a request, or None if it can.

To add one: a function here, its name in FILTERS, a table of cases in tests/unit/schedule/test_filters.py.
The reason completes the sentence "2 of 6 ..." and holds no host's own number, so that equal reasons add up.
"""

from __future__ import annotations

from .model import Host, Request


def compute(host: Host, request: Request) -> str | None:
    """Hosts that an operator has disabled take nothing new."""
    if host.enabled:
        return None
    return "are disabled" + (" (%s)" % host.disabled_reason if host.disabled_reason else "")


def retry(host: Host, request: Request) -> str | None:
    """A host that failed this instance in this launch is not tried again."""
    return "have failed it already" if host.host in request.attempted else None


def volume(host: Host, request: Request) -> str | None:
    """An instance goes where its existing local volumes are."""
    if all(place == host.host for place in request.pinned):
        return None
    return "are not where its volumes are (%s)" % ", ".join(request.pinned)


def core(host: Host, request: Request) -> str | None:
    """used + asked <= (total - reserved) * ratio, and never more vCPUs than the host has."""
    if request.vcpus > host.vcpus:
        return "have fewer than %d CPUs" % request.vcpus
    return None if request.vcpus <= host.free_vcpus else "lack %d vCPUs" % request.vcpus


def ram(host: Host, request: Request) -> str | None:
    """Claims, never free memory: used + asked <= (total - reserved) * ratio."""
    return None if request.memory_mb <= host.free_memory_mb else "lack %d MiB" % request.memory_mb


def disk(host: Host, request: Request) -> str | None:
    """Root disk and new local volumes fit, as claims."""
    return None if request.disk_gb <= host.free_disk_gb else "lack %d GiB" % request.disk_gb


FILTERS = {
    "ComputeFilter": compute,
    "RetryFilter": retry,
    "VolumeFilter": volume,
    "CoreFilter": core,
    "RamFilter": ram,
    "DiskFilter": disk,
}
