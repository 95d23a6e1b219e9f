"""Adopting an app's own tables: every row, column, policy and constraint stays, and what is done is told first (R3)."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import psycopg
import pytest

from store import schema
from store.adoption import Step
from store.errors import Conflict, StoreError
from tests.adopted import TABLES, WORDS, old_app
from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import session

pytestmark = on_both_servers

#: All that the app's tables have, but their rows: what stands here before must stand here afterwards.
OWN = """
with own as (select * from pg_class where relnamespace = 'public'::regnamespace and relname = any (%s))
select 'table' as kind, relname::text as name,
       jsonb_build_array(relrowsecurity, relforcerowsecurity, relacl::text) as what
from own
union all
select 'column', relname || '.' || attname, jsonb_build_array(attnum, format_type(atttypid, atttypmod), attnotnull,
       pg_get_expr(adbin, adrelid))
from own join pg_attribute a on a.attrelid = own.oid and attnum > 0
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
union all
select 'constraint', relname || '.' || conname, jsonb_build_array(pg_get_constraintdef(k.oid), convalidated)
from own join pg_constraint k on conrelid = own.oid
union all
select 'policy', relname || '.' || polname, jsonb_build_array(polcmd, polroles::text, pg_get_expr(polqual, polrelid))
from own join pg_policy on polrelid = own.oid
union all
select 'trigger', relname || '.' || tgname, jsonb_build_array(pg_get_triggerdef(t.oid), tgenabled)
from own join pg_trigger t on tgrelid = own.oid where not tgisinternal
union all
select 'index', relname || '.' || indexrelid::regclass, jsonb_build_array(pg_get_indexdef(indexrelid))
from own join pg_index on indrelid = own.oid
"""
CHANGED = {
    "constraint communication_logs.communication_logs_status_check",
    "constraint communication_logs.communication_logs_type_check",
    # The one default that a column of the app's gets: for new rows.
    "column automation_workflows.settings",
}


def own(database: Database) -> dict[str, str]:
    rows = database.sql(OWN, list(TABLES))
    return {f"{row['kind']} {row['name']}": json.dumps(row["what"]) for row in rows}


def contents(database: Database, columns: dict[str, list[str]]) -> dict[str, Any]:
    """A digest of each table's rows, in the columns that it had."""
    digest = "select count(*) as n, md5(string_agg(t::text, '' order by t::text)) as all from (select {} from {}) t"
    return {name: database.one(digest.format(", ".join(columns[name]), name)) for name in TABLES}


def columns_of(database: Database) -> dict[str, list[str]]:
    query = (
        "select attname::text as name from pg_attribute where attrelid = %s::regclass and attnum > 0 order by attnum"
    )
    return {table: [row["name"] for row in database.sql(query, table)] for table in TABLES}


def migrate(database: Database, **more: Any) -> schema.Report:
    return asyncio.run(schema.migrate(database.url, **more))


def script(database: Database) -> None:
    database.connection.execute(schema.script().encode())


on_both_roads = pytest.mark.parametrize("road", [migrate, script], ids=["migrate", "script"])


@on_both_roads
def test_everything_of_the_apps_stays_as_it_was(empty_database: Database, road: Any) -> None:
    database = empty_database
    old_app(database, logs=100_000)
    columns, before = columns_of(database), own(database)
    rows = contents(database, columns)
    road(database)
    assert contents(database, columns) == rows
    after = own(database)
    assert {name for name in before if after.get(name) != before[name]} == CHANGED
    words = database.sql("select distinct status from automation_execution_logs")
    assert {row["status"] for row in words} == set(WORDS)
    new = database.one("select * from automation_execution_logs limit 1")
    assert {new[name] for name in ("attempt", "lost_leases", "entity_id", "code")} == {None}, "an old row looks old"


@on_both_roads
def test_a_check_that_is_too_narrow_takes_the_old_words_and_ours(empty_database: Database, road: Any) -> None:
    old_app(empty_database, logs=100)
    empty_database.sql("alter table automation_execution_logs drop constraint automation_execution_logs_status_check")
    # As it first was; later words were only written where it did not apply.
    empty_database.sql(
        "alter table automation_execution_logs add constraint automation_execution_logs_status_check"
        " check (status in ('pending', 'running', 'completed', 'failed')) not valid"
    )
    road(empty_database)
    write = "insert into automation_execution_logs (trigger_type, status) values ('x', %s)"
    for word in ("pending", "running", "processing", "completed", "failed", "skipped", "cancelled"):
        empty_database.sql(write, word)
    with pytest.raises(psycopg.errors.CheckViolation):
        empty_database.sql(write, "expired")
    said = own(empty_database)["constraint automation_execution_logs.automation_execution_logs_status_check"]
    assert "NOT VALID" in said, "its old rows were not checked before, and are not now"
    before = own(empty_database)
    road(empty_database)
    assert own(empty_database) == before


