#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The query of the stage image: what an image service says of images."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
short_description: Images of an image service, as a launch needs them
version_added: 1.0.0
description:
  - Looks images up by name or id, with the user's token, and returns what M(kvmstack.launch.instance) and
    M(kvmstack.launch.image) need to know of them. All names together are one request.
  - A name stands for the image of exactly that name which the project may use. Its own goes before others', an active
    one before one that is not. Hidden and community images are found by their ids alone.
  - An image that cannot be launched from is told in its place, and stops no other one.
extends_documentation_fragment:
  - kvmstack.launch.stage.query
  - kvmstack.launch.cloud
options:
  images:
    description: Names or ids of images.
    type: list
    elements: str
    required: true
  service:
    description: The image service.
    type: str
    choices: [glance]
    default: glance
"""

EXAMPLES = r"""
- name: Look two images up
  kvmstack.launch.image_info:
    cloud: mine
    images: [debian-12, 3a0c4b0e-6d4c-4a3c-9a37-0a2b6e3f5c11]
  register: found
"""

RETURN = r"""
images:
  description: One for each of O(images), in the same order.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The image's name, else its id. As asked for, if the image is of no use.
      type: str
      returned: always
    fault:
      description: Why the image cannot be used and what to do. There are no other fields then.
      type: str
      returned: when it cannot be used
    service:
      description: Always V(glance).
      type: str
      returned: always
    id:
      description: The image's id.
      type: str
      returned: when it can be used
    url:
      description: Where its data is, for those who have a token.
      type: str
      returned: when it can be used
    checksum:
      description: What verifies the data, C(sha512:HEX) or C(sha256:HEX).
      type: str
      returned: when it can be used
    disk_format:
      description: V(qcow2) or V(raw).
      type: str
      returned: when it can be used
    size:
      description: Bytes of data.
      type: int
      returned: when it can be used
    min_disk:
      description: Smallest root disk in GiB.
      type: int
      returned: when it can be used
    min_ram:
      description: Smallest memory in MiB.
      type: int
      returned: when it can be used
    properties:
      description: Its properties, such as C(hw_firmware_type), under nova's present names; all are texts.
      type: dict
      returned: when it can be used
    direct_url:
      description: Where in Ceph the image is, C(rbd://FSID/POOL/IMAGE/SNAPSHOT).
      type: str
      returned: when Glance shows it
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.cloud.module import CloudModule
from ..module_utils.core.run import query
from ..module_utils.core.specs import CLOUD
from ..module_utils.image import glance

BACKENDS = {"glance": glance.find}

SPEC = {
    **CLOUD,
    "images": {"type": "list", "elements": "str", "required": True},
    "service": {"type": "str", "choices": list(BACKENDS), "default": "glance"},
}
ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True}


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    query(module, "images", BACKENDS[module.params["service"]])


def main() -> None:
    stage(CloudModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
