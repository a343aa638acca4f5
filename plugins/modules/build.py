#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The door on a compute host: image, volume and domain of its slice of the instances in one process."""

from __future__ import annotations

DOCUMENTATION = r"""
module: build
short_description: Build the instances of a compute host, or take them down
version_added: 1.0.0
description:
  - Makes the host the gateway of the networks of all instances that go on, and their root disks, local volumes and
    virtual machines, as M(kvmstack.launch.gateway), M(kvmstack.launch.image), M(kvmstack.launch.volume) and
    M(kvmstack.launch.domain) do one after the other. This is what nova-compute does at a launch.
  - An instance that one of them fails is not touched by the next ones. If it is a new one and another host may do
    better, what was made of it here in this run is taken back.
  - A new instance that does not fit after all, because something that the record does not know runs here, is refused
    before anything is made, and another host can have it (nova's claim on the host).
  - An instance that is being deleted goes the other way round, before the others; what is to be kept stays.
  - An instance that is deleted is noted below O(state_path) for a week. Another run that has lost it, and is still
    building it here, does not start it.
extends_documentation_fragment:
  - kvmstack.launch.stage
  - kvmstack.launch.state_path
  - kvmstack.launch.image_source
requirements:
  - python3-libvirt, qemu-img and genisoimage on the host
options:
  host:
    description: The host's name in the inventory. Left out, its own name.
    type: str
  instances:
    description:
      - Documents of the instances of this host, as M(kvmstack.launch.schedule) and M(kvmstack.launch.port) left them.
        One that has failed (C(failed)), or that the run is done with (C(settled)), comes back untouched.
      - An instance that fails here has C(failed), C(msg), C(public_msg) (what users are told, where it is not that),
        C(abort) (whether another host would fail as well) and C(failed_in), the stage, in its document, and C(lost) if
        not all of it was taken back. The task does not fail.
      - A document with this host among its C(remains) is of what is left here of an instance that is elsewhere. That
        goes before anything is made.
      - What a document holds for a machine is told at O(kvmstack.launch.domain#module:domains).
    type: list
    elements: dict
    required: true
  timeout:
    description:
      - Seconds after which no guest is started any more, and what was made of a new instance is taken back. Whoever
        asked has stopped waiting then, and may have given the instance to another host. Left out, there is no limit.
    type: int
  user_data:
    description: The text of a JSON object, user data by instance name. It is shown nowhere.
    type: str
    default: ""
  vendor_data:
    description: The text of the config drive's C(vendor_data.json), a JSON object. It is shown nowhere.
    type: str
    default: ""
  volume_secrets:
    description: The text of a JSON object, CHAP passwords by the C(volume_id) of a volume. It is shown nowhere.
    type: str
    default: ""
  virt_type:
    description: V(kvm) for hardware virtualization, V(qemu) for emulation, V(auto) for the better of what there is.
    type: str
    choices: [auto, kvm, qemu]
    default: auto
  cpu_model:
    description: Name of a CPU model that machines made from now on see.
    type: str
  vif_plugging_timeout:
    description: Seconds that OVN may take to wire the ports of a machine.
    type: int
    default: 60
  shutdown_timeout:
    description: Seconds that guests which are to be off have to shut down, before they are turned off.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Build what was scheduled to this host
  kvmstack.launch.build:
    host: "{{ inventory_hostname }}"
    instances: "{{ launch.instances | kvmstack.launch.on_host(inventory_hostname) }}"
  register: launch_built
"""

RETURN = r"""
instances:
  description:
    - The documents with what was made, C(image), C(volumes) and C(domain); with C(failed) and C(msg) where something
      was not.
  returned: always
  type: list
  elements: dict
hosts:
  description:
    - What the host has room for, as M(kvmstack.launch.host) takes it, and with C(cleared) the instances of which
      nothing is left here; empty when nothing new was to be built, and nothing was left.
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.build.stages import build
from ..module_utils.core.specs import INSTANCES, STATE_PATH
from ..module_utils.domain import request as domain
from ..module_utils.image import policy
from ..module_utils.image import request as image

SPEC = {
    **STATE_PATH,
    **domain.OPTIONS,
    **image.TOKEN,
    **policy.OPTIONS,
    **INSTANCES,
    "host": {"type": "str"},
    "timeout": {"type": "int"},
}
ARGUMENTS = {
    "argument_spec": {**SPEC, "instances": {**INSTANCES["instances"], "required": True}},
    "required_together": [("token", "token_url")],
    "supports_check_mode": True,
}


def main() -> None:
    build(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
