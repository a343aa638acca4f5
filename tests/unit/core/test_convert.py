# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a value of the user means, by its kind."""

from __future__ import annotations

import math
from functools import partial

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core import convert
from ansible_collections.kvmstack.launch.plugins.module_utils.core.convert import (
    LARGEST,
    boolean,
    data,
    is_uuid,
    label,
    listed,
    mapping,
    number,
    printable,
    sequence,
    text,
    whole,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest


class Tagged(str):
    """Ansible's own texts are of a type of their own."""


UUID = "0e991dc9-0757-52de-86e1-25bfde01721f"


@pytest.mark.parametrize(
    ("value", "is_one"),
    [(UUID, True), (UUID.upper(), False), (UUID.replace("-", ""), False), ("{%s}" % UUID, False), ("web", False)]
    + [(None, False), (5, False)],
)
def test_a_uuid_as_it_is_kept(value, is_one):
    assert is_uuid(value) == is_one


@pytest.mark.parametrize(
    ("value", "items"),
    [
        (["a, b", 1], ["a, b", 1]),
        (("a",), ["a"]),
        ("a, b,c", ["a", "b", "c"]),
        ("a,", ["a"]),
        ("", []),
        (22, ["22"]),
        (None, []),
        ([], []),
    ],
)
def test_what_a_variable_lists(value, items):
    assert listed(value) == items


@pytest.mark.parametrize(
    ("convert", "value", "meaning"),
    [
        (boolean, True, True),
        (boolean, False, False),
        (boolean, "no", False),
        (boolean, "False", False),
        (boolean, "off", False),
        (boolean, "0", False),
        (boolean, 0, False),
        (boolean, " Yes ", True),
        (boolean, "true", True),
        (boolean, 1, True),
        (whole, 2, 2),
        (whole, "2", 2),
        (whole, " 2 ", 2),
        (whole, "-1", -1),
        (whole, "007", 7),
        (whole, Tagged("3"), 3),
        (number, 1, 1.0),
        (number, 1.5, 1.5),
        (number, "1.5", 1.5),
        (number, " 2 ", 2.0),
        (number, ".5", 0.5),
        (number, "1e3", 1000.0),
        (text, "", ""),
        (text, "42", "42"),
        (text, "wéb ☃\n", "wéb ☃\n"),
        (printable, "wéb 1", "wéb 1"),
        (label, True, "true"),
        (label, 1.5, "1.5"),
        (label, 10**20, "1" + "0" * 20),
        (label, "yes", "yes"),
        (data, {"a": [1, None, True, 1.5, ("x",)]}, {"a": [1, None, True, 1.5, ["x"]]}),
        (mapping, {}, {}),
        (mapping, {"a": None, Tagged("b"): [1]}, {"a": None, "b": [1]}),
        (sequence, [], []),
        (sequence, [1, None], [1, None]),
        (sequence, ("a",), ["a"]),
    ],
)
def test_a_value_means(convert, value, meaning):
    converted = convert(value, "x")
    assert converted == meaning
    assert type(converted) is type(meaning)


@pytest.mark.parametrize(
    ("convert", "value", "problem"),
    [
        (boolean, "maybe", "'maybe' is not true or false"),
        (boolean, "", "'' is not true or false"),
        (boolean, 2, "2 is not true or false"),
        (boolean, None, "None is not true or false"),
        (boolean, [], "[] is not true or false"),
        (whole, True, "True is not a whole number"),
        (whole, 2.0, "2.0 is not a whole number"),
        (whole, "2.0", "'2.0' is not a whole number"),
        (whole, "²", "'²' is not a whole number"),
        (whole, "٣", "'٣' is not a whole number"),
        (whole, "1_000", "'1_000' is not a whole number"),
        (whole, "4 GB", "'4 GB' is not a whole number"),
        (whole, "", "'' is not a whole number"),
        (whole, None, "None is not a whole number"),
        (whole, {"a": 1}, "{'a': 1} is not a whole number"),
        (number, True, "True is not a number"),
        (number, None, "None is not a number"),
        (number, "1,5", "'1,5' is not a number"),
        (number, "nan", "'nan' is not a number"),
        (number, "²", "'²' is not a number"),
        (number, [1], "[1] is not a number"),
        (number, math.nan, "nan is not a finite number"),
        (number, math.inf, "inf is not a finite number"),
        (number, "1e999", "inf is not a finite number"),
        (number, 10**400, "inf is not a finite number"),
        (text, 42, "42 is not a text: put it in quotes"),
        (text, 1.1, "1.1 is not a text: put it in quotes"),
        (text, True, "True is not a text: put it in quotes"),
        (text, None, "None is not a text: put it in quotes"),
        (text, ["a"], "['a'] is not a text"),
        (text, b"a", "b'a' is not a text"),
        (text, "a\0b", "has a control character"),
        (text, "a\x1b[2J", "has a control character"),
        (text, "a\rb", "has a control character"),
        (text, "a\x9bb", "has a control character"),
        (text, "a\udcff", "or one that stands for none"),
        (text, "a\uffff", "or one that stands for none"),
        (printable, "", "'' is not a line of printable characters"),
        (printable, " ", "' ' is not a line of printable characters"),
        (printable, "a\nb", "'a\\nb' is not a line of printable characters"),
        (printable, 7, "7 is not a text: put it in quotes"),
        (printable, "a" * 256, "is longer than 255 characters"),
        (label, None, "None is not a text: put it in quotes"),
        (label, [], "[] is not a text"),
        (label, math.nan, "nan is not a finite number"),
        (data, math.inf, "inf is not a finite number"),
        (data, {"a": [{"b": object}]}, "a: b: <class 'object'> is not a text"),
        (data, {"a": {1: 2}}, "a: the key: 1 is not a text"),
        (data, "a\0b", "has a control character"),
        (mapping, [], "[] is not a mapping of keys to values"),
        (mapping, None, "None is not a mapping of keys to values"),
        (mapping, "a=1", "'a=1' is not a mapping of keys to values"),
        (mapping, {1: "a"}, "the key: 1 is not a text: put it in quotes"),
        (sequence, "a,b", "'a,b' is not a list"),
        (sequence, {"a": 1}, "{'a': 1} is not a list"),
        (sequence, None, "None is not a list"),
    ],
)
def test_a_value_of_another_kind_is_refused_by_name(convert, value, problem):
    with pytest.raises(InvalidRequest) as caught:
        convert(value, "web: flavor: ram")
    assert str(caught.value).startswith("web: flavor: ram: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("converted", "problem"),
    [
        (lambda: whole("1", "x", least=1, most=1), None),
        (lambda: whole(0, "x", least=1), "x: 0 is less than 1"),
        (lambda: whole(2**31, "x", most=LARGEST), "x: 2147483648 is more than 2147483647"),
        (lambda: whole("9" * 40, "x", most=LARGEST), "x: 9999"),
        (lambda: whole("9" * 5000, "x"), "x: '9999"),
        (lambda: number("-0.5", "x", least=0), "x: -0.5 is less than 0"),
        (lambda: number(2, "x", most=1.5), "x: 2.0 is more than 1.5"),
        (lambda: mapping({"a": 1}, "x", keys=("a", "b")), None),
        (lambda: mapping({"c": 1, "d": 2}, "x", keys=("a", "b")), "x: unknown key c, d (known: a, b)"),
        (lambda: text("abc", "x", longest=3), None),
        (lambda: text("abcd", "x", longest=3), "x: 'abcd' is longer than 3 characters"),
    ],
)
def test_limits(converted, problem):
    if problem is None:
        converted()
        return
    with pytest.raises(InvalidRequest) as caught:
        converted()
    assert str(caught.value).startswith(problem)


def test_an_error_is_of_a_length_that_a_person_reads():
    nested = []
    for _level in range(100000):
        nested = [nested]
    many = {str(index): index for index in range(100000)}
    for refused in (
        *(partial(convert.whole, value, "x", 0, 5) for value in ("x" * 100000, nested, many, 10**5000, -(10**5000))),
        partial(mapping, many, "x", ("a",)),
        partial(mapping, {"k" * 100000: 1}, "x", ("a",)),
        partial(convert.labels, {"k" * 100000: None}, "x"),
        partial(data, nested, "x"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            refused()
        assert len(str(caught.value)) < 500
