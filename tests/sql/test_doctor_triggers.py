"""doctor's checks of what comes in, and of the queue: each fault of a real database is named, and can be mended."""

from __future__ import annotations

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.doctor import SENDER, assert_fixed_by_sql, levels, results_of
from tests.sql.jobs import watched_jobs, workflow

pytestmark = on_both_servers

CRON = """
create schema cron;
create table cron.job (jobid bigint, schedule text, command text, jobname text, active boolean);
create function cron.unschedule(job_name text) returns boolean language sql as
$$ delete from cron.job where jobname = job_name returning true $$;
"""


@pytest.fixture
def jobs(database: Database) -> Database:
    """A database with watched jobs."""
    watched_jobs(database, count=2)
    return database


# --- intake -----------------------------------------------------------------------------------------------------------


def test_a_table_must_be_watched_where_workflows_wait(database: Database) -> None:
    assert levels(database, "triggers") == ["warn"]
    workflow(database)
    assert levels(database, "triggers") == ["fail"]
    assert levels(database, "workflows") == ["fail"]
    watched_jobs(database)
    assert levels(database, "triggers") == ["ok"]


@pytest.mark.parametrize("how", ["disable", "enable replica"])
def test_a_trigger_that_does_not_fire_fails(jobs: Database, how: str) -> None:
    jobs.sql(f'alter table jobs {how} trigger "!minutehand_capture"')
    assert_fixed_by_sql(jobs, "triggers", "fail", "jobs", "disabled")


def test_our_trigger_a_second_time_under_another_name_is_sent_twice(jobs: Database) -> None:
    assert levels(jobs, "duplicates") == ["ok"]
    jobs.sql(
        "create trigger renamed after update on jobs for each row execute function"
        ' automation_capture(\'{"id": "id", "type": "job"}\')'
    )
    assert_fixed_by_sql(jobs, "duplicates", "fail", "renamed", "sent twice")


@pytest.mark.parametrize(
    ("function", "level"), [("app_sends", "fail"), ("app_asks_another", "fail"), ("app_calls", "warn")]
)
def test_an_apps_trigger_that_does_what_ours_does_is_named(jobs: Database, function: str, level: str) -> None:
    jobs.sql(SENDER)
    jobs.sql("create trigger harmless after update on jobs for each row execute function app_harmless()")
    assert levels(jobs, "duplicates") == ["ok"]
    jobs.sql(f'create trigger "Old one" after update on jobs for each row execute function {function}()')
    assert_fixed_by_sql(jobs, "duplicates", level, "Old one", function, "sent twice")
    jobs.sql(f"create trigger other after update on jobs for each row execute function {function}()")
    jobs.sql("alter table jobs disable trigger other")
    assert levels(jobs, "duplicates") == ["ok"], "what is disabled does nothing"


def test_an_apps_trigger_on_the_queue_is_doubtful(jobs: Database) -> None:
    jobs.sql(SENDER)
    jobs.sql("create trigger ring after insert on automation_execution_logs for each row execute function app_calls()")
    assert_fixed_by_sql(jobs, "duplicates", "warn", "ring", "automation_execution_logs")


def test_an_apps_own_triggers_may_fill_the_queue_instead_of_ours(database: Database) -> None:
    database.sql(SENDER)
    database.sql("create table visits (id text)")
    database.sql("create trigger feed after insert on visits for each row execute function app_sends()")
    workflow(database, trigger_type="visit_booked")
    (result,) = results_of(database, "triggers")
    assert (result.level, "feed on public.visits" in result.fact) == ("warn", True)
    assert (levels(database, "duplicates"), levels(database, "workflows")) == (["ok"], ["ok"])


