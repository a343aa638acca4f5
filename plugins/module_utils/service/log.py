# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the services write to stderr, in the form of oslo.log, so that one reader does for OpenStack's logs and these.

A call says whose request it is about, and which instance: log.info("...", extra=about(request_id, instance_uuid)).
"""

from __future__ import annotations

import logging
import sys
import time

FORM = "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [%(request_id)s] %(instance)s%(message)s"


class _Form(logging.Formatter):
    """oslo.log's logging_context_format_string, with - for what a line is not about."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        record.request_id = getattr(record, "request_id", None) or "-"
        uuid = getattr(record, "instance_uuid", None)
        record.instance = "[instance: %s] " % uuid if uuid else ""
        return super().format(record)


class _Brief(_Form):
    """Without the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(logging.makeLogRecord({**record.__dict__, "exc_info": None, "exc_text": None}))


def about(request_id: str | None = None, instance_uuid: str | None = None) -> dict[str, str | None]:
    """What a line of the log is about."""
    return {"request_id": request_id, "instance_uuid": instance_uuid}


def begin(name: str, level: str = "INFO") -> logging.Logger:
    """The log of a service, from now on on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Form(FORM, "%Y-%m-%d %H:%M:%S"))
    log = logging.getLogger(name)
    log.handlers[:] = [handler]
    log.setLevel(level)
    log.propagate = False
    return log


def briefly(library: str) -> None:
    """What a library warns of, from now on on stderr in the same form, a line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Brief(FORM, "%Y-%m-%d %H:%M:%S"))
    log = logging.getLogger(library)
    log.handlers[:] = [handler]
    log.setLevel("WARNING")
    log.propagate = False
