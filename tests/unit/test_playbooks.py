# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Playbooks as Ansible runs them: where their options leave nothing to do, and where no host answers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ansible_collections.kvmstack.launch.plugins.module_utils.core.change import plan
from ansible_collections.kvmstack.launch.plugins.module_utils.host import record as host_record
from ansible_collections.kvmstack.launch.plugins.module_utils.host import sql as host_sql
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import kept_sql
from ansible_collections.kvmstack.launch.tests.unit.instance.conftest import Run, place

ROOT = Path(__file__).parents[2]
# Nobody listens there.
SILENT = {"ansible_host": "127.0.0.1", "ansible_port": 1}
INVENTORY = {"compute": {"hosts": {"c1": SILENT, "c2": SILENT}}}
OURS = str(ROOT / "playbooks/%s.yml")
LEAVES_OUT = "--limit c1 leaves localhost out"
PARTS = ("controller", "attempt", "abandoned", "prepare", "image_cache")
PLAYBOOKS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(ROOT.glob("playbooks/*.yml"))}


@pytest.fixture
def run(tmp_path):
    """Runs a playbook of ours, or one of the user's own with these plays; its exit status and what it said."""
    (tmp_path / "inventory.yml").write_text(json.dumps(INVENTORY))

    def run(playbook, *options):
        if isinstance(playbook, list):
            (tmp_path / "site.yml").write_text(json.dumps(playbook))
            playbook = "site.yml"
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(tmp_path / "inventory.yml")]
        command += [playbook, "-e", "launch_database=sqlite:///%s" % (tmp_path / "launch.db"), *options]
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections"), "COLUMNS": "1000"}
        environment.pop("ANSIBLE_CONFIG", None)
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    return run


def site(**more):
    """A playbook of the user's own, that lists the instances and greets the hosts."""
    greeting = {"hosts": "all", "gather_facts": False, "tags": "web", "tasks": [{"debug": {"msg": "hello"}}]}
    return [{"import_playbook": OURS % "list", **more}, greeting]


@pytest.mark.parametrize(
    ("playbook", "options", "status", "words"),
    [
        pytest.param(OURS % "destroy", ["--limit", "c1"], 2, LEAVES_OUT, id="a limit without localhost"),
        pytest.param("kvmstack.launch.launch", ["--limit", "c1"], 2, LEAVES_OUT, id="also by the playbook's name"),
        pytest.param(OURS % "destroy", ["--tags", "x"], 2, "--tags x leaves out this playbook's tasks", id="tags"),
        pytest.param(OURS % "list", ["--limit", "c1,localhost"], 0, "NAME UUID", id="a limit with localhost"),
        pytest.param(OURS % "list", ["--skip-tags", "x"], 0, "NAME UUID", id="tags that are none of ours"),
        pytest.param(site(), ["--limit", "c1"], 0, "hello", id="a limit of the user's own playbook"),
        pytest.param(site(), ["--tags", "web"], 0, "hello", id="tags of the user's own playbook"),
        pytest.param(site(tags="vms"), ["--tags", "vms"], 0, "NAME UUID", id="tags of the import"),
    ],
)
def test_a_run_that_is_narrowed_does_its_work_or_fails_with_words(run, playbook, options, status, words):
    found, said = run(playbook, *options)
    assert (found, words in said) == (status, True), said


@pytest.mark.parametrize("name", [name for name in PLAYBOOKS if name not in PARTS])
def test_every_playbook_with_work_of_the_controller_begins_with_that(name):
    first, *others = PLAYBOOKS[name]
    assert first["ansible.builtin.import_playbook"] == "controller.yml"
    assert any(play.get("hosts") == "localhost" for play in others)


def test_the_other_playbooks_are_parts_or_hosts_only():
    assert not any(play.get("hosts") == "localhost" for name in PARTS for play in PLAYBOOKS[name])


@pytest.fixture
def record(tmp_path):
    """The record that the playbooks use."""
    return Run("sqlite:///%s" % (tmp_path / "launch.db"), project_id="default")


@pytest.fixture
def web(record):
    """An instance that is ACTIVE on c1, which does not answer."""
    record.ask({"networks": []})
    place(record.params["database"], "c1", web="c1")
    record.built(*record.find().values())


