"""Windows: when they open, compared with a slow reading of them minute by minute; what in them cannot be read."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects.windows import check_window
from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import claim, pending, seconds, settle, token, workflow

pytestmark = on_both_servers

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WORK = {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00"}
NIGHT = {"quiet": {"from": "21:00", "to": "08:00"}}
MINUTE = timedelta(minutes=1)


def at(text: str, zone: str = "UTC") -> datetime:
    """A moment; the local time of a zone."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def opens(database: Database, window: Any, zone: str, now: datetime) -> datetime | None:
    row = database.one("select minutehand.window_opens(%s, %s, %s) as opens", Jsonb(window), zone, now)
    return None if row["opens"] is None else row["opens"].astimezone(UTC)


@pytest.mark.parametrize(
    ("window", "zone", "now", "opens_at"),
    [
        # Friday evening, and the weekend on which the clocks change.
        (WORK, "America/Toronto", "2026-03-06T18:30", "2026-03-09T09:00"),
        (WORK, "America/Toronto", "2026-10-30T18:30", "2026-11-02T09:00"),
        (WORK, "Europe/Berlin", "2026-03-27T17:00", "2026-03-30T09:00"),
        (WORK, "Europe/Berlin", "2026-03-27T16:59", "2026-03-27T16:59"),
        (WORK, "Europe/Berlin", "2026-03-30T08:59", "2026-03-30T09:00"),
        (NIGHT, "Asia/Kathmandu", "2026-06-01T23:10", "2026-06-02T08:00"),
        (NIGHT, "Asia/Kathmandu", "2026-06-01T08:00", "2026-06-01T08:00"),
        (WORK | NIGHT, "Australia/Lord_Howe", "2026-06-05T20:00", "2026-06-08T09:00"),
        # Over midnight: a window belongs to the day on which it opened.
        ({"days": ["fri"], "from": "22:00", "to": "02:00"}, "UTC", "2026-06-06T01:30", "2026-06-06T01:30"),
        ({"days": ["fri"], "from": "22:00", "to": "02:00"}, "UTC", "2026-06-06T02:00", "2026-06-12T22:00"),
        ({"days": ["fri"], "from": "22:00", "to": "02:00"}, "UTC", "2026-06-05T01:30", "2026-06-05T22:00"),
        ({"days": ["fri"], "from": "22:00", "to": "00:00"}, "UTC", "2026-06-06T00:00", "2026-06-12T22:00"),
        ({"hours": {"mon": ["9:00-12:00", "13:00-17:00"]}}, "UTC", "2026-06-01T12:00", "2026-06-01T13:00"),
        ({"hours": {"Monday": ["9:00-12:00", "13:00-17:00"]}}, "UTC", "2026-06-01T17:00", "2026-06-08T09:00"),
        (WORK | {"holidays": ["2026-12-24", "2026-12-25"]}, "UTC", "2026-12-23T20:00", "2026-12-28T09:00"),
        ({"from": "22:00", "to": "02:00", "holidays": ["2026-12-24"]}, "UTC", "2026-12-24T01:00", "2026-12-24T01:00"),
        ({"from": "22:00", "to": "02:00", "holidays": ["2026-12-24"]}, "UTC", "2026-12-24T22:00", "2026-12-25T22:00"),
        # 02:30 does not exist: it opens when the clocks have jumped; a quiet hour that ends in the gap ends there.
        ({"from": "02:30", "to": "05:00"}, "Europe/Berlin", "2026-03-29T00:10", "2026-03-29T03:00"),
        ({"quiet": {"from": "21:00", "to": "02:30"}}, "Europe/Berlin", "2026-03-29T00:10", "2026-03-29T03:00"),
        # A window that lies in the gap does not open on that day.
        ({"from": "02:10", "to": "02:50"}, "Europe/Berlin", "2026-03-29T00:10", "2026-03-30T02:10"),
        ({"from": "02:10", "to": "02:20"}, "Australia/Lord_Howe", "2026-10-04T00:10", "2026-10-05T02:10"),
        ({"from": "02:30", "to": "05:00"}, "America/New_York", "2026-03-08T00:10", "2026-03-08T03:00"),
        ({"from": "02:30", "to": "05:00"}, "Pacific/Auckland", "2026-09-27T00:10", "2026-09-27T03:00"),
        ({"from": "02:50", "to": "05:00"}, "Pacific/Chatham", "2026-09-27T00:10", "2026-09-27T03:45"),
        # No midnight on that day.
        ({"days": ["sun"]}, "America/Sao_Paulo", "2018-11-03T12:00", "2018-11-04T01:00"),
        ({"days": ["fri"]}, "Africa/Cairo", "2026-04-23T12:00", "2026-04-24T01:00"),
        ({"days": ["sun"]}, "Asia/Beirut", "2026-03-28T12:00", "2026-03-29T01:00"),
        # A whole day that did not exist.
        ({"days": ["fri"], "from": "09:00", "to": "17:00"}, "Pacific/Apia", "2011-12-29T12:00", "2012-01-06T09:00"),
    ],
)  # fmt: skip
def test_a_window_opens_at(database: Database, window: Any, zone: str, now: str, opens_at: str) -> None:
    assert opens(database, window, zone, at(now, zone)) == at(opens_at, zone)
    assert problem(database, window) is None


