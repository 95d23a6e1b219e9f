"""Linked rows: their names, which are shown, and what a deleted row still knows (docs/exact.md, Linked rows)."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.journeys.app import email
from tests.journeys.world import World
from tests.servers import Database
from tests.sql.jobs import workflow

CLIENT = "Dear {{ client.name }}, {{ job.title }} is off."
TABLES = """
create table clients (
  id text primary key, organization_id text, ref text, name text, email text, deleted_at timestamptz);
insert into clients (id, organization_id, ref, name) values
  ('C-1', 'north', 'R-1', 'Nora'), ('C-2', 'south', 'R-1', 'Sven'), ('C-3', 'north', 'R-3', 'Nils'),
  ('C-4', 'north', 'R-3', 'Nell');
create schema private;
create view private.contacts as select id, name, organization_id from clients;
create table "Client" (id text primary key, "organizationId" text, name text);
insert into "Client" values ('P-1', 'north', 'Prisma'), ('P-2', 'south', 'Other');
create table numbered (organization_id text, id integer, name text, primary key (organization_id, id));
insert into numbered values ('north', 7, 'Nora'), ('south', 7, 'Sven');
"""


def seen(database: Database, columns: str, values: str, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The names of the linked rows that a job with these columns shows, and why others are hidden."""
    database.sql("drop table if exists jobs; delete from automation_workflows")
    database.sql(f"create table jobs (id text primary key, organization_id text, status text, {columns})")
    database.sql(f"insert into jobs values ('J-1', 'north', 'done', {values})")
    database.call("automation_trigger_add", p_table="jobs", **options)
    workflow(database)
    run = database.call("automation_dry_run", p_workflow="tell", p_row="J-1")
    return {name: row["name"] for name, row in run["links"].items()}, run["hidden"]


CALLED = [
    ("client_id text references clients", "'C-1'", {}, {"client": "Nora"}),
    ('"clientId" text references clients', "'C-1'", {}, {"client": "Nora"}),
    ('"ClientID" text references clients', "'C-1'", {}, {"client": "Nora"}),
    ('"assignedTechId" text references clients', "'C-1'", {}, {"assignedTech": "Nora"}),
    ("client text references clients", "'C-1'", {}, {"client": "Nora"}),
    ("paid text references clients", "'C-1'", {}, {"paid": "Nora"}),
    ("grid text references clients", "'C-1'", {}, {"grid": "Nora"}),
    ("_id text references clients", "'C-1'", {}, {"_id": "Nora"}),
    ('"clientId" text references "Client"', "'P-1'", {}, {"client": "Prisma"}),
    # Two of one name, and a name that templates have for the row itself: the second has its whole name.
    (
        'client_id text references clients, "clientId" text references clients',
        "'C-1', 'C-3'",
        {},
        {"client": "Nora", "clientId": "Nils"},
    ),
    ("job_id text references clients", "'C-1'", {}, {"job_id": "Nora"}),
    ("trigger_id text references clients", "'C-1'", {}, {"trigger_id": "Nora"}),
    # Named by the operator.
    ("client_id text", "'C-1'", {"client_id": "clients"}, {"client": "Nora"}),
    ('"clientId" text', "'C-1'", {"clientId": "clients"}, {"client": "Nora"}),
    ("billing_id text", "'C-1'", {"client": "billing_id:clients"}, {"client": "Nora"}),
    ("billing text references clients", "'C-1'", {"client": "billing:clients.id"}, {"client": "Nora"}),
    ("billing text", "'R-1'", {"client": "billing:clients.ref"}, {"client": "Nora"}),
    (
        "client_id text references clients",
        "'C-1'",
        {"client": "client_id:clients", "payer": "client_id:clients"},
        {"client": "Nora", "payer": "Nora"},
    ),
    ("client_id text", "'C-1'", {"client_id": "private.contacts"}, {"client": "Nora"}),
    ("client_id text", "'C-1'", {"client_id": "private.contacts.id"}, {"client": "Nora"}),
    ("client_id text", "'P-1'", {"client_id": "Client"}, {"client": "Prisma"}),
    # The foreign key of two columns, and an id that each tenant has.
    (
        "client_id integer, foreign key (organization_id, client_id) references numbered",
        "7",
        {},
        {"client": "Nora"},
    ),
    ("client_id integer", "7", {"client_id": "numbered"}, {"client": "Nora"}),
]


