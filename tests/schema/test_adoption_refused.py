"""What cannot be adopted is refused by name, and a migration that stopped midway is completed or refused (R3)."""

from __future__ import annotations

import asyncio
import re
from contextlib import closing
from typing import Any

import psycopg
import pytest

from minutehand.store import schema
from minutehand.store.errors import BadRequest, Conflict, StoreError
from tests.adopted import old_app, own
from tests.schema.catalog import script
from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import session

pytestmark = on_both_servers


def migrate(database: Database, **more: Any) -> schema.Report:
    return asyncio.run(schema.migrate(database.url, **more))


on_both_backends = pytest.mark.parametrize("backend", [migrate, script], ids=["migrate", "script"])


# --- refused ----------------------------------------------------------------------------------------------------------

REFUSED = {
    "alter table automation_workflows alter id drop default, alter id type text": r"workflows\.id has type text",
    "alter table automation_execution_logs alter id type text": r"logs\.id has type text, but uuid is needed",
    "alter table automation_execution_logs alter id drop default": r"logs\.id has no default",
    "alter table automation_execution_logs rename trigger_data to payload": r"logs has no trigger_data",
    "alter table automation_execution_logs alter created_at type timestamp": r"created_at has type timestamp without",
    "alter table automation_execution_logs alter trigger_data type text": r"trigger_data has type text, but json",
    "alter table automation_execution_logs add attempt text": r"attempt has type text, but integer is needed",
    "alter table communication_logs add execution_id text": r"execution_id has type text, but uuid is needed",
    "create table automation_events (id uuid primary key, payload json)": r"automation_events has no .*dedupe_key",
    "create view automation_control as select 1 as scope": r"automation_control is not an ordinary table",
    "create table automation_migrations (version text)": r"automation_migrations has no applied_at, checksum, name",
    "alter table automation_execution_logs drop constraint automation_execution_logs_status_check;"
    "create type log_status as enum ('pending', 'done');"
    "alter table automation_execution_logs alter status type log_status using 'done'": r"status has type log_status",
    "alter table communication_logs drop constraint communication_logs_status_check;"
    "alter table communication_logs alter status type varchar(8)": r"cannot hold the word uncertain",
    "create domain word as text check (value in ('pending', 'sent', 'failed', 'delivered'));"
    "alter table communication_logs alter status type word": r"type word, which cannot hold the word reserved",
}


@on_both_backends
@pytest.mark.parametrize("change", REFUSED)
def test_what_cannot_be_adopted_is_refused_by_name_and_nothing_changes(
    empty_database: Database, backend: Any, change: str
) -> None:
    old_app(empty_database, logs=20)
    empty_database.sql(
        "alter table automation_execution_logs drop constraint automation_execution_logs_workflow_id_fkey"
    )
    empty_database.sql(change)
    before = own(empty_database)
    with pytest.raises((StoreError, psycopg.Error), match=f"cannot migrate: .*{REFUSED[change]}") as refusal:
        backend(empty_database)
    if backend is migrate:
        assert "nothing was changed" in str(refusal.value)
    assert own(empty_database) == before
    assert empty_database.one("select to_regnamespace('minutehand')::text as name")["name"] is None


@on_both_backends
def test_the_statements_that_are_printed_convert_columns_of_other_types(empty_database: Database, backend: Any) -> None:
    """Timestamps without zone are what several ORMs make; their values are instants in UTC."""
    old_app(empty_database, logs=20)
    columns = "select created_at, trigger_data::jsonb from automation_execution_logs order by id"
    before = empty_database.sql(columns)
    empty_database.sql(
        "alter table automation_execution_logs alter created_at type timestamp using created_at at time zone 'UTC',"
        " alter trigger_data type text;"
        "alter table communication_logs alter created_at type timestamp using created_at at time zone 'UTC'"
    )
    empty_database.sql("set timezone = 'Asia/Tokyo'")
    with pytest.raises((StoreError, psycopg.Error), match="UTC, or the zone in which the app writes them") as refusal:
        backend(empty_database)
    statements = re.findall(r"alter table [^;]+", str(refusal.value))
    assert len(statements) == 2
    for statement in statements:
        empty_database.sql(statement)
    assert empty_database.sql(columns) == before
    backend(empty_database)


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


