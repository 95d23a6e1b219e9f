"""`minutehand uninstall` removes what is ours, names what stays, and touches nothing of the app's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from minutehand.store import schema
from minutehand.store.errors import BadRequest, SchemaMismatch
from minutehand.store.uninstall import Removal, uninstall
from tests.adopted import old_app, own
from tests.servers import Database, on_both_servers

pytestmark = on_both_servers
JOBS = "create table jobs (id text primary key, organization_id uuid, status text)"
OURS = """
select c.oid::regclass::text as name from pg_class c where c.relnamespace = to_regnamespace('minutehand')
union all
select p.oid::regprocedure::text from pg_proc p
where p.pronamespace = to_regnamespace('minutehand') or obj_description(p.oid, 'pg_proc') like 'minutehand:%%'
union all
select tgname from pg_trigger where tgname ~ 'minutehand'
"""


def remove(database: Database, **more: Any) -> Removal:
    return asyncio.run(uninstall(database.url, **({"with_history": False} | more)))


def migrate(database: Database) -> None:
    asyncio.run(schema.migrate(database.url))


def watched(database: Database) -> Database:
    database.sql(JOBS)
    database.sql("insert into jobs values ('J-1', gen_random_uuid(), 'open')")
    database.call("automation_trigger_add", p_table="jobs")
    return database


def tables(database: Database) -> set[str]:
    return {
        row["name"]
        for row in database.sql(
            "select relname::text as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        )
    }


def update(database: Database) -> None:
    database.sql("update jobs set status = status || '!'")


def test_with_the_history_nothing_of_ours_is_left_and_the_app_works(database: Database) -> None:
    watched(database)
    removal = remove(database, with_history=True)
    assert (database.sql(OURS), tables(database), removal.left) == ([], {"jobs"}, [])
    assert ("schema", "minutehand") in removal.removed
    update(database)
    migrate(database)
    database.call("automation_trigger_add", p_table="jobs")
    update(database)
    assert database.one("select count(*) as n from automation_events")["n"] == 1


def test_without_it_the_history_stays_and_a_later_migrate_goes_on_with_it(database: Database) -> None:
    update(watched(database))
    before = database.sql("select id, entity_id from automation_events")
    removal = remove(database)
    assert database.sql(OURS) == []
    assert {"automation_events", "automation_execution_logs", "automation_opt_outs"} < tables(database)
    assert {"automation_workers", "automation_migrations"} & tables(database) == set()
    assert "drop table automation_events;" in {command for _, command in removal.left}
    update(database)
    migrate(database)
    assert database.sql("select id, entity_id from automation_events") == before
    assert database.sql("select table_name from minutehand.adopted") == []
    database.call("automation_trigger_add", p_table="jobs")
    update(database)
    assert database.one("select count(*) as n from automation_events")["n"] == 2
    remove(database, with_history=True)
    assert tables(database) == {"jobs"}


def test_a_dry_run_says_the_same_and_changes_nothing(database: Database) -> None:
    before = {row["name"] for row in watched(database).sql(OURS)}
    planned = remove(database, with_history=True, dry_run=True)
    assert {row["name"] for row in database.sql(OURS)} == before
    assert sorted(remove(database, with_history=True).removed) == sorted(planned.removed)


@pytest.mark.parametrize("with_history", [False, True])
def test_adopted_tables_stay_and_what_was_added_to_them_is_named(empty_database: Database, with_history: bool) -> None:
    database = empty_database
    old_app(database, logs=10)
    before = {name for name in own(database) if not name.startswith("function")}
    migrate(database)
    columns = database.sql("select table_name, columns from minutehand.adopted order by 1")
    removal = remove(database, with_history=with_history)
    assert database.one("select count(*) as n from automation_execution_logs")["n"] == 10
    assert set(own(database)) >= before
    assert any("lease_token" in what and "drop column lease_token" in command for what, command in removal.left)
    assert any("communication_logs_status_check" in what for what, _ in removal.left)
    migrate(database)
    assert database.sql("select table_name, columns from minutehand.adopted order by 1") == columns


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("create view app_view as select id from automation_workers", "view app_view"),
        ("create view app_view as select minutehand.fold_case('A') as a", "view app_view"),
        ("create view app_view as select automation_schema_version() as v", "view app_view"),
        ("create trigger mine after update on jobs for each row execute function automation_capture()", "trigger mine"),
        ("create table minutehand.app_table (id int)", "app_table"),
        ("create index app_index on jobs (minutehand.fold_case(status))", "app_index"),
    ],
)
def test_what_the_app_built_on_ours_is_refused_by_name_and_nothing_changes(
    database: Database, statement: str, name: str
) -> None:
    watched(database)
    database.sql(statement)
    before = database.sql(OURS)
    with pytest.raises(BadRequest, match=name):
        remove(database)
    assert database.sql(OURS) == before


def test_what_only_looks_like_ours_stays(database: Database) -> None:
    watched(database)
    database.sql("create function automation_capture_mine() returns int language sql as 'select 1'")
    database.sql("create function minutehand_capture() returns trigger language plpgsql as 'begin return new; end'")
    database.sql(
        "create trigger minutehand_mine before update on jobs for each row execute function minutehand_capture()"
    )
    database.sql("create table automation_own_list (id int)")
    remove(database, with_history=True)
    assert tables(database) == {"jobs", "automation_own_list"}
    assert [row["name"] for row in database.sql(OURS)] == ["minutehand_mine"]
    assert database.one("select automation_capture_mine() as n")["n"] == 1
    update(database)


def test_without_minutehand_there_is_nothing_to_remove(empty_database: Database) -> None:
    with pytest.raises(SchemaMismatch, match="not installed"):
        remove(empty_database)


def test_pg_crons_jobs_and_the_secret_go_and_the_apps_stay(database: Database) -> None:
    for statement in (
        "create schema cron",
        "create schema vault",
        "create table cron.job (jobid bigserial, command text, jobname text, active bool default true, schedule text,"
        " database text default current_database())",
        "create function cron.unschedule(id bigint) returns boolean language sql as"
        " 'delete from cron.job where jobid = id returning true'",
        "create table vault.secrets (id uuid, name text)",
        "insert into vault.secrets (name) values ('minutehand_direct_token'), ('minutehand_mine')",
    ):
        database.sql(statement)
    commands = {
        "select public.automation_direct_sweep(p_limit => 10)": "gone",
        ' SELECT "public" . automation_prune (p_keep_seconds => 90 * 86400)\n;': "gone",
        "select * from automation_prune(7776000)": "gone",
        "select app.automation_prune(7776000)": "stays",
        "select send_automations()": "stays",
        "update automation_workflows set is_active = false": "stays",
        "select automation_prune(7776000); delete from jobs": "told",
        "select automation_prune(7776000), clean_up()": "told",
        "select automation_prune(keep())": "told",
    }
    for command in commands:
        database.sql("insert into cron.job (jobname, command) values (%s, %s)", command, command)
    removal = remove(database)
    left = {row["jobname"] for row in database.sql("select jobname from cron.job")}
    assert left == {command for command, fate in commands.items() if fate != "gone"}
    told = {command for command in commands if any(f'"{command}"' in what for what, _ in removal.left)}
    assert told == {command for command, fate in commands.items() if fate == "told"}
    assert [row["name"] for row in database.sql("select name from vault.secrets")] == ["minutehand_mine"]
