"""A project answers as a hosted one: whoever is asked for by a key, and a function that calls back."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from postgrest.exceptions import APIError
from supabase import AsyncClient

from minutehand.store import schema
from tests.journeys.app import wait_until
from tests.supabase.client import ask, knows
from tests.supabase.stack import Project, Stack, on_both_grants, on_both_stacks


async def version(client: AsyncClient) -> Any:
    """Call the simplest of our functions."""
    return (await client.rpc("automation_schema_version").execute()).data


@on_both_stacks
@on_both_grants
def test_both_kinds_of_server_key_reach_our_functions(project: Project) -> None:
    for key in (project.secret_key, project.service_role_jwt):
        assert ask(project, key, version) == {"version": schema.version(), "missing": [], "hidden": []}


@on_both_stacks
@on_both_grants
def test_neither_a_public_key_nor_a_user_reaches_our_functions(project: Project) -> None:
    for key, bearer in (
        (project.publishable_key, None),
        (project.anon_jwt, None),
        (project.publishable_key, project.user_jwt("00000000-0000-4000-8000-000000000001")),
    ):
        with pytest.raises(APIError) as refused:
            ask(project, key, version, bearer=bearer)
        assert refused.value.code == "42501"


def test_a_function_claims_by_supabase_js(project: Project) -> None:
    project.deploy("claims")
    insert = "insert into automation_workflows (name, user_id, steps) values ('w', 'u', %s) returning id"
    workflow = project.owner.one(insert, '[{"type": "stop"}]')["id"]
    project.owner.sql("insert into automation_execution_logs (workflow_id, user_id) values (%s, 'u')", workflow)

    async def claim(client: AsyncClient) -> Any:
        return await client.functions.invoke("claims", {"body": {"limit": 5}, "responseType": "json"})

    claimed = ask(project, project.secret_key, claim)
    assert [execution["workflow_id"] for execution in claimed["executions"]] == [str(workflow)]
    assert project.owner.one("select status from automation_execution_logs")["status"] == "processing"


def test_the_migrating_role_may_use_the_extensions_and_a_visitor_may_not(project: Project) -> None:
    project.install_net()
    project.owner.sql("select vault.create_secret('one', 'token'); select cron.schedule('sweep', '* * * * *', 'x')")
    assert project.owner.sql("select decrypted_secret from vault.decrypted_secrets")
    project.owner.sql("select net.http_post('http://127.0.0.1:1')")
    project.database.sql("set role anon")
    assert project.database.sql("select url from net.http_request_queue"), "everybody may read pg_net's queue"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        project.database.sql("select * from vault.decrypted_secrets")


def test_what_only_a_superuser_may_do_fails_as_hosted(project: Project) -> None:
    for statement in ("alter system set work_mem = '1GB'", "alter role postgres nosuperuser", "set role postgres"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            project.owner.sql(statement)


@on_both_grants
def test_the_older_grants_open_what_an_app_makes_and_the_new_ones_do_not(
    project: Project, request: pytest.FixtureRequest
) -> None:
    project.owner.sql("create table things (id int)")
    query = "select has_table_privilege('anon', 'things', 'select') as open"
    assert project.owner.one(query)["open"] == request.node.callspec.params["project"]


def test_a_project_may_begin_without_our_schema(stack: Stack) -> None:
    with stack.project(migrated=False) as empty:
        with pytest.raises(APIError) as refused:
            ask(empty, empty.secret_key, version)
        assert refused.value.code == "PGRST202"
        empty.owner.connection.execute(schema.script().encode())
        wait_until(lambda: knows(empty, "automation_schema_version"), "what the migration's own notice makes known")
