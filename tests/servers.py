"""Real PostgreSQL servers for the tests: the embedded 18, and Debian's 15 as the oldest that we support."""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from minutehand.store.embedded import Embedded

#: Mark a module or a test with it to run on the newest and on the oldest server (each test must use a database).
on_both_servers = pytest.mark.parametrize("server", ["pg18", "pg15"], indirect=True)

OLDEST = Path("/usr/lib/postgresql/15/bin")
#: The arguments of `Store.claim` that tests do not care about.
CLAIM: dict[str, Any] = {"worker": "w", "lease_seconds": 120, "max_attempts": 5}
#: What a database that nobody will miss can do without: it is cloned in a quarter of the time.
SETTINGS = {
    "max_connections": "200",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
}
#: In memory where there is some, for the same reason.
MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 4 * 1024**3
TEMPLATE = "minutehand_template"

#: Marks a test database and lets a test move the clock: `set minutehand.now = '2030-01-01'`; and gives the trigger the
#: time that it needs on a busy machine, unless a test says how much: `set minutehand.match_budget = '50 ms'`.
CLOCK = """
create or replace function minutehand.match_budget() returns interval language sql stable set search_path = '' as
$$ select coalesce(nullif(current_setting('minutehand.match_budget', true), '')::interval, '1 minute') $$;
create or replace function minutehand.clock() returns timestamptz language sql stable set search_path = '' as
$$ select coalesce(nullif(current_setting('minutehand.now', true), '')::timestamptz, now()) $$
"""


def require(condition: object, reason: str) -> None:
    """Skip the test when `condition` is false; fail it where everything must run (MINUTEHAND_TEST_REQUIRE_ALL=1)."""
    if not condition:
        if os.environ.get("MINUTEHAND_TEST_REQUIRE_ALL") == "1":
            pytest.fail(f"required here: {reason}")
        pytest.skip(reason)


@contextmanager
def temporary_folder(parent: Path = Path("/tmp")) -> Iterator[Path]:
    """A folder with a short path that other accounts can traverse (pytest's own tmp_path cannot be, as root)."""
    folder = Path(tempfile.mkdtemp(prefix="mh-", dir=parent))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def running_server(binaries: Path | None = None) -> Iterator[str]:
    """A server of its own for this session; gives its URL."""
    with temporary_folder(_data_folder()) as folder:
        if binaries is None:
            server = Embedded(folder / "home")
        else:
            server = Embedded(folder / "home", binaries=binaries, locale=("--locale=C.UTF-8",))
        try:
            yield server.start(SETTINGS)
        finally:
            server.stop()


def _data_folder() -> Path:
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES
    return MEMORY if roomy else Path("/tmp")


@dataclass(frozen=True, slots=True)
class Database:
    """One test's database, with an autocommitting connection."""

    url: str
    connection: psycopg.Connection[DictRow]

    def sql(self, query: str, *args: object) -> list[dict[str, Any]]:
        """Run a statement (`%s` for each of `args`) and give its rows, if it has any."""
        cursor = self.connection.execute(query.encode(), args or None)
        return cursor.fetchall() if cursor.description else []

    def one(self, query: str, *args: object) -> dict[str, Any]:
        """Run a statement that gives exactly one row."""
        (row,) = self.sql(query, *args)
        return row

    def call(self, function: str, **arguments: object) -> Any:
        """Call `public.<function>` by named arguments.  A dict or list goes as jsonb, a tuple as an array."""
        named = [sql.SQL("{} => %s").format(sql.Identifier(name)) for name in arguments]
        query = sql.SQL("select public.{}({}) as result").format(sql.Identifier(function), sql.SQL(", ").join(named))
        row = self.connection.execute(query, [_parameter(value) for value in arguments.values()]).fetchone()
        assert row is not None
        return row["result"]


def _parameter(value: object) -> object:
    if isinstance(value, dict | list):
        return Jsonb(value)
    return list(value) if isinstance(value, tuple) else value


def url_of(server: str, name: str) -> str:
    """The URL of database `name` on the server whose own URL is `server`."""
    return server.replace("@/postgres?", f"@/{name}?")


def _administer(server: str, statement: str, name: str, template: str = "template1") -> None:
    names = {"name": sql.Identifier(name), "template": sql.Identifier(template)}
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(**names))


@functools.cache
def migrated_template(server: str) -> str:
    """Make, once a server and session, the database that the others are cloned from."""
    from minutehand.store.schema import migrate

    _administer(server, "create database {name} template {template} strategy file_copy", TEMPLATE)
    try:
        asyncio.run(migrate(url_of(server, TEMPLATE)))
        with psycopg.connect(url_of(server, TEMPLATE), autocommit=True) as connection:
            connection.execute(CLOCK)
    except BaseException:
        _administer(server, "drop database {name} with (force)", TEMPLATE)
        raise
    return TEMPLATE


@contextmanager
def temporary_database(server: str, name: str, template: str = "template1") -> Iterator[Database]:
    """A database cloned from `template`, dropped afterwards whoever is still connected."""
    _administer(server, "create database {name} template {template} strategy file_copy", name, template)
    try:
        url = url_of(server, name)
        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
            yield Database(url, connection)
    finally:
        _administer(server, "drop database {name} with (force)", name)
