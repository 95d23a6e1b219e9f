"""The command line: its words, its codes, and where its settings come from."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from minutehand.scheduler.cli.main import COMMANDS, cli
from tests.journeys.app import Minutehand, wait_until


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
    return found


@pytest.mark.parametrize("path", [(), *commands(cli)], ids=" ".join)
def test_every_help_ends_with_an_example(call, path):
    said = call(*path, "--help")
    assert (said.code, said.err) == (0, "")
    last = said.out.strip().splitlines()[-1].strip()
    word = "Try it: minutehand" if not path else "Example: "
    assert last.startswith(word)
    assert "minutehand" in last
    assert call(*path, "-h").out == said.out


def test_the_help_says_each_settings_variable_once(call):
    for command in ("run-once", "start"):
        words = call(command, "--help").out.split()
        named = [word.strip("[].,") for word in words if word.startswith(("MINUTEHAND_", "DATABASE_URL", "SMTP_URL"))]
        assert len(named) == len(set(named)) > 10


def test_logs_is_another_name_for_executions_and_is_not_listed_twice(call):
    assert COMMANDS["logs"] == COMMANDS["executions"]
    assert call("logs", "ls", "--help").code == 0
    assert "\n  logs" not in call("--help").out


@pytest.mark.parametrize(
    "arguments",
    [
        ("fly",),
        ("run-once", "--fly"),
        ("run-once", "--batch-size", "0"),
        ("run-once", "-n", "many"),
        ("run-once", "--max-time", "soon"),
        ("run-once", "-o", "xml"),
        ("run-once", "--executor", "moon"),
        ("trigger", "add"),
        ("executions", "retry"),
        ("executions", "ls", "--status", "odd"),
        ("enqueue", "W", "--row", "1", "--at", "soon"),
        ("enqueue", "W", "--payload", "{"),
        ("enqueue", "W", "--payload", "@missing"),
        ("trigger", "add", "jobs", "--link", "client_id"),
    ],
    ids=" ".join,
)
def test_what_is_no_command_is_exit_2_and_says_what_is_wrong(call, arguments):
    said = call(*arguments, DATABASE_URL="postgresql://127.0.0.1:1/x")
    assert (said.code, said.out) == (2, "")
    assert "Traceback" not in said.err
    assert said.err.splitlines()[-1].startswith("Error: ")


def test_a_bad_value_in_the_environment_is_told_by_its_variable(call):
    said = call("run-once", MINUTEHAND_BATCH_SIZE="many")
    assert (said.code, said.out) == (2, "")
    assert "MINUTEHAND_BATCH_SIZE" in said.err


@pytest.mark.parametrize("command", ["run-once", "start", "status", "migrate", "executions ls", "trigger ls"])
def test_with_nothing_set_and_nobody_there_it_is_exit_78(tmp_path, command):
    done = Minutehand(tmp_path)(*command.split())
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.count("\n") == 1
    assert "no database configured: set DATABASE_URL" in done.stderr


@pytest.mark.parametrize("command", ["run-once", "start", "status", "migrate", "executions ls"])
def test_a_url_that_cannot_be_read_is_exit_78_and_not_shown(call, command):
    said = call(*command.split(), DATABASE_URL="postgresql://me:hu%sh@db.example.com:five/app")
    assert (said.code, said.out, said.err.count("\n")) == (78, "", 1)
    assert "hu%sh" not in said.err


@pytest.mark.parametrize("command", ["run-once", "status", "migrate"])
def test_a_wrong_password_is_exit_78_and_not_shown(call, database, command):
    hba = Path(database.one("select current_setting('hba_file') as file")["file"])
    before = hba.read_text()
    database.sql("drop role if exists locked", *())
    database.sql("create role locked login password 'right'")
    hba.write_text("local all locked scram-sha-256\n" + before)
    try:
        database.sql("select pg_reload_conf()")
        url = database.url.replace("postgres@", "locked:hush@", 1)
        wait_until(lambda: "authentication failed" in call("status", DATABASE_URL=url).err, "the server to reload")
        said = call(command, DATABASE_URL=url)
        assert (said.code, said.out, said.err.count("\n")) == (78, "", 1)
        assert "hush" not in said.err
        missing = call(command, DATABASE_URL=database.url.replace("postgres@", "locked@", 1))
        assert (missing.code, "no password supplied" in missing.err) == (78, True)
    finally:
        hba.write_text(before)
        database.sql("select pg_reload_conf()")
        database.sql("drop role locked")


def test_a_role_without_rights_is_exit_78(call, database):
    database.sql("create role nobody_special login")
    try:
        said = call("run-once", DATABASE_URL=database.url.replace("postgres@", "nobody_special@", 1))
        assert (said.code, said.out, said.err.count("\n")) == (78, "", 1)
        assert said.err.endswith("run: select minutehand.grant_role('nobody_special')\n")
    finally:
        database.sql("drop role nobody_special")


def test_flags_win_over_the_environment_over_dot_env_over_defaults(call, database, tmp_path):
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://127.0.0.1:1/from-file\nMINUTEHAND_LOG_LEVEL=loud\n")
    assert "from-file" in call("run-once", MINUTEHAND_LOG_LEVEL="info").err
    assert "loud" in call("run-once").err
    said = call("run-once", MINUTEHAND_LOG_LEVEL="info", DATABASE_URL="postgresql://127.0.0.1:1/from-outside")
    assert "from-outside" in said.err
    flag = ("--database-url", database.url, "--log-level", "info")
    assert call("run-once", *flag, DATABASE_URL="postgresql://127.0.0.1:1/from-outside").code == 0


def test_a_secret_may_come_from_a_file(call, database, tmp_path):
    (tmp_path / "url").write_text(database.url + "\n")
    assert call("run-once", DATABASE_URL_FILE=str(tmp_path / "url")).code == 0
    said = call("run-once", DATABASE_URL_FILE=str(tmp_path / "missing"))
    assert (said.code, said.err.count("\n")) == (78, 1)
    assert "DATABASE_URL_FILE" in said.err
