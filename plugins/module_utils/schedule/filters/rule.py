# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What marks a function as a filter: whom it concerns, and how it shows a host's own numbers.

A filter is a function of a host and a request. It returns None if the host can take the request, and else
the reason: words that complete the sentence "2 of 6 ..." and hold no host's own number, so that equal reasons
add up. It must not look at what is one instance's alone (name, UUID, ids of ports and volumes): instances
of one shape are filtered once.
"""

from __future__ import annotations

from typing import Any, Callable


def rule(applies: Callable | None = None, shows: Callable | None = None) -> Callable[[Callable], Callable]:
    """Mark a filter. applies(request): False if it can refuse no host at all; shows(host, request): its own numbers."""

    def marked(refuses: Callable) -> Callable:
        refuses.applies, refuses.shows = applies, shows
        return refuses

    return marked


def concerns(refuses: Callable, request: Any) -> bool:
    """Whether a filter can refuse any host this request."""
    applies = getattr(refuses, "applies", None)
    return applies is None or bool(applies(request))


def shown(refuses: Callable, host: Any, request: Any) -> str | None:
    """The host's own numbers that made the filter refuse it, if it has any to show."""
    shows = getattr(refuses, "shows", None)
    return None if shows is None else shows(host, request)
