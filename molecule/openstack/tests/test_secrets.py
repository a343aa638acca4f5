# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The token lives in one file and in memory; it is renewed when it has to be, and shows nowhere."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from ansible_collections.kvmstack.launch.molecule.openstack.tests.cloud import WHOLE, request
from ansible_collections.kvmstack.launch.molecule.shared.launching import DATABASE, ROOT

KEYSTONE = "http://198.51.100.20:5000/v3/auth/tokens"
PASSWORD = ROOT / "build/hosts/password"
# The folders of a host where anything may have left a trace.
TRACES = "/var/log /var/lib/kvmstack /var/lib/libvirt /etc/libvirt /run/libvirt /root/.ansible /tmp"
SAMPLE = (
    "touch /run/sampling; while [ -e /run/sampling ]; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null;"
    r" sleep 0.1; done | tr '\0' '\n' | sort -u > /tmp/samples"
)


@pytest.fixture
def fresh(site):
    """The next run begins without any token."""
    for path in site.private.glob("token-*"):
        path.unlink()


def revoke(token: str) -> None:
    """Take a token back, as its owner may."""
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}
    urllib.request.urlopen(urllib.request.Request(KEYSTONE, headers=headers, method="DELETE"), timeout=30).close()


@pytest.mark.usefixtures("fresh")
def test_tokens_that_end_in_the_middle_of_a_run_are_renewed(site):
    """They are revoked before neutron and cinder have seen them; the run notices and goes on."""
    wanted = request("renewed")
    with site.as_before():
        try:
            with site.held_at(wanted, ": Network info]") as launch:
                old = site.tokens()
                for token in old:
                    revoke(token)
            run = site.end(launch)
            assert run.status == 0, run.output
            assert len(old) == 2
            assert not set(old) & set(site.tokens())
            assert site.parts("renewed") == WHOLE
        finally:
            site.destroy(wanted)


def test_only_the_owner_reads_the_files_of_tokens(site):
    assert site.private.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in site.private.rglob("*") if path.is_file()} == {0o600}


@contextlib.contextmanager
def sampled(site, seen: set):
    """Arguments and environments of every process, on the hosts in /tmp/samples, here in `seen`."""
    shell = ["ssh", "-F", str(ROOT / "build/hosts/ssh_config")]
    hosts = ("control", *site.compute_hosts)
    # ssh would leave an input that it shares with Ansible without waiting, which Ansible does not take.
    samplers = [subprocess.Popen([*shell, host, SAMPLE], stdin=subprocess.DEVNULL) for host in hosts]
    going = threading.Event()
    here = threading.Thread(target=look_here, args=(seen, going))
    here.start()
    try:
        yield
    finally:
        going.set()
        here.join()
        for host, sampler in zip(hosts, samplers):
            site.on(host, "rm -f /run/sampling")
            sampler.wait(timeout=30)


def look_here(seen: set, going: threading.Event) -> None:
    while not going.is_set():
        for path in Path("/proc").glob("[0-9]*"):
            for name in ("cmdline", "environ"):
                with contextlib.suppress(OSError):
                    seen.update((path / name).read_bytes().split(b"\0"))
        time.sleep(0.1)


def test_neither_token_nor_password_shows_anywhere(site):
    """After a launch and a destroy that say all they can, watched from beside."""
    wanted, here = request("secretive", user_data="#!/bin/sh\necho well-hidden\n"), set()
    with sampled(site, here):
        run = site.launch(wanted, "-vvvv", "--diff")
        run.output += site.launch(wanted, "-vvvv", "--check").output
        run.output += site.destroy(wanted, "-vvvv").output
    tokens, password = site.tokens(), PASSWORD.read_text().strip()
    assert len(tokens) >= 2
    for secret in (*tokens, password):
        assert secret not in run.output
        assert not [sample for sample in here if secret.encode() in sample]
        assert secret.encode() not in DATABASE.read_bytes()
        assert not [path for path in (ROOT / "build/results").iterdir() if secret.encode() in path.read_bytes()]
    for host in ("control", *site.compute_hosts):
        search = "trap 'rm /run/secrets' EXIT; umask 077; cat > /run/secrets; s='-F -f /run/secrets';"
        search += " test -s /tmp/samples && ! grep -r -l -s $s %s && ! journalctl --no-pager | grep $s" % TRACES
        search += " && ! mysqldump --all-databases | grep $s" if host == "control" else ""
        # The control host's own preparation has told it the password.
        known = tokens if host == "control" else [*tokens, password]
        site.on(host, search, "".join(secret + "\n" for secret in known))


def test_the_record_keeps_who_and_which_request_but_no_token(site):
    row = site.record("web")
    assert all(secret not in json.dumps(row, default=str) for secret in site.tokens())
    [action] = site.records("instance_actions", "instance_uuid = '%s' and action = 'create'" % row["uuid"])[:1]
    assert action["request_id"] == row["request_id"]
    assert action["user_id"] == row["user_id"]
