# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the services of the front door, the API and its workers, are told: one YAML file, which both read.

What a launch is told, the record among it, is not said again there but taken from the same inventories and variables
(definitions.py).
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any, Mapping
from urllib.parse import urlsplit

from ..core.convert import choice, mapping, printable, sequence, whole
from ..core.errors import InvalidRequest, LaunchError, MissingLibrary

OF_TRANSPORT = ("transport", "transport_password_file", "notification_format")
OF_CACHE = ("memcached_servers", "memcache_security_strategy", "memcache_secret_key_file")
KEYS = ("inventory", "extra_vars", "state_path", "listen", "runs", "deadline", *OF_TRANSPORT, *OF_CACHE)
# The variable that names the file, where nothing else does.
VARIABLE = "KVMSTACK_DOOR"

STATE_PATH = "~/.kvmstack/door"
LISTEN = "127.0.0.1:8774"
RUNS = 2
DEADLINE = 3600  # seconds
# Nova's option of this name.
NOTIFICATION_FORMATS = ("versioned", "unversioned", "both")
# keystonemiddleware's; without its secret key there is none.
SECURITY_STRATEGIES = ("ENCRYPT", "MAC")


@dataclass(frozen=True)
class Settings:
    """The settings of API and workers; every path is absolute.

    inventory and extra_vars are files that ansible-playbook is given with -i and -e @. state_path is a folder of the
    services' own user alone: what the launch is told, and the sockets that wake workers. listen is where the API is,
    an address and port or unix: and a path. runs is how many playbooks one worker has at most at a time, and deadline
    for how many seconds each. transport is the URL of a message queue, rabbit://user@host:port/vhost, whose password is
    in a file of its own; without it workers are woken on their own machine alone. notification_format says which
    notifications workers send there; None for none.

    memcached_servers are those in which the API keeps what Keystone said of tokens, address:port each; without any it
    keeps that itself. memcache_secret_key_file has the key by which it is protected there, memcache_security_strategy
    how: ENCRYPT, or MAC, which everybody there can read and nobody change.
    """

    inventory: tuple[str, ...]
    extra_vars: tuple[str, ...] = ()
    state_path: str = STATE_PATH
    listen: str = LISTEN
    runs: int = RUNS
    deadline: int = DEADLINE
    transport: str | None = None
    transport_password_file: str | None = None
    notification_format: str | None = None
    memcached_servers: tuple[str, ...] = ()
    memcache_security_strategy: str | None = None
    memcache_secret_key_file: str | None = None

    @property
    def definitions_path(self) -> str:
        """The file of what a launch is told (definitions.py)."""
        return os.path.join(self.state_path, "definitions.json")

    @property
    def wake_path(self) -> str:
        """The folder of the sockets on which workers are woken (wake.py)."""
        return os.path.join(self.state_path, "wake")

    def options(self) -> list[str]:
        """Those of ansible-playbook that say where, and as the site says."""
        given = [option for path in self.inventory for option in ("--inventory", path)]
        return given + [option for path in self.extra_vars for option in ("--extra-vars", "@" + path)]


def named(path: str | None = None) -> Settings:
    """The settings in a file: this one, or the one that the environment names; InvalidRequest as read's."""
    path = path or os.environ.get(VARIABLE)
    if not path:
        raise InvalidRequest("settings: name their file, in the variable %s" % VARIABLE)
    return read(path)


def why_not(error: LaunchError) -> str:
    """Why a service cannot be, as its user is told."""
    if isinstance(error, MissingLibrary):
        return "%s is missing in %s: pip install it there" % (error, sys.executable)
    return str(error)


def read(path: str) -> Settings:
    """The settings in a file; InvalidRequest says what is wrong there. Its relative paths are those beside it."""
    try:
        import yaml
    except ImportError:
        raise MissingLibrary("PyYAML") from None
    try:
        with open(path, encoding="utf-8") as file:
            said = yaml.safe_load(file)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest("settings %s: %s" % (path, getattr(error, "strerror", None) or error)) from None
    except yaml.YAMLError as error:
        raise InvalidRequest("settings %s: this is no YAML: %s" % (path, " ".join(str(error).split()))) from None
    try:
        return parse(said or {}, os.path.dirname(os.path.abspath(path)))
    except InvalidRequest as error:
        raise InvalidRequest("settings %s: %s" % (path, error)) from None


