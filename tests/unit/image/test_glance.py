# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked of Glance; what it answers is as the real one does."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import NotFound, Unavailable
from ansible_collections.kvmstack.launch.plugins.module_utils.image import glance

ID, OTHER = "c1aebfc7-577f-46d0-9da7-190b9839046b", "11111111-1111-4111-8111-111111111111"


class Glance:
    """A cloud and its image service, which has one image."""

    project_id = "mine"
    endpoint = "http://glance.test/v2"

    def __init__(self):
        self.asked, self.refuses = [], []

    def api(self, service):
        assert service == "image"
        return self

    def get(self, path, what):
        self.asked.append(path)
        for error in self.refuses:
            raise error
        if not path.endswith(ID):
            raise NotFound("%s: Glance says: No image found (404, request id req-1)" % what)
        return image(ID)

    def list(self, path, key, what, **query):
        self.asked.append("%s?%s" % (path, query["name"]))
        return [image(ID)]


def image(identity):
    return {
        "id": identity,
        "name": "demo",
        "status": "active",
        "container_format": "bare",
        "disk_format": "raw",
        "os_hash_algo": "sha512",
        "os_hash_value": "ab" * 64,
        "size": 1,
    }


@pytest.fixture
def service(monkeypatch):
    service = Glance()
    monkeypatch.setattr(glance, "connect", lambda params: service)
    return service


def found(*images):
    return [definition.to_result() for definition in glance.find({"images": list(images)})]


def test_all_names_are_one_request(service):
    results = found("demo", "none", "demo", "a,b")
    assert service.asked == ['images?in:"demo","none","a,b"']
    assert [result.get("id") for result in results] == [ID, None, ID, None]
    assert "image none: there is none" in results[1]["fault"]


def test_an_id_is_one_request_and_needs_no_list(service):
    (result,) = found(ID.upper())
    assert service.asked == ["images/" + ID]
    assert (result["id"], result["name"]) == (ID, "demo")


def test_what_is_wrong_is_told_in_its_place(service):
    results = found(OTHER, "demo", 'a"b', "c\\d", "")
    assert [("fault" in result) for result in results] == [True, False, True, True, True]
    assert "request id req-1" in results[0]["fault"]
    assert results[0]["name"] == OTHER
    assert "give its id" in results[2]["fault"]


def test_a_service_that_does_not_answer_is_nobodys_fault(service):
    service.refuses = [Unavailable("Glance does not answer")]
    with pytest.raises(Unavailable):
        found(ID)
