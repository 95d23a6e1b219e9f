"""The schema: both backends give the same one; applying it again changes nothing; what is not ours stays."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from minutehand.store import schema
from minutehand.store.errors import StoreError
from tests.schema.catalog import catalog, script
from tests.servers import Database, on_both_servers

pytestmark = on_both_servers


def migrate(url: str) -> schema.Report:
    return asyncio.run(schema.migrate(url))


def test_migrating_twice_changes_nothing(empty_database: Database) -> None:
    first = migrate(empty_database.url)
    assert first.applied == [path.stem for path in schema.migrations()]
    before = catalog(empty_database), empty_database.sql("select * from automation_migrations")
    second = migrate(empty_database.url)
    assert (second.applied, second.version) == ([], schema.version())
    assert (catalog(empty_database), empty_database.sql("select * from automation_migrations")) == before
    assert empty_database.call("automation_schema_version") == {
        "version": schema.version(),
        "missing": [],
        "hidden": [],
    }


def test_what_stands_in_the_tables_is_not_touched_by_a_second_time(empty_database: Database) -> None:
    migrate(empty_database.url)
    empty_database.sql("insert into automation_workflows (name, user_id) values ('mine', 'user-1')")
    before = empty_database.sql("select *, xmin::text from automation_workflows")
    migrate(empty_database.url)
    script(empty_database)
    assert empty_database.sql("select *, xmin::text from automation_workflows") == before


def test_the_printed_script_gives_the_same_schema(empty_database: Database) -> None:
    script(empty_database)
    printed = catalog(empty_database), _recorded(empty_database)
    assert len(printed[0]) > 100
    empty_database.sql("drop schema public cascade; drop schema minutehand cascade; create schema public")
    empty_database.sql("grant usage on schema public to public")
    migrate(empty_database.url)
    migrated = catalog(empty_database), _recorded(empty_database)
    assert _without_schema_grants(printed[0]) == _without_schema_grants(migrated[0])
    assert printed[1] == migrated[1]


def test_the_printed_script_applies_again_over_either_backend(empty_database: Database) -> None:
    migrate(empty_database.url)
    before = catalog(empty_database)
    script(empty_database)
    assert catalog(empty_database) == before
    assert migrate(empty_database.url).applied == []


def _recorded(database: Database) -> list[dict[str, Any]]:
    return database.sql("select name, checksum from automation_migrations order by name")


def _without_schema_grants(found: dict[str, str]) -> dict[str, str]:
    return {name: what for name, what in found.items() if not name.startswith("schema public")}


@pytest.fixture
def owned(empty_database: Database) -> Iterator[Database]:
    """An empty database of a role that is no superuser, as its owner sees it."""
    owner = re.sub(r"\W", "_", f"owner_of_{empty_database.connection.info.dbname}")
    names = {"owner": sql.Identifier(owner), "name": sql.Identifier(empty_database.connection.info.dbname)}
    run = empty_database.connection.execute
    run(sql.SQL("create role {owner} login nosuperuser").format(**names))
    run(sql.SQL("alter database {name} owner to {owner}").format(**names))
    url = empty_database.url.replace("//postgres@", f"//{owner}@")
    try:
        with psycopg.connect(url, autocommit=True, row_factory=psycopg.rows.dict_row) as connection:
            yield Database(url, connection)
    finally:
        run(sql.SQL("alter database {name} owner to postgres").format(**names))
        run(sql.SQL("drop owned by {owner} cascade").format(**names))
        run(sql.SQL("drop role {owner}").format(**names))


def test_an_owner_who_is_no_superuser_gets_the_same_by_both_backends(owned: Database, empty_database: Database) -> None:
    migrate(owned.url)
    migrated = catalog(owned)
    assert owned.one("select current_setting('is_superuser') as super")["super"] == "off"
    owned.sql("drop schema minutehand cascade")
    owned.sql("drop owned by current_user cascade")
    script(owned)
    assert catalog(owned) == migrated
    assert len(migrated) > 100
    assert owned.call("automation_claim", p_token="00000000-0000-4000-8000-000000000000")["executions"] == []


def test_two_at_once_are_safe(empty_database: Database) -> None:
    async def both() -> list[schema.Report]:
        return await asyncio.gather(*[schema.migrate(empty_database.url) for _ in range(4)])

    reports = asyncio.run(both())
    assert sorted(len(report.applied) for report in reports) == [0, 0, 0, len(schema.migrations())]
    before = catalog(empty_database)
    migrate(empty_database.url)
    assert catalog(empty_database) == before


@pytest.fixture
def edition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the SQL files that the program takes for its own."""
    copy = Path(shutil.copytree(schema.sql_root(), tmp_path / "sql"))
    monkeypatch.setattr(schema, "sql_root", lambda: copy)
    return copy


