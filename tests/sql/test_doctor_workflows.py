"""doctor's checks of the workflows: which never run, and why; which are off; what cannot send."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.doctor import assert_fixed_by_sql, levels, results_of
from tests.sql.jobs import STEPS, adopt, move, watched_jobs, when, workflow
from tests.supabase.net_standin import install

pytestmark = on_both_servers

#: A status deep within groups, where it was, not where it is.
NESTED = {"conditions": {"any": [{"field": "old.status", "operator": "equals", "value": "schedulled"}]}}
#: A table of workflows of the app's own, whose json columns may hold what jsonb refuses.
WORKFLOWS = """
create table automation_workflows (
  id uuid primary key default gen_random_uuid(), name text, user_id uuid, organization_id text, trigger_type text,
  trigger_config json, steps json, is_active boolean, status text, enabled boolean, created_at timestamptz,
  updated_at timestamptz
)
"""


@pytest.fixture
def jobs(database: Database) -> Database:
    """A database with watched jobs."""
    watched_jobs(database, count=2)
    return database


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"trigger_type": "invoice_paid"}, "no watched table emits 'invoice_paid'"),
        ({"trigger_type": None}, "it has no trigger_type"),
        ({"steps": []}, "it has no steps"),
        ({"steps": {"type": "email"}}, "steps: expected a list"),
        ({"steps": [{"type": "gift_card"}]}, "no action `gift_card`"),
        ({"steps": [{"type": "email", "config": {}}]}, "`subject` is missing"),
        ({"trigger_config": when("status", "done", "starts_withh")}, "unknown operator"),
        ({"trigger_config": {"conditions": 7}}, "not a condition"),
    ],
)
def test_a_workflow_that_can_never_work_says_why(jobs: Database, columns: dict[str, Any], words: str) -> None:
    made = workflow(jobs, **columns)
    (result,) = results_of(jobs, "workflows")
    assert (result.level, words in result.fact) == ("fail", True), result
    assert made in str(result.fix)
    jobs.sql("update automation_workflows set is_active = false, status = 'off'")
    assert levels(jobs, "workflows") == ["ok"], "one that is off does no harm"


@pytest.mark.parametrize(
    ("columns", "settings"),
    [
        ({"trigger_type": "manual"}, {}),
        ({"trigger_type": "job_deleted"}, {}),
        ({"steps": [{"type": "gift_card"}]}, {"executor": "function"}),
    ],
)
def test_a_workflow_that_can_work_is_fine(jobs: Database, columns: dict[str, Any], settings: dict[str, Any]) -> None:
    workflow(jobs, **columns)
    assert levels(jobs, "workflows", **settings) == ["ok"]


@pytest.mark.parametrize(("type_", "level"), [("gift_card", "fail"), ("stop", "ok")])
def test_a_flow_is_looked_at_wherever_it_stands(jobs: Database, type_: str, level: str) -> None:
    jobs.sql("alter table automation_workflows add column template_config jsonb")
    workflow(jobs, steps=[], template_config={"steps": [{"type": "trigger"}, {"type": type_}]})
    assert levels(jobs, "workflows") == [level]


def test_one_workflow_of_nonsense_does_not_hide_the_others(empty_database: Database) -> None:
    empty_database.sql(WORKFLOWS)
    adopt(empty_database)
    watched_jobs(empty_database)
    query = (
        "insert into automation_workflows (name, organization_id, trigger_type, steps)"
        " values (%s, 'north', 'job_updated', %s::json)"
    )
    empty_database.sql(query, "nul", '["\\u0000"]')
    empty_database.sql(query, "empty", "[]")
    empty, nul = results_of(empty_database, "workflows")
    assert '"empty" will never run: it has no steps' in empty.fact
    assert (nul.level, '"nul" will never run: ' in nul.fact) == ("fail", True)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"status": "Draft"}, "status = 'Draft'"),
        ({"enabled": False}, "enabled = false"),
        ({"enabled": False, "status": "paused"}, "status = 'paused', enabled = false"),
    ],
)
def test_a_switch_that_keeps_a_workflow_off_is_named(jobs: Database, columns: dict[str, Any], words: str) -> None:
    jobs.sql("alter table automation_workflows add column enabled boolean default true")
    workflow(jobs)
    assert levels(jobs, "workflows") == ["ok"]
    workflow(jobs, "off", **columns)
    assert_fixed_by_sql(jobs, "workflows", "warn", '"off" is off because', *words.split(", "))


@pytest.mark.parametrize("columns", [{}, {"status": "Draft"}, {"enabled": False}])
def test_a_workflow_that_the_app_shows_as_off_is_no_warning(jobs: Database, columns: dict[str, Any]) -> None:
    jobs.sql("alter table automation_workflows add column enabled boolean default true")
    workflow(jobs, "off", is_active=False, **columns)
    assert levels(jobs, "workflows") == ["ok"]


@pytest.mark.parametrize(
    ("columns", "word", "near"),
    [
        ({"trigger_config": {"to_status": ["complete"]}}, "complete", "did you mean Completed?"),
        ({"trigger_type": "job_complete"}, "complete", "did you mean Completed?"),
        ({"trigger_config": when("status", "complete")}, "complete", "did you mean Completed?"),
        ({"trigger_config": when("new.status", ["Scheduled", "gone"], "in")}, "gone", "known are "),
        ({"trigger_config": NESTED}, "schedulled", "did you mean scheduled?"),
    ],
)
def test_a_status_that_no_row_has_is_doubtful(jobs: Database, columns: dict[str, Any], word: str, near: str) -> None:
    move(jobs, "Completed")
    workflow(jobs, **columns)
    (result,) = results_of(jobs, "workflows")
    assert (result.level, f"the status '{word}'" in result.fact, near in result.fact) == ("warn", True, True), result


def test_a_status_is_known_by_a_row_a_change_a_seed_or_an_enum_in_any_spelling(jobs: Database) -> None:
    move(jobs, "on-hold")
    move(jobs, "scheduled")
    jobs.sql("create table job_statuses (name text); insert into job_statuses values ('In Progress')")
    jobs.sql(
        "create type visit_status as enum ('Booked');"
        "create table visits (id text primary key, user_id text, status visit_status)"
    )
    jobs.call("automation_trigger_add", p_table="visits")
    for type_, word in (("job", "SCHEDULED"), ("job", "On Hold"), ("job", "in_progress"), ("visit", "booked")):
        workflow(jobs, word, trigger_type=f"{type_}_status_changed", trigger_config=when("status", word))
    workflow(jobs, "typed", trigger_type="job_in_progress")
    workflow(jobs, "negative", trigger_config=when("status", "nowhere", "not_equals"))
    workflow(jobs, "another column", trigger_config=when("title", "nowhere"))
    assert levels(jobs, "workflows") == ["ok"]
    jobs.sql("update automation_workflows set name = 'x', trigger_config = %s::jsonb where name = 'booked'",
             '{"conditions": [{"field": "status", "operator": "equals", "value": "boked"}]}')  # fmt: skip
    assert ["did you mean Booked?" in result.fact for result in results_of(jobs, "workflows")] == [True]


def test_steps_that_the_edge_function_of_direct_mode_cannot_run_are_named(jobs: Database) -> None:
    install(jobs)
    workflow(jobs, "tells", steps=[*STEPS, {"type": "notify", "config": {"message": "x"}}])
    assert levels(jobs, "workflows") == ["ok"]
    (result,) = results_of(jobs, "workflows", executor="function")
    assert (result.level, "step 2: notify cannot run in the edge function" in result.fact) == ("warn", True)
    for host, found in (("automations.example.com", ["ok"]), ("ref.supabase.co", ["warn"])):
        jobs.call("automation_direct_on", p_url=f"https://{host}/functions/v1/automation-executor", p_token="t")
        assert levels(jobs, "workflows") == found


def test_emails_need_their_settings_where_workflows_write_any(jobs: Database) -> None:
    missing = "no e-mail provider is set up"
    assert levels(jobs, "e-mail", email_problem=missing) == ["ok"]
    workflow(jobs, "writes", steps=STEPS)
    assert levels(jobs, "e-mail") == ["ok"]
    (result,) = results_of(jobs, "e-mail", email_problem=missing)
    assert (result.level, missing in result.fact, "writes" in result.fact) == ("fail", True, True)
    assert levels(jobs, "e-mail", email_problem=missing, executor="function") == ["ok"]


def test_it_says_whose_secret_signs_webhooks_and_what_is_wrong_with_it(jobs: Database) -> None:
    for secret, level, words in (
        (None, "ok", "not signed"),
        ("hush", "fail", "must be whsec_"),
        ("whsec_aGk=", "warn", "less than 24 bytes"),
        ("whsec_" + "bmV3" * 8, "ok", "each tenant's own secret"),
    ):
        (result,) = results_of(jobs, "webhooks", webhook_secret=secret)
        assert (result.level, words in result.fact, "hush" in result.fact) == (level, True, False), result
    jobs.call("automation_trigger_add", p_table="jobs", p_tenant="none")
    (result,) = results_of(jobs, "webhooks", webhook_secret="whsec_" + "bmV3" * 8)
    assert "signs all webhooks" in result.fact
