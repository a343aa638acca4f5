# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The door of a stage on the controller inside Ansible's own worker; meta/runtime.yml says of which modules."""

from __future__ import annotations

from contextlib import suppress

from ..module_utils.core.errors import MissingLibrary
from ..module_utils.network.ovn.northbound import library
from ..module_utils.record.schema import schema
from ..plugin_utils.control import MODULES, Control, preload

# What nearly every task of a run needs: the doors with their rooms, and the record's tables.
with suppress(MissingLibrary):
    library()
preload(
    "sqlalchemy",
    "sqlalchemy.dialects.sqlite",
    *(MODULES + "." + name for name in ("instance", "schedule", "network", "port", "instance_update")),
)
with suppress(ImportError):
    schema()


class ActionModule(Control):
    """See plugin_utils/control.py."""