@pytest.mark.parametrize(
    ("window", "zone", "first", "last"),
    [
        # Twice 01:30 in New York, 02:30 in Berlin and Auckland, 01:45 on Lord Howe, 03:00 in Chatham.
        ({"from": "01:30", "to": "01:40"}, "America/New_York", "2026-11-01T05:30", "2026-11-01T06:40"),
        ({"from": "02:30", "to": "02:40"}, "Europe/Berlin", "2026-10-25T00:30", "2026-10-25T01:40"),
        ({"from": "02:30", "to": "02:40"}, "Pacific/Auckland", "2026-04-04T13:30", "2026-04-04T14:40"),
        ({"from": "01:45", "to": "01:50"}, "Australia/Lord_Howe", "2026-04-04T14:45", "2026-04-04T15:20"),
        ({"from": "03:00", "to": "03:30"}, "Pacific/Chatham", "2026-04-04T13:15", "2026-04-04T14:45"),
        ({"from": "23:30", "to": "23:40"}, "America/Sao_Paulo", "2018-02-18T01:30", "2018-02-18T02:40"),
    ],
)  # fmt: skip
def test_a_time_that_comes_twice_counts_first_and_last(
    database: Database, window: Any, zone: str, first: str, last: str
) -> None:
    assert opens(database, window, zone, at(first) - timedelta(hours=1)) == at(first)
    for now in (at(first), at(first) + timedelta(minutes=25), at(last) - timedelta(seconds=1)):
        assert opens(database, window, zone, now) == now
    following = opens(database, window, zone, at(last))
    assert following is not None
    assert following > at(last) + timedelta(hours=20)
    quiet = {"quiet": window}
    assert opens(database, quiet, zone, at(first)) == at(last) == opens(database, quiet, zone, at(last))


def test_what_opens_at_no_time_within_a_year_is_null(database: Database) -> None:
    days = [(date(2026, 1, 1) + timedelta(days=n)).isoformat() for n in range(400)]
    assert opens(database, WORK | {"holidays": days}, "UTC", at("2026-01-01T00:00")) is None
    assert opens(database, WORK | {"holidays": days}, "UTC", at("2026-01-30T00:00")) is None
    assert opens(database, WORK | {"holidays": days}, "UTC", at("2026-03-01T00:00")) == at("2027-02-05T09:00")


# --- the slow reading -------------------------------------------------------------------------------------------------


