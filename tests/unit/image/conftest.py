# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A web server on this machine that serves one image and misbehaves as asked."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Site:
    """What the server does next: statuses to answer first, bytes after which it hangs up, where it redirects to.

    etags are those of the next answers, where mirrors take turns. aliases are paths of the image beside /image; page
    is what it says when it does not serve. endless is what it sends
    for ever, and the pause between, in seconds.
    """

    def __init__(self):
        self.content = b""
        self.etag = '"1"'
        self.etags = []
        self.statuses = []
        self.hang_up_after = []
        self.redirects = {}
        self.aliases = set()
        self.page = b""
        self.ranges = True
        self.endless = None
        self.requests = []
        self.address = ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self):
        site = self.site
        site.requests.append((self.path, dict(self.headers)))
        self.close_connection = True
        if self.path in site.redirects:
            self.answer(302, Location=site.redirects[self.path])
        elif site.statuses:
            self.answer(site.statuses.pop(0))
        elif self.path != "/image" and self.path not in site.aliases:
            self.answer(404)
        else:
            self.serve(site)

    def serve(self, site):
        site.etag = site.etags.pop(0) if site.etags else site.etag
        content, start = site.content, 0
        wanted = self.headers.get("Range")
        if wanted and site.ranges and self.headers.get("If-Range") in (None, site.etag):
            start = int(wanted[len("bytes=") : -1])
            if start >= len(content):
                self.answer(416)
                return
        if site.endless:
            self.serve_for_ever(*site.endless)
            return
        headers = {"Content-Length": str(len(content) - start)}
        if site.etag:
            headers["ETag"] = site.etag
        if start:
            headers["Content-Range"] = "bytes %d-%d/%d" % (start, len(content) - 1, len(content))
        self.send_response(206 if start else 200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        end = start + site.hang_up_after.pop(0) if site.hang_up_after else None
        self.wfile.write(content[start:end])

    def serve_for_ever(self, chunk, pause):
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):
            while True:
                self.wfile.write(chunk)
                time.sleep(pause)

    def answer(self, status, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(self.site.page)))
        self.send_header("x-openstack-request-id", "req-1")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.site.page)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def site(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"site": site}))
    site.address = "http://127.0.0.1:%d" % server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()
