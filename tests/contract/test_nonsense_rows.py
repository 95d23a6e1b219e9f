"""Whatever a row of an app contains, nothing raises, and its neighbours go on (R6, R17).

Users of an app may write into adopted tables, and the app itself may have written anything.  So each column gets every
value that its type takes, written by the table's owner, which is the worst case.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from contextlib import suppress
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minutehand.dashboard import charts
from minutehand.dashboard.presentation.formatting import parse_time
from minutehand.dashboard.presentation.timeline import timeline
from minutehand.store import Actor, Claim, Store
from minutehand.store.schema import migrate
from tests.adopted import ANNA, NORTH, complete, old_app, workflow
from tests.journeys.app import webhook
from tests.servers import CLAIM, Database, on_both_servers

LOGS, SENDS, WORKFLOWS = "automation_execution_logs", "communication_logs", "automation_workflows"
TOKEN = "6f4d1a52-7d0e-4a0b-9d0e-000000000001"
WORKER = {"id": "h:1", "mode": "run-once", "host": "h", "version": "0"}
SEND = {"step": "1", "channel": "email", "recipient": "a@example.com", "sender": "b@example.com", "key": "key-1"}

TIMES = ("infinity", "-infinity", "4713-01-01 BC", "294276-12-31", "0001-01-01", "9999-12-31", "2000-01-01", "now")
TEXTS = ("", "x" * 5000, "pending", "processing", "running", "waiting", "stale", "call:x", "uncertain_send", "entity",
         "earlier_unfinished", "rate_limited", "block", "\u202e\x01\x1b[2J", "5", "null")  # fmt: skip
JSONS = ("null", "5", "1e400", '"x"', "[]", "{}", "[[[]], null, 7, {}]", "[" * 3000 + "]" * 3000,
         '[{"stepId": {}, "status": [], "error": {"a": 1}, "name": 5, "finishedAt": "never", "startedAt": 5}]',
         '[{"what": "wait", "at": "never", "times": 1e300, "attempt": -5, "due": "infinity", "began": "x"}]',
         '[{"what": 5, "at": []}]', '{"what": "retry"}', '{"table_name": {"a": 1}, "record_id": [1]}',
         '{"table_name": "jobs", "record_id": "J-1", "new_status": 99999999999999999999}',
         '{"order": "entity", "rate_limit": {"n": 1e300, "per": "-1 d"}, "breaker": {"n": [], "per": 5}}')  # fmt: skip
BROKEN = ('{"a": "\\u0000"}', '[{"stepId": "\\u0000"}]')
IDS = ("00000000-0000-0000-0000-000000000000", TOKEN)


def values(type_: str, workflow_id: str) -> st.SearchStrategy[str | None]:
    """What a column of this type may hold, as text; None is null."""
    pools: dict[str, st.SearchStrategy[str]] = {
        "integer": st.sampled_from(("-2147483648", "2147483647", "0", "-1", "7")),
        "bigint": st.sampled_from(("-9223372036854775808", "9223372036854775807", "0", "1")),
        "timestamp with time zone": st.sampled_from(TIMES),
        "boolean": st.sampled_from(("true", "false")),
        "uuid": st.sampled_from((*IDS, workflow_id, NORTH, ANNA)),
        "jsonb": st.sampled_from(JSONS),
        "json": st.sampled_from(JSONS + BROKEN),
    }
    return st.none() | pools.get(type_, st.sampled_from(TEXTS))


#: What a row has before the nonsense: executions in each state, and a send under way.
STATES: dict[str, dict[str, str]] = {
    "pending": {"status": "pending"},
    "matched": {"status": "pending", "workflow_version": "1", "entity_id": "J-1", "event_id": "1"},
    "ordered": {"status": "pending", "workflow_version": "1", "entity_id": "J-1", "entity_order": "block"},
    "expired": {"status": "processing", "lease_token": TOKEN, "lease_expires_at": "2020-01-01", "attempt": "1"},
    "ended": {"status": "completed", "lease_token": TOKEN, "lease_expires_at": "2020-01-01"},
    "leased": {"status": "processing", "lease_token": TOKEN, "lease_expires_at": "2100-01-01", "attempt": "1"},
    "failed": {"status": "failed", "code": "x", "reason": "no", "completed_at": "now"},
    "uncertain": {"status": "failed", "code": "uncertain_send", "completed_at": "now"},
    "skipped": {"status": "skipped", "code": "stale", "completed_at": "now"},
}


class Nonsense:
    """An adopted app with one good workflow, and what its tables have."""

    def __init__(self, database: Database) -> None:
        self.database = database
        old_app(database)
        asyncio.run(migrate(database.url))
        database.call("automation_trigger_add", p_table="jobs", p_writable=True)
        self.good = workflow(database, "Good", webhook("https://example.com/hook"))
        complete(database, "J-1")
        database.sql("insert into automation_limits (scope, n, per) values ('recipient', 1000, '1 day')")
        self.columns = {
            table: {
                row["name"]: row["type"]
                for row in database.sql(
                    "select attname::text as name, format_type(atttypid, null) as type from pg_attribute"
                    " where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped and attname <> 'id'",
                    table,
                )
            }
            for table in (LOGS, SENDS, WORKFLOWS)
        }

    def rows(self) -> st.SearchStrategy[tuple[str, dict[str, str | None]]]:
        """A row of one of the tables: a sound one, with some columns overwritten."""
        log = {"workflow_id": self.good, "organization_id": NORTH, "trigger_type": "x", "created_at": "now",
               "trigger_data": '{"table_name": "jobs", "record_id": "J-1"}'}  # fmt: skip
        send = {"user_id": ANNA, "type": "email", "direction": "outbound", "status": "sent", "from_address": "a",
                "to_address": "b", "recipient": SEND["recipient"], "channel": "email", "reserved_at": "now",
                "organization_id": NORTH}  # fmt: skip
        rule = {"user_id": ANNA, "organization_id": NORTH, "name": "Bad", "status": "active",
                "trigger_type": "job_completed", "steps": "[]"}  # fmt: skip
        bases = [(LOGS, log | state) for state in STATES.values()] + [(SENDS, send), (WORKFLOWS, rule)]
        return st.one_of([self._row(table, base) for table, base in bases])

    def _row(self, table: str, base: dict[str, str]) -> st.SearchStrategy[tuple[str, dict[str, str | None]]]:
        columns = self.columns[table]
        one = st.sampled_from(sorted(columns)).flatmap(
            lambda name: st.tuples(st.just(name), values(columns[name], self.good))
        )
        return st.lists(one, min_size=1, max_size=4).map(lambda bad: (table, {**base, **dict(bad)}))

    def start(self, rows: list[tuple[str, dict[str, str | None]]]) -> str:
        """Leave these rows in the tables and a good execution; gives its id."""
        self.database.sql(f"truncate {LOGS}, {SENDS}; delete from {WORKFLOWS} where name is distinct from 'Good'")
        self.database.sql(
            "truncate automation_control, automation_bulk_actions, minutehand.backlog, minutehand.alert_state"
        )
        for table, row in rows:
            insert(self.database, table, row, self.columns[table])
        return self.database.call("automation_enqueue", p_workflow="Good", p_row="J-1")["id"]


def insert(database: Database, table: str, row: dict[str, str | None], types: dict[str, str]) -> None:
    """Insert a row where the table takes it; its CHECKs and indexes refuse some."""
    marks = ", ".join(f"%s::{types[name]}" for name in row)
    with suppress(psycopg.errors.IntegrityError, psycopg.errors.DataError, psycopg.errors.OperationalError):
        database.sql(f"insert into {table} ({', '.join(row)}) values ({marks})", *row.values())


async def act(store: Store) -> None:
    """Do what processors do, until nothing is left to claim."""
    for attempt in range(6):
        await store.tick(WORKER, hold_seconds=None if attempt else 7200)
        await store.renew([TOKEN], lease_seconds=60)
        await store.begin_calls([{"id": row["id"], "token": TOKEN} for row in await store.executions(limit=100)])
        claims = [await store.claim(50, **CLAIM, alone=alone) for alone in (False, True)]
        for claim in claims:
            await run(store, claim)
        if not any(claim.executions or claim.ended for claim in claims):
            return


async def run(store: Store, claim: Claim) -> None:
    """Take each claimed execution one step forward, and end it."""
    items: list[dict[str, Any]] = [{"id": row.id, "token": row.lease.token} for row in claim.executions]
    step = {"stepId": "1", "status": "success"}
    contexts = await store.advance([item | {"steps": [step], "reserve": SEND | {"key": item["id"]}} for item in items])
    stops = {context.id: context.stop for context in contexts}
    outcomes = [item | {"ended": "done"} | (stops[item["id"]] or {}) for item in items]
    assert {answer.id for answer in await store.settle(outcomes)} == {item["id"] for item in items}


async def look(store: Store) -> None:
    """Show everything that a person may look at."""
    metrics = await store.metrics(facts=True)
    now = parse_time(metrics["now"])
    assert now is not None
    await store.overview(bars_from=now - timedelta(hours=1))
    await store.overview(tenant=NORTH)
    await store.failures({})
    found = await store.search({}, limit=1000)
    await store.search({"status": "pending", "error": "x"})
    await store.count({"tenant": NORTH})
    listed = [row["id"] for row in await store.executions({}, limit=1000)]
    assert {row["id"] for row in found["rows"]} <= set(listed)  # a page begins after a time, and some rows have none
    for id_ in listed:
        await store.execution(id_)
        detail: Any = await store.execution_detail(id_)
        timeline(detail, with_recipients=True)
        charts.duration_bar(detail, now)
        json.dumps(detail)
    for rule in await store.workflows():
        await store.workflow(rule["id"])
    await store.dry_run("Good", row="J-1")
    await store.doctor()
    await store.alerts_claim(str(uuid.uuid4()), share=0.1, age_seconds=1)
    await store.incidents(all_=True)


async def press(store: Store) -> None:
    """Do what a person may do to each execution, and to all of them."""
    ids = [row["id"] for row in await store.executions({}, limit=1000)]
    await store.release(ids)
    await store.resolve(ids, "resend")
    await store.retry(ids[::2])
    await store.cancel(ids[::3])
    await store.bulk_start("retry", {"status": "failed"}, spread_seconds=0, actor=Actor(via="cli", name="a"), note="")
    await store.bulk_step()
    await store.prune(86_400)


async def everything(url: str, good: str) -> str:
    """Act, look and press; gives how the good execution ended."""
    store = Store.postgres(url)
    try:
        await look(store)
        await act(store)
        ended = (await store.execution(good))["status"]
        await look(store)
        await press(store)
        await act(store)
        await look(store)
        return ended
    finally:
        await store.close()


@pytest.fixture
def nonsense(empty_database: Database) -> Nonsense:
    """The app with its workflow."""
    return Nonsense(empty_database)


@on_both_servers
def test_no_row_stops_anything_but_itself(nonsense: Nonsense) -> None:
    @given(st.lists(nonsense.rows(), min_size=1, max_size=5))
    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    def check(rows: list[tuple[str, dict[str, str | None]]]) -> None:
        good = nonsense.start(rows)
        assert asyncio.run(everything(nonsense.database.url, good)) == "completed"

    check()
