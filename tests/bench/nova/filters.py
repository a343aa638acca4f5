# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long nova's own default filters and weighers take, in memory, without its database and without claims.

Run by ../schedule.py with Debian's Python, where python3-nova is installed: filters.py HOSTS [INSTANCES]
"""

import importlib
import random
import sys
import time

from nova import conf, objects
from nova.scheduler import filters, host_manager, weights
from oslo_utils import timeutils, uuidutils

importlib.import_module("nova.virt.hardware")  # registers options that the filters read
CONF = conf.CONF
SERVICE = {"disabled": False, "forced_down": False, "host": "", "binary": "nova-compute", "topic": "compute"}


def hosts(count):
    some = random.Random(1)
    for number in range(count):
        state = host_manager.HostState("compute-%05d" % number, "compute-%05d" % number, "cell")
        vcpus, memory_mb = some.choice([(32, 131072), (64, 262144), (96, 393216), (128, 524288)])
        state.vcpus_total, state.vcpus_used = vcpus, some.randrange(vcpus * 2)
        state.total_usable_ram_mb = memory_mb
        state.free_ram_mb = memory_mb - 512 * some.randrange(memory_mb // 1024)
        state.total_usable_disk_gb, state.free_disk_mb = 4000, 1024 * (4000 - some.randrange(2000))
        state.cpu_allocation_ratio, state.ram_allocation_ratio, state.disk_allocation_ratio = 4.0, 1.0, 1.0
        state.hypervisor_type, state.hypervisor_version = "QEMU", 9000000
        state.supported_instances = [["x86_64", "qemu", "hvm"]]
        state.stats, state.aggregates, state.metrics = {}, [], objects.MonitorMetricList(objects=[])
        moment = timeutils.utcnow()
        state.service = {**SERVICE, "last_seen_up": moment, "created_at": moment, "updated_at": moment}
        yield state


def request():
    flavor = objects.Flavor(name="small", vcpus=1, memory_mb=512, root_gb=10, ephemeral_gb=0, swap=0, extra_specs={})
    image = objects.ImageMeta(properties=objects.ImageMetaProps(hw_architecture="x86_64"))
    return objects.RequestSpec(
        flavor=flavor, image=image, instance_uuid=uuidutils.generate_uuid(), project_id="p", num_instances=1,
        instance_group=None, numa_topology=None, pci_requests=None, scheduler_hints={}, requested_destination=None,
        force_hosts=None, force_nodes=None, ignore_hosts=None, retry=None, availability_zone=None, limits=None,
    )  # fmt: skip


def main():
    count, instances = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5
    CONF([], project="nova", default_config_files=[])
    CONF.set_override("service_down_time", 3600)
    objects.register_all()
    chooser, weigher = filters.HostFilterHandler(), weights.HostWeightHandler()
    enabled = CONF.filter_scheduler.enabled_filters
    found = chooser.get_matching_classes(["nova.scheduler.filters.all_filters"])
    mine = [next(each for each in found if each.__name__ == name)() for name in enabled]
    weighers = [each() for each in weigher.get_matching_classes(["nova.scheduler.weights.all_weighers"])]
    states = list(hosts(count))
    began = time.monotonic()
    for _instance in range(instances):
        spec = request()
        left = list(chooser.get_filtered_objects(mine, states, spec))
        best = weigher.get_weighed_objects(weighers, left, spec)[0].obj
        best.consume_from_request(spec)
    each = (time.monotonic() - began) / instances * 1000
    print("nova's filters and weighers alone, %d hosts: %.0f ms an instance (%d of them)" % (count, each, instances))


if __name__ == "__main__":
    main()
