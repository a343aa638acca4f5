# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All filters by nova's names. To add one: a function in one of the files here, its name below, and a table of
cases in tests/unit/schedule/test_filters.py. Other collections' filters are called by their full names (plugins.py).
"""

from __future__ import annotations

from . import affinity, aggregates, capabilities, capacity, hardware, image_properties, query, service

FILTERS = {
    "AllHostsFilter": service.all_hosts,
    "ComputeFilter": service.compute,
    "RetryFilter": service.retry,
    "VolumeFilter": service.volume,
    "AvailabilityZoneFilter": service.availability_zone,
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
    "ServerGroupAntiAffinityFilter", "ServerGroupAffinityFilter", "CoreFilter", "RamFilter", "DiskFilter",
    "NUMATopologyFilter", "PciPassthroughFilter",
)  # fmt: skip

# nova's own default filters (nova/conf/scheduler.py, enabled_filters), what its placement does, those of hints (nova
# ignores a hint without a word where its filter is not enabled), and ours.
DEFAULT = (
    "ComputeFilter", "RetryFilter", "AvailabilityZoneFilter", "ComputeCapabilitiesFilter", "ImagePropertiesFilter",
    "TraitsFilter", "SameHostFilter", "DifferentHostFilter", "SimpleCIDRAffinityFilter", "JsonFilter", "VolumeFilter",
    *CLAIM,
)  # fmt: skip
