"""Each command prints JSON when asked to, and takes and prints any text wherever it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import click
import pytest

from minutehand.scheduler.cli.commands.demo import demo_home
from minutehand.scheduler.cli.main import cli
from tests.servers import Database
from tests.unit.conftest import Call

#: Commands without -o, and why.
WITHOUT: dict[tuple[str, ...], str] = {
    ("demo",): "shows something to a person",
    ("start",): "runs until it is stopped; its log is JSON: --log-format",
    ("worker",): "the same",
    ("serve",): "the same",
    ("workflows", "new"): "prints a file",
    ("workflows", "export"): "prints files",
    ("units",): "prints files",
}


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from leaves(below, (*path, name))


def test_every_command_has_json() -> None:
    for path, command in leaves(cli):
        forms = next((one.type.choices for one in command.params if one.name == "output"), ())  # type: ignore[attr-defined]
        assert ("json" in forms) == (path not in WITHOUT), path
        assert ("jsonl" in forms) == (path[-1] == "ls" or path in [("alerts", "check"), ("alerts", "test")]), path
    assert set(WITHOUT) <= {path for path, _ in leaves(cli)}


#: One after the other, on one database: what is called, and the keys that its JSON has.
CALLS: list[tuple[str, set[str]]] = [
    (
        "migrate",
        {"backend", "database", "dry_run", "applied", "functions", "version", "stopped", "closed_links", "steps"},
    ),
    ("migrate --dry-run", {"dry_run", "steps"}),
    ("trigger add jobs --tenant none", {"table", "type", "id", "status", "tenant"}),
    ("trigger rm jobs", {"removed"}),
    ("limits set recipient 3", {"answer", "scope", "n"}),
    ("limits rm recipient", {"answer", "scope"}),
    ("limits rm recipient", {"answer"}),
    ("tenants set north --timezone Europe/Berlin", {"answer", "tenant", "timezone", "app_timezone", "settings"}),
    ("tenants rm north", {"answer", "tenant"}),
    ("tenants rm north", {"answer"}),
    ("tenants zones-from none", {"tenants"}),
    ("upcoming", {"now", "from", "until", "total", "items", "more", "schedules", "dates"}),
    ("opt-outs add ann@example.com", {"answer", "address"}),
    ("opt-outs rm ann@example.com", {"answer", "address"}),
    ("opt-outs rm ann@example.com", {"answer"}),
    ("direct status", {"on"}),
    ("direct off", {"was_on"}),
    ("pause", {"name", "held", "existed", "starts_at", "ends_at"}),
    ("resume", {"name", "held", "existed", "planned"}),
    ("prune --keep 90d", {"deleted"}),
    ("status", {"backend", "database", "problems"}),
    ("run-once", {"schema", "claimed"}),
    ("version", {"version", "schema_version", "python"}),
    ("uninstall --dry-run", {"backend", "database", "dry_run", "removed", "left"}),
]


def test_what_commands_print_as_json(call: Call, database: Database) -> None:
    database.sql("create table jobs (id text primary key, status text)")
    for line, keys in CALLS:
        said = call(*line.split(), "-o", "json", DATABASE_URL=database.url)
        assert keys <= json.loads(said.out).keys(), (line, said)
        assert said.code == (2 if '"answer": "missing"' in said.out else 0), (line, said)


def test_targets_of_alerts_are_told_as_json(call: Call) -> None:
    said = call("alerts", "test", "-o", "jsonl", MINUTEHAND_ALERT_URLS="json://127.0.0.1:9/")
    assert said.code == 3
    (target,) = map(json.loads, said.out.splitlines())
    assert target.keys() == {"target", "accepted", "reason"}
    assert (target["target"], target["accepted"]) == (1, None), "nobody knows"
    assert target["reason"]


def test_the_version_is_an_option_too(call: Call) -> None:
    assert call("--version").out == call("version").out
    assert call("--version").code == 0


#: Where Python is not in UTF-8.
PLACES = {
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"},
    "POSIX": {"LANG": "POSIX", "PYTHONUTF8": "0"},
    "latin-1": {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "latin-1"},
    "UTF-8": {"LC_ALL": "C.UTF-8"},
}
NAME = "Zoë dankt “für alles” 😀 日本"


def run(place: str, *arguments: bytes | str, stdin: Any = b"", **environment: Any) -> Any:
    made: dict[str, Any] = {"PATH": os.environ["PATH"], **PLACES[place], **environment}
    return subprocess.run(
        [sys.executable, "-m", "minutehand.scheduler.cli.main", *arguments],
        input=stdin,
        capture_output=True,
        env=made,
        check=False,
    )


@pytest.mark.parametrize("place", PLACES)
def test_any_text_goes_in_and_out_wherever_python_runs(database: Database, place: str) -> None:
    at = {"DATABASE_URL": database.url}
    file = f"name: {NAME}\ntrigger: job_done\norganization_id: ü\nsteps:\n  - {{type: stop}}\n".encode()
    saved = run(place, "workflows", "apply", "-", stdin=file, **at)
    assert (saved.returncode, b"Traceback" in saved.stderr) == (0, False), saved.stderr
    shown = run(place, "workflows", "show", NAME, "-o", "json", **at)
    assert (shown.returncode, json.loads(shown.stdout)["name"]) == (0, NAME), shown.stderr
    table = run(place, "workflows", "ls", **at)
    assert (table.returncode, table.stderr) == (0, b"")
    exported = run(place, "workflows", "export", NAME, **at)
    assert NAME in exported.stdout.decode(), "a file is UTF-8 everywhere"
    assert database.one("select name, organization_id from automation_workflows") == {
        "name": NAME,
        "organization_id": "ü",
    }
    for arguments in (
        ["workflows", "show", "ü"],
        ["workflows", "lint", "ü.yaml"],
        ["ü"],
        ["run-once", "--executor", "ü"],
    ):
        refused = run(place, *arguments, **at)
        assert (refused.returncode, b"Traceback" in refused.stderr) == (2, False), (arguments, refused.stderr)
    printed = run(place, "migrate", "--print")
    assert (printed.returncode, printed.stderr) == (0, b"")
    assert "…" in printed.stdout.decode()


@pytest.mark.parametrize("place", PLACES)
def test_bytes_that_are_no_text_are_refused_in_one_line(place: str) -> None:
    argument = run(place, "workflows", "show", b"Zo\xeb")
    variable = run(place, "status", DATABASE_URL=b"postgresql://\xeb:hush@h/db")
    stdin = run(place, "workflows", "lint", "-", stdin=b"name: Zo\xeb\n")
    for refused, code, words in (
        (argument, 2, b"is not UTF-8 text"),
        (variable, 78, b"DATABASE_URL is not"),
        (stdin, 2, b"UTF-8"),
    ):
        assert (refused.returncode, refused.stdout) == (code, b""), refused.stderr
        assert words in refused.stderr
        assert b"Traceback" not in refused.stderr
        assert b"hush" not in refused.stderr


def test_two_checkouts_share_no_demo_unless_they_are_told_to() -> None:
    one, other = (demo_home({}, f"/src/{name}/.venv") for name in ("one", "other"))
    assert one != other
    assert one == demo_home({}, "/src/one/.venv")
    assert one.parent == other.parent
    assert str(demo_home({"MINUTEHAND_HOME": "/data"}, "/src/one/.venv")) == "/data/demo"
