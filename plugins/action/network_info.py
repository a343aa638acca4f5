# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stage's door inside Ansible's own worker."""

from __future__ import annotations

from ..modules import network_info as door
from ..plugin_utils.control import Control


class ActionModule(Control):
    """See the module of this name."""

    door = door
