"""What each command does, but for those that run executions."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from minutehand.store import schema
from minutehand.store.place import postgres_place
from tests.journeys.app import COMMAND, App, Minutehand, email
from tests.servers import temporary_folder
from tests.unit.conftest import Call, Said


@pytest.fixture
def at(call, database) -> Call:
    """Call it on the test's database."""
    return lambda *arguments, **environment: call(*arguments, DATABASE_URL=database.url, **environment)


@pytest.fixture
def minutehand(database, tmp_path) -> Minutehand:
    """The command in a process of its own, for what logs: a log is set up once in a process."""
    return Minutehand(tmp_path, {"DATABASE_URL": database.url})


@pytest.fixture
def app(database) -> App:
    return App(database)


def test_migrate_makes_an_empty_database_ready_and_may_be_repeated(call, empty_database):
    first = call("migrate", DATABASE_URL=empty_database.url)
    assert (first.code, first.err) == (0, "")
    assert first.out.startswith(
        f"schema {schema.version()} on postgres {postgres_place(empty_database.url)}: {schema.migrations()[0].stem}"
    )
    second = call("migrate", DATABASE_URL=empty_database.url)
    assert (second.code, "nothing new" in second.out) == (0, True)
    assert call("run-once", DATABASE_URL=empty_database.url).code == 0


def test_two_who_migrate_at_once_take_turns(empty_database, tmp_path):
    minutehand = Minutehand(tmp_path, {"DATABASE_URL": empty_database.url})
    with minutehand.running("migrate") as one, minutehand.running("migrate") as other:
        ended = [one.end(), other.end()]
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert sorted("nothing new" in out for _, out, _ in ended) == [False, True]


def test_print_gives_the_schema_as_a_file_and_needs_no_database(call, empty_database):
    printed = call("migrate", "--print")
    assert (printed.code, printed.err) == (0, "")
    empty_database.sql(printed.out)
    empty_database.sql(printed.out)
    assert call("run-once", DATABASE_URL=empty_database.url).code == 0


def test_version_says_program_schema_and_python(call):
    said = call("version", DATABASE_URL="hush")
    assert (said.code, said.err) == (0, "")
    assert f"(schema {schema.version()}, Python 3." in said.out


def test_triggers_are_added_listed_and_removed(at, database):
    database.sql("create table orders (id int primary key, user_id text, status text, customer int, search text)")
    database.sql("create table people (id int primary key, user_id text)")
    assert at("trigger", "ls").out.startswith("no tables are watched yet")
    added = at("trigger", "add", "orders", "--link", "customer=people", "--exclude", "search")
    assert (added.code, added.err) == (0, "")
    assert "watching orders: order_created, order_status_changed" in added.out
    assert added.out.endswith(f"; on postgres {postgres_place(database.url)}\n")
    (listed,) = json.loads(at("trigger", "ls", "-o", "json").out)
    assert (listed["table"], listed["type"], listed["tenant"]) == ("orders", "order", "user_id")
    assert (listed["exclude"], listed["links"]) == (["search"], {"customer": "people"})
    assert json.loads(at("trigger", "ls", "-o", "jsonl").out) == listed
    assert "orders" in at("trigger", "ls").out
    assert at("trigger", "rm", "orders").out.startswith("orders is no longer watched on postgres ")
    assert at("trigger", "rm", "orders").out.startswith("orders was not watched on postgres ")
    assert at("trigger", "ls", "-o", "json").out == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing",), "there is no table nothing"),
        (("automation_events",), "one of Minutehand's own tables"),
        (("jobs", "--id", "number"), "number"),
        (("jobs", "--tenant", "owner"), "owner"),
    ],
)
def test_a_table_that_cannot_be_watched_is_exit_2_in_one_line(at, app, arguments, words):
    said = at("trigger", "add", *arguments)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert words in said.err


