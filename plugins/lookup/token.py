# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The token for the one place where a compute host needs it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: token
author:
  - kvmstack contributors (@kvmstack)
short_description: The text of the token
version_added: 1.0.0
description:
  - Gives the token that M(kvmstack.launch.token) left below O(private_path), or a new one when it ends within two
    minutes.
  - The text is a secret. Give it only to an option that is not logged, such as O(kvmstack.launch.image#module:token),
    and never register, print or record it.
extends_documentation_fragment:
  - kvmstack.launch.cloud
options:
  identity:
    description: The identity service. With V(none) the text is empty.
    type: str
    choices: [none, keystone]
    default: keystone
"""

EXAMPLES = r"""
- name: Load an image from Glance
  kvmstack.launch.image:
    images: "{{ wanted }}"
    token: "{{ lookup('kvmstack.launch.token', cloud='demo') }}"
    token_url: https://glance.example.org:9292/
"""

RETURN = r"""
_raw:
  description: The text of the token, or an empty text.
  type: list
  elements: str
"""

from ansible.errors import AnsibleError
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.lookup import LookupBase

from ..module_utils.cloud.definition import secrets
from ..module_utils.cloud.session import connect
from ..module_utils.core.errors import LaunchError, MissingLibrary
from ..module_utils.core.secrets import hide
from ..module_utils.core.specs import CLOUD


class LookupModule(LookupBase):
    """lookup('kvmstack.launch.token', cloud=...)"""

    def run(self, terms, variables=None, **kwargs):
        """A list of one text."""
        self.set_options(var_options=variables, direct=kwargs)
        if self.get_option("identity") == "none":
            return [""]
        params = {name: self.get_option(name) for name in CLOUD}
        try:
            return [connect(params).token]
        except MissingLibrary as error:
            raise AnsibleError(missing_required_lib(error.library)) from error
        except LaunchError as error:
            raise AnsibleError(hide(str(error), secrets(params))) from error
