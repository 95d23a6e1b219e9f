"""How long a wait lasts: by the calendar of its zone, until a date of a row, and when it has lost its sense."""

from __future__ import annotations

import doctest
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from minutehand.executor import lengths, until
from minutehand.executor.actions import action_for
from minutehand.executor.actions.contract import BadStep, Step
from minutehand.executor.lengths import BadLength, Length, instant_of, moved, on_calendar, read_length
from minutehand.executor.outcome import Again, StepResult, Verdict
from minutehand.executor.step_order import next_step
from tests.contract.acting import acted

BERLIN, TORONTO = "Europe/Berlin", "America/Toronto"
NOON = "2026-03-01T12:00:00Z"


def wait(now: str, zone: str = "UTC", /, *, waiting: str | None = None, **config: Any) -> StepResult:
    """Run a wait at a time of the database."""
    words = {"column": config.pop("column")} if "column" in config else {}
    noted = None if waiting is None else {"type": "wait", "until": waiting, "again": "clock"}
    return acted("wait", config, words=words, now=datetime.fromisoformat(now), zone=zone, waiting=noted)[0]


def ends(now: str, zone: str = "UTC", /, **config: Any) -> str:
    """When a wait ends, in its zone."""
    result = wait(now, zone, **config)
    assert result.verdict is Verdict.DONE, result
    at = datetime.fromisoformat(result.result["until"])
    late = at - datetime.fromisoformat(now)
    assert result.wait_seconds == (late.total_seconds() if late > timedelta(0) else None)
    return at.astimezone(ZoneInfo(zone)).isoformat()


def test_the_examples_of_the_docstrings_are_true() -> None:
    assert doctest.testmod(lengths).failed == doctest.testmod(until).failed == 0


@pytest.mark.parametrize(
    ("spellings", "expected"),
    [
        (["50s", "50sec", "50 secs", "50 second", "50 Seconds"], {"seconds": 50}),
        (["90m", "90min", "90 mins", "90 minute", "90 MINUTES"], {"seconds": 5400}),
        (["2h", "2hr", "2 hrs", "2 hour", "2 hours"], {"seconds": 7200}),
        (["3d", "3day", "3 days"], {"days": 3}),
        (["2w", "2wk", "2 wks", "2 week", "2 weeks"], {"days": 14}),
        (["5mo", "5 mos", "5 month", "5 Months"], {"months": 5}),
        (["2qtr", "2 qtrs", "2 quarter", "2 quarters"], {"months": 6}),
        (["1y", "1yr", "1 yrs", "1 year", "1 years"], {"months": 12}),
        (
            ["1 day 12 hours", "1d12h", "1 day, 12 hours", "1 day and 12 hours", "1.5 days"],
            {"days": 1, "seconds": 43200},
        ),
        (["1 year, 6 months and 1 day"], {"months": 18, "days": 1}),
        (["0.5 years", "2 quarters"], {"months": 6}),
        (["0 days", "0 s"], {}),
    ],
)
def test_every_unit_is_read_in_every_spelling(spellings: list[str], expected: dict[str, Any]) -> None:
    for text in spellings:
        assert read_length(text) == Length(**expected), text


@pytest.mark.parametrize(
    "text",
    ["", "5", "days", "-1 day", "1 fortnight", "1 month ago", "0.5 months", "1e3 days", "٣ days", "1 m 1 m 1 m 1 m"],
)
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(BadLength, match="invalid duration"):
        read_length(text)


