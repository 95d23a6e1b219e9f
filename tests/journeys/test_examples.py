"""The workflows of docs/examples, played day by day."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.config import LogSettings, RunSettings
from minutehand.scheduler.engine.tick import TickRunner
from minutehand.store import Store
from tests.journeys.world import World
from tests.servers import CLOCK

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
TABLES = """
alter table jobs add column schedule_start timestamptz;
create index on jobs (schedule_start, id);
create table invoices (
  id text primary key, organization_id text, client_id text references clients, status text, due_date date);
create index on invoices (due_date, id);
insert into automation_tenants (tenant, timezone) values ('north', 'America/Toronto');
"""


def toronto(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("America/Toronto")).astimezone(UTC)


class Diary:
    """The app with one of the examples, whose clock the test sets."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.app.database.sql(TABLES)
        (world.app.database if world.project is None else world.project.database).sql(CLOCK)
        for table in ("jobs", "invoices"):
            world.app.database.call("automation_trigger_add", p_table=table, p_links={"client_id": "clients"})
        self.settings = ExecutorSettings(
            provider_values={name: str(value) for name, value in world.minutehand.environment.items()},
            phone_region="US",
        )

    def at(self, moment: datetime) -> None:
        self.now = moment
        self.world.app.database.sql("select set_config('minutehand.now', %s, false)", moment.isoformat())

    def apply(self, name: str, moment: datetime) -> None:
        """Save an example at a moment."""
        done = self.world.minutehand("workflows", "apply", str(EXAMPLES / name), "--organization", "north")
        assert done.returncode == 0, done.stderr
        self.at(moment)
        self.world.app.database.sql("update automation_workflows set created_at = %s", moment)
        self.world.app.database.sql("update automation_workflow_versions set saved_at = %s", moment)

    def play(self, until: datetime, step: timedelta = timedelta(hours=1)) -> list[tuple[str, int]]:
        """Run a processor every hour until then; returns when something left, and how much."""
        left = []

        async def tick(store: Store) -> None:
            runner = TickRunner(
                store, RunSettings(), self.settings, LogSettings(log_level="error"), mode="test", drain=True
            )
            await runner.tick()

        async def go() -> None:
            project = self.world.project
            store = (
                Store.postgres(self.world.app.database.url, now=lambda: self.now)
                if project is None
                else Store.supabase(project.url, project.secret_key, now=lambda: self.now)
            )
            try:
                while self.now + step <= until:
                    self.at(self.now + step)
                    before = len(self.world.post.messages) + len(self.world.texts.messages)
                    await tick(store)
                    now = len(self.world.post.messages) + len(self.world.texts.messages)
                    if now > before:
                        left.append((f"{self.now.astimezone(ZoneInfo('America/Toronto')):%a %d %H:%M}", now - before))
            finally:
                await store.close()

        asyncio.run(go())
        return left


@pytest.fixture
def diary(world: World) -> Diary:
    return Diary(world)


def test_the_files_are_without_a_finding(diary: Diary) -> None:
    files = [str(path) for path in sorted(EXAMPLES.glob("*.yaml"))]
    assert len(files) == 3
    done = diary.world.minutehand("workflows", "lint", *files, "--organization", "north")
    assert (done.returncode, "warning" in done.stdout) == (0, False), done.stdout
    assert "3 workflows checked, no errors" in done.stdout


def test_the_reminder_leaves_the_day_before_and_moves_with_the_visit(diary: Diary) -> None:
    diary.apply("remind.yaml", toronto("2030-03-04T12:00"))
    kept = diary.world.job("scheduled", schedule_start=toronto("2030-03-07T07:30"))
    moved = diary.world.job("scheduled", schedule_start=toronto("2030-03-07T10:00"))
    gone = diary.world.job("scheduled", schedule_start=toronto("2030-03-07T11:00"))
    diary.play(toronto("2030-03-05T12:00"))
    diary.world.app.database.sql(
        "update jobs set schedule_start = %s where id = %s", toronto("2030-03-11T10:00"), moved
    )
    diary.world.app.database.sql("update jobs set status = 'cancelled' where id = %s", gone)
    assert diary.play(toronto("2030-03-12T12:00")) == [("Wed 06 09:00", 1), ("Sun 10 09:00", 1)]
    assert [text for _, text in diary.world.sms()] == [
        "Lakeview Hotel, we come tomorrow at 07:30.",
        "Lakeview Hotel, we come tomorrow at 10:00.",
    ]
    assert kept != moved


def test_the_invoice_is_chased_on_weekdays_while_it_is_unpaid(diary: Diary) -> None:
    diary.apply("chase.yaml", toronto("2030-03-01T12:00"))
    for key, status in (("I-1", "sent"), ("I-2", "paid"), ("I-3", "draft")):
        diary.world.app.database.sql("insert into invoices values (%s, 'north', 'C-1', %s, '2030-03-06')", key, status)
    first = diary.play(toronto("2030-03-14T12:00"))
    assert [day for day, _ in first] == ["Mon 11 10:00", "Wed 13 09:00"], "3 days after is a Saturday"
    diary.world.app.database.sql("update invoices set status = 'paid' where id = 'I-1'")
    assert diary.play(toronto("2030-03-22T12:00")) == []
    assert {words for _, words in diary.world.mails()} == {"Dear Lakeview Hotel, invoice I-1 was due on 2030-03-06."}


def test_the_follow_up_waits_keeps_quiet_and_stops_when_the_job_is_reopened(diary: Diary) -> None:
    diary.apply("follow-up.yaml", toronto("2030-03-07T20:00"))
    diary.at(toronto("2030-03-07T20:30"))
    kept, reopened = diary.world.job(), diary.world.job()
    assert diary.play(toronto("2030-03-08T20:00")) == [("Fri 08 08:30", 2)], "it was half past nine at night"
    diary.world.move(reopened, "in progress")
    assert diary.play(toronto("2030-03-12T20:00")) == [("Sun 10 08:30", 1)]
    assert sorted(words for _, words in diary.world.mails())[-1] == f"Would you write a review of job {kept}?"
    ends = diary.world.ends()
    assert (ends["completed", None], ends["skipped", "stop_condition"]) == (1, 1)
