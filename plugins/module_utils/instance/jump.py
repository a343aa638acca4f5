# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How ssh reaches a guest: straight, or through the compute host that it runs on; pure."""

from __future__ import annotations

import shlex
from typing import Any, Mapping

from ..core.names import bracketed

# What Ansible itself would reach the compute host with, each under its names, the one that counts first.
ADDRESS = ("ansible_ssh_host", "ansible_host")
USER = ("ansible_ssh_user", "ansible_user")
PORT = ("ansible_ssh_port", "ansible_port")
KEY = ("ansible_ssh_private_key_file", "ansible_private_key_file")
MORE = ("ansible_ssh_common_args", "ansible_ssh_extra_args")

LOCAL = ("local", "ansible.builtin.local")


def is_local(variables: Mapping[str, Any]) -> bool:
    """Whether the compute host of these variables is the controller itself, which needs no ssh to its guests."""
    return variables.get("ansible_connection") in LOCAL


def option(host: str, variables: Mapping[str, Any]) -> str:
    """The option of ssh by which it jumps over a compute host; a text to be split as a shell does.

    ProxyJump takes no key and no options of the jump, ssh(1): where the host has some, it is a ProxyCommand.
    """
    address, user, port = _said(variables, ADDRESS) or host, _said(variables, USER), _said(variables, PORT)
    key, more = _said(variables, KEY), [str(variables[name]) for name in MORE if variables.get(name)]
    if not key and not more:
        jump = "%s%s%s" % (user + "@" if user else "", bracketed(address), ":" + port if port else "")
        return "-o " + shlex.quote("ProxyJump=" + jump)
    words = ["ssh", *(word for text in more for word in shlex.split(text))]
    for letter, value in (("-i", key), ("-l", user), ("-p", port)):
        words += [letter, value] if value else []
    # ssh replaces its own %h and %p, and gives the rest to a shell.
    command = " ".join(shlex.quote(word).replace("%", "%%") for word in words)
    return "-o " + shlex.quote("ProxyCommand=%s -W [%%h]:%%p %s" % (command, shlex.quote(address)))


def _said(variables: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((str(variables[name]) for name in names if variables.get(name)), None)
