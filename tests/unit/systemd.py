# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Units as systemd reads them."""

from __future__ import annotations

import shlex
from configparser import RawConfigParser


def read(path):
    """A unit's sections; of a key that is there several times, the last."""
    parser = RawConfigParser(delimiters="=", strict=False)
    parser.optionxform = str
    parser.read_string(path.read_text())
    return {section: dict(parser[section]) for section in parser.sections()}


def words(text):
    """The words of a line as systemd takes them."""
    return [word.replace("%%", "%") for word in shlex.split(text)]


def command(unit):
    """The arguments that systemd starts a service with."""
    return [word.replace("$$", "$") for word in words(unit["Service"]["ExecStart"])]
