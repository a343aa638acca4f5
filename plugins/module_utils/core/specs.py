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

SECURITY_GROUPS = {"security_groups": {"type": "dict", "default": {}}}

# A mapping may hold secrets: cloud/module.py hides these, and not the rest of it as no_log would.
CLOUD = {
    **dict.fromkeys(("cloud", "service_cloud"), {"type": "raw"}),
    "request_id": {"type": "str"},
    "private_path": {"type": "path", "default": "~/.kvmstack/private"},
}

CEPH = {
    "ceph": {
        "type": "dict",
        "apply_defaults": True,
        "options": {
            "pool": {"type": "str", "default": "volumes"},
            "conf": {"type": "path", "default": "/etc/ceph/ceph.conf"},
            "user": {"type": "str", "default": "cinder"},
            "keyring": {"type": "path"},
            "secret_uuid": {"type": "str", "no_log": False},
        },
    }
}

STATE_PATH = {"state_path": {"type": "path", "default": "/var/lib/kvmstack"}}

# The instances' documents, in place of a stage's own list.
INSTANCES = {"instances": {"type": "list", "elements": "dict"}}


def arguments(noun: str, options: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """What a stage's module takes: its own list, of items with these options, or the instances; and more, by spec."""
    own = {noun: {"type": "list", "elements": "dict", **({"options": options} if options else {})}}
    return {
        "argument_spec": {**spec, **own, **INSTANCES},
        "mutually_exclusive": [(noun, "instances")],
        "required_one_of": [(noun, "instances")],
        "supports_check_mode": True,
    }
