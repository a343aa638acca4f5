# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory plugin as Ansible's own commands run it, on real records."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy

from ansible_collections.kvmstack.launch.tests.unit.instance.conftest import Run

ROOT = Path(__file__).parents[3]
CONFIG = {"plugin": "kvmstack.launch.instances", "project_id": "p"}
COMPUTE = {"compute": {"hosts": {"c1": {"ansible_host": "192.0.2.11"}, "c2": {"ansible_connection": "local"}}}}


def unmarked(value):
    """What Ansible marks as no template of ours, as it is."""
    return value.get("__ansible_unsafe", value)


@pytest.fixture
def ask(tmp_path):
    """What ansible-inventory makes of the compute hosts and of such a configuration: its list, and its warnings."""

    def ask(config, *options, status=0, **environment):
        (tmp_path / "hosts.yml").write_text(json.dumps(COMPUTE))
        (tmp_path / "vms.kvmstack.yml").write_text(json.dumps({**CONFIG, **config}))
        sources = ["--inventory", "hosts.yml", "--inventory", "vms.kvmstack.yml"]
        known = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections"), "HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "inventory", *sources, "--list", *options], cwd=tmp_path,
            capture_output=True, text=True, env={**os.environ, **known, **environment}, check=False,
        )  # fmt: skip
        said = " ".join(done.stderr.split())
        assert done.returncode == status, said
        return json.loads(done.stdout or "{}", object_hook=unmarked), said

    return ask


def launched(url, project, host, *entries):
    """Instances of a project that are ACTIVE on a compute host."""
    run = Run(url, project_id=project)
    run.built(*run.ask(*entries).values())
    changed(url, *("update instances set host = '%s' where name = '%s' and project_id = '%s'"
                   % (host, entry["name"], project) for entry in entries))  # fmt: skip


def changed(url, *statements):
    """Do such statements in the record."""
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sqlalchemy.text(statement))
    engine.dispose()


# Give an instance, by its name, an address; SQLAlchemy takes a bare colon for a parameter.
PORT = """update instances set ports = '[{"network"\\: "private", "fixed_ip"\\: "%s"}]' where name = '%s'"""


@pytest.fixture
def url(tmp_path):
    return "sqlite:///%s" % (tmp_path / "launch.db")


def test_instances_are_hosts_whatever_the_database(ask, database_url):
    launched(database_url, "p", "c1", {"name": "web", "metadata": {"role": "web"}})
    found, said = ask({"database": database_url})
    [uuid] = [each["uuid"] for each in Run(database_url).find().values()]
    assert said == ""
    assert found["instances"]["hosts"] == found["metadata_role_web"]["hosts"] == found["host_c1"]["hosts"] == ["web"]
    known = found["_meta"]["hostvars"]["web"]
    assert known["kvmstack"]["uuid"] == uuid
    assert known["ansible_ssh_common_args"] == "-o HostKeyAlias=" + uuid


def test_what_is_deleted_is_no_host(ask, url):
    launched(url, "p", "c1", {"name": "web"}, {"name": "old"})
    run = Run(url)
    run.destroyed(*run.ask({"name": "old"}, state="absent").values())
    assert ask({"database": url})[0]["instances"]["hosts"] == ["web"]


@pytest.mark.parametrize(
    ("config", "names"),
    [
        pytest.param({}, {"web", "db"}, id="a project"),
        pytest.param({"project_id": "q"}, {"web"}, id="another"),
        pytest.param({"all_projects": True}, {"web.p", "web.q", "db"}, id="all"),
        pytest.param({"compute_hosts": ["c2"]}, {"db"}, id="a compute host"),
        pytest.param({"statuses": ["SHUTOFF"]}, set(), id="a status"),
    ],
)
def test_which_instances_are_shown(ask, url, config, names):
    launched(url, "p", "c1", {"name": "web"})
    launched(url, "q", "c1", {"name": "web"})
    launched(url, "p", "c2", {"name": "db"})
    found, _said = ask({"database": url, **config})
    assert set(found.get("instances", {}).get("hosts", ())) == names


