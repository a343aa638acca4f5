# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was launched is in the inventory, in the same run and by the record, and a launch waits until it answers."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest

from ansible_collections.kvmstack.launch.molecule.shared.launching import ROOT, request

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOfWhoLaunchesOfWhoLaunchesOfWhoLaunchesOfWh who@launches"
AFTER = """
- ansible.builtin.import_playbook: %s
- hosts: metadata_role_joining
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "AFTER {{ inventory_hostname }} {{ ansible_host }} {{ kvmstack.host }}"
"""
SOURCE = {"plugin": "kvmstack.launch.instances", "ansible_user": "debian"}


def open_to(*groups):
    """The networks of an instance whose port is in these security groups."""
    return [{"network": "private", "security_groups": list(groups)}]


@pytest.fixture(scope="module")
def web(site, tmp_path_factory):
    """A launch of the instance `web`, which ended when its guest answered, and a play after it; gone at the end."""
    folder = tmp_path_factory.mktemp("home")
    (folder / ".ssh").mkdir()
    (folder / ".ssh/id_ed25519.pub").write_text(KEY + "\n")
    (folder / "after.yml").write_text(AFTER % (ROOT / "playbooks/launch.yml"))
    wanted = request("web", image="demo", networks=open_to("default", "web"), metadata={"role": "joining"}, volumes=[])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        run = site.run(str(folder / "after.yml"), {**wanted, "launch_wait_for": 80, "launch_wait_timeout": 90})
    yield wanted, run
    site.destroy(request("web", "shut"))


def test_the_plays_after_a_launch_have_its_guests_as_hosts(site, web):
    _wanted, run = web
    row = site.record("web")
    assert "AFTER web %s %s" % (row["ports"][0]["fixed_ip"], row["host"]) in run.output
    assert "GUEST-READY" in site.console("web", "GUEST-READY", seconds=1)
    assert "[WARNING]" not in run.output


def test_who_launches_has_the_key(site, web):
    assert "GUEST-KEY %s" % KEY in site.console("web", "GUEST-READY")


def test_the_record_is_an_inventory_and_its_way_to_a_guest_is_one(site, web, tmp_path):
    source = tmp_path / "vms.kvmstack.yml"
    source.write_text(json.dumps({**SOURCE, "database": site.database}))
    command = ["ansible-inventory", "--inventory", ROOT / site.inventory, "--inventory", source]
    listed, host = (
        json.loads(subprocess.run([*command, *asked], capture_output=True, check=True, **site.streams).stdout)
        for asked in (["--list"], ["--host", "web"])
    )
    row = site.record("web")
    address = row["ports"][0]["fixed_ip"]
    assert "web" in listed["host_%s" % row["host"].replace("-", "_")]["hosts"]
    assert listed["metadata_role_joining"]["hosts"] == ["web"]
    assert (host["ansible_host"], host["ansible_user"], host["kvmstack"]["uuid"]) == (address, "debian", row["uuid"])
    _option, jump, *_more = shlex.split(host["ansible_ssh_common_args"])
    command = jump.partition("ProxyCommand=")[2].replace("%h", address).replace("%p", "80")
    get = {"input": "GET / HTTP/1.0\r\n\r\n", "capture_output": True, "text": True, "timeout": 60}
    assert "hello from web" in subprocess.run(shlex.split(command), check=True, **get).stdout


def test_a_guest_that_does_not_answer_is_told(site, web):
    wanted, _run = web
    shut = request("shut", networks=open_to(), volumes=[])["launch_instances"]
    both = {**wanted, "launch_instances": [*wanted["launch_instances"], *shut]}
    run = site.launch({**both, "launch_wait_for": 80, "launch_wait_timeout": 10}, status=2)
    address = site.record("shut")["ports"][0]["fixed_ip"]
    assert "shut is ACTIVE: it does not answer: %s port 80: Connection timed out" % address in run.output
    assert "web is ACTIVE" not in run.output
