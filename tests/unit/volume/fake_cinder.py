# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Cinder in memory, at the edge of the backend: the rules and answers of Zed's API, as seen against the real one."""

from __future__ import annotations

import threading
import uuid

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, NotFound, QuotaExceeded

RBD = {
    "driver_volume_type": "rbd",
    "hosts": ["192.0.2.1"],
    "ports": ["6789"],
    "auth_enabled": True,
    "auth_username": "cinder",
    "secret_uuid": "s",
    "access_mode": "rw",
}
ISCSI = {
    "driver_volume_type": "iscsi",
    "target_portal": "192.0.2.1:3260",
    "target_iqn": "iqn.2010-10.org.openstack:v",
    "target_lun": 1,
    "auth_method": "CHAP",
    "auth_username": "u",
    "auth_password": "hidden",
}
ORDER = ("attached", "attaching", "reserved")


class Killed(BaseException):
    """The run ended here."""


class FakeCinder:
    """The cloud and its block storage, as user and as service. looks: lists until what is busy has settled."""

    project_id = "p"

    def __init__(self):
        self.volumes, self.attached, self.requests, self.messages = {}, {}, [], []
        self.snapshots = [{"id": "s1", "name": "snap"}, {"id": "s2", "name": "two"}, {"id": "s3", "name": "two"}]
        self.looks, self.fate, self.info, self.admin, self.page = 1, "available", RBD, False, None
        self.kill_at = None  # the number of changing requests after which the run is killed
        self.lock = threading.RLock()

    def api(self, service_type, as_service=False):
        assert service_type == "block-storage"
        return View(self, as_service)

    def volume(self, **fields):
        """A volume that is there."""
        raw = {"id": str(uuid.uuid4()), "name": "", "size": 1, "status": "available", "metadata": {}, "left": 0}
        raw.update(volume_type="fast", volume_type_id="t1", multiattach=False, bootable="false", encrypted=False)
        raw.update(fields)
        self.volumes[raw["id"]] = raw
        return raw

    def attachment(self, volume, instance, status="attached", host="kvm1"):
        """An attachment that is there."""
        raw = {"id": str(uuid.uuid4()), "volume_id": volume["id"], "instance": instance, "status": status, "host": host}
        raw["connection_info"] = {} if status == "reserved" else dict(self.info, name="v")
        self.attached[raw["id"]] = raw
        self._recount(volume)
        return raw

    def of(self, volume):
        return [raw for raw in self.attached.values() if raw["volume_id"] == volume["id"]]

    def _recount(self, volume):
        states = [raw["status"] for raw in self.of(volume) if not raw["status"].startswith("error")]
        first = next((state for state in ORDER if state in states), None)
        volume["status"] = {None: "available", "attached": "in-use"}.get(first, first)

    def _reserve(self, volume, instance):
        mine = [raw for raw in self.of(volume) if raw["instance"] == instance]
        free = volume["status"] == "available" or (volume["multiattach"] and volume["status"] == "in-use")
        if not free and not (mine and volume["status"] in ("in-use", "reserved")):
            raise Conflict("status must be available, but is %s" % volume["status"])


class View:
    """One account's requests."""

    def __init__(self, cloud, as_service):
        self.cloud, self.as_service = cloud, as_service

    def _changing(self, *request):
        self.cloud.requests.append(request)
        changing = [one for one in self.cloud.requests if one[0] != "GET"]
        if self.cloud.kill_at is not None and len(changing) > self.cloud.kill_at:
            raise Killed

    def list(self, path, key, _what, **query):
        cloud = self.cloud
        with cloud.lock:
            cloud.requests.append(("GET", path, self.as_service, query))
            if key == "volumes":
                return [self._shown(raw) for raw in list(cloud.volumes.values()) if self._ages(raw)]
            if key == "attachments":
                found = [dict(raw) for raw in cloud.attached.values()]
                wanted = query.get("volume_id")
                return [raw for raw in found if raw["volume_id"] == wanted] if wanted else found[: cloud.page]
            if key == "messages":
                return [{"user_message": text} for text in cloud.messages]
            return {"snapshots": cloud.snapshots}[key]

    def _ages(self, raw):
        """What is on its way comes nearer with every look; False when it is gone."""
        if raw["status"] in ("creating", "extending", "deleting"):
            raw["left"] -= 1
            if raw["left"] < 0 and raw["status"] == "deleting":
                if self.cloud.fate != "error_deleting":
                    del self.cloud.volumes[raw["id"]]
                    return False
                raw["status"] = "error_deleting"
            elif raw["left"] < 0:
                raw["size"] = raw.pop("growing", raw["size"])
                raw["status"] = "in-use" if self.cloud.of(raw) else self.cloud.fate
        return True

    def _shown(self, raw):
        tells = self.as_service or self.cloud.admin
        complete = [one for one in self.cloud.of(raw) if one["status"] == "attached"]
        told = [
            {"attachment_id": one["id"], "server_id": one["instance"], "host_name": one["host"] if tells else None}
            for one in complete
        ]
        return dict(raw, attachments=told)

    def post(self, path, body, _what):
        cloud = self.cloud
        with cloud.lock:
            self._changing("POST", path, body)
            if path == "/volumes":
                asked = body["volume"]
                if asked.get("size", 1) > 100:
                    raise QuotaExceeded("gigabytes")
                fields = {key: asked[key] for key in ("name", "size", "metadata") if key in asked}
                return {"volume": self._shown(cloud.volume(status="creating", left=cloud.looks, **fields))}
            if path == "/attachments":
                asked = body["attachment"]
                volume = cloud.volumes[asked["volume_uuid"]]
                cloud._reserve(volume, asked["instance_uuid"])
                host = asked["connector"]["host"]
                return {"attachment": dict(cloud.attachment(volume, asked["instance_uuid"], "attaching", host))}
            return self._act(path.split("/")[2], body)

    def _act(self, identity, body):
        cloud = self.cloud
        if "os-complete" in body:
            raw = cloud.attached[identity]
            raw["status"] = "attached"
            cloud._recount(cloud.volumes[raw["volume_id"]])
        elif "os-force_delete" in body:
            assert self.as_service
            cloud.volumes[identity].update(status="deleting", left=cloud.looks)
        else:
            volume = cloud.volumes[identity]
            assert volume["status"] in ("available", "in-use")
            volume.update(status="extending", left=cloud.looks, growing=body["os-extend"]["new_size"])
        return {}

    def put(self, path, body, _what):
        with self.cloud.lock:
            self._changing("PUT", path, body)
            raw = self.cloud.attached[path.rpartition("/")[2]]
            assert len(self.cloud.of(self.cloud.volumes[raw["volume_id"]])) == 1, "duplicate connectors detected"
            raw.update(status="attaching", host=body["attachment"]["connector"]["host"])
            raw["connection_info"] = dict(self.cloud.info, name="v")
            return {"attachment": dict(raw)}

    def delete(self, path, _what, *, service_token=False):
        cloud = self.cloud
        with cloud.lock:
            self._changing("DELETE", path, service_token)
            identity = path.rpartition("/")[2]
            if path.startswith("/attachments"):
                assert service_token
                raw = cloud.attached.pop(identity, None)
                if raw is None:
                    raise NotFound("gone")
                cloud._recount(cloud.volumes[raw["volume_id"]])
                return {}
            volume = cloud.volumes.get(identity)
            if volume is None:
                raise NotFound("gone")
            if volume["status"] != "available" and volume["status"] != "error":
                raise Conflict("Volume status must be available")
            volume.update(status="deleting", left=cloud.looks)
            return {}
