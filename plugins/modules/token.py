#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Door of the stage token. It has no list: one who asks, or nobody."""

from __future__ import annotations

DOCUMENTATION = r"""
module: token
short_description: Establish who launches
version_added: 1.0.0
description:
  - Establishes the project and the user on whose behalf instances are launched, the first two steps of
    OpenStack's instance launch.
  - With O(identity=none), the embedded default, there is no identity service and nobody is asked; the
    result says so, and whoever can run the playbook launches for O(project_id).
  - With O(identity=keystone) Keystone is asked at every run whether the token is good and which roles it has, and the
    policy whether these are enough for O(actions).
  - The token itself is in a file below O(private_path), and nowhere else. It is made anew when it soon expires, or is
    no longer taken, also in the middle of a run; not when O(cloud) gives a token, which nothing can be made of.
extends_documentation_fragment:
  - kvmstack.launch.project
  - kvmstack.launch.cloud
  - kvmstack.launch.stage.query
requirements:
  - oslo.policy >= 4.5.1 on the controller
options:
  identity:
    description: The identity service.
    type: str
    choices: [none, keystone]
    default: none
  project_id:
    description:
      - With O(identity=none), the project that the instances are for.
      - With O(identity=keystone) the token tells. Another project than V(default), by id or name, has to be the
        token's, else it is an error.
  user_id:
    description:
      - The user recorded with the instances, with O(identity=none). Left out, the account that runs the module.
    type: str
  actions:
    description:
      - What the user is about to do. V(create) launches, V(stop) turns off, V(reboot) restarts, V(rebuild) makes anew,
        V(delete) removes, V(detail) lists the project's instances and V(detail_all) those of all projects.
      - Only V(detail_all) can be done with a token for a domain or the system.
    type: list
    elements: str
    choices: [create, delete, stop, reboot, rebuild, detail, detail_all]
    default: [create]
  on_behalf:
    description:
      - Whether the account launches for users who may do less than it, as that of a worker does. One with the role
        C(admin) is refused then, as the services would show it what other projects have.
    type: bool
    default: false
  policy_file:
    description:
      - YAML file with rules of oslo.policy in place of nova's defaults, under nova's names. Rules of other names are
        ignored, so that nova's own file can be used.
      - By default C(os_compute_api:servers:create), C(os_compute_api:servers:delete), C(os_compute_api:servers:stop),
        C(os_compute_api:servers:reboot) and C(os_compute_api:servers:rebuild) are C(rule:project_member_or_admin),
        C(os_compute_api:servers:detail) is C(rule:project_reader_or_admin), and
        C(os_compute_api:servers:detail:get_all_tenants) is C(rule:context_is_admin).
    type: path
"""

EXAMPLES = r"""
- name: Say who launches
  kvmstack.launch.token:
    identity: none
    project_id: default
  register: launch_token

- name: Ask Keystone, as a cloud of clouds.yaml
  kvmstack.launch.token:
    identity: keystone
    cloud: demo

- name: Ask Keystone whether an application credential may delete
  kvmstack.launch.token:
    identity: keystone
    cloud:
      auth_type: v3applicationcredential
      auth:
        auth_url: https://keystone.example.org:5000/v3
        application_credential_id: 6cb5fa6a13184e6fab65ba2108adf50c
        application_credential_secret: "{{ vault_secret }}"
    actions: [delete]

- name: Only managers launch in this cloud; policy.yaml says "os_compute_api:servers:create" is "role:manager"
  kvmstack.launch.token:
    identity: keystone
    cloud: demo
    policy_file: policy.yaml
"""

RETURN = r"""
identity:
  description: The identity service that vouches for the rest; V(none) vouches for nothing.
  type: str
  returned: success
project_id:
  description: The project that instances are launched for; null when the token is for a domain or the system.
  type: str
  returned: success
project_name:
  description: The project's name.
  type: str
  returned: success
project_domain:
  description: The name of the project's domain, with O(identity=keystone).
  type: str
  returned: success
user_id:
  description: The user that launches.
  type: str
  returned: success
user_name:
  description: The user's name.
  type: str
  returned: success
user_domain:
  description: The name of the user's domain, with O(identity=keystone).
  type: str
  returned: success
roles:
  description: What the user may do in the project, as Keystone says at this moment.
  type: list
  elements: str
  returned: success
scope:
  description: What the token is for, V(project), V(domain) or V(system).
  type: str
  returned: success
domain_id:
  description: The domain that the token is for, when it is for one.
  type: str
  returned: success
issued_at:
  description: When the token was made, in UTC, with O(identity=keystone).
  type: str
  returned: success
  sample: "2026-11-22T18:17:05.000000Z"
request_id:
  description: What this run is called in the record and in the services' logs.
  type: str
  returned: success
  sample: req-7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10
expires_at:
  description: When the token ends, in UTC, with O(identity=keystone). A new one is made before.
  type: str
  returned: success
  sample: "2026-11-22T19:17:05.000000Z"
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.cloud.module import CloudModule
from ..module_utils.core.run import query_one
from ..module_utils.core.specs import CLOUD, PROJECT
from ..module_utils.token.keystone import establish
from ..module_utils.token.model import ACTIONS

SPEC = {
    **PROJECT,
    **CLOUD,
    "identity": {"type": "str", "choices": ["none", "keystone"], "default": "none"},
    "user_id": {"type": "str"},
    "actions": {"type": "list", "elements": "str", "choices": list(ACTIONS), "default": ["create"]},
    "on_behalf": {"type": "bool", "default": False},
    "policy_file": {"type": "path"},
}
ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True}


def stage(module: AnsibleModule) -> None:
    """The stage, for whoever runs it."""
    query_one(module, establish)


def main() -> None:
    stage(CloudModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
