"""`settings.stop_when`: what ends an execution before its next step, by the row as it is then."""

from __future__ import annotations

from typing import Any

import pytest

from minutehand.executor.checks.workflow import FAILS, diagnose
from tests.servers import Database, on_both_servers
from tests.sql.jobs import move, watched_jobs, when, workflow
from tests.sql.queue_rows import token

pytestmark = on_both_servers
CANCELLED = {"field": "status", "operator": "equals", "value": "cancelled"}


@pytest.fixture
def jobs(database: Database) -> Database:
    watched_jobs(database)
    return database


def claimed(database: Database, **settings: Any) -> tuple[str, str, dict[str, Any]]:
    """Start an execution under these settings; returns its id, its lease and the claim's answer."""
    workflow(database, settings=settings)
    move(database, "completed")
    lease = token()
    answer = database.call("automation_claim", p_token=lease, p_contexts=True)
    (one,) = answer["executions"]
    return one["id"], lease, answer


def look(database: Database, one: str, lease: str) -> dict[str, Any] | None:
    """What the look before a step or a send says."""
    (answer,) = database.call("automation_advance", p_items=[{"id": one, "token": lease}])
    assert answer["held"]
    stop: dict[str, Any] | None = answer["stop"]
    return stop


def paid_by(operator: str, value: Any, field: str = "revenue") -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


