"""Business hours, quiet hours and what comes too late: from the change to the message, on both backends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from minutehand.executor.local import LocalExecutor
from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.engine.summary import Summary
from minutehand.store import Store
from tests.engines import engine_over
from tests.journeys.app import email
from tests.journeys.world import World, sms

WORK = {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00"}
NIGHT = {"quiet": {"from": "21:00", "to": "08:00"}}


def toronto(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("America/Toronto")).astimezone(UTC)


class Week:
    """A week of the app, whose clock the test sets."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.app.database.sql("insert into automation_tenants (tenant, timezone) values ('north', 'America/Toronto')")
        world.app.database.sql("alter table clients add column timezone text")
        environment = world.minutehand.environment
        self.settings = ExecutorSettings(
            provider_values={name: str(value) for name, value in environment.items()}, phone_region="US"
        )

    def at(self, moment: datetime) -> None:
        self.now = moment
        self.world.app.database.sql("select set_config('minutehand.now', %s, false)", moment.isoformat())

    def open(self) -> Store:
        clock: Callable[[], datetime] = lambda: self.now  # noqa: E731
        if self.world.project is None:
            return Store.postgres(self.world.app.database.url, now=clock)
        return Store.supabase(self.world.project.url, self.world.project.secret_key, now=clock)

    def run(self, moment: datetime) -> dict[str, int]:
        """Run what is due at a moment; returns what became of how many."""
        self.at(moment)

        async def go() -> Summary:
            store = self.open()
            try:
                async with LocalExecutor(store, self.settings) as executor:
                    engine = engine_over(store, executor.execute, budget=100)
                    return await engine.run(await store.tick())
            finally:
                await store.close()

        return {name: count for name, count in asyncio.run(go()).ends.items() if count}

    def execution(self) -> dict[str, Any]:
        return self.world.app.database.one("select * from automation_execution_logs")

    def due(self) -> datetime:
        return self.execution()["scheduled_at"].astimezone(UTC)


@pytest.fixture
def week(world: World) -> Week:
    return Week(world)


@pytest.mark.parametrize(
    ("friday", "monday"), [("2030-03-08T18:30", "2030-03-11T09:00"), ("2030-11-01T18:30", "2030-11-04T09:00")]
)
def test_an_event_on_friday_evening_is_told_on_monday_morning(week: Week, friday: str, monday: str) -> None:
    """Over both weekends on which the clocks change."""
    week.at(toronto(friday))
    week.world.app.workflow(email(message="Hello"), settings={"window": WORK})
    week.world.job()
    assert week.run(toronto(friday)) == {"waiting": 1}
    row, due = week.execution(), week.due()
    assert (row["status"], row["code"], row["attempt"]) == ("pending", "outside_window", 0)
    assert toronto(monday) <= due <= toronto(monday) + timedelta(minutes=10)
    assert "outside the window mon-fri 09:00-17:00: waits until Monday" in row["reason"]
    assert week.run(due - timedelta(minutes=1)) == {}
    assert week.world.post.messages == []
    assert week.run(due + timedelta(seconds=1)) == {"completed": 1}
    assert week.world.mails() == [("hotel@example.com", "Hello")]


def test_a_reminder_that_quiet_hours_push_past_its_visit_is_dropped_with_the_reason(week: Week) -> None:
    """By the clock of the client, whose phone number is of Washington."""
    week.at(toronto("2030-05-14T05:00"))
    week.world.app.database.sql("alter table jobs add column schedule_start timestamptz")
    step = {"type": "email", "config": {"subject": "Soon", "message": "We come at 7."}}
    step |= {"window": NIGHT, "drop_after": "{{ job.schedule_start }}"}
    week.world.app.workflow(step)
    week.world.job(schedule_start=toronto("2030-05-14T07:00"))
    assert week.run(toronto("2030-05-14T05:00")) == {"skipped": 1}
    row = week.execution()
    assert (row["status"], row["code"]) == ("skipped", "too_late")
    assert row["reason"] == (
        "step 1 (email): outside the window quiet 21:00-08:00, "
        "which opens Tuesday 2030-05-14 08:00 (America/New_York); "
        "it makes no sense after Tuesday 2030-05-14 07:00 (America/New_York)"
    )
    assert row["actions_executed"][0]["status"] == "skipped"
    assert week.world.nothing_left()


def test_each_recipient_is_asked_by_their_own_clock(week: Week) -> None:
    """The zone of the client's row, else of the phone number, else of the organisation."""
    noon = toronto("2030-05-14T12:00")
    week.at(noon)
    week.world.app.database.sql("update clients set timezone = 'Asia/Tokyo' where id = 'C-1'")  # 01:00
    week.world.app.database.sql("update clients set phone = '+49 151 12345678' where id = 'C-4'")  # 18:00
    step = sms("Hello", window={"from": "09:00", "to": "17:00"})
    week.world.app.workflow(step, email(message="Hello"), settings={"rate_limit": None})
    for client in ("C-1", "C-4", "C-2"):
        week.world.job(client_id=client)
    week.world.app.database.sql("update clients set phone = '+14165550123' where id = 'C-2'")
    week.run(noon)
    rows = week.world.app.database.sql("select code, reason from automation_execution_logs order by entity_id")
    assert [row["code"] for row in rows] == ["outside_window", "outside_window", "partial"]
    assert ["(Asia/Tokyo)" in rows[0]["reason"], "(Europe/Berlin)" in rows[1]["reason"]] == [True, True]
    assert [number for number, _ in week.world.sms()] == ["+14165550123"]


@pytest.mark.parametrize(
    "columns",
    [
        {"settings": {"window": {"from": "25:00"}}},
        {"settings": {"window": WORK | {"quiet": {"from": "08:00", "to": "18:00"}}}},
        {"settings": {"businessHours": {"start": "late"}}},
    ],
)
def test_a_window_that_cannot_be_read_sends_nothing(week: Week, columns: Any) -> None:
    week.at(toronto("2030-05-14T12:00"))
    week.world.app.workflow(email(), **columns)
    week.world.job()
    assert week.run(toronto("2030-05-14T12:00")) == {"failed": 1}
    assert week.execution()["code"] in ("bad_window", "bad_workflow")
    assert week.world.nothing_left()
    shown = week.world.minutehand("workflows", "lint")
    assert shown.returncode == 3
    assert "will fail" in shown.stdout
    assert "settings." in shown.stdout


def test_every_view_says_until_when_it_waits(week: Week) -> None:
    """The command's clock is the real one: the window opens in two or three hours, whenever the test runs."""
    opens = (datetime.now(UTC) + timedelta(hours=3)).replace(minute=0)
    window = {"from": f"{opens:%H:%M}", "to": f"{opens + timedelta(minutes=90):%H:%M}", "zone": "utc"}
    week.world.app.workflow(email(message="Hello"), settings={"window": window})
    job = week.world.job()
    assert week.world.drain()["waiting"] == 1
    words = f"outside the window {window['from']}-{window['to']}: waits until {opens:%A %Y-%m-%d %H:}"
    run = week.world.minutehand
    (row,) = week.world.app.executions()
    assert words in row["reason"]
    assert words in run("executions", "ls", "-o", "json").stdout
    assert words in run("executions", "show", str(row["id"])).stdout
    assert words in " ".join(run("explain", job).stdout.split())
    assert words in " ".join(run("workflows", "test", "Thank the client", "--row", job).stdout.split())
