# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a flavor and an image ask for and cannot have: told before anything is made, and that entry's alone."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.instance.attachments import BlockDeviceMapping
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.misfit import reason

FLAVOR = {"name": "small", "vcpus": 2, "ram": 512, "disk": 1, "extra_specs": {}}
IMAGE = {"name": "demo", "min_disk": 0, "min_ram": 0, "properties": {}}
BOOT = BlockDeviceMapping("v", "root", size=3, boot=True)
SECURE = "image demo: property os_secure_boot required: secure boot is not offered: say optional, and with "


@pytest.mark.parametrize(
    ("extra_specs", "properties", "told"),
    [
        ({"hw:cpu_policy": "dedicated", "ssd": "true"}, {"os_distro": "debian", "architecture": "x86_64"}, None),
        ({"hw:cpu_polcy": "dedicated"}, {}, "flavor small: extra spec hw:cpu_polcy is unknown"),
        ({"hw:pmem": "a"}, {}, "flavor small: extra spec hw:pmem a: no persistent memory is given to guests"),
        ({"resources:VGPU": "1"}, {}, "flavor small: extra spec resources:VGPU 1: vCPUs, RAM and disk are counted"),
        ({}, {"os_secure_boot": "required"}, SECURE + "hw_firmware_type uefi the guest boots without it"),
        ({"hw:pmu": "true"}, {"hw_pmu": "false"}, "flavor small: the image's hw_pmu false is not the flavor's true"),
        ({"hw:cpu_thread_policy": "isolate"}, {}, "only for hw:cpu_policy dedicated"),
        ({"hw:numa_nodes": "3"}, {}, "2 vCPUs and 512 MiB cannot be parted evenly among 3 NUMA nodes"),
        ({"hw:pmem": "a"}, {"hw_tpm_version": "2.0"}, "leave it out; image demo: property hw_tpm_version 2.0: no TPM"),
    ],
)
def test_what_is_asked_for_and_not_there(extra_specs, properties, told):
    found = reason({**FLAVOR, "extra_specs": extra_specs}, {**IMAGE, "properties": properties}, None)
    assert (told or "") in (found or "")
    assert bool(told) == bool(found)


@pytest.mark.parametrize(
    ("image", "volumes", "told"),
    [
        ({"min_ram": 1024}, None, "flavor small has 512 MiB of RAM, image demo needs 1024: take a larger flavor"),
        ({"min_disk": 5}, None, "flavor small has a disk of 1 GiB, image demo needs 5: take a larger flavor"),
        ({"min_disk": 5}, [BOOT], "volume root has 3 GiB, image demo needs 5: make it larger"),
        ({"min_disk": 3}, [BOOT], None),
    ],
)
def test_a_flavor_that_is_too_small(image, volumes, told):
    assert reason(FLAVOR, {**IMAGE, **image}, volumes) == told


def test_without_an_image_the_flavor_is_looked_at():
    assert reason(FLAVOR, None, [BOOT]) is None
    assert "hw:pmem" in reason({**FLAVOR, "extra_specs": {"hw:pmem": "a"}}, None, [BOOT])


@pytest.fixture
def database_url(tmp_path):
    """One kind of database is enough for what the rules say."""
    return "sqlite:///%s" % (tmp_path / "launch.db")


def test_it_is_that_entrys_alone(run):
    demo = {"url": "https://images.example/demo.qcow2", "checksum": "none"}
    tpm = {**demo, "properties": {"hw_tpm_version": "2.0"}}
    told = run(images={"demo": demo, "tpm": tpm}).ask({}, {"name": "db", "image": "tpm"})
    assert [(each["status"], each["host"]) for each in told.values()] == [("BUILD", None), ("ERROR", None)]
    assert "property hw_tpm_version 2.0: no TPM is emulated here" in told["db"]["fault"]


def test_one_that_runs_goes_on(run, put):
    first = run()
    web = first.ask({})["web"]
    put(web="c1")
    first.built({**web, "host": "c1"})
    small = {"small": {"vcpus": 2, "ram": 512, "disk": 1, "extra_specs": {"hw:pmem": "a"}}}
    again = first.ask({"metadata": {"a": "b"}}, flavors=small)["web"]
    assert (again["msg"], again["metadata"]) == (None, {"a": "b"})