def test_an_internal_table_of_a_role_without_our_trust_is_refused(empty_database: Database) -> None:
    """A superuser has the rights of every role; the table's own triggers would have the superuser's."""
    empty_database.sql("create role visitor nologin")
    try:
        empty_database.sql(
            "create table automation_opt_outs (channel text, address text, tenant text, reason text,"
            " created_at timestamptz);"
            "alter table automation_opt_outs owner to visitor"
        )
        with pytest.raises(BadRequest, match="automation_opt_outs belongs to the role visitor, which is neither"):
            asyncio.run(schema.migrate(empty_database.url))
        empty_database.sql("drop table automation_opt_outs")
    finally:
        empty_database.sql("drop owned by visitor; drop role visitor")


# --- half applied -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("adopting", [True, False], ids=["adopted", "new"])
def test_a_migration_that_stopped_anywhere_is_completed(empty_database: Database, adopting: bool) -> None:
    """As by an editor that runs the statements one by one, each in a transaction of its own; then `migrate`."""
    statements = [text for text in _statements(schema.script()) if not re.search(r"^(begin|commit);$", text, re.M)]
    begun = [number for number, text in enumerate(statements) if re.match(r"\s*(--[^\n]*\s+)*(create|alter) ", text)]
    wanted = None
    for stop in [len(statements), *begun[1:40:3]]:
        empty_database.sql(
            "drop schema public cascade; drop schema if exists minutehand, auth cascade; create schema public"
        )
        if adopting:
            old_app(empty_database, logs=20)
        empty_database.sql("set check_function_bodies = off")
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


def test_a_printed_schema_that_is_cut_off_leaves_nothing(empty_database: Database) -> None:
    """Else its functions would be there before their grants are taken away: everybody could call them."""
    before = own(empty_database)
    statements = _statements(schema.script())
    for part in (0.3, 0.7, 0.99):
        with closing(psycopg.connect(empty_database.url, autocommit=True)) as client:
            for statement in statements[: int(len(statements) * part)]:
                client.execute(statement.encode())
        assert own(empty_database) == before
        assert empty_database.sql("select from pg_namespace where nspname = 'minutehand'") == []


@pytest.mark.parametrize("times", [1, 2])
def test_the_printed_schema_says_nothing(empty_database: Database, times: int) -> None:
    said: list[str] = []
    with psycopg.connect(empty_database.url, autocommit=True) as client:
        client.add_notice_handler(lambda notice: said.append(str(notice.message_primary)))
        for _ in range(times):
            result = client.execute(schema.script().encode())
            while True:
                assert result.description is None, "psql would print rows"
                if not result.nextset():
                    break
    assert said == []


def test_a_recorded_migration_whose_table_is_gone_is_refused_and_says_how_to_go_on(empty_database: Database) -> None:
    migrate(empty_database)
    empty_database.sql("drop table automation_opt_outs; alter table automation_execution_logs drop column reason")
    with pytest.raises(StoreError, match=r"0008_schema is recorded.* has no reason.*automation_opt_outs is missing"):
        migrate(empty_database)
    empty_database.sql("delete from automation_migrations where name = '0008_schema'")
    assert migrate(empty_database).applied == ["0008_schema"]


def test_a_table_in_use_is_waited_for_a_while_and_nothing_changes(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "LOCK_TIMEOUT", "100ms")
    old_app(empty_database)
    before = own(empty_database)
    with session(empty_database) as app:
        app.sql("begin")
        app.sql("select * from automation_execution_logs")
        with pytest.raises(Conflict, match=r"locked for more than .* nothing was changed"):
            migrate(empty_database)
        app.sql("commit")
    assert own(empty_database) == before


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
