# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a user sees of a result."""

from __future__ import annotations


def shown(text):
    """Since ansible-core 2.22 secrets are taken out of what is shown when it is shown."""
    try:
        from ansible.module_utils.secrets import mask_secrets
    except ImportError:
        return text
    return mask_secrets(text, mask_placeholder="********")
