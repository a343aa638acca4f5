# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The library and the connection to libvirt that all stages share."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core import libvirt
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import MissingLibrary, Unavailable


class LibvirtError(Exception):
    """What libvirt raises."""


class Library:
    """A libvirt that counts its connections."""

    libvirtError = LibvirtError  # noqa: N815

    def __init__(self):
        self.connections = []

    def open(self, uri):
        self.connections.append(SimpleNamespace(isAlive=lambda: True))
        return self.connections[-1]


def test_a_process_has_one_connection():
    library = Library()
    first = libvirt.open_connection(library)
    assert libvirt.open_connection(library) is first
    assert len(library.connections) == 1


def test_a_connection_that_broke_is_opened_anew():
    library = Library()
    libvirt.open_connection(library).isAlive = lambda: False
    assert libvirt.open_connection(library) is library.connections[1]


def test_another_library_has_a_connection_of_its_own():
    first, second = Library(), Library()
    assert libvirt.open_connection(first) is not libvirt.open_connection(second)


def test_a_libvirt_that_does_not_answer_names_the_cure():
    def refuse(uri):
        raise LibvirtError("Failed to connect socket to '/var/run/libvirt/libvirt-sock'")

    with pytest.raises(Unavailable, match="start libvirtd"):
        libvirt.open_connection(SimpleNamespace(libvirtError=LibvirtError, open=refuse))


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "libvirt", None)
    with pytest.raises(MissingLibrary) as caught:
        libvirt.load()
    assert "python3-libvirt" in caught.value.library


class CodedError(LibvirtError):
    """What libvirt raises, with a code."""

    def get_error_code(self):
        return self.args[0]


def test_a_domain_that_has_gone_meanwhile_is_left_out():
    library = SimpleNamespace(libvirtError=LibvirtError, VIR_ERR_NO_DOMAIN=42)

    def question(handle):
        if handle:
            raise CodedError(handle)
        return "here"

    assert libvirt.ask_each(library, question, [0, 42, 0]) == ["here", "here"]
    with pytest.raises(LibvirtError):
        libvirt.ask_each(library, question, [0, 1])


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("<memory unit='KiB'>65536</memory>", 64),
        ("<memory>65536</memory>", 64),
        ("<memory unit='MiB'>64</memory>", 64),
        ("<memory unit='GiB'>1</memory>", 1024),
        ("<memory unit='b'>67108864</memory>", 64),
    ],
)
def test_memory_in_mebibytes(text, amount):
    assert libvirt.mebibytes(ElementTree.fromstring(text)) == amount
