# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A small HTTP server that plays Keystone and one more service, with Keystone's documented answers."""

from __future__ import annotations

import json
import threading
import uuid
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PASSWORD = "a very secret password"
UNAUTHORIZED = {"error": {"code": 401, "message": "The request you have made requires authentication.", "title": "U"}}


class Stack:
    """What the services know and were asked. Answers that wait are given out first, one a request."""

    def __init__(self):
        self.tokens = {}
        self.requests = []
        self.answers = []  # (status, body, headers) of the service
        self.broken = []  # the same, of Keystone asked for a token
        self.roles = ["member", "reader"]
        self.roles_of = {}  # by token, where it has others
        self.access_rules = None
        self.life = 3600  # seconds that a new token is good for
        self.things = [{"id": str(number)} for number in range(5)]
        self.services = [("identity", ""), ("network", ""), ("image", ""), ("volumev3", "/v3/p1")]

    @property
    def logins(self):
        """How many tokens were made."""
        return len([request for request in self.requests if request[:2] == ("POST", "/v3/auth/tokens")])

    def asked(self, path):
        """The methods, queries, headers and bodies of the requests for a path."""
        return [request for request in self.requests if request[1] == path]


class Handler(BaseHTTPRequestHandler):
    """Keystone below /v3; below /v2.0 and elsewhere a service that takes Keystone's tokens."""

    protocol_version = "HTTP/1.1"
    # Headers and body leave together: apart, the second would wait 40 ms for the first's acknowledgement.
    wbufsize = -1

    def log_message(self, *_arguments):
        """Stay silent."""

    def answer(self):
        """One request."""
        stack = self.server.stack
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        said = json.loads(body) if body else None
        stack.requests.append((self.command, url.path, parse_qs(url.query), dict(self.headers), said))
        version = {"id": "v3.14", "status": "stable", "links": [self.link("/v3/")]}
        if url.path in ("/v3", "/v3/"):
            self.reply(200, {"version": version})
        elif url.path in ("", "/"):
            self.reply(300, {"versions": {"values": [version]}})
        elif url.path == "/v3/auth/tokens":
            self.keystone(stack, said)
        elif stack.answers:
            self.reply(*stack.answers.pop(0))
        elif self.headers.get("X-Auth-Token") not in stack.tokens:
            self.reply(401, UNAUTHORIZED)
        elif url.path == "/v2.0/things":
            self.page(stack, parse_qs(url.query))
        else:
            self.reply(200, {"method": self.command, "said": said})

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def do_PUT(self):
        self.answer()

    def do_DELETE(self):
        self.answer()

    def keystone(self, stack, said):
        """Make, validate or revoke a token."""
        subject = self.headers.get("X-Subject-Token")
        if self.command == "POST":
            self.log_in(stack, said["auth"])
        elif self.headers.get("X-Auth-Token") not in stack.tokens:
            self.reply(401, UNAUTHORIZED)
        elif subject not in stack.tokens:
            self.reply(404, {"error": {"code": 404, "message": "Could not recognize Fernet token", "title": "N"}})
        elif self.command == "DELETE":
            del stack.tokens[subject]
            self.reply(204, None)
        else:
            roles = stack.roles_of.get(subject, stack.roles)
            self.reply(200, {"token": {**stack.tokens[subject], "roles": named(roles)}})

    def log_in(self, stack, auth):
        """A token for the right password, or for a token that is good."""
        identity = auth["identity"]
        if stack.broken:
            return self.reply(*stack.broken.pop(0))
        if "token" in identity["methods"]:
            if identity["token"]["id"] not in stack.tokens:
                return self.reply(404, {"error": {"code": 404, "message": "Failed to validate token", "title": "N"}})
        elif PASSWORD not in (
            identity.get("password", {}).get("user", {}).get("password"),
            identity.get("application_credential", {}).get("secret"),
        ):
            return self.reply(401, UNAUTHORIZED)
        token = "token-" + uuid.uuid4().hex
        stack.tokens[token] = self.document(stack, auth)
        return self.reply(201, {"token": stack.tokens[token]}, {"X-Subject-Token": token})

    def document(self, stack, auth):
        """What Keystone says of a token."""
        now = datetime.now(timezone.utc)
        scope = auth.get("scope", {})
        domain = {"id": "default", "name": "Default"}
        name = auth["identity"].get("password", {}).get("user", {}).get("name", "ann")
        found = {
            "methods": auth["identity"]["methods"],
            "user": {"id": "id-of-" + name, "name": name, "domain": domain},
            "roles": named(["service"] if name == "nova" else stack.roles),
            "issued_at": stamp(now),
            "expires_at": stamp(now + timedelta(seconds=stack.life)),
        }
        if scope or "application_credential" in auth["identity"]:
            found["catalog"] = [self.service(*service) for service in stack.services]
        if stack.access_rules is not None:
            found["application_credential"] = {"id": "c1", "access_rules": stack.access_rules}
        if "project" in scope or "application_credential" in auth["identity"]:
            found["project"] = {"id": "p1", "name": scope.get("project", {}).get("name", "one"), "domain": domain}
        elif "system" in scope:
            found["system"] = {"all": True}
        elif "domain" in scope:
            found["domain"] = domain
        return found

    def service(self, service_type, path):
        """An entry of the catalog."""
        endpoint = {"interface": "public", "region": "RegionOne", "region_id": "RegionOne", "id": uuid.uuid4().hex}
        return {"type": service_type, "name": service_type, "endpoints": [{**endpoint, "url": self.url(path)}]}

    def page(self, stack, query):
        """Two things at a time, as neutron does it, with a link that only the service itself could use."""
        found = [thing for thing in stack.things if thing["id"] in query.get("id", [thing["id"]])]
        start = int(query.get("marker", ["0"])[0])
        body = {"things": found[start : start + 2]}
        if start + 2 < len(found):
            ids = "".join("&id=%s" % value for value in query.get("id", []))
            href = "http://inside.invalid/v2.0/things?marker=%d%s" % (start + 2, ids)
            body["things_links"] = [{"rel": "next", "href": href}]
        self.reply(200, body)

    def url(self, path):
        """Where this server is."""
        return "http://127.0.0.1:%d%s" % (self.server.server_port, path)

    def link(self, path):
        """A link to itself."""
        return {"rel": "self", "href": self.url(path)}

    def reply(self, status, body, headers=None):
        """Answer with JSON, or with the text that it is."""
        data = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"x-openstack-request-id": "req-1234", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def named(roles):
    """Roles as Keystone lists them."""
    return [{"id": "id-of-" + role, "name": role} for role in roles]


def stamp(moment):
    """A time as Keystone writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def with_entry(params, **entry):
    """A door's parameters with other keys in the mapping that defines the account."""
    return {**params, "cloud": {**params["cloud"], **entry}}


@contextmanager
def serving():
    """The server, for a while; its `stack` and its `url`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.stack = Stack()
    server.url = "http://127.0.0.1:%d/v3" % server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
