# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a security group lets through, in neutron's terms: rules allow, everything else is dropped."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from typing import Any, Callable, Mapping

from ..core.convert import shown
from ..core.errors import InvalidRequest
from ..core.names import checked_name
from .addresses import checked_prefix
from .names import DEFAULT_PROJECT, Name, name_in

# What OVN has words for, by the protocols' numbers.
_KNOWN = {"1": "icmp", "58": "icmp", "6": "tcp", "17": "udp", "132": "sctp"}
_WITH_PORTS = ("tcp", "udp", "sctp")
# neutron's names of all protocols (neutron_lib/constants.py, IP_PROTOCOL_MAP); some are of IPv6 alone.
NUMBERS = {
    "icmp": "1", "igmp": "2", "ipip": "4", "tcp": "6", "egp": "8", "udp": "17", "dccp": "33", "ipv6-encap": "41",
    "ipv6-route": "43", "ipv6-frag": "44", "rsvp": "46", "gre": "47", "esp": "50", "ah": "51", "ipv6-icmp": "58",
    "icmpv6": "58", "ipv6-nonxt": "59", "ipv6-opts": "60", "ospf": "89", "vrrp": "112", "pgm": "113", "sctp": "132",
    "udplite": "136",
}  # fmt: skip
_NAMES = {number: name for name, number in NUMBERS.items() if number not in _KNOWN}
_OF_IPV6 = ("icmpv6", "58")


@dataclass(frozen=True)
class Rule:
    """Traffic that is allowed.

    protocol is one of OVN's names, a number as text, or any. ports are the first and the last; of icmp its type and,
    perhaps, its code.
    """

    direction: str = "ingress"
    ethertype: str = "IPv4"
    protocol: str = "any"
    ports: tuple[int, ...] | None = None
    remote_cidr: str | None = None
    remote_group: str | None = None

    def words(self) -> str:
        """The rule in one line."""
        ports = self.ports and "-".join(str(port) for port in sorted(set(self.ports)))
        if self.protocol == "icmp" and self.ports:
            ports = " ".join("%s %d" % pair for pair in zip(("type", "code"), self.ports))
        protocol = _NAMES.get(self.protocol, self.protocol)
        remote = self.remote_cidr or (self.remote_group and "group %s" % self.remote_group)
        return " ".join(filter(None, (self.direction, self.ethertype, protocol, ports, remote)))


EGRESS = tuple(Rule("egress", ethertype) for ethertype in ("IPv4", "IPv6"))


@dataclass(frozen=True)
class Group:
    """A security group. `in_sync` is false when what the backend holds is not what it would write for these rules."""

    name: str
    rules: tuple[Rule, ...]
    in_sync: bool = True
    project_id: str = DEFAULT_PROJECT

    @property
    def full_name(self) -> Name:
        """What it is known by."""
        return name_in(self.project_id, self.name)

    @property
    def full_remotes(self) -> set[Name]:
        """What these are known by: they are its project's own, too."""
        return {name_in(self.project_id, name) for name in self.remotes}

    @property
    def remotes(self) -> set:
        """The names of the groups that the rules speak of."""
        return {rule.remote_group for rule in self.rules if rule.remote_group}

    def definition(self) -> str:
        """The rules as one text, from which read_group() makes the group again."""
        return json.dumps([asdict(rule) for rule in self.rules], sort_keys=True)


# What a port gets that names no group, unless the user defines it: neutron's default group.
DEFAULT = Group("default", EGRESS + tuple(replace(Rule(remote_group="default"), ethertype=e) for e in ("IPv4", "IPv6")))


def unspoken(names: set[Any], speakers: Callable[[Any], set[Any]]) -> set[Any]:
    """Of these groups those of which no rule speaks of a group that stays: they can go together.

    speakers(name) are the groups whose rules speak of one.
    """
    going = set(names)
    while True:
        staying = {name for name in going if speakers(name) - going - {name}}
        if not staying:
            return going
        going -= staying


