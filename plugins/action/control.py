# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The door of a stage on the controller inside Ansible's own worker; meta/runtime.yml says of which modules."""

from __future__ import annotations

from ..plugin_utils.control import Control, preload

preload("sqlalchemy")


class ActionModule(Control):
    """See plugin_utils/control.py."""
