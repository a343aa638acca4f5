# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may do what: a reader only looks, and another project has its own world, down to the names in it."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.molecule.openstack.tests.cloud import NAMES, REQUEST, request

BARE = {"networks": [], "volumes": []}
ALL = {"launch_instances": REQUEST["launch_instances"]}


def by(user: str, wanted: dict) -> dict:
    """The same request, of somebody else."""
    return {**wanted, "launch_cloud": user}


def test_a_reader_is_refused_and_nothing_is_recorded(site):
    before = site.state()
    run = site.launch(by("reader", request("read", **BARE)), status=2)
    assert "user reader in project demo: the policy does not allow to launch" in run.output
    run = site.destroy(by("reader", ALL), status=2)
    assert "user reader in project demo: the policy does not allow to delete instances" in run.output
    assert site.state() == before


def test_everyone_sees_what_the_policy_lets_him(site):
    assert all(name in site.run("list.yml", by("reader", {})).output for name in NAMES)
    output = site.run("list.yml", by("stranger", {})).output
    assert not any(site.record(name)["uuid"] in output for name in NAMES)
    everything = {"launch_all_projects": True}
    assert "the policy does not allow" in site.run("list.yml", by("member", everything), status=2).output
    output = site.run("list.yml", by("admin", everything)).output
    assert all(site.record(name)["uuid"] in output for name in NAMES)


@pytest.fixture
def secret(site):
    """An image of the member's project alone."""
    site.openstack("member", "image create --private --disk-format qcow2 --file /srv/images/nop.qcow2 secret")
    yield "secret"
    site.openstack("member", "image delete secret")


def test_a_stranger_can_use_nothing_of_the_project(site, secret):
    """Its image, network, port and volume do not exist for them; their own launch beside these goes well."""
    wanted = by("stranger", request("fine", "net", "lends", "vol", "img", **BARE))
    _fine, net, lends, vol, img = wanted["launch_instances"]
    net["networks"] = ["private"]
    lends["networks"] = [{"port": "lent"}]
    vol["volumes"] = [{"name": "web-data"}]
    img["image"] = secret
    theirs = site.openstack("member", "port show lent", "volume show web-data")
    with site.as_before():
        run = site.launch(wanted, status=2)
        faults = {row["name"]: row["fault"] for row in site.records()}
        assert faults["fine"] is None
        for name, thing in (("net", "private"), ("lends", "lent"), ("vol", "web-data"), ("img", secret)):
            assert thing in faults[name], faults[name]
            assert "%s is ERROR" % name in run.output
        site.destroy(wanted)
    assert site.openstack("member", "port show lent", "volume show web-data") == theirs


def test_the_same_names_are_others_instances_in_another_project(site):
    before = {name: site.record(name) for name in NAMES}
    theirs = by("stranger", request(*NAMES, **BARE))
    assert site.destroy(theirs).changed == 0
    site.launch(theirs)
    try:
        rows = [row for row in site.records() if row["name"] in NAMES]
        assert len(rows) == 2 * len(NAMES)
        for row in rows:
            assert site.on(row["host"], "virsh domstate %s" % row["uuid"]).strip() == "running"
        site.unchanged(theirs)
    finally:
        site.destroy(theirs)
    for name in NAMES:
        assert site.record(name) == before[name]
        assert site.on(before[name]["host"], "virsh domstate %s" % before[name]["uuid"]).strip() == "running"