def test_the_way_is_over_the_compute_host_as_the_inventory_has_it(ask, url, tmp_path):
    launched(url, "p", "c1", {"name": "web"})
    launched(url, "p", "c2", {"name": "db"})
    changed(url, PORT % ("10.20.0.50", "web"), PORT % ("10.20.0.51", "db"))
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/compute.yml").write_text('{"ansible_user": "{{ operator }}", "operator": "ops"}')
    known = ask({"database": url, "ansible_user": "debian"})[0]["_meta"]["hostvars"]
    uuids = {name: known[name]["kvmstack"]["uuid"] for name in ("web", "db")}
    assert {name: known[name]["ansible_host"] for name in uuids} == {"web": "10.20.0.50", "db": "10.20.0.51"}
    assert {name: known[name]["ansible_ssh_common_args"] for name in uuids} == {
        "web": "-o ProxyJump=ops@192.0.2.11 -o HostKeyAlias=" + uuids["web"],
        "db": "-o HostKeyAlias=" + uuids["db"],
    }
    assert known["web"]["ansible_user"] == "debian"


def test_who_has_another_router_than_its_host_has_no_address_there(ask, url):
    launched(url, "p", "c1", {"name": "web"}, {"name": "db"})
    port = {"network": "lab", "fixed_ip": "10.30.0.50", "network_info": {"router": "main"}}
    routed = json.dumps([port]).replace(":", "\\:")
    changed(url, PORT % ("10.20.0.50", "db"), "update instances set ports = '%s' where name = 'web'" % routed)
    found, said = ask({"database": url})
    known = found["_meta"]["hostvars"]
    assert ("ansible_host" in known["web"], known["db"]["ansible_host"]) == (False, "10.20.0.50")
    assert "no way is known to web, whose networks have another router than their hosts" in said
    found, said = ask({"database": url, "direct_networks": ["lab"]})
    assert (found["_meta"]["hostvars"]["web"]["ansible_host"], said) == ("10.30.0.50", "")


def test_a_compute_host_whose_address_is_a_fact_is_reached_by_its_name(ask, url, tmp_path):
    launched(url, "p", "c1", {"name": "web"})
    changed(url, PORT % ("10.20.0.50", "web"))
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars/c1.yml").write_text('{"ansible_host": "{{ ansible_facts.fqdn }}"}')
    found, said = ask({"database": url})
    assert found["_meta"]["hostvars"]["web"]["ansible_ssh_common_args"].startswith("-o ProxyJump=c1 ")
    assert "compute host c1: ansible_host is not known in an inventory yet: " in said


def test_an_instance_is_never_taken_for_a_host_of_the_inventory(ask, url):
    launched(url, "p", "c1", {"name": "c2"}, {"name": "compute"})
    found, _said = ask({"database": url})
    assert set(found["instances"]["hosts"]) == {"c2.p", "compute.p"}
    assert found["_meta"]["hostvars"]["c2"]["ansible_connection"] == "local"


def test_variables_and_groups_of_ones_own(ask, url):
    launched(url, "p", "c1", {"name": "web", "metadata": {"role": "front"}})
    own = {
        "compose": {"size": "kvmstack.ram * 2", "wrong": "nothing.there", "label": "inventory_hostname ~ 1"},
        "groups": {"many": "kvmstack.vcpus > 1", "few": "kvmstack.vcpus < 2"},
        "keyed_groups": [{"prefix": "role", "key": "kvmstack.metadata.role"}],
    }
    found, _said = ask({"database": url, **own})
    known = found["_meta"]["hostvars"]["web"]
    assert (known["size"], known["label"], "wrong" in known) == (1024, "web1", False)
    assert (found["many"]["hosts"], found["role_front"]["hosts"], "few" in found) == (["web"], ["web"], False)
    assert "Could not set wrong for host web" in ask({"database": url, **own, "strict": True})[1]


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        pytest.param(["-e", "launch_database=%s"], {}, id="the playbooks' variable"),
        pytest.param([], {"KVMSTACK_DATABASE": "%s"}, id="the environment"),
    ],
)
def test_where_the_record_is_may_be_said_elsewhere(ask, url, options, environment):
    launched(url, "p", "c1", {"name": "web"})
    filled = {name: value % url for name, value in environment.items()}
    assert "web" in ask({}, *(each.replace("%s", url) for each in options), **filled)[0]["_meta"]["hostvars"]


