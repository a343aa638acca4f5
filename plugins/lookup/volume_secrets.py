# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The CHAP passwords of volumes, for the modules build and domain."""

from __future__ import annotations

DOCUMENTATION = r"""
name: volume_secrets
short_description: The CHAP passwords of iSCSI volumes
version_added: 1.0.0
description:
  - Reads what M(kvmstack.launch.volume) wrote below C(private_path) when it attached volumes that need a password.
  - The result is meant for a parameter that is not logged. Do not put it into a variable.
  - It is one text, as what must not be shown is masked wherever it occurs, and a mapping's values would each be.
options:
  _terms:
    description: The volumes, by the service's id (C(volume_id)), as many arguments or as lists of them.
    required: true
    type: list
    elements: raw
  private_path:
    description: Where M(kvmstack.launch.volume) keeps secrets.
    type: path
    default: ~/.kvmstack/private
author:
  - kvmstack contributors (@kvmstack)
"""

EXAMPLES = r"""
- name: Build instances, with the passwords of their volumes
  kvmstack.launch.build:
    instances: "{{ mine }}"
    volume_secrets: "{{ lookup('kvmstack.launch.volume_secrets', volume_ids) }}"
  vars:
    mine: "{{ launch.instances | kvmstack.launch.on_host(inventory_hostname) }}"
    volume_ids: "{{ mine | map(attribute='volumes') | flatten | map(attribute='volume_id') }}"
"""

RETURN = r"""
_raw:
  description:
    - The text of a JSON object, passwords by volume; those that need none are not in it. An empty text if none does.
  type: list
  elements: str
"""

import json

from ansible.plugins.lookup import LookupBase

from ..module_utils.volume.cinder.chap import load


class LookupModule(LookupBase):
    """One text for all volumes asked for."""

    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        volumes = [one for term in terms for one in (term if isinstance(term, (list, tuple)) else [term]) if one]
        passwords = {str(one): load(self.get_option("private_path"), str(one)) for one in volumes}
        found = {one: password for one, password in passwords.items() if password is not None}
        return [json.dumps(found) if found else ""]
