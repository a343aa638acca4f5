# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A module's own time: patched in the module that is tested, as other threads go on sleeping by the real one."""

from __future__ import annotations

import time
from types import SimpleNamespace


def sleeping(sleep):
    """The module time, but for its sleep."""
    return SimpleNamespace(**{**vars(time), "sleep": sleep})
