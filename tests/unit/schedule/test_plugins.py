# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters and weighers of other collections: found by their full names, from where Ansible has collections, or told."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.model import NoValidHost
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.selection import select
from ansible_collections.kvmstack.launch.tests.unit.schedule.samples import ask, host, policy

FILTER = """
from __future__ import annotations

from .tables import RACKS


def rack(host, request):
    return None if host.host in RACKS else "are in no rack"


class RackFilter:
    def __call__(self, host, request):
        return rack(host, request)


broken = 1
"""
WEIGHER = """
def favourite(host, request):
    return host.host == "c2"
"""
numbers = itertools.count(1)


@pytest.fixture
def cloud(tmp_path):
    """The full name of a collection that is installed in tmp_path."""
    name = "cloud%d" % next(numbers)
    place = tmp_path / "ansible_collections" / "acme" / name / "plugins" / "module_utils"
    place.mkdir(parents=True)
    (place / "filters.py").write_text(FILTER)
    (place / "tables.py").write_text("RACKS = ['c2']\n")
    (place / "weighers.py").write_text(WEIGHER)
    (place / "wrong.py").write_text("import no_such_library\n")
    return "acme." + name


def test_a_filter_by_its_short_full_name(cloud, tmp_path):
    mine = policy(filters=["ComputeFilter", cloud + ".rack"], collections_paths=[str(tmp_path)])
    assert select(ask(), [host("c1"), host("c2")], mine).host == "c2"
    with pytest.raises(NoValidHost, match="%s.rack: 1 of 1 are in no rack" % cloud):
        select(ask(), [host("c1")], mine)


@pytest.mark.parametrize("name", [".filters.rack", ".plugins.module_utils.filters.rack", ".RackFilter"])
def test_the_other_ways_to_write_it(cloud, tmp_path, name):
    mine = policy(filters=[cloud + name], collections_paths=[str(tmp_path / "ansible_collections")])
    assert select(ask(), [host("c1"), host("c2")], mine).host == "c2"


def test_a_weigher(cloud, tmp_path):
    mine = policy(weighers={cloud + ".favourite": 2.0}, collections_paths=[str(tmp_path)])
    selection = select(ask(), [host("c1"), host("c2")], mine)
    assert selection.weights == (("c2", 2.0), ("c1", 0.0))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("%s.nothing", "has no function nothing"),
        ("%s.broken", "has no function broken"),
        ("%s.none.rack", "there is no .*none.py"),
        ("%s.wrong.rack", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("acme.other.rack", "acme.other is not installed \\(looked in .*\\)"),
        ("%s.../../etc.rack", "a full name is"),
        ("%s.__init__.rack", "there is no"),
    ],
)
def test_what_is_not_there_is_told(cloud, tmp_path, name, words):
    with pytest.raises(InvalidRequest, match=words):
        policy(filters=[name.replace("%s", cloud)], collections_paths=[str(tmp_path)])


def test_without_a_path_nothing_is_found(cloud):
    with pytest.raises(InvalidRequest, match="collections_paths is empty"):
        policy(filters=[cloud + ".rack"])


@pytest.mark.parametrize("place", ["filters.py", "."])
def test_code_that_anybody_can_write_is_not_run(cloud, tmp_path, place):
    utils = tmp_path.joinpath("ansible_collections", *cloud.split("."), "plugins", "module_utils")
    (utils / place).chmod(0o777)
    with pytest.raises(InvalidRequest, match="anybody can write"):
        policy(filters=[cloud + ".rack"], collections_paths=[str(tmp_path)])