#: stop_when, what happens to the row, and why it stops; None: it does not.
HOLDS: list[tuple[Any, str, str | None]] = [
    (CANCELLED, "status = 'Cancelled'", 'status equals "cancelled"'),
    ([CANCELLED], "status = 'CANCELLED'", 'status equals "cancelled"'),
    ([CANCELLED], "status = 'paused'", None),
    ({"any": [CANCELLED, paid_by("greater_than", 10)]}, "revenue = 11", "revenue greater than 10"),
    ({"all": [CANCELLED, paid_by("greater_than", 10)]}, "revenue = 11", None),
    ({"all": [CANCELLED, paid_by("greater_than", 10)]}, "revenue = 11, status = 'cancelled'",
     'status equals "cancelled", revenue greater than 10'),
    ({"not": [{"field": "revenue", "operator": "is_empty"}]}, "revenue = 1", "the row meets its conditions"),
    ([{"field": "notes.paid", "operator": "equals", "value": True}], "notes = '{\"paid\": true}'",
     "notes.paid equals true"),
    ([{"field": "notes.paid", "operator": "equals", "value": True}], "notes = '{}'", None),
    ({"operator": "OR", "rules": [{"property": "tags", "op": "contains", "value": "no mail"}]}, "tags = '{no mail}'",
     'tags contains "no mail"'),
    ([{"field": "old.status", "operator": "equals", "value": "scheduled"}], "title = 'x'",
     'old.status equals "scheduled"'),
    ([{"field": "title", "operator": "changed"}], "title = 'x'", "title changed"),
    ([{"field": "title", "operator": "changed"}], "revenue = 1", None),
    ([{"field": "title", "operator": "is_empty"}], "title = null", "title is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("stop_when", "change", "words"), HOLDS)
def test_the_row_as_it_is_now_decides(jobs: Database, stop_when: Any, change: str, words: str | None) -> None:
    one, lease, answer = claimed(jobs, stop_when=stop_when)
    if "old.status" not in str(stop_when):
        assert [context["id"] for context in answer["contexts"]] == [one], "nothing stops it yet"
        assert look(jobs, one, lease) is None
    jobs.sql(f"update jobs set {change} where id = 'J-1'")
    expected = words and {"ended": "skipped", "code": "stop_condition", "reason": f"settings.stop_when holds: {words}"}
    assert look(jobs, one, lease) == expected
    (context,) = jobs.call("automation_context", p_items=[{"id": one, "token": lease}])
    assert context["stop"] == expected


@pytest.mark.parametrize("settings", [{}, {"stop_when": None}, {"stop_when": []}, {"stop_when": {}}, {"stop_when": ""}])
def test_without_conditions_nothing_stops(jobs: Database, settings: dict[str, Any]) -> None:
    one, lease, _ = claimed(jobs, **settings)
    assert look(jobs, one, lease) is None


@pytest.mark.parametrize(
    ("stop_when", "reason"),
    [
        ([paid_by("starts_withh", "x")], 'settings.stop_when: unknown operator "starts_withh"'),
        ([paid_by("equals", 1, "revenu")], 'settings.stop_when: row has no field "revenu"'),
        ({"any": [paid_by("equals", 1, "revenu"), CANCELLED]}, 'settings.stop_when: row has no field "revenu"'),
        ({"all": []}, "settings.stop_when has no conditions"),
        ("cancelled", 'settings.stop_when is "cancelled": write conditions'),
        ([paid_by("equals", "x" * 9000)], "settings.stop_when is longer than 8 kB"),
        ([paid_by("in", list(range(200)), "notes")], "settings.stop_when needs"),
    ],
)
def test_what_cannot_be_said_neither_goes_out_nor_is_lost(jobs: Database, stop_when: Any, reason: str) -> None:
    if "needs" in reason:
        jobs.sql("update jobs set notes = (select json_agg(i) from generate_series(1, 300) i)")
    one, lease, _ = claimed(jobs, stop_when=stop_when)
    stop = look(jobs, one, lease)
    assert stop is not None
    assert (stop["ended"], stop["code"]) == ("failed", "bad_workflow")
    assert str(stop["reason"]).startswith(reason)
    # What is known to hold decides, whatever cannot be said beside it.
    if "any" in stop_when:
        move(jobs, "cancelled")
        assert (look(jobs, one, lease) or {})["code"] == "stop_condition"


def test_the_workflow_as_it_stands_decides_like_its_switch(jobs: Database) -> None:
    one, lease, _ = claimed(jobs)
    assert look(jobs, one, lease) is None
    jobs.sql('update automation_workflows set settings = \'{"stop_when": {"field": "status", "value": "completed"}}\'')
    assert (look(jobs, one, lease) or {})["code"] == "stop_condition"
    jobs.sql("update automation_workflows set settings = '{}'")
    assert look(jobs, one, lease) is None


def test_a_pause_and_a_gone_row_decide_before_it(jobs: Database) -> None:
    one, lease, _ = claimed(jobs, stop_when=CANCELLED)
    move(jobs, "cancelled")
    jobs.sql("insert into automation_control (scope, target) values ('all', '')")
    assert (look(jobs, one, lease) or {})["code"] == "paused"
    jobs.sql("delete from automation_control")
    assert (look(jobs, one, lease) or {})["code"] == "stop_condition"
    jobs.sql("delete from jobs")
    assert (look(jobs, one, lease) or {})["code"] == "row_gone"


def test_the_claim_hands_out_no_context_of_what_stops(jobs: Database) -> None:
    workflow(jobs, settings={"stop_when": CANCELLED}, trigger_config=when("status", "completed"))
    move(jobs, "completed")
    move(jobs, "cancelled")
    answer = jobs.call("automation_claim", p_token=token(), p_contexts=True)
    assert (len(answer["executions"]), answer["contexts"]) == (1, [])


def test_explain_and_the_dry_run_ask_it_too(jobs: Database) -> None:
    workflow(jobs, settings={"stop_when": CANCELLED}, trigger_config=when("status", "completed"))
    move(jobs, "completed")
    move(jobs, "Cancelled")
    (answer,) = [
        one
        for one in jobs.call("automation_explain", p_subject={"text": "J-1"})["answers"]
        if one["execution_id"] is not None
    ]
    assert answer["code"] == "stop_condition"
    (link,) = [link for link in answer["links"] if link["name"] == "eligible"]
    assert link["detail"] == 'it will end as skipped: settings.stop_when holds: status equals "cancelled"'
    dry = jobs.call("automation_dry_run", p_workflow="tell", p_row="J-1")
    assert ("now", "stop_condition") in [(stop["as_of"], stop["code"]) for stop in dry["stops"]]


def test_lint_judges_it_as_it_judges_conditions(jobs: Database) -> None:
    cases = {
        "good": ([CANCELLED], None),
        "operator": ([paid_by("starts_withh", 1)], f'{FAILS}: settings.stop_when: unknown operator "starts_withh"'),
        "field": (
            [paid_by("equals", 1, "revenu")],
            "settings.stop_when: jobs has no column 'revenu'; did you mean revenue?",
        ),
    }
    for name, (stop_when, _) in cases.items():
        workflow(jobs, name, settings={"stop_when": stop_when}, trigger_config=when("status", "completed"))
    answer = jobs.call("automation_metrics", p_facts=True)
    for facts in answer["workflows"]:
        diagnosis = diagnose(facts | {"installation": jobs.call("automation_installation")})
        said = [str(finding) for finding in diagnosis.findings if "stop_when" in finding.text]
        _, expected = cases[facts["name"]]
        assert len(said) == (0 if expected is None else 1), (facts["name"], said)
        if expected is not None:
            assert said[0].startswith(expected[:60]), said
            assert diagnosis.state == (FAILS if facts["name"] == "operator" else "on")


def test_where_it_is_not_set_a_look_costs_what_it_did(jobs: Database) -> None:
    """No condition is read or evaluated: only that the settings name none is looked at, once a workflow."""
    one, lease, _ = claimed(jobs)
    jobs.sql(
        "create or replace function minutehand.stopped(p_stop_when jsonb, p_row jsonb, p_old jsonb, p_status text)"
        " returns table (ended text, code text, reason text) language plpgsql stable rows 1 as"
        " $$ begin raise exception 'it was asked'; end $$"
    )
    assert look(jobs, one, lease) is None
    jobs.sql('update automation_workflows set settings = \'{"stop_when": {"field": "status", "value": "x"}}\'')
    assert (look(jobs, one, lease) or {})["code"] == "unreadable"
