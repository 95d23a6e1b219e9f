"""How often a workflow fires for one row and status (R10), decided once, at the match."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import psycopg
import pytest

from tests import servers
from tests.servers import Database
from tests.sql.jobs import at, executions, fired, match, move, session, watched_jobs, workflow

pytestmark = servers.on_both_servers


def toggled(database: Database, *times: str, settings: Any = None) -> list[dict[str, Any]]:
    """Executions of a workflow on `done`, which J-1 becomes at each of these times of a day in 2030."""
    watched_jobs(database)
    workflow(database, trigger_type="job_done", **({} if settings is None else {"settings": settings}))
    for time in times:
        at(database, f"2030-01-01T{time}Z")
        move(database, "done")
        move(database, "open")
    return executions(database)


def may_fire(database: Database, job: str = "J-1", status: str = "done") -> bool:
    """What the plan's function answers for the one workflow."""
    row = database.one(
        "select check_automation_rate_limit(%s, id, %s) as may from automation_workflows limit 1", job, status
    )
    return bool(row["may"])


def test_once_an_hour_is_the_default_and_what_it_stops_says_until_when(database: Database) -> None:
    logs = toggled(database, "10:00:00", "10:59:59", "11:00:00")
    assert [log["status"] for log in logs] == ["pending", "skipped", "pending"]
    assert logs[1]["code"] == "rate_limited"
    assert logs[1]["reason"] == (
        "already started once within 1 hour for this row and status; may start again at 2030-01-01 11:00:00 UTC"
    )
    assert logs[1]["completed_at"] == logs[1]["created_at"]


def test_null_turns_it_off(database: Database) -> None:
    logs = toggled(database, *["10:00:00"] * 5, settings={"rate_limit": None})
    assert [log["code"] for log in logs] == [None] * 5


def test_n_times_per_period(database: Database) -> None:
    times = ("10:00:00", "10:10:00", "10:20:00", "10:30:00", "10:40:00")
    logs = toggled(database, *times, settings={"rate_limit": {"n": 2, "per": "30 minutes"}})
    assert [log["code"] for log in logs] == [None, None, "rate_limited", None, None]
    assert "started 2 times" in logs[2]["reason"]
    assert "at 2030-01-01 10:30:00 UTC" in logs[2]["reason"]


def test_delayed_ones_run_a_period_apart(database: Database) -> None:
    settings = {"rate_limit": {"n": 1, "per": "1 hour", "on_exceed": "delay"}}
    logs = toggled(database, "10:00:00", "10:10:00", "10:20:00", "10:30:00", settings=settings)
    assert {log["status"] for log in logs} == {"pending"}
    assert [log["scheduled_at"] and log["scheduled_at"].hour for log in logs] == [None, 11, 12, 13]


def test_a_wait_of_days_in_a_running_one_delays_nothing(database: Database) -> None:
    settings = {"rate_limit": {"on_exceed": "delay"}}
    toggled(database, "10:00:00", settings=settings)
    database.sql("update automation_execution_logs set started_at = created_at, scheduled_at = '2030-01-03T10:00:00Z'")
    at(database, "2030-01-01T12:00:00Z")
    move(database, "done")
    assert executions(database)[1]["scheduled_at"] is None


@pytest.mark.parametrize(
    "limit",
    [
        7,
        "often",
        [],
        {"n": 0},
        {"n": -1, "per": "-1 hour"},
        {"n": "many", "per": "often"},
        {"per": "0"},
        {"n": 1e99, "per": "9999999 years"},
        {"per": {"hours": 1}},
    ],
)
def test_a_limit_that_cannot_be_read_is_the_default(database: Database, limit: Any) -> None:
    logs = toggled(database, "10:00:00", "10:59:59", "11:00:01", settings={"rate_limit": limit})
    assert [log["code"] for log in logs] == [None, "rate_limited", None]


@pytest.mark.parametrize("settings", [[], "off", 3])
def test_settings_of_nonsense_are_the_default(database: Database, settings: Any) -> None:
    watched_jobs(database)
    database.sql(
        "insert into automation_workflows (name, organization_id, trigger_type, settings, steps, created_at)"
        " values ('tell', 'north', 'job_done', %s, '[{\"type\": \"stop\"}]', '2020-01-01')",
        psycopg.types.json.Jsonb(settings),
    )
    for status in ("done", "open", "done"):
        move(database, status)
    assert fired(database) == ["tell", "tell: rate_limited"]


def test_it_is_counted_for_each_row_status_and_workflow(database: Database) -> None:
    watched_jobs(database, count=2)
    workflow(database, "one")
    workflow(database, "two")
    for status in ("done", "open", "DONE"):
        database.sql("update jobs set status = %s", status)
        match(database)  # what the trigger's budget left, on a busy machine
    assert sorted(fired(database)) == [
        *["one"] * 4,
        *["one: rate_limited"] * 2,
        *["two"] * 4,
        *["two: rate_limited"] * 2,
    ]


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        ("pending", True),
        ("processing", True),
        ("running", True),
        ("completed", True),
        ("failed", False),
        ("cancelled", False),
        ("skipped", False),
    ],
)
def test_only_what_is_in_flight_or_done_counts(database: Database, status: str, counts: bool) -> None:
    toggled(database, "10:00:00")
    database.sql("update automation_execution_logs set status = %s", status)
    at(database, "2030-01-01T10:30:00Z")
    assert may_fire(database) is not counts
    move(database, "done")
    assert executions(database)[1]["code"] == ("rate_limited" if counts else None)


