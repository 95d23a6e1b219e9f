"""An upgrade of schema 7, from dumps of such databases: one of its own, and one with an app's adopted tables."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from minutehand.store import schema
from minutehand.store.adoption import Step
from minutehand.store.errors import SchemaMismatch
from tests.adopted import old_app, own
from tests.journeys.app import TABLES
from tests.schema.catalog import catalog, script
from tests.servers import Database, on_both_servers

pytestmark = on_both_servers
DUMPS = Path(__file__).parent / "dumps"
#: Tables, and columns of automation_incidents, that have a new name.
RENAMED_TABLES = {
    "minutehand.judged": "minutehand.alert_state",
    "minutehand.beats": "minutehand.tick_log",
    "minutehand.resumed": "minutehand.breaker_resets",
}
RENAMED_COLUMNS = {
    "told": "notified",
    "told_at": "notified_at",
    "telling": "notifier",
    "telling_until": "notifier_until",
}
#: Functions of schema 7 that have another name now, or none.
GONE = """judged, troubles, judge, to_tell, remember, remember_end, hint, in_turn, line_key, line_keys, lines,
lock_lines, promote, hold_line, subject, meets, named_ids, workflow_card, automation_story, automation_preview,
automation_alerts_take, automation_alerts_told""".replace("\n", " ").split(", ")

#: A schema `public` that was created again has other grants; pg_dump writes this CHECK of the app's with other casts.
#: A trigger of schema 7 does not list the columns that it needs (minutehand.needed_columns): `trigger add` does.
NOT_COMPARED = {
    "schema public",
    "constraint communication_logs.communication_logs_type_check",
    "trigger jobs.minutehand_capture",
    "trigger jobs.!minutehand_capture",
}


def restore(database: Database, dump: str) -> None:
    """Load a dump, as psql does."""
    database.connection.execute((DUMPS / dump).read_bytes())
    database.sql("reset all")


def migrate(database: Database, **more: Any) -> schema.Report:
    return asyncio.run(schema.migrate(database.url, **more))


#: Columns that schema 7 did not have.
NEW_COLUMNS = {
    ("minutehand.adopted", "columns"),
    ("minutehand.backlog", "begun"),
    ("automation_events", "cut_columns"),
    ("automation_events", "missing_columns"),
    ("automation_execution_logs", "deferred_since"),
    ("automation_workflow_versions", "is_insert"),
    ("automation_workflow_versions", "deleted_at"),
    ("automation_workers", "batch_size"),
    ("automation_workers", "tick_seconds"),
    ("automation_workers", "problems"),
    ("automation_workers", "serves"),
    ("communication_logs", "refused_recipients"),
    ("automation_control", "ends_at"),
}
#: Tables of ours that get new columns: apps have none of these names.
OURS = ("automation_control", "automation_events", "automation_workers", "automation_workflow_versions")


def contents(database: Database) -> dict[str, list[dict[str, Any]]]:
    """The rows of each table, by names as they are now; without what a migration writes down about itself."""
    tables = database.sql(
        "select c.oid::regclass::text as name from pg_class c where relkind = 'r'"
        " and relnamespace in ('public'::regnamespace, 'minutehand'::regnamespace) order by 1"
    )
    found = {}
    for name in {row["name"] for row in tables} - {
        "automation_migrations",
        "minutehand.installed",
        "minutehand.verdicts",
        "minutehand.webhook_signing",
        "minutehand.direct_calls",
        "minutehand.slow_downs",
        "minutehand.hourly_volume",
        "minutehand.volume_state",
        "minutehand.floods",
        "minutehand.tenant_turns",
        "minutehand.zones",
        "minutehand.schedules",
        "minutehand.schedule_walks",
        "minutehand.date_scans",
    }:
        rows = [row["row"] for row in database.sql(f"select to_jsonb(t) as row from {name} t")]
        if name == "automation_incidents":
            rows = [{RENAMED_COLUMNS.get(key, key): value for key, value in row.items()} for row in rows]
        rows = [{key: value for key, value in row.items() if (name, key) not in NEW_COLUMNS} for row in rows]
        found[RENAMED_TABLES.get(name, name)] = sorted(rows, key=str)
    return found


@pytest.mark.parametrize("backend", [migrate, script], ids=["migrate", "script"])
@pytest.mark.parametrize("dump", ["schema7_own_tables.sql", "schema7_adopted_tables.sql"], ids=["own", "adopted"])
def test_schema_7_becomes_the_schema_of_a_new_database_and_keeps_every_row(
    empty_database: Database, backend: Any, dump: str
) -> None:
    database = empty_database
    if adopted := "adopted" in dump:
        old_app(database)
    else:
        database.sql(TABLES)
    migrate(database)
    links = {"client_id": "clients"} if adopted else {}
    database.call("automation_trigger_add", p_table="jobs", p_links=links)
    expected = catalog(database), own(database)
    database.sql("drop schema public, minutehand cascade; drop schema if exists auth cascade; create schema public")

    restore(database, dump)
    before = contents(database)
    empty = set() if adopted else {"minutehand.adopted", "minutehand.backlog"}
    assert {name for name, rows in before.items() if not rows} == empty
    backend(database)
    new = (
        *("automation_audit", "automation_bulk_actions", "automation_tenants"),
        *("minutehand.database_identity", "minutehand.planned_pauses", "minutehand.zone_source"),
    )
    assert contents(database) == before | {name: [] for name in new}
    assert difference(catalog(database), expected[0]) == {}
    assert difference(own(database), expected[1]) == {}
    recorded = database.sql("select name, checksum from automation_migrations")
    assert [(row["name"], row["checksum"]) for row in recorded] == [
        (path.stem, schema.checksum(path)) for path in schema.migrations()
    ]
    assert migrate(database).applied == []
    check_work(database)


def difference(one: dict[str, str], other: dict[str, str]) -> dict[str, Any]:
    """What two catalogs do not have in common."""
    names = {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}
    return {name: (one.get(name), other.get(name)) for name in names - NOT_COMPARED}


def check_work(database: Database) -> None:
    """The functions go on with what the dump holds: a pending execution, a failed one's history, an incident."""
    names = {row["name"] for row in database.sql("select proname as name from pg_proc")}
    assert names & set(GONE) == set()
    while database.call("automation_tick", p_hold_seconds=86_400)["holding"]:
        pass
    token = "00000000-0000-4000-8000-000000000001"
    claim = database.call("automation_claim", p_token=token, p_worker="w")
    assert claim["executions"]
    outcomes = [{"id": claimed["id"], "token": token, "ended": "done"} for claimed in claim["executions"]]
    answers = database.call("automation_settle", p_outcomes=outcomes)
    assert {(answer["answer"], answer["status"]) for answer in answers} == {("settled", "completed")}
    failed = database.one("select id::text from automation_execution_logs where code = 'refused'")
    detail = database.call("automation_execution_detail", p_id=failed["id"])
    assert [episode["what"] for episode in detail["attempt_history"]] == ["retry", "retry", "ended"]
    incidents = {row["kind"]: row for row in database.call("automation_incidents", p_all=True)}
    assert incidents["failures"]["notified"] == "opened"
    assert incidents["breaker"]["notified"] is None
    due = database.call("automation_alerts_claim", p_token=token, p_now="2030-01-01")
    assert "breaker" in {incident["kind"] for incident in due}
    assert database.call("automation_doctor")["schema"]["missing"] == []


