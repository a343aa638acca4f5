# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes as images of a Ceph cluster, without Cinder: made or located, grown, and given to one instance at a time.

Ceph itself lets two guests write to one image: so nobody gets one that somebody has open.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Iterable

from ...core.change import Change
from ...core.errors import Conflict, LaunchError
from ...core.parallel import map_groups_parallel, map_parallel, run_parallel
from ..remote import RemoteVolume, one_volume
from .pool import Pool, monitors
from .view import (
    check_owner,
    connection,
    facts,
    image_of,
    instance_view,
    instances,
    is_foreign,
    locate,
    mark_for,
    our_volume,
    parent,
)


def connect(params: dict[str, Any]) -> Images:
    """The images of a pool. Nothing is asked of the cluster yet."""
    return Images(Pool(params), params)


def find(params: dict[str, Any]) -> list[RemoteVolume]:
    """Every image of the pool with our mark."""
    pool = Pool(params)
    names = [name for name in pool.images() if not name.startswith(".")]
    found = zip(names, map_parallel(pool.info, names))
    return [our_volume(name, info) for name, info in found if not isinstance(info, LaunchError) and info["mark"]]


class Images:
    """Reads and changes the volumes in a pool."""

    def __init__(self, pool: Any, params: dict[str, Any]) -> None:
        self.pool = pool
        self.state = params["state"]
        secret = params["ceph"].get("secret_uuid")
        self.login = (params["ceph"]["user"], secret) if secret else (None, None)
        self.map: dict[str, Any] = {}

    def read(self, wanted: Iterable[RemoteVolume]) -> dict[str, RemoteVolume | LaunchError]:
        """The volumes that exist, as the items' instances have them; an error for one that cannot be used."""
        wanted = list(wanted)
        if not wanted:
            return {}
        asked = [self.pool.images, self.pool.cluster_map] if self.state == "present" else [self.pool.images]
        answers = run_parallel(asked)
        images = frozenset(answers[0])
        self.map = answers[1] if len(answers) > 1 else {}
        found = map_parallel(lambda item: self._read_one(item, images, wanted), wanted)
        return {item.key: volume for item, volume in zip(wanted, found) if volume is not None}

    def _read_one(self, item: RemoteVolume, images: frozenset[str], wanted: list[RemoteVolume]) -> RemoteVolume | None:
        image = locate(item, images, self.state)
        if image is None:
            return None
        info = self.pool.info(image)
        if self.state == "absent":
            if item.instance_uuid is None:
                check_owner(item, image, info)
            elif is_foreign(item, info) and item.instance_uuid not in instances(info):
                return None  # the instance was refused it, and has nothing to give up
            leaving = [other.instance_uuid for other in wanted if locate(other, images, self.state) == image]
            return instance_view(item, image, info, self.state, leaving)
        check_owner(item, image, info)
        volume = instance_view(item, image, info, self.state)
        if volume.instance_uuid:
            return self._with_connection(volume)
        if item.attaches and not item.multiattach and item.instance_uuid not in instances(info):
            clients = ["a client at %s" % address for address in self.pool.watchers(image)]
            return replace(volume, holders=volume.holders or tuple(clients))
        return volume

    def _with_connection(self, volume: RemoteVolume) -> RemoteVolume:
        """The volume with what QEMU needs to reach it."""
        name = self.pool.spec(image_of(volume))
        return replace(
            volume,
            connection={"protocol": "rbd", **connection(name, monitors(self.map), *self.login), "read_only": False},
        )

    def apply(self, changes: Iterable[Change]) -> dict[str, RemoteVolume | LaunchError]:
        """Make true what each change says; changes of one image one after the other, the rest side by side."""
        return map_groups_parallel(
            self._furnish_group if self.state == "present" else self._give_up, changes, one_volume
        )

    def _furnish_group(self, changes: list[Change]) -> dict[str, RemoteVolume | LaunchError]:
        """One image for the instances that are to have it."""
        outcome: dict[str, RemoteVolume | LaunchError] = {}
        made: list[str] = []
        for change in changes:
            try:
                outcome[change.key] = self._furnish(change, made)
            except LaunchError as error:
                outcome[change.key] = error
        return outcome

    def _furnish(self, change: Change, made: list[str]) -> RemoteVolume:
        """Make the image unless it is there, let it grow, and give it to the instance."""
        wanted = change.wanted
        image = image_of(change.before or wanted)
        if change.before is None and image not in made:
            self._create(wanted, image)
            made.append(image)
        info = self.pool.info(image)
        volume = facts(wanted, image, info)
        if change.before is None and wanted.size and wanted.size < (volume.size or 0):
            self.pool.remove(image)
            raise Conflict(
                "%s: size %d GiB is less than what it is made from, %d" % (wanted.what, wanted.size, volume.size)
            )
        if (change.after.size or 0) > (volume.size or 0):
            self.pool.resize(image, change.after.size)
            volume = replace(volume, size=change.after.size)
        held = instances(info)
        if wanted.attaches:
            self._check_unused(volume, image, held)
        mark = mark_for(volume, {*held, *([wanted.instance_uuid] if wanted.attaches else [])}, info)
        if mark != info["mark"]:
            self.pool.mark(image, mark)
        if wanted.attaches:
            self._claim(volume, image, held)
        volume = replace(volume, status="in-use" if held or wanted.attaches else "available")
        return self._with_connection(volume) if wanted.attaches else volume

    def _create(self, wanted: RemoteVolume, image: str) -> None:
        """Make the image, as a copy-on-write clone if it has contents to begin with."""
        origin = parent(wanted, self.map["fsid"], self.pool.name)
        if origin is None:
            self.pool.create(image, wanted.size or 0)
        else:
            self.pool.clone(origin, image)

    def _check_unused(self, volume: RemoteVolume, image: str, held: dict[str, str]) -> None:
        """Conflict if somebody has the image open. The guest on a former host of the instance may just be ending."""
        volume.check_attachable()
        if volume.multiattach or held.get(str(volume.instance_uuid)) == volume.host:
            return
        moves = volume.instance_uuid in held
        self._check_closed(volume, self.pool.watchers_left(image) if moves else self.pool.watchers(image))

    def _claim(self, volume: RemoteVolume, image: str, held: dict[str, str]) -> None:
        """Have the image be the instance's; Conflict where another one has taken it since it was read.

        Each writes that it has it, and looks then: of two that come at once one sees the other at the least, and who
        does so, and did not have it before, gives it up.
        """
        mine, host = str(volume.instance_uuid), str(volume.host)
        if held.get(mine) == host:
            return
        self.pool.claim(image, mine, host)
        others = sorted(set(self.pool.claims(image)) - {mine, *held})
        if others and mine not in held and not volume.multiattach:
            self.pool.give_up(image, mine)
            raise Conflict("%s: instance %s has taken it at the same moment: run it again" % (volume.what, others[0]))

    def _give_up(self, changes: list[Change]) -> dict[str, RemoteVolume | LaunchError]:
        """Take an image from its instances, or remove it if nothing of it is to stay."""
        try:
            if any(change.after is None for change in changes):
                self._remove(changes[0].before)
            else:
                self._take(changes)
        except LaunchError as error:
            return {change.key: error for change in changes}
        return {change.key: change.after or change.before for change in changes}

    def _take(self, changes: list[Change]) -> None:
        volume = changes[0].before
        image = image_of(volume)
        info = self.pool.info(image)
        held = instances(info)
        for change in changes:
            if held.pop(change.before.instance_uuid, None) is not None:
                self.pool.give_up(image, change.before.instance_uuid)
        mark = mark_for(volume, held, info)
        if mark != info["mark"]:
            self.pool.mark(image, mark)

    def _remove(self, volume: RemoteVolume) -> None:
        image = image_of(volume)
        self._check_closed(volume, self.pool.watchers_left(image))
        self.pool.remove(image)

    def _check_closed(self, volume: RemoteVolume, clients: list[str]) -> None:
        """Conflict if somebody has the image open."""
        if clients:
            words, where = "%s: a client%s has it open: end it there first", " at " + ", ".join(clients)
            raise Conflict.telling(words, facts=(volume.what, where), public=(volume.what, ""))
