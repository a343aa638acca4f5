# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which servers a compute host asks for others, and how large images may be."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.core.names import GIB
from ansible_collections.kvmstack.launch.plugins.module_utils.image.policy import Policy, parse


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("192.0.2.1", True),
        ("10.0.0.1", True),
        ("2001:db8::1", True),
        ("127.0.0.1", False),
        ("127.8.9.1", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("169.254.169.254", False),
        ("::ffff:169.254.169.254", False),
        ("fe80::1%eth0", False),
        ("0.0.0.0", False),
        ("::", False),
    ],
)
def test_what_only_the_host_can_reach_is_not_asked(address, allowed):
    assert Policy().allows_address(address) is allowed


def test_unless_its_operator_says_so():
    policy = parse({"image_sources": ["127.0.0.1", "fe80::/64", "/srv/a/", "/b"]})
    assert policy.folders == ("/srv/a", "/b")
    assert [policy.allows_address(each) for each in ("127.0.0.1", "::ffff:127.0.0.1", "fe80::9%lo")] == [True] * 3
    assert not policy.allows_address("127.0.0.2")


def test_without_a_word_files_are_in_one_folder():
    assert parse({}) == Policy(folders=("/srv/images",), max_size=100, seconds=3600)
    assert parse({"image_sources": []}).folders == ()


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"image_sources": ["images"]}, "image_sources 'images'"),
        ({"image_sources": ["127.0.0.1%x"]}, "image_sources '127.0.0.1%x'"),
        ({"image_max_size": 0}, "image_max_size: 0 is less than 1"),
        ({"image_timeout": -1}, "image_timeout: -1 is less than 1"),
    ],
)
def test_a_policy_that_makes_no_sense(params, words):
    with pytest.raises(InvalidRequest, match=words):
        parse(params)


def test_a_flavors_disk_bounds_the_image_or_else_the_policy():
    assert 10 * GIB < Policy().largest(10) < 11 * GIB
    assert Policy(max_size=20).largest(0) == Policy(max_size=20).largest(None) == Policy().largest(20)