@pytest.mark.parametrize(
    ("now", "zone", "length", "end"),
    [
        # Days keep the time of day; hours are exact.
        ("2026-03-28T09:00:00+01:00", BERLIN, "1 day", "2026-03-29T09:00:00+02:00"),
        ("2026-03-28T09:00:00+01:00", BERLIN, "24 hours", "2026-03-29T10:00:00+02:00"),
        ("2026-10-24T09:00:00+02:00", BERLIN, "1 day", "2026-10-25T09:00:00+01:00"),
        ("2026-10-24T09:00:00+02:00", BERLIN, "24 hours", "2026-10-25T08:00:00+01:00"),
        ("2026-03-22T09:00:00+01:00", BERLIN, "1 week", "2026-03-29T09:00:00+02:00"),
        ("2026-03-28T09:00:00+01:00", "UTC", "1 day", "2026-03-29T08:00:00+00:00"),
        ("2026-03-07T18:30:00-05:00", TORONTO, "2 days", "2026-03-09T18:30:00-04:00"),
        # A time of day that does not exist is the first that does; one that comes twice is the first.
        ("2026-03-28T02:30:00+01:00", BERLIN, "1 day", "2026-03-29T03:00:00+02:00"),
        ("2026-03-07T02:15:00-05:00", TORONTO, "1 day", "2026-03-08T03:00:00-04:00"),
        ("2026-10-24T02:30:00+02:00", BERLIN, "1 day", "2026-10-25T02:30:00+02:00"),
        ("2026-10-31T01:30:00-04:00", TORONTO, "1 day", "2026-11-01T01:30:00-04:00"),
        ("2026-10-03T02:15:00+10:30", "Australia/Lord_Howe", "1 day", "2026-10-04T02:30:00+11:00"),
        ("2011-12-29T12:00:00-10:00", "Pacific/Apia", "1 day", "2011-12-31T00:00:00+14:00"),
        # Months by the calendar.
        ("2026-01-31T09:00:00+01:00", BERLIN, "1 month", "2026-02-28T09:00:00+01:00"),
        ("2024-01-31T09:00:00+01:00", BERLIN, "1 month", "2024-02-29T09:00:00+01:00"),
        ("2026-01-31T23:30:00-05:00", TORONTO, "1 month", "2026-02-28T23:30:00-05:00"),
        ("2026-02-28T09:00:00+01:00", BERLIN, "1 month", "2026-03-28T09:00:00+01:00"),
        ("2026-03-15T09:00:00+01:00", BERLIN, "1 month", "2026-04-15T09:00:00+02:00"),
        ("2024-02-29T09:00:00+00:00", "UTC", "1 year", "2025-02-28T09:00:00+00:00"),
        ("2026-11-30T09:00:00+00:00", "UTC", "1 quarter", "2027-02-28T09:00:00+00:00"),
        ("2026-03-28T09:00:00+01:00", BERLIN, "1 day 12 hours", "2026-03-29T21:00:00+02:00"),
    ],
)
def test_a_length_is_counted_by_the_calendar_of_the_zone(now: str, zone: str, length: str, end: str) -> None:
    assert ends(now, zone, **{"for": length}) == end