class Slow:
    """Reads a window minute by minute, from the local clock of each minute alone."""

    def __init__(self, window: dict[str, Any], zone: str, around: datetime) -> None:
        self.window = window
        self.start = around.replace(second=0, microsecond=0) - timedelta(days=4)
        zone_ = ZoneInfo(zone)
        #: The local time of each minute.
        self.clock = [(self.start + n * MINUTE).astimezone(zone_).replace(tzinfo=None) for n in range(60 * 24 * 15)]
        self.shown: dict[datetime, list[int]] = {}
        for number, local in enumerate(self.clock):
            self.shown.setdefault(local, []).append(number)
        self.open = self._open()

    def begin(self, local: datetime) -> int:
        """The first minute that shows it, or the first after a jump over it."""
        return self._minutes(local)[0]

    def end(self, local: datetime) -> int:
        return self._minutes(local)[-1]

    def _minutes(self, local: datetime) -> list[int]:
        if local in self.shown:
            return self.shown[local]
        for number in range(1, len(self.clock)):
            if self.clock[number - 1] < local < self.clock[number]:
                return [number]
        return [0] if local < self.clock[0] else [len(self.clock)]

    def _open(self) -> list[bool]:
        opened = [False] * len(self.clock)
        first = self.clock[0].date() - timedelta(days=1)
        for number in range(17):
            day = first + timedelta(days=number)
            for begin, end in self.spans(day):
                for minute in range(begin, end):
                    opened[minute] = True
        for number in range(17):
            if quiet := self.window.get("quiet"):
                begin, end = self.span(first + timedelta(days=number), quiet["from"], quiet["to"])
                for minute in range(begin, end):
                    opened[minute] = False
        return opened

    def spans(self, day: date) -> list[tuple[int, int]]:
        window, name = self.window, DAYS[day.weekday()]
        if day.isoformat() in window.get("holidays", ()):
            return []
        if "hours" in window:
            return [self.span(day, *text.split("-")) for text in window["hours"].get(name, ())]
        if name not in window.get("days", DAYS):
            return []
        return [self.span(day, window.get("from", "00:00"), window.get("to", "24:00"))]

    def span(self, day: date, begin: str, end: str) -> tuple[int, int]:
        low, high = (int(text[:-3]) * 60 + int(text[-2:]) for text in (begin, end))
        midnight = datetime.combine(day, time())
        high += 1440 if high < low else 0
        return self.begin(midnight + low * MINUTE), self.end(midnight + high * MINUTE)


TIMES = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 45, 59]))
SPANS = st.tuples(TIMES, TIMES).filter(lambda pair: pair[0] != pair[1])
HOLIDAYS = st.lists(st.integers(0, 10), max_size=4)
#: The changes of the clocks, in UTC: spring and autumn, north and south, whole hours and half ones, at midnight.
CHANGES = [
    ("Europe/Berlin", "2026-03-29T01:00"), ("Europe/Berlin", "2026-10-25T01:00"),
    ("America/New_York", "2026-03-08T07:00"), ("America/New_York", "2026-11-01T06:00"),
    ("America/St_Johns", "2026-03-08T05:30"), ("America/St_Johns", "2026-11-01T04:30"),
    ("Pacific/Auckland", "2026-04-04T14:00"), ("Pacific/Auckland", "2026-09-26T14:00"),
    ("Pacific/Chatham", "2026-04-04T14:00"), ("Pacific/Chatham", "2026-09-26T14:00"),
    ("Australia/Lord_Howe", "2026-04-04T15:00"), ("Australia/Lord_Howe", "2026-10-03T15:30"),
    ("America/Sao_Paulo", "2018-11-04T03:00"), ("America/Sao_Paulo", "2018-02-18T02:00"),
    ("Africa/Cairo", "2026-04-23T22:00"), ("Africa/Cairo", "2026-10-29T21:00"),
    ("Asia/Beirut", "2026-03-28T22:00"), ("Asia/Beirut", "2026-10-24T21:00"),
    ("Asia/Kathmandu", "2026-06-01T00:00"), ("UTC", "2026-06-01T00:00"), ("Pacific/Apia", "2011-12-30T10:00"),
]  # fmt: skip


