"""Copies of a server's files, and an upgrade of the server: what tells them from the original, and what does not."""

from __future__ import annotations

import asyncio
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from minutehand.store import schema
from minutehand.store.embedded import Embedded
from tests.servers import OLDEST, Database, require, temporary_folder

#: C.UTF-8 of the C library: both servers know it.
LOCALE = ("--locale=C.UTF-8",)


def state_of(server: Embedded) -> Any:
    with psycopg.connect(server.url(), autocommit=True, row_factory=dict_row) as connection:
        return Database(server.url(), connection).call("automation_identity")


def recorded(server: Embedded) -> None:
    """Migrate the server's database, and claim there once."""
    asyncio.run(schema.migrate(server.start()))
    with psycopg.connect(server.url(), autocommit=True, row_factory=dict_row) as connection:
        token = str(uuid.uuid4())
        Database(server.url(), connection).call("automation_claim", p_token=token, p_caller={"location": "there"})
    assert state_of(server)["state"] == "same"


def without_icu(server: Embedded) -> None:
    """Name another collation than ICU's, which the embedded 18 is built without: pg_upgrade refuses a missing one."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        row = connection.execute("select pg_get_functiondef('minutehand.fold_case(text)'::regprocedure)").fetchone()
        assert row is not None
        connection.execute(row[0].replace("und-x-icu", "C").encode())


def as_owner(of: Path, *command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    owner = of.stat()
    words = [str(word) for word in command]
    account: dict[str, Any] = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": ()}
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, **(account if _is_root() else {}))


def _is_root() -> bool:
    return Path("/proc/self").stat().st_uid == 0


def test_pg_upgrade_from_15_to_18_is_a_move_and_the_work_goes_on() -> None:
    require((OLDEST / "pg_upgrade").exists(), f"no PostgreSQL 15 in {OLDEST}")
    with temporary_folder() as folder:
        old = Embedded(folder / "old", binaries=OLDEST, locale=LOCALE)
        new = Embedded(folder / "new", locale=LOCALE)
        try:
            recorded(old)
            without_icu(old)
            new.start()
        finally:
            old.stop()
            new.stop()
        programs = new._usable_binaries(new._identity())
        off = as_owner(new.data, programs / "pg_checksums", "--disable", "-D", new.data, cwd=new.data)
        assert off.returncode == 0, off.stderr  # 18 has checksums by default, 15 has not
        done = as_owner(
            new.data,
            *(programs / "pg_upgrade", "-b", OLDEST, "-B", programs, "-d", old.data, "-D", new.data, "-U", "postgres"),
            *("-s", new.data),
            cwd=new.data,
        )
        assert done.returncode == 0, done.stdout[-2000:]
        try:
            new.start()
            found = state_of(new)
        finally:
            new.stop()
        assert found["state"] == "moved"
        assert found["reason"].startswith("there has moved to another server since ")


def test_a_copy_of_the_files_cannot_be_told_from_the_original() -> None:
    with temporary_folder() as folder:
        old, new = Embedded(folder / "old"), Embedded(folder / "new")
        try:
            recorded(old)
            new.home.mkdir(mode=0o755)
            programs = old._usable_binaries(old._identity())
            owner = old.data.stat()
            new.data.mkdir(mode=0o700)
            if _is_root():
                os.chown(new.data, owner.st_uid, owner.st_gid)
            done = as_owner(old.data, programs / "pg_basebackup", "-d", old.url(), "-D", new.data, cwd=new.data)
            assert done.returncode == 0, done.stderr
            new.start()
            assert state_of(new)["state"] == "same", "docs/backup.md says so, and what to do"
        finally:
            old.stop()
            new.stop()
