# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How gunicorn serves the Compute API; its options on the command line go before what is said here.

gunicorn --config python:ansible_collections.kvmstack.launch.plugins.module_utils.api.serving
"""

from __future__ import annotations

from ..service.settings import named

wsgi_app = __name__.rpartition(".")[0] + ".app:application()"
bind = named().listen
threads = 8
# Seconds for which a connection stays that nobody uses. Clients look every two seconds while they wait for a server:
# gunicorn's own two would close it just when the next request comes. It is longer than that of a proxy before it, too.
keepalive = 75
