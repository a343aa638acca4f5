# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Debian image with real cloud-init takes what it needs from our config drive, and packages from a mirror outside.

Ansible reaches it by the record.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import subprocess
import threading
from pathlib import Path

import pytest

from ansible_collections.kvmstack.launch.molecule.default.tests.test_networks import OUTSIDE

ROOT = Path(__file__).parents[3]
# A new guest's host key is not known yet, and this one's never again.
ACCEPT = "-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=/dev/null"
USER_DATA = """#cloud-config
write_files:
  - path: /etc/apt/sources.list
    content: deb [trusted=yes] MIRROR ./
package_update: true
packages: [kvmstack-proof]
runcmd:
  - dpkg-query --show --showformat 'CLOUD-PACKAGE ${Package} ${Version}\\n' kvmstack-proof > /dev/ttyS0
  - echo "CLOUD-HOSTNAME $(hostname)" > /dev/ttyS0
  - echo "CLOUD-ADDRESS $(ip -4 -brief address show scope global | tr -s ' ' | cut -d ' ' -f 3)" > /dev/ttyS0
  - cat /home/*/.ssh/authorized_keys | sed 's/^/CLOUD-KEY /' > /dev/ttyS0
  - echo "CLOUD-DATASOURCE $(cloud-id)" > /dev/ttyS0
  - echo CLOUD-DONE > /dev/ttyS0
"""


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """The file of a new private key of ssh; that of the public one is beside it."""
    path = tmp_path_factory.mktemp("key") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "cloud@molecule", "-f", path], check=True)
    return path


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    """The address of a mirror with one package, outside of the compute hosts."""
    folder = tmp_path_factory.mktemp("mirror")
    control = folder / "proof/DEBIAN/control"
    control.parent.mkdir(parents=True)
    said = "Package: kvmstack-proof\nVersion: 1.2\nArchitecture: all\nMaintainer: nobody\nDescription: a proof\n"
    control.write_text(said)
    package = folder / "proof.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", folder / "proof", package], check=True)
    sums = (package.stat().st_size, hashlib.sha256(package.read_bytes()).hexdigest())
    (folder / "Packages").write_text(said + "Filename: ./proof.deb\nSize: %d\nSHA256: %s\n" % sums)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer((OUTSIDE, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield "http://%s:%d" % server.server_address[:2]
        server.shutdown()


@pytest.fixture(scope="module")
def debian(site, key, mirror):
    """A running instance of the image; gone at the end."""
    image = ROOT / "build/images/cloud-init.qcow2"
    subprocess.run([ROOT / "tests/guests/cloud_init/build", image], check=True)
    wanted = {
        "launch_images": {"debian": {"url": "file:///srv/images/cloud-init.qcow2", "checksum": "none"}},
        "launch_security_groups": {"ssh": [{"protocol": "tcp", "port": 22, "remote": "10.20.0.1/32"}]},
        "launch_instances": [
            {
                "name": "cloudy",
                "flavor": {"vcpus": 1, "ram": 512},
                "image": "debian",
                "networks": [{"network": "private", "security_groups": ["default", "ssh"]}],
                "ssh_keys": [key.with_suffix(".pub").read_text().strip()],
                "user_data": USER_DATA.replace("MIRROR", mirror),
            }
        ],
    }
    site.launch(wanted)
    yield wanted
    site.destroy(wanted)


def test_cloud_init_applies_it_all(site, debian, key):
    text = site.console("cloudy", "CLOUD-DONE", seconds=420)
    [port] = site.record("cloudy")["ports"]
    assert "CLOUD-HOSTNAME cloudy" in text
    assert "CLOUD-ADDRESS %s/24" % port["fixed_ip"] in text
    assert "CLOUD-KEY %s" % key.with_suffix(".pub").read_text().strip() in text
    assert "CLOUD-DATASOURCE configdrive" in text
    assert "CLOUD-PACKAGE kvmstack-proof 1.2" in text


def test_ansible_reaches_it_by_the_record_over_its_host(site, debian, key, tmp_path):
    source = tmp_path / "vms.kvmstack.yml"
    options = {"ansible_ssh_private_key_file": "'%s'" % key, "ansible_ssh_extra_args": "'%s'" % ACCEPT}
    plugin = {"plugin": "kvmstack.launch.instances", "ansible_user": "debian"}
    source.write_text(json.dumps({**plugin, "database": site.database, "compose": options}))
    inventories = ["--inventory", ROOT / site.inventory, "--inventory", source]
    command = ["ansible", *inventories, "image_debian", "-m", "ansible.builtin.command", "-a", "hostname"]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False, **site.streams)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "cloudy"
