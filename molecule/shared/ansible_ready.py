# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""To import this, from outside of the collection, is to have what a run of a playbook imports: see warm.py."""

from __future__ import annotations

from ansible_collections.kvmstack.launch.plugins.plugin_utils.standby import make_ready

make_ready()
