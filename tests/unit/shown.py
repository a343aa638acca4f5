# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a user sees of a result. Since ansible-core 2.22 secrets are taken out of what is shown when it is shown."""

from __future__ import annotations

import json


def shown(text):
    """A text without the secrets that this process knows of."""
    try:
        from ansible.module_utils.secrets import mask_secrets
    except ImportError:
        return text
    return mask_secrets(text, mask_placeholder="********")


def result_of(output):
    """The result that a module's process printed, without the secrets that it told beside it."""
    result = json.loads(output)
    secrets = result.pop("_ansible_new_secrets", [])
    text = json.dumps(result)
    for secret in secrets:
        text = text.replace(json.dumps(secret)[1:-1], "********")
    return json.loads(text)
