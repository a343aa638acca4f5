# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's libvirt, the same for every stage that asks it: the library, one connection, errors, and amounts."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Callable, Iterable, Iterator
from xml.etree.ElementTree import Element

from .errors import MissingLibrary, Unavailable
from .names import NAMESPACE

URI = "qemu:///system"

# The element in a domain's metadata by which the domain is known as ours; its attribute `record` says whose it is.
MARK = "{%s}instance" % NAMESPACE

# The connection of this process, beside the library that opened it.
_opened: list[tuple[Any, Any]] = []


def load() -> Any:
    """The libvirt library, which says nothing on stderr any more; MissingLibrary if it cannot be imported."""
    try:
        import libvirt
    except ImportError as error:
        raise MissingLibrary("libvirt: python3-libvirt of the distribution") from error
    libvirt.registerErrorHandler(lambda context, error: None, None)
    return libvirt


def open_connection(libvirt: Any) -> Any:
    """The process's connection to the host's libvirt, opened when first needed; Unavailable if it does not answer."""
    for library, connection in _opened:
        if library is libvirt and connection.isAlive():
            return connection
    try:
        connection = libvirt.open(URI)
    except libvirt.libvirtError as error:
        raise Unavailable(
            "libvirt on this host does not answer (%s): start libvirtd, or see journalctl -u libvirtd" % error
        ) from error
    _opened[:] = [(libvirt, connection)]
    return connection


@contextmanager
def libvirt_errors(libvirt: Any) -> Iterator[None]:
    """Turn libvirt's errors into ours. None is an abort: another host may do."""
    try:
        yield
    except libvirt.libvirtError as error:
        raise Unavailable("libvirt: %s" % error) from error


def ask_each(libvirt: Any, question: Callable[[Any], Any], handles: Iterable[Any]) -> list[Any]:
    """What question(handle) says of every domain; one that has gone since it was listed is left out."""
    answers = []
    for handle in handles:
        try:
            answers.append(question(handle))
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise
    return answers


def power_state(libvirt: Any, domain: Any) -> str:
    """A domain's state in nova's words (nova/virt/libvirt/guest.py, LIBVIRT_POWER_STATE)."""
    words = {
        libvirt.VIR_DOMAIN_PAUSED: "paused",
        libvirt.VIR_DOMAIN_SHUTOFF: "shutdown",
        libvirt.VIR_DOMAIN_CRASHED: "crashed",
        libvirt.VIR_DOMAIN_PMSUSPENDED: "suspended",
    }
    return words.get(domain.state()[0], "running")


def mebibytes(memory: Element) -> int:
    """A libvirt amount of memory in MiB."""
    scale = {"b": 1, "bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
    return int(memory.text) * scale[memory.get("unit", "KiB")] >> 20
