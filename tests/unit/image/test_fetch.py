# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bytes over a real connection: what is continued, what is started anew, what is given up."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import replace
from ipaddress import ip_network

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import (
    Exhausted,
    InvalidRequest,
    NotFound,
    Refused,
    Unavailable,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.image import fetch as module
from ansible_collections.kvmstack.launch.plugins.module_utils.image import web
from ansible_collections.kvmstack.launch.plugins.module_utils.image.access import Access, access
from ansible_collections.kvmstack.launch.plugins.module_utils.image.policy import Policy
from ansible_collections.kvmstack.launch.plugins.module_utils.image.source import Source

OLD, NEW = os.urandom(300_000), os.urandom(300_000)
# The tests' server is on this machine, their files are in many places.
HERE = Policy(folders=("/",), networks=(ip_network("127.0.0.0/8"),))


def source(url, access=None, policy=HERE, query=""):
    return Source(url, query, access, policy)


def fetch(url, part, access=None, pause=None, most=10**9, **more):
    return module.fetch(source(url, access, **more), part, most, pause)


def version(url):
    return module.version(source(url))


@pytest.fixture
def part(tmp_path):
    with open(tmp_path / "base.part", "w+b", buffering=0) as file:
        yield file


@pytest.fixture
def pauses():
    return []


def content(part):
    with open(part.name, "rb") as file:
        return file.read()


def ranges(site):
    return [headers.get("Range") for _path, headers in site.requests]


def test_whole(site, part, pauses):
    site.content = OLD
    assert fetch(site.address + "/image", part, pause=pauses.append) is False
    assert content(part) == OLD
    assert not pauses


def test_goes_on_where_the_connection_broke(site, part, pauses):
    site.content, site.hang_up_after = OLD, [100_000, 50_000]
    assert fetch(site.address + "/image", part, pause=pauses.append) is True
    assert content(part) == OLD
    assert ranges(site) == [None, "bytes=100000-", "bytes=150000-"]


def test_goes_on_where_an_earlier_run_stopped(site, part, pauses):
    site.content, site.hang_up_after, site.statuses = OLD, [100_000], []
    with pytest.raises(KeyboardInterrupt):
        fetch(site.address + "/image", part, pause=interrupt)
    assert fetch(site.address + "/image", part, pause=pauses.append) is True
    assert content(part) == OLD
    assert ranges(site) == [None, "bytes=100000-"]


def interrupt(_seconds):
    raise KeyboardInterrupt


@pytest.mark.parametrize("etag", ['"1"', 'W/"1"', None])
def test_versions_are_never_mixed(site, part, pauses, etag):
    site.content, site.hang_up_after, site.etag = OLD, [100_000], etag

    def change(_seconds):
        site.content, site.etag = NEW, etag and etag.replace("1", "2")

    assert fetch(site.address + "/image", part, pause=change) is False
    assert content(part) == NEW


def test_a_server_without_ranges(site, part, pauses):
    site.content, site.hang_up_after, site.ranges = OLD, [100_000], False
    assert fetch(site.address + "/image", part, pause=pauses.append) is False
    assert content(part) == OLD


def test_a_part_without_memory_is_not_trusted(site, part, pauses):
    part.write(b"something else")
    site.content = OLD
    fetch(site.address + "/image", part, pause=pauses.append)
    assert content(part) == OLD
    assert ranges(site) == [None]


def test_a_complete_part_is_not_fetched_again(site, part, pauses):
    site.content = OLD
    fetch(site.address + "/image", part)
    assert fetch(site.address + "/image", part) is True
    assert len(site.requests) == 1


def test_a_part_that_is_too_long_is_started_anew(site, part, pauses):
    site.content = OLD
    fetch(site.address + "/image", part)
    part.write(b"tail")
    fetch(site.address + "/image", part, pause=pauses.append)
    assert content(part) == OLD


def test_busy_then_well(site, part, pauses):
    site.content, site.statuses = OLD, [503, 500]
    fetch(site.address + "/image", part, pause=pauses.append)
    assert content(part) == OLD
    assert pauses == [0.5, 1.0]


def test_busy_for_ever(site, part, pauses):
    site.statuses = [503] * 9
    with pytest.raises(Unavailable, match="503.*4 attempts"):
        fetch(site.address + "/image", part, pause=pauses.append)
    assert pauses == [0.5, 1.0, 2.0]


def test_nobody_listens(part, pauses):
    with pytest.raises(Unavailable, match="refused"):
        fetch("http://127.0.0.1:9/image", part, pause=pauses.append)


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotFound), (410, NotFound), (403, InvalidRequest), (400, InvalidRequest)]
)
def test_refused(site, part, pauses, status, error):
    site.statuses = [status]
    with pytest.raises(error, match=str(status)) as raised:
        fetch(site.address + "/image", part, pause=pauses.append)
    assert raised.value.abort
    assert len(site.requests) == 1


