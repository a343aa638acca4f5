# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A RabbitMQ of the distribution's package: a node of its own with its own epmd, on free ports of 127.0.0.1."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from contextlib import closing, contextmanager

import amqp

PROGRAMS = "/usr/lib/rabbitmq/bin/"
PASSWORD = "a:b?c@d%#"  # has to be quoted in a URL
SECONDS_TO_START = 90
VHOSTS = ["launch%d" % number for number in range(20)]
# What the role front_door sets: what is refused, or comes back again and again, goes to the dead letters.
POLICY = {
    "name": "kvmstack", "pattern": "^kvmstack[.](scheduler|compute)[.]", "apply-to": "queues", "priority": 0,
    "definition": {"dead-letter-exchange": "", "dead-letter-routing-key": "kvmstack.dead.error", "delivery-limit": 5},
}  # fmt: skip


def definitions():
    """Virtual hosts for all tests; to make one by rabbitmqctl takes seconds."""
    mine = {"configure": ".*", "write": ".*", "read": ".*", "user": "launch"}
    return {
        "users": [{"name": "launch", "password": PASSWORD, "tags": ""}],
        "vhosts": [{"name": name} for name in VHOSTS],
        "permissions": [{**mine, "vhost": name} for name in VHOSTS],
        "policies": [{**POLICY, "vhost": name} for name in VHOSTS],
    }


def free_port():
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Broker:
    """kill() and start() it again: it keeps what it has. as_user: gives a command to run as the server's user."""

    def __init__(self, folder, as_user):
        self.folder = folder
        self.as_user = as_user
        self.port, self.distribution, self.epmd_port = free_port(), free_port(), free_port()
        self.password = PASSWORD
        self.vhosts = iter(VHOSTS)
        self.process = None
        for name, text in (
            ("rabbitmq.conf", "load_definitions = %s/definitions.json\n" % folder),
            ("definitions.json", json.dumps(definitions())),
        ):
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)
            os.chmod(file.name, 0o644)
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": folder, "LC_ALL": "C.UTF-8", "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1", "RABBITMQ_NODENAME": "kvmstack%d@localhost" % self.port,
            "RABBITMQ_NODE_PORT": str(self.port), "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(self.distribution), "RABBITMQ_MNESIA_BASE": folder + "/data",
            "RABBITMQ_LOG_BASE": folder + "/log", "RABBITMQ_CONFIG_FILE": folder + "/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": folder + "/none", "RABBITMQ_ENABLED_PLUGINS_FILE": folder + "/plugins",
            "RABBITMQ_ALLOW_INPUT": "1", "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-noinput +S 1:1 +sbwt none",
        }  # fmt: skip
        self.epmd = self._begin("epmd", "-address", "127.0.0.1", "-port", str(self.epmd_port))

    def _begin(self, *command):
        with open(self.folder + "/output", "ab") as log:
            return subprocess.Popen(
                self.as_user(*command), env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/"
            )

    def start(self):
        self.process = self._begin(PROGRAMS + "rabbitmq-server")
        deadline = time.monotonic() + SECONDS_TO_START
        while not self._answers():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.2)
        return self

    def _answers(self):
        with closing(socket.socket()) as client:
            client.settimeout(5)
            try:
                client.connect(("127.0.0.1", self.port))
                client.sendall(b"AMQP\0\0\x09\x01")
                return client.recv(1) == b"\x01"  # the frame in which it begins to speak
            except OSError:
                return False

    def said(self):
        with open(self.folder + "/output", errors="replace") as file:
            return file.read()

    def kill(self):
        """As a machine that loses its power."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.kill()
        self.epmd.kill()
        self.epmd.wait()

    def ctl(self, *arguments):
        """What rabbitmqctl says; it takes seconds."""
        command = self.as_user(PROGRAMS + "rabbitmqctl", "--quiet", *arguments)
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, cwd="/", check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def vhost(self):
        """The URL of an empty virtual host, without the password."""
        return "rabbit://launch@127.0.0.1:%d/%s" % (self.port, next(self.vhosts))

    @contextmanager
    def channel(self, url):
        """A channel of py-amqp's on the virtual host of such a URL."""
        connection = amqp.Connection(
            "127.0.0.1:%d" % self.port, "launch", PASSWORD, virtual_host=url.rpartition("/")[2], connect_timeout=10
        )
        with connection:
            yield connection.channel()

    def length(self, url, queue):
        """How many messages of a queue nobody has; None where there is no such queue."""
        with self.channel(url) as channel:
            try:
                return channel.queue_declare(queue, passive=True).message_count
            except amqp.NotFound:
                return None

    def take(self, url, queue):
        """The next message of a queue, acknowledged; None where there is none."""
        with self.channel(url) as channel:
            return channel.basic_get(queue, no_ack=True)

    def publish(self, url, queue, body, **properties):
        """Put a message into a queue as it is."""
        with self.channel(url) as channel:
            channel.basic_publish(amqp.Message(body, **properties), exchange="", routing_key=queue)
