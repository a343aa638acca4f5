# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can be wrong is told with the service's own words and the id of its request, and stops nothing else."""

from __future__ import annotations

import json
import re
import time

import pytest
import yaml

from ansible_collections.kvmstack.launch.molecule.openstack.tests.cloud import CEPH, WHOLE, request
from ansible_collections.kvmstack.launch.molecule.shared.launching import ROOT

# How a service's own answer ends: its status, and what to look for in its log.
ORIGIN = r"\(4\d\d, request id req-[0-9a-f-]{36}\)"


@pytest.fixture
def narrow(site):
    """A network with a single address, which is taken."""
    pool = "--subnet-range 10.32.0.0/29 --allocation-pool start=10.32.0.2,end=10.32.0.2"
    subnet = "subnet create --network narrow %s narrow" % pool
    site.openstack("member", "network create narrow", subnet, "port create --network narrow last")
    yield "narrow"
    site.openstack("member", "port delete last", "network delete narrow")


@pytest.fixture
def torn(site):
    """An image whose data is not what it was when it was uploaded; no host has it in its cache."""
    site.on("control", "{ cat /srv/images/nop.qcow2; echo whole; } > /tmp/torn")
    [image] = site.openstack("member", "image create --private --disk-format qcow2 --file /tmp/torn torn")
    site.on("control", "printf torn | dd of=/var/lib/glance/images/%s bs=1 seek=200000 conv=notrunc" % image["id"])
    yield "torn"
    site.openstack("member", "image delete torn")


def test_bad_instances_do_not_stop_the_good_one(site, narrow, torn):
    web, own = site.record("web"), site.record("own")
    taken = web["ports"][0]["fixed_ip"]
    volume = site.volume("web-data")["id"]
    bad = {
        "queued": ({"image": "queued"}, "is queued, not active"),
        "unknown": ({"image": "nonesuch"}, "image nonesuch"),
        "torn": ({"image": torn}, "sha512"),
        "lent": ({"networks": [{"port": "lent"}]}, own["uuid"]),
        "taken": ({"networks": [{"network": "private", "fixed_ip": taken}]}, taken),
        "full": ({"networks": [narrow]}, "No more IP addresses available.*" + ORIGIN),
        "lost": ({"networks": ["nowhere"]}, "network nowhere"),
        "broken": ({"volumes": [{"name": "data", "size": 1, "type": "broken"}]}, "status is error in Cinder.*backend"),
        "typo": ({"volumes": [{"name": "data", "size": 1, "type": "nonesuch"}]}, "nonesuch.*" + ORIGIN),
        "held": ({"volumes": [{"name": "web-data"}]}, web["uuid"]),
        "large": ({"volumes": [{"name": "data", "size": 2000}]}, "exceeds allowed gigabytes quota.*" + ORIGIN),
    }
    wanted = request("good", *bad)
    good, *others = wanted["launch_instances"]
    good["networks"] = [{"network": "private", "fixed_ip": "10.30.0.240", "allowed_address_pairs": ["10.30.0.250"]}]
    for entry in others:
        entry.update({"volumes": [], "networks": [], **bad[entry["name"]][0]})
    with site.as_before():
        try:
            run = site.launch(wanted, status=2)
            assert site.record("good")["vm_state"] == "active"
            port = site.port("good")
            assert [fixed["ip_address"] for fixed in port["fixed_ips"]] == ["10.30.0.240"]
            assert [pair["ip_address"] for pair in port["allowed_address_pairs"]] == ["10.30.0.250"]
            for name, (_entry, reason) in bad.items():
                row = site.record(name)
                assert row["vm_state"] == "error", name
                assert re.search(reason, row["fault"]), row["fault"]
                assert "%s is ERROR" % name in run.output
        finally:
            site.destroy(wanted)
    assert site.volume("web-data")["id"] == volume
    assert site.port("own")["name"] == "lent"


@pytest.mark.parametrize(
    ("auth", "what"),
    [({"password": "wrong"}, "a wrong password"), ({"project_name": "nonesuch"}, "a project that does not exist")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_who_is_not_known_to_keystone_gets_its_answer(site, auth, what, tmp_path, monkeypatch):
    before = site.state()
    known = yaml.safe_load((ROOT / "build/hosts/clouds.yaml").read_text())
    known["clouds"]["member"]["auth"].update(auth)
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump(known))
    monkeypatch.setattr(site, "environment", {"OS_CLIENT_CONFIG_FILE": str(tmp_path / "clouds.yaml")})
    run = site.launch(request("early"), status=2)
    assert re.search("Keystone says: The request you have made requires authentication.*" + ORIGIN, run.output), what
    assert site.state() == before


def test_over_quota_is_told_by_the_service_that_counts(site):
    """A project that may have no more ports and volumes than it has."""
    wanted = request("ported", "stored")
    ported, stored = wanted["launch_instances"]
    ported["volumes"], stored["networks"] = [], []
    ports, volumes = site.openstack("member", "port list", "volume list")
    with site.as_before():
        site.quota(ports=len(ports), volumes=len(volumes))
        try:
            site.launch(wanted, status=2)
            assert re.search("Quota exceeded for resources.*port.*" + ORIGIN, site.record("ported")["fault"])
            assert re.search("VolumeLimitExceeded|allowed.*volumes.*" + ORIGIN, site.record("stored")["fault"])
        finally:
            site.quota(ports=500, volumes=10)
            site.destroy(wanted)


def test_a_host_that_neutron_does_not_know_is_named(site, tmp_path):
    """Compute host 2 under a name that no chassis has."""
    inventory = tmp_path / "stray.yml"
    stray = {"ansible_host": "198.51.100.12", "lab_path": str(ROOT / "build/hosts")}
    inventory.write_text(json.dumps({"compute": {"hosts": {"stray": stray}}}))
    wanted = {**request("unbound", volumes=[]), "launch_compute_hosts": ["stray"]}
    with site.as_before():
        try:
            site.launch(wanted, "--inventory", str(inventory), status=2)
            assert "host stray cannot take it (binding failed)" in site.record("unbound")["fault"]
        finally:
            site.destroy(wanted, "--inventory", str(inventory))


def test_without_ceph_the_error_comes_soon_and_the_next_run_heals_it(site):
    """Cinder tells it in its words, and Ceph's own tools in theirs."""
    wanted, direct = request("stranded"), {**request("direct"), **CEPH}
    told = ((wanted, "stranded is ERROR"), (direct, "see whether the monitors that conf in `ceph` names run"))
    with site.as_before():
        try:
            with site.without("ceph-mon@control"):
                for asked, said in told:
                    began = time.monotonic()
                    run = site.launch(asked, status=2)
                    assert time.monotonic() - began < 60
                    # Ansible wraps what it prints.
                    assert said in " ".join(run.output.split()), run.output
            site.launch(wanted)
            assert site.parts("stranded") == WHOLE
        finally:
            site.destroy(direct)
            site.destroy(wanted)
