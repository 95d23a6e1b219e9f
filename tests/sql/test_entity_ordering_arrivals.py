"""How executions come into line: by the trigger, by hand, as the app's own rows; and what is held there."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from minutehand.store import schema
from tests import adopted
from tests.servers import CLOCK, Database, on_both_servers
from tests.sql import jobs
from tests.sql.direct import calls, install, on
from tests.sql.doctor import levels, results_of
from tests.sql.in_line import PARKED, end, in_line, parked, take
from tests.sql.queue_rows import NOW, change, claim, foreign, ids, pending, row, seconds, tick, workflow

pytestmark = on_both_servers


@pytest.mark.parametrize(
    ("settings", "order"),
    [
        ({}, None),
        ({"order": None, "order_waits": "step_aside"}, None),
        ({"order": "entity"}, "block"),
        ({"order": "entity", "order_waits": None}, "block"),
        ({"order": "entity", "order_waits": "step_aside"}, "step_aside"),
        ({"order": "row"}, None),
        ({"order": {"by": "entity"}}, None),
        ({"order": "entity", "order_waits": 5}, None),
        ([], None),
        ("entity", None),
        (None, None),
    ],
)
def test_a_change_and_a_person_bring_into_line_what_the_workflow_says(
    database: Database, settings: Any, order: str | None
) -> None:
    jobs.watched_jobs(database)
    mine = jobs.workflow(database)
    database.sql("alter table automation_workflows alter settings drop not null")
    database.sql("update automation_workflows set settings = to_jsonb(%s::jsonb)", Jsonb(settings))
    jobs.move(database, "Completed")
    database.call("automation_enqueue", p_workflow=mine, p_row="J-1")
    database.call("automation_enqueue", p_workflow=mine, p_payload={"without": "a row"})
    assert [one["entity_order"] for one in jobs.executions(database)] == [order, order, None]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"order": "row"}, 'settings.order is row: write "entity" or leave it out'),
        ({"order": "entity", "order_waits": 5}, 'settings.order_waits is 5: write "block" or "step_aside"'),
    ],
)
def test_a_setting_that_cannot_be_read_is_named(database: Database, settings: dict[str, Any], words: str) -> None:
    jobs.watched_jobs(database)
    jobs.workflow(database, settings={"order": "entity", "order_waits": "block"})
    assert levels(database, "workflows") == ["ok"]
    database.sql("update automation_workflows set settings = %s", Jsonb(settings))
    (card,) = database.call("automation_workflow_list", p_filter={})
    assert card["setting_problems"] == ([words] if words else [])
    (result,) = results_of(database, "workflows")
    assert (result.level, result.fact) == ("warn", f'"tell" runs without ordering: {words}')


def test_rows_that_the_app_inserts_come_into_line_with_their_claim(database: Database) -> None:
    mine = workflow(database, settings={"order": "entity", "rate_limit": None})
    made = [foreign(database, mine, {"job_id": job}) for job in ("J-1", "J-1", "J-2", "J-1")]
    held = take(database, p_worker="w")
    assert list(held) == [made[0], made[2]]
    stored = row(database, made[0])
    assert (stored["status"], stored["attempt"], stored["started_at"]) == ("processing", 1, NOW)
    for one in made[1], made[3]:
        stored = row(database, one)
        assert (stored["status"], stored["code"], stored["attempt"], stored["started_at"]) == (
            "pending",
            PARKED,
            0,
            None,
        )
        assert (stored["entity_id"], stored["lease_expires_at"]) == ("J-1", None)
    end(database, held)
    assert list(take(database)) == [made[1]]


def test_of_those_that_the_app_inserts_what_is_delayed_delays_those_behind_it(database: Database) -> None:
    limit = {"n": 1, "per": "1 hour", "on_exceed": "delay"}
    mine = workflow(database, settings={"order": "entity", "rate_limit": limit})
    made = [foreign(database, mine, {"job_id": "J-1", "new_status": status}) for status in ("a", "a", "b")]
    held = take(database)
    assert list(held) == [made[0]]
    end(database, held)
    assert take(database, NOW + seconds(600)) == {}
    assert [row(database, one)["code"] for one in made[1:]] == ["rate_limited", PARKED]


def test_what_waits_in_line_is_not_late(database: Database) -> None:
    """Its predecessor waits for days, and no processor looks for hours."""
    first, second = in_line(database, 2)
    end(database, take(database), "waiting", code="waiting", due_in_seconds=86_400)
    assert tick(database, NOW + timedelta(hours=7), p_hold_seconds=3600)["held"] == 0
    assert [row(database, one)["status"] for one in (first, second)] == ["pending", "pending"]


def test_with_one_that_is_held_as_late_those_behind_it_are_held(database: Database) -> None:
    first, second, third, young = in_line(database, 4)
    (other,) = in_line(database, 1, entity="J-2")
    change(database, young, created_at=NOW + timedelta(hours=6))
    change(database, first, scheduled_at=NOW + seconds(60))
    assert list(take(database)) == [other]
    assert parked(database) == [second, third]
    change(database, other, lease_expires_at=NOW)
    change(database, young, code=PARKED, scheduled_at=NOW + timedelta(hours=8))
    now = NOW + timedelta(hours=7)
    answers = [tick(database, now, p_hold_seconds=3600) for _ in range(2)]
    assert [(answer["held"], answer["holding"]) for answer in answers] == [(1, True), (2, False)]
    assert [row(database, one)["code"] for one in (first, second, third)] == ["stale"] * 3
    assert row(database, young)["code"] == PARKED


def test_direct_mode_without_a_claim_leaves_a_line_to_the_sweep(database: Database) -> None:
    install(database)
    on(database, p_no_claim=True)
    database.sql("update automation_workflows set settings = settings || %s", Jsonb({"order": "entity"}))
    for status in ("a", "b"):
        jobs.move(database, status)
    assert [one["status"] for one in jobs.executions(database)] == ["pending", "pending"]
    database.call("automation_direct_sweep")
    first, second = jobs.executions(database)
    assert (first["status"], second["status"], second["code"]) == ("processing", "pending", PARKED)
    assert [call["body"]["executionId"] for call in calls(database)] == [str(first["id"])]


def test_on_tables_that_the_app_has_made_the_line_holds(empty_database: Database) -> None:
    database = empty_database
    adopted.old_app(database)
    asyncio.run(schema.migrate(database.url))
    database.sql(CLOCK)
    database.call("automation_trigger_add", p_table="jobs")
    adopted.workflow(
        database,
        "ordered",
        {"type": "stop"},
        settings={"order": "entity", "rate_limit": None},
        trigger_type="job_updated",
    )
    adopted.complete(database)
    for status in ("Invoiced", "Paid"):
        database.sql("update jobs set status = %s", status)
    made = database.sql("select id::text, entity_order from automation_execution_logs order by event_id")
    assert [one["entity_order"] for one in made] == ["block"] * 3
    later = NOW + timedelta(days=1)
    for one in made:
        held = take(database, later)
        assert list(held) == [one["id"]]
        end(database, held, now=later)


def test_who_is_not_in_line_asks_for_no_lock_and_looks_at_no_line(database: Database) -> None:
    pending(database, workflow(database), 3)
    database.sql("begin")
    lines = "select count(*) as n from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
    before = database.one(lines)["n"]
    answer = claim(database)
    assert len(ids(answer)) == 3
    assert database.one(lines)["n"] - before == 1, "the token's"
    database.sql("rollback")