def test_a_link_is_called_after_its_column_or_as_the_operator_says(database: Database) -> None:
    database.sql(TABLES)
    for columns, values, links, shown in CALLED:
        assert seen(database, columns, values, p_links=links) == (shown, {}), columns


NOT_SHOWN = [
    ("client_id text references clients", "'C-2'", {}, "client belongs to another tenant"),
    ('"clientId" text references "Client"', "'P-2'", {}, "client belongs to another tenant"),
    ("client_id text", "'C-2'", {"client_id": "private.contacts"}, "client belongs to another tenant"),
    (
        "client_id text",
        "'R-3'",
        {"client_id": "clients.ref"},
        "several rows of clients are the client R-3 of one tenant",
    ),
    ("client_id text", "'C-9'", {"client_id": "clients"}, "the client is gone: clients has no row C-9"),
    (
        "user_id uuid references auth.users",
        "'6f4d1a52-7d0e-4a0b-9d0e-000000000001'",
        {},
        "user is not shown: auth.users is in another schema; link a view of it: "
        "minutehand trigger add … --link user=user_id:VIEW",
    ),
]


def test_what_is_not_shown_is_said_with_the_reason(database: Database) -> None:
    database.sql(TABLES)
    database.sql("create schema auth; create table auth.users (id uuid primary key, email text)")
    database.sql("insert into auth.users values ('6f4d1a52-7d0e-4a0b-9d0e-000000000001', 'ann@x.example')")
    for columns, values, links, reason in NOT_SHOWN:
        shown, hidden = seen(database, columns, values, p_links=links)
        assert (shown, [why["reason"] for why in hidden.values()]) == ({}, [reason])
    # A client that the app has soft-deleted is gone too.
    database.call("automation_trigger_add", p_table="clients", p_soft_delete="deleted_at")
    database.sql("update clients set deleted_at = now() where id = 'C-1'")
    shown, hidden = seen(database, "client_id text references clients", "'C-1'")
    assert (shown, hidden["client"]["reason"]) == ({}, "the client is gone: deleted_at of row C-1 of clients is set")


def test_an_address_in_auth_users_is_shown_by_a_view(database: Database) -> None:
    database.sql(
        "create schema auth; create table auth.users (id uuid primary key, email text, raw_app_meta_data jsonb);"
        "insert into auth.users select ('00000000-0000-4000-8000-00000000000' || n)::uuid, 'u' || n || '@x.example',"
        " jsonb_build_object('organization_id', o) from (values (1, 'north'), (2, 'south')) v (n, o);"
        "create schema private;"  # as docs/supabase.md has it
        "create view private.contacts as select id, id as user_id, email as name,"
        " raw_app_meta_data ->> 'organization_id' as organization_id from auth.users"
    )
    for number, shown in ((1, {"user": "u1@x.example"}), (2, {})):
        columns = "user_id uuid references auth.users"
        links, hidden = seen(
            database, columns, f"'00000000-0000-4000-8000-00000000000{number}'", p_links={"user_id": "private.contacts"}
        )
        assert (links, len(hidden)) == (shown, 1 - len(shown))


@pytest.mark.parametrize(
    ("links", "said"),
    [
        ({"client_id": "customers"}, "table customers, to which client_id refers, does not exist"),
        ({"client_id": "clients.number"}, "clients has no column number, to which client_id would refer"),
        ({"client": "kunde:clients"}, "table public.jobs has no column kunde"),
        ({"old": "client_id:clients"}, "a link cannot be called old"),
        ({"job": "client_id:clients"}, "a link cannot be called job"),
        ({"client_id": "elsewhere.clients"}, "table elsewhere.clients, to which client_id refers, does not exist"),
        ({"client_id": "auth.users"}, "link a view of the columns that workflows need"),
        ({"client_id": "pg_catalog.pg_authid.oid"}, "link a view of the columns that workflows need"),
    ],
)
def test_a_link_that_cannot_be_resolved_is_refused(database: Database, links: dict[str, str], said: str) -> None:
    database.sql(TABLES)
    database.sql("create schema auth; create table auth.users (id text primary key, email text)")
    with pytest.raises(psycopg.Error) as caught:
        seen(database, "client_id text", "'C-1'", p_links=links)
    assert caught.value.sqlstate in ("MH404", "MH400")
    assert said in str(caught.value)
    assert caught.value.diag.message_hint


