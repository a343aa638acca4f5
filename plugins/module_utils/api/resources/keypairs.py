# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Public keys of users, by the names that their servers' requests call them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from typing import Any

from ...core.errors import MissingLibrary
from ...record import key_pairs
from ...record.database import now
from .. import reading
from ..bodies import checked
from ..context import RequestContext
from ..errors import ApiError
from ..paging import next_links, page
from ..site import Site
from ..views.parts import keypair


class Keypairs:
    """/os-keypairs."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """The user's, by name."""
        context: RequestContext = req.context.nova
        user = _user(context)
        found, more = page(context, reading.keys(self.site, user), lambda key: key["name"])
        links = next_links(context, ("os-keypairs",), [key["name"] for key in found], more and context.version >= 35)
        told = [{"keypair": keypair(context, key, user)} for key in found]
        resp.media = {"keypairs": told, **({"keypairs_links": links} if links else {})}

    def on_post(self, req: Any, resp: Any) -> None:
        """Keep a public key; until version 92 a pair is made where none is said, and its private key told this once."""
        context: RequestContext = req.context.nova
        said = checked("keypair", req, context.version)["keypair"]
        if said.get("type", "ssh") != "ssh":
            raise ApiError(400, "keypair: type: guests are given keys of ssh only")
        user = _user(context, said.get("user_id"))
        private, public = (None, said["public_key"].strip()) if "public_key" in said else made()
        key = {"name": said["name"], "type": "ssh", "public_key": public, "fingerprint": fingerprint(public)}
        database = self.site.database
        database.write(lambda connection: key_pairs.add(database, connection, user, key, now(connection)))
        told = keypair(context, {**key, "id": None, "created_at": None}, user)
        resp.status = 201 if context.version >= 2 else 200
        resp.media = {"keypair": {**told, "user_id": user, **({"private_key": private} if private else {})}}

    def on_get_one(self, req: Any, resp: Any, name: str) -> None:
        """One of them."""
        context: RequestContext = req.context.nova
        user = _user(context)
        found = [key for key in reading.keys(self.site, user) if key["name"] == name]
        if not found:
            raise _none(name, user)
        resp.media = {"keypair": keypair(context, found[0], user, whole=True)}

    def on_delete_one(self, req: Any, resp: Any, name: str) -> None:
        """Forget one. Servers that were made with it keep it."""
        context: RequestContext = req.context.nova
        user, database = _user(context), self.site.database
        if not database.write(lambda connection: key_pairs.remove(database, connection, user, name)):
            raise _none(name, user)
        resp.status = 204 if context.version >= 2 else 202


def made() -> tuple[str, str]:
    """A new private key, and its public one."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise MissingLibrary("cryptography") from None
    key, openssh = Ed25519PrivateKey.generate(), serialization.PrivateFormat.OpenSSH
    private = key.private_bytes(serialization.Encoding.PEM, openssh, serialization.NoEncryption())
    kinds = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return private.decode(), key.public_key().public_bytes(*kinds).decode()


def fingerprint(public_key: str) -> str:
    """MD5 in colons, as ssh-keygen -E md5 writes it and nova tells it; ApiError 400 for what is no key."""
    words = public_key.split()
    try:
        data = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error, ValueError):
        data = b""
    # A key begins with its own kind (RFC 4253, 6.6).
    kind = words[0].encode() if words else b""
    if len(public_key.strip().splitlines()) != 1 or not data.startswith(struct.pack(">I", len(kind)) + kind + b"\0"):
        raise ApiError(400, "Keypair data is invalid: it is not a public key such as ssh-ed25519 AAAA... me@here")
    digest = hashlib.new("md5", data, usedforsecurity=False).hexdigest()
    return ":".join(digest[place : place + 2] for place in range(0, 32, 2))


def _user(context: RequestContext, other: str | None = None) -> str:
    """Whose keys are meant; another's only where the policy lets, which is for administrators."""
    other = other or (context.one("user_id") if context.version >= 10 else None)
    if other and other != context.identity.user_id:
        context.permit(user_id=other)
        return other
    return context.identity.user_id or ""


def _none(name: str, user: str) -> ApiError:
    return ApiError(404, "Keypair %s not found for user %s" % (name, user))
