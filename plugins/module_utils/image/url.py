# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images from http, https and file urls: a cache of checked bases on the host and an overlay for each instance.

{state_path}/base has the bases (base.py); {state_path}/instances/UUID/root.qcow2 is an instance's disk over one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from typing import Any, Iterable, Mapping

from ..core import directory
from ..core.change import Change
from ..core.convert import json_object
from ..core.disk import disk_errors, in_use, locked, make_directory, put_in_place, qemu_img, remove
from ..core.errors import Conflict, InvalidRequest, LaunchError
from . import policy
from .access import Access, access
from .base import held, inspect_file, obtain, place, reader, sweep, touch, using
from .fetch import fetch, version
from .format import Qcow2, parse_qcow2
from .model import Image, base_name, root_size
from .request import check_url
from .source import Source


def connect(params: dict[str, Any]) -> Images:
    """The images below state_path of this host."""
    queries = json_object(params.get("image_queries"), "image_queries")
    return Images(params["state_path"], params["state"], access(params), policy.parse(params), queries)


class Images:
    """Reads and changes what a host has of images."""

    def __init__(
        self, state_path: str, state: str, access: Access | None, policy: policy.Policy, queries: Mapping[str, str]
    ) -> None:
        self.state_path = state_path
        self.state = state
        self.access = access
        self.policy = policy
        self.queries = queries
        self.versions: dict[Source, str | LaunchError] = {}

    def read(self, wanted: Iterable[Image]) -> dict[str, Image | LaunchError]:
        """What there is, by key. Reads a header of a root disk; asks a source only for a waived, not yet used image."""
        found = {}
        for image in wanted:
            try:
                with disk_errors(self.state_path):
                    existing = self._root(image) if image.instance_uuid else self._cached(image)
            except LaunchError as error:
                existing = error
            if existing is not None:
                found[image.key] = existing
        return found

    def _root(self, image: Image) -> Image | None:
        """The root disk of an instance; without a path if it is only half made."""
        path = str(image.path)
        done = directory.check(self.state_path, str(image.instance_uuid), image.record_id).rebuild_id
        if not os.path.lexists(path):
            return replace(image, path=None) if os.path.lexists(path + ".part") else None
        if self.state == "absent":
            return image
        try:
            header = read_header(path)
        except Conflict:
            if image.rebuild_id in (None, done):
                raise
            return replace(image, base=None, rebuild_id=done)  # what is there is lost in any case
        base = header.backing_file
        cached = base is not None and os.path.isfile(base)
        return replace(image, base=base, cached=cached, virtual_size=header.virtual_size, rebuild_id=done)

    def _cached(self, image: Image) -> Image | None:
        """An image that is only cached, if it is."""
        base = self._base(image)
        return replace(image, base=base) if os.path.isfile(base) else None

    def _base(self, image: Image) -> str:
        """Where the image's base is or is to be; asks the source of a waived one, once, which version it has."""
        if image.base is not None:
            return image.base
        return os.path.join(self.state_path, "base", base_name(image, self._version(self._source(image))))

    def _source(self, image: Image) -> Source:
        """Where the image comes from."""
        source = Source(str(image.url), str(self.queries.get(image.name, "")), self.access, self.policy)
        check_url(source.address, queried=True)
        return source

    def _version(self, source: Source) -> str:
        if source not in self.versions:
            try:
                self.versions[source] = version(source)
            except LaunchError as error:
                self.versions[source] = error
        answer = self.versions[source]
        if isinstance(answer, LaunchError):
            raise answer
        return answer

    def apply(self, changes: Iterable[Change]) -> dict[str, Image | LaunchError]:
        """Make, or remove, what each change says. A base is fetched once, also if it fails."""
        changes = list(changes)
        outcome: dict[str, Image | LaunchError] = {}
        bases: dict[tuple, str | LaunchError] = {}
        largest: dict[tuple, int] = {}
        for image in filter(None, (change.after for change in changes)):
            largest[image.origin] = max(largest.get(image.origin, 0), self.policy.largest(image.size))
        for change in changes:
            try:
                with disk_errors(self.state_path):
                    outcome[change.key] = self._make(change, bases, largest)
            except LaunchError as error:
                outcome[change.key] = error
        return outcome

    def _make(self, change: Change, bases: dict[tuple, str | LaunchError], largest: Mapping[tuple, int]) -> Image:
        """Apply one change; bases remembers what came of the bases so far, largest how many bytes each may have."""
        image = change.after
        if image is None:
            return remove_root(change.wanted)
        if image.origin not in bases:
            try:
                with disk_errors(self.state_path):
                    bases[image.origin] = self._provide(image, largest[image.origin])
            except LaunchError as error:
                bases[image.origin] = error
        base = bases[image.origin]
        if isinstance(base, LaunchError):
            raise base
        anew = image.replaces(change.before)
        if anew and change.before is not None:
            touch(change.before.base or "")
        return make_root(image, base, self.state_path, self.policy.max_size, anew)

    def _provide(self, image: Image, most: int) -> str:
        """The image's base in the cache, fetched and checked if it is not there; it may have so many bytes."""
        base = self._base(image)
        make_directory(os.path.dirname(base))
        if not os.path.isfile(base):
            source = self._source(image)
            if image.waived:
                image.check_source(self._version(source))
            with held(base) as part:
                if part is not None:
                    obtain(image, part, lambda: fetch(source, part, most))
                    base = place(image, part, base)
            sweep(os.path.dirname(base))
        return base


