#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Door of the stage instance."""

from __future__ import annotations

DOCUMENTATION = r"""
module: instance
short_description: Record launch requests
version_added: 1.0.0
description:
  - Checks a request for instances and keeps each in the persistent record, with its UUID and launch
    parameters, before anything outside exists. This is what nova's API does at a launch.
  - An instance that was launched before is compared with its record. Metadata, volumes, networks and security groups
    may change; a change of what a running guest cannot change (another flavor or image, keys, user data)
    is that instance's error, and nothing of it is touched. A flavor, image, group or network that is defined
    otherwise now, or no more, changes nothing; it is noted.
  - What makes no sense (an unknown key, a name with a slash, two equal names, a size of 0) is refused, and nothing of
    it is recorded. A flavor, image or network that is not defined is the fault of its instance, whose status becomes
    ERROR. Either fails that instance alone; one without a name is called by its place, C(launch_instances[3]).
  - With O(state=absent) instances are marked as being deleted; M(kvmstack.launch.instance_update) takes them
    out of the record when their parts are gone.
extends_documentation_fragment:
  - kvmstack.launch.database
  - kvmstack.launch.project
  - kvmstack.launch.lease
  - kvmstack.launch.stage
  - kvmstack.launch.state
options:
  instances:
    description:
      - What to launch. An entry has C(name), C(count) (C(web) with a count of 2 is C(web-1) and C(web-2)), C(state)
        (V(started) by default, V(stopped) to be there and off, V(restarted) or V(reset) to start anew where it runs,
        by its guest or by force, V(rebuilt) to be made anew over a new root disk, V(absent) to be destroyed), C(flavor)
        (a name in O(flavors), or a mapping like theirs), C(image) (a name in O(images)), C(networks) (names in
        O(networks), or mappings of C(network) or C(port), C(fixed_ip), C(fixed_ips), C(mac_address),
        C(security_groups), C(port_security), C(allowed_address_pairs), C(qos) and C(floating_ip), as
        M(kvmstack.launch.port) has them, and C(subports), a list of such mappings, each with its C(vlan); left out, the
        only one that there is), C(volumes) (mappings of
        C(name), C(size) in GiB, C(format), C(type), C(image), C(snapshot), C(boot) and C(delete_on_termination);
        without a size an existing volume of exactly that name), C(ssh_keys), C(metadata), C(group) (a name in
        O(groups), or a mapping like theirs with its C(name)), C(availability_zone) and C(scheduler_hints) (nova's
        C(same_host), C(different_host), C(build_near_host_ip), C(cidr) and C(query), and those of filters of your own,
        which have a dot in their names).
      - Of what is to be absent, with O(state=absent) all of them, only C(name) and C(count) count.
    type: list
    elements: raw
    required: true
  flavors:
    description:
      - Flavors by name, each with C(vcpus), C(ram) in MiB, C(disk) in GiB and C(extra_specs).
      - What extra specs and an image's properties may ask for is in C(docs/properties.md) of this collection. One that
        is not offered, or that nova does not know either, is the fault of its instance.
    type: dict
    default: {}
  images:
    description:
      - Images by name, each with C(url), C(checksum), C(disk_format), C(min_disk) in GiB, C(min_ram) in MiB and
        C(properties).
    type: dict
    default: {}
  networks:
    description: Networks by name. Left empty, every network name is accepted.
    type: dict
    default: {}
  host_settings:
    description:
      - The O(kvmstack.launch.host#module:settings) by host, of which the C(bridge_mappings) count. An instance that
        runs gets no port on a network with a C(physical_network) that its host has no bridge mapped to.
      - A host that is left out, or without C(bridge_mappings), is not asked for any.
    type: dict
    default: {}
  routers:
    description: Routers by name. A network that names a router is wrong unless it is one of them.
    type: dict
    default: {}
  security_groups:
    description: Security groups by name, each a list of rules.
    type: dict
    default: {}
  groups:
    description:
      - Server groups by name, each with C(policy) (C(affinity), C(anti-affinity), C(soft-affinity) or
        C(soft-anti-affinity)) and, for C(anti-affinity), C(max_server_per_host). They are recorded with their first
        instance; the rules of a group that has instances cannot change.
    type: dict
    default: {}
  quotas:
    description:
      - How much each project may have of C(instances), C(cores), C(ram) in MiB, C(volumes) and C(gigabytes). What is
        left out, or V(-1), has no limit.
      - An instance beyond them is refused, and nothing of it is recorded.
    type: dict
    default: {}
  project_quotas:
    description: What single projects, by their ids, may have in place of that; what is left out there is as for all.
    type: dict
    default: {}
  take_over:
    description: Whether to take over instances that another living run drives; that run then fails for them.
    type: bool
    default: false
  default_ssh_keys:
    description:
      - Public keys for new instances whose entries have no C(ssh_keys); C([]) there is none. An instance keeps those
        that it was made with, whatever they are here later.
    type: list
    elements: str
    default: []
  user_data:
    description:
      - The text of a JSON object, user data by instance name. It is shown nowhere and never recorded; a digest of it
        is.
    type: str
    default: ""
  adopt:
    description:
      - What there is. With it nothing is launched; instances that run, and that the record has never had, are taken
        into it as they are, when they have the name and the project of one of O(instances) and are as that says. Those
        that it has stay as they are; nothing is touched on a compute host or in the network.
      - It is for a record that is lost, or was put back from an old copy. The playbook C(kvmstack.launch.adopt) does
        it.
      - Only ports of the embedded network service, and volumes in files of compute hosts, can be taken over.
    type: dict
    suboptions:
      hosts:
        description: As M(kvmstack.launch.audit) takes it; P(kvmstack.launch.existing#filter) makes it.
        type: dict
        default: {}
      ports:
        description: The ports, as M(kvmstack.launch.port_info) lists them. Left out, there is nothing to be taken over.
        type: list
        elements: dict
      record:
        description:
          - The identity of the record that is lost. This one goes on in its place, with its identity, if it has neither
            instances nor volumes yet.
          - Be sure that it is lost. Two records with one identity each take what the other has for something unknown.
        type: str
      settings:
        description: As M(kvmstack.launch.schedule) takes it.
        type: dict
        default: {}
  queue:
    description:
      - Whose business the launch is. With it the record has the instances and what is asked for them, and a worker of
        the front door does it, with what its own inventory and variables define; this run drives none of them. Where
        a worker is at it already, it ends that first, and then does this.
      - What is as asked for, or is asked for in just this way already, is not asked for again. A flavor or image that
        is not defined is the fault of its instance, and no worker is asked.
      - The playbook C(kvmstack.launch.request) does it.
    type: dict
    suboptions:
      state_path:
        description: The folder of the front door on this machine, whose workers are woken.
        type: path
        default: ~/.kvmstack/door
      transport:
        description:
          - The message queue by which the workers of all machines are woken, as the role front_door has it,
            V(rabbit://user@host:port/vhost), without its password. It needs C(oslo.messaging) where this module runs.
            Left out, workers on other machines look by themselves, every five seconds.
          - What is asked for is recorded before. That no broker is there is a warning, and changes nothing else.
        type: str
      transport_password_file:
        description: A file of this user alone whose first line is the password of O(queue.transport).
        type: path
      wait:
        description:
          - Seconds to wait until it is done. What is not done then is that instance's error, and stays asked for,
            unless the workers have given it up. With V(0) nothing is waited for.
        type: int
        default: 0
  user_id:
    description: The user who asks.
    type: str
  user_name:
    description: That user's name, for people.
    type: str
  project_name:
    description: The project's name, for people.
    type: str
  request_id:
    description: What this request is called in the record. Left out, it gets an id of its own.
    type: str
  image_service:
    description: Where images are. With V(glance), O(images) is what M(kvmstack.launch.image_info) told of them.
    type: str
    choices: [url, glance]
    default: url
  network_service:
    description: Who makes the ports. V(ovn) is held to O(networks) and O(security_groups); V(neutron) knows its own.
    type: str
    choices: [ovn, neutron]
    default: ovn
  volume_service:
    description: Who makes the volumes. Those of V(file) are on a compute host, and their instance with them.
    type: str
    choices: [file, cinder, rbd]
    default: file
"""

