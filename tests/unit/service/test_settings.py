# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the services are told: in one file, and by Ansible's own inventories and variables."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest, Unavailable
from ansible_collections.kvmstack.launch.plugins.module_utils.service import settings
from ansible_collections.kvmstack.launch.plugins.module_utils.service.definitions import Definitions
from ansible_collections.kvmstack.launch.plugins.modules import instance

ROOT = Path(__file__).parents[3]
# What the definitions have under the names of the module instance, and beside; the rest is the API's to say.
OF_INSTANCE = {
    "database", "project_id", "flavors", "images", "networks", "host_settings", "routers", "security_groups",
    "groups", "quotas", "project_quotas", "image_service", "network_service", "volume_service",
}  # fmt: skip
BESIDE = {"identity", "cloud", "service_cloud", "policy_file", "compute_hosts", "state_path"}


def read(folder, text):
    path = folder / "door.yml"
    path.write_text(text)
    return settings.read(str(path))


def test_paths_are_those_beside_the_file(tmp_path):
    told = read(tmp_path, "{inventory: [hosts.yml, /etc/hosts.yml], extra_vars: site.yml, state_path: ../door}")
    here = str(tmp_path)
    assert told.inventory == (here + "/hosts.yml", "/etc/hosts.yml")
    assert told.extra_vars == (here + "/site.yml",)
    assert told.definitions_path == str(tmp_path.parent) + "/door/definitions.json"
    assert told.options()[-2:] == ["--extra-vars", "@%s/site.yml" % here]
    assert (told.listen, told.runs) == ("127.0.0.1:8774", 2)


def test_a_users_home_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert read(tmp_path, "inventory: ~/hosts.yml").inventory == ("/home/me/hosts.yml",)
    assert read(tmp_path, "inventory: x").wake_path == "/home/me/.kvmstack/door/wake"


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        pytest.param('"[::1]:80"', "[::1]:80", id="IPv6"),
        pytest.param("unix:api.sock", "unix:%s/api.sock", id="a socket beside the file"),
    ],
)
def test_where_the_api_listens(tmp_path, text, listen):
    assert read(tmp_path, "{inventory: x, listen: %s}" % text).listen == listen.replace("%s", str(tmp_path))


def test_a_transport_is_a_url_without_its_password(tmp_path):
    assert read(tmp_path, "inventory: x").transport is None
    text = "{inventory: x, transport: 'rabbit://launch@a,launch@b:1/v', transport_password_file: secret, %s}"
    told = read(tmp_path, text % "notification_format: both")
    assert (told.transport, told.notification_format) == ("rabbit://launch@a,launch@b:1/v", "both")
    assert told.transport_password_file == "%s/secret" % tmp_path


def test_what_keystone_said_is_kept_by_the_api_unless_there_are_memcached_servers(tmp_path):
    told = read(tmp_path, "inventory: x")
    assert (told.memcached_servers, told.memcache_security_strategy, told.memcache_secret_key_file) == ((), None, None)
    text = "{inventory: x, memcached_servers: ['a:11211', 'b:11211'], %s}"
    told = read(tmp_path, text % "")
    assert (told.memcached_servers, told.memcache_security_strategy) == (("a:11211", "b:11211"), None)
    told = read(tmp_path, text % "memcache_secret_key_file: key")
    assert (told.memcache_security_strategy, told.memcache_secret_key_file) == ("ENCRYPT", "%s/key" % tmp_path)
    told = read(tmp_path, text % "memcache_secret_key_file: key, memcache_security_strategy: MAC")
    assert told.memcache_security_strategy == "MAC"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("memcache_secret_key_file: x", "memcached_servers: is missing", id="a key for nothing"),
        pytest.param("memcached_servers: [], memcache_secret_key_file: x", "memcached_servers: is", id="for none"),
        pytest.param("memcached_servers: [a], memcache_security_strategy: MAC", "needs a secret key", id="no key"),
        pytest.param(
            "memcached_servers: [a], memcache_secret_key_file: x, memcache_security_strategy: none",
            "is none of ENCRYPT, MAC", id="no strategy",
        ),
        pytest.param("memcached_servers: a", "memcached_servers", id="no list"),
        pytest.param("memcached_servers: [1]", "memcached_servers", id="no text"),
    ],
)  # fmt: skip
def test_what_is_wrong_of_memcached_is_told(tmp_path, text, words):
    with pytest.raises(InvalidRequest, match="^settings .*door.yml: .*" + words):
        read(tmp_path, "{inventory: x, %s}" % text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("{inventory: x, transport: 'amqp://a'}", "transport: a URL such as", id="another scheme"),
        pytest.param("{inventory: x, transport: 'rabbit://a@/v'}", "transport: a URL such as", id="no broker"),
        pytest.param("{inventory: x, transport: 'rabbit://a:secret@b'}", "a password does not belong", id="a password"),
        pytest.param("{inventory: x, transport: 'rabbit://a@b,c:secret@d'}", "a password does not", id="the second's"),
        pytest.param("{inventory: x, transport_password_file: x}", "there is no transport for it", id="for nothing"),
        pytest.param("{inventory: x, notification_format: both}", "there is no transport for it", id="to nobody"),
        pytest.param(
            "{inventory: x, transport: 'rabbit://a', notification_format: none}", "is none of versioned", id="no format"
        ),
        pytest.param("{inventory: x, deadline: 59}", "deadline: 59 is less than 60", id="too soon"),
    ],
)
def test_what_is_wrong_of_a_transport_is_told_without_its_secret(tmp_path, text, words):
    with pytest.raises(InvalidRequest, match="^settings .*door.yml: .*" + words) as caught:
        read(tmp_path, text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "inventory is missing", id="empty"),
        pytest.param("[]", "inventory is missing", id="an empty list"),
        pytest.param("[x]", "is not a mapping", id="a list"),
        pytest.param("inventory: [x", "this is no YAML", id="no YAML"),
        pytest.param("{inventory: x, database: y}", "unknown key database", id="what the launch is told"),
        pytest.param("{inventory: [1]}", r"inventory\[0\]: 1 is not a text", id="a number"),
        pytest.param("{inventory: x, runs: 0}", "runs: 0 is less than 1", id="no runs"),
        pytest.param("{inventory: x, listen: ':1'}", "listen: :1: an address and port", id="everywhere"),
        pytest.param("{inventory: x, listen: 'a:http'}", "listen: the port: 'http'", id="a port's name"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, text, words):
    with pytest.raises(InvalidRequest, match="^settings .*door.yml: .*" + words):
        read(tmp_path, text)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InvalidRequest, match="none.yml: No such file"):
        settings.read(str(tmp_path / "none.yml"))