@pytest.fixture
def ovn(northbound):
    """The options for a northbound of its own."""
    return ["-e", json.dumps({"launch_ovn": {"northbound": northbound.endpoint}})]


REQUEST = {
    "launch_images": {"demo": {"url": "file:///srv/images/demo.qcow2", "checksum": "none"}},
    "launch_instances": [{"name": "web", "flavor": "tiny", "image": "demo", "networks": ["private"]}],
}
WANTED = ["-e", json.dumps(REQUEST)]
NODE = {
    "vcpus": 4, "memory_mb": 8192, "disk_gb": 100, "architecture": "x86_64", "hypervisor_type": "QEMU",
    "hypervisor_version": 9000000, "virt_type": "qemu",
}  # fmt: skip


def test_what_goes_from_a_host_that_does_not_answer_stays_recorded_until_it_is_given_up(run, record, web):
    found, said = run(OURS % "destroy", *WANTED)
    assert (found, "web is ACTIVE: host c1: " in said, "Connection refused" in said) == (2, True, True), said
    assert record.find()["web"]["task_state"] == "deleting"
    found, said = run(OURS % "destroy", *WANTED, "-e", "launch_force=true")
    assert (found, record.find()) == (0, {}), said


def test_an_instance_whose_host_is_outside_of_the_limit_fails_alone(run, record, web):
    record.ask({"name": "nowhere", "networks": []})
    both = ["-e", json.dumps({"launch_instances": [{"name": "web"}, {"name": "nowhere"}]})]
    found, said = run(OURS % "destroy", *both, "-e", "launch_take_over=true", "--limit", "c2,localhost")
    assert (found, list(record.find())) == (2, ["web"]), said
    assert "web is ACTIVE: host c1: it is not among the hosts of this run: see the inventory and --limit" in said


def test_hosts_that_do_not_answer_lose_an_instance_and_are_remembered(run, record, ovn, northbound):
    """It is looked for there when it goes; then its ports are gone as well."""
    params = {"database": record.params["database"], "hosts": ["c1", "c2"], "settings": {}}
    nodes = host_record.parse({**params, "nodes": [{"host": host, **NODE} for host in params["hosts"]]})
    host_sql.connect(params).apply(plan(nodes, {}, "present"))
    found, said = run(OURS % "launch", *WANTED, *ovn)
    assert (found, "web is ERROR" in said) == (2, True), said
    [document] = record.ask(state="absent").values()
    assert (document["host"], document["remains"]) == (None, ["c1", "c2"])
    assert document["attempted_hosts"] == ["c1", "c2"] or document["attempted_hosts"] == ["c2", "c1"]
    assert document["uuid"] in northbound.dump()
    found, said = run(OURS % "destroy", *WANTED, *ovn, "-e", "launch_take_over=true")
    assert (found, said.count("UNREACHABLE"), record.find()) == (0, 2, {}), said
    assert document["uuid"] not in northbound.dump()


def test_a_hosts_cache_is_cleaned_without_the_controller_and_again_changes_nothing(run, tmp_path):
    base = tmp_path / "base/old.raw"
    base.parent.mkdir()
    base.write_bytes(b"x")
    os.utime(base, (0, 0))
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    options = ["--limit", "c1", "-e", json.dumps({**here, "launch_state_path": str(tmp_path)})]
    found, said = run(OURS % "image_cache", *options, "--check", "--diff")
    assert (found, base.exists(), "changed=1" in said, "-base old.raw" in said) == (0, True, True, True), said
    found, said = run(OURS % "image_cache", *options, "-e", "launch_image_cache_age=1d")
    assert (found, base.exists(), "minimum_age" in said) == (2, True, True), said
    found, said = run(OURS % "image_cache", *options)
    assert (found, base.exists(), "changed=1" in said) == (0, False, True), said
    found, said = run(OURS % "image_cache", *options)
    assert (found, "changed=0" in said) == (0, True), said


def test_a_host_whose_cache_cannot_be_reached_is_told(run):
    found, said = run(OURS % "image_cache")
    assert (found, said.count("unreachable=1")) == (4, 2), said


