"""Verdicts on workflows: judged at the save, kept with the version, and judged again when they are out of date."""

from __future__ import annotations

import time
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests import servers
from tests.servers import Database
from tests.sql.jobs import STEPS, executions, move, notices, session, watched_jobs, when, workflow

pytestmark = servers.on_both_servers

LEAVES = [{"field": "status", "operator": "equals", "value": f"status {n}"} for n in range(60)]
#: Columns of workflows that differ in their verdict.
FORMS: dict[str, dict[str, Any]] = {
    "on": {},
    "off": {"is_active": False},
    "without steps": {"steps": []},
    "with steps that are a text": {"steps": Jsonb("send")},
    "with wrong conditions": {"trigger_config": {"conditions": [{"field": "status", "operator": "sounds like"}]}},
    "with unknown statuses": {"trigger_config": {"conditions": LEAVES}},
    "with from and to": {"trigger_config": {"from_status": ["Nowhere"], "to_status": ["Scheduled"]}},
    "with long conditions": {"trigger_config": {"conditions": LEAVES * 5}},
    "with long steps": {"steps": [{"type": "notify", "config": {"message": "x" * 20_000}}]},
    "too large": {"settings": {"notes": "x" * 600_000}},
    "of another type": {"trigger_type": "job_finished"},
}


def facts(database: Database) -> list[dict[str, Any]]:
    """The facts of all workflows, as the lists of pages show them."""
    listed: list[dict[str, Any]] = database.call("automation_workflow_list", p_filter={"brief": True})
    return listed


def verdicts(database: Database) -> list[bool]:
    """Whether each workflow has a verdict that is up to date."""
    rows = database.sql(
        "select v.verdict ->> 'key' = minutehand.verdict_key() as is_current from automation_workflows w "
        "left join minutehand.verdicts v on v.workflow_id = w.id and v.version = w.version"
    )
    return [bool(row["is_current"]) for row in rows]


def tick(database: Database) -> None:
    """Run the first tick of a minute."""
    database.sql("truncate minutehand.tick_log")
    database.call("automation_tick", p_worker={"id": "w", "mode": "worker", "host": "h", "version": "1"})


def forget(database: Database) -> None:
    """Let an upgrade change a function."""
    database.sql("update minutehand.installed set source_md5 = md5(source_md5)")


def judges_no_more(database: Database) -> None:
    """Let whatever judges a workflow fail."""
    database.sql(
        "create or replace function minutehand.judge_definition(p_workflow automation_workflows, p_status text) "
        "returns jsonb language plpgsql as $$ begin raise exception 'judged'; end $$"
    )


def all_forms(database: Database) -> None:
    """Save a workflow of each form."""
    watched_jobs(database)
    for name, columns in FORMS.items():
        workflow(database, name, **{"trigger_type": "job_completed", **columns})


def test_a_kept_verdict_says_what_a_new_one_says(database: Database) -> None:
    all_forms(database)
    assert set(verdicts(database)) == {True}
    kept = facts(database)
    forget(database)
    assert set(verdicts(database)) == {False}
    assert facts(database) == kept, "judged anew"
    told = ("on", "problem", "steps_problem", "definition", "unknown_statuses", "emitted")
    assert len({str([row[name] for name in told]) for row in kept}) == len(FORMS)


def test_lists_figures_and_overview_judge_nothing_that_is_kept(database: Database) -> None:
    all_forms(database)
    judges_no_more(database)
    assert len(facts(database)) == len(FORMS)
    assert len(database.call("automation_metrics", p_facts=True)["workflows"]) == len(FORMS)
    assert len(database.call("automation_overview")["workflows"]) == len(FORMS)
    forget(database)
    with pytest.raises(psycopg.Error, match="judged"):
        facts(database)


def test_each_version_has_its_own_verdict(database: Database) -> None:
    watched_jobs(database)
    workflow(database, "tell")
    assert facts(database)[0]["steps_problem"] is None
    database.sql("update automation_workflows set steps = '[]'")
    assert facts(database)[0]["steps_problem"] == "it has no steps"
    database.sql("update automation_workflows set is_active = false")
    assert facts(database)[0]["on"] is False


def test_a_tick_and_an_upgrade_judge_what_is_out_of_date(database: Database) -> None:
    all_forms(database)
    kept = facts(database)
    forget(database)
    database.sql("select minutehand.forget_verdicts()")
    tick(database)
    assert set(verdicts(database)) == {True}
    assert facts(database) == kept
    database.sql("delete from minutehand.verdicts")
    tick(database)
    judges_no_more(database)
    assert facts(database) == kept


