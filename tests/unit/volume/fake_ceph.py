# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The commands rbd and ceph in memory, at the edge of the backend: their output and exit codes as of Ceph 16."""

from __future__ import annotations

import json
import threading

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Unavailable

GIB = 1024**3
FSID = "4a16c0b2-5b1f-4a67-9a2e-5c1d1a2f6f01"
MONITORS = [
    [{"type": "v2", "addr": "192.0.2.1:3300"}, {"type": "v1", "addr": "192.0.2.1:6789"}],
    [{"type": "v2", "addr": "[2001:db8::2]:3300"}],
]


class Killed(BaseException):
    """The run ended here."""


class FakeCeph:
    """A cluster; call it as core's command(). images: by POOL/IMAGE, with size, meta and watchers."""

    def __init__(self):
        self.images, self.calls, self.down, self.kill_at, self.lock = {}, [], None, None, threading.Lock()
        self.meanwhile = None  # what another run does before the next mark is written

    def image(self, name, size=GIB, meta=None, watchers=()):
        self.images["volumes/" + name] = {"size": size, "meta": meta or {}, "watchers": list(watchers)}

    def __call__(self, *arguments, package, timeout, meanings):
        with self.lock:
            assert package == "ceph-common"
            self.calls.append(arguments)
            if self.down:
                self._fail(arguments, meanings, *self.down)
            words = list(arguments)
            del words[words.index("--conf") :]
            return self._run(words, lambda code, text: self._fail(arguments, meanings, code, text))

    def _fail(self, arguments, meanings, code, text):
        raise meanings.get(code, Unavailable)("%s failed (%d): %s" % (" ".join(arguments[:2]), code, text))

    def _run(self, words, fail):
        if words[0] == "ceph":
            assert words[1:3] == ["mon", "dump"]
            return json.dumps({"fsid": FSID, "mons": [{"public_addrs": {"addrvec": each}} for each in MONITORS]})
        if words[1] == "ls":
            return json.dumps([name.split("/")[1] for name in self.images if name.startswith(words[3] + "/")])
        if words[1] in ("create", "clone", "resize", "rm") or words[1:3] in (
            ["image-meta", "set"],
            ["image-meta", "remove"],
        ):
            self._killed()
        if words[1:3] == ["image-meta", "set"] and self.meanwhile:
            happens, self.meanwhile = self.meanwhile, None
            happens()
        name = words[3] if words[1] in ("image-meta", "clone") else words[2]
        if (words[1] in ("create", "clone")) == (name in self.images):
            fail(17 if name in self.images else 2, "exists" if name in self.images else "No such file or directory")
        return self._on(words, name, fail) or ""

    def _killed(self):
        if self.kill_at is not None:
            self.kill_at -= 1
            if self.kill_at < 0:
                raise Killed

    def _on(self, words, name, fail):
        image = self.images.get(name)
        if words[1] in ("create", "clone"):
            size = int(words[4][:-1]) * GIB if words[1] == "create" else self.images[words[2].split("@")[0]]["size"]
            self.images[name] = {"size": size, "meta": {}, "watchers": []}
        elif words[1] == "info":
            return json.dumps({"size": image["size"]})
        elif words[1] == "status":
            return json.dumps({"watchers": [{"address": each} for each in image["watchers"]]})
        elif words[1] == "resize":
            image["size"] = int(words[4][:-1]) * GIB
        elif words[1] == "rm":
            if image["watchers"]:
                fail(16, "image still has watchers")
            del self.images[name]
        elif words[2] == "list":
            return json.dumps(image["meta"]) if image["meta"] else ""
        elif words[2] == "set":
            image["meta"][words[4]] = words[5]
        else:
            assert words[1:3] == ["image-meta", "remove"]
            if image["meta"].pop(words[4], None) is None:
                fail(2, "failed to remove metadata")
        return None