@pytest.mark.parametrize(
    ("constraint", "fix"),
    [
        ("foreign key (workflow_id) references automation_workflows deferrable", 'alter constraint "late one"'),
        ("unique (worker, status) deferrable initially deferred", 'drop constraint "late one", add constraint'),
    ],
)
def test_a_constraint_that_waits_for_the_commit_fails(database: Database, constraint: str, fix: str) -> None:
    assert levels(database, "constraints") == ["ok"]
    database.sql(f'alter table automation_execution_logs add constraint "late one" {constraint}')
    assert fix in str(results_of(database, "constraints")[0].fix), "a foreign key is not validated again"
    assert_fixed_by_sql(database, "constraints", "fail", "late one", "COMMIT")


def test_a_trigger_that_waits_for_the_commit_fails(database: Database) -> None:
    database.sql(SENDER)
    database.sql(
        "create constraint trigger late after insert on automation_events deferrable initially deferred"
        " for each row execute function app_harmless()"
    )
    assert_fixed_by_sql(database, "constraints", "fail", "automation_events: late")


@pytest.mark.parametrize("table", ["automation_execution_logs", "communication_logs"])
def test_a_column_that_we_cannot_fill_fails(database: Database, table: str) -> None:
    assert levels(database, "columns") == ["ok"]
    database.sql(f'alter table {table} add column "Shop" text not null, add column fine text not null default 7')
    assert_fixed_by_sql(database, "columns", "fail", f"{table}.Shop")


def test_an_apps_check_that_says_true_to_everything_is_doubtful(database: Database) -> None:
    database.sql(
        "create function check_trigger_conditions(a json, b json) returns boolean language plpgsql as"
        " $$begin\n  -- temporary\n  return true;\nend;$$"
    )
    database.sql(
        "create function matches_workflow(a int) returns boolean language plpgsql as $$begin return a > 1; end$$"
    )
    assert_fixed_by_sql(database, "stubs", "warn", "check_trigger_conditions(json,json)")


# --- queue ------------------------------------------------------------------------------------------------------------


def test_a_processor_that_stays_away_is_missed(database: Database) -> None:
    (result,) = results_of(database, "processor")
    assert (result.level, "no processor has run yet" in result.fact) == ("warn", True)
    database.call("automation_tick", p_worker={"id": "w", "mode": "start", "host": "box"}, p_now="2030-01-01T12:00:00Z")
    assert levels(database, "processor", now="2030-01-01T12:04:00Z") == ["ok"]
    (result,) = results_of(database, "processor", now="2030-01-01T14:30:00Z")
    assert (result.level, "for 2 h; last seen: start on box" in result.fact) == ("warn", True), result


def test_executions_in_work_without_our_token_tell_of_another_processor(jobs: Database) -> None:
    assert levels(jobs, "other processors") == ["ok"]
    insert = "insert into automation_execution_logs (status, created_at, lease_token) values (%s, %s, %s)"
    ours = "0189d5f5-0000-7000-8000-000000000001"
    jobs.sql(insert, "processing", "2030-01-01T12:00:00Z", ours)
    assert levels(jobs, "other processors", now="2030-01-01T12:30:00Z") == ["ok"]
    jobs.sql(insert, "running", "2030-01-01T12:00:00Z", None)
    (result,) = results_of(jobs, "other processors", now="2030-01-01T12:30:00Z")
    assert (result.level, "1 execution is running without a lease" in result.fact) == ("fail", True)
    assert jobs.sql(str(result.fix))[0]["status"] == "running"
    assert levels(jobs, "other processors", now="2030-01-01T14:00:00Z") == ["warn"]


def test_a_job_of_pg_cron_that_touches_automations_is_named_without_its_command(jobs: Database) -> None:
    jobs.sql(SENDER)
    jobs.sql(CRON)
    insert = "insert into cron.job values (%s, '* * * * *', %s, %s, %s)"
    jobs.sql(insert, 1, "vacuum", "clean", True)
    jobs.sql(insert, 2, "select process_automations('hush')", "off", False)
    assert levels(jobs, "other processors") == ["ok"]
    jobs.sql(insert, 3, "select net.http_post('https://x/functions/v1/automation-executor', 'hush')", "owner's", True)
    assert_fixed_by_sql(jobs, "other processors", "warn", '"owner\'s"', "* * * * *")
    jobs.sql(insert, 4, "select app_helper('J-1')", "nightly", True)
    assert "nightly" in results_of(jobs, "other processors")[0].fact
    assert "hush" not in str(jobs.call("automation_doctor"))


