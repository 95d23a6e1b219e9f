from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.json import MAX_DEPTH, MAX_STRING, dumps


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