@st.composite
def windows(draw: st.DrawFn) -> dict[str, Any]:
    window: dict[str, Any] = {}
    kind = draw(st.sampled_from(["span", "hours", "days"]))
    if kind == "hours":
        spans = st.lists(SPANS.map("-".join), min_size=1, max_size=3)
        window["hours"] = draw(st.dictionaries(st.sampled_from(DAYS), spans, min_size=1))
    elif kind == "span":
        window["from"], window["to"] = draw(SPANS)
    if kind != "hours" and (kind == "days" or draw(st.booleans())):
        window["days"] = draw(st.lists(st.sampled_from(DAYS), min_size=1, unique=True))
    if draw(st.booleans()):
        window["quiet"] = dict(zip(("from", "to"), draw(SPANS), strict=True))
    return window


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(window=windows(), change=st.sampled_from(CHANGES), minutes=st.integers(-1500, 1500), closed=HOLIDAYS)
@example(window={"from": "02:30", "to": "02:29"}, change=CHANGES[0], minutes=-90, closed=[])
def test_it_opens_when_a_slow_reading_says_so(
    database: Database, window: Any, change: tuple[str, str], minutes: int, closed: list[int]
) -> None:
    zone, now = change[0], at(change[1]) + minutes * MINUTE
    today = now.astimezone(ZoneInfo(zone)).date()
    if closed:
        window = window | {"holidays": [(today + timedelta(days=n - 2)).isoformat() for n in closed]}
    said = problem(database, window)
    slow = Slow(window, zone, now)
    number = round((now - slow.start) / MINUTE)
    found = next((n for n in range(number, len(slow.open) - 2880) if slow.open[n]), None)
    answer = opens(database, window, zone, now)
    if said is not None:
        assert "leave no minute" in said
        assert found is None
    elif found is None:  # later than the slow reading looks
        assert answer is None or answer >= slow.start + (len(slow.open) - 2880) * MINUTE
    else:
        assert answer == slow.start + found * MINUTE
        later = opens(database, window, zone, answer)
        assert later == answer


# --- what cannot be read ----------------------------------------------------------------------------------------------


