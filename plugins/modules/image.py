#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Door of the stage image."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image
short_description: Root disks of instances, over checked and cached images
version_added: 1.0.0
description:
  - Fetches images to a compute host, once each, and makes every instance's root disk as a qcow2 overlay over them.
  - An image's digest is verified and its format inspected before any other program opens it.
    It must be what O(images[].disk_format) says, and refer to no other file.
  - A download that was interrupted goes on where it stopped. Tasks that need the same image at once share one download.
  - A root disk that exists is kept, but in a rebuild. Another image or size for it is an error.
extends_documentation_fragment:
  - kvmstack.launch.stage
  - kvmstack.launch.instances
  - kvmstack.launch.state
  - kvmstack.launch.state_path
  - kvmstack.launch.image_source
requirements:
  - qemu-img on the host (Debian's qemu-utils)
options:
  images:
    description:
      - The images and the instances to make root disks for, all in one task.
      - Either this or O(instances) is required.
    type: list
    elements: dict
    suboptions:
      instance_uuid:
        description:
          - The instance that gets a root disk, I(state_path)/instances/UUID/root.qcow2.
          - Without it the image is only cached. Required with O(state=absent), which removes the root disk
            and leaves the cache.
        type: str
      record_id:
        description:
          - The identity (a UUID) of the record that the instance is in. A root disk in a directory of another record is
            refused, also with O(state=absent). Left out, nobody looks.
        type: str
      name:
        description: The image's name. Required with O(state=present).
        type: str
      url:
        description:
          - Where to get the image, with scheme V(http), V(https) or V(file) (a path on the compute host), from where
            O(image_sources) lets it come.
          - At most five redirects are followed, never to a file and never from https to http.
          - Must not hold a user, a password or a query, see O(image_queries). Required with O(state=present).
          - What M(kvmstack.launch.image_info) says for an image in Glance; O(token) is needed then.
        type: str
      checksum:
        description:
          - Digest of the whole file, C(sha256:HEX) or C(sha512:HEX), as sha256sum or sha512sum print it.
          - V(none) waives it. The source is then trusted, and asked which version it has for each new root disk.
          - Required with O(state=present).
        type: str
      disk_format:
        description:
          - V(qcow2) or V(raw). Partitioned disks and ISO images are V(raw).
          - Required with O(state=present).
        type: str
      min_disk:
        description: Smallest root disk in GiB that the image is meant for.
        type: int
      min_ram:
        description: Smallest memory in MiB that the image is meant for. Passed through.
        type: int
      properties:
        description: The image's properties. Passed through.
        type: dict
      id:
        description: The image's id in the image service. Passed through.
        type: str
      service:
        description: The image service. Passed through.
        type: str
      direct_url:
        description: Where the image service keeps the image. Passed through.
        type: str
      launched:
        description: Whether the instance ran before. Its root disk is never made anew then; a missing one is an error.
        type: bool
        default: false
      rebuild_id:
        description:
          - A rebuild (a UUID) that the instance waits for. Its root disk is made anew, unless M(kvmstack.launch.domain)
            has noted on the host that this rebuild is done.
        type: str
      size:
        description: Size of the root disk in GiB. V(0), or nothing, is the image's own size.
        type: int
"""

EXAMPLES = r"""
- name: Root disks of two instances over one image
  kvmstack.launch.image:
    images:
      - name: debian-12
        instance_uuid: 7b0f0f3e-5f0c-4d4e-9a53-0f2a3c1c7d11
        url: https://images.example.org/debian-12.qcow2
        checksum: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
        disk_format: qcow2
        size: 10
      - name: debian-12
        instance_uuid: 0d9c5a0e-0a51-4c0f-8f43-5d1b6f0d4b22
        url: https://images.example.org/debian-12.qcow2
        checksum: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
        disk_format: qcow2
        size: 20

- name: Root disks of the instances that were scheduled to this host
  kvmstack.launch.image:
    instances: "{{ launch.instances | kvmstack.launch.on_host(inventory_hostname) }}"
  register: launch_imaged

- name: An image into the cache, ahead of time, from a trusted place
  kvmstack.launch.image:
    images:
      - {name: demo, url: "file:///srv/images/demo.qcow2", checksum: none, disk_format: qcow2}

- name: A root disk over an image that M(kvmstack.launch.image_info) found in Glance
  kvmstack.launch.image:
    images:
      - "{{ found.images[0] | combine({'instance_uuid': '7b0f0f3e-5f0c-4d4e-9a53-0f2a3c1c7d11', 'size': 10}) }}"
    token: "{{ token }}"
    token_url: https://glance.example.org:9292/v2

- name: No root disk for this instance
  kvmstack.launch.image:
    images:
      - instance_uuid: 0d9c5a0e-0a51-4c0f-8f43-5d1b6f0d4b22
    state: absent
"""

RETURN = r"""
instances:
  description: The documents in the order of O(instances), with what became of each root disk in C(image).
  returned: with O(instances)
  type: list
  elements: dict
images:
  description: The items in the order of O(images), with their options and what became of them.
  returned: with O(images)
  type: list
  elements: dict
  contains:
    instance_uuid:
      description: The instance, or null.
      type: str
      returned: always
    base:
      description: The cached image. Null in check mode if only the source could tell.
      type: str
      returned: always
    cached:
      description: Whether the base is in the cache, or will be.
      type: bool
      returned: always
    path:
      description: The root disk. Null without an instance.
      type: str
      returned: always
    format:
      description: Format of the root disk (always qcow2), or of the base of an image that is only cached.
      type: str
      returned: always
    virtual_size:
      description: Size of the root disk in bytes, as the guest sees it. Null while it is not made.
      type: int
      returned: always
    action:
      description: One of keep, create, update (completed after an interruption, or its base fetched again), delete.
      type: str
      returned: always
    changed:
      description: Whether something was done, or would be.
      type: bool
      returned: always
    failed:
      description: Whether the item failed.
      type: bool
      returned: always
    msg:
      description: What is wrong and what to do.
      type: str
      returned: when the item failed
    abort:
      description: Whether another host would fail as well.
      type: bool
      returned: when the item failed
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import Stage, run
from ..module_utils.core.specs import STATE, STATE_PATH, arguments
from ..module_utils.image import model, policy, request, url

STAGE = Stage("image", request.parse, url.connect, options=request.OPTIONS, as_text=model.as_text, on_host=True)
ARGUMENTS = {
    **arguments("images", request.OPTIONS, {**STATE, **STATE_PATH, **request.TOKEN, **policy.OPTIONS}),
    "required_together": [("token", "token_url")],
}


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    run(module, STAGE)


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