def read_group(name: Name, definition: str) -> Group:
    """The group whose definition() this is."""
    rules = [{**rule, "ports": rule["ports"] and tuple(rule["ports"])} for rule in json.loads(definition)]
    return Group(name.name, tuple(Rule(**rule) for rule in rules), project_id=name.project)


def define_group(name: str, rules: list[Rule]) -> Group:
    """The group of these rules. Without an egress rule everything may leave, as in a new group of neutron's."""
    checked_name(name, "security group")
    leaving = () if any(rule.direction == "egress" for rule in rules) else EGRESS
    return Group(name, tuple(dict.fromkeys([*rules, *leaving])))


def define_rule(options: Mapping[str, Any]) -> Rule:
    """The rule of what is said of it, each value of its type; InvalidRequest if it makes no sense."""
    cidr, group, family = _remote(options.get("remote"))
    word = _without_zeros(options.get("protocol", "any").lower())
    if word in _OF_IPV6 or word.startswith("ipv6-"):
        if "IPv4" in (family, options.get("ethertype")):
            raise InvalidRequest("protocol %s is of IPv6 alone" % word)
        family = "IPv6"
    ethertype = options.get("ethertype") or family or "IPv4"
    if family not in (None, ethertype):
        raise InvalidRequest("remote %s is not %s" % (cidr, ethertype))
    protocol = _protocol(word)
    ports = _icmp(options) if protocol == "icmp" else _ports(options["port"]) if options.get("port") else None
    if ports and protocol not in ("icmp", *_WITH_PORTS):
        raise InvalidRequest("port %s needs a protocol with ports: %s" % (options["port"], ", ".join(_WITH_PORTS)))
    if protocol != "icmp" and ("icmp_type" in options or "icmp_code" in options):
        raise InvalidRequest("icmp_type and icmp_code go with the protocols icmp and ipv6-icmp alone")
    return Rule(options.get("direction", "ingress"), ethertype, protocol, ports, cidr, group)


def _icmp(options: Mapping[str, Any]) -> tuple[int, ...] | None:
    """The type and the code of ICMP, as far as they are said."""
    if options.get("port"):
        raise InvalidRequest("port %s: icmp has icmp_type and icmp_code" % shown(options["port"]))
    if "icmp_code" in options and "icmp_type" not in options:
        raise InvalidRequest("icmp_code %d needs an icmp_type" % options["icmp_code"])
    return tuple(options[key] for key in ("icmp_type", "icmp_code") if key in options) or None


def _remote(text: str | None) -> tuple:
    """Who the other side is: a CIDR, a group's name and a CIDR's ethertype, each or None."""
    if not text:
        return None, None, None
    try:
        cidr = checked_prefix(text, "remote")
    except InvalidRequest:
        if "/" in text or "%" in text:
            raise
        return None, checked_name(text, "remote"), None
    return str(cidr), None, "IPv%d" % cidr.version


def _without_zeros(word: str) -> str:
    """The word; a number as OVN takes it, which passes over a rule with 006 in it (ovn-sb(5), Logical_Flow)."""
    return str(int(word)) if re.fullmatch("[0-9]{1,3}", word) else word


def _protocol(word: str) -> str:
    """A protocol by OVN's word for it, else by its number."""
    number = NUMBERS.get(word, word)
    if word == "any" or (re.fullmatch("[0-9]{1,3}", number) and int(number) <= 255):
        return _KNOWN.get(number, number)
    raise InvalidRequest(
        "protocol %s: use any, a number up to 255, or one of %s" % (shown(word), ", ".join(sorted(NUMBERS)))
    )


def _ports(text: str) -> tuple[int, int]:
    """`80` or `8000-8100` as the first and the last port."""
    found = re.fullmatch("([0-9]{1,5})(?:-([0-9]{1,5}))?", text)
    ports = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if 1 <= ports[0] <= ports[1] <= 65535:
        return ports
    raise InvalidRequest("port %s: write 80 or 8000-8100" % shown(text))