def problem(database: Database, window: Any) -> str | None:
    return database.one("select minutehand.window_problem(%s) as problem", Jsonb(window))["problem"]


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (None, None),
        (False, None),
        ({}, None),
        ({"zone": "Europe/Berlin", "from": "9:00"}, None),
        ({"zone": "customer_local", **WORK}, None),
        (WORK | {"drop_after": "2 hours"}, None),
        (WORK | {"drop_after": "{{ job.schedule_start }}"}, None),
        (WORK | {"days": ["Monday", "SUN"], "holidays": []}, None),
        (7, "window is 7: write an object such as"),
        ([WORK], "window is [{"),
        ("09:00-17:00", 'window is "09:00-17:00"'),
        ({"from": "25:00"}, 'window.from is "25:00": write a time such as "09:00"'),
        ({"from": "24:00"}, 'window.from is "24:00"'),
        ({"from": 9}, "window.from is 9: write a time"),
        ({"to": "9am"}, 'window.to is "9am": write a time'),
        ({"to": "09:60"}, 'window.to is "09:60"'),
        ({"from": "09:00", "to": "09:00"}, "window is from 09:00 to 09:00, which is no time"),
        ({"from": "9:00", "to": "09:00"}, "window is from 9:00 to 9:00, which is no time"),
        ({"from": "00:00", "to": "00:00"}, "which is no time: leave both out for the whole day"),
        ({"days": "mon"}, 'window.days is "mon": write a list of mon, tue'),
        ({"days": []}, "window.days is []"),
        ({"days": ["mo"]}, 'window.days is ["mo"]'),
        ({"days": [1]}, "window.days is [1]"),
        ({"hours": {"mon": ["09:00-09:00"]}}, "window.hours is"),
        ({"hours": {"mon": ["09:00"]}}, "window.hours is"),
        ({"hours": {"mon": "09:00-12:00"}}, "window.hours is"),
        ({"hours": {"noday": ["09:00-12:00"]}}, "window.hours is"),
        ({"hours": {"mon": ["09:00-10:00"] * 7}}, "window.hours is"),
        ({"hours": {"mon": ["09:00-12:00"]}, "from": "09:00"}, "hours, and also days, from or to: keep one form"),
        ({"quiet": {"from": "21:00"}}, "window.quiet is"),
        ({"quiet": {"from": "21:00", "to": "21:00"}}, "window.quiet is"),
        ({"quiet": {"from": "21:00", "to": "08:00", "days": []}}, "window.quiet is"),
        ({"quiet": {"from": "00:00", "to": "24:00"}}, "window never opens: quiet 00:00-24:00 leave no minute"),
        (WORK | {"quiet": {"from": "17:00", "to": "09:00"}}, None),
        (WORK | {"quiet": {"from": "08:00", "to": "18:00"}}, "never opens: mon-fri 09:00-17:00, quiet 08:00-18:00"),
        ({"days": ["sun"], "from": "22:00", "to": "02:00", "quiet": {"from": "21:00", "to": "01:00"}}, None),
        ({"days": ["sun"], "from": "22:00", "to": "02:00", "quiet": {"from": "21:00", "to": "02:00"}}, "never opens"),
        (WORK | {"holidays": ["24.12.2026"]}, "window.holidays is"),
        (WORK | {"holidays": ["2026-02-29"]}, "window.holidays is"),
        (WORK | {"holidays": ["2028-02-29"]}, None),
        (WORK | {"holidays": ["2026-01-01"] * 401}, "window.holidays is"),
        (WORK | {"zone": "Europe/Atlantis"}, 'window.zone is "Europe/Atlantis": write "recipient", "organization"'),
        (WORK | {"zone": "CET+3"}, "window.zone is"),
        (WORK | {"zone": 1}, "window.zone is 1"),
        (WORK | {"drop_after": "soon"}, 'window.drop_after is "soon"'),
        (WORK | {"drop_after": "-2 hours"}, "window.drop_after is"),
        (WORK | {"drop_after": "1000 years"}, "window.drop_after is"),
        (WORK | {"form": "09:00"}, "window.form is unknown: write days, from, to"),
        ({"zone": "utc"}, "window closes at no time"),
        (WORK | {"x" * 20001: None}, "window has more than 20000 characters"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(database: Database, window: Any, said: str | None) -> None:
    found = problem(database, window)
    assert found == said if said is None else said in str(found), found
    # What reads a step's own window agrees.
    with nullcontext() if said is None or "characters" in said else pytest.raises(BadStep):
        check_window(window, "window")


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (WORK, "mon-fri 09:00-17:00"),
        (WORK | NIGHT, "mon-fri 09:00-17:00, quiet 21:00-08:00"),
        (NIGHT, "quiet 21:00-08:00"),
        ({"days": ["sat", "sun"]}, "sat-sun"),
        ({"days": ["mon", "wed", "thu"], "to": "12:00"}, "mon 00:00-12:00, wed-thu 00:00-12:00"),
        ({"hours": {"tue": ["13:00-17:00", "9:00-12:00"]}}, "tue 09:00-12:00 13:00-17:00"),
        ({"from": "22:00", "to": "02:00"}, "22:00-02:00"),
        (WORK | {"holidays": ["2026-12-24"]}, "mon-fri 09:00-17:00, closed on 1 day"),
    ],
)
def test_a_window_is_told_in_words(database: Database, window: Any, words: str) -> None:
    assert database.one("select minutehand.window_text(%s) as words", Jsonb(window))["words"] == words


