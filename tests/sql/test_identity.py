"""Only what is ours by owner, kind and oid is trusted (R17): a role's own objects of our names change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from minutehand.store.schema import functions
from tests.servers import Database, on_both_servers
from tests.sql.jobs import fired, move, notices, session, watched_jobs, workflow

pytestmark = on_both_servers

#: Reports whose rights it has when anybody calls it.
SPY = """
create function public.spy(value text default '') returns text language plpgsql volatile as
$$ begin raise warning 'spy runs as %', current_user; return value; end $$;
create function public.spy_trigger() returns trigger language plpgsql as
$$ begin raise warning 'spy runs as %', current_user; return null; end $$;
"""
NONSENSE = "'no json'"
CONFIG = """'{"id": "id", "type": "job", "status": "status", "tenant": "organization_id", "user": "user_id",
             "exclude": [], "links": {}, "writable": true}'"""
VIEW = """create {temporary} view {name} as select '1'::text as id, 'north'::text as organization_id,
          null::text as user_id, public.spy('done') as status, public.spy('{{}}') as name"""

#: What a role that may create objects makes, before and beside what is watched.
HOSTILE = {
    "a temporary table with a trigger of our name": f"""
        create temporary table jobs (id text, status text);
        create trigger minutehand_capture after insert or update on pg_temp.jobs
        for each row execute function public.spy_trigger({CONFIG})""",
    "a trigger of our name whose argument is not JSON": f"""
        create temporary table other (id text);
        create trigger minutehand_capture after insert on pg_temp.other
        for each row execute function public.spy_trigger({NONSENSE})""",
    "a table in public with a trigger of our name": f"""
        create table public.spied (id text, status text);
        create trigger minutehand_capture after insert or update on public.spied
        for each row execute function public.spy_trigger({CONFIG})""",
    "a temporary view with a trigger of our name": VIEW.format(temporary="temporary", name="jobs")
    + f""";
        create trigger minutehand_capture instead of update on pg_temp.jobs
        for each row execute function public.spy_trigger({CONFIG})""",
    "a view in public with a trigger of our name": VIEW.format(temporary="", name="public.spied")
    + f""";
        create trigger minutehand_capture instead of update on public.spied
        for each row execute function public.spy_trigger({CONFIG})""",
    "a view in the place of the table of statuses": VIEW.format(temporary="", name="public.job_statuses"),
    "a view in the place of the profiles": VIEW.format(temporary="", name="public.profiles"),
    "a schema cron with a view of jobs": "create schema cron; "
    "create view cron.job as select 1::bigint as jobid, public.spy('x') as jobname, '*'::text as schedule,"
    " public.spy('automation') as command, true as active",
    "a schema vault with a view of secrets": "create schema vault; "
    "create view vault.decrypted_secrets as select 'minutehand_direct_token'::text as name, public.spy('x')"
    " as decrypted_secret, gen_random_uuid() as id",
    "a schema net with a function that posts": """create schema net;
        create function net.http_post(text, jsonb, jsonb, jsonb, integer) returns bigint language sql as
        $$ select length(public.spy())::bigint $$""",
    "a function with our comment": """
        create function public.automation_spied() returns jsonb language sql as $$ select to_jsonb(public.spy()) $$;
        comment on function public.automation_spied is 'minutehand: ours'""",
}


@contextmanager
def hostile_role(database: Database) -> Iterator[Database]:
    """A session of a role that may create anything in public, schemas and temporary tables."""
    (names,) = database.sql("select 'spy_' || current_database() as role, current_database() as name")
    role, name = names["role"], names["name"]
    database.sql(f"create role {role}; grant create on schema public to {role}")
    database.sql(f"grant create, temporary on database {name} to {role}")
    try:
        with session(database) as theirs:
            theirs.sql(f"set role {role}")
            theirs.sql(SPY)
            yield theirs
    finally:
        database.sql(f"drop owned by {role} cascade; drop role {role}")


