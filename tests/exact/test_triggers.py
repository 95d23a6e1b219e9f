"""What a trigger records: types, the order of changes, computed columns, heartbeats (docs/exact.md, Triggers)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.journeys.app import Minutehand
from tests.servers import Database
from tests.sql.jobs import events, executions, watched_jobs, when, workflow

FILL = """
create or replace function fill() returns trigger language plpgsql as $$ begin
  update jobs set revenue = 100, title = 'Filled' where id = new.id; return null; end $$;
"""


def doctor(minutehand: Minutehand) -> str:
    """What doctor says, without its line breaks."""
    return " ".join(minutehand("doctor").stdout.split())


@pytest.mark.parametrize("status", ["created", "Created", "UPDATED", "deleted", "status changed", "status_changed"])
def test_a_status_called_like_an_operation_has_no_type_of_its_own(database: Database, status: str) -> None:
    watched_jobs(database)
    for type_ in ("created", "updated", "deleted", "status_changed"):
        workflow(database, type_, trigger_type=f"job_{type_}")
    database.sql("update jobs set status = %s", status)
    assert [event["types"] for event in events(database)] == [["job_updated", "job_status_changed"]]
    assert sorted(row["name"] for row in executions(database)) == ["status_changed", "updated"]


@pytest.mark.parametrize("deferred", [False, True], ids=["row", "deferred"])
@pytest.mark.parametrize("name", ["a_fill", "zz_fill", "AAA_fill", "00_fill", "_fill", "minutehand_capture0"])
@pytest.mark.parametrize(
    "change",
    [
        "update jobs set status = 'done' where id = 'J-1'",
        "insert into jobs (id, organization_id) values ('J-1', 'north') on conflict (id) do update set status = 'done'",
        "merge into jobs j using (values ('J-1')) v (id) on j.id = v.id when matched then update set status = 'done'",
    ],
    ids=["update", "upsert", "merge"],
)
def test_a_change_made_by_the_apps_trigger_comes_after_the_change_that_caused_it(
    database: Database, change: str, name: str, deferred: bool
) -> None:
    watched_jobs(database, 2)
    database.sql("create schema shop; create table shop.jobs (like jobs including all); ")
    database.sql(FILL)
    kind = "constraint trigger" if deferred else "trigger"
    database.sql(
        f'create {kind} "{name}" after update on jobs {"deferrable initially deferred" if deferred else ""}'
        " for each row when (old.status is distinct from new.status) execute function fill()"
    )
    workflow(database, "done", trigger_type="job_done")
    workflow(database, "paid", trigger_type="job_done", trigger_config=when("revenue", 0, "greater_than"))
    workflow(database, "filled", trigger_type="job_updated", trigger_config=when("revenue", None, "changed"))
    workflow(database, "renamed", trigger_type="job_updated", trigger_config=when("title", "Filled"))
    database.sql(change)
    first, second = events(database)
    assert (first["old"], first["new"]["revenue"]) == ({"status": "scheduled"}, None)
    assert (second["old"], second["new"]["status"]) == ({"revenue": None, "title": "Boiler repair"}, "done")
    started = [(row["name"], row["event_id"]) for row in executions(database)]
    assert started == [("done", first["id"]), ("filled", second["id"]), ("renamed", second["id"])]


def test_a_trigger_of_the_name_of_before_is_named_and_replaced(database: Database, minutehand: Minutehand) -> None:
    watched_jobs(database)
    database.sql('alter trigger "!minutehand_capture" on jobs rename to minutehand_capture')
    assert len(database.call("automation_triggers")) == 1
    said = doctor(minutehand)
    assert "jobs: the app's own triggers fire before ours" in said
    assert "minutehand trigger add jobs --id id --type job" in said
    database.call("automation_trigger_add", p_table="jobs")
    names = database.sql("select tgname from pg_trigger where tgrelid = 'jobs'::regclass and not tgisinternal")
    assert names == [{"tgname": "!minutehand_capture"}]


ORDERS = """
create table orders (
  id text primary key, organization_id text, status text, qty int, price numeric, secret int,
  total numeric generated always as (qty * price) {kind}, unit numeric generated always as (price / qty) {kind});
