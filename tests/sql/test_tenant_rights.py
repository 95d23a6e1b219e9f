"""Whose rights an execution has: its workflow's, whatever the row of the execution says (R17)."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.servers import Database, on_both_servers
from tests.sql.doctor import levels, results_of
from tests.sql.jobs import LONG_AGO, watched_jobs, workflow
from tests.sql.queue_rows import NOW, claim, success, token

pytestmark = on_both_servers

NOTES = """
create table notes (id text primary key, organization_id text, user_id text, body text);
insert into notes values ('org', 'north', 'ann', ''), ('private', null, 'ann', ''), ('other', 'south', 'sue', '');
"""


def written(
    database: Database,
    tenant: str,
    owner: tuple[str | None, str | None],
    event: tuple[str | None, str | None],
    **said: Any,
) -> Any:
    """What a record action of `owner`'s workflow is answered; the execution names `event`'s organisation and user."""
    database.call("automation_trigger_add", p_table="notes", p_tenant=tenant, p_writable=True)
    mine = workflow(database, organization_id=owner[0], user_id=owner[1], trigger_type="x")
    lease = token()
    row = database.one(
        "insert into automation_execution_logs (workflow_id, workflow_version, status, trigger_data, created_at,"
        " organization_id, user_id, attempt, lost_leases)"
        " values (%s, 1, 'pending', '{}', %s, %s, %s, 0, 0) returning id",
        mine,
        LONG_AGO,
        *event,
    )
    claim(database, p_token=lease)
    arguments = {"p_operation": "update", "p_values": {"body": "written"}, **said}
    return database.call(
        "automation_write_record",
        p_execution_id=str(row["id"]),
        p_token=lease,
        p_step=success("1"),
        p_table="notes",
        p_now=NOW,
        **arguments,
    )


@pytest.mark.parametrize(
    ("tenant", "owner", "row", "is_written"),
    [
        ("organization_id", ("north", None), "org", True),
        ("organization_id", ("north", None), "private", False),  # ann's own, though ann's change started it
        ("organization_id", ("north", "ann"), "private", True),
        ("organization_id", ("north", "ben"), "private", False),
        ("organization_id", ("north", "ann"), "other", False),
        ("user_id", ("north", "ann"), "private", True),
        ("user_id", ("north", "ann"), "org", True),
        ("user_id", (None, "ann"), "private", True),
        ("user_id", ("north", None), "private", False),
        ("user_id", ("ann", None), "private", False),  # an organisation whose id is a user's
        ("user_id", ("north", "ben"), "private", False),
    ],
)
def test_a_row_is_written_for_the_workflows_own_tenant(
    database: Database, tenant: str, owner: tuple[str | None, str | None], row: str, is_written: bool
) -> None:
    database.sql(NOTES)
    answer = written(database, tenant, owner, ("north", "ann"), p_id=row)
    assert answer["answer"] == ("done" if is_written else "refused")
    assert database.one("select count(*) as n from notes where body <> ''")["n"] == int(is_written)


@pytest.mark.parametrize(
    ("tenant", "owner", "expected"),
    [
        ("organization_id", ("north", None), ("north", None)),
        ("organization_id", ("north", "ben"), ("north", "ben")),
        ("organization_id", (None, "ben"), (None, "ben")),
        ("user_id", ("north", "ben"), (None, "ben")),
        ("user_id", ("north", None), None),
    ],
)
def test_a_new_row_belongs_to_the_workflows_tenant(
    database: Database,
    tenant: str,
    owner: tuple[str | None, str | None],
    expected: tuple[str | None, str | None] | None,
) -> None:
    database.sql(NOTES)
    event = ("north", "ann") if owner[0] else (None, "ben")
    answer = written(database, tenant, owner, event, p_operation="create", p_values={"id": "new", "body": "x"})
    rows = database.sql("select organization_id, user_id from notes where id = 'new'")
    assert [(row["organization_id"], row["user_id"]) for row in rows] == ([] if expected is None else [expected])
    assert answer["answer"] == ("refused" if expected is None else "done")
    if expected is None:
        assert "names no user" in answer["reason"]


def insert_log(database: Database, workflow_id: str, **columns: Any) -> str:
    """Insert an execution as a user of the app may, and return its id."""
    values = {"workflow_id": workflow_id, "trigger_type": "job_done", "status": "pending", "trigger_data": {}} | columns
    marks = ", ".join(["%s"] * len(values))
    row = database.one(
        f"insert into automation_execution_logs ({', '.join(values)}) values ({marks}) returning id",
        *(Jsonb(value) if isinstance(value, dict) else value for value in values.values()),
    )
    return str(row["id"])


@pytest.mark.parametrize(
    ("tenant", "runs"),
    [
        ({"organization_id": "south"}, False),
        ({"user_id": "sue"}, False),  # without an organisation: not the workflow's for that
        ({"user_id": "ann"}, True),  # a member, as the profile says
        ({"user_id": "nobody"}, False),
        ({}, True),  # the plan's own columns: the app's trigger
        ({"organization_id": "north"}, True),
    ],
)
def test_nobody_starts_the_workflow_of_another_tenant(database: Database, tenant: dict[str, str], runs: bool) -> None:
    watched_jobs(database)
    database.sql("create table profiles (id text primary key, organization_id text)")
    database.sql("insert into profiles values ('ann', 'north'), ('sue', 'south'), ('nobody', null)")
    mine = workflow(database)
    inserted = insert_log(database, mine, **tenant)
    claim(database, p_now=None)
    row = database.one("select status, code from automation_execution_logs where id = %s", inserted)
    assert (row["status"], row["code"]) == (("processing", None) if runs else ("failed", "other_tenant"))


def test_the_claim_of_app_metadata_wins_over_the_profile(database: Database) -> None:
    database.sql("create table profiles (id text primary key, organization_id text)")
    database.sql("insert into profiles values ('sue', 'north')")
    database.sql("create schema auth; create table auth.users (id text, raw_app_meta_data jsonb)")
    database.sql("""insert into auth.users values ('sue', '{"organization_id": "south"}'), ('ann', '{}')""")
    seen = database.one(
        "select minutehand.profile_organization('sue') as sue, minutehand.profile_organization('ann') as ann"
    )
    assert (seen["sue"], seen["ann"]) == ("south", None)


def test_a_foreign_execution_shows_neither_the_workflow_nor_the_event(database: Database) -> None:
    watched_jobs(database)
    mine = workflow(database, name="north's secret plan")
    database.sql("update jobs set status = 'done', title = 'north''s title'")
    event = database.one("select id, table_name, entity_id from automation_events order by id desc limit 1")
    foreign = insert_log(
        database,
        mine,
        organization_id="south",
        event_id=event["id"],
        workflow_version=1,
        entity_id=event["entity_id"],
        trigger_data={"table_name": event["table_name"]},
        status="failed",
        code="x",
        replay_of="6f4d1a52-7d0e-4a0b-9d0e-000000000001",
    )
    filters = {"tenant": "south"}
    views = {
        "detail": database.call("automation_execution_detail", p_id=foreign),
        "one": database.call("automation_execution", p_id=foreign),
        "list": database.call("automation_executions", p_filter=filters),
        "search": database.call("automation_search", p_filter=filters),
        "failures": database.call("automation_failures", p_filter=filters),
    }
    assert views["detail"]["id"] == foreign
    assert views["detail"]["event"] is None
    assert [name for name, view in views.items() if "north's" in str(view)] == []


def test_the_versions_of_a_deleted_workflow_stay_with_its_tenant(database: Database) -> None:
    watched_jobs(database)
    mine = workflow(database, name="north's plan")
    database.sql("delete from automation_workflows")
    workflow(database, name="souths", id=mine, organization_id="south")
    assert [one["definition"]["name"] for one in database.call("automation_workflow_versions", p_workflow=mine)] == [
        "souths"
    ]
    foreign = insert_log(database, mine, organization_id="south", workflow_version=1, status="failed", code="x")
    assert "north's plan" not in str(database.call("automation_execution_detail", p_id=foreign))


def test_executions_of_another_tenant_use_up_no_limit(database: Database) -> None:
    watched_jobs(database)
    mine = workflow(database)
    data = {"record_id": "J-1", "new_status": "done"}
    for _ in range(3):
        insert_log(
            database,
            mine,
            organization_id="south",
            entity_id="J-1",
            trigger_data=data,
            status="completed",
            created_at="now",
        )
    database.sql("update jobs set status = 'done'")
    row = database.one("select status, code from automation_execution_logs where organization_id = 'north'")
    assert (row["status"], row["code"]) == ("pending", None)


def test_doctor_and_migrate_name_the_links_that_are_never_shown(database: Database) -> None:
    database.sql("create table vendors (id text primary key, name text)")
    database.sql(
        "create table jobs (id text primary key, organization_id text, status text, vendor_id text references vendors)"
    )
    database.call("automation_trigger_add", p_table="jobs", p_exclude=["status"], p_writable=True)
    (result,) = results_of(database, "links")
    assert (result.level, "jobs: vendor is not shown" in result.fact) == ("warn", True)
    assert result.fix == (
        "minutehand trigger add jobs --id id --type job --status status --tenant organization_id --exclude status"
        " --global vendors --writable"
    )
    database.call("automation_trigger_add", p_table="jobs", p_global=["vendors"])
    assert levels(database, "links") == ["ok"]


def test_a_workflow_that_names_another_tenants_user_gets_no_right_to_their_rows(database: Database) -> None:
    """Whoever writes a workflow of south may name north's ann in it."""
    database.sql(NOTES)
    database.sql("create table profiles (id text primary key, organization_id text)")
    database.sql("insert into profiles values ('ann', 'north'), ('sue', 'south')")
    answer = written(database, "user_id", ("south", "ann"), ("south", "ann"), p_id="private")
    assert answer["answer"] == "refused"
    workflow(database, "theirs", organization_id="south", user_id="ann", trigger_type="note_updated")
    workflow(database, "hers", organization_id="north", user_id="ann", trigger_type="note_updated")
    database.sql("update notes set body = 'changed' where id = 'private'")
    rows = database.sql(
        "select w.name from automation_execution_logs l join automation_workflows w on w.id = l.workflow_id"
        " where l.trigger_type = 'note_updated'"
    )
    assert [row["name"] for row in rows] == ["hers"]
