"""An app with tables of its own: they are adopted, its old backlog is stale, and its workflows run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from minutehand.scheduler.demo.receivers import Answer, HttpReceiver, SmtpReceiver
from tests.adopted import ANNA, NORTH, complete, old_app, workflow
from tests.journeys.app import SECRET, Minutehand, email, wait_until, webhook
from tests.servers import Database, on_both_servers

pytestmark = on_both_servers
#: Of 1,100 old logs with eleven statuses.
OLD_PENDING = 100
#: Not all references of the app are foreign keys.
WATCH = ("trigger", "add", "jobs", "--link", "client_id=clients")


@pytest.fixture
def app(empty_database: Database) -> Database:
    """The app's database, with its history."""
    old_app(empty_database, logs=1100)
    empty_database.sql("analyze")
    return empty_database


@pytest.fixture
def minutehand(app: Database, shop: HttpReceiver, post: SmtpReceiver, tmp_path: Path) -> Minutehand:
    """The command of the app's operator."""
    return Minutehand(
        tmp_path,
        {
            "DATABASE_URL": app.url,
            "SMTP_URL": post.url,
            "EMAIL_FROM": "North Heating <office@example.com>",
            "MINUTEHAND_WEBHOOK_SECRET": SECRET,
            "MINUTEHAND_ALLOW_PRIVATE_ADDRESSES": f"127.0.0.1:{shop.port}",
        },
    )


@pytest.fixture
def adopted(app: Database, minutehand: Minutehand) -> Database:
    """After `migrate` and `trigger add`; the old backlog is already stale."""
    for command in (("migrate",), WATCH, ("run-once",)):
        done = minutehand(*command)
        assert done.returncode == 0, done.stderr
    return app


def of(database: Database, job: str) -> dict[str, Any]:
    """The execution of a job."""
    return database.one("select * from automation_execution_logs where entity_id = %s", job)


def sends(database: Database) -> list[dict[str, Any]]:
    """The sends that we recorded; those of the app have no key."""
    return database.sql("select * from communication_logs where idempotency_key is not null order by channel")