@pytest.mark.parametrize(
    ("command", "level"),
    [
        ("select public.automation_direct_sweep()", "ok"),
        ("SELECT AUTOMATION_DIRECT_SWEEP(p_limit => 10);", "ok"),
        ("select automation_prune(p_keep_seconds => 90 * 86400); select public . automation_direct_sweep ()", "ok"),
        ("delete from cron.job_run_details where end_time < now() - interval '7 days'", "ok"),
        ("select automation_direct_sweep(); update automation_execution_logs set status = 'pending'", "warn"),
        ("select app.automation_prune()", "warn"),
        ("select run_automations()", "warn"),
        ("select net.http_post('https://x/functions/v1/automation-executor')", "warn"),
    ],
)
def test_a_job_that_calls_our_own_functions_alone_is_ours(jobs: Database, command: str, level: str) -> None:
    jobs.sql(CRON)
    jobs.sql("insert into cron.job values (1, '* * * * *', %s, 'minutehand', true)", command)
    assert levels(jobs, "other processors") == [level]


def test_executions_that_should_have_run_long_ago_are_told(jobs: Database) -> None:
    insert = (
        "insert into automation_execution_logs (status, created_at, scheduled_at, started_at)"
        " values ('pending', %s, %s, %s)"
    )
    jobs.sql(insert, "2030-01-01T10:00:00Z", "2030-01-03T10:00:00Z", None)
    jobs.sql(insert, "2030-01-01T10:00:00Z", None, "2030-01-01T10:01:00Z")
    assert levels(jobs, "backlog", now="2030-01-01T12:00:00Z") == ["ok"], "what waits, and what has begun, is not late"
    jobs.sql(insert, "2030-01-01T10:30:00Z", None, None)
    (result,) = results_of(jobs, "backlog", now="2030-01-01T12:00:00Z")
    assert (result.level, "1 execution is overdue" in result.fact, "10:30:00" in result.fact) == ("warn", True, True)
    jobs.sql("update automation_execution_logs set status = 'skipped', code = 'stale'")
    (result,) = results_of(jobs, "backlog", now="2030-01-01T12:00:00Z")
    assert "3 executions were held" in result.fact


def test_uncertain_sends_are_told(database: Database) -> None:
    assert levels(database, "sends") == ["ok"]
    database.sql("insert into automation_execution_logs (status, code) values ('failed', 'uncertain_send')")
    assert levels(database, "sends") == ["warn"]


def test_changes_that_went_wrong_are_told(jobs: Database) -> None:
    assert levels(jobs, "events") == ["ok"]
    jobs.sql("select nextval('minutehand.lost_events')")
    insert = (
        "insert into automation_events (occurred_at, table_name, operation, types, error, match_attempts, matched_at)"
    )
    for error, attempts, matched in (("no tenant: x", 0, "now()"), ("why", 5, "null"), (None, 1, "null")):
        jobs.sql(
            f"{insert} values (now() - interval '1 h', 'jobs', 'UPDATE', '{{}}', %s, %s, {matched})", error, attempts
        )
    results = results_of(jobs, "events")
    assert [(result.level, result.fact.split(" ")[0]) for result in results] == [("warn", "1")] * 4
    for result in results:
        if str(result.fix).startswith(("select", "alter")):
            jobs.sql(str(result.fix).replace("%", "%%"))
    assert len(results_of(jobs, "events")) == 3, "the counter is set back"


def test_a_key_that_is_not_unique_any_more_fails(jobs: Database) -> None:
    jobs.sql("alter table jobs drop constraint jobs_pkey")
    (result,) = [result for result in results_of(jobs, "triggers") if result.level == "fail"]
    assert "its key id is not unique" in result.fact
    jobs.sql(str(result.fix).replace("concurrently ", ""))
    assert levels(jobs, "triggers") == ["ok"]
