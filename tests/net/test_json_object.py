"""JSON of strangers: as much of it as can be read, and never an exception."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauth2_pop3.net.json_object import json_object, object_within, whole_strings


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"a": 1}', {"a": 1}),
        ('{"a": 1}', {"a": 1}),
        (b'\xef\xbb\xbf {"a": 1}', {"a": 1}),
        ('{"a": 1}'.encode("utf-16"), {"a": 1}),
        ('{"a": 1}'.encode("utf-32-be"), {"a": 1}),
        (b'{"a": "\xe9"}', {"a": "\ufffd"}),
        (b'{"a": "x\ny"}', {"a": "x\ny"}),
        (b'{"a": 1} and more', {"a": 1}),
        (b'{"a": ' + b"9" * 300 + b"}", {"a": int("9" * 300)}),
        (b'{"a": -' + b"9" * 5000 + b"}", {"a": -math.inf}),
        (b'{"a": 1e999}', {"a": math.inf}),
        *((content, {}) for content in (b"", b"7", b"[1]", b"null", b"{", b'{"a"}', b"<html>", b"\xff\xfe", b"\x00")),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_read(content: bytes | str, expected: dict[str, object]) -> None:
    assert json_object(content) == expected


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
@pytest.mark.parametrize("depth", [100, 990, 10_000, 100_000])
def test_nesting(opening: bytes, depth: int) -> None:
    json_object(b'{"refresh_token": "r", "x": ' + opening * depth)
    json_object(opening * depth)
    assert whole_strings(b'{"b": "r", "x": ' + opening * depth, ("b",)) == {"b": "r"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"a": "1", "b": "2', {"a": "1"}),
        (b'{"a" :\n"1\\n\\u00e9"', {"a": "1\né"}),
        (b'{"a": "1", "a": "2"', {"a": "1"}),
        (b'{"a": 1, "b": null, "c": "3"', {}),
        (b'{"x": "\\"a\\": \\"1\\""', {}),
        (b'{"a": "\\q", "b": "2"', {"b": "2"}),
        (b"{" + b'"a": "' * 100_000, {"a": ""}),
        (b'{"a"' + b" " * 500_000, {}),
        (b'{"a": "' + b"\\" * 500_000, {}),
        (b'<script>{"a": "1"}', {}),
    ],
    ids=lambda value: str(value)[:20],
)
def test_whole_strings(content: bytes, expected: dict[str, object]) -> None:
    assert whole_strings(content, ("a", "b")) == expected


ONE = b'{"a": "1", "b": "2"}'
FOUND = {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (ONE, FOUND),
        (b"[%s]" % ONE, FOUND),
        (b")]}'\n" + ONE, FOUND),
        (b"while(1);" + ONE, FOUND),
        (b"for(;;){};" + ONE, FOUND),
        (b"call(%s);" % ONE, FOUND),
        (b"<!-- served -->\n" + ONE, FOUND),
        (b"<br />\n<b>Warning</b>: {x} in <b>/a.php</b> on line <b>7</b><br />\n" + ONE, FOUND),
        (b"\0" + ONE, FOUND),
        (b"\0\0" + ONE, FOUND),
        (json.dumps(ONE.decode()).encode(), FOUND),
        (b"a=1&b=2", FOUND),
        (b" a=1&b=2\r\n", FOUND),
        (b"a=1&b=2&a=", FOUND),
        (b'{"data": [%s]}' % ONE, {"data": [FOUND], **FOUND}),
        (b'{"b": "3", "c": "4", "data": {"a": "1", "b": null}}', {"b": "3", "c": "4", "a": "1", "data": ...}),
        (b'{"a": "1", "data": {"a": "2"}}', {"a": "1", "data": {"a": "2"}}),
        (b'{"a": null, "data": {"a": "2"}}', {"a": "2", "data": {"a": "2"}}),
        (b'{"a": "1", "b": "2", "b": null, "a": ""}', FOUND),
        (b'{"b": "2"}', {"b": "2"}),
        (b'{"data": {"b": "2"}}', {"data": {"b": "2"}}),
        (b'{"a": "1", "b": "2", "inner": {"a": "3"},}', FOUND),
        (b"warning: {" + ONE[1:-1], FOUND),
        *((page + ONE, {}) for page in (b"<html>", b"<!DOCTYPE html>", b"<p>", b"<script>", b"<pre>", b"\n<BODY x>")),
        (b'text {"b": "2"}', {"b": "2"}),
        (b'text {"b": "2", "x": "' + b"x" * 300 + b'", "inner": {"a": "3"}', {"b": "2", "a": "3"}),
        (b"text with a=1&b=2", {}),
        (b"grant=x&b=2", {}),
        (b"a=1 2", {}),
        (b"", {}),
        (b'"', {}),
        (b'"\\"', {}),
        (b"{" * 100_000, {}),
        (b"x" + b"{" * 100_000, {}),
        (b"a=" + b"&" * 500_000, {}),
        (b'"' * 500_000, {}),
        pytest.param(b'{"a": "1", "b": "2", "x": ' + b"[" * 100_000, FOUND, id="nested"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_object_within(content: bytes, expected: dict[str, object]) -> None:
    found = object_within(content, ("a",), ("a", "b"))
    assert {**found, **{name: ... for name, value in expected.items() if value is ...}} == expected


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.text(max_size=5), values, max_size=4), st.data())
def test_what_json_reads_is_read_alike(value: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(value)
    assert json_object(text) == json_object(text.encode()) == value
    cut = data.draw(st.integers(0, len(text)))
    json_object(text[:cut])
    whole_strings(text[:cut].encode(), ("a", "b"))


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_nothing_raises(content: bytes | str) -> None:
    json_object(content)
    whole_strings(content, ("a",))
    object_within(content, ("a",), ("a", "b"))


@given(
    st.lists(st.sampled_from(['{"a":', '"1"', "}", "[", "]", '"', "\\", "a=", "&", "<p>", ",", "\0", "{"]), max_size=30)
)
def test_nothing_like_json_raises(parts: list[str]) -> None:
    object_within("".join(parts), ("a",), ("a", "b"))
    object_within("".join(parts).encode(), ("a",), ("a", "b"))