@pytest.mark.parametrize(
    ("zone", "text", "column", "end"),
    [
        (BERLIN, "2026-03-29", None, "2026-03-29T00:00:00+01:00"),
        (BERLIN, "2026-03-29T10:30", None, "2026-03-29T10:30:00+02:00"),
        (BERLIN, "2026-03-29 9:30", None, "2026-03-29T09:30:00+02:00"),
        (BERLIN, "2026-03-29T02:30:00", None, "2026-03-29T03:00:00+02:00"),
        (BERLIN, "2026-10-25T02:30:00", None, "2026-10-25T02:30:00+02:00"),
        (BERLIN, "2026-03-29T10:30:00Z", None, "2026-03-29T12:30:00+02:00"),
        # Columns: timestamptz, timestamp, date, and a date with a text.
        (BERLIN, "{{column}}", "2026-03-29T08:30:00+00:00", "2026-03-29T10:30:00+02:00"),
        (BERLIN, "{{column}} - 2 hours", "2026-03-29T08:30:00+00:00", "2026-03-29T08:30:00+02:00"),
        (BERLIN, "{{column}} - 2 hours", "2026-03-29T10:30:00", "2026-03-29T08:30:00+02:00"),
        (BERLIN, "{{column}} + 3 days", "2026-03-27", "2026-03-30T00:00:00+02:00"),
        (BERLIN, "{{column}}+3d", "2026-03-27", None),
        (BERLIN, "{{column}} 10:30 - 2 hours", "2026-03-29", "2026-03-29T08:30:00+02:00"),
        (BERLIN, "{{column}}T10:30 \u2212 2 hours", "2026-03-29", "2026-03-29T08:30:00+02:00"),
        (BERLIN, "{{column}} - 1 day", "2026-03-29T10:30:00", "2026-03-28T10:30:00+01:00"),
        (BERLIN, "{{column}} - 24 hours", "2026-03-29T10:30:00", "2026-03-28T09:30:00+01:00"),
        (BERLIN, "{{column}} - 1 month", "2026-03-31", "2026-02-28T00:00:00+01:00"),
        (BERLIN, "{{column}} - 1 day 12 hours", "2026-03-29T10:30:00", "2026-03-27T22:30:00+01:00"),
        # At a local hour, of the day on which it is there.
        (BERLIN, "{{column}} - 1 day at 09:00", "2026-03-29T10:30:00", "2026-03-28T09:00:00+01:00"),
        (BERLIN, "{{column}} - 1 day at 9:00", "2026-03-29", "2026-03-28T09:00:00+01:00"),
        (TORONTO, "{{column}} - 1 day at 09:00", "2026-03-29T02:00:00+00:00", "2026-03-27T09:00:00-04:00"),
        (BERLIN, "{{column}} + 0 days at 02:30", "2026-03-29", "2026-03-29T03:00:00+02:00"),
        (BERLIN, "{{column}} at 17:00", "2026-03-29", "2026-03-29T17:00:00+02:00"),
    ],
)
def test_a_moment_is_read_in_the_zone(zone: str, text: str, column: str | None, end: str | None) -> None:
    config = {"until": text} | ({} if column is None else {"column": column})
    if end is None:
        with pytest.raises(BadStep, match="`until`"):
            wait("2026-01-10T00:00:00Z", zone, **config)
        return
    assert ends("2026-01-10T00:00:00Z", zone, **config) == end


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("", "`until` is empty"),
        ("  ", "`until` is empty"),
        ("soon", "`until` is not a date and time"),
        ("infinity", "`until` is not a date and time"),
        ("2026-02-30", "`until` is not a date and time"),
        ("2026-13-01", "`until` is not a date and time"),
        ("2026-03-29T25:00", "`until` is not a date and time"),
        ("9999-12-31", "a wait may last at most 366 days"),
        ("3026-03-29", "a wait may last at most 366 days"),
        ("x" * 5000, "`until` is not a date and time"),
    ],
)
def test_a_column_that_says_no_moment_is_refused(column: str, said: str) -> None:
    with pytest.raises(BadStep, match=said):
        wait(NOON, until="{{column}}", column=column)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"for": "1000 years"}, "`for`: a wait may last at most 366 days"),
        ({"for": "13 months"}, "`for`: a wait may last at most 366 days"),
        ({"for": "999999999 years"}, "`for`: a wait may last at most 366 days"),
        ({"for": "12 months 2 days"}, "`for`: a wait may last at most 366 days"),
        ({"until": "3026-01-01"}, "`until` is in the year 3026"),
        ({"until": "{{ job.at }} + 1000 years"}, "`until` is more than 10 years from its date"),
        ({"until": "{{ job.at }} - 2 fortnights"}, 'is not understood: invalid duration "2 fortnights"'),
        ({"until": "{{ job.at }} - 2"}, 'is not understood: invalid duration "2"'),
        ({"until": "{{ job.at }} - 1 day at 25:00"}, "`until` is not a date and time"),
        ({"until": "{{ job.at }} minus 1 day"}, "`until` is not a date and time"),
        ({"until": "2026-02-30"}, "`until` is not a date and time"),
        ({"for": "1 day", "drop_after": 2}, "`drop_after` must be text"),
        ({"for": "1 day", "drop_after": "soon"}, '`drop_after`: invalid duration "soon"'),
        ({"for": "1 day", "drop_after": "30 s"}, "`drop_after` must be from 1 minute to 366 days"),
        ({"for": "1 day", "drop_after": "2 years"}, "`drop_after` must be from 1 minute to 366 days"),
    ],
)
def test_what_can_never_work_is_refused_before_it_runs(config: dict[str, Any], said: str) -> None:
    with pytest.raises(BadStep, match=said):
        action_for("wait").check(config)


@pytest.mark.parametrize(
    "config",
    [
        {"for": "1 year"}, {"for": "12 months"}, {"for": "366 days"}, {"for": "{{ job.n }} days"},
        {"until": "{{ job.at }}"}, {"until": "{{ job.day }} {{ job.time }} - 2 hours"},
        {"until": "{{ job.day }}T10:00"},
        {"until": "{{ job.at }} - 1 day at 09:00"}, {"until": "{% if job.at %}{{ job.at }}{% endif %}"},
        {"until": "{{ client.last_service }} + 2 years"}, {"for": "1 day", "drop_after": "2 hours"},
    ],
)  # fmt: skip
def test_what_may_work_is_not_refused(config: dict[str, Any]) -> None:
    action_for("wait").check(config)


