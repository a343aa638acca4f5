# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The same for the stage token, with which OpenStack's libraries are imported for the whole run."""

from __future__ import annotations

from ..plugin_utils.control import Control, preload

preload("openstack.config", "oslo_policy.policy")


class ActionModule(Control):
    """See plugin_utils/control.py."""
