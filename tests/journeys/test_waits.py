"""Waits, played over days on both backends: they survive all but what makes them senseless, and say what that was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from freezegun import freeze_time
from psycopg.types.json import Jsonb

from minutehand.store import Execution
from tests.journeys.app import webhook
from tests.journeys.played_time import LONG_AGO, PlayedTime
from tests.journeys.world import World
from tests.servers import CLOCK

COLUMNS = """
alter table jobs add column schedule_start timestamptz, add column local_start timestamp, add column day date,
  add column deleted_at timestamptz;
"""


@pytest.fixture
def time(world: World, monkeypatch: pytest.MonkeyPatch) -> PlayedTime:
    world.app.database.sql(COLUMNS)
    world.app.database.connection.execute(CLOCK)
    monkeypatch.setattr(Execution, "now", lambda one: one.claimed_at)  # it stands still while one runs
    world.app.database.call("automation_trigger_add", p_table="jobs", p_soft_delete="deleted_at")
    time = PlayedTime(world)
    time.at("2026-03-01T08:00:00+00:00")
    return time


def start(time: PlayedTime, wait: dict[str, Any], *, settings: dict[str, Any] | None = None, **columns: Any) -> str:
    """Save a workflow that waits and then calls, and start it; returns the job."""
    world = time.world
    steps = [webhook(world.shop.url + "/before"), {"type": "wait", "config": wait}, webhook(world.shop.url + "/after")]
    world.app.workflow(*steps, created_at=LONG_AGO, settings=settings or {})
    job = world.job("completed", **columns)
    assert time.tick()["waiting"] == 1, time.row()
    return job


def change(time: PlayedTime, words: str) -> Callable[[], Any]:
    return lambda: time.world.app.database.sql(words)


TOMORROW: dict[str, Any] = {"schedule_start": "2026-03-02T10:30:00+00:00"}
BEFORE = {"until": "{{ job.schedule_start }} - 2 hours"}


def test_a_wait_spends_no_attempt_and_holds_no_worker(time: PlayedTime) -> None:
    start(time, {"for": "3 days"}, settings={"timezone": "Europe/Berlin"})
    waiting = {"status": "pending", "code": "waiting", "attempt": 0, "lease_expires_at": None}
    row = time.row()
    assert {name: row[name] for name in waiting} == waiting
    assert (time.due(), row["reason"]) == ("2026-03-04T08:00", "step 2 (wait): until 2026-03-04T08:00:00+00:00")
    assert not time.pass_by("2026-03-04T07:59:59+00:00", timedelta(days=1))
    assert time.tick("2026-03-04T08:00:00+00:00") == {"done": 1}
    assert time.world.hooks() == ["/before", "/after"]


@pytest.mark.parametrize(
    ("wait", "columns", "due"),
    [
        # 29 March: the clocks of Berlin go forward at 01:00 UTC.
        ({"for": "28 days"}, {}, "2026-03-29T07:00"),
        ({"for": "1 month"}, {}, "2026-04-01T07:00"),
        ({"for": "1 quarter"}, {}, "2026-06-01T07:00"),
        ({"for": "1 year"}, {}, "2027-03-01T08:00"),
        ({"until": "2026-03-29"}, {}, "2026-03-28T23:00"),
        ({"until": "2026-03-29T02:30"}, {}, "2026-03-29T01:00"),
        ({"until": "2026-10-25T02:30"}, {}, "2026-10-25T00:30"),
        ({"until": "{{ job.schedule_start }} - 2 hours"}, TOMORROW, "2026-03-02T08:30"),
        ({"until": "{{ job.schedule_start }} - 1 day at 10:00"}, TOMORROW, "2026-03-01T09:00"),
        ({"until": "{{ job.local_start }} - 2 hours"}, {"local_start": "2026-03-29T10:30"}, "2026-03-29T06:30"),
        ({"until": "{{ job.day }} + 3 days"}, {"day": "2026-03-27"}, "2026-03-29T22:00"),
        ({"until": "{{ job.day }} - 1 day at 09:00"}, {"day": "2026-03-30"}, "2026-03-29T07:00"),
    ],
)
def test_dates_are_those_of_the_zone(time: PlayedTime, wait: dict[str, Any], columns: dict[str, Any], due: str) -> None:
    start(time, wait, settings={"timezone": "Europe/Berlin"}, **columns)
    assert time.due() == due


@pytest.mark.parametrize(
    ("columns", "words", "code"),
    [
        ({"schedule_start": None}, "{{ job.schedule_start }} - 2 hours", "unresolved_variable"),
        ({"schedule_start": "infinity"}, "{{ job.schedule_start }} - 2 hours", "bad_step"),
        ({"schedule_start": "3026-01-01"}, "{{ job.schedule_start }} - 2 hours", "bad_step"),
        ({"title": "soon"}, "{{ job.title }} - 2 hours", "bad_step"),
        ({"title": ""}, "{{ job.title }} - 2 hours", "bad_step"),
    ],
)
def test_a_date_that_is_none_fails_its_step_for_good(
    time: PlayedTime, columns: dict[str, Any], words: str, code: str
) -> None:
    world = time.world
    step = {"type": "wait", "config": {"until": words}, "stop_on_error": True}
    world.app.workflow(step, webhook(world.shop.url + "/after"), created_at=LONG_AGO)
    job = world.job("completed", **columns)
    time.tick()
    status, found, reason = world.app.end_of(job)
    assert (status, found, world.nothing_left()) == ("failed", code, True), reason
    assert "until" in str(reason) or "schedule_start" in str(reason)


#: What happens while it waits, and how it ends at the time that it was to go on.
ENDS = {
    "the workflow is switched off": ("update automation_workflows set is_active = false", "workflow_off"),
    "the workflow is deleted": ("delete from automation_workflows", "workflow_off"),
    "the row is gone": ("delete from jobs", "row_gone"),
    "the row is soft-deleted": ("update jobs set deleted_at = '2026-03-01T09:00:00Z'", "row_gone"),
    "the job is cancelled": ("update jobs set status = 'Cancelled'", "stop_condition"),
}


@pytest.mark.parametrize("what", ENDS)
@pytest.mark.parametrize("wait", [{"for": "1 day"}, BEFORE], ids=["for", "until"])
def test_what_makes_a_wait_senseless_ends_it_with_the_reason(time: PlayedTime, what: str, wait: dict[str, Any]) -> None:
    words, code = ENDS[what]
    stop_when = {"field": "status", "operator": "equals", "value": "cancelled"}
    job = start(time, wait, settings={"stop_when": stop_when}, **TOMORROW)
    time.at("2026-03-01T09:00:00+00:00")
    time.world.app.database.sql(words)
    time.tick("2026-03-02T12:00:00+00:00")
    status, found, reason = time.world.app.end_of(job)
    assert (status, found, time.world.hooks()) == ("skipped", code, ["/before"]), reason
    if code == "stop_condition":
        assert reason == 'settings.stop_when holds: status equals "cancelled"'


def test_a_wait_survives_a_deploy_and_an_edit_and_runs_the_version_that_matched(time: PlayedTime) -> None:
    """Scenario 18: each tick is a process of its own; the edit is for what starts later."""
    start(time, {"for": "3 days"})
    time.at("2026-03-02T08:00:00+00:00")
    edited = Jsonb([webhook(time.world.shop.url + "/edited")])
    time.world.app.database.sql("update automation_workflows set steps = %s, name = 'Edited'", edited)
    time.tick("2026-03-04T08:00:00+00:00")
    assert (time.row()["status"], time.row()["workflow_version"], time.world.hooks()) == (
        "completed",
        1,
        ["/before", "/after"],
    )
    time.world.job("completed")
    time.tick()
    assert time.world.hooks()[2:] == ["/edited"]


def test_a_reminder_moves_with_its_appointment(time: PlayedTime) -> None:
    """Scenario 19: moved to a later day it waits on, moved to an earlier one it comes earlier, and comes once."""
    job = start(time, BEFORE, schedule_start="2026-03-05T10:00:00+00:00")
    assert time.due() == "2026-03-05T08:00"
    # To a later day, which is seen when the wait is over, or before.
    time.at("2026-03-02T09:00:00+00:00")
    time.world.app.database.sql("update jobs set schedule_start = '2026-03-09T10:00Z' where id = %s", job)
    assert time.tick("2026-03-02T09:01:00+00:00") == {"waiting": 1}
    assert (time.due(), time.row()["reason"]) == ("2026-03-09T08:00", "step 2 (wait): until 2026-03-09T08:00:00+00:00")
    # Each change is looked at once.
    assert not time.tick("2026-03-02T09:02:00+00:00")
    # To an earlier one.
    time.at("2026-03-03T09:00:00+00:00")
    time.world.app.database.sql("update jobs set schedule_start = '2026-03-04T10:00Z' where id = %s", job)
    assert time.tick("2026-03-03T09:01:00+00:00") == {"waiting": 1}
    assert time.due() == "2026-03-04T08:00"
    # Another change of the row does not move it; none is lost while no processor runs.
    time.at("2026-03-03T12:00:00+00:00")
    time.world.app.database.sql("update jobs set schedule_start = '2026-03-03T20:00Z' where id = %s", job)
    time.world.app.database.sql("update jobs set title = 'x' where id = %s", job)
    assert time.tick("2026-03-03T18:00:00+00:00") == {"done": 1}
    assert time.world.hooks() == ["/before", "/after"]
    steps = time.world.app.execution()["actions_executed"]
    assert [(step["stepId"], step["result"].get("until")) for step in steps] == [
        ("1", None), ("2", "2026-03-03T18:00:00+00:00"), ("3", None),
    ]  # fmt: skip
    assert all("again" not in step["result"] for step in steps)


def test_a_later_date_is_seen_though_no_change_was_recorded(time: PlayedTime) -> None:
    start(time, BEFORE, **TOMORROW)
    database = time.world.app.database
    database.sql("alter table jobs disable trigger user; update jobs set schedule_start = '2026-03-04T10:00Z'")
    assert time.tick("2026-03-02T08:30:00+00:00") == {"waiting": 1}
    assert time.due() == "2026-03-04T08:00"


def test_a_wait_of_the_clock_is_not_moved_by_changes_of_its_row(time: PlayedTime) -> None:
    start(time, {"for": "3 days", "drop_after": "1 hour"}, **TOMORROW)
    time.at("2026-03-02T09:00:00+00:00")
    time.world.app.database.sql("update jobs set title = 'x'")
    assert not time.tick("2026-03-02T09:01:00+00:00")
    assert time.due() == "2026-03-04T08:00"
    assert time.tick("2026-03-04T08:30:00+00:00") == {"done": 1}


@pytest.mark.parametrize(
    ("wait", "late", "on_time"),
    [
        ({"for": "1 day"}, "2026-03-02T10:00:01+00:00", "2026-03-02T10:00:00+00:00"),
        (BEFORE, "2026-03-02T10:30:01+00:00", "2026-03-02T10:30:00+00:00"),
        ({"until": "2026-03-02T09:00:00Z"}, "2026-03-02T11:00:01+00:00", "2026-03-02T11:00:00+00:00"),
    ],
)
@pytest.mark.parametrize("is_late", [True, False])
def test_what_comes_too_late_is_dropped_and_says_so(
    time: PlayedTime, wait: dict[str, Any], late: str, on_time: str, is_late: bool
) -> None:
    """After a downtime, or a pause."""
    job = start(time, wait | {"drop_after": "2 hours"}, **TOMORROW)
    time.tick(late if is_late else on_time)
    status, code, reason = time.world.app.end_of(job)
    assert (status, code) == (("skipped", "too_late") if is_late else ("completed", None)), reason
    assert time.world.hooks() == (["/before"] if is_late else ["/before", "/after"])
    if is_late:
        assert str(reason).startswith("step 2 (wait): its moment was 2026-03-02 0")
        answers = time.world.app.database.call("automation_explain", p_subject={"text": job})["answers"]
        assert [answer["code"] for answer in answers if answer["execution_id"]] == ["too_late"]


def test_a_reminder_that_was_booked_too_late_is_not_sent(time: PlayedTime) -> None:
    """Scenario 19: booked 3 h ahead, the 24-h reminder is not sent as "tomorrow"."""
    world = time.world
    until = {"until": "{{ job.schedule_start }} - 1 day", "drop_after": "1 hour"}
    world.app.workflow({"type": "wait", "config": until}, webhook(world.shop.url + "/tomorrow"), created_at=LONG_AGO)
    job = world.job("completed", schedule_start="2026-03-01T11:00:00+00:00")
    time.tick()
    assert (world.app.end_of(job)[:2], world.nothing_left()) == (("skipped", "too_late"), True)


@pytest.mark.parametrize("world", ["postgres"], indirect=True)
def test_the_databases_clock_decides(world: World) -> None:
    """Of two processors whose clocks are an hour ahead and an hour behind neither is early, and one sends, once."""
    wait = {"type": "wait", "config": {"for": "30 minutes"}}
    world.app.workflow(
        webhook(world.shop.url + "/before"), wait, webhook(world.shop.url + "/after"), created_at=LONG_AGO
    )
    world.job("completed")
    hour, ends = timedelta(hours=1), Counter[str]()
    for ahead in (hour, -hour, hour):
        ends += run_with_clock(world, ahead)
    assert ends == {"waiting": 1}
    due = world.app.database.one("select scheduled_at - now() as left from automation_execution_logs")["left"]
    assert timedelta(minutes=29) < due <= timedelta(minutes=30)
    world.app.make_due()
    for ahead in (-hour, hour):
        ends += run_with_clock(world, ahead)
    assert (ends, world.hooks()) == ({"waiting": 1, "done": 1}, ["/before", "/after"])


def run_with_clock(world: World, ahead: timedelta) -> Counter[str]:
    """Run all that is due, on a machine whose clock is so much ahead."""
    with freeze_time(datetime.now(UTC) + ahead, tick=True, real_asyncio=True):
        return PlayedTime(world, now=None).tick()


@pytest.mark.parametrize(
    "step",
    [
        {"type": "wait", "config": {"until": "{{ job.schedule_start }} - 1 day"}},
        {"type": "wait", "config": {"until": "{{ job.title }}"}},
        {"type": "wait", "config": {"for": "{{ job.title }}"}},
        {"type": "email", "delay": "24h_before_appointment", "config": {"subject": "Tomorrow", "message": "We come."}},
    ],
)
def test_a_wait_that_cannot_be_read_lets_nothing_behind_it_leave(time: PlayedTime, step: dict[str, Any]) -> None:
    world = time.world
    world.app.workflow(
        webhook(world.shop.url + "/before"), step, webhook(world.shop.url + "/after"), created_at=LONG_AGO
    )
    world.job("completed", title="soon")
    time.tick()
    assert (world.hooks(), world.mails()) == (["/before"], [])
    assert (time.row()["status"], time.row()["code"]) == ("failed", "partial")
