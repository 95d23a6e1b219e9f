"""Linked rows are shown within one tenant only, on both sides, whatever names the tenant (R17)."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.servers import Database, on_both_servers
from tests.sql.jobs import workflow

pytestmark = on_both_servers

TABLES = """
create table profiles (id text primary key, organization_id text);
insert into profiles values ('u-north', 'north'), ('u-south', 'south'), ('u-none', null);
create table clients (
  id text primary key, organization_id text, user_id text, company text, name text, ref text, password_hash text);
create table vendors (id text primary key, name text);
insert into vendors values ('V-1', 'Vendor');
create table organizations (id text primary key, name text);
insert into organizations values ('north', 'North Ltd'), ('south', 'South Ltd');
create table jobs (
  id text primary key, organization_id text references organizations, user_id text, status text,
  client_id text references clients, vendor_id text references vendors, client_ref text);
"""

TOKEN = "6f4d1a52-7d0e-4a0b-9d0e-000000000001"
NORTH, NORTHS_USER, SOUTH = ("north", None), (None, "u-north"), ("south", None)
SOUTHS_USER, NOBODYS_USER, NOBODY = (None, "u-south"), (None, "u-none"), (None, None)
BOTH = ("north", "u-north")


def linked(database: Database, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a run of the workflow sees of J-1's links: those shown, and those hidden with the reason."""
    database.call("automation_trigger_add", p_table="jobs", **options)
    database.sql("delete from automation_workflows")
    workflow(database, organization_id="north")
    seen = database.call("automation_dry_run", p_workflow="tell", p_row="J-1")
    return seen["links"], seen["hidden"]


def fill(database: Database, job: tuple[str | None, str | None], client: tuple[str | None, str | None]) -> None:
    database.sql(TABLES)
    database.sql("insert into clients (id, organization_id, user_id, name) values ('C-1', %s, %s, 'Ada')", *client)
    database.sql(
        "insert into jobs values ('J-1', %s, %s, 'done', 'C-1', 'V-1', 'R-1')",
        *job,
    )


@pytest.mark.parametrize(
    ("job", "client", "is_shown"),
    [
        (NORTH, NORTH, True),
        (NORTH, SOUTH, False),
        (NORTH, NORTHS_USER, True),  # the client has no organisation: its user's profile has one
        (NORTH, SOUTHS_USER, False),
        (NORTH, NOBODYS_USER, False),
        (NORTH, NOBODY, False),
        (BOTH, NORTHS_USER, True),
        (BOTH, SOUTH, False),
        (("north", "u-none"), NOBODYS_USER, True),  # one user, who has no organisation
        (("north", "u-none"), ("south", "u-none"), False),
    ],
)
def test_a_linked_row_is_shown_within_one_effective_tenant(
    database: Database, job: tuple[str | None, str | None], client: tuple[str | None, str | None], is_shown: bool
) -> None:
    fill(database, job, client)
    links, hidden = linked(database, p_tenant="organization_id")
    assert ("client" in links, "client" in hidden) == (is_shown, not is_shown)
    assert links["organization"]["name"] == "North Ltd"  # the tenant's own row


def test_a_table_without_a_tenant_is_shown_only_where_the_operator_says_so(database: Database) -> None:
    fill(database, NORTH, NORTH)
    links, hidden = linked(database)
    assert "vendor" not in links
    assert "--global vendors" in hidden["vendor"]["reason"]
    entry = database.call("automation_trigger_add", p_table="jobs", p_global=["public.vendors"])
    assert entry["global_tables"] == ["vendors"]
    links = database.call("automation_dry_run", p_workflow="tell", p_row="J-1")["links"]
    assert links["vendor"]["name"] == "Vendor"
    with pytest.raises(psycopg.Error, match="does not refer to a table profiles"):
        database.call("automation_trigger_add", p_table="jobs", p_global=["profiles"])


def test_a_linked_table_that_is_watched_names_its_own_tenant_column(database: Database) -> None:
    fill(database, NORTH, NOBODY)
    database.sql("update clients set company = 'south'")
    database.call("automation_trigger_add", p_table="clients", p_tenant="company")
    assert "client" in linked(database)[1]
    database.sql("update clients set company = 'north'")
    assert "client" in linked(database)[0]


