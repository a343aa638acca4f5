# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All filters by nova's names. To add one: a function in one of the files here, its name below, and a table of
cases in tests/unit/schedule/test_filters.py. Other collections' filters are called by their full names (plugins.py).
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ...core.errors import InvalidRequest
from . import affinity, aggregates, capabilities, capacity, hardware, image_properties, query, service

FILTERS = {
    "AllHostsFilter": service.all_hosts,
    "ComputeFilter": service.compute,
    "RetryFilter": service.retry,
    "VolumeFilter": service.volume,
    "AvailabilityZoneFilter": service.availability_zone,
    "PhysicalNetworkFilter": service.physical_network,
    "ComputeCapabilitiesFilter": capabilities.compute_capabilities,
    "ImagePropertiesFilter": image_properties.image_properties,
    "TraitsFilter": capabilities.traits,
    "JsonFilter": query.json_query,
    "MetricsFilter": capabilities.metrics,
    "SameHostFilter": affinity.same_host,
    "DifferentHostFilter": affinity.different_host,
    "SimpleCIDRAffinityFilter": affinity.simple_cidr_affinity,
    "ServerGroupAntiAffinityFilter": affinity.server_group_anti_affinity,
    "ServerGroupAffinityFilter": affinity.server_group_affinity,
    "AggregateInstanceExtraSpecsFilter": aggregates.aggregate_instance_extra_specs,
    "AggregateImagePropertiesIsolation": aggregates.aggregate_image_properties_isolation,
    "AggregateMultiTenancyIsolation": aggregates.aggregate_multi_tenancy_isolation,
    "AggregateTypeAffinityFilter": aggregates.aggregate_type_affinity,
    "IsolatedHostsFilter": aggregates.isolated_hosts,
    "IoOpsFilter": capacity.io_ops,
    "AggregateIoOpsFilter": capacity.aggregate_io_ops,
    "NumInstancesFilter": capacity.num_instances,
    "AggregateNumInstancesFilter": capacity.aggregate_num_instances,
    "CoreFilter": capacity.core,
    "RamFilter": capacity.ram,
    "DiskFilter": capacity.disk,
    "NUMATopologyFilter": hardware.numa_topology,
    "PciPassthroughFilter": hardware.pci_passthrough,
}

# What a claim rests on: checked again in its transaction, and applied even where the operator does not list them.
CLAIM = (
    "PhysicalNetworkFilter", "ServerGroupAntiAffinityFilter", "ServerGroupAffinityFilter", "CoreFilter", "RamFilter",
    "DiskFilter", "NUMATopologyFilter", "PciPassthroughFilter",
)  # fmt: skip

# nova's own default filters (nova/conf/scheduler.py, enabled_filters), what its placement does, those of hints (nova
# ignores a hint without a word where its filter is not enabled), and ours.
DEFAULT = (
    "ComputeFilter", "RetryFilter", "AvailabilityZoneFilter", "ComputeCapabilitiesFilter", "ImagePropertiesFilter",
    "TraitsFilter", "SameHostFilter", "DifferentHostFilter", "SimpleCIDRAffinityFilter", "JsonFilter", "VolumeFilter",
    *CLAIM,
)  # fmt: skip

# Whose the extra specs with a scope are; image properties have traits as well.
FILTER_OF_SCOPE = {
    "trait": "TraitsFilter",
    "capabilities": "ComputeCapabilitiesFilter",
    "aggregate_instance_extra_specs": "AggregateInstanceExtraSpecsFilter",
}


def check_enabled(asked: Iterable[Mapping[str, Any]], enabled: Iterable[str]) -> None:
    """InvalidRequest if an extra spec or a property asks for hosts, and the filter of its scope is not enabled.

    A filter of another collection may read any of them.
    """
    enabled = set(enabled)
    if any("." in name for name in enabled):
        return
    for key in (key for words in asked for key in words):
        scope, colon, _rest = key.partition(":")
        if colon and scope in FILTER_OF_SCOPE and FILTER_OF_SCOPE[scope] not in enabled:
            raise InvalidRequest(
                "%s is asked for, and the filter %s is not enabled: add it to launch_scheduler_filters, or leave it out"
                % (key, FILTER_OF_SCOPE[scope])
            )