def test_an_edited_migration_is_refused_and_nothing_changes(empty_database: Database, edition: Path) -> None:
    migrate(empty_database.url)
    before = catalog(empty_database)
    first = schema.migrations()[0]
    first.write_text(first.read_text() + "\ncreate table edited (id int);\n")
    with pytest.raises(StoreError, match=f"{first.stem} was edited"):
        migrate(empty_database.url)
    assert catalog(empty_database) == before


def test_a_newer_database_is_refused_and_nothing_changes(empty_database: Database) -> None:
    migrate(empty_database.url)
    empty_database.sql("insert into automation_migrations (name, checksum) values ('9999_future', 'x')")
    before = catalog(empty_database)
    with pytest.raises(StoreError, match="9999_future"):
        migrate(empty_database.url)
    assert catalog(empty_database) == before


def test_a_next_migration_is_applied_once_and_a_failing_one_not_at_all(empty_database: Database, edition: Path) -> None:
    migrate(empty_database.url)
    following = edition / "migrations" / "9000_next.sql"
    following.write_text("create table following (id int); select 1 / 0;")
    before = catalog(empty_database)
    with pytest.raises(StoreError, match="division by zero"):
        migrate(empty_database.url)
    assert catalog(empty_database) == before
    following.write_text("create table following (id int);")
    assert migrate(empty_database.url).applied == ["9000_next"]
    assert migrate(empty_database.url).applied == []
    assert empty_database.call("automation_schema_version") == {"version": 9000, "missing": [], "hidden": []}


@pytest.mark.parametrize("backend", [lambda database: migrate(database.url), script], ids=["migrate", "script"])
@pytest.mark.parametrize("again", [False, True], ids=["first", "upgrade"])
def test_a_foreign_function_of_our_name_is_refused_by_name_and_nothing_changes(
    empty_database: Database, backend: Any, again: bool
) -> None:
    if again:
        migrate(empty_database.url)
    empty_database.sql("create function automation_claim(p_queue text) returns text language sql as 'select p_queue'")
    before = catalog(empty_database)
    with pytest.raises(
        (StoreError, psycopg.Error), match=r"automation_claim\(text\) exists, and Minutehand did not create it"
    ):
        backend(empty_database)
    assert catalog(empty_database) == before
    assert empty_database.one("select automation_claim('theirs') as said")["said"] == "theirs"


def test_functions_of_the_triggers_are_replaced_in_place(empty_database: Database) -> None:
    """Dropped and created again, one could be missing for a concurrent statement of the app (R8)."""
    migrate(empty_database.url)
    query = "select oid from pg_proc where pronamespace = 'minutehand'::regnamespace order by 1"
    before = empty_database.sql(query)
    migrate(empty_database.url)
    assert empty_database.sql(query) == before


def test_a_function_that_the_files_do_not_define_any_more_is_dropped(empty_database: Database) -> None:
    migrate(empty_database.url)
    before = catalog(empty_database)
    empty_database.sql(
        "create function minutehand.tenant(p_old integer) returns text language sql as 'select null';"
        "create function automation_old() returns jsonb language sql as 'select null::jsonb';"
        "comment on function automation_old() is 'minutehand: an older one'"
    )
    migrate(empty_database.url)
    assert catalog(empty_database) == before


def test_a_function_of_the_apps_with_another_name_stays(empty_database: Database) -> None:
    empty_database.sql("create function automation_of_mine() returns text language sql as $$ select 'mine' $$")
    migrate(empty_database.url)
    assert empty_database.one("select automation_of_mine() as said")["said"] == "mine"


def test_an_older_signature_of_ours_is_replaced(empty_database: Database) -> None:
    migrate(empty_database.url)
    before = catalog(empty_database)
    empty_database.sql(
        "create function automation_claim(p_old integer) returns text language sql as 'select null';"
        "comment on function automation_claim(integer) is 'minutehand: an older one'"
    )
    migrate(empty_database.url)
    assert catalog(empty_database) == before
