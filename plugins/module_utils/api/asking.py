# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What clients ask of their servers: whether that makes sense now, in nova's words where it does not."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from ..instance.model import Instance
from ..record import server_extras
from ..schedule.host_state import DEFAULT_ZONE
from . import reading
from .accepting import Accepting
from .asked import Asked
from .entry import entry_of, user_data_of
from .errors import ApiError
from .front import Front
from .model import Server
from .views.hosts import zones

# What an action of a server asks for: its entry's state, and nova's word for it.
STATES = {"os-stop": ("stopped", "stop"), "os-start": ("started", "start")}


def create(front: Front, asked: Asked, body: Mapping[str, Any]) -> list[Instance]:
    """The instances that a body of POST /servers asks for, all of them or none."""
    server = body["server"]
    if asked.version < 42 and any(each.get("tag") for each in server.get("block_device_mapping_v2") or ()):
        raise ApiError(400, "block_device_mapping_v2: tag: devices have no tags here")
    mine = {key["name"]: key["public_key"] for key in reading.keys(front, asked.identity.user_id or "")}
    entry = entry_of(body, front.known, asked.project_id, mine)
    _check_zone(front, entry.get("availability_zone"))
    least, most = _counts(server)
    names = [entry["name"]] if most == 1 else ["%s-%d" % (entry["name"], place + 1) for place in range(most)]
    if most > 1 and any(network.get("fixed_ip") for network in entry.get("networks") or ()):
        raise ApiError(400, "Invalid fixed IP for several servers: each needs its own.")
    extras = {
        "key_name": server.get("key_name"),
        "description": server.get("description"),
        "tags": sorted(set(server.get("tags") or ())),
        "access_ip_v4": server.get("accessIPv4") or None,
        "access_ip_v6": server.get("accessIPv6") or None,
    }
    accepting = Accepting(front, asked, "create", user_data_of(server))
    return accepting.new([{**entry, "name": name} for name in names], least, extras)


def _counts(server: Mapping[str, Any]) -> tuple[int, int]:
    least = int(server.get("min_count", 1))
    most = int(server.get("max_count", least))
    if least > most:
        raise ApiError(400, "min_count must be <= max_count")
    return least, most


def _check_zone(front: Front, zone: str | None) -> None:
    if zone is None or zone == DEFAULT_ZONE:
        return
    known = {each["zoneName"] for each in zones(reading.hosts(front), detail=False) if each["zoneState"]["available"]}
    if zone not in known:
        raise ApiError(400, "The requested availability zone is not available")


def delete(front: Front, asked: Asked, server_id: str) -> None:
    """Let a server go, whatever is being done for it: who does that ends it, and then takes it away."""
    server = reading.one(front, asked, server_id)
    if server.task_state == "deleting" and server.pending == "delete":
        return
    entry = {"name": server.instance.name, "state": "absent"}
    Accepting(front, asked, "delete").change(server, entry, even_busy=True)


def act(front: Front, asked: Asked, server_id: str, action: str) -> None:
    """Start or stop a server that is the other and rests; ApiError 409 for one that does not."""
    server = reading.one(front, asked, server_id)
    if action == "forceDelete":  # there is no other way to delete here
        return delete(front, asked, server_id)
    if action not in STATES:
        raise _beyond(action)
    state, word = STATES[action]
    _check_rests(server, word)
    if (server.status == "SHUTOFF") == (state == "stopped"):
        raise _in_state(server, word, "vm_state", server.instance.vm_state)
    return Accepting(front, asked, word).change(server, _as_it_is(server, state=state))


def _check_rests(server: Server, word: str) -> None:
    """ApiError 409 for a server with which something is being done, or that has never run."""
    if server.task_state is not None:
        raise _in_state(server, word, "task_state", server.task_state)
    if not server.instance.launched:
        raise _in_state(server, word, "vm_state", server.instance.vm_state)


def _beyond(action: str) -> ApiError:
    """Why nothing comes of an action: 400 for what is none, 501 where nova says that a driver cannot, else 409."""
    if action in CANNOT:
        return ApiError(CANNOT[action], "%s: this API cannot do it: its servers start, stop and go." % action)
    return ApiError(400, "There is no such action: %.80s" % action)


def _in_state(server: Server, word: str, attribute: str, value: str) -> ApiError:
    return ApiError(409, "Cannot '%s' instance %s while it is in %s %s" % (word, server.id, attribute, value))


# What nova's servers can do and these cannot, by the status that says so.
CANNOT = {
    **dict.fromkeys(
        (
            "addSecurityGroup", "removeSecurityGroup", "changePassword", "confirmResize", "createBackup", "createImage",
            "evacuate", "lock", "migrate", "os-migrateLive", "os-resetState", "os-resetNetwork",
            "injectNetworkInfo", "pause", "reboot", "rebuild", "rescue", "resize", "restore", "resume", "revertResize",
            "shelve", "shelveOffload", "suspend", "trigger_crash_dump", "unlock", "unpause", "unrescue", "unshelve",
            "addFloatingIp", "removeFloatingIp", "addFixedIp", "removeFixedIp",
        ),
        409,
    ),
    **dict.fromkeys(
        (
            "os-getConsoleOutput", "os-getVNCConsole", "os-getSPICEConsole", "os-getRDPConsole", "os-getSerialConsole",
        ),
        501,
    ),
}  # fmt: skip


def set_metadata(
    front: Front, asked: Asked, server_id: str, change: Callable[[Mapping[str, str]], Mapping[str, str]]
) -> dict[str, str]:
    """What a server's metadata becomes: in the record at once, in its guest's description when a worker comes by."""
    server = reading.one(front, asked, server_id)
    _check_rests(server, "update metadata of")
    metadata = dict(change(server.instance.metadata))
    Accepting(front, asked, "metadata").change(server, _as_it_is(server, metadata=metadata))
    return metadata


def _as_it_is(server: Server, **changes: Any) -> dict[str, Any]:
    """The entry of an instance that was launched, which asks for no more than these changes."""
    return {"name": server.instance.name, "state": server.instance.target_state, **changes}


def describe(front: Front, asked: Asked, server_id: str, said: Mapping[str, Any]) -> None:
    """What is said of a server: its description and access addresses."""
    server = reading.one(front, asked, server_id)
    for word in ("name", "hostname"):
        if said.get(word, server.instance.name) != server.instance.name:
            raise ApiError(409, "%s: a server is called %s for as long as it is there" % (word, server.instance.name))
    fields = {"description": "description", "accessIPv4": "access_ip_v4", "accessIPv6": "access_ip_v6"}
    keep(front, asked, server_id, {fields[key]: value or None for key, value in said.items() if key in fields})


def keep(front: Front, asked: Asked, server_id: str, values: dict[str, Any]) -> None:
    """Keep something of a server that is for the API's clients only."""
    server = reading.one(front, asked, server_id)
    if values:
        front.database.write(lambda connection: server_extras.write(front.database, connection, server.id, values))
