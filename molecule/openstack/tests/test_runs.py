# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs of all kinds: checked only, repeated, killed, with a service down; and the services count what is left."""

from __future__ import annotations

from ansible_collections.kvmstack.launch.molecule.openstack.tests.cloud import REQUEST, WHOLE, request
from ansible_collections.kvmstack.launch.molecule.shared.launching import DATABASE

# Where runs are killed, one after the other: at the beginning of a task, or so many seconds into it.
DEATHS = [
    (": Image info]", 0.2),
    (": Schedule]", 0),
    (": Port]", 0.4),
    (": Volume]", 0.8),
    (": Build]", 0.8),
    ("Write the outcome", 0),
]


def test_a_second_run_changes_nothing(site):
    before = site.state()
    site.unchanged({"launch_instances": REQUEST["launch_instances"]})
    assert site.state() == before


def test_check_mode_shows_everything_and_writes_nothing(site):
    wanted = request("checked", "bootable")
    wanted["launch_instances"][1].update(
        volumes=[{"name": "root", "size": 1, "image": "demo", "boot": True}], image=None
    )
    before, file = site.state(), DATABASE.read_bytes()
    run = site.launch(wanted, "--check", "--diff", "-v")
    assert site.state() == before
    assert DATABASE.read_bytes() == file
    for shown in ("checked-private", "checked-data", "bootable-root", "compute-", "<domain "):
        assert shown in run.output


def test_killed_at_every_stage_it_is_finished_without_doubles(site):
    """One launch that dies again and again; each run goes on where the one before it stopped."""
    wanted = request("killed")
    with site.as_before():
        try:
            for words, seconds in DEATHS:
                site.launch_killed_at(wanted, words, seconds=seconds)
            site.launch(wanted)
            assert site.parts("killed") == WHOLE
            site.unchanged(wanted)
        finally:
            site.destroy(wanted)


def test_with_a_service_down_in_the_middle_the_next_run_finishes_without_doubles(site):
    """A service stops while the stage before its own is on its way."""
    wanted = request("halted")
    downs = [
        (": Token]", "glance-api", "Glance"),
        (": Schedule]", "neutron-server", "Neutron"),
        (": Port]", "cinder-api", "Cinder"),
    ]
    with site.as_before():
        try:
            for words, service, name in downs:
                with site.held_at(wanted, words) as launch:
                    site.on("control", "systemctl stop %s" % service)
                run = site.end(launch)
                site.restored(service)
                assert run.status == 2, run.output
                assert "%s does not answer" % name in run.output
            site.launch(wanted)
            assert site.parts("halted") == WHOLE
        finally:
            site.restored(*(service for _words, service, _name in downs))
            site.destroy(wanted)


def test_without_keystone_nothing_begins(site):
    before = site.state()
    with site.without("keystone"):
        run = site.launch(request("early"), status=2)
    assert "Keystone does not answer" in run.output
    assert site.state() == before
