# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module of a door that takes a cloud, which may be a mapping with secrets in it."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from ..core.secrets import register
from .definition import secrets


class CloudModule(AnsibleModule):
    """AnsibleModule that knows the secrets in its parameters before it says anything, its own errors included.

    no_log in the spec would hide every word of the mapping wherever it stands, such as the region's name.
    """

    def _load_params(self) -> None:
        super()._load_params()
        found = secrets(self.params)
        self.no_log_values.update(found)
        register(found)

    def _log_invocation(self) -> None:
        """Nothing is written to the host's log: it sees a mapping as one text, quoted in ways that hide secrets badly.

        The parameter no_log of AnsibleModule is not enough: Ansible's own _ansible_no_log goes over it.
        """
