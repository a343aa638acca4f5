# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is left of Jinja between the stages, made by Ansible itself from the real playbooks and role (templating.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ansible_collections.kvmstack.launch.plugins.module_utils.volume.cinder import chap

ROOT = Path(__file__).parents[2]

WEB = {"name": "web", "uuid": "u1", "status": "BUILD", "host": "c1", "attempted_hosts": [], "volumes": []}
GOING = {**WEB, "task_state": "deleting"}
DB = {**WEB, "name": "db", "uuid": "u2", "host": "c2"}
GONE = {**WEB, "name": "old", "uuid": "u3", "host": "left"}
FAILED = {**WEB, "name": "bad", "uuid": "u4", "host": "c3", "failed": True, "msg": "no", "status": "ERROR"}
SETTLED = {**WEB, "name": "done", "uuid": "u5", "host": "c4", "settled": True, "status": "ACTIVE"}
COMPUTE = {"compute": {"c1": {"ansible_host": "192.0.2.1"}, "c2": {}}}
CENTRAL = {**COMPUTE, "ovn_central": {"ovn": {"ansible_host": "192.0.2.9"}}}
SIXTH = {"compute": {"c1": {"ansible_host": "2001:db8::1"}}, "ovn_central": {"ovn": {"ansible_host": "2001:db8::9"}}}
LOCAL = {"compute": {"here": {"ansible_connection": "local"}}}
NODE = {"name": "c1", "vcpus": 4}
DOMAIN = {"kind": "domain", "id": "u1", "name": "web", "host": "c1", "problem": "orphan"}
PORT = {"kind": "port", "id": "p1", "name": "nic", "host": None, "problem": "orphan", "instance_uuid": "u1",
        "network": "private"}  # fmt: skip
GLANCE = {"url": "https://glance/v2/images/42/file"}


def travelling(*documents, **more):
    """What localhost has registered in the middle of a run."""
    return {"localhost": {"launch": {"instances": documents}, **more}}


def audited(*found):
    return {"localhost": {"launch_audit": {"found": found}}}


