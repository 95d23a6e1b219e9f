"""What users of the app write into our columns is not kept; the app's own columns are theirs (R3, R17)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from minutehand.store.schema import migrate
from tests.adopted import ANNA, NORTH, old_app, workflow
from tests.servers import Database, on_both_servers

pytestmark = on_both_servers

LOGS, SENDS, WORKFLOWS = "automation_execution_logs", "communication_logs", "automation_workflows"
#: The columns that stay the app's, in tables that we make too.  A new column is in `protected_columns` or here.
OF_THE_APP = {
    LOGS: {
        *("id", "workflow_id", "trigger_type", "status", "trigger_data", "created_at", "started_at", "completed_at"),
        *("error_message", "actions_executed", "user_id", "organization_id"),
    },
    SENDS: {
        *("id", "created_at", "status", "error_message", "external_id", "sent_at", "channel", "recipient", "user_id"),
        *("organization_id", "type", "direction", "from_address", "to_address"),
    },
    WORKFLOWS: {
        *("id", "user_id", "organization_id", "name", "trigger_type", "trigger_config", "steps", "is_active"),
        *("status", "settings", "created_at", "updated_at"),
    },
}
#: A value for each type, that is nobody's default.
VALUES = {
    "bigint": "7", "integer": "7", "text": "'mine'", "jsonb": "'5'", "timestamp with time zone": "'2030-01-01'",
    "uuid": "'6f4d1a52-7d0e-4a0b-9d0e-000000000001'",
}  # fmt: skip


@contextmanager
def role(database: Database, name: str, *rights: str) -> Iterator[str]:
    """Make a role that may write the three tables, with these rights; it is dropped afterwards."""
    name = f"{name}_{database.one('select current_database() as name')['name']}"
    database.sql(f'create role "{name}" bypassrls')
    try:
        database.sql(f'grant select, insert, update on {LOGS}, {SENDS}, {WORKFLOWS} to "{name}"')
        for right in rights:
            database.sql(right.format(role=f'"{name}"'))
        yield name
    finally:
        database.sql("reset role")
        database.sql(f'reassign owned by "{name}" to postgres; drop owned by "{name}"; drop role "{name}"')


def protected(database: Database, table: str) -> dict[str, str]:
    """The table's protected columns with their types."""
    rows = database.sql(
        "select p.column_name as name, format_type(a.atttypid, null) as type from minutehand.protected_columns() p"
        " join pg_attribute a on a.attrelid = to_regclass(p.table_name) and a.attname = p.column_name"
        " where p.table_name = %s",
        table,
    )
    return {row["name"]: row["type"] for row in rows}


def write(database: Database, role: str, statement: str) -> dict[str, Any]:
    """Run a statement as this role; gives the row that is stored."""
    database.sql(f'set role "{role}"')
    try:
        return database.one(f"{statement} returning *")
    finally:
        database.sql("reset role")


def insert(database: Database, role: str, table: str, columns: dict[str, str], **more: str) -> dict[str, Any]:
    values = {name: VALUES[type_] for name, type_ in columns.items()} | more
    return write(database, role, f"insert into {table} ({', '.join(values)}) values ({', '.join(values.values())})")


def own(row: dict[str, Any], columns: dict[str, str]) -> dict[str, Any]:
    return {name: row[name] for name in columns}


def required(table: str) -> dict[str, str]:
    return {"name": "'mine'"} if table == WORKFLOWS else {"status": "'sent'"} if table == SENDS else {}


def test_each_column_is_the_apps_or_protected(database: Database) -> None:
    for table, apps in OF_THE_APP.items():
        rows = database.sql(
            "select attname::text as name from pg_attribute where attrelid = to_regclass(%s) and attnum > 0", table
        )
        assert {row["name"] for row in rows} - set(protected(database, table)) == apps


@pytest.mark.parametrize("table", OF_THE_APP)
def test_a_users_insert_gets_the_defaults_and_an_update_keeps_what_stood(database: Database, table: str) -> None:
    columns = protected(database, table)
    with role(database, "customer") as user:
        plain = write(database, user, f"insert into {table} ({', '.join(more := required(table)) or 'id'}) values"
                      f" ({', '.join(more.values()) or 'default'})")  # fmt: skip
        made = insert(database, user, table, columns, **more)
        assert own(made, columns) == own(plain, columns)
        assert {made[name] for name in more} == {value.strip("'") for value in more.values()}
        settings = ", ".join(f"{name} = {VALUES[type_]}" for name, type_ in columns.items())
        if table != WORKFLOWS:  # the owner's version is not the owner's to choose either
            stood = write(database, "postgres", f"update {table} set {settings} where id = '{made['id']}'")
            assert {*map(str, own(stood, columns).values())} > {"mine", "7"} or table == SENDS
        else:
            stood = made
        blanks = ", ".join(f"{name} = null" for name in columns)
        status = "cancelled" if table == LOGS else "failed"
        kept = write(database, user, f"update {table} set {blanks}, status = '{status}' where id = '{made['id']}'")
        assert kept["status"] == status
        if table != WORKFLOWS:
            assert own(kept, columns) == own(stood, columns)


