# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must not be shown, under any ansible-core.

Since 2.22 it hides by itself, wherever something is shown, what it was told is a secret. Before that, who says
something hides it there.
"""

from __future__ import annotations

from typing import Any, Iterable

register_secrets = remove_values = None
try:
    from ansible.module_utils.secrets import register_secrets
except ImportError:
    from ansible.module_utils.common.parameters import remove_values


def register(secrets: Iterable[str]) -> None:
    """Have Ansible hide these, where it can be told."""
    if register_secrets:
        register_secrets(secrets)


def hide(value: Any, secrets: Iterable[str]) -> Any:
    """The value as it may be said."""
    register(secrets)
    return remove_values(value, secrets) if remove_values else value