EXAMPLES = r"""
- name: Accept a request for two instances
  kvmstack.launch.instance:
    database: sqlite:////var/lib/launch.db
    flavors: {small: {vcpus: 1, ram: 512, disk: 1}}
    images: {demo: {url: "https://images.example/demo.qcow2", checksum: "sha256:2c26b46b..."}}
    instances:
      - name: web
        count: 2
        flavor: small
        image: demo
        networks: [private]
  register: launch

- name: Have a worker launch it, and wait for that
  kvmstack.launch.instance:
    database: postgresql+psycopg://launch@db.example/launch
    flavors: {small: {vcpus: 1, ram: 512, disk: 1}}
    images: {demo: {url: "https://images.example/demo.qcow2", checksum: "sha256:2c26b46b..."}}
    instances:
      - {name: web, flavor: small, image: demo, networks: [private]}
    queue: {wait: 120}
"""

RETURN = r"""
instances:
  description:
    - One document for each instance, counts expanded; the later stages take it as it is.
    - C(notes), if there are any, tell what is defined otherwise today than when the instance was launched. It keeps
      the flavor, the image and the group that it was launched with.
  type: list
  elements: dict
  returned: always
  sample:
    - name: web-1
      uuid: 7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
      status: BUILD
      host: null
      ports: []
      volumes: []
      action: create
      changed: true
      failed: false
"""

