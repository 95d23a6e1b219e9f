"""executor/schedules.py: the instants of a schedule's form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from minutehand.executor.schedules import look_at, next_instant, passed_instants, schedule_problem, upcoming_instants

BERLIN = "Europe/Berlin"
NOW = datetime(2027, 1, 1, tzinfo=UTC)


def cron(*crons: str, **more: Any) -> dict[str, Any]:
    """A form with these cron expressions."""
    return {"crons": list(crons), **more}


def local(form: dict[str, Any], zone: str, start: str, count: int) -> list[str]:
    """The next instants after a local time, in local time with the zone's name."""
    after = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone))
    found = upcoming_instants(form, zone, after, datetime(2099, 1, 1, tzinfo=UTC), count)
    return [one.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %Z") for one in found]


#: Form, from when on, and the next instants in Berlin: on 28 March 2027 02:00 becomes 03:00, on 31 October 03:00
#: becomes 02:00.
LOCAL: list[tuple[dict[str, Any], str, list[str]]] = [
    (cron("0 9 * * 1"), "2027-03-21 10:00", ["2027-03-22 09:00 CET", "2027-03-29 09:00 CEST"]),
    (cron("30 2 * * *"), "2027-03-27 02:30", ["2027-03-28 03:00 CEST", "2027-03-29 02:30 CEST"]),
    (cron("30 2 * * *"), "2027-10-30 02:30", ["2027-10-31 02:30 CEST", "2027-11-01 02:30 CET"]),
    (
        cron("*/30 2 * * *"),
        "2027-10-31 01:00",
        ["2027-10-31 02:00 CEST", "2027-10-31 02:30 CEST", "2027-10-31 02:00 CET", "2027-10-31 02:30 CET"],
    ),
    (cron("*/30 2 * * *"), "2027-03-28 01:00", ["2027-03-29 02:00 CEST", "2027-03-29 02:30 CEST"]),
    (cron("0 9 L * *"), "2028-01-31 09:00", ["2028-02-29 09:00 CET", "2028-03-31 09:00 CEST"]),
    (cron("0 9 29 2 *"), "2027-01-01 00:00", ["2028-02-29 09:00 CET", "2032-02-29 09:00 CET"]),
    (cron("0 9 * * *", "0 17 * * *"), "2027-01-01 12:00", ["2027-01-01 17:00 CET", "2027-01-02 09:00 CET"]),
    (
        cron("0 9 * * 1", step={"unit": "week", "n": 2}, starting="2027-01-04"),
        "2026-12-01 00:00",
        ["2027-01-04 09:00 CET", "2027-01-18 09:00 CET"],
    ),
    (
        cron("0 9 1 * *", step={"unit": "month", "n": 3}),
        "2027-01-15 00:00",
        ["2027-04-01 09:00 CEST", "2027-07-01 09:00 CEST"],
    ),
    (
        cron("0 9 1 1 *", step={"unit": "year", "n": 2}),
        "2027-01-15 00:00",
        ["2028-01-01 09:00 CET", "2030-01-01 09:00 CET"],
    ),
    (
        cron("0 9 * * *", step={"unit": "day", "n": 3}, starting="2027-03-26"),
        "2027-03-26 10:00",
        ["2027-03-29 09:00 CEST", "2027-04-01 09:00 CEST"],
    ),
    ({"seconds": 5400}, "2027-03-28 00:50", ["2027-03-28 01:00 CET", "2027-03-28 03:30 CEST"]),
]


@pytest.mark.parametrize(("form", "start", "expected"), LOCAL)
def test_instants_are_local_times_also_where_the_clocks_change(
    form: dict[str, Any], start: str, expected: list[str]
) -> None:
    assert local(form, BERLIN, start, len(expected)) == expected


@pytest.mark.parametrize(
    "start", ["2027-10-31T00:10:00+00:00", "2027-10-31T00:31:00+00:00", "2027-10-31T01:10:00+00:00"]
)
def test_a_look_within_the_hour_that_comes_twice_repeats_nothing(start: str) -> None:
    after = datetime.fromisoformat(start)
    first = next_instant(cron("30 2 * * *"), BERLIN, after)
    assert first is not None
    assert first > after
    expected = "2027-10-31T00:30:00+00:00" if start < "2027-10-31T00:30" else "2027-11-01T01:30:00+00:00"
    assert first.isoformat() == expected


@pytest.mark.parametrize(
    ("form", "zone", "said"),
    [
        (cron("0 9 * * 1"), "Mars/Olympus", "there is no zone 'Mars/Olympus'"),
        (cron("0 9 * * 1"), "customer_local", "there is no zone 'customer_local'"),
        (cron("0 9 * * 1"), "../etc/passwd", "there is no zone"),
        (cron("0 9 30 2 *"), BERLIN, "so that it never fires"),
        (cron("0 9 31 4,6 *"), BERLIN, "so that it never fires"),
        (cron("* * */20 * 1L"), BERLIN, "it never fires: no day meets it"),
        (cron("61 * * * *"), BERLIN, "Bad minute"),
        (cron("0 9 * * 9"), BERLIN, "Bad day-of-week"),
        (cron("a b c d e"), BERLIN, "Bad minute"),
        (cron("0 9 L-3 * *"), BERLIN, "Bad day-of-month"),
    ],
)
def test_what_never_fires_says_so(form: dict[str, Any], zone: str, said: str) -> None:
    assert said in str(schedule_problem(form, zone, NOW))
    look = look_at({"id": "1", "version": 1, "form": form, "zone": zone, "from": NOW.isoformat()}, NOW)
    assert (look["instants"], look["next_at"]) == ([], None)
    assert said in look["problem"]


@pytest.mark.parametrize("form", [cron("0 9 * * 1"), cron("0 0 29 2 *"), {"seconds": 60}])
def test_what_fires_has_no_problem(form: dict[str, Any]) -> None:
    assert schedule_problem(form, BERLIN, NOW) is None


def test_of_a_year_of_minutes_the_newest_are_computed() -> None:
    passed = passed_instants(cron("* * * * *"), "UTC", NOW - timedelta(days=365), NOW)
    assert len(passed) == 100
    assert (passed[0], passed[-1]) == (NOW - timedelta(minutes=99), NOW)


def test_an_instant_belongs_to_the_look_that_ends_with_it() -> None:
    nine = datetime(2027, 1, 4, 8, 0, tzinfo=UTC)
    form = cron("0 9 * * *")
    assert passed_instants(form, BERLIN, nine - timedelta(minutes=1), nine) == [nine]
    assert passed_instants(form, BERLIN, nine, nine + timedelta(minutes=1)) == []
    assert next_instant(form, BERLIN, nine) == nine + timedelta(days=1)