# --- what is reserved -------------------------------------------------------------------------------------------------

#: A Friday evening in Toronto, and the Monday after it.
EVENING, MONDAY = at("2030-05-17T18:30", "America/Toronto"), at("2030-05-20T09:00", "America/Toronto")


class Send:
    """One execution of a workflow, claimed at a moment, and what its reservation is answered."""

    def __init__(self, database: Database, now: datetime = EVENING, **columns: Any) -> None:
        self.database, self.now, self.lease = database, now, token()
        mine = workflow(database, **columns)
        (self.id,) = pending(database, mine, created_at=now)
        database.sql("insert into automation_tenants (tenant, timezone) values ('user-1', 'America/Toronto')")
        self.claim(now)

    def claim(self, now: datetime) -> None:
        self.now, self.lease = now, token()
        assert [one["id"] for one in claim(self.database, p_token=self.lease, p_now=now)["executions"]] == [self.id]

    def ask(self, channel: str = "email", recipient: str = "ann@example.com", **delivery: Any) -> Any:
        send: dict[str, Any] = {"id": self.id, "token": self.lease, "step": "1", "key": "k"}
        send |= {"channel": channel, "recipient": recipient}
        send |= {"delivery": delivery} if delivery else {}
        (answer,) = self.database.call("automation_reserve_sends", p_sends=[send], p_now=self.now)
        return answer

    def wait(self, answer: Any) -> None:
        """Settle as the executor does."""
        outcome = {"id": self.id, "token": self.lease, "ended": "waiting", "due_in_seconds": answer["wait_seconds"]}
        settle(self.database, outcome | {"code": answer["code"], "reason": answer["reason"]}, now=self.now)


@pytest.mark.parametrize(
    ("settings", "tenant", "delivery", "is_open"),
    [
        ({}, {}, {}, True),
        ({}, {}, {"window": WORK}, False),
        ({}, {}, {"window": None}, True),
        ({"window": WORK}, {}, {}, False),
        ({"window": WORK}, {}, {"window": None}, True),
        ({"window": WORK}, {}, {"window": {"from": "18:00"}}, True),
        ({}, {"window": WORK}, {}, False),
        ({"window": None}, {"window": WORK}, {}, True),
        ({"window": {"from": "18:00"}}, {"window": WORK}, {}, True),
        # Midday in Hawaii, and 7:30 on Saturday in Tokyo.
        ({"window": {"from": "09:00", "to": "17:00"}}, {}, {"zone": "Pacific/Honolulu"}, True),
        ({"window": {"from": "09:00", "to": "17:00"}}, {}, {"zone": "Asia/Tokyo"}, False),
        ({"window": {"from": "18:00"}}, {}, {"zone": "Nowhere/Else"}, True),
        (
            {"window": {"from": "09:00", "to": "17:00"}, "timezone": "organization"},
            {},
            {"zone": "Pacific/Honolulu"},
            False,
        ),
        (
            {"window": {"from": "09:00", "to": "17:00", "zone": "recipient"}, "timezone": "utc"},
            {},
            {"zone": "Pacific/Honolulu"},
            True,
        ),
        ({"window": {"from": "22:00", "to": "23:00"}, "timezone": "utc"}, {}, {}, True),
        ({"window": {"from": "18:00", "zone": "organization"}, "timezone": "utc"}, {}, {}, True),
        ({"window": {"from": "07:00", "zone": "Asia/Tokyo"}}, {}, {}, True),
    ],
)
def test_whose_window_holds_and_in_which_zone(
    database: Database, settings: Any, tenant: Any, delivery: Any, is_open: bool
) -> None:
    send = Send(database, settings=settings)
    database.sql("update automation_tenants set settings = %s", Jsonb(tenant))
    answer = send.ask(**delivery)
    assert (answer["answer"], answer.get("code")) == (("go", None) if is_open else ("later", "outside_window"))


