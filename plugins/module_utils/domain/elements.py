# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""XML by ElementTree, which escapes every value: how elements are added and written."""

from __future__ import annotations

import copy
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement


def add(parent: Element, tag: str, text: Any = None, /, **attributes: Any) -> Element:
    """A new element below parent; attributes that are None are left out."""
    given = {name: str(value) for name, value in attributes.items() if value is not None}
    child = SubElement(parent, tag, given)
    if text is not None:
        child.text = str(text)
    return child


def child(parent: Element, tag: str) -> Element:
    """The child of that tag, a new one if there is none."""
    found = parent.find(tag)
    return SubElement(parent, tag) if found is None else found


def text(element: Element) -> str:
    """An element as indented text."""
    element = copy.deepcopy(element)
    _indent(element, "\n")
    return ElementTree.tostring(element, encoding="unicode") + "\n"


def attribute(element: Element | None, name: str, default: str | None = None) -> str | None:
    """An attribute of an element that may be missing."""
    return default if element is None else element.get(name, default)


def _indent(element: Element, line: str) -> None:
    """Two spaces a level, as ElementTree.indent does from Python 3.9 on."""
    if not len(element):
        return
    element.text = line + "  "
    for child in element:
        _indent(child, line + "  ")
        child.tail = line + "  "
    element[-1].tail = line