def test_migrate_first_says_what_it_does_to_which_table(app, minutehand):
    dry = minutehand("migrate", "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert app.one("select to_regnamespace('minutehand')::text as name")["name"] is None
    done = minutehand("migrate")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    assert dry.stdout.startswith(done.stderr)
    assert "nothing was changed" in dry.stdout.splitlines()[-1]
    for line in (
        "automation_execution_logs (rows: about 1,100)",
        "build the indexes automation_execution_logs_queue, ",
        "replace by wider ones the CHECKs communication_logs_status_check, communication_logs_type_check",
        "lock: ACCESS EXCLUSIVE; reads each row once",
        "add the triggers minutehand_path_entered, minutehand_path_left",
        "add the triggers minutehand_guard, minutehand_keep_deletion, minutehand_number_version,",
    ):
        assert line in " ".join(done.stderr.split())
    assert max(map(len, done.stderr.splitlines())) <= 100
    again = minutehand("migrate")
    assert (again.stderr, "nothing new" in again.stdout) == ("", True)


def test_a_table_that_cannot_be_adopted_is_exit_2_with_one_line(app, minutehand):
    app.sql("create table automation_events (payload json)")
    done = minutehand("migrate")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "public.automation_events has no cause, dedupe_key, " in done.stderr
    assert "nothing was changed" in done.stderr


def test_a_completed_job_sends_an_email_and_a_webhook_and_the_apps_log_has_both(adopted, minutehand, post, shop):
    workflow(adopted, "Thank the client", email(), webhook(shop.url))
    job = complete(adopted)
    run = minutehand.run_once()
    assert (run["claimed"], run["completed"], run["held"]) == (1, 1, 0)
    (message,) = post.messages
    assert message.message["subject"] == "Boiler repair: done"
    assert len(shop.requests) == 1
    stored = of(adopted, job)
    assert (stored["status"], str(stored["organization_id"])) == ("completed", NORTH)
    assert [step["status"] for step in stored["actions_executed"]] == ["success", "success"]
    mail, call = sends(adopted)
    assert (mail["type"], mail["direction"], mail["from_address"], mail["to_address"]) == (
        "email", "outbound", "office@example.com", "hotel@example.com",
    )  # fmt: skip
    assert (call["type"], call["from_address"], call["status"]) == ("webhook", "minutehand", "sent")
    assert {str(send["user_id"]) for send in (mail, call)} == {ANNA}
    counted = adopted.one("select execution_count from automation_workflows where name = 'Thank the client'")
    assert counted["execution_count"] == 1, "the app's own trigger saw it"


def test_a_log_that_the_app_inserts_is_run_and_rate_limited(adopted, minutehand, post):
    workflow_id = workflow(adopted, "Thank the client", email())
    adopted.sql('alter table jobs disable trigger "!minutehand_capture"')
    complete(adopted)
    for _ in range(2):
        adopted.sql(
            "insert into automation_execution_logs (workflow_id, organization_id, trigger_type, trigger_data, status)"
            " values (%s, %s, 'job_status_changed', %s, 'pending')",
            workflow_id,
            NORTH,
            json.dumps({"job_id": "J-2019", "new_status": "Completed"}),
        )
    run = minutehand.run_once()
    assert (run["completed"], run["skipped"]) == (1, 1)
    assert {row["code"] for row in run["executions"]} == {None, "rate_limited"}
    assert len(post.messages) == 1


def test_a_log_waits_while_the_table_of_its_row_is_not_watched(app, minutehand, post):
    assert minutehand("migrate").returncode == 0
    made = workflow(app, "Thank the client", email())
    told = workflow(app, "Tell the office", email(to="office@example.com", subject="Done", message="A job is done."))
    complete(app)
    for workflow_id in (made, told):
        app.sql(
            "insert into automation_execution_logs (workflow_id, organization_id, trigger_type, trigger_data, status)"
            " values (%s, %s, 'job_status_changed', %s, 'pending')",
            workflow_id,
            NORTH,
            json.dumps({"job_id": "J-2019", "new_status": "Completed"}),
        )
    run = minutehand.run_once("--drain", "--max-time", "5s")
    assert (run["completed"], run["failed"], len(post.messages)) == (1, 0, 1), "what needs no row is sent"
    (waits,) = app.sql("select * from automation_execution_logs where workflow_id = %s", made)
    assert (waits["status"], waits["code"]) == ("pending", "table_missing")
    assert "table jobs is not watched, so its row J-2019 cannot be read" in waits["reason"]
    assert "minutehand trigger add jobs" in waits["reason"]
    assert minutehand(*WATCH).returncode == 0
    app.sql("update automation_execution_logs set scheduled_at = now() where id = %s", waits["id"])
    assert minutehand.run_once()["completed"] == 1
    assert [str(one.message["to"]) for one in post.messages] == ["office@example.com", "hotel@example.com"]


def test_migrate_lists_the_workflows_that_start_nothing(app, minutehand):
    workflow(app, "Remind", email(), trigger_config={"days_overdue": 7})
    dry = minutehand("migrate", "--dry-run")
    said = " ".join(dry.stdout.split())
    assert "These workflows start nothing by this version" in said
    assert f'"Remind" (tenant {NORTH}): trigger_config.days_overdue is not read; it asks for a time' in said
    assert '"Remind"' in minutehand("migrate").stderr


def test_enqueue_and_retry_work_on_adopted_tables(adopted, minutehand, shop):
    workflow(adopted, "Call the shop", webhook(shop.url), trigger_type="job_paid")
    job = complete(adopted)
    shop.then(Answer(status=404))
    assert minutehand("enqueue", "Call the shop", "--row", job).returncode == 0
    assert minutehand.run_once()["failed"] == 1
    assert minutehand("executions", "retry", str(of(adopted, job)["id"])).returncode == 0
    assert minutehand.run_once()["completed"] == 1
    assert of(adopted, job)["trigger_type"] == "manual"


def test_a_send_that_the_apps_table_refuses_fails_that_step_with_its_name(adopted, minutehand, post, shop):
    adopted.sql("alter table communication_logs add column branch text not null default 'north'")
    adopted.sql("alter table communication_logs alter column branch drop default")
    workflow(adopted, "Thank the client", email(), webhook(shop.url))
    job = complete(adopted)
    assert minutehand.run_once()["failed"] == 1
    stored = of(adopted, job)
    assert (stored["code"], 'column "branch"' in stored["reason"]) == ("partial", True)
    assert stored["actions_executed"][0]["code"] == "unrecordable"
    assert (post.messages, len(shop.requests)) == ([], 1), "nothing leaves that could not be written down"


def test_the_first_run_marks_the_old_backlog_stale_and_runs_what_is_new(app, minutehand, post):
    assert minutehand("migrate").returncode == minutehand(*WATCH).returncode == 0
    app.sql("update automation_workflows set steps = %s", json.dumps([email(to="client@example.com")]))
    workflow(app, "Thank the client", email())
    complete(app)
    run = minutehand.run_once("--drain")
    assert (run["held"], run["claimed"], run["completed"], run["due"]) == (OLD_PENDING, 1, 1, 0)
    assert len(post.messages) == 1
    assert minutehand.run_once("--drain")["held"] == 0
    stale = json.loads(minutehand("executions", "ls", "--code", "stale", "-o", "json").stdout)
    assert {row["status"] for row in stale} == {"skipped"}
    assert "when no processor ran" in stale[0]["reason"]


def test_a_person_releases_one_or_all_of_the_backlog(adopted, minutehand, post):
    adopted.sql(
        "update automation_workflows set steps = %s", json.dumps([email(to="client@example.com", message="Hi")])
    )
    (one,) = adopted.sql("select id::text from automation_execution_logs where code = 'stale' limit 1")
    done = minutehand("executions", "release", one["id"])
    assert (done.returncode, "released" in done.stdout) == (0, True)
    assert minutehand.run_once("--drain")["claimed"] == 1
    assert minutehand("executions", "release", one["id"]).returncode == 2
    assert minutehand("executions", "release").returncode == 2
    every = minutehand("executions", "release", "--stale", "-o", "json")
    assert json.loads(every.stdout) == {"released": OLD_PENDING - 1}
    assert minutehand.run_once("--drain")["claimed"] == OLD_PENDING - 1


def test_the_output_says_what_is_stale_and_how_to_release_it_even_when_quiet(app, minutehand):
    minutehand("migrate")
    done = minutehand("run-once", "--quiet")
    first, second, third, _ = done.stdout.splitlines()
    assert first == f"{OLD_PENDING} held as stale: they came due while no processor was running"
    assert ("minutehand executions ls code:stale" in second, "executions release" in third) == (True, True)


def test_off_marks_nothing_stale_and_an_invalid_threshold_is_refused(app, minutehand):
    minutehand("migrate")
    refused = minutehand("run-once", MINUTEHAND_HOLD_LATER_THAN="10s")
    assert (refused.returncode, "at least 5 minutes, or off" in refused.stderr) == (2, True)
    assert "MINUTEHAND_HOLD_LATER_THAN" in refused.stderr
    refused = minutehand("start", "--every", "2h")
    assert (refused.returncode, "--hold-later-than" in refused.stderr) == (2, True)
    assert minutehand.run_once("--drain", "--hold-later-than", "off")["claimed"] == OLD_PENDING


def test_start_logs_what_is_stale(app, minutehand):
    minutehand("migrate")
    with minutehand.running("start") as running:
        wait_until(lambda: "tick_completed" in running.heard(), "the first tick")
        code, _, heard = running.end(15)
    events = {event["event"]: event for event in map(json.loads, heard.splitlines())}
    assert (code, events["backlog_held"]["held"], events["backlog_held"]["level"]) == (0, OLD_PENDING, "warning")