@pytest.fixture
def define(tmp_path):
    """Runs the playbook definitions.yml with such variables of a site; what it has written, and said."""

    def define(*options, **site):
        (tmp_path / "site.yml").write_text(json.dumps({"launch_database": "sqlite:////secret.db", **site}))
        (tmp_path / "hosts").write_text("[compute]\nc1\nc2\n")
        told = read(tmp_path, "{inventory: hosts, extra_vars: site.yml, state_path: door}")
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "kvmstack.launch.definitions"]
        command += [*told.options(), "-e", "launch_definitions_path=" + told.definitions_path, *options]
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections"), "COLUMNS": "1000"}
        environment.pop("ANSIBLE_CONFIG", None)
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return Path(told.definitions_path), done.stdout

    return define


def test_what_a_launch_is_told_is_written_by_ansible(define):
    path, said = define(
        "--diff", launch_images={"a": {"url": "http://x/{{ 'y' }}.img?secret=1"}}, launch_quotas={"cores": 1}
    )
    assert "secret" not in said
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    definitions = Definitions(str(path))
    known = definitions.current()
    assert known["images"] == {"a": {"url": "http://x/y.img"}}
    assert (known["quotas"], known["compute_hosts"]) == ({"cores": 1}, ["c1", "c2"])
    assert known["flavors"]["tiny"]["ram"] == 128
    assert "changed=0" in define(launch_images={"a": {"url": "http://x/y.img"}}, launch_quotas={"cores": 1})[1]
    assert definitions.current() is known
    define(launch_flavors={"one": {"vcpus": 1, "ram": 64, "disk": 0}})
    assert list(definitions.current()["flavors"]) == ["one"]


def test_check_mode_writes_nothing(define):
    assert not define("--check")[0].parent.exists()


def test_what_is_written_is_what_the_instance_takes(define):
    known = Definitions(str(define()[0])).current()
    assert set(instance.SPEC) >= OF_INSTANCE
    assert set(known) == OF_INSTANCE | BESIDE


@pytest.mark.parametrize(("identity", "known"), [("none", ""), ("keystone", {"auth": {"password": "a secret"}})])
def test_the_launchers_own_account_is_told_where_it_is_needed_and_never_shown(define, identity, known):
    account = {"auth": {"password": "a secret"}}
    path, said = define("--diff", "-vvv", launch_identity=identity, launch_service_cloud=account)
    assert Definitions(str(path)).current()["service_cloud"] == known
    assert "a secret" not in said


@pytest.mark.parametrize(
    ("text", "words"), [(None, "No such file"), ("{", "Expecting"), (b"\xff", "codec")], ids=["none", "half", "bytes"]
)
def test_definitions_that_cannot_be_read(tmp_path, text, words):
    path = tmp_path / "definitions.json"
    if text:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(Unavailable, match=words + ".*kvmstack.launch.definitions write them"):
        Definitions(str(path)).current()