TENANTS = [
    ('"organizationId" text, "userId" text', {}, ("organizationId", "userId")),
    ('"userId" text', {}, ("userId", "userId")),
    ("owner_id text", {"p_user": "owner_id"}, ("owner_id", "owner_id")),
    ("account text, owner_id text", {"p_tenant": "account", "p_user": "owner_id"}, ("account", "owner_id")),
    ("organization_id text, owner_id text", {"p_user": "owner_id"}, ("organization_id", "owner_id")),
    ("organization_id text, user_id text", {}, ("organization_id", "user_id")),
]


@pytest.mark.parametrize(("columns", "options", "expected"), TENANTS)
def test_the_columns_of_organisation_and_user_are_found_or_named(
    database: Database, columns: str, options: dict[str, str], expected: tuple[str, str]
) -> None:
    database.sql(f"create table visits (id integer primary key, status text, {columns})")
    entry = database.call("automation_trigger_add", p_table="visits", **options)
    assert (entry["tenant"], entry["user"]) == expected
    tenant, user = expected
    workflow(database, trigger_type="visit_created", organization_id="north", user_id="u-1")
    for value in ("theirs", "ours"):
        row = {user: {"theirs": "u-2", "ours": "u-1"}[value]} | (
            {tenant: {"theirs": "south", "ours": "north"}[value]} if tenant != user else {}
        )
        names = ", ".join(f'"{name}"' for name in row)
        database.sql(
            f"insert into visits (id, {names}) select count(*), {', '.join(['%s'] * len(row))} from visits",
            *row.values(),
        )
    assert [row["entity_id"] for row in database.sql("select entity_id from automation_execution_logs")] == ["1"]


def test_two_tables_of_users_without_organisations_are_linked_within_one_user(database: Database) -> None:
    database.sql(
        "create table clients (id text primary key, user_id text, name text);"
        "create table jobs (id text primary key, user_id text, status text, client_id text references clients);"
        "insert into clients values ('C-1', 'u-1', 'Nora'), ('C-2', 'u-2', 'Sven');"
        "insert into jobs values ('J-1', 'u-1', 'done', 'C-1'), ('J-2', 'u-1', 'done', 'C-2')"
    )
    for table in ("clients", "jobs"):
        database.call("automation_trigger_add", p_table=table)
    workflow(database, user_id="u-1", organization_id=None)
    assert database.call("automation_dry_run", p_workflow="tell", p_row="J-1")["links"]["client"]["name"] == "Nora"
    assert database.call("automation_dry_run", p_workflow="tell", p_row="J-2")["links"] == {}


def test_a_user_of_another_organisation_is_not_shown(database: Database) -> None:
    database.sql(
        "create table profiles (id text primary key, organization_id text, name text);"
        "insert into profiles values ('u-1', 'north', 'Nora'), ('u-2', 'south', 'Sven'), ('u-3', null, 'Nobody')"
    )
    for user, shown in (("u-1", {"user": "Nora"}), ("u-2", {}), ("u-3", {"user": "Nobody"})):
        assert seen(database, "user_id text references profiles", f"'{user}'")[0] == shown


@pytest.mark.parametrize(
    ("table", "is_taken"),
    [
        ("number integer, primary key (organization_id, number)", False),
        ("number integer, primary key (organization_id, number)) partition by hash (organization_id", False),
        ("number uuid, primary key (organization_id, number)) partition by hash (organization_id", True),
        ("number serial, primary key (organization_id, number)) partition by hash (organization_id", True),
        ("number integer, at date, primary key (number, at)) partition by range (at", True),
    ],
)
def test_a_number_that_each_tenant_counts_for_itself_is_no_key(database: Database, table: str, is_taken: bool) -> None:
    database.sql(f"create table orders (organization_id text, {table})")
    if is_taken:
        assert database.call("automation_trigger_add", p_table="orders", p_id="number")["id"] == "number"
        return
    with pytest.raises(psycopg.Error, match=r"column number of table (public\.)?orders is not unique"):
        database.call("automation_trigger_add", p_table="orders", p_id="number")