def test_what_is_done_is_told_first_and_is_all_that_is_done(empty_database: Database) -> None:
    old_app(empty_database, logs=1000)
    empty_database.sql("analyze")
    told: list[Step] = []
    before = own(empty_database)
    migrate(empty_database, tell=told.extend, dry_run=True)
    assert own(empty_database) == before
    assert empty_database.one("select to_regnamespace('minutehand')::text as name")["name"] is None
    dry, told[:] = list(told), []
    migrate(empty_database, tell=told.extend)
    assert told == dry
    after = own(empty_database)
    done = {name.rpartition(".")[2] for name in after if after[name] != before.get(name)}
    assert done == {name for step in told for name in step.names}
    assert {(step.table, step.rows) for step in told} == {
        ("automation_execution_logs", 1000),
        ("automation_workflows", 1),
        ("communication_logs", 100),
    }
    assert all(step.lock for step in told)
    told.clear()
    migrate(empty_database, tell=told.extend)
    assert told == []


def test_a_new_database_has_nothing_to_tell(empty_database: Database) -> None:
    told: list[Step] = []
    migrate(empty_database, tell=told.extend)
    assert told == []


def test_both_roads_adopt_alike_and_twice_changes_nothing(empty_database: Database) -> None:
    found = []
    for road in (migrate, script):
        empty_database.sql(
            "drop schema public cascade; drop schema if exists minutehand, auth cascade; create schema public"
        )
        old_app(empty_database)
        road(empty_database)
        found.append(own(empty_database))
        migrate(empty_database)
        script(empty_database)
        found.append(own(empty_database))
    assert all(one == found[0] for one in found)


def test_a_table_with_only_the_plans_columns_is_adopted(empty_database: Database) -> None:
    empty_database.sql(
        """
        create table automation_workflows (id uuid primary key, user_id text, organization_id text, name text,
          trigger_type text, trigger_config jsonb, steps jsonb, created_at timestamptz);
        create table automation_execution_logs (id uuid primary key default gen_random_uuid(), workflow_id uuid,
          trigger_type text, status text, trigger_data jsonb, created_at timestamptz);
        create table communication_logs (id bigint generated always as identity, status text);
        """
    )
    migrate(empty_database)
    assert empty_database.call("automation_claim", p_token="00000000-0000-4000-8000-000000000000")["executions"] == []
    assert empty_database.call("automation_metrics")["due"] == 0


# --- refused ----------------------------------------------------------------------------------------------------------

REFUSED = {
    "alter table automation_workflows alter id drop default, alter id type text": r"workflows\.id is text, where uuid",
    "alter table automation_execution_logs alter id type text": r"logs\.id is text, where uuid is needed",
    "alter table automation_execution_logs alter id drop default": r"logs\.id has no default",
    "alter table automation_execution_logs rename trigger_data to payload": r"logs has no trigger_data",
    "alter table automation_execution_logs alter created_at type timestamp": r"created_at is timestamp without",
    "alter table automation_execution_logs alter trigger_data type text": r"trigger_data is text, where json",
    "alter table automation_execution_logs add attempt text": r"attempt is text, where integer is needed",
    "alter table communication_logs add execution_id text": r"execution_id is text, where uuid is needed",
    "create table automation_events (id uuid primary key, payload json)": r"automation_events has no .*dedupe_key",
    "create view automation_control as select 1 as scope": r"automation_control is no ordinary table",
    "create table automation_migrations (version text)": r"automation_migrations has no applied_at, checksum, name",
    "alter table automation_execution_logs drop constraint automation_execution_logs_status_check;"
    "create type log_status as enum ('pending', 'done');"
    "alter table automation_execution_logs alter status type log_status using 'done'": r"status is log_status, where",
    "alter table communication_logs drop constraint communication_logs_status_check;"
    "alter table communication_logs alter status type varchar(8)": r"cannot hold the word uncertain",
    "create domain word as text check (value in ('pending', 'sent', 'failed', 'delivered'));"
    "alter table communication_logs alter status type word": r"status is word, which cannot hold the word reserved",
}


@on_both_roads
@pytest.mark.parametrize("change", REFUSED)
def test_what_cannot_be_adopted_is_refused_by_name_and_nothing_changes(
    empty_database: Database, road: Any, change: str
) -> None:
    old_app(empty_database, logs=20)
    empty_database.sql(
        "alter table automation_execution_logs drop constraint automation_execution_logs_workflow_id_fkey"
    )
    empty_database.sql(change)
    before = own(empty_database)
    with pytest.raises((StoreError, psycopg.Error), match=f"cannot migrate: .*{REFUSED[change]}") as refusal:
        road(empty_database)
    if road is migrate:
        assert "nothing was changed" in str(refusal.value)
    assert own(empty_database) == before
    assert empty_database.one("select to_regnamespace('minutehand')::text as name")["name"] is None


