#!/usr/bin/python
# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The query of the front door's queue."""

from __future__ import annotations

DOCUMENTATION = r"""
module: queue_info
short_description: List what is asked for and not yet done
version_added: 1.0.0
description:
  - Lists the requests that the Compute API has accepted and no worker has done yet, with their age, and the workers.
  - It reads the record only. What it shows has nothing secret; user data, which a request may have, is left out.
extends_documentation_fragment:
  - kvmstack.launch.database
  - kvmstack.launch.project
  - kvmstack.launch.stage.query
options:
  all_projects:
    description: Whether to list the requests of all projects, for administrators.
    type: bool
    default: false
seealso:
  - module: kvmstack.launch.instance_info
"""

EXAMPLES = r"""
- name: See what waits
  kvmstack.launch.queue_info:
    database: sqlite:////var/lib/launch.db
    all_projects: true
  register: launch_queue

- name: Tell of a queue that nobody works on
  ansible.builtin.fail:
    msg: "{{ launch_queue.queue.length }} requests wait, and no worker is alive"
  when: launch_queue.queue.length > 0 and launch_queue.queue.workers_alive == 0
"""

RETURN = r"""
queue:
  description: The queue in numbers.
  returned: always
  type: dict
  contains:
    length:
      description: Requests, of whatever state.
      type: int
      returned: always
    waiting:
      description: Requests that nobody has.
      type: int
      returned: always
    put_off:
      description: Requests that were tried, and are tried again in a while.
      type: int
      returned: always
    running:
      description: Requests that a worker does.
      type: int
      returned: always
    lost:
      description: Requests whose worker is not heard of any more; the next that looks takes them over.
      type: int
      returned: always
    oldest:
      description: The age of the oldest request in seconds; null where there is none.
      type: float
      returned: always
    workers_alive:
      description: Workers that were heard of in the last 30 seconds.
      type: int
      returned: always
requests:
  description: The requests, the oldest first, one an instance.
  returned: always
  type: list
  elements: dict
  contains:
    instance_uuid:
      description: The instance that it is for.
      type: str
      returned: always
    project_id:
      description: Its project.
      type: str
      returned: always
    name:
      description: Its name.
      type: str
      returned: always
    action:
      description: What is to be done, as nova calls it, such as V(create), V(delete), V(stop) and V(start).
      type: str
      returned: always
    request_id:
      description: The id by which the logs and the instance's actions name it.
      type: str
      returned: always
    state:
      description: V(waiting), V(put_off), V(running) or V(lost).
      type: str
      returned: always
    since:
      description: When it was accepted, in UTC.
      type: str
      returned: always
    age:
      description: Seconds since it was accepted.
      type: float
      returned: always
    attempts:
      description: How often a worker has begun it.
      type: int
      returned: always
    last_error:
      description: Why the last attempt has failed; null if none has.
      type: str
      returned: always
    worker:
      description: The worker that has it; null if nobody has.
      type: str
      returned: always
    until:
      description: Until when the worker has it, or when it is tried again, in UTC; null if it waits for nothing.
      type: str
      returned: always
workers:
  description: The workers of all projects, by host.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The worker, as its host, its process and the start of that.
      type: str
      returned: always
    host:
      description: The host that it runs on.
      type: str
      returned: always
    since:
      description: When it began, in UTC.
      type: str
      returned: always
    seen_at:
      description: When it was last heard of, in UTC.
      type: str
      returned: always
    runs:
      description: How many playbooks it had then.
      type: int
      returned: always
    transport:
      description: Whether it listens to a message queue.
      type: bool
      returned: always
    alive:
      description: Whether it was heard of in the last 30 seconds, and is not known to have died.
      type: bool
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.run import failing
from ..module_utils.core.specs import DATABASE, PROJECT
from ..module_utils.service import queue

SPEC = {**DATABASE, **PROJECT, "all_projects": {"type": "bool", "default": False}}
ARGUMENTS = {"argument_spec": SPEC, "supports_check_mode": True}


def stage(module: AnsibleModule) -> None:
    """The query, for whoever runs it."""
    with failing(module):
        found = queue.find(module.params)
    module.exit_json(changed=False, **found)


def main() -> None:
    stage(AnsibleModule(**ARGUMENTS))


if __name__ == "__main__":
    main()