def test_a_message_waits_until_monday_and_says_so(database: Database) -> None:
    send = Send(database, settings={"window": WORK})
    answer = send.ask()
    opens_at = EVENING + timedelta(seconds=float(answer["wait_seconds"]))
    assert MONDAY <= opens_at <= MONDAY + timedelta(minutes=10)
    local = opens_at.astimezone(ZoneInfo("America/Toronto"))
    assert answer["reason"] == (
        f"outside the window mon-fri 09:00-17:00: waits until Monday {local:%Y-%m-%d %H:%M} (America/Toronto)"
    )
    assert database.sql("select * from communication_logs") == []
    send.wait(answer)
    row = database.one("select status, attempt, code, scheduled_at from automation_execution_logs")
    assert (row["status"], row["attempt"], row["code"]) == ("pending", 0, "outside_window")
    assert abs(row["scheduled_at"] - opens_at) < seconds(0.01)
    send.claim(opens_at + seconds(1))
    assert send.ask()["answer"] == "go"
    send.now = MONDAY + timedelta(hours=12)  # it keeps its place
    assert send.ask()["answer"] == "go"


def test_calls_have_only_a_window_of_their_own(database: Database) -> None:
    send = Send(database, settings={"window": WORK})
    assert send.ask("webhook", "https://example.com")["answer"] == "go"
    other = {"id": send.id, "token": send.lease, "step": "2", "channel": "webhook", "recipient": "x", "key": "other"}
    asked = [other | {"delivery": {"window": WORK}}]
    (answer,) = database.call("automation_reserve_sends", p_sends=asked, p_now=EVENING)
    assert answer["code"] == "outside_window"


