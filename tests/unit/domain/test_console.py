# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ends of consoles, as files have them."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.domain import console

UUID = "11111111-0000-4000-8000-000000000001"
OTHER = "11111111-0000-4000-8000-000000000002"


@pytest.fixture
def read(tmp_path):
    """Gives what is told of a guest with these logs."""

    def read(**logs):
        folder = tmp_path / "instances" / UUID
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in logs.items():
            (folder / {"now": "console.log", "before": "console.log.0"}[name]).write_bytes(text)
        params = {"instances": [UUID, OTHER], "state_path": str(tmp_path)}
        mine, other = console.find(params)
        assert other.to_result() == {"instance_uuid": OTHER, "output": None}
        return mine.output

    return read


def test_what_a_guest_has_said(read):
    assert read() is None
    assert read(now=b"hello\0\xff\n") == "hello\ufffd\n"


def test_the_end_of_much(read, monkeypatch):
    monkeypatch.setattr(console, "MOST", 4)
    assert read(now=b"abcdef") == "cdef"
    assert read(now=b"ef", before=b"abcd") == "cdef", "the log has just been rolled over"
    assert read(now=b"cdef", before=b"xx") == "cdef"


def test_a_guest_goes_by_its_uuid():
    with pytest.raises(InvalidRequest, match="instances"):
        console.find({"instances": ["../../etc"], "state_path": "/"})
