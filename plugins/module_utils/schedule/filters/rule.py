# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What marks a function as a filter: whom it concerns, and how it shows a host's own numbers.

A filter is a function of a host and a request. It returns None if the host can take the request, and else
the reason: words that complete the sentence "2 of 6 ..." and hold no host's own number, so that equal reasons
add up. It must not look at what is one instance's alone (name, UUID, ids of ports and volumes): instances
of one equivalence class are filtered once.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence


def rule(applies: Callable | None = None, shows: Callable | None = None) -> Callable[[Callable], Callable]:
    """Mark a filter. applies(request): False if it can refuse no host at all; shows(host, request): its own numbers."""

    def mark(refuses: Callable) -> Callable:
        refuses.applies, refuses.shows = applies, shows
        return refuses

    return mark


def applicable(filters: Mapping[str, Callable], request: Any) -> list[tuple[str, Callable]]:
    """The filters that can refuse a host this request, in their order."""
    return [(name, refuses) for name, refuses in filters.items() if concerns(refuses, request)]


def concerns(refuses: Callable, request: Any) -> bool:
    """Whether a filter can refuse any host this request."""
    applies = getattr(refuses, "applies", None)
    return applies is None or bool(applies(request))


def first_refusal(host: Any, request: Any, filters: Sequence[tuple[str, Callable]]) -> tuple[str, str] | None:
    """The first filter that refuses the host, and why; None if the host can take the request."""
    for name, refuses in filters:
        reason = refuses(host, request)
        if reason is not None:
            return name, reason
    return None


def show(refuses: Callable, host: Any, request: Any) -> str | None:
    """The host's own numbers that made the filter refuse it, if it has any to show."""
    shows = getattr(refuses, "shows", None)
    return None if shows is None else shows(host, request)
