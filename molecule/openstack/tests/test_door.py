# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front door behind real Keystone: users ask in their projects, and a worker launches by the launcher's account."""

from __future__ import annotations

import openstack
import pytest
from openstack.connection import Connection

from ansible_collections.kvmstack.launch.molecule.openstack.tests.door import opened


@pytest.fixture(scope="module")
def door(site, tmp_path_factory):
    with opened(site, tmp_path_factory.mktemp("door")) as door:
        yield door


def ask(cloud: Connection, name: str, **asked):
    """A server of the tiny flavor on the project's network, where it has any."""
    network, image = cloud.network.find_network("private"), cloud.image.find_image("nop")
    return cloud.compute.create_server(
        name=name, image_id=image.id, flavor_id="tiny", networks=[{"uuid": network.id}] if network else "none", **asked
    )


def test_a_member_launches_and_what_is_his_is_his(site, door):
    member, token = door.by("member"), None
    made = ask(member, "asked")
    token = member.auth_token
    try:
        server = member.compute.wait_for_server(made, wait=240)
        row, port = site.record("asked"), site.port("asked")
        assert site.on(row["host"], "virsh domstate %s" % row["uuid"]).strip() == "running"
        assert (row["user_id"], row["project_id"]) == (member.current_user_id, member.current_project_id)
        assert (server.user_id, port["project_id"]) == (row["user_id"], row["project_id"])
        with pytest.raises(openstack.exceptions.NotFoundException):
            door.by("stranger").compute.get_server(made.id)
        assert list(door.by("stranger").compute.servers()) == []
        assert "asked" in [each.name for each in door.by("reader").compute.servers()]
        assert made.id in [each.id for each in door.by("admin").compute.servers(all_projects=True)]
        for refused in (
            lambda: door.by("reader").compute.delete_server(made.id),
            lambda: ask(door.by("reader"), "no"),
            lambda: list(member.compute.servers(all_projects=True)),
            lambda: list(member.compute.hypervisors()),
        ):
            with pytest.raises(openstack.exceptions.ForbiddenException):
                refused()
    finally:
        member.compute.delete_server(made.id)
        member.compute.wait_for_delete(made, wait=240)
    assert token not in door.logs()
    texts = [path.read_text() for path in door.folder.rglob("*") if path.is_file()]
    assert not any(token in text for text in texts)


def test_a_worker_has_no_business_where_the_launcher_has_no_role(site, door):
    """The stranger's request is accepted, as of all projects, and its fault tells an administrator what is missing."""
    stranger = door.by("stranger")
    made = ask(stranger, "theirs")
    try:
        with pytest.raises(openstack.exceptions.ResourceFailure):
            stranger.compute.wait_for_server(made, wait=280)
        assert stranger.compute.get_server(made.id).fault["message"] == "create was given up after 5 attempts"
        assert "Keystone says" in door.by("admin").compute.get_server(made.id).fault["details"]
    finally:
        site.destroy({"launch_cloud": "stranger", "launch_instances": [{"name": "theirs", "state": "absent"}]})


def test_a_token_that_is_none_is_401_and_keystone_away_503(site, door):
    member = door.by("member")
    assert door.asked("nonsense") == 401
    assert door.asked(member.auth_token) == 200
    late = door.by("reader").auth_token
    with site.without("keystone"):
        assert door.asked(late) == 503
        assert door.asked(member.auth_token) == 200  # it is kept for five minutes
        assert door.answers()
    assert door.asked(late) == 200
