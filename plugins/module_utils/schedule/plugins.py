# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters and weighers of other collections, by their full names.

A module travels with the Python files it imports by name, and a user's filter is none of these. But the
scheduler runs on the controller, where the user's collection is installed: it is imported from there, from the
directories in which Ansible itself looks for collections and no others, as Ansible imports its own plugins.
"""

from __future__ import annotations

import importlib
import os
import re
import stat
import sys
from typing import Any, Callable

from ..core.errors import InvalidRequest

FULL_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+")


def import_plugin(what: str, name: str, paths: list[str]) -> Callable:
    """The filter or weigher of that full name; InvalidRequest if it is not there or not to be trusted.

    acme.cloud.rack is `rack` in plugins/module_utils/filters.py (weighers.py) of the collection acme.cloud;
    acme.cloud.datacentre.racks.rack is `rack` in plugins/module_utils/datacentre/racks.py, and may be written
    with plugins.module_utils before that.
    """
    if not FULL_NAME.fullmatch(name):
        raise InvalidRequest("%s %s: a full name is namespace.collection.NAME" % (what, name))
    namespace, collection, *path, attribute = name.split(".")
    if path[:2] == ["plugins", "module_utils"]:
        path = path[2:]
    path = path or [what + "s"]
    root = _collection(what, name, namespace, collection, paths)
    _refuse_writable(what, name, root, path)
    module = ".".join(["ansible_collections", namespace, collection, "plugins", "module_utils", *path])
    try:
        found = getattr(_import(module, os.path.dirname(os.path.dirname(root))), attribute, None)
    except Exception as error:  # whatever their code raises is their author's to read, by its name
        raise InvalidRequest("%s %s: %s: %s" % (what, name, type(error).__name__, error)) from error
    if not callable(found) and not hasattr(found, "weigh"):
        raise InvalidRequest("%s %s: %s has no function %s" % (what, name, module, attribute))
    return found() if isinstance(found, type) else found


def _collection(what: str, name: str, namespace: str, collection: str, paths: list[str]) -> str:
    """The directory of a collection, in the first of the paths that has it."""
    looked = []
    for path in [*paths, *filter(None, sys.path)]:
        path = os.path.abspath(os.path.expanduser(path))
        root = path if os.path.basename(path) == "ansible_collections" else os.path.join(path, "ansible_collections")
        found = os.path.join(root, namespace, collection)
        if os.path.isdir(found):
            return found
        if path in map(os.path.abspath, map(os.path.expanduser, paths)):
            looked.append(path)
    raise InvalidRequest(
        "%s %s: the collection %s.%s is not installed (looked in %s)"
        % (what, name, namespace, collection, ", ".join(looked) or "no directory: collections_paths is empty")
    )


def _refuse_writable(what: str, name: str, root: str, path: list[str]) -> None:
    """Code that anybody can write is not run, nor is code in a directory where anybody can."""
    place = os.path.join(root, "plugins", "module_utils", *path[:-1])
    for each in (root, place, os.path.join(place, path[-1] + ".py")):
        try:
            mode = os.stat(each).st_mode
        except OSError:
            raise InvalidRequest("%s %s: there is no %s" % (what, name, each)) from None
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise InvalidRequest("%s %s: anybody can write %s: chmod o-w" % (what, name, each))


def _import(module: str, directory: str) -> Any:
    """Import a module of a collection below that ansible_collections, so that its own imports work too."""
    package = importlib.import_module("ansible_collections")
    if directory not in package.__path__:
        package.__path__ = [*package.__path__, directory]
    importlib.invalidate_caches()
    return importlib.import_module(module)