insert into orders (id, organization_id, status, qty, price) values ('O-1', 'north', 'new', 2, 10.50);
"""


@pytest.mark.parametrize("kind", ["virtual", "stored"])
def test_a_column_that_is_computed_when_it_is_read_is_read_with_the_row(database: Database, kind: str) -> None:
    database.sql(ORDERS.format(kind=kind))
    entry = database.call("automation_trigger_add", p_table="orders")
    assert entry.get("virtual") == (["total", "unit"] if kind == "virtual" else None)
    workflow(database, "large", trigger_type="order_updated", trigger_config=when("total", 100, "greater_than"))
    workflow(database, "changed", trigger_type="order_updated", trigger_config=when("total", None, "changed"))
    workflow(database, "was", trigger_type="order_updated", trigger_config=when("old.total", "21.00"))
    workflow(database, "created", trigger_type="order_created", trigger_config=when("total", 5))
    workflow(database, "deleted", trigger_type="order_deleted", trigger_config=when("total", 5))
    database.sql("update orders set qty = 10 where id = 'O-1'")
    database.sql("update orders set status = 'seen' where id = 'O-1'")
    database.sql("insert into orders (id, organization_id, qty, price) values ('O-2', 'north', 1, 5)")
    database.sql("delete from orders where id = 'O-2'")
    rows = events(database)
    assert (rows[0]["old"]["total"], rows[0]["new"]["total"]) == (21.00, 105.00)
    assert rows[1]["old"] == {"status": "new"}
    assert [row["name"] for row in executions(database)] == ["changed", "large", "was", "large", "created", "deleted"]
    seen = database.call("automation_dry_run", p_workflow="changed", p_row="O-1")
    assert float(seen["row"]["total"]) == 105


def test_one_that_cannot_be_computed_does_not_harm_the_statement(database: Database) -> None:
    database.sql(ORDERS.format(kind="virtual"))
    database.call("automation_trigger_add", p_table="orders", p_exclude=["total"])
    workflow(database, "any", trigger_type="order_updated")
    database.sql("update orders set qty = 0")
    (event,) = events(database)
    assert event["old"]["qty"] == 2
    assert {"total", "unit"}.isdisjoint(event["new"])
    assert [row["name"] for row in executions(database)] == ["any"]


def test_virtual_columns_that_come_later_are_named(database: Database, minutehand: Minutehand) -> None:
    watched_jobs(database)
    database.sql("alter table jobs add column twice numeric generated always as (revenue * 2) virtual")
    assert "jobs: its virtual generated columns are others now" in doctor(minutehand)
    database.call("automation_trigger_add", p_table="jobs")
    assert "virtual generated columns" not in doctor(minutehand)


def test_heartbeats_of_the_app_are_proposed_for_exclusion(database: Database, minutehand: Minutehand) -> None:
    watched_jobs(database, 2)
    database.sql("alter table jobs add column last_seen_at timestamptz, add column ip text")
    database.sql("update jobs set search = repeat('x', 2000)")
    database.sql(
        "do $$ begin for n in 1..300 loop update jobs set last_seen_at = now() + n * interval '1 s'; end loop; end $$"
    )
    database.sql("update jobs set ip = '10.0.0.1'")
    said = doctor(minutehand)
    assert "600 of the newest 5,000 changes changed only last_seen_at, and started nothing" in said
    assert "--exclude last_seen_at" in said
    database.call("automation_trigger_add", p_table="jobs", p_exclude=["last_seen_at"])
    before = len(events(database))
    database.sql("update jobs set last_seen_at = now()")
    assert len(events(database)) == before


def test_heartbeats_that_a_workflow_waits_for_are_not(database: Database, minutehand: Minutehand) -> None:
    watched_jobs(database)
    workflow(database, trigger_type="job_updated")
    database.sql("do $$ begin for n in 1..600 loop update jobs set title = n; end loop; end $$")
    assert "started nothing" not in doctor(minutehand)


def test_the_watch_command_repeats_every_setting(database: Database, minutehand: Any) -> None:
    database.sql("create table visits (id text primary key, owner text, status text, gone bool, client text)")
    options = ("--user", "owner", "--soft-delete", "gone", "--link", "payer=client:visits", "--exclude", "status")
    assert minutehand("trigger", "add", "visits", *options).returncode == 0
    database.sql('alter trigger "!minutehand_capture" on visits rename to minutehand_capture')
    said = doctor(minutehand)
    assert (
        "minutehand trigger add visits --id id --type visit --status status --tenant owner --exclude status"
        " --user owner --soft-delete gone --link payer=client:visits" in said
    )