def test_executions_are_listed_filtered_and_shown(at, app):
    assert at("executions", "ls").out == "no executions yet\n"
    app.workflow(email())
    jobs = [app.complete(), app.complete(client="C-2")]
    at("executions", "cancel", str(app.executions()[1]["id"]), "--reason", "not this one")
    table = at("executions", "ls").out.splitlines()
    assert table[0].split() == ["id", "created_at", "status", "workflow", "entity_id", "attempt", "code", "reason"]
    assert [jobs[1] in table[1], jobs[0] in table[2]] == [True, True]
    listed = json.loads(at("executions", "ls", "-o", "json").out)
    keys = {"id", "workflow_id", "workflow", "entity_id", "status", "attempt", "code", "reason"}
    times = {"created_at", "scheduled_at", "started_at", "completed_at"}
    assert keys | times <= set(listed[0])
    assert [row["status"] for row in listed] == ["cancelled", "pending"]
    for filters in (("--status", "cancelled"), ("--code", "cancelled"), ("--entity", jobs[1]), ("--limit", "1")):
        (row,) = json.loads(at("logs", "ls", *filters, "-o", "json").out)
        assert row["reason"] == "not this one"
    assert len(json.loads(at("executions", "ls", "--workflow", "Thank the client", "-o", "json").out)) == 2
    assert at("executions", "ls", "--workflow", "Nobody").out == "no executions match\n"
    assert len(at("executions", "ls", "--since", "1h", "-o", "jsonl").out.splitlines()) == 2

    id_ = listed[0]["id"]
    shown = json.loads(at("executions", "show", id_, "-o", "json").out)
    assert shown["trigger_data"]["record_id"] == jobs[1]
    assert shown["steps"] == []
    text = at("executions", "show", id_).out
    assert text.startswith(f"Thank the client for {jobs[1]}: cancelled\n  cancelled: not this one\n")


@pytest.mark.parametrize("id_", ["00000000-0000-0000-0000-000000000000", "abcdef", "'; drop table jobs", "a"])
def test_an_execution_that_is_not_there_is_exit_2_in_one_line(at, id_):
    said = at("executions", "show", id_)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert "executions ls" in said.err


def test_retry_and_cancel_answer_for_each_and_say_when_they_refuse(at, app, minutehand):
    app.workflow(email(message="Hello"))
    app.complete(client=None)
    id_ = str(app.execution()["id"])
    refused = at("executions", "retry", id_, "nonsense")
    assert refused.code == 2
    assert "refused" in refused.out
    assert "missing" in refused.out
    minutehand.run_once()
    assert app.execution()["status"] == "failed"
    retried = at("executions", "retry", id_, "-o", "json")
    assert (retried.code, [row["answer"] for row in json.loads(retried.out)]) == (0, ["retried"])
    assert at("executions", "cancel", id_).code == 0
    assert (app.execution()["status"], at("executions", "cancel", id_).code) == ("cancelled", 2)


def test_enqueue_starts_a_workflow_by_hand(at, app, tmp_path):
    app.workflow(email(), name="Thank")
    app.database.sql("insert into jobs (id, organization_id) values ('J-1', 'north')")
    dry = at("enqueue", "Thank", "--row", "J-1", "--dry-run")
    assert (dry.code, "nothing was started" in dry.out, app.executions()) == (0, True, [])
    made = json.loads(at("enqueue", "Thank", "--row", "J-1", "--key", "k", "-o", "json").out)
    assert (made["existed"], made["id"]) == (False, str(app.execution()["id"]))
    assert "was already started for this key" in at("enqueue", "Thank", "--row", "J-1", "--key", "k").out
    (tmp_path / "payload.json").write_text('{"who": "you"}')
    at("enqueue", "Thank", "--payload", "@payload.json", "--at", "2030-01-01T00:00:00+01:00")
    later = app.executions()[1]
    assert later["trigger_data"]["payload"] == {"who": "you"}
    assert later["scheduled_at"].isoformat() == "2029-12-31T23:00:00+00:00"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("Nobody", "--row", "1"), 'there is no workflow "Nobody"'),
        (("Thank",), "nothing to run workflow"),
        (("Thank", "--row", "J-0"), "there is no row J-0"),
    ],
)
def test_what_cannot_be_enqueued_is_exit_2_in_one_line(at, app, arguments, words):
    app.workflow(email(), name="Thank")
    said = at("enqueue", *arguments)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert words in said.err


