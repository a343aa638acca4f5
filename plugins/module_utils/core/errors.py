# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one error tree: low code raises, the door turns it into a failed result.

A message names the thing, what is wrong and what to do.
"""

from __future__ import annotations

from typing import Mapping


class LaunchError(Exception):
    """Something of ours went wrong; its text is meant for the user.

    `abort` is nova's closed list of errors that no other host can cure
    (nova/compute/manager.py, `_do_build_and_run_instance`): the instance goes to ERROR
    at once. Everything else sends it to its next alternate host. facts are what a result tells of it beside.
    public is its text for everybody, where the whole names hosts, what they have, or what is another project's: that is
    for who runs the cloud. OUTSIDE is what a kind of error tells everybody that says nothing of its own.
    """

    abort = False
    facts: Mapping = {}
    OUTSIDE: str | None = None

    def __init__(self, message: str = "", public: str | None = None):
        super().__init__(message)
        self.public = next(str(text) for text in (public, self.OUTSIDE, message) if text is not None)

    @classmethod
    def telling(cls, words: str, *, facts: tuple, public: tuple) -> LaunchError:
        """One in these words, filled in with facts for who runs the cloud, and for everybody with what public has."""
        return cls(words % facts, words % public)

    def within(self, kind: type[LaunchError], words: str) -> LaunchError:
        """The same as an error of that kind in these words, which have a %s for it."""
        return kind(words % self, words % self.public)


class InvalidRequest(LaunchError):
    """The user's input is wrong: nothing is created, trying elsewhere cannot help."""

    abort = True


class NotFound(LaunchError):
    """A thing the request names does not exist."""

    abort = True


class Conflict(LaunchError):
    """What is there is not ours, or is not what the request says and cannot be changed in place."""

    abort = True


class Refused(LaunchError):
    """A service does not let this user do it: wrong password, expired token, missing role."""

    abort = True


class QuotaExceeded(Conflict):
    """The project has no more of something."""


class Exhausted(LaunchError):
    """A host, a disk or a network has no room left; another one may have."""


class Unavailable(LaunchError):
    """A service or a host did not answer, or not in time; another host or a later run may do better.

    Which one, where it is and in whose words, is nobody's business outside.
    """

    OUTSIDE = "a service or a host of the cloud does not do what it should"


class MissingLibrary(LaunchError):
    """A Python library that a backend needs cannot be imported."""

    OUTSIDE = Unavailable.OUTSIDE

    def __init__(self, library: str):
        super().__init__(library)
        self.library = library