def test_a_moment_of_a_row_is_asked_for_again_and_one_of_the_clock_is_not() -> None:
    day = "2026-03-02T12:00:00+00:00"
    assert wait(NOON, until="{{column}}", column=day).again is Again.ROW
    assert wait(NOON, until="2026-03-02").again is None
    assert wait(NOON, **{"for": "1 day"}).again is None
    assert (
        acted("wait", {"until": "{{ now|plus('1 day') }}"}, words={" now|plus('1 day') ": day}, now=_at(NOON))[0].again
        is None
    )
    # A wait that has an end, too, is asked again, so that it can say that it is too late; its moment stays as it was.
    assert wait(NOON, **{"for": "1 day"}, drop_after="1 hour").again is Again.CLOCK
    result = wait("2026-03-02T12:00:00Z", **{"for": "1 day"}, drop_after="1 hour", waiting=day)
    assert (result.verdict, result.wait_seconds, result.result["until"]) == (Verdict.DONE, None, day)
    moved_ = wait("2026-03-02T12:00:00Z", until="{{column}}", column="2026-03-05", waiting=day)
    assert (moved_.again, moved_.wait_seconds) == (Again.ROW, 60 * 60 * 60)


@pytest.mark.parametrize(
    ("now", "drop_after", "is_dropped"),
    [
        ("2026-03-02T12:00:00Z", "2 hours", False),
        ("2026-03-02T14:00:00Z", "2 hours", False),
        ("2026-03-02T14:00:01Z", "2 hours", True),
        ("2026-03-03T12:00:00Z", "1 day", False),
        ("2026-03-03T12:00:01Z", "1 day", True),
        ("2026-03-05T12:00:00Z", None, False),
    ],
)
@pytest.mark.parametrize("has_waited", [True, False])
def test_a_wait_that_ends_too_late_ends_the_execution(
    now: str, drop_after: str | None, is_dropped: bool, has_waited: bool
) -> None:
    config = {"until": "2026-03-02T12:00:00Z", "drop_after": drop_after}
    result = wait(now, waiting="2026-03-02T12:00:00+00:00" if has_waited else None, **config)
    assert (result.verdict, result.ends) == (Verdict.SKIPPED if is_dropped else Verdict.DONE, is_dropped)
    if is_dropped:
        assert (result.code, result.reason[:48]) == ("too_late", "its moment was 2026-03-02 12:00 UTC, and it was ")


def test_a_wait_that_is_noted_and_not_over_is_the_next_step() -> None:
    first, second = (Step(key=key, path=key, type=type_, name=key) for key, type_ in (("1", "wait"), ("2", "sms")))
    over = {"1": {"stepId": "1", "status": "success", "result": {"type": "wait", "until": NOON}}}
    noted = {"1": {"stepId": "1", "status": "success", "result": {"type": "wait", "until": NOON, "again": "row"}}}
    assert (next_step((first, second), over), next_step((first, second), noted)) == (second, first)
    # What another kind of step recorded under this name says nothing.
    hook = Step(key="1", path="1", type="webhook", name="1")
    assert next_step((hook, second), noted) == second


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


ZONES = some.sampled_from(
    [BERLIN, TORONTO, "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Tehran", "UTC", "Pacific/Apia"]
)
LOCAL = some.datetimes(datetime.fromisoformat("1990-01-01"), datetime.fromisoformat("2035-01-01"))


@given(ZONES, LOCAL)
def test_every_local_time_is_an_instant_and_the_first_that_fits(name: str, local: datetime) -> None:
    zone = ZoneInfo(name)
    instant = instant_of(local, zone)
    shown = instant.astimezone(zone).replace(tzinfo=None)
    assert shown >= local, "never earlier on the clock"
    before = (instant - timedelta(microseconds=1)).astimezone(zone).replace(tzinfo=None)
    if shown == local:
        earlier = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
        assert instant == earlier
    else:
        assert before < local, "the first that exists"


@given(ZONES, LOCAL, some.integers(0, 400), some.integers(0, 30))
def test_days_and_months_keep_the_time_of_day_where_it_exists(
    name: str, local: datetime, days: int, months: int
) -> None:
    zone = ZoneInfo(name)
    began = instant_of(local, zone)
    wanted = on_calendar(began.astimezone(zone).replace(tzinfo=None), months, days)
    end = moved(began, Length(days=days, months=months), zone).astimezone(zone).replace(tzinfo=None)
    exists = wanted.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wanted
    assert end == wanted if exists else end > wanted
    assert moved(began, Length(days=days), zone) <= moved(began, Length(days=days + 1), zone)