def test_redirects_are_followed(site, part):
    site.content = OLD
    site.redirects = {"/a": "/b", "/b": site.address + "/c", "/c": "d", "/d": "/e", "/e": "/image"}
    fetch(site.address + "/a", part)
    assert content(part) == OLD


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("file:///etc/passwd", "scheme 'file'"),
        ("ftp://127.0.0.1/x", "scheme 'ftp'"),
        ("http://user:word@127.0.0.1/x", "password"),
        ("/a", "more than 5"),
    ],
)
def test_redirects_that_are_not(site, part, target, words):
    site.redirects = {"/a": target}
    with pytest.raises(InvalidRequest, match=words) as raised:
        fetch(site.address + "/a", part)
    assert raised.value.public.startswith("its url: redirects ")
    assert "127.0.0.1" not in raised.value.public
    assert content(part) == b""


def test_never_back_from_https():
    with pytest.raises(InvalidRequest, match="scheme 'http' is not one of https"):
        web.redirected(source("https://x/a"), "https://x/a", "http://x/b")


def test_no_room(site, part, monkeypatch):
    site.content = OLD
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result((1, 1, 1, 1, 1, 1, 1, 1, 1, 1)))
    with pytest.raises(Exhausted, match="1 MiB needed .*free"):
        fetch(site.address + "/image", part)
    assert content(part) == b""


@pytest.mark.parametrize("tells", [True, False])
def test_more_than_a_root_disk_can_hold_is_not_fetched(site, part, tells):
    site.content = OLD
    site.endless = None if tells else (OLD, 0)
    with pytest.raises(InvalidRequest, match="is larger than the . MiB"):
        fetch(site.address + "/image", part, most=len(OLD) - 1 if tells else 1 << 20)
    assert len(content(part)) <= (0 if tells else 1 << 20)


def test_a_file_that_is_too_large_is_not_copied(tmp_path, part):
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InvalidRequest, match="is larger than the 1024 MiB"):
        fetch("file://%s/huge" % tmp_path, part, most=1 << 30)


def test_who_sends_a_byte_now_and_then_is_not_waited_for_for_ever(site, part):
    site.endless = (b"x", 0.02)
    started = time.monotonic()
    with pytest.raises(Unavailable, match="1 MiB came in the 1 s of launch_image_timeout; run again"):
        fetch(site.address + "/image", part, policy=replace(HERE, seconds=1))
    assert time.monotonic() - started < 10
    assert content(part).startswith(b"xxx")


def test_what_only_the_host_can_reach_is_not_asked(site, part):
    with pytest.raises(InvalidRequest, match=r"its server is at 127.0.0.1.*launch_image_sources") as raised:
        fetch(site.address.replace("127.0.0.1", "localhost") + "/image", part, policy=Policy())
    assert raised.value.public == "its url: its server is at no address that images are had from"
    assert site.requests == []


def test_nor_where_a_redirect_leads_there(site, part):
    """As in OSSA-2026-004; it is told by the address, and before anything is sent."""
    with socket.create_server(("127.0.0.2", 0)) as inner:
        site.redirects = {"/image": "http://127.0.0.2:%d/secret" % inner.getsockname()[1]}
        with pytest.raises(InvalidRequest, match="its server is at 127.0.0.2"):
            fetch(site.address + "/image", part, policy=Policy(networks=(ip_network("127.0.0.1"),)))
        client = inner.accept()[0]
        with client:
            assert client.recv(1) == b""