@pytest.mark.parametrize("dump", ["schema7_own_tables.sql", "schema7_adopted_tables.sql"], ids=["own", "adopted"])
def test_an_upgrade_rewrites_nothing_and_builds_only_the_new_indexes_where_an_app_has_the_table(
    empty_database: Database, dump: str
) -> None:
    restore(empty_database, dump)
    steps: list[Step] = []
    report = migrate(empty_database, tell=steps.extend, dry_run=True)
    assert report.applied == ["0008_schema"]
    others = [step for step in steps if not step.table.endswith(OURS)]
    added = {(step.table, *step.names) for step in others if step.what == "add the columns"}
    assert added == {
        ("automation_execution_logs", "deferred_since"),
        ("communication_logs", "refused_recipients"),
    }, "nullable, without a default"
    assert {step.what for step in others} == {
        "add the columns",
        "add the triggers",
        "build the indexes",
        "set the default, for new rows, of",
    }
    built = {(step.table, *step.names) for step in others if step.what == "build the indexes"}
    assert built == {
        ("automation_execution_logs", "automation_execution_logs_due", "automation_execution_logs_waits"),
        ("communication_logs", "communication_logs_address", "communication_logs_addresses"),
    }, "those that schema 7 did not have"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("update automation_migrations set checksum = 'x' where name = '0004_alerts'", "0004_alerts was edited"),
        ("update automation_migrations set name = '0004_other' where name = '0004_alerts'", "0004_other"),
    ],
)
def test_an_upgrade_refuses_another_schema_7(empty_database: Database, change: str, message: str) -> None:
    restore(empty_database, "schema7_own_tables.sql")
    empty_database.sql(change)
    before = catalog(empty_database)
    with pytest.raises(SchemaMismatch, match=re.escape(message)):
        migrate(empty_database)
    assert catalog(empty_database) == before


def test_a_function_that_the_app_uses_is_not_dropped(empty_database: Database) -> None:
    restore(empty_database, "schema7_own_tables.sql")
    empty_database.sql(
        "create view figures as select public.automation_triggers(), t.* from minutehand.troubles(0.2, '1 h', now()) t"
    )
    migrate(empty_database)
    names = {row["name"] for row in empty_database.sql("select proname as name from pg_proc")}
    assert names & {*GONE, "automation_triggers"} == {"troubles", "automation_triggers"}
    assert [table["table"] for table in empty_database.call("automation_triggers")] == ["jobs"]