def test_a_deleted_job_still_tells_its_client(world: World) -> None:
    database = world.app.database
    world.app.workflow(email(message=CLIENT, subject="Off"), trigger_type="job_deleted")
    world.app.workflow(
        email(message="for {{ job.client_id }}", subject="Off"),
        trigger_type="job_deleted",
        name="with conditions",
        trigger_config={"conditions": [{"field": "client_id", "value": "C-4"}]},
    )
    database.sql("insert into clients values ('C-9', 'north', 'Going', 'going@example.com', null)")
    database.sql("alter table jobs drop constraint jobs_client_id_fkey,"
                 " add foreign key (client_id) references clients on delete cascade")  # fmt: skip
    for job, client in (("D-1", "C-1"), ("D-2", "C-4"), ("D-3", "C-3"), ("D-9", "C-9"), ("D-0", None)):
        database.sql("insert into jobs (id, organization_id, client_id) values (%s, 'north', %s)", job, client)
    database.sql("delete from jobs where id <> 'D-9'")
    database.sql("delete from clients where id = 'C-9'")
    database.sql("insert into jobs (id, organization_id, client_id, title) values ('D-1', 'north', 'C-4', 'Another')")
    world.drain()
    assert sorted(world.mails()) == [
        ("hotel@example.com", "Dear Lakeview Hotel, Boiler repair is off."),
        ("office@example.com", "Dear Quiet Office, Boiler repair is off."),
        ("office@example.com", "for C-4"),
    ]
    ends = {
        row["entity_id"]: (row["status"], row["code"], row["reason"])
        for row in world.app.executions()
        if row["status"] != "completed"
    }
    assert ends["D-3"][1] == "link_other_tenant"
    assert ends["D-0"][1] == "no_recipient"
    status, code, reason = ends["D-9"]
    assert (status, code) == ("failed", "no_recipient")
    assert "the client is gone: clients has no row C-9" in reason
    assert set(ends) == {"D-3", "D-9", "D-0"}


def test_a_soft_deleted_row_counts_as_gone(world: World) -> None:
    database = world.app.database
    database.sql("alter table jobs add column deleted_at timestamptz")
    done = world.minutehand("trigger", "add", "jobs", "--soft-delete", "deleted_at")
    assert done.returncode == 0, done.stderr
    world.app.workflow(
        {"type": "wait", "config": {"for": "1 hour"}}, email(message="later"), trigger_type="job_created", name="waits"
    )
    world.app.workflow(email(message=CLIENT), trigger_type="job_deleted", name="deleted")
    world.app.workflow(email(message="updated"), trigger_type="job_updated", name="updated")
    jobs = ("S-1", "S-2", "S-3")
    for job in jobs:
        database.sql("insert into jobs (id, organization_id, client_id) values (%s, 'north', 'C-1')", job)
    world.drain()  # they wait
    database.sql("update jobs set deleted_at = now(), status = 'off'")
    database.sql("update jobs set title = 'Changed' where id = 'S-1'")  # a row that is gone
    database.sql("delete from jobs where id = 'S-2'")  # purged
    database.sql("update jobs set deleted_at = null where id = 'S-3'")  # restored at once: an update
    world.app.make_due()
    world.drain()
    rows = {(row["entity_id"], name): row for row in world.app.executions() for name in [row["trigger_type"]]}
    ends = {key: (row["status"], row["code"], row["reason"]) for key, row in rows.items()}
    assert ends == {
        ("S-1", "job_created"): ("skipped", "row_gone", "job S-1 is gone: deleted_at is set"),
        ("S-2", "job_created"): ("skipped", "row_gone", "job S-2 is gone"),
        ("S-3", "job_created"): ("completed", None, None),
        ("S-1", "job_deleted"): ("completed", None, None),
        ("S-2", "job_deleted"): ("completed", None, None),
        ("S-3", "job_deleted"): ("skipped", "row_restored", "job S-3 was restored"),
        ("S-3", "job_updated"): ("completed", None, None),
    }
    assert sorted(text for _, text in world.mails()) == [
        "Dear Lakeview Hotel, Boiler repair is off.",
        "Dear Lakeview Hotel, Boiler repair is off.",
        "later",
        "updated",
    ]


def test_the_command_names_links_and_columns(database: Database, minutehand: Any) -> None:
    database.sql(TABLES)
    database.sql('create table "Job" (id text primary key, "ownerId" text, status text, "billingId" text)')
    done = minutehand("trigger", "add", '"Job"', "--user", "ownerId", "--link", "client=billingId:Client")
    assert (done.returncode, done.stderr) == (0, "")
    (entry,) = database.call("automation_triggers")
    assert (entry["links"], entry["tenant"], entry["type"]) == ({"client": "billingId:Client"}, "ownerId", "job")
    for link in ("client", "=Client", "a=b:c=d", "client_id=a.b.c.d"):
        done = minutehand("trigger", "add", "Job", "--user", "ownerId", "--link", link)
        assert (done.returncode, "write COLUMN=TABLE" in done.stderr) == (2, True), done.stderr
