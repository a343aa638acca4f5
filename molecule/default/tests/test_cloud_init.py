# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Debian image with real cloud-init takes all it needs from our config drive."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOpenSSHKeyForCloudInitInMoleculeTestsOfThis cloud@molecule"
USER_DATA = """#cloud-config
runcmd:
  - echo "CLOUD-HOSTNAME $(hostname)" > /dev/ttyS0
  - echo "CLOUD-ADDRESS $(ip -4 -brief address show scope global | tr -s ' ' | cut -d ' ' -f 3)" > /dev/ttyS0
  - cat /home/*/.ssh/authorized_keys | sed 's/^/CLOUD-KEY /' > /dev/ttyS0
  - echo "CLOUD-DATASOURCE $(cloud-id)" > /dev/ttyS0
  - echo CLOUD-DONE > /dev/ttyS0
"""


@pytest.fixture(scope="module")
def debian(site):
    """A running instance of the image; gone at the end."""
    image = ROOT / "build/images/cloud-init.qcow2"
    subprocess.run([ROOT / "tests/guests/cloud_init/build", image], check=True)
    wanted = {
        "launch_images": {"debian": {"url": "file:///srv/images/cloud-init.qcow2", "checksum": "none"}},
        "launch_instances": [
            {
                "name": "cloudy",
                "flavor": {"vcpus": 1, "ram": 512},
                "image": "debian",
                "networks": ["private"],
                "ssh_keys": [KEY],
                "user_data": USER_DATA,
            }
        ],
    }
    site.launch(wanted)
    yield wanted
    site.destroy(wanted)


def test_cloud_init_applies_it_all(site, debian):
    text = site.console("cloudy", "CLOUD-DONE", seconds=420)
    [port] = site.record("cloudy")["ports"]
    assert "CLOUD-HOSTNAME cloudy" in text
    assert "CLOUD-ADDRESS %s/24" % port["fixed_ip"] in text
    assert "CLOUD-KEY %s" % KEY in text
    assert "CLOUD-DATASOURCE configdrive" in text
