# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cinder's volumes and attachments as they are now, listed for all at once, and the wait for a change of them."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any, Iterable, Iterator

from ...core.errors import Conflict, NotFound
from ...core.parallel import run_parallel
from ..remote import BUSY, RemoteVolume
from .attachment import Attachment
from .view import attachment, hosts

# Seconds between two looks at a volume: the first, how they grow, and the longest.
FIRST, GROWTH, LONGEST = 0.15, 1.4, 5.0


class VolumeList:
    """The volumes of the user's project."""

    def __init__(self, cloud: Any, timeout: float) -> None:
        self.cloud = cloud
        self.api = cloud.api("block-storage")
        self.timeout = timeout
        self._lock = threading.Lock()
        self._listed_at = float("-inf")
        self._volumes: dict[str, dict[str, Any]] = {}

    def volumes(self) -> dict[str, dict[str, Any]]:
        """All volumes of the project by id. Those who wait at the same time share one list."""
        asked_at = time.monotonic()
        with self._lock:
            if self._listed_at < asked_at:
                self._listed_at = time.monotonic()
                self._volumes = {raw["id"]: raw for raw in self.api.list("/volumes/detail", "volumes", "volumes")}
            return self._volumes

    def attachments(self, volumes: Iterable[dict[str, Any]], with_hosts: bool) -> dict[str, list[Attachment]]:
        """The attachments of these volumes, by the volume's id; their hosts, if asked for, where Cinder tells them."""
        wanted = {raw["id"]: raw for raw in volumes}
        found = self.api.list("/attachments/detail", "attachments", "the volumes' attachments")
        found = [raw for raw in found if raw["volume_id"] in wanted]
        found += self._not_listed(wanted, {raw["volume_id"] for raw in found})
        known_hosts = hosts(wanted.values())
        if with_hosts and any(raw["status"] == "attached" and raw["id"] not in known_hosts for raw in found):
            known_hosts = hosts(self._all())
        grouped: dict[str, list[Attachment]] = {}
        for raw in found:
            grouped.setdefault(raw["volume_id"], []).append(attachment(raw, known_hosts))
        return grouped

    def _not_listed(self, wanted: dict[str, dict[str, Any]], known: set[str]) -> list[dict[str, Any]]:
        """Attachments that the list lacks: it ends at Cinder's osapi_max_limit and has no second page."""
        lacking = [identity for identity, raw in wanted.items() if identity not in known and _is_held(raw)]
        answers = run_parallel(partial(self._attachments_of, identity) for identity in lacking)
        return [raw for answer in answers for raw in answer]

    def _attachments_of(self, volume_id: str) -> list[dict[str, Any]]:
        what = "volume %s's attachments" % volume_id
        return self.api.list("/attachments/detail", "attachments", what, volume_id=volume_id)

    @property
    def as_service(self) -> Any:
        """Cinder as the launcher's own account uses it."""
        return self.cloud.api("block-storage", as_service=True)

    def _all(self) -> list[dict[str, Any]]:
        """The project's volumes as the launcher's own account sees them: with the hosts."""
        mine = {"all_tenants": True, "project_id": self.cloud.project_id}
        return self.as_service.list("/volumes/detail", "volumes", "volumes", **mine)

    def wait_settled(self, volume: RemoteVolume) -> dict[str, Any]:
        """The volume when it is on its way no longer, or in error."""
        for raw in self._poll(volume):
            if raw is None:
                raise NotFound("%s: has been deleted meanwhile" % volume.what)
            if raw["status"] not in BUSY:
                return raw
        raise AssertionError

    def wait_gone(self, volume: RemoteVolume) -> dict[str, Any] | None:
        """Wait until there is no such volume; the volume itself if that ended in an error."""
        for raw in self._poll(volume):
            if raw is None or raw["status"].startswith("error_"):
                return raw
        raise AssertionError

    def _poll(self, volume: RemoteVolume) -> Iterator[dict[str, Any] | None]:
        """The volume, looked at again and again; Conflict after the time limit, as no other host could cure that."""
        started, pause, status = time.monotonic(), FIRST, volume.status
        while time.monotonic() - started < self.timeout:
            time.sleep(pause)
            pause = min(pause * GROWTH, LONGEST)
            raw = self.volumes().get(str(volume.volume_id))
            status = raw and raw["status"]
            yield raw
        raise Conflict(
            "%s: is %s in Cinder (%s) for %d s now: see whether its volume service works, then run again"
            % (volume.what, status, volume.volume_id, self.timeout)
        )


def _is_held(raw: dict[str, Any]) -> bool:
    return bool(raw.get("attachments")) or raw["status"] in ("reserved", "attaching", "in-use")
