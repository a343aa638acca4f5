# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls that return, that fail, and that do neither."""

from __future__ import annotations

import threading

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.domain.timeout import TimedOut, call_with_timeout


def test_what_a_call_returns():
    assert call_with_timeout(10, max, 1, 2) == 2


def test_what_a_call_raises():
    with pytest.raises(ValueError, match="invalid literal"):
        call_with_timeout(10, int, "x")


def test_a_call_that_hangs_is_left_alone():
    end = threading.Event()
    with pytest.raises(TimedOut):
        call_with_timeout(0.05, end.wait)
    end.set()
