# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which hosts were refused and why, in numbers and in words."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from .filters.rule import show
from .host_state import HostState
from .model import NoValidHost, Policy, Request

EXAMPLES = 3  # hosts whose own numbers are shown for each filter
REASONS = 5  # reasons counted apart for each filter
BEGINNING = "no valid host: "

# For each filter the hosts it refused, by reason, in order of their names.
Refusals = Mapping[str, Mapping[str, Sequence[str]]]


def summarise(request: Request, hosts: Mapping[str, HostState], refusals: Refusals, policy: Policy) -> dict[str, Any]:
    """For each filter how many hosts it removed, why, and a few of them with their own numbers."""
    summary = {}
    for name, reasons in refusals.items():
        if not reasons:
            continue
        counted = sorted(
            ((len(names), reason) for reason, names in reasons.items()), key=lambda pair: (-pair[0], pair[1])
        )
        examples: dict[str, str] = {}
        for _count, reason in counted[:REASONS]:
            for host in reasons[reason][: EXAMPLES - len(examples)]:
                examples[host] = show(policy.filters[name], hosts[host], request) or reason
        summary[name] = {
            "count": sum(count for count, _reason in counted),
            "reasons": {reason: count for count, reason in counted[:REASONS]},
            "examples": examples,
        }
    return summary


def no_valid_host(request: Request, hosts: Mapping[str, HostState], refusals: Refusals, policy: Policy) -> NoValidHost:
    """The refusal of a request, with for each filter how many of the hosts it saw it removed, and why.

    What is in brackets is of single hosts, and not for everybody: which ones they are, what they have, why they are
    disabled.
    """
    if not hosts:
        return NoValidHost(
            BEGINNING + "no compute host is known; mend what the hosts said when they were asked,"
            " or add one to the inventory's group of compute hosts"
        )
    refused, seen, parts, public = summarise(request, hosts, refusals, policy), len(hosts), [], []
    for name, each in refused.items():
        counted = ["%d of %d %s" % (count, seen, reason) for reason, count in each["reasons"].items()]
        public.append("%s: %s" % (name, ", ".join(reason.partition(" (")[0] for reason in counted)))
        reasons = ", ".join(counted)
        own = ["%s %s" % pair for pair in each["examples"].items() if pair[1] not in each["reasons"]]
        parts.append("%s: %s%s" % (name, reasons, " (%s)" % ", ".join(own) if own else ""))
        seen -= each["count"]
    return NoValidHost(BEGINNING + "; ".join(parts), refused, BEGINNING + "; ".join(public))


def reasons_of_hosts(message: str) -> dict[str, str]:
    """By host why it was refused, as far as such a refusal names it: "RamFilter: has 3 of 4 MiB left"."""
    found: dict[str, str] = {}
    for part in message[len(BEGINNING) :].split("; "):
        name, _colon, reasons = part.partition(": ")
        for own in reasons.rpartition(" (")[2].rstrip(")").split(", ") if reasons.endswith(")") else ():
            host, space, reason = own.partition(" ")
            if space:
                found.setdefault(host, "%s: %s" % (name, reason))
    return found
