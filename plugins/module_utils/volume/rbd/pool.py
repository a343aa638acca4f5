# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Ceph cluster as its command line tools show it. Keys stay in the files that name the user: never in arguments."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from typing import Any

from ...core.command import command
from ...core.errors import Conflict, LaunchError, NotFound, Refused, Unavailable
from ...core.names import MARK

# rbd ends with the number of the operating system's error.
MEANINGS = {1: Refused, 2: NotFound, 13: Refused, 16: Conflict, 17: Conflict, 39: Conflict, 95: Refused}
ADVICE = {
    Refused: "see whether conf, user and keyring in `ceph` are right",
    Unavailable: "see whether the monitors that conf in `ceph` names run and can be reached",
}
# Before an instance's UUID the key of an image's metadata that has its host.
CLAIM = MARK + ".instance."
# The library's own log among a tool's messages.
_LOG = re.compile(r"\S*[+-]\d{4} [0-9a-f]{8,16} +-?\d+ [^\n]*")
# Seconds after which a cluster that does not answer is given up.
PATIENCE = 5
LIMITS = (
    "--client-mount-timeout=%d" % PATIENCE,
    "--rados-mon-op-timeout=%d" % PATIENCE,
    "--rados-osd-op-timeout=%d" % (4 * PATIENCE),
)
# Ceph forgets the watch of a client that died after 30 s.
WATCH = 35


class Pool:
    """The images of one pool. Every method raises NotFound, Refused, Conflict or Unavailable as rbd's exit says."""

    def __init__(self, params: dict[str, Any]) -> None:
        ceph = params["ceph"]
        self.name = ceph["pool"]
        self.timeout = params.get("timeout") or 60
        self._login = ["--conf", ceph["conf"], "--id", ceph["user"]]
        self._login += ["--keyring", ceph["keyring"]] if ceph.get("keyring") else []

    def cluster_map(self) -> dict[str, Any]:
        """The monitors' map: fsid, and mons with their addresses."""
        return json.loads(self._run("ceph", "mon", "dump", "--format", "json", "--connect-timeout", str(PATIENCE)))

    def images(self) -> list[str]:
        """The names of all images."""
        return json.loads(self._run("rbd", "ls", "--pool", self.name, "--format", "json"))

    def info(self, image: str) -> dict[str, Any]:
        """What rbd tells of an image, with our `mark` ({} if there is none), and the hosts of its `instances`."""
        found = json.loads(self._run("rbd", "info", self.spec(image), "--format", "json"))
        metadata = self._metadata(image)
        try:
            mark = json.loads(metadata.get(MARK) or "{}")
        except ValueError:
            mark = {}
        return dict(found, mark=mark if isinstance(mark, dict) else {}, instances=_claims(metadata))

    def claims(self, image: str) -> dict[str, str]:
        """The hosts of the instances that have an image, by UUID."""
        return _claims(self._metadata(image))

    def _metadata(self, image: str) -> dict[str, str]:
        return json.loads(self._run("rbd", "image-meta", "list", self.spec(image), "--format", "json") or "{}")

    def watchers(self, image: str) -> list[str]:
        """The addresses of the clients that have an image open: a guest, or a tool."""
        status = json.loads(self._run("rbd", "status", self.spec(image), "--format", "json"))
        watchers = status.get("watchers") or []
        return sorted(one["address"] for one in (watchers.values() if isinstance(watchers, dict) else watchers))

    def watchers_left(self, image: str) -> list[str]:
        """The same, after those that died have been forgotten."""
        end = time.monotonic() + WATCH
        left = self.watchers(image)
        while left and time.monotonic() < end:
            time.sleep(1)
            left = self.watchers(image)
        return left

    def create(self, image: str, size: int) -> None:
        """Make an empty image of so many GiB."""
        self._run("rbd", "create", self.spec(image), "--size", "%dG" % size)

    def clone(self, parent: str, image: str) -> None:
        """Make an image that takes its contents, copy-on-write, from a snapshot POOL/IMAGE@SNAPSHOT."""
        self._run("rbd", "clone", parent, self.spec(image))

    def resize(self, image: str, size: int) -> None:
        """Make an image larger, to so many GiB. rbd refuses to make it smaller."""
        self._run("rbd", "resize", self.spec(image), "--size", "%dG" % size, "--no-progress")

    def mark(self, image: str, mark: dict[str, Any]) -> None:
        """Write our mark to an image; an empty one is removed."""
        if mark:
            self._run("rbd", "image-meta", "set", self.spec(image), MARK, json.dumps(mark, sort_keys=True))
        else:
            self._forget(image, MARK)

    def claim(self, image: str, instance_uuid: str, host: str) -> None:
        """Write that an instance has an image, on a host: in a key of its own, so that no other's is lost."""
        self._run("rbd", "image-meta", "set", self.spec(image), CLAIM + instance_uuid, host)

    def give_up(self, image: str, instance_uuid: str) -> None:
        """Write that an instance has it no more."""
        self._forget(image, CLAIM + instance_uuid)

    def _forget(self, image: str, key: str) -> None:
        with suppress(NotFound):
            self._run("rbd", "image-meta", "remove", self.spec(image), key)

    def remove(self, image: str) -> None:
        """Remove an image; one that is gone already is fine."""
        with suppress(NotFound):
            self._run("rbd", "rm", self.spec(image), "--no-progress")

    def spec(self, image: str) -> str:
        """POOL/IMAGE."""
        return "%s/%s" % (self.name, image)

    def _run(self, program: str, *arguments: str) -> str:
        limits = LIMITS if program == "rbd" else ()
        whole = (program, *arguments, *self._login, *limits)
        try:
            return command(*whole, package="ceph-common", timeout=self.timeout, meanings=MEANINGS)
        except LaunchError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise
            message = " ".join(_LOG.sub("", str(error)).split())
            advice = ADVICE.get(type(error))
            text = "Ceph: %s; %s" % (message, advice) if advice else "Ceph: %s" % message
            raise type(error)(text, "Ceph: %s" % error.public) from error


def _claims(metadata: dict[str, str]) -> dict[str, str]:
    return {key[len(CLAIM) :]: host for key, host in metadata.items() if key.startswith(CLAIM)}


def monitors(cluster_map: dict[str, Any]) -> list[dict[str, str]]:
    """Where each monitor listens: by the first messenger, which every QEMU speaks, else by the second."""
    found = []
    for monitor in cluster_map["mons"]:
        addresses = sorted(monitor["public_addrs"]["addrvec"], key=lambda one: one["type"] != "v1")
        name, port = addresses[0]["addr"].rsplit(":", 1)
        found.append({"name": name.strip("[]"), "port": port})
    return found
