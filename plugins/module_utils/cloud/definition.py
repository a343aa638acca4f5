# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An account of a cloud as the user defines it: a name in clouds.yaml, or a mapping as an entry there; pure.

A mapping may hold secrets. `secrets` finds them, so that they, and nothing else of the mapping, are hidden everywhere.
"""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Iterator, Mapping

from ansible.module_utils.parsing.convert_bool import boolean

from ..core.errors import InvalidRequest

# The options of a door that define an account.
OPTIONS = ("cloud", "service_cloud")
INTERFACES = ("public", "internal", "admin")
# How the keys end whose values are secrets: password, application_credential_secret, client_secret, token, passcode.
SECRET = ("password", "secret", "token", "passcode")


def parse(params: Mapping[str, Any], option: str) -> str | dict[str, Any] | None:
    """What an option says: a name, a mapping with every value of its kind, or None if it says nothing.

    InvalidRequest that names the key which is unknown or of the wrong kind, and never shows its value.
    """
    value = _decoded(params.get(option))
    if isinstance(value, str):
        if value.lstrip().startswith("{"):
            raise InvalidRequest("%s: is neither a name in clouds.yaml nor a mapping in JSON" % option)
        return value.strip() or None
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise InvalidRequest("%s: has to be a name in clouds.yaml or a mapping, not %s" % (option, _kind(value)))
    return _mapping(option, value, ENTRY) or None


def secrets(params: Mapping[str, Any]) -> set[str]:
    """The values of all passwords, secrets and tokens in the mappings, as they are and as Python and JSON quote them.

    A mapping that came as JSON is hidden as a whole.
    """
    found = {text for option in OPTIONS for text in _secrets(_decoded(params.get(option)))}
    found |= {quoted for text in found for quoted in (repr(text)[1:-1], json.dumps(text)[1:-1])}
    texts = [params.get(option) for option in OPTIONS]
    return found | {text for text in texts if isinstance(text, str) and text.lstrip().startswith("{")}


def _secrets(value: Any, secret: bool = False) -> Iterator[str]:
    """The texts below keys that say that they are secrets, however deep."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _secrets(inner, secret or str(key).lower().endswith(SECRET))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _secrets(inner, secret)
    elif secret and value not in (None, "", True, False):
        yield str(value)


def _decoded(value: Any) -> Any:
    """The mapping that a text in JSON stands for, as `-e` and templates may give it; anything else as it is."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            pass
    return value


def _mapping(where: str, value: Any, kinds: Mapping[str, Callable[[str, Any], Any]]) -> dict[str, Any]:
    """The mapping without what is None or an empty text, each value converted by its key's kind."""
    if not isinstance(value, Mapping):
        raise InvalidRequest("%s: has to be a mapping, not %s" % (where, _kind(value)))
    unknown = sorted(str(key) for key in value if key not in kinds)
    if unknown:
        raise InvalidRequest(
            "%s: %s is not known; what can be given is %s" % (where, ", ".join(unknown), ", ".join(sorted(kinds)))
        )
    given = {key: inner for key, inner in value.items() if inner not in (None, "")}
    found = {key: kinds[key]("%s.%s" % (where, key), inner) for key, inner in given.items()}
    return {key: inner for key, inner in found.items() if inner != {}}


def _text(where: str, value: Any) -> str:
    """A text, or the whole number that YAML takes it for."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise InvalidRequest("%s: has to be a text, not %s: quote it" % (where, _kind(value)))
    return str(value)


def _path(where: str, value: Any) -> str:
    return os.path.expanduser(os.path.expandvars(_text(where, value)))


def _bool(where: str, value: Any) -> bool:
    try:
        return boolean(value)
    except TypeError as error:
        raise InvalidRequest("%s: has to be true or false, not %s" % (where, _kind(value))) from error


def _interface(where: str, value: Any) -> str:
    if value not in INTERFACES:
        raise InvalidRequest("%s: has to be one of %s" % (where, ", ".join(INTERFACES)))
    return value


def _auth(where: str, value: Any) -> dict[str, Any]:
    return _mapping(where, value, AUTH)


def _kind(value: Any) -> str:
    """The kind of a value in YAML's words; the value itself may be a secret."""
    kinds = ((bool, "true or false"), ((int, float), "a number"), (str, "a text"), ((list, tuple), "a list"))
    return next((words for kind, words in kinds if isinstance(value, kind)), "a mapping")


# The keys of a mapping's section auth that keystoneauth's password, token, application credential and TOTP take.
AUTH = dict.fromkeys(
    (
        *("auth_url", "username", "user_id", "user_domain_name", "user_domain_id"),
        *("project_name", "project_id", "project_domain_name", "project_domain_id"),
        *("domain_name", "domain_id", "default_domain_name", "default_domain_id", "system_scope", "trust_id"),
        *("application_credential_id", "application_credential_name", "application_credential_secret"),
        *("password", "passcode", "token"),
    ),
    _text,
)
# The keys of an entry of clouds.yaml that concern what is asked of a cloud here.
ENTRY = {
    "auth": _auth,
    "interface": _interface,
    "verify": _bool,
    # Another entry, of which this one says what is otherwise, such as its project.
    "cloud": _text,
    **dict.fromkeys(("auth_type", "region_name"), _text),
    **dict.fromkeys(("cacert", "cert", "key"), _path),
    **dict.fromkeys(
        ["%s_endpoint_override" % service for service in ("identity", "image", "network", "block_storage")], _text
    ),
}