from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import Stage, failing, run
from ..module_utils.core.specs import DATABASE, PROJECT, STATE
from ..module_utils.instance import adopt, adopt_sql, audit_sql, model, plan, queued, queued_sql, request, sql
from ..module_utils.record import lease
from ..module_utils.service.settings import STATE_PATH

ADOPT = {
    "hosts": {"type": "dict", "default": {}},
    "ports": {"type": "list", "elements": "dict"},
    "record": {"type": "str"},
    "settings": {"type": "dict", "default": {}},
}
QUEUE = {
    "state_path": {"type": "path", "default": STATE_PATH},
    "transport": {"type": "str", "no_log": True},  # a password that is refused in it is not shown either
    "transport_password_file": {"type": "path", "no_log": False},
    "wait": {"type": "int", "default": 0},
}
SPEC = {
    **STATE,
    **DATABASE,
    **PROJECT,
    **lease.SPEC,
    "take_over": {"type": "bool", "default": False},
    **dict.fromkeys(("quotas", "project_quotas"), {"type": "dict", "default": {}}),
    "instances": {"type": "list", "elements": "raw", "required": True},
    "adopt": {"type": "dict", "options": ADOPT},
    "queue": {"type": "dict", "options": QUEUE},
    "flavors": {"type": "dict", "default": {}},
    "images": {"type": "dict", "default": {}},
    **dict.fromkeys(("networks", "host_settings", "routers"), {"type": "dict", "default": {}}),
    "security_groups": {"type": "dict", "default": {}},
    "groups": {"type": "dict", "default": {}},
    "default_ssh_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "user_data": {"type": "str", "default": "", "no_log": True},
    **dict.fromkeys(("user_id", "user_name", "project_name", "request_id"), {"type": "str"}),
    "image_service": {"type": "str", "choices": ["url", "glance"], "default": "url"},
    "network_service": {"type": "str", "choices": ["ovn", "neutron"], "default": "ovn"},
    "volume_service": {"type": "str", "choices": ["file", "cinder", "rbd"], "default": "file"},
}


ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True, "mutually_exclusive": [("adopt", "queue")]}
STAGE = Stage("instance", request.parse, sql.connect, plan.plan, as_text=model.as_text)


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    with failing(module):
        chosen = chosen_by(module)
    run(module, chosen)


def chosen_by(module: AnsibleModule) -> Stage:
    """The stage as it is to be: it launches, leaves that to a worker, or takes in what there is."""
    params = module.params
    if params["adopt"]:
        return adoption(params["adopt"])
    if params["queue"]:
        planner = queued.planner(queued_sql.asked(params))
        return replace(STAGE, connect=lambda asked: queued_sql.connect(asked, module.warn), plan=planner)
    return STAGE


def adoption(asked: dict) -> Stage:
    """The stage as it takes in what there is."""
    [existing] = audit_sql.parse({"project_id": None, **asked})
    plan = adopt.planner(existing, asked["record"])
    return replace(STAGE, connect=lambda params: adopt_sql.connect(params, existing), plan=plan)


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