def parse(said: Any, folder: str) -> Settings:
    """The settings that a mapping has; relative paths are below this folder."""
    given = {key: value for key, value in mapping(said, "door", KEYS).items() if value is not None}
    inventory = _paths(given.get("inventory", []), "inventory", folder)
    if not inventory:
        raise InvalidRequest("inventory is missing: name the inventory of the compute hosts")
    return Settings(
        inventory=inventory,
        extra_vars=_paths(given.get("extra_vars", []), "extra_vars", folder),
        listen=_listen(given.get("listen", LISTEN), folder),
        runs=whole(given.get("runs", RUNS), "runs", least=1, most=100),
        deadline=whole(given.get("deadline", DEADLINE), "deadline", least=60, most=86400),
        **_waking(given, folder),
        **_cache(given, folder),
    )


def of_workers(said: Mapping[str, Any]) -> Settings:
    """Where workers are woken, as one says who is no service and needs nothing else of the settings: state_path,
    transport and transport_password_file, each empty where there is none."""
    given = {key: value for key, value in said.items() if key in ("state_path", *OF_TRANSPORT) and value}
    return Settings(inventory=(), **_waking(given, os.getcwd()))


def _waking(given: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """The settings of waking workers, and of what else goes by the transport."""
    transport = _transport(given["transport"]) if "transport" in given else None
    for key in OF_TRANSPORT[1:]:
        if key in given and transport is None:
            raise InvalidRequest("%s: there is no transport for it: name one, such as %s" % (key, TRANSPORT))
    return {
        "state_path": _path(given.get("state_path", STATE_PATH), "state_path", folder),
        "transport": transport,
        "transport_password_file": _one(given, "transport_password_file", lambda *of: _path(*of, folder)),
        "notification_format": _one(given, "notification_format", lambda *of: choice(*of, NOTIFICATION_FORMATS)),
    }


def _cache(given: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """The settings of what keeps what Keystone said."""
    servers, strategy, key = OF_CACHE
    if not given.get(servers) and (strategy in given or key in given):
        raise InvalidRequest("%s: is missing: there is nothing to protect elsewhere" % servers)
    if strategy in given and key not in given:
        raise InvalidRequest("%s: %s needs a secret key: name its file, in %s" % (strategy, given[strategy], key))
    chosen = _one({strategy: SECURITY_STRATEGIES[0], **given}, strategy, lambda *of: choice(*of, SECURITY_STRATEGIES))
    return {
        servers: tuple(printable(each, servers) for each in sequence(given.get(servers, []), servers)),
        strategy: chosen if key in given else None,
        key: _one(given, key, lambda *of: _path(*of, folder)),
    }


def _one(given: Mapping[str, Any], key: str, convert: Any) -> Any:
    return convert(given[key], key) if key in given else None


def _paths(value: Any, what: str, folder: str) -> tuple[str, ...]:
    """A list of paths; one alone may be given as it is."""
    values = [value] if isinstance(value, str) else sequence(value, what)
    return tuple(_path(each, "%s[%d]" % (what, index), folder) for index, each in enumerate(values))


def _path(value: Any, what: str, folder: str) -> str:
    return os.path.normpath(os.path.join(folder, os.path.expanduser(printable(value, what, longest=4096))))


def brokers(url: str) -> list[tuple[str, str]]:
    """The brokers of a transport's URL: of each the user, with the password where there is one, and where it is."""
    servers = [server.rpartition("@") for server in urlsplit(url).netloc.split(",")]
    return [(user, place) for user, _at, place in servers]


TRANSPORT = "rabbit://launch@192.0.2.10:5672/launch"


def _transport(value: Any) -> str:
    """The URL of a message queue, without a password: it would be seen where the settings are."""
    said = printable(value, "transport", longest=4096)
    if any(":" in user for user, _place in brokers(said)):
        raise InvalidRequest("transport: a password does not belong here: name its file, in transport_password_file")
    if urlsplit(said).scheme != "rabbit" or not all(place for _user, place in brokers(said)):
        raise InvalidRequest("transport: a URL such as %s is needed" % TRANSPORT)
    return said


def _listen(value: Any, folder: str) -> str:
    """An address and port, or unix: and a path."""
    said = printable(value, "listen")
    if said.startswith("unix:"):
        return "unix:" + _path(said[len("unix:") :], "listen", folder)
    address, colon, port = said.rpartition(":")
    if not colon or not address:
        raise InvalidRequest("listen: %s: an address and port such as %s, or unix:/path, is needed" % (said, LISTEN))
    whole(port, "listen: the port", least=1, most=65535)
    return said
