# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A domain's config drive on its host: made from what its document says, and from the user data that it keeps."""

from __future__ import annotations

import hashlib
import os

from ..core.disk import make_directory
from ..core.errors import Conflict
from . import iso
from .config_drive import USER_DATA, with_user_data
from .model import Domain


def write(domain: Domain) -> None:
    """Make a domain's config drive. User data that nobody gives is that of the drive before it."""
    path, files = domain.drive.path, domain.config_drive or {}
    make_directory(os.path.dirname(path))
    if domain.user_data_digest:
        files = with_user_data(files, _kept(domain, path))
    iso.write(path, files)


def _kept(domain: Domain, path: str) -> bytes | None:
    """The user data of the drive that there is.

    A rebuilt guest reads it anew: Conflict if it is not what the record knows, as where the run that was to bring other
    user data was killed before it came here.
    """
    data = iso.read(path, USER_DATA)
    found = None if data is None else hashlib.sha256(data).hexdigest()
    if domain.rebuild_id and found != domain.user_data_digest:
        raise Conflict("user_data: that which its rebuild is to have is not on its host: give it again")
    return data
