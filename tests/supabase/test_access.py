"""Who reads and calls what through the API, under the grants of projects before and since October 2026."""

from __future__ import annotations

from typing import Any

import pytest
from postgrest.exceptions import APIError
from supabase import AsyncClient

from tests.supabase.client import ask
from tests.supabase.stack import Project, on_both_grants, on_both_stacks

pytestmark = [on_both_stacks, on_both_grants]

ANN, BEA = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
READABLE = ("automation_workflows", "automation_execution_logs", "communication_logs")
INNER = ("automation_events", "automation_workflow_versions", "automation_control", "automation_workers",
         "automation_opt_outs", "automation_migrations", "automation_audit")  # fmt: skip


def fill(project: Project) -> None:
    """Give each of two tenants a workflow, an execution and a send."""
    for user in (ANN, BEA):
        for table, columns, values in (
            (READABLE[0], ", name", ", 'mine'"),
            (READABLE[1], "", ""),
            (READABLE[2], ", status", ", 'sent'"),
        ):
            project.owner.sql(f"insert into {table} (user_id{columns}) values (%s{values})", user)


def read(project: Project, table: str, key: str, bearer: str | None = None) -> Any:
    """Read whose rows a table shows; the SQLSTATE where it shows none to anybody."""

    async def select(client: AsyncClient) -> Any:
        rows: Any = (await client.table(table).select("user_id").execute()).data
        return sorted(row["user_id"] for row in rows)

    async def count(client: AsyncClient) -> Any:
        return (await client.table(table).select("*").execute()).data

    try:
        return ask(project, key, select if table in READABLE else count, bearer=bearer)
    except APIError as refused:
        return refused.code


def test_a_signed_in_user_reads_the_own_tenants_rows_and_nobody_else_reads_any(project: Project) -> None:
    fill(project)
    public = project.publishable_key
    for table in READABLE:
        assert read(project, table, public, project.user_jwt(ANN)) == [ANN]
        assert read(project, table, public) == "42501"
        assert read(project, table, project.secret_key) == [ANN, BEA]
    for table in INNER:
        assert read(project, table, public, project.user_jwt(ANN)) == read(project, table, public) == "42501"


def test_a_signed_in_user_writes_nothing(project: Project) -> None:
    fill(project)

    async def update(client: AsyncClient) -> Any:
        return (
            await client.table("automation_execution_logs").update({"status": "pending"}).eq("user_id", ANN).execute()
        )

    async def insert(client: AsyncClient) -> Any:
        return await client.table("automation_workflows").insert({"name": "mine", "user_id": ANN}).execute()

    for verb in (update, insert):
        with pytest.raises(APIError) as refused:
            ask(project, project.publishable_key, verb, bearer=project.user_jwt(ANN))
        assert refused.value.code == "42501"


def test_the_servers_key_writes_workflows(project: Project) -> None:
    async def insert(client: AsyncClient) -> Any:
        return (await client.table("automation_workflows").insert({"name": "mine", "user_id": ANN}).execute()).data

    (made,) = ask(project, project.secret_key, insert)
    assert (made["user_id"], made["version"]) == (ANN, 1)


def test_nobody_but_the_servers_role_may_call_any_of_our_functions(project: Project) -> None:
    found = project.database.sql(
        """
        select p.oid::regprocedure::text as signature, role,
               p.pronamespace = 'public'::regnamespace and p.prorettype <> 'trigger'::regtype and role = 'service_role'
                 as wanted,
               has_function_privilege(role, p.oid, 'execute') as may
        from pg_proc p cross join unnest(array['anon', 'authenticated', 'service_role']) as role
        where obj_description(p.oid, 'pg_proc') like 'minutehand:%%'
           or p.pronamespace = to_regnamespace('minutehand')
        """,
        *(),
    )
    assert len(found) > 150
    open_to_users = {"minutehand.my_user()", "minutehand.my_organization()"}
    wrong = [
        f"{row['role']} {row['signature']}"
        for row in found
        if row["may"] != row["wanted"]
        and not (row["role"] == "authenticated" and row["signature"] in open_to_users)
        and row["signature"] not in ("minutehand.new_id()", "minutehand.fold_case(text)")
    ]
    assert wrong == []


def test_what_a_signed_in_user_writes_into_our_columns_is_not_kept(project: Project) -> None:
    """A team may let its users insert executions: leases, attempts and times are still ours (R17)."""
    project.owner.sql("grant insert, update on automation_execution_logs to authenticated")
    project.owner.sql(
        "create policy own on automation_execution_logs for all to authenticated"
        " using (user_id = (select minutehand.my_user()))"
    )
    nonsense = {"attempt": -2147483648, "past": 5, "lease_expires_at": "infinity", "scheduled_at": "-infinity"}

    async def insert(client: AsyncClient) -> Any:
        row = {"user_id": ANN, "status": "failed", "error_message": "mine", **nonsense}
        return (await client.table("automation_execution_logs").insert(row).execute()).data

    async def update(client: AsyncClient) -> Any:
        change = {"status": "pending", **nonsense}
        return (await client.table("automation_execution_logs").update(change).eq("user_id", ANN).execute()).data

    jwt = project.user_jwt(ANN)
    fresh = {"attempt": 0, "past": None, "lease_expires_at": None, "scheduled_at": None}
    for verb, status in ((insert, "failed"), (update, "pending")):
        (row,) = ask(project, project.publishable_key, verb, bearer=jwt)
        assert {name: row[name] for name in fresh} == fresh
        assert (row["status"], row["error_message"]) == (status, "mine")
    (row,) = ask(project, project.secret_key, update)
    assert (row["attempt"], row["past"]) == (-2147483648, 5)
