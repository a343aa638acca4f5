# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""User data as people give it, and the same in both rooms that look at it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.core.user_data import as_bytes
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.request import parse as parse_domains
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.request import parse as parse_instances

CONFIG = "#cloud-config\npackages: [nginx]\n"
ZIPPED = gzip.compress(CONFIG.encode(), mtime=0)
MIME = "Content-Type: multipart/mixed; boundary=x\nMIME-Version: 1.0\n\n--x--\n"

GIVEN = [
    pytest.param(CONFIG, CONFIG.encode(), id="a text"),
    pytest.param("", b"", id="an empty one"),
    pytest.param("wéb ☃", "wéb ☃".encode(), id="beyond ASCII"),
    pytest.param(ZIPPED.decode("utf-8", "surrogateescape"), ZIPPED, id="gzip, as lookup reads a file"),
    pytest.param(base64.b64encode(CONFIG.encode()).decode(), CONFIG.encode(), id="base64 as nova takes it"),
    pytest.param(base64.encodebytes(MIME.encode() * 9).decode(), MIME.encode() * 9, id="in lines, of MIME"),
    pytest.param(base64.b64encode(ZIPPED).decode(), ZIPPED, id="of gzip"),
    pytest.param("c2VjcmV0", b"c2VjcmV0", id="base64 of what no cloud-init knows"),
    pytest.param("Iyo", b"Iyo", id="not quite base64"),
    pytest.param("#!/bin/sh", b"#!/bin/sh", id="a script"),
]


@pytest.mark.parametrize(("value", "data"), GIVEN)
def test_what_it_is_in_bytes(value, data):
    assert as_bytes(value, "user_data") == data


@pytest.mark.parametrize(("value", "data"), GIVEN)
def test_the_digest_is_of_what_is_on_the_drive(value, data):
    texts = json.dumps({"web": value})
    entry = {"name": "web", "flavor": {"vcpus": 1, "ram": 64}, "image": "demo", "networks": []}
    images = {"demo": {"url": "file:///demo", "checksum": "none"}}
    [asked] = parse_instances({
        "instances": [entry], "state": "present", "user_data": texts, "images": images, "flavors": {}, "groups": {},
        "networks": {}, "routers": {}, "security_groups": {}, "image_service": "url", "network_service": "ovn",
        "volume_service": "file", "project_id": "p",
    })  # fmt: skip
    identity = "11111111-0000-4000-8000-000000000001"
    document = {"name": "web", "uuid": identity, "flavor": asked.flavor, "image": {**asked.image, "path": "/root"}}
    params = {"domains": [document], "state": "present", "state_path": "/s"}
    [domain] = parse_domains({**params, "user_data": texts})
    assert domain.fault is None
    on_drive = domain.config_drive["openstack/latest/user_data"]
    assert on_drive == data
    assert asked.user_data_digest == hashlib.sha256(on_drive).hexdigest()


@pytest.mark.parametrize("value", [None, 5, False, {"packages": ["secret"]}, ["secret"], "secret \ud800"])
def test_what_is_no_text_is_refused_and_not_shown(value):
    with pytest.raises(InvalidRequest, match="^user_data: a text is needed$"):
        as_bytes(value, "user_data")
