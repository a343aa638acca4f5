# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Trunks of Neutron's: the sub-ports of a port of ours, each by its VLAN.

A trunk is made for a port that is to have sub-ports, and goes with it. Neutron binds sub-ports where their parent is;
they are no device's. What a port is in says trunk_details, which its parent has.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Iterable, Mapping, NamedTuple

from ...core.change import Change
from ...core.errors import Conflict, InvalidRequest, LaunchError, NotFound
from . import rows
from .item import Port, label
from .names import mark


class Place(NamedTuple):
    """Where a sub-port is: in this trunk, of this port of ours and this device."""

    trunk_id: str
    vlan: int
    parent: str | None
    device: str


def places_in(parents: Iterable[rows.Row]) -> dict[str, Place]:
    """The places of the sub-ports that these ports have, by neutron's ids."""
    found = {}
    for row in parents:
        trunk = row.get("trunk_details") or {}
        for each in trunk.get("sub_ports") or ():
            found[each["port_id"]] = Place(
                trunk["trunk_id"], each["segmentation_id"], rows.identity(row), row.get("device_id") or ""
            )
    return found


def make_trunk(view: Any, before: Port, after: Port) -> Port:
    """The port as the parent of sub-ports that it is to be; none is there yet."""
    if not after.trunk or before.trunk:
        return after
    body = {"port_id": before.port_id, "name": after.name, "description": mark(after.id)}
    try:
        trunk = view.user.post("trunks", {"trunk": body}, "trunk of %s" % label(after))["trunk"]
    except NotFound as error:
        raise InvalidRequest("a port has sub-ports where Neutron has its extension trunk: %s" % error) from error
    return replace(after, trunk_id=trunk["id"])


def join(view: Any, changes: Iterable[Change], ports: Mapping[str, Any]) -> dict[str, LaunchError]:
    """Put sub-ports that are there to their parents, by their VLANs; by key why one could not be.

    ports are those that there are, by our ids.
    """
    moving: dict[str, list[tuple[Change, Port]]] = {}
    for change in changes:
        made, before = ports.get(change.key), change.before
        if isinstance(made, Port) and made.parent and (before is None or _seat(before) != _seat(made)):
            moving.setdefault(made.parent, []).append((change, made))
    failed: dict[str, LaunchError] = {}
    for parent, group in moving.items():
        try:
            _join(view, ports.get(parent), [made for _change, made in group])
        except LaunchError as error:
            failed.update({change.key: error for change, _made in group})
    return failed


def leave(view: Any, changes: Iterable[Change]) -> dict[str, LaunchError]:
    """Take what is to be removed out of its trunk, and trunks from ports that are to be removed; by key why not."""
    failed: dict[str, LaunchError] = {}
    going = [change for change in changes if change.after is None and change.before is not None]
    gone = set()
    for change in going:
        port = change.before
        if port.trunk_id and not port.adopted:
            gone.add(port.trunk_id)
            _attempt(failed, [change], lambda port=port: _remove_trunk(view, port))
    by_trunk: dict[str, list[Change]] = {}
    for change in going:
        place = view.places.get(change.before.port_id)
        if place is not None and place.trunk_id not in gone:
            by_trunk.setdefault(place.trunk_id, []).append(change)
    for trunk_id, group in by_trunk.items():
        ids = [str(change.before.port_id) for change in group]
        _attempt(failed, group, lambda trunk_id=trunk_id, ids=ids: _take_out(view, trunk_id, ids))
    return failed


def _seat(port: Port) -> tuple[str | None, int | None]:
    return port.parent, port.vlan


def _join(view: Any, parent: Any, subports: list[Port]) -> None:
    if not isinstance(parent, Port) or not parent.trunk_id:
        raise NotFound("its parent has no trunk: make that port first, in one request with its sub-ports")
    vlans = {port.vlan for port in subports}
    ids = {port.port_id for port in subports}
    there = {port_id: place for port_id, place in view.places.items() if place.trunk_id == parent.trunk_id}
    seated = [port_id for port_id, place in there.items() if place.vlan in vlans and port_id not in ids]
    _check_ours(view, parent, seated)
    # One that moves leaves its place first, and so does one of ours that has the VLAN and is to go.
    leaving: dict[str, list[str]] = {}
    for port_id in [*(each for each in view.places if each in ids), *seated]:
        leaving.setdefault(view.places[port_id].trunk_id, []).append(port_id)
    for trunk_id, port_ids in leaving.items():
        _take_out(view, trunk_id, port_ids)
    listed = [{"port_id": port.port_id, "segmentation_type": "vlan", "segmentation_id": port.vlan} for port in subports]
    view.user.put("trunks/%s/add_subports" % parent.trunk_id, {"sub_ports": listed}, "trunk of %s" % label(parent))


def _check_ours(view: Any, parent: Port, port_ids: list[str]) -> None:
    """Conflict unless these sub-ports of a parent's have our mark: no others are moved."""
    for row in view.launcher.list("ports", "ports", "sub-ports", id=port_ids):
        if rows.identity(row) is None:
            raise Conflict(
                "VLAN %d of %s is sub-port %s's, which we did not make: ask for another, or remove it from its trunk"
                % (view.places[row["id"]].vlan, label(parent), row["id"])
            )


def _take_out(view: Any, trunk_id: str, port_ids: list[str]) -> None:
    body = {"sub_ports": [{"port_id": each} for each in port_ids]}
    view.launcher.put("trunks/%s/remove_subports" % trunk_id, body, "trunk %s" % trunk_id)


def _remove_trunk(view: Any, port: Port) -> None:
    """Remove a port's trunk; not all drivers let go of the trunk of a port that is bound."""
    what = "trunk of %s" % label(port)
    view.launcher.put("ports/%s" % port.port_id, {"port": rows.GIVEN_BACK}, what)
    view.launcher.delete("trunks/%s" % port.trunk_id, what)


def _attempt(failed: dict[str, LaunchError], changes: list[Change], act: Any) -> None:
    """Do it; what is gone already is no error."""
    try:
        act()
    except NotFound:
        pass
    except LaunchError as error:
        failed.update({change.key: error for change in changes})