def test_the_plans_function_answers_as_the_match_decides(database: Database) -> None:
    toggled(database, "10:00:00", settings={"rate_limit": {"n": 2}})
    at(database, "2030-01-01T10:30:00Z")
    assert may_fire(database)
    move(database, "done")
    assert not may_fire(database)
    assert not may_fire(database, status="DONE")
    assert may_fire(database, status="open")
    assert may_fire(database, job="J-2")
    at(database, "2030-01-01T11:00:00Z")
    assert may_fire(database)
    database.sql("""update automation_workflows set settings = '{"rate_limit": null}'""")
    at(database, "2030-01-01T10:30:00Z")
    assert may_fire(database)
    unknown = "select check_automation_rate_limit('J-1', gen_random_uuid(), 'done') as may"
    assert database.one(unknown)["may"] is True


def test_a_row_without_an_id_has_no_limit(database: Database) -> None:
    watched_jobs(database)
    database.sql("create unique index on jobs (search)")
    database.call("automation_trigger_add", p_table="jobs", p_id="search")
    workflow(database)
    for status in ("done", "open", "done"):
        move(database, status)
    assert fired(database) == ["tell", "tell", "tell"]


def test_six_sessions_toggling_twenty_jobs_make_one_pending_row_each(database: Database) -> None:
    watched_jobs(database, count=20)
    workflow(database)
    start = threading.Barrier(6)

    def toggle(seed: int) -> None:
        pick = random.Random(seed)
        with session(database) as app:
            start.wait()
            for _ in range(60):
                move(app, pick.choice(["done", "open"]), f"J-{pick.randint(1, 20)}")

    with ThreadPoolExecutor(6) as sessions:
        list(sessions.map(toggle, range(6)))
    keys = database.sql(
        "select entity_id, trigger_data ->> 'new_status' as status, count(*) as n"
        " from automation_execution_logs where status = 'pending' group by 1, 2"
    )
    assert {key["n"] for key in keys} == {1}
    assert len(keys) == len(
        database.sql(
            "select distinct entity_id, new ->> 'status' from automation_events"
            " where 'job_status_changed' = any (types)"
        )
    )
    assert {row["code"] for row in executions(database)} == {None, "rate_limited"}
    assert database.one("select count(*) as n from automation_events where matched_at is null")["n"] == 0


def test_two_ticks_at_once_over_the_same_keys_admit_one_each(database: Database) -> None:
    watched_jobs(database, count=20)
    workflow(database, trigger_type="job_done")
    database.sql("set minutehand.blocked = 'matching'")
    for status in ("done", "open", "done", "open", "done"):
        database.sql("update jobs set status = %s", status)
    # so that the two share each row's events, and meet its changes in opposite order
    database.sql("delete from automation_events where not 'job_done' = any (types)")
    start = threading.Barrier(4)

    def tick(_: int) -> int:
        with session(database) as worker:
            start.wait()
            matched = 0
            for _ in range(2000):
                if not worker.sql("select id from automation_events where matched_at is null limit 1"):
                    break
                matched += match(worker, limit=7)["matched"]
            return matched

    with ThreadPoolExecutor(4) as workers:
        assert sum(workers.map(tick, range(4))) == 60
    admitted = [row["entity_id"] for row in executions(database) if row["status"] == "pending"]
    assert sorted(admitted) == sorted(f"J-{number}" for number in range(1, 21))
    assert len(executions(database)) == 60


def test_a_tick_waits_for_one_that_decides_on_the_same_row(database: Database) -> None:
    watched_jobs(database)
    workflow(database, trigger_type="job_done")
    database.sql("set minutehand.blocked = 'matching'")
    for status in ("done", "open", "done"):
        move(database, status)
    database.sql("delete from automation_events where not 'job_done' = any (types)")
    with session(database, autocommit=False) as one, session(database) as two, ThreadPoolExecutor(1) as thread:
        assert match(one, limit=1)["matched"] == 1
        later = thread.submit(match, two, limit=1)
        waiting = "select count(*) as n from pg_locks where locktype = 'advisory' and not granted"
        while not database.one(waiting)["n"]:
            assert not later.done()
        one.connection.commit()
        assert later.result(timeout=60)["matched"] == 1
    assert fired(database) == ["tell", "tell: rate_limited"]


def test_a_late_match_counts_from_when_the_change_was(database: Database) -> None:
    watched_jobs(database)
    workflow(database, trigger_type="job_done")
    database.sql("set minutehand.blocked = 'matching'")
    for time in ("10:00:00", "11:30:00", "12:00:00"):
        at(database, f"2030-01-01T{time}Z")
        move(database, "done")
        move(database, "open")
    match(database, "2030-01-01T15:00:00Z")
    logs = executions(database)
    assert [log["code"] for log in logs] == [None, None, "rate_limited"]
    assert [log["created_at"] for log in logs] == [
        datetime.fromisoformat(f"2030-01-01T{time}+00:00") for time in ("10:00:00", "11:30:00", "12:00:00")
    ]