def test_what_waits_leaves_within_the_first_minutes_and_not_all_at_once(database: Database) -> None:
    mine = workflow(database, settings={"window": WORK | {"zone": "America/Toronto"}})
    made = pending(database, mine, 200, created_at=EVENING)
    lease = token()
    claim(database, 200, p_token=lease, p_now=EVENING)
    sends = [
        {"id": one, "token": lease, "step": "1", "channel": "email", "recipient": f"c-{n}@example.com", "key": one}
        for n, one in enumerate(made)
    ]
    answers = database.call("automation_reserve_sends", p_sends=sends, p_now=EVENING)
    minutes = [int((EVENING + seconds(float(a["wait_seconds"])) - MONDAY).total_seconds() // 60) for a in answers]
    assert set(minutes) == set(range(10))
    assert max(minutes.count(n) for n in range(10)) < 60
    again = database.call("automation_reserve_sends", p_sends=sends, p_now=EVENING)
    assert sorted(map(str, answers)) == sorted(map(str, again))
    short = [
        send | {"delivery": {"window": {"from": "09:00", "to": "09:02", "zone": "America/Toronto"}}} for send in sends
    ]
    morning = MONDAY - timedelta(hours=1)
    answers = database.call("automation_reserve_sends", p_sends=short, p_now=morning)
    waits = [float(a["wait_seconds"]) for a in answers]
    assert 3600 <= min(waits) < max(waits) < 3600 + 61


@pytest.mark.parametrize(
    ("delivery", "code"),
    [
        # The visit is on Saturday at 07:00, the window opens on Monday.
        ({"window": WORK, "drop_at": "2030-05-18T07:00:00-04:00"}, "too_late"),
        ({"window": WORK, "drop_at": "2030-05-18 07:00"}, "too_late"),
        ({"window": WORK, "drop_at": "2030-05-18"}, "too_late"),
        ({"window": WORK, "drop_at": "2030-05-20T09:00:00-04:00"}, "too_late"),
        ({"window": WORK, "drop_at": "2030-05-20T13:00:00Z"}, "too_late"),
        ({"window": WORK, "drop_at": "2030-05-20T13:01:00+00"}, "outside_window"),
        ({"window": WORK | {"drop_after": "2 hours"}}, "too_late"),
        ({"window": WORK | {"drop_after": "3 days"}}, "outside_window"),
        ({"window": WORK, "drop_after": "2 hours"}, "too_late"),
        ({"drop_after": "2 hours"}, None),
        ({"window": None, "drop_at": "2030-05-17T22:00:00Z"}, "too_late"),
        ({"window": {"from": "18:00"}, "drop_at": "2030-05-17T22:30:00Z"}, "too_late"),
        ({"window": {"from": "18:00"}, "drop_at": "2030-05-17T22:31:00Z"}, None),
        ({"window": {"from": "18:00"}, "drop_at": "tomorrow"}, "bad_window"),
        ({"window": {"from": "18:00"}, "drop_at": "2030-02-30T00:00:00Z"}, "bad_window"),
        ({"window": {"from": "18:00"}, "drop_at": ""}, "bad_window"),
        ({"window": {"from": "18:00"}, "drop_after": "soon"}, "bad_window"),
        ({"window": WORK | {"drop_after": "{{ job.schedule_start }}"}}, "bad_window"),
        ({"window": {"from": "25:00"}}, "bad_window"),
        ({"window": 7}, "bad_window"),
        ({"window": WORK | {"zone": "Europe/Atlantis"}}, "bad_window"),
    ],
)
def test_what_has_lost_its_sense_is_dropped_and_what_cannot_be_read_is_not_sent(
    database: Database, delivery: Any, code: str | None
) -> None:
    answer = Send(database).ask(**delivery)
    assert answer.get("code") == code, answer
    assert answer["answer"] == {None: "go", "outside_window": "later"}.get(code, "refused")


def test_it_is_late_by_when_it_was_due_first(database: Database) -> None:
    """A processor that was down when the window was open: what waited since Friday is not sent on Tuesday."""
    window = WORK | {"drop_after": "3 days"}
    send = Send(database)
    answer = send.ask(window=window)
    assert answer["answer"] == "later"
    send.wait(answer)
    send.claim(at("2030-05-20T20:00", "America/Toronto"))
    answer = send.ask(window=window)
    assert (answer["answer"], answer["code"]) == ("refused", "too_late")
    assert answer["reason"] == (
        "outside the window mon-fri 09:00-17:00, which opens Tuesday 2030-05-21 09:00 (America/Toronto); "
        "it makes no sense after Monday 2030-05-20 18:30 (America/Toronto)"
    )


def test_one_bad_window_refuses_nobody_elses_message(database: Database) -> None:
    send = Send(database)
    common = {"id": send.id, "token": send.lease, "channel": "email", "recipient": "a@example.com"}
    bad: list[Any] = [{"hours": [[]]}, {"days": {}}, {"from": {}}, {"quiet": [1]}]
    sends = [
        common | {"step": str(n), "key": str(n), "delivery": {"window": window}}
        for n, window in enumerate([*bad, "", None])
    ]
    answers = database.call("automation_reserve_sends", p_sends=sends, p_now=EVENING)
    assert [one["answer"] for one in sorted(answers, key=lambda a: a["key"])] == ["refused"] * 4 + ["go"] * 2


def test_a_dry_run_asks_the_same(database: Database) -> None:
    mine = workflow(database, settings={"window": WORK})
    database.sql("insert into automation_tenants (tenant, timezone) values ('user-1', 'America/Toronto')")
    asked = {
        "p_workflow": mine,
        "p_tenant": {"user_id": "user-1"},
        "p_channel": "email",
        "p_recipient": "a@example.com",
    }
    answer = database.call("automation_may_send", **asked, p_now=EVENING)
    assert (answer["answer"], answer["code"]) == ("later", "outside_window")
    assert database.call("automation_may_send", **asked, p_now=MONDAY)["answer"] == "go"
    given = database.call("automation_may_send", **asked, p_now=EVENING, p_delivery={"window": None})
    assert given["answer"] == "go"
