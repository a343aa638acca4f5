# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gateways on a compute host: files that say what is to be, and the systemd unit that makes it so, at boot as well.

{state_path}/gateways/INTERFACE/ has gateway.json (what it is, and the instances that use it) and what the unit
kvmstack-gateway@INTERFACE reads: environment, start.nft, stop.nft, dnsmasq.conf. The role compute_host has the unit,
and the nftables table that these add themselves to.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from functools import cached_property
from typing import Any, Iterator, Mapping

from ..core import directory
from ..core.change import Change
from ..core.command import command
from ..core.disk import disk_errors, locked, make_directory, read_record, write_record
from ..core.errors import LaunchError, Unavailable
from ..core.names import instance_path
from . import files, peers
from .model import Gateway, Listed, Peer, Use, check_peers, check_routes, interface_name, read_gateway

RECORD = "gateway.json"
IP6_FORWARD = "/proc/sys/net/ipv6/conf/all/forwarding"


class Gateways:
    """Reads and changes the gateways of a host."""

    def __init__(self, state_path: str):
        self.state_path = state_path
        self.directory = os.path.join(state_path, "gateways")

    def read(self, wanted: list[Use]) -> dict[str, Use]:
        """What instances use, by their UUID."""
        used: dict[str, list[Gateway]] = {}
        for facts in self._records():
            gateway = read_gateway(facts["gateway"], up=self._is_up(facts["gateway"]["port"]))
            for uuid in facts["instances"]:
                used.setdefault(uuid, []).append(gateway)
        return {use.key: Use(use.key, tuple(used[use.key]), use.name) for use in wanted if use.key in used}

    def listed(self) -> list[Listed]:
        """Every gateway that there is, or that is to be, and for whom."""
        return [
            Listed(read_gateway(facts["gateway"], up=self._is_up(facts["gateway"]["port"])), tuple(facts["instances"]))
            for facts in self._records()
        ]

    def apply(self, changes: list[Change]) -> dict[str, Use | LaunchError]:
        """Make what instances use, and take away what none uses any more."""
        if not changes:
            return {}
        with disk_errors(self.directory):
            make_directory(self.directory)
            with locked(self.directory):
                return {change.key: self._apply(change) for change in changes}

    def _apply(self, change: Change) -> Use | LaunchError:
        wanted = change.after.gateways if change.after else ()
        try:
            if not wanted:
                directory.remove_if_unused(instance_path(self.state_path, change.key))
            for gateway in wanted:
                self._use(gateway, change.key)
            ports = {gateway.port for gateway in wanted}
            for facts in list(self._records()):
                if facts["gateway"]["port"] not in ports:
                    self._leave(facts, change.key)
        except LaunchError as error:
            return error
        return change.after or change.before

    def _use(self, gateway: Gateway, instance_uuid: str) -> None:
        """Have an instance use a gateway, and make it if need be."""
        facts = self._record(gateway) or {}
        users = [uuid for uuid in facts.get("instances", ()) if uuid != instance_uuid]
        as_it_is = facts.get("gateway") == gateway.to_record()
        if not as_it_is:
            check_routes(gateway, _routes(gateway))
            check_peers(gateway, read_gateway(facts["gateway"], up=True) if facts else None, self._peers)
            if facts:
                # Not only stopped: when this run is killed, no boot and no firewall begins it as it was.
                self._disable(gateway)
        # By its directory an instance is known to be here: another run may be looking for who is not.
        make_directory(instance_path(self.state_path, instance_uuid))
        self._note(gateway, [*users, instance_uuid])
        if as_it_is and self._is_up(gateway.port):
            return
        try:
            self._start(gateway)
        except LaunchError:
            with suppress(LaunchError):
                self._leave({"gateway": gateway.to_record(), "instances": [*users, instance_uuid]}, instance_uuid)
            raise

    @cached_property
    def _peers(self) -> list[Peer]:
        """Whom this host talks to, looked for once however many gateways come."""
        return list(peers.found())

    def _leave(self, facts: Mapping[str, Any], instance_uuid: str) -> None:
        """Have an instance no longer use a gateway; one that nobody uses goes. Who is not here any more uses none."""
        users = [uuid for uuid in facts["instances"] if uuid != instance_uuid and self._is_here(uuid)]
        if users == facts["instances"]:
            return
        gateway = read_gateway(facts["gateway"], up=True)
        if users:
            self._note(gateway, users)
        else:
            self._stop(gateway)

    def _start(self, gateway: Gateway) -> None:
        """Make a gateway, of files that are as this release writes them; its unit makes this host a router."""
        if gateway.ipv6_address and not os.path.exists(IP6_FORWARD):
            raise Unavailable("this host's kernel has no %s: is IPv6 turned off?" % IP6_FORWARD)
        for name, text in files.files(gateway).items():
            _write(self._path(gateway.interface, name), text)
        unit = _unit(gateway)
        try:
            command("systemctl", "enable", "--quiet", unit, package="systemd")
            command("systemctl", "restart", unit, package="systemd")
        except Unavailable as error:
            raise Unavailable(
                "the gateway of network %s does not start: %s; see journalctl --unit=%s on the host, and run "
                "prepare.yml again if there is no such unit" % (gateway.network, error, unit)
            ) from error

    def _stop(self, gateway: Gateway) -> None:
        """Take a gateway away; what it was goes last, so that a run that is cut off here can be repeated.

        The host stays a router: others may rely on it since.
        """
        self._disable(gateway)
        command("ovs-vsctl", "--timeout=20", "--if-exists", "del-port", gateway.interface, package="openvswitch-switch")
        shutil.rmtree(self._path(gateway.interface))

    @staticmethod
    def _disable(gateway: Gateway) -> None:
        """Stop its unit, for whatever would start it as well."""
        command("systemctl", "disable", "--quiet", "--now", _unit(gateway), package="systemd")

    def _note(self, gateway: Gateway, instances: list[str]) -> None:
        """Write down what is to be, and for whom."""
        make_directory(self._path(gateway.interface))
        facts = {"gateway": gateway.to_record(), "instances": sorted(instances)}
        write_record(self._path(gateway.interface, RECORD), facts)

    def _records(self) -> Iterator[dict[str, Any]]:
        """What is written down of every gateway."""
        if os.path.isdir(self.directory):
            for name in sorted(os.listdir(self.directory)):
                facts = read_record(self._path(name, RECORD)) if os.path.isdir(self._path(name)) else None
                if facts:
                    yield facts

    def _record(self, gateway: Gateway) -> dict[str, Any] | None:
        return read_record(self._path(gateway.interface, RECORD))

    def _is_here(self, instance_uuid: str) -> bool:
        """Whether anything of an instance is on this host."""
        return os.path.isdir(instance_path(self.state_path, instance_uuid))

    def _is_up(self, port: str) -> bool:
        """Whether a gateway's interface is there, and who answers for names on it runs."""
        interface = interface_name(port)
        return os.path.exists("/sys/class/net/" + interface) and os.path.exists(files.pid_file(interface))

    def _path(self, *parts: str) -> str:
        return os.path.join(self.directory, *parts)


def connect(params: Mapping[str, Any]) -> Gateways:
    """The gateways of this host."""
    return Gateways(params["state_path"])


def find(params: Mapping[str, Any]) -> list[Listed]:
    """The gateways of this host, by their interfaces."""
    return Gateways(params["state_path"]).listed()


def _unit(gateway: Gateway) -> str:
    return "kvmstack-gateway@%s.service" % gateway.interface


def _routes(gateway: Gateway) -> list[dict[str, Any]]:
    """The host's routes of the families that the gateway is of."""
    families = [words for address, words in ((gateway.address, ()), (gateway.ipv6_address, ("-6",))) if address]
    return [
        route for each in families for route in json.loads(command("ip", *each, "-json", "route", package="iproute2"))
    ]


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
