"""The shape of every function, and who may call it (R2)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from minutehand.store import schema
from tests.schema.catalog import script
from tests.servers import Database, on_both_servers
from tests.sql.doctor import levels

pytestmark = on_both_servers

PUBLIC = """
select p.proname as name, p.oid::regprocedure::text as signature, p.oid, p.prosecdef, p.proconfig, p.proargnames,
       p.prorettype::regtype::text as returns, p.proretset, p.prorettype = 'trigger'::regtype as is_trigger,
       coalesce(obj_description(p.oid, 'pg_proc'), '') as comment, p.pronargs, p.proargmodes
from pg_proc p
where p.pronamespace = 'public'::regnamespace
  and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
order by 1
"""


def migrate(url: str) -> schema.Report:
    return asyncio.run(schema.migrate(url))


def test_every_public_function_has_the_one_shape(database: Database) -> None:
    functions = database.sql(PUBLIC)
    names = [function["name"] for function in functions]
    assert len(names) == len(set(names)), "no overloads"
    files = {path.stem for path in (schema.sql_root() / "functions").glob("*.sql")}
    files.discard("handle_job_automation_triggers_direct")  # made by `direct on` alone
    assert set(names) == files, "one public function a file, and each in its own"
    for function in functions:
        signature = function["signature"]
        assert function["comment"].startswith("minutehand: "), signature
        assert function["prosecdef"], signature
        # A trigger function's is not empty: it would cost each row of a bulk UPDATE; nor is anyone's schema on it.
        paths = ['search_path=""', "search_path=pg_catalog, pg_temp"] if function["is_trigger"] else ['search_path=""']
        assert set(paths) & set(function["proconfig"]), signature
        if function["is_trigger"] or signature.startswith("check_automation_rate_limit(text,uuid,text)"):
            continue
        assert signature.startswith("automation_"), signature
        assert (function["returns"], function["proretset"]) == ("jsonb", False), signature
        assert all(name.startswith("p_") for name in function["proargnames"] or []), signature
        assert function["proargmodes"] is None, signature


def test_a_function_that_needs_the_time_can_be_given_it(database: Database) -> None:
    query = """
        select proname, prosrc, pg_get_function_arguments(oid) as said
        from pg_proc where pronamespace = 'public'::regnamespace
    """
    exempt = ("automation_capture", "check_automation_rate_limit")
    for function in database.sql(query):
        if "now()" in function["prosrc"] and function["proname"] not in exempt:
            assert "p_now timestamp with time zone DEFAULT NULL" in function["said"], function["proname"]


def test_every_function_has_a_search_path_or_names_what_it_reads_in_full(database: Database) -> None:
    """A body that reads names by the caller's search_path could be led to another's table.

    Our helpers are callable by nobody but the owner, through functions whose search_path is empty.
    """
    query = """
        select p.oid::regprocedure::text as signature, p.prosecdef, p.prosrc,
               coalesce(p.proconfig::text, '') like '%search_path%' as has_path
        from pg_proc p
        where p.pronamespace = 'minutehand'::regnamespace
    """
    for function in database.sql(query):
        signature = function["signature"]
        assert not function["prosecdef"] or function["has_path"], signature
        if not function["has_path"]:
            named = re.findall(r"\b(?:from|join|into|update)\s+(automation_\w+|communication_logs)", function["prosrc"])
            assert named == [], f"{signature} names a table without its schema"


@pytest.fixture
def roles(empty_database: Database) -> Iterator[Database]:
    """An empty database beside Supabase's roles, with Supabase's default privileges: all for everyone."""
    names = ("anon", "authenticated", "service_role")
    for role in names:
        empty_database.sql(f"create role {role} nologin")
    empty_database.sql("grant usage on schema public to anon, authenticated, service_role")
    for kind in ("functions", "tables", "sequences"):
        empty_database.sql(f"alter default privileges in schema public grant all on {kind} to {', '.join(names)}")
    try:
        yield empty_database
    finally:
        empty_database.connection.rollback()
        for role in names:
            empty_database.sql("reset role")
            empty_database.sql(f"drop owned by {role}")
            empty_database.sql(f"drop role {role}")


@pytest.mark.parametrize("backend", [lambda database: migrate(database.url), script], ids=["migrate", "script"])
def test_only_the_service_role_may_call(roles: Database, backend: Any) -> None:
    backend(roles)
    for function in roles.sql(PUBLIC):
        for role, may in (("anon", False), ("authenticated", False), ("service_role", not function["is_trigger"])):
            query = "select has_function_privilege(%s::text, %s::oid, 'execute') as may"
            if role == "service_role" and function["is_trigger"]:
                continue  # a trigger function cannot be called
            assert roles.one(query, role, function["oid"])["may"] == may, (role, function["signature"])
        acl = roles.one("select proacl::text as acl from pg_proc where oid = %s", function["oid"])["acl"]
        assert acl is not None
        assert not re.search(r"[{,]=", acl), f"{function['signature']} is open to public: {acl}"


def test_public_may_call_nothing_where_there_are_no_roles(database: Database) -> None:
    for function in database.sql(PUBLIC):
        acl = database.one("select proacl::text as acl from pg_proc where oid = %s", function["oid"])["acl"]
        assert acl is not None
        assert not re.search(r"[{,]=", acl), function["signature"]


def test_the_service_role_works_and_the_others_are_kept_out(roles: Database) -> None:
    migrate(roles.url)
    roles.sql("set role service_role")
    assert roles.call("automation_tick")["due"] == 0
    roles.sql("reset role")
    roles.sql("insert into automation_workflows (name, user_id) values ('mine', 'user-1')")
    for role in ("anon", "authenticated"):
        roles.sql(f"set role {role}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            roles.call("automation_tick")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            roles.sql("select minutehand.clock()")
        for table in ("automation_events", "automation_control", "automation_migrations"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                roles.sql(f"select * from {table}")
        roles.sql("reset role")


def signed_in(database: Database, **claims: object) -> list[list[str]]:
    """What each table shows to whom the API has let in with these claims."""
    tables = ("automation_workflows", "automation_execution_logs", "communication_logs")
    with database.connection.transaction():
        database.sql("select set_config('request.jwt.claims', %s, true)", json.dumps(claims))
        database.sql("set local role authenticated")
        return [[row["id"][-1] for row in database.sql(f"select id::text from {table} order by 1")] for table in tables]


def test_a_user_reads_the_own_tenants_rows_and_no_others(roles: Database) -> None:
    migrate(roles.url)
    owners = ((1, "north", "ann"), (2, "south", "ann"), (3, None, "ann"), (4, None, "bea"), (5, None, None))
    for number, organization, user in owners:
        for table, columns, values in (
            ("automation_workflows", ", name", ", 'mine'"),
            ("automation_execution_logs", "", ""),
            ("communication_logs", ", status", ", 'sent'"),
        ):
            roles.sql(
                f"insert into {table} (id, organization_id, user_id{columns}) values (%s, %s, %s{values})",
                f"00000000-0000-4000-8000-{number:012}", organization, user,
            )  # fmt: skip
    assert signed_in(roles, sub="ann") == [["3"]] * 3
    assert signed_in(roles, sub="ann", app_metadata={"organization_id": "north"}) == [["1", "3"]] * 3
    assert signed_in(roles, sub="ann", user_metadata={"organization_id": "north"}) == [["3"]] * 3, "anyone writes that"
    assert signed_in(roles) == signed_in(roles, sub="none") == [[]] * 3
    roles.sql("create table profiles (id text, user_id text, organization_id text)")
    roles.sql("insert into profiles values ('bea', 'ann', 'south')")
    assert signed_in(roles, sub="ann") == [["2", "3"]] * 3
    assert signed_in(roles, sub="bea") == [["4"]] * 3, "user_id says whose profile it is, where there is one"


def test_what_a_team_grants_its_users_stays(roles: Database) -> None:
    migrate(roles.url)
    roles.sql("grant insert on automation_workflows to authenticated")
    roles.sql("revoke select on communication_logs from authenticated")
    migrate(roles.url)
    may = "select has_table_privilege('authenticated', %s::text, %s) as may"
    assert roles.one(may, "automation_workflows", "insert")["may"]
    assert not roles.one(may, "communication_logs", "select")["may"]
    assert not roles.one(may, "automation_execution_logs", "insert, update, delete, truncate")["may"]


def test_a_later_upgrade_closes_what_was_opened(roles: Database) -> None:
    migrate(roles.url)
    roles.sql("grant execute on function automation_schema_version() to anon, public")
    migrate(roles.url)
    query = "select has_function_privilege('anon', 'automation_schema_version()', 'execute') as may"
    assert not roles.one(query)["may"]


@pytest.mark.parametrize(
    ("statements", "level"),
    [
        ("", "ok"),
        ("grant update on profiles to authenticated", "fail"),
        ("grant update (name) on profiles to authenticated", "ok"),
        ("grant update (organization_id) on profiles to authenticated", "fail"),
        ("grant insert on profiles to authenticated", "fail"),
        ("alter table profiles enable row level security; grant update on profiles to authenticated", "ok"),
        (
            "alter table profiles enable row level security; grant update on profiles to authenticated;"
            " create policy own on profiles for update using (id = current_user)",
            "fail",
        ),
        (
            "alter table profiles enable row level security; grant update on profiles to authenticated;"
            " create policy own on profiles for select using (id = current_user)",
            "ok",
        ),
    ],
)
def test_doctor_fails_where_users_may_choose_their_organisation(roles: Database, statements: str, level: str) -> None:
    roles.sql("create table profiles (id text primary key, organization_id text, name text)")
    roles.sql("revoke all on profiles from anon, authenticated")
    migrate(roles.url)
    if statements:
        roles.sql(statements)
    assert set(levels(roles, "profiles")) == {level}


#: In the source of a trigger function, but not called by it: a privilege that it asks for, and a table.
NOT_CALLED = {"public.automation_settle", "public.automation_workflow_versions"}


def test_nothing_that_a_trigger_calls_sets_an_empty_search_path(empty_database: Database) -> None:
    """It runs with our rights in sessions of the app, whose own types an empty path would find first."""
    migrate(empty_database.url)
    functions = empty_database.sql(
        "select p.pronamespace::regnamespace || '.' || p.proname as name, p.prosrc as source,"
        " coalesce(p.proconfig::text, '') as settings, p.prorettype = 'trigger'::regtype as is_trigger"
        " from pg_proc p where p.pronamespace in ('minutehand'::regnamespace, 'public'::regnamespace)"
    )
    sources: dict[str, str] = {}
    for function in functions:  # some share a name
        sources[function["name"]] = sources.get(function["name"], "") + function["source"]
    reached = {function["name"] for function in functions if function["is_trigger"]}
    waiting = list(reached)
    while waiting:
        called = set(re.findall(r"\b(?:minutehand|public)\.\w+(?=\s*\()", sources[waiting.pop()])) & sources.keys()
        waiting += called - reached - NOT_CALLED
        reached |= called - NOT_CALLED
    assert len(reached) > 30
    empty = {function["name"] for function in functions if 'search_path=\\"\\"' in function["settings"]}
    assert reached & empty == set()


def test_what_must_stay_in_its_indexes_is_not_compiled_either(database: Database) -> None:
    """PostgreSQL <= 17 takes a forbidden scan for very dear, and JIT-compiles the query: seconds for each claim."""
    compiled = database.sql(
        "select proname from pg_proc where 'enable_seqscan=off' = any (proconfig) and not 'jit=off' = any (proconfig)"
    )
    assert compiled == []
