# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Services' refusals as they are documented or were seen, and what they mean to us."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.cloud.failure import failure
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import (
    Conflict,
    NotFound,
    QuotaExceeded,
    Refused,
    Unavailable,
)


def response(status, body, headers=None):
    """As much of an answer as is looked at."""
    text = body if isinstance(body, str) else json.dumps(body)
    return SimpleNamespace(
        status_code=status, text=text, json=lambda: json.loads(text), headers=headers or {}, reason="Reason"
    )


KEYSTONE = {"error": {"code": 401, "message": "The request you have made requires authentication.", "title": "U"}}
OVER = {"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: ['port'].", "detail": ""}}
IN_USE = {"NeutronError": {"type": "IpAddressInUse", "message": "10.0.0.5 is in use.", "detail": ""}}
FULL = {
    "NeutronError": {"type": "IpAddressGenerationFailure", "message": "No more IP addresses available.", "detail": ""}
}
GLANCE = (
    "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n"
    "  No image found with ID x<br /><br />\n </body>\n</html>"
)
LIMIT = {"overLimit": {"code": 413, "message": "VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded"}}


@pytest.mark.parametrize(
    ("service", "status", "body", "meaning", "words"),
    [
        ("Keystone", 401, KEYSTONE, Refused, "requires authentication"),
        ("Keystone", 403, {"error": {"code": 403, "message": "You are not authorized", "title": "F"}}, Refused, "role"),
        ("Neutron", 409, OVER, QuotaExceeded, "resources: ['port']"),
        ("Neutron", 409, IN_USE, Conflict, "10.0.0.5 is in use"),
        ("Neutron", 409, FULL, Conflict, "No more IP addresses available"),
        (
            "Neutron",
            404,
            {"NeutronError": {"type": "NetworkNotFound", "message": "no n", "detail": ""}},
            NotFound,
            "no n",
        ),
        ("Neutron", 400, {"NeutronError": {"type": "X", "message": "", "detail": "details"}}, Conflict, "details"),
        ("Cinder", 400, {"badRequest": {"code": 400, "message": "status must be available"}}, Conflict, "available"),
        ("Cinder", 413, LIMIT, QuotaExceeded, "Maximum number of volumes allowed (1)"),
        (
            "Cinder",
            404,
            {"itemNotFound": {"code": 404, "message": "Volume quota could not be found"}},
            NotFound,
            "quota",
        ),
        ("Cinder", 409, {"conflictingRequest": {"message": "ConflictNovaUsingAttachment"}}, Conflict, "NovaUsing"),
        ("Cinder", 500, {"computeFault": {"code": 500, "message": "Server Error"}}, Unavailable, "see Cinder's log"),
        ("Cinder", 406, {"computeFault": {"code": 406, "message": "Version 3.70 is not supported"}}, Conflict, "3.70"),
        ("Glance", 404, GLANCE, NotFound, "404 Not Found No image found with ID x"),
        (
            "Glance",
            404,
            {"message": "No image found<br/>", "code": "404 Not Found", "title": "N"},
            NotFound,
            "No image",
        ),
        ("Glance", 403, {"message": "Forbidden to update image", "title": "F"}, Refused, "Forbidden to update image"),
        ("Glance", 503, "<html><body><h1>503 Service Unavailable</h1></body></html>", Unavailable, "503 Service"),
        ("Glance", 429, "slow down", Unavailable, "slow down"),
        ("Glance", 408, "", Unavailable, "Reason"),
        ("Glance", 400, "red \x1b[31m light", Conflict, "red [31m light"),
        ("Glance", 302, "", Conflict, "Reason"),
        ("Glance", 400, "[1, 2]", Conflict, "[1, 2]"),
        ("Glance", 400, '"text"', Conflict, "text"),
    ],
)
def test_what_a_refusal_means(service, status, body, meaning, words):
    error = failure(response(status, body), service, "thing web")
    assert error.__class__ is meaning
    assert str(error).startswith("thing web: %s says: " % service)
    assert words in str(error)
    assert "<" not in str(error)
    assert "\n" not in str(error)
    assert error.abort is (meaning is not Unavailable)


@pytest.mark.parametrize("header", ["x-openstack-request-id", "x-compute-request-id"])
def test_the_request_s_id_is_told(header):
    assert "(409, request id req-1)" in str(failure(response(409, IN_USE, {header: "req-1"}), "Neutron", "port"))


def test_without_an_id_the_status_is():
    assert "(409)" in str(failure(response(409, IN_USE), "Neutron", "port"))


def test_a_long_answer_is_cut():
    assert len(str(failure(response(500, "word " * 10000), "Glance", "image"))) < 700
