#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The door to waiting for guests; no stage, as nothing is made."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_wait
short_description: Wait until guests answer
version_added: 1.0.0
description:
  - Waits until guests take connections, all of them at once, from the machine that it runs on - a compute host, which
    is on its guests' networks, or any that reaches them.
extends_documentation_fragment:
  - kvmstack.launch.stage.query
options:
  guests:
    description: The guests to wait for.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What results call it.
        type: str
        required: true
      address:
        description: Its IP address.
        type: str
        required: true
      port:
        description: The TCP port that it is to answer on.
        type: int
        default: 22
      banner:
        description: How a line begins that it has to send, such as C(SSH-). When it is empty, a connection is enough.
        type: str
        default: ""
  timeout:
    description: Seconds to wait for all of them.
    type: int
    default: 300
notes:
  - A list goes in and the same list comes out. The task fails when a guest did not answer, and returns all of them even
    so.
  - In check mode too it waits.
"""

EXAMPLES = r"""
- name: Wait for two guests
  kvmstack.launch.guest_wait:
    guests:
      - {name: web, address: 10.20.0.50, banner: SSH-}
      - {name: db, address: 10.20.0.51, port: 5432}
    timeout: 60
"""

RETURN = r"""
guests:
  description: The guests, in the order of the request.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: As asked for.
      type: str
      returned: always
    address:
      description: As asked for.
      type: str
      returned: always
    port:
      description: As asked for.
      type: int
      returned: always
    seconds:
      description: How long it took until it answered; null if it did not.
      type: float
      returned: always
    failed:
      description: Whether it did not.
      type: bool
      returned: always
    msg:
      description: What the last attempt ended with.
      type: str
      returned: when it did not answer
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.guest.wait import Guest, wait

GUEST = {
    "name": {"type": "str", "required": True},
    "address": {"type": "str", "required": True},
    "port": {"type": "int", "default": 22},
    "banner": {"type": "str", "default": ""},
}
SPEC = {
    "guests": {"type": "list", "elements": "dict", "required": True, "options": GUEST},
    "timeout": {"type": "int", "default": 300},
}
ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True}


def main() -> None:
    module = AnsibleModule(**ARGUMENTS)
    guests = [Guest(**each) for each in module.params["guests"]]
    wait(guests, module.params["timeout"])
    results = [guest.to_result() for guest in guests]
    silent = ["%s: %s" % (each["name"], each["msg"]) for each in results if each["failed"]]
    if silent:
        module.fail_json(msg="; ".join(silent), guests=results)
    module.exit_json(changed=False, guests=results)


if __name__ == "__main__":
    main()
