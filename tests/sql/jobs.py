"""An app's table of jobs and its users' workflows, as the tests of the trigger play them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from minutehand.store.schema import migrate
from tests.servers import CLOCK, Database

TABLE = """
create table jobs (
  id text primary key, organization_id text, user_id text, status text, title text, job_type text,
  revenue numeric, search text, notes json, tags text[]
);
"""
#: Older than any change, whatever the test's clock says.
LONG_AGO = "2020-01-01T00:00:00Z"
STEPS = [{"type": "email", "config": {"subject": "Done", "message": "Your job is done."}}]


def watched_jobs(database: Database, count: int = 1, **options: Any) -> None:
    """Make the table with `count` jobs of organisation north, J-1 to J-n, and watch it."""
    database.sql(TABLE)
    database.sql(
        "insert into jobs (id, organization_id, status, title)"
        " select 'J-' || i, 'north', 'scheduled', 'Boiler repair' from generate_series(1, %s) i",
        count,
    )
    database.call("automation_trigger_add", p_table="jobs", **options)


def workflow(database: Database, name: str = "tell", **columns: Any) -> str:
    """Save a workflow of organisation north on each change of status, unless `columns` say else; gives its id."""
    values: dict[str, Any] = {
        "name": name,
        "organization_id": "north",
        "trigger_type": "job_status_changed",
        "steps": STEPS,
        "created_at": LONG_AGO,
    } | columns
    marks = ", ".join(["%s"] * len(values))
    row = database.one(
        f"insert into automation_workflows ({', '.join(values)}) values ({marks}) returning id",
        *(Jsonb(value) if isinstance(value, dict | list) else value for value in values.values()),
    )
    return str(row["id"])


def when(field: str, value: Any, operator: str = "equals") -> dict[str, Any]:
    """A trigger_config with one condition."""
    return {"conditions": [{"field": field, "operator": operator, "value": value}]}


def move(database: Database, status: str | None, job: str = "J-1") -> None:
    """Give a job a status, as the app does."""
    database.sql("update jobs set status = %s where id = %s", status, job)


def events(database: Database) -> list[dict[str, Any]]:
    """What was recorded, oldest first."""
    return database.sql("select * from automation_events order by id")


def executions(database: Database) -> list[dict[str, Any]]:
    """What was started, oldest first, with the workflow's name."""
    return database.sql(
        "select w.name, l.* from automation_execution_logs l left join automation_workflows w on w.id = l.workflow_id"
        " order by l.event_id, w.name"
    )


def fired(database: Database) -> list[str]:
    """The names of the workflows that fired, in order; what was skipped is named with why."""
    return [row["name"] + (f": {row['code']}" if row["code"] else "") for row in executions(database)]


def counts(database: Database) -> tuple[int, int, int]:
    """Events, those not matched yet, and executions."""
    row = database.one(
        "select (select count(*) from automation_events) as events,"
        " (select count(*) from automation_events where matched_at is null) as unmatched,"
        " (select count(*) from automation_execution_logs) as executions"
    )
    return row["events"], row["unmatched"], row["executions"]


def at(database: Database, instant: str) -> None:
    """Set the clock of the triggers and of what the test calls by `p_now`."""
    database.sql("select set_config('minutehand.now', %s, false)", instant)


def match(database: Database, instant: str | None = None, *, limit: int = 500) -> Any:
    """Match the unmatched events, as the tick does."""
    picked = database.one(
        "select minutehand.pick_unmatched(%s, coalesce(%s::timestamptz, now())) as ids", limit, instant
    )
    return database.call("automation_match", p_ids=picked["ids"], p_now=instant)


@contextmanager
def session(database: Database, *, autocommit: bool = True) -> Iterator[Database]:
    """Another session on the same database."""
    with psycopg.connect(database.url, autocommit=autocommit, row_factory=dict_row) as connection:
        yield Database(database.url, connection)


@contextmanager
def notices(database: Database) -> Iterator[list[str]]:
    """What the server says beside its answers meanwhile."""
    heard: list[str] = []

    def hear(diagnostic: psycopg.errors.Diagnostic) -> None:
        heard.append(f"{diagnostic.severity}: {diagnostic.message_primary}")

    database.connection.add_notice_handler(hear)
    try:
        yield heard
    finally:
        database.connection.remove_notice_handler(hear)


def adopt(database: Database) -> None:
    """Lay Minutehand over what stands in an empty database."""
    asyncio.run(migrate(database.url))
    database.sql(CLOCK)
