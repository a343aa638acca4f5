# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Argument specs that stages share; plugins/doc_fragments has the same words for people."""

from __future__ import annotations

from typing import Any

REQUIRED = {"type": "str", "required": True}

STATE = {"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}}

# A URL may hold a password.
DATABASE = {"database": {"type": "str", "required": True, "no_log": True}}

PROJECT = {"project_id": {"type": "str", "default": "default"}}

# An empty text is the default, or none.
NORTHBOUND = {
    "ovn": {
        "type": "dict",
        "apply_defaults": True,
        "options": {
            "northbound": {"type": "str", "default": "unix:/run/ovn/ovnnb_db.sock"},
            "private_key": {"type": "path", "no_log": False},
            "certificate": {"type": "path"},
            "ca_certificate": {"type": "path"},
        },
    }
}

SECRET = {"type": "str", "no_log": True}
AUTH = {
    **dict.fromkeys(("auth_url", "username", "user_id", "user_domain_name", "user_domain_id"), {"type": "str"}),
    **dict.fromkeys(("project_name", "project_id", "project_domain_name", "project_domain_id"), {"type": "str"}),
    **dict.fromkeys(("domain_name", "domain_id", "system_scope"), {"type": "str"}),
    **dict.fromkeys(("application_credential_id", "application_credential_name"), {"type": "str"}),
    **dict.fromkeys(("password", "application_credential_secret", "token"), SECRET),
}
CLOUD = {
    **dict.fromkeys(("cloud", "auth_type", "region_name", "service_cloud", "request_id"), {"type": "str"}),
    "auth": {"type": "dict", "options": AUTH},
    "interface": {"type": "str", "choices": ["public", "internal", "admin"], "default": "public"},
    "ca_cert": {"type": "path"},
    "private_path": {"type": "path", "default": "~/.kvmstack/private"},
}

STATE_PATH = {"state_path": {"type": "path", "default": "/var/lib/kvmstack"}}


def listed(noun: str, **options: Any) -> dict[str, Any]:
    """The list a stage takes: a required list of dictionaries with these options."""
    return {noun: {"type": "list", "elements": "dict", "required": True, "options": options}}