def answers(questions, **environment):
    """What Ansible makes of the questions, in one process."""
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections"), **environment}
    environment.pop("ANSIBLE_CONFIG", None)
    command = [sys.executable, str(ROOT / "tests/unit/templating.py")]
    done = subprocess.run(
        command, input=json.dumps(questions), capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


ACCEPT = ("launch", "Accept the request", "Instance", "localhost")
PLACE = ("launch", "Choose hosts and bind ports")
BUILD = ("launch", "Build on the chosen hosts", "Build", "c1")
CONCLUDE = ("launch", "Write the outcome")
REPORT = ("launch", "Finish")
FAIL = (*REPORT, "Fail if anything is not as requested")
PORTS = (*PLACE, "Port", "localhost")
LEFT = (*CONCLUDE, "Port", "localhost")
CLOSE = ("destroy", "Take back what is left, and close the record")
ASKED = ("launch", "Accept the request", "Host")
OVN = (PORTS, "{{ _launch_ovn }}")
CHASSIS = ("prepare", "Prepare the compute hosts", "Name the chassis", "c1")
WAYS_OUT = "{{ compute_host_ways_out }}"
FACTS = {
    "ansible_facts": {"default_ipv4": {"interface": "eth0"}, "default_ipv6": {}},
    "compute_host_bridge_mappings": {"physnet1": {"bridge": "br-ex", "interface": "eth1"}},
}
CENTRAL_TASK = ("prepare", "Prepare OVN's databases", "Open the databases to their clients", "ovn")
OPENED = yaml.safe_load((ROOT / "roles/ovn_central/tasks/databases.yml").read_text())[0]["ansible.builtin.command"]
LISTENS = "{{ (%s) | select('match', 'ptcp:') | first }}" % OPENED["argv"].strip("{} \n")
IMAGES = "{{ _launch_image_definitions }}"
SECRET = "{{ _launch_image_endpoint ~ _launch_image_token }}"
MAKES = {"domain": {"status": "ACTIVE"}}
BUILT = {"launch_built": {"hosts": [NODE]}}
BROKEN = {"launch_built": {"failed": True}}
DESTROY = ("destroy", "Accept the request", "Instance", "localhost")

# Which plays of a playbook are for whom: those whose hosts are a template.
HOSTS = {
    "nothing is accepted yet": ("launch", {}, COMPUTE, {}, [[], [], [], []]),
    "new instances": ("launch", travelling(WEB, DB), COMPUTE, {}, [[], ["localhost"], ["c1", "c2"], ["localhost"]]),
    "beside one that failed and one that is settled":
        ("launch", travelling(FAILED, SETTLED, WEB), COMPUTE, {}, [[], ["localhost"], ["c1"], ["localhost"]]),
    "one on a host that left the inventory":
        ("launch", travelling(GONE), COMPUTE, {}, [[], ["localhost"], ["left"], ["localhost"]]),
    "all failed or settled": ("launch", travelling(FAILED, SETTLED), COMPUTE, {}, [[], [], [], []]),
    "no instance at all": ("launch", travelling(), COMPUTE, {}, [[], [], [], []]),
    "hosts that nobody has asked": (
        "launch", travelling(launch_hosts={"hosts": [{"name": "c1", "age": 5}, {"name": "c2"}]}), COMPUTE, {},
        [["c2"], [], [], []],
    ),
    "the task of the hosts was skipped":
        ("launch", travelling(launch_hosts={"skipped": True}), COMPUTE, {}, [[], [], [], []]),
    "one that another run has destroyed": (
        "launch", travelling({**WEB, "task_state": "deleting", "abandoned": "it is gone"}, DB), COMPUTE, {},
        [[], ["localhost"], ["c1", "c2"], ["localhost"]]),
    "destroy, nothing accepted": ("destroy", {}, COMPUTE, {}, [[]]),
    "destroy": ("destroy", travelling(WEB, FAILED, {**DB, "host": None}), COMPUTE, {}, [["c1"]]),
    "destroy, where something is left": (
        "destroy", travelling({**WEB, "task_state": "deleting", "remains": ["c2"]}), COMPUTE, {}, [["c1", "c2"]]),
    "a survey where something is left": (
        "survey", travelling(launch_hosts={"hosts": [{"name": "c1", "remains": [DB]}, {"name": "c2", "remains": []}]}),
        COMPUTE, {}, [["c1"]]),
    "an audit, nothing found yet": ("audit", {}, COMPUTE, {}, [[]]),
    "an audit repairs nothing by itself": ("audit", audited(DOMAIN, PORT), COMPUTE, {}, [[]]),
    "nor when it is told not to": ("audit", audited(DOMAIN), COMPUTE, {"launch_repair": "false"}, [[]]),
    "it repairs where something is": ("audit", audited(DOMAIN, PORT), COMPUTE, {"launch_repair": "true"}, [["c1"]]),
    "OVN's own hosts": ("prepare", {}, CENTRAL, {}, [["ovn"]]),
    "OVN on the first compute host": ("prepare", {}, COMPUTE, {}, [["c1"]]),
    "an inventory without groups": ("prepare", {}, {}, {}, [[]]),
}  # fmt: skip

# What a template is in a task's variables: (where, template, registered, inventory, extra, value).
VALUES = {
    "what a launch does": (ACCEPT, "{{ _launch_actions }}", {}, {}, {}, ["create"]),
    "one that takes away and turns off too": (
        ACCEPT, "{{ _launch_actions }}", {}, {},
        {"launch_instances": [{"state": "absent"}, {"state": "stopped"}]}, ["delete", "create", "stop"]),
    "what a destroy does": (DESTROY, "{{ _launch_actions }}", {}, {}, {"launch_instances": [{"state": "stopped"}]},
                            ["delete"]),
    "the project without an identity service": (ACCEPT, "{{ _launch_project_id }}", {}, {}, {}, "default"),
    "a project from -e": (ACCEPT, "{{ _launch_project_id }}", {}, {}, {"launch_project_id": "p"}, "p"),
    "the token's project": (
        ACCEPT, "{{ _launch_project_id }} {{ _launch_request_id }}",
        {"localhost": {"launch_token": {"project_id": "q", "request_id": "req-1"}}}, {}, {}, "q req-1"),
    "no request of a service": (ACCEPT, "{{ _launch_request_id }}", {}, {}, {}, ""),
    "images by definition": (ACCEPT, IMAGES, {}, {}, {"launch_images": {"demo": GLANCE}},
                             {"demo": GLANCE}),
    "without signatures": (ACCEPT, IMAGES, {}, {}, {"launch_images": {"demo": {"url": "https://x/y?sig=n", "a": 1}}},
                           {"demo": {"url": "https://x/y", "a": 1}}),
    "the signatures of a host's images": (
        BUILD, "{{ launch_images | kvmstack.launch.image_queries(_launch_slice) }}",
        travelling({**WEB, "image": {"name": "a"}}, {**DB, "image": {"name": "b"}}), COMPUTE,
        {"launch_images": {"a": {"url": "https://x/y?s=1?2"}, "b": {"url": "https://x/y?other"}}}, '{"a": "s=1?2"}'),
    "no signatures": (BUILD, "{{ launch_images | kvmstack.launch.image_queries(_launch_slice) }}",
                      travelling({**WEB, "image": {"name": "a"}}), COMPUTE,
                      {"launch_images": {"a": {"url": "https://x/y"}}}, ""),
    "images of a service": (
        ACCEPT, IMAGES, {"localhost": {"launch_image_info": {"images": [GLANCE, {"url": "b"}]}}},
        {}, {"launch_image_service": "glance", "launch_instances": [{"image": "demo", "volumes": [{"image": "data"}]}]},
        {"demo": GLANCE, "data": {"url": "b"}},
    ),
    "a destroy asks for no images": (
        DESTROY, IMAGES, {"localhost": {"launch_image_info": {"skipped": True}}},
        {}, {"launch_image_service": "glance", "launch_instances": [{"image": "demo"}]}, {},
    ),
    "modules reach a host on stdin": (BUILD, "{{ ansible_pipelining }}", travelling(WEB), COMPUTE, {}, True),
    "OVN on its own host": (*OVN, {}, CENTRAL, {},
                            {"northbound": "tcp:192.0.2.9:6641"}),
    "OVN on the first compute host": (*OVN, {}, COMPUTE, {},
                                      {"northbound": "tcp:192.0.2.1:6641"}),
    "OVN on a host whose name is its address": (
        *OVN, {}, {"compute": {"c2": {}}}, {}, {"northbound": "tcp:c2:6641"}),
    "OVN at an IPv6 address": (*OVN, {}, SIXTH, {}, {"northbound": "tcp:[2001:db8::9]:6641"}),
    "its chassis": (CHASSIS, "{{ compute_host_external_ids['ovn-remote'] }}", {}, SIXTH,
                    {"ansible_connection": "ssh"}, "tcp:[2001:db8::9]:6642"),
    "its ways out": (CHASSIS, WAYS_OUT, {}, COMPUTE, FACTS, ["eth0", "br-ex"]),
    "its ways out, one of them for tunnels": (
        CHASSIS, WAYS_OUT, {}, COMPUTE, {**FACTS, "compute_host_tunnel_interface": "eth2"},
        ["eth0", "br-ex", "br-phy"]),
    "where its databases listen": (CENTRAL_TASK, LISTENS, {}, SIXTH,
                                   {"item": {"client": "nbctl", "port": 6641}, "ansible_check_mode": False,
                                    "ansible_connection": "ssh"},
                                   "ptcp:6641:[2001:db8::9]"),
    "OVN where Ansible runs": (*OVN, {}, LOCAL, {},
                               {"northbound": "unix:/run/ovn/ovnnb_db.sock"}),
    "OVN without any group": (*OVN, {}, {}, {},
                              {"northbound": "unix:/run/ovn/ovnnb_db.sock"}),
    "OVN on a host that left the inventory": (
        *OVN, {}, {}, {"launch_compute_hosts": ["left"]},
        {"northbound": "tcp:left:6641"}),
    "OVN on the first of hosts that -e names": (
        *OVN, {}, {}, {"launch_compute_hosts": "left, right"},
        {"northbound": "tcp:left:6641"}),
    "OVN where the user says": (
        *OVN, {}, CENTRAL,
        {"launch_ovn": {"northbound": "ssl:192.0.2.7:6641", "private_key": "/key"}},
        {"northbound": "ssl:192.0.2.7:6641", "private_key": "/key"}),
    "OVN with a key only": (*OVN, {}, CENTRAL,
                            {"launch_ovn": {"private_key": "/key"}},
                            {"northbound": "tcp:192.0.2.9:6641", "private_key": "/key"}),
    "what hosts answered that nobody had asked": (
        (*PLACE, "Schedule", "localhost"), "{{ _launch_answers }}",
        {**travelling(launch_hosts={"hosts": [{"name": name} for name in ("c1", "c2", "left")]}),
         "c1": {"launch_host_info": {"hosts": [NODE]}}, "c2": {"launch_host_info": {"failed": True}}},
        COMPUTE, {}, [NODE]),
    "no answers when no one was asked": ((*PLACE, "Schedule", "localhost"), "{{ _launch_answers }}",
                                         travelling(launch_hosts={"skipped": True}), COMPUTE, {}, []),
    "ports are bound of what was scheduled": (PORTS, "{{ _launch_documents }}",
                                              travelling(WEB), COMPUTE, {}, [WEB]),
    "a host's slice": (BUILD, "{{ _launch_slice }}", travelling(WEB, DB, {**FAILED, "host": "c1"}), COMPUTE, {}, [WEB]),
    "a host's user data": (
        BUILD, "{{ launch_instances | kvmstack.launch.user_data(_launch_slice) }}", travelling(WEB, DB), COMPUTE,
        {"launch_instances": [{"name": "web", "user_data": "one"}, {"name": "db", "user_data": "two"}]},
        '{"web": "one"}'),
    "a host needs no token for files": (BUILD, SECRET,
                                        travelling({**WEB, "image": GLANCE}), COMPUTE, {}, ""),
    "the image service of its slice": (
        BUILD, "{{ _launch_image_endpoint }}", travelling({**DB, "image": {"url": "x"}}, {**WEB, "image": GLANCE}),
        COMPUTE, {"launch_image_service": "glance"}, "https://glance/v2"),
    "none where it boots from a volume": (BUILD, SECRET,
                                          travelling({**WEB, "image": None}), COMPUTE,
                                          {"launch_image_service": "glance"}, ""),
    "none to destroy": (("destroy", "Take down on the hosts", "Build", "c1"),
                        SECRET, travelling({**GOING, "image": GLANCE}),
                        COMPUTE, {"launch_image_service": "glance"}, ""),
    "no passwords for local volumes": (BUILD, "{{ _launch_volume_secrets }}", travelling(WEB), COMPUTE, {}, ""),
    "with what is left there of others": (
        BUILD, "{{ _launch_slice | map(attribute='name') }}",
        travelling(WEB, launch_hosts={"hosts": [{"name": "c1", "remains": [DB]}]}), COMPUTE, {}, ["web", "db"]),
    "a survey has nothing else to do there": (
        ("survey", "Take down what is left of instances that are elsewhere", "Build", "c1"),
        "{{ _launch_slice | map(attribute='name') }}",
        {"localhost": {"launch_hosts": {"hosts": [{"name": "c1", "remains": [DB]}]}}}, COMPUTE, {}, ["db"]),
    "what hosts have said is gone": (
        ("survey", "Record that it is gone", "Host", "localhost"), "{{ _launch_nodes }}",
        {"localhost": {"launch_hosts": {"hosts": [{"name": "c1", "remains": [{**DB, "host": "c1"}]}]}}, "c1": BUILT},
        COMPUTE, {}, [NODE]),
    "what goes from a silent host stays": (
        ("destroy", "Take back what is left, and close the record", "Port", "localhost"),
        "{{ _launch_documents | map(attribute='failed') }}", travelling({**WEB, "task_state": "deleting"}), COMPUTE, {},
        [True]),
    "with force it is given up": (
        ("destroy", "Take back what is left, and close the record", "Port", "localhost"),
        "{{ _launch_documents | map(attribute='failed') }}", travelling({**WEB, "task_state": "deleting"}), COMPUTE,
        {"launch_force": "true"}, [False]),
    "time for an image and for what comes after it": (
        BUILD, "{{ launch_build_timeout }}", travelling(WEB), COMPUTE, {"launch_image_timeout": "60"}, 660),
    "what the hosts have built": (
        LEFT, "{{ _launch_documents }}",
        {**travelling(WEB), "c1": {"launch_built": {"instances": [{**WEB, **MAKES}]}}}, COMPUTE, {},
        [{**WEB, **MAKES, "events": []}]),
    "what they have said of their room": (
        (*CONCLUDE, "Host", "localhost"), "{{ _launch_nodes }}",
        {**travelling(WEB, DB, GONE), "c1": BUILT, "c2": BROKEN},
        COMPUTE, {}, [NODE]),
    "what they have said in a survey": (
        ("survey", "Record what they said", "Host", "localhost"), "{{ _launch_nodes }}",
        {"c1": {"launch_host_info": {"hosts": [NODE]}}}, COMPUTE, {}, [NODE]),
    "and who has said nothing": (
        ("survey", "Record what they said", "Host", "localhost"), "{{ _launch_silent }}",
        {"c1": {"launch_host_info": {"hosts": [NODE]}}, "c2": {"launch_host_info": {"unreachable": True}}}, COMPUTE, {},
        ["c2"]),
    "of hosts that -e names": (
        ("survey", "Record what they said", "Host", "localhost"), "{{ _launch_silent }}",
        {"c1": {"launch_host_info": {"unreachable": True}}, "c2": {"launch_host_info": {"unreachable": True}}}, COMPUTE,
        {"launch_compute_hosts": "c2,c3"}, ["c2"]),
    "ports are made": (PORTS, "{{ _launch_state }}", {}, {}, {}, "present"),
    "then those are taken back that guests let go of": (LEFT, "{{ _launch_state }}",
                                                        {}, {}, {}, "absent"),
    "what failed": ((*FAIL, "localhost"), "{{ _launch_failures }}",
                    travelling(FAILED, SETTLED), {}, {}, ["bad is ERROR: no"]),
    "what is left of a destroy": (
        (*CLOSE, FAIL[-1], "localhost"),
        "{{ _launch_failures }}", travelling({**SETTLED, **GOING}), {}, {}, ["web is BUILD: not finished; run again"]),
    "what is": (
        (*REPORT, "Report", "localhost"), "{{ _launch_table }}", travelling(SETTLED), {},
        {"launch_report_columns": ["name", "status"], "ansible_check_mode": False}, ["NAME  STATUS", "done  ACTIVE"]),
    "what would be": ((*REPORT, "Report", "localhost"), "{{ _launch_table[-2:] }}",
                      travelling({**SETTLED, "notes": ["it was moved"]}, FAILED), {},
                      {"ansible_check_mode": True}, ["1 to create, 1 refused", "Note: done: it was moved"]),
}  # fmt: skip

# Whether a task runs: (where, registered, inventory, extra, whether).
CONDITIONS = {
    "a service's images are asked for": (("launch", "Accept the request", "Image info"), {}, {},
                                         {"launch_image_service": "glance"}, True),
    "definitions need no asking": (("launch", "Accept the request", "Image info"), {}, {}, {}, False),
    "nor does a destroy": (("destroy", "Accept the request", "Image info"), {}, {}, {"launch_image_service": "glance"},
                           False),
    "hosts matter where something is to be built": (ASKED, travelling(WEB), {}, {}, True),
    "and not where all is there": (ASKED, travelling({**WEB, "status": "ACTIVE"}), {}, {},
                                   False),
    "to destroy where something is left":
        (("destroy", "Accept the request", "Host"), travelling({**WEB, "task_state": "deleting", "remains": ["c2"]}),
         {}, {}, True),
    "nothing was left anywhere": (
        ("survey", "Record that it is gone", "Host"),
        travelling(launch_hosts={"hosts": [{"name": "c1", "remains": []}]}), COMPUTE, {}, False),
    "nor to destroy": (("destroy", "Accept the request", "Host"), travelling(GOING), {}, {}, False),
    "nothing new of hosts": (
        (*PLACE, "Host"), travelling(WEB, launch_hosts={"hosts": [{"name": "c1", "age": 1}]}), COMPUTE, {}, False),
    "hosts that built have said something": ((*CONCLUDE, "Host"),
                                             {**travelling(WEB), "c1": BUILT}, COMPUTE, {},
                                             True),
    "hosts that failed have not": ((*CONCLUDE, "Host"), {**travelling(WEB), "c1": BROKEN},
                                   COMPUTE, {}, False),
    "a run without failures": (FAIL, travelling(SETTLED), {},
                               {"ansible_check_mode": False}, False),
    "a run with one": (FAIL, travelling(SETTLED, FAILED), {},
                       {"ansible_check_mode": False}, True),
    "a plan does not fail": (FAIL, travelling(FAILED), {},
                             {"ansible_check_mode": True}, False),
    "volumes hold data": (("audit", "Repair the compute hosts", "Volume"), {}, {}, {"launch_repair": "true"}, False),
    "they go when that is said": (("audit", "Repair the compute hosts", "Volume"), {}, {},
                                  {"launch_repair_volumes": "true"}, True),
    "orphaned ports go": (("audit", "Repair the network", "Port"), audited(PORT), {}, {"launch_repair": "yes"}, True),
    "there are none": (("audit", "Repair the network", "Port"), audited(DOMAIN), {}, {"launch_repair": "yes"}, False),
    "no repair is asked for": (("audit", "Repair the network", "Port"), audited(PORT), {}, {}, False),
}  # fmt: skip


def question(playbook, registered, inventory, extra, where=None):
    return {
        "playbook": playbook + ".yml",
        "registered": registered,
        "inventory": inventory,
        "extra": extra,
        "asked": where,
    }


@pytest.fixture(scope="module")
def answered():
    """The answers to all questions, by their titles: one process is faster than many."""
    questions = {title: question(*case[:4]) for title, case in HOSTS.items()}
    for title, case in VALUES.items():
        questions["value: " + title] = question(case[0][0], *case[2:5], list(case[0][1:]) + [case[1]])
    for title, case in CONDITIONS.items():
        questions["condition: " + title] = question(case[0][0], *case[1:4], list(case[0][1:]) + ["localhost"])
    return dict(zip(questions, answers(list(questions.values()))))


def templates_of(playbook):
    """Where in the list of a playbook's plays those are whose hosts are a template."""
    order = {"launch": [2, 3, 4, 5], "destroy": [2], "survey": [3], "audit": [3], "prepare": [0]}
    return order[playbook]


@pytest.mark.parametrize("title", HOSTS)
def test_a_play_is_for_the_hosts_that_have_something_to_do(title, answered):
    playbook, *_rest, expected = HOSTS[title]
    plays = answered[title]["value"]
    assert [plays[index][1] for index in templates_of(playbook)] == expected


@pytest.mark.parametrize("title", VALUES)
def test_a_task_gets(title, answered):
    assert answered["value: " + title] == {"value": VALUES[title][-1]}


@pytest.mark.parametrize("title", CONDITIONS)
def test_a_task_runs_if(title, answered):
    assert answered["condition: " + title] == {"value": CONDITIONS[title][-1]}


def test_every_attempt_is_for_the_same_hosts(answered):
    plays = answered["new instances"]["value"][3:-4]
    assert len(plays) == 9
    assert plays[:3] == plays[3:6] == plays[6:]


@pytest.mark.parametrize(
    ("title", "expected"),
    [("one that another run has destroyed", [["c1"], ["localhost"]]), ("new instances", [[], []])],
)
def test_what_another_run_has_taken_over_goes_also_after_the_last_attempt(title, expected, answered):
    assert [hosts for _name, hosts in answered[title]["value"][-4:-2]] == expected


def test_the_passwords_of_a_hosts_volumes(tmp_path):
    chap.save(str(tmp_path), "v1", "hidden")
    chap.save(str(tmp_path), "v3", "another host's")
    mine = {**WEB, "volumes": [{"name": "local"}, {"volume_id": None}, {"volume_id": "v1"}, {"volume_id": "v2"}]}
    registered = travelling(mine, {**DB, "volumes": [{"volume_id": "v3"}]})
    extra = {"launch_volume_service": "cinder", "launch_private_path": str(tmp_path)}
    playbook, *where = BUILD
    one = question(playbook, registered, COMPUTE, extra, [*where, "{{ _launch_volume_secrets }}"])
    none = {**one, "registered": travelling(WEB)}
    assert answers([one, none]) == [{"value": '{"v1": "hidden"}'}, {"value": ""}]


@pytest.mark.parametrize(("form", "lines"), [("yaml", True), ("json", False)])
def test_a_table_is_one_text_where_ansible_keeps_its_lines(form, lines):
    playbook, *where = (*REPORT, "Report", "localhost", "{{ _launch_prints_lines }}")
    asked = question(playbook, travelling(), {}, {}, where)
    assert answers([asked], ANSIBLE_CALLBACK_RESULT_FORMAT=form) == [{"value": lines}]


def test_repair_that_is_neither_asked_for_nor_not_is_refused_in_words():
    [answer] = answers([question("audit", audited(DOMAIN), COMPUTE, {"launch_repair": "maybe"})])
    assert "launch_repair: 'maybe' is not true or false" in answer["error"]


@pytest.mark.parametrize(
    ("files", "extra", "keys"),
    [
        pytest.param(["ed25519", "ecdsa", "rsa"], {}, ["ssh-ed25519 A"], id="the best"),
        pytest.param(["rsa", "ecdsa"], {}, ["ssh-ecdsa A"], id="the better"),
        pytest.param(["rsa"], {}, ["ssh-rsa A"], id="what there is"),
        pytest.param([], {}, [], id="none"),
        pytest.param(None, {}, [], id="not even a folder for it"),
        pytest.param(["rsa"], {"launch_default_keys": "false"}, [], id="none is wanted"),
    ],
)
def test_the_key_of_who_launches(files, extra, keys, tmp_path):
    if files is not None:
        (tmp_path / ".ssh").mkdir()
    for kind in files or ():
        (tmp_path / (".ssh/id_%s.pub" % kind)).write_text("ssh-%s A\n" % kind)
    playbook, *where = ACCEPT
    asked = question(playbook, travelling(), COMPUTE, extra, [*where, "{{ _launch_default_ssh_keys }}"])
    assert answers([asked], HOME=str(tmp_path)) == [{"value": keys}]