def read_everything(database: Database) -> dict[str, Any]:
    """Call all that looks at triggers, tables and functions; give what doctor and the list of tables say."""
    database.call("automation_tick", p_worker={"id": "w", "mode": "test", "host": "h", "version": "1"})
    claimed = database.call("automation_claim", p_limit=10, p_token="6f4d1a52-7d0e-4a0b-9d0e-000000000001")
    items = [{"id": row["id"], "token": "6f4d1a52-7d0e-4a0b-9d0e-000000000001"} for row in claimed["executions"]]
    context = database.call("automation_context", p_items=items)
    for function in ("automation_metrics", "automation_workflow_list", "automation_direct_status"):
        database.call(function)
    database.sql("select minutehand.my_organization()")
    return {
        "doctor": database.call("automation_doctor"),
        "tables": [row["table"] for row in database.call("automation_triggers")],
        "context": [(row["held"], row["row"]["status"]) for row in context],
    }


@pytest.mark.parametrize("objects", HOSTILE.values(), ids=HOSTILE)
def test_a_roles_own_objects_are_neither_called_nor_taken_for_ours(database: Database, objects: str) -> None:
    watched_jobs(database)
    workflow(database)
    with hostile_role(database) as theirs:
        theirs.sql(objects)
        with notices(database) as heard:
            move(database, "done")
            seen = read_everything(database)
        assert fired(database) == ["tell"]
    assert [line for line in heard if "spy" in line] == []
    assert seen["context"] == [(True, "done")]
    assert seen["tables"] == ["jobs"]
    assert [row["table"] for row in seen["doctor"]["triggers"]["watched"]] == ["public.jobs"]
    assert (seen["doctor"]["direct"]["status"]["pg_net"], seen["doctor"]["direct"]["status"]["vault"]) == (False, False)
    assert seen["doctor"]["functions"]["missing"] == []


def test_nobody_else_may_create_a_trigger_that_calls_our_function(database: Database) -> None:
    create = "create trigger t after insert on jobs for each row execute function public.automation_capture('{}')"
    with hostile_role(database) as theirs:
        theirs.sql("create temporary table jobs (id text, status text)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            theirs.sql(create)


@pytest.mark.parametrize(
    "function", ["automation_capture() returns trigger", "automation_claim(a integer) returns jsonb"]
)
def test_a_function_of_our_name_and_comment_with_another_owner_is_refused(database: Database, function: str) -> None:
    name = function.split("(")[0]
    database.sql(
        "do $$ declare f regprocedure; begin for f in select oid from pg_proc where proname = '"
        + name
        + "' loop execute format('drop function %s cascade', f); end loop; end $$"
    )
    with hostile_role(database) as theirs:
        theirs.sql(f"create function public.{function} language plpgsql as $$ begin return null; end $$")
        theirs.sql(f"comment on function public.{name} is 'minutehand: ours'")
        with pytest.raises(psycopg.errors.RaiseException, match=f"{name}.* exists, and Minutehand did not create it"):
            database.connection.execute(("set check_function_bodies = off;" + functions()).encode())


@pytest.mark.parametrize(
    ("table", "trigger", "function"),
    [
        ("automation_workflows", "minutehand_keep_version", "minutehand.keep_version()"),
        ("communication_logs", "minutehand_path_left", "minutehand.leave_app_path()"),
    ],
)
def test_a_trigger_of_our_name_on_our_table_is_replaced_by_ours(
    database: Database, table: str, trigger: str, function: str
) -> None:
    database.sql(SPY)
    database.sql(
        f"create or replace trigger {trigger} after insert on {table} for each row execute function spy_trigger()"
    )
    database.connection.execute(("set check_function_bodies = off;" + functions()).encode())
    (row,) = database.sql(
        "select tgfoid::regprocedure::text as function from pg_trigger where tgrelid = %s::regclass and tgname = %s",
        table,
        trigger,
    )
    assert row["function"] == function
