#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Door of the stage schedule."""

from __future__ import annotations

DOCUMENTATION = r"""
module: schedule
short_description: Choose hosts for instances and claim their room
version_added: 1.0.0
description:
  - Chooses a compute host for every instance that has none, with nova's filters and weighers, and claims the
    vCPUs, RAM and disk there in one transaction. Two controllers cannot both claim the last room.
  - A run claims for the instances that it drives. Where another run has taken one over, it is refused.
  - An instance that holds a claim keeps its host. One that fits nowhere fails, and its message counts for
    each filter the hosts it refused, and why.
notes:
  - Filters, weighers and settings mean what nova's of that name do. What follows is otherwise on purpose.
  - C(CoreFilter), C(RamFilter), C(DiskFilter), C(AvailabilityZoneFilter) and C(TraitsFilter) are what nova's placement
    does; C(RetryFilter) and C(VolumeFilter) know of hosts that failed an instance, and of disks that it has on one;
    C(PhysicalNetworkFilter) of hosts without a bridge mapped to a network's wire, which nova would learn from neutron's
    binding. The filters of scheduler hints are enabled, as a hint is never passed over.
  - Disk is claimed for root disks and for local volumes; volumes that wait for an instance have their room as well.
    A running instance gets more of it only if its host has that left, else the request is refused.
  - C(cpu_allocation_ratio), C(ram_allocation_ratio) and C(disk_allocation_ratio) in the metadata of a host's aggregates
    go before the host's own.
  - Of a host with C(cpu_dedicated_set) all other CPUs are shared (nova's C(cpu_shared_set)).
  - With C(hw:cpu_thread_policy=isolate) a guest gets whole cores of a host whose cores have threads, as by nova's
    fallback, and is not kept from such hosts.
  - C(IsolatedHostsFilter) knows images by id and by name. C(AggregateImagePropertiesIsolation) sees all properties of
    an image, those of one's own too, and compares flags and numbers by what they mean.
  - C(ImagePropertiesFilter) passes hosts of the image's own architecture, not those that could emulate it, and
    C(img_hv_requested_version) counts alone, too.
  - C(ComputeCapabilitiesFilter) and C(JsonFilter) know what M(kvmstack.launch.host_info) tells besides nova's names.
  - Images may forbid traits as flavors may. A host has the traits of its CPU and its architecture,
    C(HW_CPU_HYPERTHREADING), and those that the operator gives it.
  - PCI devices go to the alias first that has the fewest to choose among, and at most 20000 pairs of NUMA cells are
    tried; nova may refuse the one, and take very long for the other.
extends_documentation_fragment:
  - kvmstack.launch.database
  - kvmstack.launch.lease
  - kvmstack.launch.stage
options:
  instances:
    description:
      - Documents of instances; the same documents come back with their hosts filled in.
      - One that has failed (C(failed)), or that the run is done with (C(settled)), comes back untouched. An instance
        that no host can take has C(failed), C(msg), C(public_msg) (without what single hosts have) and C(abort) in its
        document. The task does not fail then.
    type: list
    elements: dict
    required: true
  candidates:
    description: The hosts that may be chosen. Left out, all that the record knows.
    type: list
    elements: str
  nodes:
    description:
      - Compute nodes as M(kvmstack.launch.host_info) tells them, for hosts that the record does not know yet.
        Check mode needs it, where nothing has been recorded.
    type: list
    elements: dict
    default: []
  networks:
    description:
      - Definitions of networks by name, O(kvmstack.launch.network#module:networks). An instance with a port on one that
        has a C(physical_network) goes to a host that has a bridge mapped to it (C(bridge_mappings) of its settings).
    type: dict
    default: {}
  provider_networks:
    description:
      - Networks of Neutron's, as M(kvmstack.launch.network_info) tells them. Of an instance with a port on one whose
        C(physical_network) is known the host is among its C(hosts), or has a bridge mapped to it by its settings.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      id:
        description: Its id.
        type: str
        required: true
      physical_network:
        description: The physical network that it is on.
        type: str
      hosts:
        description: The hosts that have a bridge there. Where nothing is known of any, nothing goes by it.
        type: list
        elements: str
  host_settings:
    description:
      - The O(kvmstack.launch.host#module:settings) by host. Those of O(nodes) count; a host whose settings make no
        sense is not chosen, which C(notes) of the documents tell.
    type: dict
    default: {}
  filters:
    description:
      - The filters to apply, in order, by nova's names. C(ServerGroupAntiAffinityFilter), C(ServerGroupAffinityFilter),
        C(CoreFilter), C(RamFilter), C(DiskFilter), C(NUMATopologyFilter), C(PciPassthroughFilter) and
        C(PhysicalNetworkFilter) are what a claim rests on, and come last when they are not named here.
      - There are as well C(AllHostsFilter), C(MetricsFilter), C(AggregateInstanceExtraSpecsFilter),
        C(AggregateImagePropertiesIsolation), C(AggregateMultiTenancyIsolation), C(AggregateTypeAffinityFilter),
        C(IsolatedHostsFilter), C(IoOpsFilter), C(AggregateIoOpsFilter), C(NumInstancesFilter) and
        C(AggregateNumInstancesFilter).
      - A filter of another collection is called by its full name. C(acme.cloud.rack) is the function C(rack) in
        C(plugins/module_utils/filters.py) of the collection C(acme.cloud), C(acme.cloud.datacentre.racks.rack) the
        one in C(plugins/module_utils/datacentre/racks.py). It takes a host and a request, and returns None if the
        host will do, and otherwise why not.
    type: list
    elements: str
    default:
      - ComputeFilter
      - RetryFilter
      - AvailabilityZoneFilter
      - ComputeCapabilitiesFilter
      - ImagePropertiesFilter
      - TraitsFilter
      - SameHostFilter
      - DifferentHostFilter
      - SimpleCIDRAffinityFilter
      - JsonFilter
      - VolumeFilter
      - PhysicalNetworkFilter
      - ServerGroupAntiAffinityFilter
      - ServerGroupAffinityFilter
      - CoreFilter
      - RamFilter
      - DiskFilter
      - NUMATopologyFilter
      - PciPassthroughFilter
  weighers:
    description:
      - The weighers to apply, by nova's names, each with its multiplier; a negative one turns it round. The metadata
        of a host's aggregates overrides it, as with nova (C(cpu_weight_multiplier) and so on).
      - A weigher of another collection is called by its full name, as a filter is, in C(weighers.py).
    type: dict
    default:
      RAMWeigher: 1.0
      CPUWeigher: 1.0
      DiskWeigher: 1.0
      IoOpsWeigher: -1.0
      NumInstancesWeigher: 0.0
      BuildFailureWeigher: 1000000.0
      HypervisorVersionWeigher: 1.0
      PCIWeigher: 1.0
      ServerGroupSoftAffinityWeigher: 1.0
      ServerGroupSoftAntiAffinityWeigher: 1.0
      ImagePropertiesWeigher: 0.0
      MetricsWeigher: 1.0
  settings:
    description:
      - What filters and weighers go by, under nova's names, C(max_io_ops_per_host), C(max_instances_per_host),
        C(isolated_hosts), C(isolated_images), C(restrict_isolated_hosts_to_isolated_images),
        C(aggregate_image_properties_isolation_namespace), C(aggregate_image_properties_isolation_separator),
        C(image_properties_default_architecture), C(image_props_weight_setting), C(metrics_weight_setting),
        C(metrics_required) and C(metrics_weight_of_unavailable). C(isolated_images) are ids or names.
      - C(pci_aliases) names PCI devices for the extra spec C(pci_passthrough:alias), C(NAME:COUNT) or C(NAME) for one.
        Each is a mapping of C(vendor_id) and C(product_id), four hexadecimal digits each, in quotes, and perhaps
        C(device_type), C(type-PCI), C(type-PF) or C(type-VF), and C(numa_policy), C(required), C(socket), C(legacy) or
        C(preferred), all with nova's meaning. What has an alias can be given away; there is no C(device_spec) beside.
        In place of vendor and product an C(address) names the device in one slot of every host.
      - C(extra) is for filters and weighers of other collections.
    type: dict
    default: {}
  host_subset_size:
    description: Choose among so many of the best hosts, by the instance's UUID, so that controllers meet less often.
    type: int
    default: 1
  max_attempts:
    description: How many hosts a launch may try; one less is the number of alternates.
    type: int
    default: 3
  collections_paths:
    description: Where collections with filters or weighers of their own are installed, Ansible's C(COLLECTIONS_PATHS).
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: Choose hosts
  kvmstack.launch.schedule:
    database: sqlite:////var/lib/launch.db
    instances: "{{ launch.instances }}"
    candidates: "{{ groups['compute'] }}"
    weighers: {RAMWeigher: -1.0}
  register: launch
"""

RETURN = r"""
instances:
  description:
    - The documents with C(host), its availability C(zone), C(alternates), the C(weights) of these, and C(allocation),
      the CPUs, pages and PCI devices of the host that are the instance's, null where any will do.
    - C(refused) tells, for each filter, the C(count) of hosts it removed, how many for which of the C(reasons), and
      C(examples), a few of these hosts with their own numbers.
  type: list
  elements: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import Stage, run
from ..module_utils.core.specs import DATABASE
from ..module_utils.record import lease
from ..module_utils.schedule import policy, request, sql

SPEC = {
    **DATABASE,
    **policy.SPEC,
    **lease.SPEC,
    "instances": {"type": "list", "elements": "dict", "required": True},
    "candidates": {"type": "list", "elements": "str"},
    "nodes": {"type": "list", "elements": "dict", "default": []},
    "networks": {"type": "dict", "default": {}},
    "provider_networks": {"type": "list", "elements": "dict", "default": [], "options": request.PROVIDER_NETWORK},
    "host_settings": {"type": "dict", "default": {}},
}


ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True}


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    run(module, Stage("schedule", request.parse, sql.connect, policy.plan(module.params), list_name="instances"))


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