DELETE = ["-e", "launch_volume_names=web-data"]


@pytest.fixture
def kept(record, web):
    """A volume that has outlived its instance, on c1, which does not answer."""
    record.built(*record.ask({"volumes": [{"name": "data", "size": 1}]}).values())
    record.destroyed(*record.ask(state="absent").values())


def test_a_volume_on_a_host_that_does_not_answer_stays_recorded_until_it_is_given_up(run, record, kept):
    found, said = run(OURS % "volume_delete", *DELETE, "--check")
    assert (found, volumes_of(record)) == (2, ["available"]), said
    found, said = run(OURS % "volume_delete", *DELETE)
    assert (found, "web-data: host c1: " in said, "Connection refused" in said) == (2, True, True), said
    assert "1 c1 deleting" in said, said
    assert volumes_of(record) == ["deleting"]
    assert "is being deleted" in record.ask({"volumes": [{"name": "web-data"}]})["web"]["msg"]
    found, said = run(OURS % "volume_delete", *DELETE, "--limit", "c2,localhost")
    assert (found, "host c1: it has not been asked" in said) == (2, True), said
    found, said = run(OURS % "volume_delete", "-e", "launch_force=true")
    assert (found, "deleted" in said, volumes_of(record)) == (0, True, []), said
    found, said = run(OURS % "volume_delete", *DELETE)
    assert (found, "changed=0" in said) == (0, True), said


def test_a_name_that_no_volume_can_have_is_a_slip_that_deletes_nothing(run, record, kept):
    names = ["-e", 'launch_volume_names="web-data, web-more"']
    found, said = run(OURS % "volume_delete", *names)
    assert (found, "volume name ' web-more'" in said, volumes_of(record)) == (2, True, ["available"]), said
    found, said = run(OURS % "volume_delete", "-e", "launch_volume_names=", "--check")
    assert (found, volumes_of(record)) == (2, ["available"]), said


def test_a_volume_that_an_instance_has_is_not_deleted(run, record, web):
    record.built(*record.ask({"volumes": [{"name": "data", "size": 1}]}).values())
    found, said = run(OURS % "volume_delete", *DELETE)
    assert (found, "web-data: instance web has it: detach it" in said) == (2, True), said
    found, said = run(OURS % "volume_delete")
    assert (found, "in-use web" in said, volumes_of(record)) == (0, True, ["in-use"]), said


def volumes_of(record):
    """What has become of each volume of the record."""
    return [volume.status for volume in kept_sql.connect(record.params).read([]).values()]


def test_an_adoption_that_could_not_look_at_the_hosts_takes_nothing(run, record, ovn):
    named, service = "launch_adopt_record=7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10", "launch_network_service=neutron"
    for options in (["--check"], [], ["-e", named], ["-e", service]):
        found, said = run(OURS % "adopt", *WANTED, *ovn, *options)
        assert (found, "may be on c1, c2: run again with these" in said, record.find()) == (2, True, {}), said


def test_an_adoption_leaves_what_is_recorded(run, record, web, ovn):
    found, said = run(OURS % "adopt", *WANTED, *ovn)
    assert (found, "web" in said, "ACTIVE c1" in said, said.count("failed=0")) == (0, True, True, 3), said


def test_an_audit_that_could_not_look_at_a_host_says_so(run, web, ovn):
    found, said = run(OURS % "audit", *ovn)
    assert (found, "all agrees" in said) == (0, False), said
    for words in ("unseen host c1 c1 c1 ", "Connection refused", "recorded there: 1 instances, 1 claims"):
        assert words in said


def test_instances_are_hosts_for_the_plays_that_follow(run, record, web):
    """Also of a second launch in the same run; nothing of it is a change."""
    uuid = record.find()["web"]["uuid"]
    joins = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"launch": {"instances": list(record.find().values())}, "launch_guest_user": "debian"},
        "tasks": [{"import_role": {"name": "kvmstack.launch.launch", "tasks_from": "join"}}],
    }
    shown = "{{ inventory_hostname }} as {{ ansible_user }} is {{ kvmstack.uuid }}, {{ ansible_ssh_common_args }}"
    follows = {"hosts": "instances:&host_c1", "gather_facts": False, "tasks": [{"debug": {"msg": shown}}]}
    found, said = run([joins, joins, follows])
    assert found == 0, said
    assert "web as debian is %s, -o HostKeyAlias=%s" % (uuid, uuid) in said
    assert (said.count("(item=web)"), "changed=0" in said, "changed=1" in said) == (1, True, False), said
    assert "web as" not in run([joins, follows], "--check")[1]