def read_header(path: str) -> Qcow2:
    """The header of a root disk, which is always qcow2: what the guest writes never gets there."""
    with open(path, "rb") as file:
        try:
            return parse_qcow2(reader(file.fileno()), os.fstat(file.fileno()).st_size)
        except InvalidRequest as error:
            raise Conflict("root disk %s: %s" % (path, error), "its root disk: %s" % error.public) from error


def make_root(image: Image, base: str, state_path: str, max_size: int, anew: bool = False) -> Image:
    """Lay an instance's root disk over a base, unless it is there; give the image as it now is.

    max_size: GiB of one whose flavor says none. Its directory says whose it is before there is a disk in it.
    anew: also where one is there, which is lost then; a guest that runs has it until the stage domain turns it off.
    """
    with using(base) as file:
        try:
            virtual_size = inspect_file(file.fileno(), base, str(image.disk_format))
        except InvalidRequest as error:
            raise error.within(Conflict, "%s; remove that file, the next run fetches it again") from error
        if image.path is None:
            return replace(image, base=base, cached=True)
        path = os.path.dirname(image.path)
        stays = os.path.exists(image.path) and not anew
        size = 0 if stays else root_size(image, virtual_size, max_size)
        make_directory(path)
        with locked(path):
            directory.write(state_path, directory.Owner(str(image.instance_uuid), record_id=image.record_id))
            # Another run may have ended the rebuild meanwhile, and its guest has this disk.
            done = directory.read(state_path, str(image.instance_uuid)).rebuild_id == image.rebuild_id
            if (anew and not done) or not os.path.exists(image.path):
                make_overlay(image.path, base, str(image.disk_format), size)
    return replace(image, base=base, cached=True, virtual_size=read_header(image.path).virtual_size)


def make_overlay(path: str, base: str, base_format: str, size: int) -> None:
    """Make a qcow2 disk of so many bytes over a base; nothing of it stays if that fails."""
    temporary = path + ".part"
    remove(temporary)
    try:
        qemu_img(
            os.path.dirname(path), "create", "-q", "-f", "qcow2", "-F", base_format, "-b", base, temporary, str(size)
        )
        os.chmod(temporary, 0o600)
        put_in_place(temporary, path)
    except (LaunchError, OSError):
        remove(temporary)
        directory.remove_if_unused(os.path.dirname(path))
        raise


def remove_root(image: Image) -> Image:
    """Remove an instance's root disk, and its directory if nothing else is in it."""
    path = str(image.path)
    if in_use(path):
        why = "a running guest uses it; remove its domain first"
        raise Conflict("root disk %s: %s" % (path, why), "its root disk: %s" % why)
    with suppress(Conflict, FileNotFoundError):
        touch(read_header(path).backing_file or "")
    remove(path, path + ".part")
    directory.remove_if_unused(os.path.dirname(path))
    return image
