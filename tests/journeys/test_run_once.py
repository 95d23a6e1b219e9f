"""`run-once`: how much it runs, what it prints, and its exit code."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from contextlib import ExitStack

import pytest

from minutehand.scheduler.demo.receivers import Answer
from tests.journeys.app import COMMAND, Gate, email, wait_until, webhook
from tests.servers import url_of

#: docs/json-output.md has them.
KEYS = [
    *("schema", "backend", "database", "claimed"),
    *("completed", "failed", "skipped", "cancelled", "retried", "waiting", "released", "lost", "uncertain"),
    *("due", "held", "restored", "flooded", "notice", "seconds", "executions"),
]
ENDS = KEYS[4:13]
EXECUTION_KEYS = ["id", "workflow_id", "workflow", "entity_id", "status", "attempt", "code", "reason"]


def test_three_runs_claim_ten_ten_and_five_of_twenty_five(app, minutehand, shop):
    app.workflow(webhook(shop.url))
    app.complete_many(25)
    runs = [minutehand.run_once() for _ in range(3)]
    assert [(run["claimed"], run["completed"], run["due"]) for run in runs] == [(10, 10, 15), (10, 10, 5), (5, 5, 0)]
    assert len({request.headers["webhook-id"] for request in shop.requests}) == len(shop.requests) == 25


def test_drain_runs_everything(app, minutehand, shop):
    app.workflow(webhook(shop.url))
    app.complete_many(25)
    run = minutehand.run_once("--drain", "--batch-size", "2")
    assert (run["claimed"], run["completed"], run["due"]) == (25, 25, 0)
    assert len(shop.requests) == 25


def test_the_summary_has_exactly_the_documented_keys_and_adds_up(app, minutehand, shop, post):
    shop.then(Answer(status=429, headers={"Retry-After": "600"}))
    workflow = app.workflow(webhook(shop.url))
    app.complete()
    app.database.sql("insert into automation_execution_logs (workflow_id) values (gen_random_uuid())")
    run = minutehand.run_once()
    assert list(run) == KEYS
    assert (run["schema"], run["backend"], run["claimed"]) == (1, "postgres", 2)
    assert (run["waiting"], run["failed"]) == (1, 1)
    assert sum(run[end] for end in ENDS) == run["claimed"]
    assert {tuple(sorted(row)) for row in run["executions"]} == {tuple(sorted(EXECUTION_KEYS))}
    by_code = {row["code"]: row for row in run["executions"]}
    assert set(by_code) == {"busy", "unreadable"}
    busy = by_code["busy"]
    assert (busy["workflow_id"], busy["workflow"], busy["status"]) == (workflow, "Thank the client", "pending")
    assert (busy["entity_id"], busy["attempt"]) == ("J-2019", 1)


def test_eight_runs_at_once_run_each_execution_exactly_once(app, minutehand, shop):
    app.workflow(webhook(shop.url))
    app.complete_many(60)
    with ExitStack() as stack:
        crowd = [stack.enter_context(minutehand.running("run-once", "-o", "json")) for _ in range(8)]
        ended = [one.end() for one in crowd]
    assert {code for code, _, _ in ended} == {0}
    assert sum(json.loads(out)["completed"] for _, out, _ in ended) == 60
    counts = Counter(request.headers["webhook-id"] for request in shop.requests)
    assert (len(counts), set(counts.values())) == (60, {1})
    assert Counter(row["status"] for row in app.executions()) == {"completed": 60}


def test_a_run_with_nothing_due_says_so_and_quiet_prints_nothing(app, minutehand):
    done = minutehand("run-once")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("nothing due (")
    assert minutehand.run_once()["claimed"] == 0
    quiet = minutehand("run-once", "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_an_execution_that_is_due_later_stays_pending(app, minutehand, post):
    app.workflow(email())
    job = app.complete()
    app.database.sql("update automation_execution_logs set scheduled_at = now() + interval '1 hour'")
    assert minutehand.run_once()["claimed"] == 0
    assert app.end_of(job)[0] == "pending"


def test_the_text_output_says_what_did_not_complete_and_why(app, minutehand):
    app.workflow(email(message="Hello"))
    app.complete(client=None)
    done = minutehand("run-once")
    assert done.stdout.startswith("1 claimed: 1 failed; 0 still due")
    assert "Thank the client / J-2019  no_recipient: step 1 (email): the row has no client" in done.stdout
    assert done.returncode == 0


def test_max_time_stops_claiming_and_running_executions_finish(app, minutehand, shop):
    gate = Gate()
    shop.then(Answer(after=gate))
    app.workflow(webhook(shop.url))
    app.complete_many(3)
    with minutehand.running("run-once", "-o", "json", "--drain", "--concurrency", "1", "--max-time", "6s") as run:
        wait_until(gate.reached.is_set, "the first")
        wait_until(lambda: _statuses(app)["pending"] == 1, "another one, claimed ahead")
        wait_until(lambda: _statuses(app)["pending"] == 2, "its release")
        gate.set()
        code, out, _ = run.end()
    summary = json.loads(out)
    assert (code, summary["completed"], summary["claimed"] - summary["released"]) == (0, 1, 1)
    assert _statuses(app) == {"completed": 1, "pending": 2}


@pytest.mark.parametrize(("answer", "word", "code"), [(404, "never", 0), (404, "dead", 4), (408, "any", 4)])
def test_fail_on_decides_which_failures_change_the_exit_code(app, minutehand, shop, answer, word, code):
    app.workflow(webhook(shop.url))
    shop.then(Answer(status=answer, headers={"Retry-After": "600"}))
    app.complete()
    assert minutehand("run-once", "--fail-on", word).returncode == code


def test_the_log_goes_to_stderr_as_json_lines(app, minutehand, post):
    app.workflow(email())
    app.complete()
    done = minutehand("run-once", "-o", "json")
    json.loads(done.stdout)
    (line,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert line["event"] == "execution_settled"
    assert (line["outcome"], line["entity_id"], line["level"]) == ("completed", "J-2019", "info")
    assert minutehand("run-once", "--log-level", "error").stderr == ""


def test_a_log_that_cannot_be_written_does_not_stop_the_run(app, minutehand, shop):
    app.workflow(webhook(shop.url))
    app.complete_many(3)
    with open("/dev/full", "w") as full:
        code = subprocess.run(
            [*COMMAND, "run-once"], env=minutehand.environment, cwd=minutehand.folder, stderr=full, timeout=30
        ).returncode
    assert (code, len(shop.requests)) == (0, 3)
    assert _statuses(app) == {"completed": 3}


def test_a_database_that_does_not_answer_is_exit_69_with_one_line(minutehand):
    done = minutehand("run-once", DATABASE_URL="postgresql://me:hush@127.0.0.1:1/app")
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr.count("\n") == 1
    assert "127.0.0.1:1" in done.stderr
    assert "DATABASE_URL" in done.stderr
    assert "hush" not in done.stderr


def test_a_database_that_does_not_exist_is_exit_78(minutehand, server):
    done = minutehand("run-once", DATABASE_URL=url_of(server, "nobody"))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (78, "", 1)
    assert "nobody" in done.stderr


def test_an_empty_database_says_migrate(minutehand, empty_database):
    done = minutehand("run-once", DATABASE_URL=empty_database.url)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (78, "", 1)
    assert "minutehand migrate" in done.stderr


def test_an_older_schema_says_migrate_and_a_newer_one_upgrade(app, minutehand):
    app.database.sql("delete from automation_migrations")
    older = minutehand("run-once")
    assert (older.returncode, "run minutehand migrate" in older.stderr) == (78, True)
    app.database.sql("insert into automation_migrations (name, checksum) values ('9999_x', 'x')")
    newer = minutehand("run-once")
    assert (newer.returncode, "upgrade minutehand" in newer.stderr) == (78, True)
    assert older.stdout == newer.stdout == ""
    for command in ("status", "start"):
        assert minutehand(command).returncode == 78


def test_an_older_schema_claims_nothing(app, minutehand, post):
    app.workflow(email())
    job = app.complete()
    app.database.sql("insert into automation_migrations (name, checksum) values ('9999_x', 'x')")
    minutehand("run-once")
    assert app.end_of(job)[0] == "pending"
    assert post.messages == []


def _statuses(app) -> Counter[str]:
    return Counter(row["status"] for row in app.executions())


def test_each_tick_deletes_a_batch_of_old_executions(app, minutehand, post):
    app.workflow(email())
    old, young = app.complete(), app.complete()
    minutehand.run_once()
    app.database.sql(
        "update automation_execution_logs set created_at = now() - interval '40 d' where entity_id = %s", old
    )
    minutehand.run_once()
    assert len(app.executions()) == 2, "by default all is kept"
    minutehand.run_once("--keep", "30d")
    assert [row["entity_id"] for row in app.executions()] == [young]
    assert minutehand("prune", "--keep", "30d").stdout == "0 deleted\n"
    assert "write at least 1 day" in minutehand("run-once", "--keep", "1h").stderr