def test_a_verdict_follows_the_status_column_of_its_table(database: Database) -> None:
    watched_jobs(database)
    workflow(database, "tell", trigger_type="job_status_changed",
             trigger_config=when("job_type", "repair"))  # fmt: skip
    database.sql("update jobs set job_type = 'check'")
    assert facts(database)[0]["unknown_statuses"] == []
    database.call("automation_trigger_add", p_table="jobs", p_status="job_type")
    (unknown,) = facts(database)[0]["unknown_statuses"]
    assert unknown == {"word": "repair", "type": "job", "known": ["check"]}


def test_a_save_commits_though_it_cannot_be_judged(database: Database) -> None:
    watched_jobs(database)
    judges_no_more(database)
    workflow(database, "tell")
    rows = database.sql("select version, definition ->> 'name' as name from automation_workflow_versions")
    assert (rows, verdicts(database)) == ([{"version": 1, "name": "tell"}], [False])
    tick(database)
    assert verdicts(database) == [False]


def test_nobody_waits_for_a_save_that_stays_open(database: Database) -> None:
    watched_jobs(database)
    ids = [workflow(database, name) for name in ("one", "two", "three")]
    database.sql("delete from minutehand.verdicts")
    with session(database, autocommit=False) as app:
        app.sql("insert into minutehand.verdicts select id, 1, '{}' from automation_workflows")
        started = time.monotonic()
        tick(database)
        database.sql("update automation_workflows set name = name || '!'")
        assert time.monotonic() - started < 30, "it would have waited for ever"
        app.connection.rollback()
    rows = database.sql("select definition ->> 'name' as name from automation_workflow_versions where version = 2")
    assert (len(rows), verdicts(database)) == (len(ids), [False] * 3)
    tick(database)
    assert verdicts(database) == [True] * 3


def test_at_most_five_unknown_statuses_are_named(database: Database) -> None:
    all_forms(database)
    rows = {row["name"]: row for row in facts(database)}
    assert [one["word"] for one in rows["with unknown statuses"]["unknown_statuses"]] == [
        "completed", "status 0", "status 1", "status 10", "status 11",
    ]  # fmt: skip


def test_a_definition_that_is_too_large_is_not_saved(database: Database) -> None:
    watched_jobs(database)
    row = {"name": "tell", "organization_id": "north", "trigger_type": "job_completed", "steps": STEPS}
    for dry_run in (True, False):
        with pytest.raises(
            psycopg.Error, match=r'workflow "tell" is too large: its definition has 586 kB; at most 512 kB'
        ):
            database.call(
                "automation_workflow_save", p_workflow={**row, "settings": {"notes": "x" * 600_000}}, p_dry_run=dry_run
            )
    assert database.call("automation_workflow_save", p_workflow={**row, "settings": {"notes": "x" * 500_000}})["id"]
    with pytest.raises(psycopg.Error, match="too large"):
        database.call("automation_workflow_save", p_workflow={**row, "steps": STEPS * 400})


def test_one_that_the_app_writes_too_large_is_kept_and_shown_and_never_runs(database: Database) -> None:
    watched_jobs(database)
    workflow(database, "large", trigger_type="job_completed", settings={"notes": "x" * 600_000})
    workflow(database, "small", trigger_type="job_completed", settings={"notes": "\x01" * 20_000})
    with notices(database) as heard:
        move(database, "completed")
    assert heard == []
    assert [row["workflow_id"] for row in executions(database)] == [
        database.one("select id from automation_workflows where name = 'small'")["id"]
    ]
    large, small = facts(database)
    assert large["problem"] == "its definition has 586 kB; at most 512 kB are allowed"
    assert (large["definition"], small["problem"]) == (None, None)
    stops = database.call("automation_dry_run", p_workflow="large", p_row="J-1")["stops"]
    assert [(stop["as_of"], "512 kB" in stop["reason"]) for stop in stops] == [("then", True), ("now", True)]


def test_a_list_of_executions_brings_no_large_definitions(database: Database) -> None:
    watched_jobs(database)
    large = workflow(database, "large", trigger_type="job_completed", settings={"notes": "x" * 40_000})
    small = workflow(database, "small", trigger_type="job_completed")
    insert = "insert into automation_execution_logs (workflow_id, workflow_version, status, organization_id) "
    for id_ in (large, small):
        database.sql(insert + "values (%s, 1, 'completed', 'north')", id_)
    found = database.call("automation_search")
    assert (len(found["rows"]), list(found["definitions"])) == (2, [f"{small}:1"])
    assert found["definitions"][f"{small}:1"]["steps"] == STEPS
