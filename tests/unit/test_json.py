from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minutehand.store.json import (
    MAX_DEPTH_READ,
    Numeral,
    TooDeep,
    Unwritable,
    _cut,
    _encoder,
    _Writer,
    body_text,
    dumps,
    loads,
    parse,
    shown_text,
)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("x" * 1_000_000, '"' + "x" * 1_000_000 + '"'),
        ("\\u0000 is text, \\ud800 too", r'"\\u0000 is text, \\ud800 too"'),
        ("😀", r'"\ud83d\ude00"'),
        (datetime(2026, 1, 2, tzinfo=UTC), '"2026-01-02 00:00:00+00:00"'),
        ((1, 2), "[1,2]"),
        ([Numeral("900.00"), Decimal("1E-7"), Decimal("1E+3"), 2**70], f"[900.00,0.0000001,1000,{2**70}]"),
        ({"a": [], "b": {}, "c": [Numeral("1.0"), {"d": "é"}]}, r'{"a":[],"b":{},"c":[1.0,{"d":"\u00e9"}]}'),
    ],
    ids=["long", "text that looks like an escape", "emoji", "instant", "tuple", "numbers", "nested"],
)
def test_a_value_is_written_whole(value: Any, written: str) -> None:
    assert dumps(value) == written


def test_exact_numbers_and_instants_do_not_need_the_slow_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: Any, **__: Any) -> None:
        raise AssertionError("written in Python")

    monkeypatch.setattr("minutehand.store.json._Writer", slow)
    value = {"a": [Numeral("900.00"), Decimal("-1E-7")], "at": datetime(2026, 1, 2, tzinfo=UTC), "é": None}
    assert dumps(value) == '{"a":[900.00,-0.0000001],"at":"2026-01-02 00:00:00+00:00","\\u00e9":null}'
    assert body_text([Numeral("-0.10"), "0.1"]) == '[-0.10, "0.1"]'


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_both_writers_write_the_same(value: Any) -> None:
    def slowly() -> str:
        writer = _Writer(_encoder(True, True, None, False), strict=True)
        writer.add(value, "\n")
        return "".join(writer.parts)

    assert _text_or_refusal(slowly) == _text_or_refusal(lambda: dumps(value))


def _text_or_refusal(write: Callable[[], str]) -> str:
    try:
        return write()
    except Unwritable as refused:
        return f"refused: {refused}"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"a": [1, {"b": "x\x00"}]}, r"^a\[1\]\.b has a NUL character"),
        ({"a\x00": 1}, r"NUL character"),
        ({"a": "😀", "b": "\ud800"}, "^b has half of a surrogate pair"),
        ("\udc80", "^the value has half of a surrogate pair"),
        ({"k": float("nan")}, "^k is not a finite number"),
        ([Decimal("Infinity")], r"^\[0\] is not a finite number"),
        ([Decimal("1E+131072")], "more digits than PostgreSQL's numeric"),
        ([Decimal("1E-16384")], "more digits than PostgreSQL's numeric"),
        ({"k": [{1}]}, r"^k\[0\] is a set, which JSON cannot hold"),
        ({"k": b"x"}, "^k is a bytes"),
        ([TooDeep()], "nested deeper than 200 levels"),
    ],
)
def test_what_json_or_postgres_cannot_hold_is_refused_by_name(value: Any, why: str) -> None:
    for write in (dumps, body_text):
        with pytest.raises(Unwritable, match=why):
            write(value)
    assert shown_text(value)


def test_what_is_nested_without_end_is_refused() -> None:
    deep: list[Any] = []
    deep.append(deep)
    with pytest.raises(Unwritable, match="nested too deeply"):
        dumps(deep)


numbers = st.integers(-(10**30), 10**30) | st.decimals(allow_nan=False, allow_infinity=False).map(Numeral)
text = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
)


@given(values)
def test_what_is_written_is_read_back_digit_by_digit(value: Any) -> None:
    for write in (dumps, body_text, shown_text):
        assert shown_text(loads(write(value))) == shown_text(value)
        assert json.loads(write(value), parse_float=Decimal) == value
    assert json.loads(_cut(dumps(value)), parse_float=Decimal) == value


@given(st.lists(values, max_size=20))
def test_postgres_takes_every_value_and_gives_its_digits_back(pg18: str, everything: list[Any]) -> None:
    import psycopg

    with psycopg.connect(pg18) as connection:
        for value in everything:
            (stored,) = connection.execute("select %s::jsonb::text", [dumps(value)]).fetchone() or ("",)
            assert shown_text(loads(stored), sort_keys=True) == shown_text(value, sort_keys=True)


def test_the_layout_is_that_of_the_standard_library() -> None:
    plain = {"b": [1, {}, [], "é", None, True], "a": {"x": {"y": [1]}}}
    exact = plain | {"c": Numeral("1.50")}
    for indent in (None, 2):
        expected = json.dumps(plain | {"c": 1.25}, indent=indent, sort_keys=True, ensure_ascii=False)
        assert shown_text(exact, indent=indent, sort_keys=True) == expected.replace("1.25", "1.50")


def nested(depth: int) -> str:
    return '{"a": ' * depth + '"}]\\""' + "}" * depth


@pytest.mark.parametrize("depth", [MAX_DEPTH_READ, MAX_DEPTH_READ + 1, 900, 1_001, 200_000])
def test_what_postgres_holds_is_read_however_deep_it_is(depth: int) -> None:
    read = loads(f'[{{"b": "\\\\"}}, {nested(depth)}, [{nested(depth)}], 1]')
    assert (read[0], read[-1]) == ({"b": "\\"}, 1)
    seen, value = 0, read[1]
    while isinstance(value, dict):
        seen, value = seen + 1, value["a"]
    if depth < 1_000:
        assert (seen, value) == (depth, '}]"')
    else:
        assert (seen, type(value)) == (MAX_DEPTH_READ - 1, TooDeep)


def test_a_number_longer_than_python_reads_keeps_its_digits() -> None:
    digits = "-1" + "0" * 5_000
    assert shown_text(loads(f'{{"a": {digits}, "b": 12, "c": 1.50}}')) == f'{{"a": {digits}, "b": 12, "c": 1.50}}'


@pytest.mark.parametrize(
    "source", ["", "{", "[1,]", "<html>", "[" * 5_000, "NaN", "1e999999999", "1e99999999999999999999"]
)
def test_what_is_no_json_is_refused(source: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (json's own words)
        loads(source)
    with pytest.raises(ValueError):  # noqa: PT011
        loads(b"\xff" + source.encode())


def test_a_person_cannot_write_a_key_twice() -> None:
    with pytest.raises(ValueError, match="duplicate key 'a'"):
        parse('{"b": {"a": 1, "a": 2}}')
    assert str(parse('{"a": 1.10}')["a"]) == "1.10"
