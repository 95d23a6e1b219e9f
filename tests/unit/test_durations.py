"""Durations have one reader and one writer: what is written exactly is read as the same."""

from __future__ import annotations

import doctest

import pytest

from minutehand.executor import durations
from minutehand.executor.durations import BadDuration, format_exact, parse_duration


def test_the_examples_of_the_docstrings_are_true() -> None:
    assert doctest.testmod(durations).failed == 0


@pytest.mark.parametrize("seconds", [1, 59, 60, 90, 3600, 5400, 86_400, 259_200, 604_800])
def test_what_is_written_exactly_is_read_as_the_same(seconds: int) -> None:
    assert parse_duration(format_exact(seconds)) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "-1s", "1h30m", "5 fortnights", "nan", "1e9", "٣ days", "9" * 400 + "s"]
)
def test_an_invalid_duration_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(BadDuration, match=r'^invalid duration ".{0,60}": write 50s, 5m, 2h or 3 days$'):
        parse_duration(text)
