"""Each command, as the roles of docs/operations.md: one that runs, one that reads, and one without any right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click
import psycopg
import pytest

from minutehand.scheduler.cli.main import cli
from minutehand.scheduler.demo.receivers import HttpReceiver
from minutehand.store import schema
from tests.journeys.app import SECRET, App, webhook
from tests.servers import Database, on_both_servers
from tests.unit.conftest import Call

RUNNER, READER, NOBODY = "minutehand_runner", "minutehand_reader", "minutehand_nobody"
#: Commands that ask no database as a role: they need none, or have an embedded one of their own.
WITHOUT = {
    *("demo", "version", "units", "workflows new", "db url", "db start", "db stop", "db status", "alerts test"),
}
#: These run until they are stopped: tests/dashboard/test_least_privilege_pages.py has them.
UNTIL_STOPPED = {"start", "serve"}
#: What each command is called with, and who may: `read` what changes nothing, `run`, or the `owner`.
CASES = {
    "migrate": ("", "owner"),
    "uninstall": ("--dry-run", "owner"),
    "trigger add": ("jobs --writable", "owner"),
    "trigger rm": ("clients", "owner"),
    "direct on": ("--url https://automations.example.com", "owner"),
    "direct off": ("", "owner"),
    "direct rotate": ("", "owner"),
    "status": ("--check --max-age 10m", "read"),
    "doctor": ("", "read"),
    "trigger ls": ("", "read"),
    "direct status": ("", "read"),
    "explain": ("J-2019", "read"),
    "upcoming": ("--until 7days", "read"),
    "executions ls": ("status:pending", "read"),
    "executions show": ("EXECUTION", "read"),
    "workflows ls": ("", "read"),
    "workflows show": ("WORKFLOW", "read"),
    "workflows test": ("WORKFLOW --row J-2019", "read"),
    "workflows forecast": ("WORKFLOW", "read"),
    "workflows lint": ("", "read"),
    "workflows export": ("", "read"),
    "limits ls": ("", "read"),
    "tenants ls": ("", "read"),
    "opt-outs ls": ("a@example.com", "read"),
    "alerts ls": ("--all", "read"),
    "webhook-secret show": ("--organization north", "read"),
    "alerts check": ("", "run"),
    "run-once": ("--drain --keep 90d", "run"),
    "worker": ("--max-time 1s --keep 90d", "run"),
    "enqueue": ("WORKFLOW --row J-2019", "run"),
    "executions retry": ("EXECUTION", "run"),
    "executions cancel": ("EXECUTION", "run"),
    "executions resolve": ("EXECUTION --sent", "run"),
    "executions release": ("--stale", "run"),
    "workflows apply": ("thanks.yaml --organization north", "run"),
    "workflows pause": ("WORKFLOW", "run"),
    "workflows resume": ("WORKFLOW", "run"),
    "workflows disable": ("WORKFLOW --yes", "run"),
    "workflows enable": ("WORKFLOW --yes", "run"),
    "pause": ("--tenant north", "run"),
    "resume": ("--tenant north", "run"),
    "limits set": ("recipient 3 --per 1day", "run"),
    "limits rm": ("recipient", "run"),
    "tenants set": ("north --timezone Europe/Berlin", "run"),
    "tenants rm": ("north", "run"),
    "tenants zones-from": ("none", "run"),
    "opt-outs add": ("b@example.com", "run"),
    "opt-outs rm": ("b@example.com", "run"),
    "prune": ("--keep 90d", "run"),
    "workflows rm": ("WORKFLOW --yes", "run"),
    "copy": ("--test-mode --yes", "run"),
}
THANKS = "name: By a file\ntrigger_type: job_completed\nsteps:\n  - type: wait\n    config: {seconds: 1}\n"
_UNTOLD = re.compile("permission denied|Traceback")


def leaves(command: click.Command, *path: str) -> Iterator[str]:
    """Every command that can be called, by its words."""
    if not isinstance(command, click.Group):
        yield " ".join(path)
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from leaves(found, *path, name)


def test_every_command_has_a_case() -> None:
    commands = set(leaves(cli))
    assert commands == CASES.keys() | WITHOUT | UNTIL_STOPPED, "say in CASES who may call a new command"


@dataclass
class World:
    """An app with one execution, and the command as any role."""

    app: App
    workflow: str
    execution: str
    call: Call
    port: int

    def as_role(self, role: str, command: str) -> Any:
        """Call the command as this role."""
        words = [self.workflow if word == "WORKFLOW" else word for word in f"{command} {CASES[command][0]}".split()]
        words = [self.execution if word == "EXECUTION" else "1 day" if word == "1day" else word for word in words]
        return self.call(
            *words,
            DATABASE_URL=self.app.database.url.replace("postgres@", f"{role}@", 1),
            MINUTEHAND_WEBHOOK_SECRET=SECRET,
            MINUTEHAND_ALERT_URLS="json://127.0.0.1:9/",
            MINUTEHAND_ALLOW_PRIVATE_ADDRESSES=f"127.0.0.1:{self.port}",
        )


@pytest.fixture
def world(database: Database, call: Call, tmp_path) -> Iterator[World]:
    app = App(database)
    for role in (RUNNER, READER, NOBODY):
        database.sql(f"create role {role} login")
    with HttpReceiver() as shop:
        workflow = app.workflow(webhook(shop.url))
        app.complete()
        (tmp_path / "thanks.yaml").write_text(THANKS)
        grants = [line for line in documented() if line.startswith("select minutehand.grant_role(")]
        assert len(grants) == 2, "docs/operations.md has both roles"
        for grant in grants:
            database.sql(grant.partition(";")[0])
        yield World(app, workflow, str(app.execution()["id"]), call, shop.port)
    for role in (RUNNER, READER, NOBODY):
        database.sql(f"drop owned by {role}")
        database.sql(f"drop role {role}")


def documented() -> list[str]:
    """The lines of SQL of docs/operations.md."""
    page = (schema.sql_root().parent / "docs" / "operations.md").read_text()
    return [line for block in re.findall(r"```sql\n(.*?)```", page, re.S) for line in block.splitlines()]


def refusal(said: Any) -> str:
    """The one line of a refusal, beside the log."""
    lines = [line for line in said.err.splitlines() if not line.startswith("{")]
    assert (said.code, len(lines)) == (78, 1), said
    assert lines[0].startswith("minutehand: PostgreSQL at "), said
    assert not _UNTOLD.search(said.err), said
    return str(lines[0])


@on_both_servers
def test_each_command_works_as_the_role_that_runs_or_names_the_owner(world: World) -> None:
    for command, (_, who) in CASES.items():
        said = world.as_role(RUNNER, command)
        if who == "owner":
            line = refusal(said)
            assert RUNNER in line, line
            assert line.endswith("run the command as role postgres"), line
        else:
            assert said.code in ((0, 2) if command.startswith("executions ") else (0, 3)), (command, said)
            assert not _UNTOLD.search(said.out + said.err), (command, said)
            assert f"{RUNNER} may not" not in said.out + said.err, (command, said)
    workers = world.app.database.sql("select problems from automation_workers")
    assert [row["problems"] for row in workers if row["problems"] and "alerts" not in str(row["problems"])] == []


@on_both_servers
def test_the_role_that_reads_changes_nothing_and_is_told_what_it_lacks(world: World) -> None:
    for command, (_, who) in CASES.items():
        said = world.as_role(READER, command)
        if who == "read":
            assert said.code in (0, 3), (command, said)
            assert "may not" not in said.out + said.err, (command, said)
        elif who == "run":
            assert refusal(said).endswith(f"run: select minutehand.grant_role('{READER}')"), (command, said)
        else:
            assert refusal(said).endswith("run the command as role postgres"), (command, said)


@on_both_servers
def test_a_role_without_rights_is_told_the_least_that_mends_it(world: World) -> None:
    for command, (_, who) in CASES.items():
        line = refusal(world.as_role(NOBODY, command))
        assert f"role {NOBODY} " in line, line
        least = rf"run: select minutehand\.grant_role\('{NOBODY}'(, 'read')?\)$"
        assert re.search(least, line) or (who == "owner" and line.endswith("as role postgres")), (command, line)
    statement = line.rpartition("run: ")[2]
    world.app.database.sql(statement)
    assert world.as_role(NOBODY, "status").code in (0, 3)


@pytest.mark.parametrize("role", [RUNNER, READER])
@on_both_servers
def test_the_role_reaches_no_table_and_none_of_our_helpers(world: World, role: str) -> None:
    database = world.app.database
    database.sql(
        "create table private (x int); create schema vault; create view vault.decrypted_secrets as select 1 as x"
    )
    with psycopg.connect(database.url.replace("postgres@", f"{role}@", 1), autocommit=True) as connection:
        for statement in (
            *("select * from private", "select * from jobs", "select * from vault.decrypted_secrets"),
            *("select * from automation_workflows", "update automation_execution_logs set status = 'pending'"),
            *("delete from automation_events", "insert into automation_control default values"),
            "select * from minutehand.watched",
            *("select minutehand.grant_role('minutehand_runner')", "select minutehand.direct_token()"),
            "create table public.mine (x int)",
            "select public.automation_trigger_add('private')",
            "select public.automation_direct_on('https://example.com')",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


@on_both_servers
def test_migrate_keeps_what_roles_may_call_and_completes_a_processors(world: World, call: Call) -> None:
    database = world.app.database
    database.sql(f"grant execute on function automation_enqueue to {NOBODY}")
    database.sql(f"revoke execute on function automation_prune from {RUNNER}")
    before = granted(database)
    assert call("migrate", DATABASE_URL=database.url).code == 0
    assert granted(database) - before == {(RUNNER, "automation_prune")}
    assert before <= granted(database)
    assert "only the owner, minutehand_nobody, minutehand_reader, minutehand_runner may call" in (
        call("doctor", DATABASE_URL=database.url).out.replace("\n", " ").replace(" " * 26, "")
    )


def granted(database: Database) -> set[tuple[str, str]]:
    """Which role may call which function."""
    rows = database.sql(
        "select a.grantee::regrole::text as role, p.proname::text as name from pg_proc p, aclexplode(p.proacl) a "
        "where p.pronamespace = 'public'::regnamespace and a.grantee <> p.proowner and a.grantee <> 0"
    )
    return {(row["role"], row["name"]) for row in rows}


@on_both_servers
def test_a_table_that_the_owner_may_not_watch_is_named_with_the_grant(empty_database: Database, call: Call) -> None:
    it, owner = empty_database, empty_database.url.replace("postgres@", "minutehand_owner@", 1)
    it.sql("create role minutehand_owner login; create role shop_owner; create table visits (id int, user_id text)")
    it.sql("alter table visits add primary key (id); alter table visits owner to shop_owner")
    try:
        line = refusal(call("migrate", DATABASE_URL=owner))
        it.sql(line.rpartition("the database run: ")[2])
        assert call("migrate", DATABASE_URL=owner).code == 0
        line = refusal(call("trigger", "add", "visits", "--writable", DATABASE_URL=owner))
        assert "role minutehand_owner may not watch table visits: as its owner shop_owner, run: grant select" in line
        it.sql(line.rpartition("run: ")[2])
        assert call("trigger", "add", "visits", DATABASE_URL=owner).code == 0
        line = refusal(call("trigger", "rm", "visits", DATABASE_URL=owner))
        assert line.endswith("as its owner shop_owner, run: grant shop_owner to minutehand_owner")
        it.sql(line.rpartition("run: ")[2])
        assert call("trigger", "rm", "visits", DATABASE_URL=owner).code == 0
    finally:
        it.sql("drop owned by minutehand_owner, shop_owner cascade; drop role minutehand_owner, shop_owner")


@on_both_servers
def test_a_role_that_may_not_connect_is_told_the_grant(world: World) -> None:
    database = world.app.database
    (name,) = database.one("select current_database() as name").values()
    database.sql(f"revoke connect on database {name} from public")
    line = refusal(world.as_role(RUNNER, "status"))
    database.sql(line.rpartition("run: ")[2])
    database.sql("revoke usage on schema public from public; revoke usage on schema public from minutehand_runner")
    line = refusal(world.as_role(RUNNER, "status"))
    assert f"role {RUNNER} may not use schema public: as its owner, run: grant usage on" in line
    database.sql(line.rpartition("run: ")[2])
    assert world.as_role(RUNNER, "status").code in (0, 3)