def test_an_app_with_a_single_tenant_sees_all_its_links(database: Database) -> None:
    fill(database, NOBODY, SOUTH)
    links, hidden = linked(database, p_tenant="none")
    assert (set(links), hidden) == ({"client", "vendor"}, {})


def test_a_foreign_key_of_several_columns_joins_on_all_of_them(database: Database) -> None:
    database.sql(
        "create table clients (organization_id text, id integer, name text, primary key (organization_id, id));"
        "insert into clients values ('north', 7, 'Nora'), ('south', 7, 'Sven');"
        "create table jobs (id text primary key, organization_id text, status text, client_id integer,"
        " foreign key (organization_id, client_id) references clients);"
        "insert into jobs values ('J-1', 'north', 'done', 7)"
    )
    links, _ = linked(database)
    assert links["client"]["name"] == "Nora"
    links, _ = linked(database, p_links={"client_id": "clients"})
    assert links["client"]["name"] == "Nora"


def test_of_several_rows_that_a_column_may_mean_the_own_tenants_is_shown(database: Database) -> None:
    fill(database, NORTH, NORTH)
    database.sql(
        "insert into clients (id, organization_id, name, ref) values ('C-2', 'south', 'Sven', 'R-1'),"
        " ('C-3', 'north', 'Nora', 'R-1'), ('C-4', 'south', 'Siri', 'R-1')"
    )
    links, _ = linked(database, p_links={"client_ref": "clients.ref"})
    assert links["client_ref"]["name"] == "Nora"


@pytest.mark.parametrize(
    ("key", "told"),
    [("number", "column number of table .*orders is not unique"), ("organization_id,number", "watched by one column")],
)
def test_a_key_that_is_not_unique_is_refused_by_name(database: Database, key: str, told: str) -> None:
    database.sql(
        "create table orders (organization_id text, number integer, status text, unique (organization_id, number))"
    )
    with pytest.raises(psycopg.Error, match=told):
        database.call("automation_trigger_add", p_table="orders", p_id=key)


@pytest.mark.parametrize(
    "statement",
    [
        "create table orders (number integer primary key, organization_id text, status text)",
        "create table orders (number integer unique, organization_id text, status text)",
        "create table orders (number integer, organization_id text, status text, at date, primary key (number, at))"
        " partition by range (at)",
    ],
)
def test_a_unique_key_is_taken(database: Database, statement: str) -> None:
    database.sql(statement)
    assert database.call("automation_trigger_add", p_table="orders", p_id="number")["id"] == "number"


def test_a_write_touches_one_row_or_none(database: Database) -> None:
    database.sql(
        "create table orders (number integer, organization_id text, status text);"
        "create unique index orders_number on orders (number);"
        "insert into orders values (7, 'north', 'new')"
    )
    database.call("automation_trigger_add", p_table="orders", p_id="number", p_writable=True)
    database.sql("drop index orders_number; insert into orders values (7, 'north', 'new'), (7, 'south', 'new')")
    wf = workflow(database, organization_id="north", trigger_type="order_created")
    made = database.call("automation_enqueue", p_workflow=wf, p_payload={})
    (claim,) = database.call("automation_claim", p_limit=1, p_token=TOKEN)["executions"]
    assert claim["id"] == made["id"]
    answer = database.call(
        "automation_write_record", p_execution_id=claim["id"], p_token=TOKEN, p_step={"stepId": "1"}, p_table="orders",
        p_operation="update", p_id="7", p_values={"status": "done"},
    )  # fmt: skip
    assert (answer["answer"], answer["code"]) == ("refused", "row_not_unique")
    assert database.sql("select distinct status from orders") == [{"status": "new"}]
    doctor = database.call("automation_doctor")
    assert [(row["id"], row["unique"]) for row in doctor["triggers"]["watched"]] == [("number", False)]


def test_a_key_that_several_rows_have_finds_none_of_them(database: Database) -> None:
    database.sql(TABLES)
    database.sql("insert into jobs (id, organization_id, status) values ('J-1', 'north', 'done')")
    database.call("automation_trigger_add", p_table="jobs")
    database.sql(
        "alter table jobs drop constraint jobs_pkey; insert into jobs (id, organization_id) values ('J-1', 'south')"
    )
    seen = database.sql(
        "select r.* from minutehand.watched w, minutehand.read_app_rows(w.relation, w.config, array['J-1']) r"
        " where w.table_name = 'jobs'"
    )
    assert seen == []
