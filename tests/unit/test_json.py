from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minutehand.store.json import MAX_DEPTH, MAX_DEPTH_READ, MAX_STRING, _cut, dumps, loads


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("a\x00b", "ab"),
        ("\ud800x\udc00", "\ufffdx\ufffd"),
        ("\ud83d\ude00 😀", "😀 😀"),
        ({"k\x00": ["\ud800", float("nan"), float("-inf"), 1.5]}, {"k": ["\ufffd", None, None, 1.5]}),
        ("x" * (MAX_STRING + 1), "x" * MAX_STRING + "… (cut)"),
        ("\\u0000 is text", "\\u0000 is text"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02 00:00:00+00:00"),
        ((1, 2), [1, 2]),
    ],
)
def test_what_cannot_be_stored_is_made_storable(value, stored):
    assert json.loads(dumps(value)) == stored


def test_what_is_nested_without_end_is_cut():
    deep: list = []
    deep.append(deep)
    text = dumps(deep)
    assert "nested too deep" in text
    assert text.count("[") == MAX_DEPTH


scalars = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(st.characters())
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


@given(st.lists(values, max_size=20))
def test_postgres_takes_every_value(pg18, everything):
    import psycopg

    with psycopg.connect(pg18) as connection:
        for value in everything:
            connection.execute("select %s::jsonb", [dumps(value)])


def nested(depth: int) -> str:
    return '{"a": ' * depth + '"}]\\""' + "}" * depth


@pytest.mark.parametrize("depth", [MAX_DEPTH_READ, MAX_DEPTH_READ + 1, 900, 1_001, 200_000])
def test_what_postgres_holds_is_read_however_deep_it_is(depth):
    read = loads(f'[{{"b": "\\\\"}}, {nested(depth)}, [{nested(depth)}], 1]')
    assert (read[0], read[-1]) == ({"b": "\\"}, 1)
    seen, value = 0, read[1]
    while isinstance(value, dict):
        seen, value = seen + 1, value["a"]
    assert (seen, value) == ((depth, '}]"') if depth < 1_000 else (MAX_DEPTH_READ - 1, "… (nested too deep)"))


def test_a_number_longer_than_python_reads_is_text_and_its_neighbours_are_read():
    assert loads('{"a": -1%s, "b": 12, "c": 1.5}' % ("0" * 5_000)) == {"a": "-1" + "0" * 5_000, "b": 12, "c": 1.5}


@pytest.mark.parametrize("text", ["", "{", "[1,]", "<html>", "[" * 5_000, b"\xff"])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011  (json's own words)
        loads(text)


@given(values)
def test_reading_is_the_standard_parsers(value):
    text = dumps(value)
    assert loads(text) == json.loads(text)
    assert json.loads(_cut(text)) == json.loads(text)