def test_status_says_how_things_stand_and_check_when_something_needs_a_person(at, app, minutehand):
    app.workflow(email(message="Hello"))
    fine = at("status", "--check")
    assert (fine.code, fine.err) == (0, "")
    assert "workflows   1 on, 0 off" in fine.out
    assert "last seen: never" in fine.out
    app.complete(client=None)
    minutehand.run_once()
    assert at("status").code == 0
    bad = at("status", "--check")
    assert (bad.code, "! 1 failed in the last hour" in bad.out) == (3, True)
    assert at("status", "--check", "--max-failed", "1").code == 0
    shape = json.loads(at("status", "-o", "json").out)
    assert (shape["backend"], len(shape["problems"])) == ("postgres", 1)
    app.complete()
    app.database.sql("update automation_execution_logs set created_at = now() - interval '1 hour', code = null")
    assert "is a processor running?" in at("status", "--check").out


def test_the_embedded_server_is_started_named_and_stopped(call):
    with temporary_folder() as folder:
        home = str(folder / "home")

        def db(word: str) -> Said:
            return call("db", word, MINUTEHAND_HOME=home)

        try:
            assert (db("status").code, db("stop").out) == (3, f"was not running in {home}\n")
            assert db("start").out == f"started in {home}\n"
            assert db("start").out == f"was running in {home}\n"
            assert (db("status").code, db("status").out) == (0, f"running in {home}\n")
            url = db("url").out.strip()
            assert url.startswith("postgresql://postgres@/postgres?host=")
            made = call("run-once", MINUTEHAND_HOME=home)
            assert (made.code, made.out.startswith("nothing due (embedded")) == (0, True)
        finally:
            assert db("stop").out == f"stopped in {home}\n"


def test_a_home_that_cannot_be_used_is_exit_78(call, tmp_path):
    (tmp_path / "file").write_text("")
    said = call("run-once", MINUTEHAND_HOME=str(tmp_path / "file"))
    assert (said.code, said.out, "MINUTEHAND_HOME" in said.err) == (78, "", True)


def test_a_reader_that_goes_away_is_no_error(app, database, tmp_path):
    app.workflow(email())
    app.complete_many(1000)
    words = " ".join((*COMMAND, "executions", "ls", "--limit", "1000", "-o", "jsonl"))
    done = subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", f"{words} | head -n 1"],
        env={"DATABASE_URL": database.url, "PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 1, "")


def test_workflows_are_switched_and_deleted_by_name(at, app, database):
    app.workflow(email(), name="Thank the client")
    app.complete()
    database.sql("update automation_workflows set status = 'draft'")
    planned = at("workflows", "enable", "Thank the client", "--dry-run")
    assert (planned.code, planned.out) == (0, "Thank the client would be enabled: status = active\n"), planned.err
    assert at("workflows", "enable", "Thank the client").out == "Thank the client enabled: status = active\n"
    assert at("workflows", "enable", "Thank the client").out == "Thank the client was already on\n"
    assert at("workflows", "disable", "Thank the client", "--yes").out == (
        "Thank the client disabled: is_active = false; 1 pending execution will be skipped when due\n"
    )
    (again,) = json.loads(at("workflows", "disable", "Thank the client", "-o", "json").out)
    assert (again["answer"], again["switches"]) == ("unchanged", {"is_active": False, "status": "active"})
    at("workflows", "pause", "Thank the client")
    on = at("workflows", "enable", "Thank the client").out
    assert on == "Thank the client enabled: is_active = true; but it is paused; see: minutehand status\n"
    assert at("workflows", "rm", "Thank the client", "Nothing").code == 2
    assert at("workflows", "rm", "Thank the client", "--dry-run").out == (
        "Thank the client would be deleted: 1 execution would be cancelled, 0 that ended stay; its pause ends\n"
    )
    assert at("workflows", "rm", "Thank the client").out == (
        "Thank the client deleted: 1 execution cancelled, 0 that ended stay; its pause ends\n"
    )
    (left,) = json.loads(at("executions", "ls", "-o", "json").out)
    assert (left["status"], left["reason"]) == ("cancelled", 'workflow "Thank the client" was deleted')
    assert left["workflow"] == "Thank the client"
    assert at("workflows", "rm", "Thank the client").code == 2


def test_a_deletion_cancels_thousands(at, app, database):
    id_ = app.workflow(email(), name="Thank the client")
    database.sql(
        "insert into automation_execution_logs (workflow_id, organization_id, trigger_type, status) "
        "select id, 'north', 'x', 'pending' from automation_workflows, generate_series(1, 2500)"
    )
    assert "2500 executions cancelled" in at("workflows", "rm", str(id_ or "Thank the client")).out
    assert database.one("select count(*) from automation_execution_logs where status = 'pending'")["count"] == 0