def test_a_proxy_is_asked_wherever_it_is(site, part, monkeypatch):
    monkeypatch.setenv("http_proxy", site.address)
    monkeypatch.delenv("no_proxy", raising=False)
    site.content, site.aliases = OLD, {"http://images.test/image"}
    fetch("http://images.test/image", part, policy=Policy())
    assert content(part) == OLD


def test_a_signature_goes_to_the_server_and_nowhere_else(site, tmp_path, part):
    site.content, site.aliases, site.hang_up_after = OLD, {"/image?Signature=hidden"}, [100_000]
    with pytest.raises(KeyboardInterrupt):
        fetch(site.address + "/image", part, query="Signature=hidden", pause=interrupt)
    assert all(b"hidden" not in path.read_bytes() for path in tmp_path.iterdir())
    # A signature expires; what was fetched with another is gone on with.
    site.aliases = {"/image?Signature=hidden2"}
    assert fetch(site.address + "/image", part, query="Signature=hidden2") is True
    assert content(part) == OLD
    with pytest.raises(NotFound) as refusal:
        fetch(site.address + "/none", part, query="Signature=hidden")
    assert "hidden" not in str(refusal.value)
    assert "hidden" not in repr(source("http://x/", query="hidden"))


TOKEN = "gAAAAABtoken"


@pytest.fixture
def glance(site):
    """The part of the site that is the image service; it names no versions."""
    site.content, site.etag = OLD, None
    site.aliases = {"/v2/images/1/file"}
    return Access(TOKEN, site.address + "/v2")


def tokens(site):
    return [headers.get("X-Auth-Token") for _path, headers in site.requests]


def test_a_token_goes_to_the_image_service(site, part, glance):
    fetch(site.address + "/v2/images/1/file", part, access=glance)
    assert content(part) == OLD
    assert tokens(site) == [TOKEN]


def test_an_image_service_is_asked_wherever_it_is_but_not_where_it_redirects_to(site, part, glance):
    fetch(site.address + "/v2/images/1/file", part, access=glance, policy=Policy())
    assert content(part) == OLD
    site.redirects = {"/v2/a": "/image"}
    with pytest.raises(InvalidRequest, match="its server is at 127.0.0.1"):
        fetch(site.address + "/v2/a", part, access=glance, policy=Policy())


@pytest.mark.parametrize("path", ["/image", "/v2x/../image", "/v2?/image"])
def test_a_token_goes_to_nobody_else(site, part, glance, path):
    site.aliases.add(path)
    fetch(site.address + path, part, access=glance)
    assert tokens(site) == [None]


def test_a_token_does_not_follow_a_redirect_and_does_not_come_back(site, part, glance):
    away = site.address.replace("127.0.0.1", "localhost")
    site.redirects = {"/v2/a": "/v2/b", "/v2/b": away + "/c", "/c": site.address + "/v2/images/1/file"}
    fetch(site.address + "/v2/a", part, access=glance)
    assert content(part) == OLD
    assert tokens(site) == [TOKEN, TOKEN, None, None]


def test_an_image_service_that_names_no_version_is_continued(site, part, pauses, glance):
    site.hang_up_after = [100_000]
    assert fetch(site.address + "/v2/images/1/file", part, access=glance, pause=pauses.append) is True
    assert content(part) == OLD
    assert ranges(site) == [None, "bytes=100000-"]


@pytest.mark.parametrize("status", [400, 501])
def test_an_image_service_that_gives_no_parts(site, part, glance, status):
    site.hang_up_after = [100_000]

    def refuse_parts(_seconds):
        site.statuses = [status] if not site.statuses and len(site.requests) == 1 else []

    assert fetch(site.address + "/v2/images/1/file", part, access=glance, pause=refuse_parts) is False
    assert content(part) == OLD
    assert ranges(site) == [None, "bytes=100000-", None]