@pytest.fixture
def guest():
    """The port of something that answers as sshd does, on 127.0.0.1 alone."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
LISTENS, SILENT_GUEST = "127.0.0.1", "127.0.0.2"


def running(name, address, **more):
    port = {"network": "private", "fixed_ip": address, **more}
    return {"name": name, "uuid": name, "project_id": "p", "host": "c1", "status": "ACTIVE", "ports": [port],
            "volumes": []}  # fmt: skip


@pytest.fixture
def end(run, tmp_path):
    """The end of a launch, of such instances: our plays, from the wait on."""
    (tmp_path / "inventory.yml").write_text(json.dumps({"compute": {"hosts": {"c1": HERE, "c2": SILENT}}}))

    def end(documents, *options, **variables):
        first = {"hosts": "localhost", "gather_facts": False,
                 "tasks": [{"set_fact": {"launch": {"instances": documents}}}]}  # fmt: skip
        ours = [{**play, "vars": variables, "vars_files": str(ROOT / "playbooks" / play["vars_files"])}
                for play in PLAYBOOKS["launch"][-2:]]  # fmt: skip
        return run([first, *ours], *options)

    return end


FLOATING = {"network_info": {"floating_ip_address": LISTENS}}


@pytest.mark.parametrize(
    ("documents", "tells"),
    [
        pytest.param([running("web", LISTENS)], None, id="over its compute host"),
        pytest.param([running("web", SILENT_GUEST, **FLOATING)], None, id="straight"),
        pytest.param([running("web", SILENT_GUEST)], "web is ACTIVE: it does not answer: 127.0.0.2 port", id="nobody"),
        pytest.param([running("web", LISTENS), running("db", SILENT_GUEST)], "db is ACTIVE: it does not", id="one not"),
        pytest.param(
            [{**running("web", LISTENS), "host": "c2"}], "web is ACTIVE: it does not answer: host c2 could not ask",
            id="a host that does not answer",
        ),
        pytest.param([running("web", None)], None, id="without an address"),
        pytest.param([{**running("web", SILENT_GUEST), "status": "SHUTOFF", "target_state": "stopped"}], None,
                     id="off"),
    ],
)  # fmt: skip
def test_a_launch_waits_for_its_guests(end, guest, documents, tells):
    found, said = end(documents, "-e", "launch_wait_for=%d launch_wait_timeout=2" % guest)
    assert found == (2 if tells else 0), said
    assert (tells or "failed=0") in said
    assert ("nobody waited for it" in said) == (documents[0]["ports"][0]["fixed_ip"] is None)


@pytest.mark.parametrize("options", [["-e", "launch_wait_for=22", "--check"], []])
def test_nobody_waits_in_check_mode_or_unasked(end, options):
    found, said = end([running("web", SILENT_GUEST)], *options)
    assert (found, "does not answer" in said) == (0, False), said


def test_it_may_be_said_in_the_inventory(end, guest, tmp_path):
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").write_text("{launch_wait_for: %d, launch_wait_timeout: 1}" % guest)
    found, said = end([running("web", SILENT_GUEST)])
    assert (found, "web is ACTIVE: it does not answer: 127.0.0.2" in said) == (2, True), said


def test_it_may_be_said_where_the_playbook_is_imported(end, guest):
    found, said = end([running("web", SILENT_GUEST)], launch_wait_for=guest, launch_wait_timeout=1)
    assert (found, "web is ACTIVE: it does not answer: 127.0.0.2" in said) == (2, True), said


def test_what_nobody_can_wait_for_is_told(end):
    found, said = end([running("web", LISTENS)], "-e", "launch_wait_for=shh")
    assert (found, "web is ACTIVE: launch_wait_for: shh is neither ssh nor a port, 1 to 65535" in said) == (2, True)