def test_all_that_is_wrong_is_told_at_once(empty_database: Database) -> None:
    empty_database.sql("create table automation_workers (shift text); create table communication_logs (id int)")
    with pytest.raises(StoreError, match=r"automation_workers has no .*communication_logs has no status"):
        migrate(empty_database)


def test_another_roles_table_is_refused_with_the_role(empty_database: Database) -> None:
    old_app(empty_database)
    names = {"me": "me_" + empty_database.connection.info.dbname, "it": empty_database.connection.info.dbname}
    empty_database.sql(
        "create role {me} login nosuperuser; grant create, temporary on database {it} to {me}".format(**names)
    )
    empty_database.sql("grant all on schema public to {me}".format(**names))
    try:
        with pytest.raises(
            StoreError, match="automation_workflows belongs to the role postgres: run migrate as that role"
        ):
            asyncio.run(schema.migrate(empty_database.url.replace("//postgres@", "//{me}@".format(**names))))
    finally:
        empty_database.sql("drop owned by {me}; drop role {me}".format(**names))


# --- half applied -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("adopting", [True, False], ids=["adopted", "new"])
def test_a_migration_that_stopped_anywhere_is_completed(empty_database: Database, adopting: bool) -> None:
    """As by `psql -f` without a transaction, which was interrupted; then `migrate`."""
    statements = _statements(schema.script())
    begun = [number for number, text in enumerate(statements) if re.match(r"\s*(--[^\n]*\s+)*(create|alter) ", text)]
    wanted = None
    for stop in [len(statements), *begun[1:40:3]]:
        empty_database.sql(
            "drop schema public cascade; drop schema if exists minutehand, auth cascade; create schema public"
        )
        if adopting:
            old_app(empty_database, logs=20)
        for statement in statements[:stop]:
            empty_database.connection.execute(statement.encode())
        empty_database.sql("reset check_function_bodies")
        migrate(empty_database)
        found = (
            own(empty_database),
            empty_database.sql("select table_name from minutehand.adopted order by 1"),
            empty_database.sql("select relname from pg_class where relrowsecurity order by 1"),
        )
        wanted = wanted or found
        assert found == wanted, f"stopped before {statements[stop][:200]}"


def test_a_recorded_migration_whose_table_is_gone_is_refused_and_says_how_to_go_on(empty_database: Database) -> None:
    migrate(empty_database)
    empty_database.sql("drop table automation_opt_outs; alter table automation_execution_logs drop column reason")
    with pytest.raises(StoreError, match=r"0001_tables is recorded.* has no reason.*automation_opt_outs is missing"):
        migrate(empty_database)
    empty_database.sql("delete from automation_migrations where name = '0001_tables'")
    assert migrate(empty_database).applied == ["0001_tables"]


def test_a_table_in_use_is_waited_for_a_while_and_nothing_changes(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_LOCK_TIMEOUT", "100ms")
    old_app(empty_database)
    before = own(empty_database)
    with session(empty_database) as app:
        app.sql("begin")
        app.sql("select * from automation_execution_logs")
        with pytest.raises(Conflict, match=r"in use .* nothing was changed"):
            migrate(empty_database)
        app.sql("commit")
    assert own(empty_database) == before


def test_two_at_once_adopt_once(empty_database: Database) -> None:
    old_app(empty_database, logs=100)

    async def both() -> list[schema.Report]:
        return await asyncio.gather(*[schema.migrate(empty_database.url) for _ in range(3)])

    assert sorted(len(report.applied) for report in asyncio.run(both())) == [0, 0, len(schema.migrations())]


def test_what_was_installed_is_written_down(empty_database: Database) -> None:
    migrate(empty_database)
    empty_database.sql("insert into minutehand.installed values ('minutehand.gone()', 'x')")
    script(empty_database)
    query = """
        select count(*) as n, count(*) filter (where to_regprocedure(signature) is null) as unknown,
               count(*) filter (where source_md5 <> (
                 select md5(prosrc) from pg_proc where oid = to_regprocedure(signature))) as others
        from minutehand.installed
    """
    found = empty_database.one(query)
    assert found["n"] > 100
    assert (found["unknown"], found["others"]) == (0, 0)


def _statements(text: str) -> list[str]:
    """Cut a script as psql does: at semicolons outside of quotes, bodies and comments."""
    pattern = re.compile(r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'|--[^\n]*|;|[^$'\-;]+|.", re.DOTALL)
    found, current = [], ""
    for match in pattern.finditer(text):
        current += match[0]
        if match[0] == ";":
            found.append(current)
            current = ""
    return [*found, current]
