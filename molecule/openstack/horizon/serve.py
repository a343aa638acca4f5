# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Serves Debian's Horizon on a port of this machine, by the Python that Debian has it for: serve.py PORT."""

import mimetypes
import os
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

STATIC = Path("/var/lib/openstack-dashboard/static")


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each request."""

    daemon_threads = True


def with_files(application):
    """The application, and beside it what Debian has collected for browsers."""

    def answer(environ, start_response):
        path = environ["PATH_INFO"]
        if not path.startswith("/static/"):
            return application(environ, start_response)
        file = (STATIC / path[len("/static/") :]).resolve()
        if STATIC not in file.parents or not file.is_file():
            start_response("404 Not Found", [])
            return []
        start_response("200 OK", [("Content-Type", mimetypes.guess_type(str(file))[0] or "application/octet-stream")])
        return [file.read_bytes()]

    return answer


if __name__ == "__main__":
    sys.path[:0] = ["/usr/share/openstack-dashboard", str(Path(__file__).parent)]
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    from django.core.wsgi import get_wsgi_application

    make_server("127.0.0.1", int(sys.argv[1]), with_files(get_wsgi_application()), Server).serve_forever()