def test_a_record_in_the_home_folder_is_found_there(ask, tmp_path):
    launched("sqlite:///%s" % (tmp_path / ".kvmstack/launch.db"), "p", "c1", {"name": "web"})
    assert "web" in ask({})[0]["_meta"]["hostvars"]


def test_a_record_that_is_not_there_is_told_and_not_made(ask, url, tmp_path):
    found, said = ask({"database": url})
    assert "launch.db has no record of instances: the first launch makes it" in said
    assert ("instances" in found, (tmp_path / "launch.db").exists()) == (False, False)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        pytest.param({"database": "launch.db"}, "this is not a SQLAlchemy URL", id="no URL"),
        pytest.param(
            {"database": "postgresql+psycopg://me:hu@sh@127.0.0.1:1/launch"},
            "write @, / and % in its URL's password as %40, %2F and %25",
            id="a password that is none",
        ),
        pytest.param(
            {"database": "postgresql+psycopg://me:hush@127.0.0.1:1/launch"},
            r"database launch at 127.0.0.1:1 as me: .*; is it running, and may we read and write there\?",
            id="nobody there",
        ),
        pytest.param({"database": "sqlite:///vms.kvmstack.yml"}, "file is not a database", id="no database"),
        pytest.param({"porject_id": "p"}, "unknown option porject_id", id="an option that there is not"),
    ],
)
def test_a_record_that_cannot_be_read_is_told_and_no_password(ask, config, words):
    _found, said = ask(config, ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="true", status=1)
    assert re.search(words, said), said
    assert "hush" not in said


def test_a_record_of_an_older_release_is_read_and_stays_as_it_is(ask, url, tmp_path):
    launched(url, "p", "c1", {"name": "web"})
    changed(url, "alter table compute_nodes drop column machine", "update alembic_version set version_num = '0007'")
    before = (tmp_path / "launch.db").read_bytes()
    assert ask({"database": url})[0]["instances"]["hosts"] == ["web"]
    assert (tmp_path / "launch.db").read_bytes() == before


def test_the_cache_is_used_until_it_is_flushed(ask, url):
    launched(url, "p", "c1", {"name": "web"})
    config = {"database": url, "cache": True, "cache_plugin": "jsonfile", "cache_connection": "cache"}
    names = [ask(config)[0]["instances"]["hosts"]]
    launched(url, "p", "c1", {"name": "db"})
    names += [ask(config)[0]["instances"]["hosts"], ask(config, "--flush-cache")[0]["instances"]["hosts"]]
    assert [set(each) for each in names] == [{"web"}, {"web"}, {"web", "db"}]


@pytest.mark.parametrize(
    ("name", "is_ours"),
    [("vms.kvmstack.yml", True), ("a.kvmstack.yaml", True), ("kvmstack_instances.yml", True), ("hosts.yml", False)],
)
def test_a_file_is_known_by_its_name(name, is_ours, tmp_path):
    from ansible_collections.kvmstack.launch.plugins.inventory.instances import InventoryModule

    (tmp_path / name).write_text("plugin: kvmstack.launch.instances\n")
    assert InventoryModule().verify_file(str(tmp_path / name)) == is_ours


def test_the_plugin_has_its_documentation():
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "doc", "--type", "inventory", "--json", "kvmstack.launch.instances"],
        capture_output=True, text=True, check=True,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections")},
    )  # fmt: skip
    doc = json.loads(done.stdout)["kvmstack.launch.instances"]["doc"]
    assert {"plugin", "database", "project_id", "compose", "keyed_groups", "strict", "cache"} <= set(doc["options"])