def test_lost_data(site, part, glance):
    site.statuses = [204]
    with pytest.raises(NotFound, match="lost the image's data"):
        fetch(site.address + "/v2/images/1/file", part, access=glance)


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, Refused, "the token was refused by the image service"),
        (403, Refused, "does not let the token's project read it"),
        (404, NotFound, "no such image for the token's project"),
        (410, NotFound, "no such image any more"),
        (400, InvalidRequest, "the server answers 400"),
    ],
)
def test_the_image_services_refusals(site, part, glance, status, error, words):
    site.statuses = [status]
    site.page = b"<html><head><title>No</title></head><body><h1>No</h1>\n Not &lt;you&gt;<br /></body></html>"
    with pytest.raises(error, match=words) as raised:
        fetch(site.address + "/v2/images/1/file", part, access=glance)
    assert raised.value.abort
    assert TOKEN not in repr((raised.value, glance))
    if status != 400:
        assert ": No Not <you> (%d, request id req-1); " % status in str(raised.value)


def test_the_token_is_not_written_down(site, tmp_path, part, glance):
    site.hang_up_after = [100_000]
    with pytest.raises(KeyboardInterrupt):
        fetch(site.address + "/v2/images/1/file", part, access=glance, pause=interrupt)
    assert all(TOKEN.encode() not in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"token": "a\nb", "token_url": "http://x.test/v2"}, "token: is none"),
        ({"token": "secret", "token_url": "file:///v2"}, "token_url: scheme 'file'"),
        ({"token": "secret", "token_url": "http://me@x.test/v2"}, "token_url: holds a user"),
    ],
)
def test_wrong_tokens_are_refused_and_not_shown(params, words):
    with pytest.raises(InvalidRequest, match=words) as raised:
        access(params)
    assert params["token"] not in str(raised.value)


def test_no_token():
    assert access({"token": None, "token_url": None}) is None


def test_version_tells_changes(site):
    site.content = OLD
    first = version(site.address + "/image")
    assert first == version(site.address + "/image")
    site.etag = '"2"'
    assert first != version(site.address + "/image")


def test_the_version_that_came_is_told(site, part):
    site.content = OLD
    asked = version(site.address + "/image")
    site.etag = '"2"'
    fetch(site.address + "/image", part)
    assert module.received(part.name) != asked
    assert module.received(part.name) == version(site.address + "/image")


def test_local_file(tmp_path, part):
    (tmp_path / "a b").write_bytes(OLD)
    part.write(b"x" * 400_000)
    assert fetch("file://%s/a%%20b" % tmp_path, part) is False
    assert content(part) == OLD


def test_a_file_is_read_from_the_folders_of_the_policy_alone(tmp_path, part):
    images, secret = tmp_path / "images", tmp_path / "images-of-others"
    images.mkdir()
    secret.write_bytes(OLD)
    (images / "good").write_bytes(NEW)
    (images / "link").symlink_to(secret)
    (tmp_path / "way").symlink_to(images)
    for policy in (Policy(folders=(str(images),)), Policy(folders=(str(tmp_path / "way"),))):
        fetch("file://%s/way/good" % tmp_path, part, policy=policy)
        assert content(part) == NEW
        for path in ("images-of-others", "images/link", "images/../images-of-others", "images"):
            words = "is a file outside of .*launch_image_sources|is not a file"
            with pytest.raises(InvalidRequest, match=words) as raised:
                fetch("file://%s/%s" % (tmp_path, path), part, policy=policy)
            assert str(tmp_path) not in raised.value.public
    with pytest.raises(InvalidRequest, match="outside of all folders, as launch_image_sources names none"):
        fetch("file://%s" % secret, part, policy=Policy(folders=()))


@pytest.mark.parametrize("kernel", [True, False])
def test_holes_stay_holes(tmp_path, part, monkeypatch, kernel):
    with open(tmp_path / "sparse", "wb") as file:
        file.seek(8 << 20)
        file.write(OLD)
        file.truncate(64 << 20)
    if not kernel:
        monkeypatch.setattr(os, "copy_file_range", refuse)
    fetch("file://%s/sparse" % tmp_path, part)
    assert content(part) == (tmp_path / "sparse").read_bytes()
    assert os.stat(part.name).st_blocks * 512 < 2 << 20


def refuse(*_arguments):
    raise OSError(18, "Invalid cross-device link")


@pytest.mark.parametrize(("name", "error"), [("missing", NotFound), ("", InvalidRequest), ("pipe", InvalidRequest)])
def test_no_file(tmp_path, part, name, error):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(error):
        fetch("file://%s/%s" % (tmp_path, name), part)
