"""What a command asks at a terminal before it changes a database."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.journeys.app import COMMAND
from tests.servers import Database


def at_a_terminal(folder: Path, words: str, answer: str, **environment: str) -> tuple[int, str]:
    """Run a command at a terminal and type the answer; returns its exit code and what it printed to stderr."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *words.split()],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "dumb", **environment},
        cwd=folder,
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    seen = b""
    try:
        while part := os.read(ours, 4096):
            seen += part
    except OSError:  # the terminal's word for an end
        pass
    finally:
        os.close(ours)
    return process.wait(), seen.decode()


def is_there(database: Database) -> bool:
    return bool(database.one("select to_regnamespace('minutehand') is not null as there")["there"])


@pytest.mark.parametrize(
    ("words", "origin", "answer", "asks", "migrates"),
    [
        ("migrate", ".env", "y", True, True),
        ("migrate", ".env", "n", True, False),
        ("migrate", ".env", "", True, False),
        ("migrate --yes", ".env", "", False, True),
        ("migrate", "environment", "", False, True),
        ("migrate --database-url URL", ".env", "", False, True),
        ("migrate --dry-run", ".env", "", False, False),
    ],
)
def test_migrate_asks_if_the_address_is_from_a_file(
    empty_database: Database, tmp_path: Path, words: str, origin: str, answer: str, asks: bool, migrates: bool
) -> None:
    name, url = empty_database.connection.info.dbname, empty_database.url
    # A flag wins over the file, which names another database here.
    (tmp_path / ".env").write_text(f"DATABASE_URL={'postgresql://elsewhere/x' if 'URL' in words else url}\n")
    environment = {"DATABASE_URL": url} if origin == "environment" else {}
    code, seen = at_a_terminal(tmp_path, words.replace("URL", url), answer, **environment)
    assert code == 0, seen
    assert ("DATABASE_URL comes from the file .env here. Migrate postgres" in seen) == asks
    assert name in seen or not asks
    assert ("nothing was changed" in seen) == (asks and not migrates)
    assert is_there(empty_database) == migrates


@pytest.mark.parametrize(("answer", "stays"), [("n", True), ("", True), ("y", False)])
def test_uninstall_asks_and_names_the_database(database: Database, tmp_path: Path, answer: str, stays: bool) -> None:
    code, seen = at_a_terminal(tmp_path, "uninstall", answer, DATABASE_URL=database.url)
    assert code == 0, seen
    assert "Remove Minutehand from postgres" in seen
    assert database.connection.info.dbname in seen
    assert is_there(database) == stays


def test_uninstall_without_a_terminal_needs_yes(database: Database, tmp_path: Path) -> None:
    command = [*COMMAND, "uninstall"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DATABASE_URL": database.url}
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "repeat the command with --yes" in done.stderr
    assert is_there(database)