@pytest.mark.parametrize(
    ("right", "keeps"),
    [
        ("grant postgres to {role}", True),  # the owner, by membership
        ("grant execute on function automation_settle to {role}", True),  # as service_role has it
        ("grant execute on function automation_tick to {role}", False),
        ("grant usage on schema minutehand to {role}", False),
        ("alter role {role} createrole", False),
    ],
)
def test_who_is_trusted_is_told_by_rights_and_membership(database: Database, right: str, keeps: bool) -> None:
    columns = protected(database, LOGS)
    with role(database, "colleague", right) as user:
        made = insert(database, user, LOGS, columns)
        assert (made["attempt"], made["code"]) == ((7, "mine") if keeps else (0, None))


def test_the_owner_of_an_adopted_table_writes_what_it_likes(database: Database) -> None:
    with role(
        database, "app", f"grant create on schema public to {{role}}; alter table {LOGS} owner to {{role}}"
    ) as app:
        assert insert(database, app, LOGS, protected(database, LOGS))["attempt"] == 7


def test_a_restore_and_a_replica_write_rows_as_they_are(database: Database) -> None:
    columns = protected(database, LOGS)
    with role(database, "subscriber", "grant set on parameter session_replication_role to {role}") as user:
        database.sql("set session_replication_role = replica")
        assert insert(database, user, LOGS, columns)["attempt"] == 7
        database.sql("reset session_replication_role")
        triggers = database.sql("select tgenabled from pg_trigger where tgname = 'minutehand_guard'")
        assert triggers == [{"tgenabled": "O"}] * 3


@pytest.fixture
def adopted(empty_database: Database) -> Database:
    """An adopted app whose executions had three columns of our names before us."""
    old_app(empty_database)
    empty_database.sql(f"alter table {LOGS} add attempt integer, add reason text, add scheduled_at timestamptz")
    asyncio.run(migrate(empty_database.url))
    return empty_database


def test_columns_that_an_adopted_table_had_stay_the_apps(adopted: Database) -> None:
    columns = protected(adopted, LOGS)
    assert not {"attempt", "reason", "scheduled_at"} & columns.keys()
    assert "idempotency_key" not in protected(adopted, SENDS)
    made = workflow(adopted, "Any")
    with role(adopted, "customer") as user:
        words = {"workflow_id": f"'{made}'", "trigger_type": "'x'", "status": "'pending'", "attempt": "3",
                 "reason": "'ours'", "scheduled_at": "'2030-01-01'"}  # fmt: skip
        stored = insert(adopted, user, LOGS, columns, **words)
        assert (stored["attempt"], stored["reason"], stored["scheduled_at"].year) == (3, "ours", 2030)
        assert (stored["lease_token"], stored["lost_leases"], stored["past"]) == (None, 0, None)


def test_a_users_row_is_adopted_and_runs(adopted: Database) -> None:
    made = workflow(adopted, "Any")
    with role(adopted, "customer") as user:
        words = {
            "workflow_id": f"'{made}'",
            "trigger_type": "'x'",
            "status": "'pending'",
            "organization_id": f"'{NORTH}'",
        }
        stored = insert(adopted, user, LOGS, protected(adopted, LOGS), **words)
    claim = adopted.call("automation_claim", p_token="6f4d1a52-7d0e-4a0b-9d0e-000000000002")
    assert [(one["id"], one["attempt"]) for one in claim["executions"]] == [(str(stored["id"]), 1)]


def test_a_users_own_send_counts_towards_no_limit(adopted: Database) -> None:
    with role(adopted, "customer") as user:
        words = {"user_id": f"'{ANNA}'", "type": "'email'", "direction": "'outbound'", "status": "'sent'",
                 "from_address": "'a'", "to_address": "'b'", "idempotency_key": "'mine'"}  # fmt: skip
        stored = insert(adopted, user, SENDS, protected(adopted, SENDS), **words)
    assert (stored["reserved_at"], stored["execution_id"], stored["idempotency_key"]) == (None, None, "mine")


def test_tables_that_schema_7_adopted_keep_what_they_had(empty_database: Database) -> None:
    from tests.schema.test_upgrade import restore

    restore(empty_database, "schema7_adopted_tables.sql")
    asyncio.run(migrate(empty_database.url))
    found = empty_database.sql("select table_name, columns from minutehand.adopted order by 1")
    columns = {row["table_name"]: row["columns"] for row in found}
    assert columns[LOGS][-1] == "execution_time_ms"
    assert {"idempotency_key", "recipient", "sent_at"} <= set(columns[SENDS])
    assert "version" not in columns[WORKFLOWS]
    assert {"attempt", "past", "lease_token"} <= set(protected(empty_database, LOGS))


def test_nobody_outside_calls_the_functions_of_the_triggers(database: Database) -> None:
    with role(database, "customer") as user:
        database.sql(f'set role "{user}"')
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.sql("select minutehand.protected_columns()")
