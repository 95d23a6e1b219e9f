"""What goes wrong in a match costs nobody else: it is bounded, isolated, tried again, and at last set aside."""

from __future__ import annotations

import itertools
from typing import Any

import psycopg
import pytest

from tests import servers
from tests.servers import Database
from tests.sql.jobs import (
    counts,
    events,
    executions,
    fired,
    match,
    move,
    notices,
    session,
    watched_jobs,
    when,
    workflow,
)

pytestmark = servers.on_both_servers

LOGS = "automation_execution_logs"


def test_a_refused_execution_takes_no_other_with_it(database: Database) -> None:
    watched_jobs(database)
    for name in ("first", "poison", "second"):
        workflow(database, name)
    poison = database.one("select id from automation_workflows where name = 'poison'")["id"]
    database.sql(f"alter table {LOGS} add constraint picky check (workflow_id <> '{poison}')")
    move(database, "done")
    assert fired(database) == ["first", "second"]  # at once
    (event,) = events(database)
    assert event["matched_at"] is None
    assert f"workflow {poison}" in event["error"]
    match(database)
    assert fired(database) == ["first", "second"]


def test_a_poison_event_is_set_aside_while_others_match(database: Database) -> None:
    watched_jobs(database, count=2)
    workflow(database)
    database.sql(f"alter table {LOGS} add constraint picky check (entity_id <> 'J-1')")
    database.sql("update jobs set status = 'done'")
    database.sql("update automation_events set matched_at = null")
    answers = []
    for _ in range(6):
        answers.append(match(database))
        database.sql("update automation_events set match_after = null")
    assert [answer["set_aside"] for answer in answers] == [0, 0, 0, 0, 1, 0]
    assert answers[0]["matched"] == 1
    assert [row["entity_id"] for row in executions(database)] == ["J-2"]
    poison = events(database)[0]
    assert (poison["match_attempts"], poison["matched_at"]) == (5, None)
    assert "picky" in poison["error"]
    figures = database.call("automation_metrics")["events"]
    assert (figures["set_aside"], figures["unmatched"]) == (1, 0)


def test_a_failed_match_is_tried_again_later_and_later(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    database.sql(f"alter table {LOGS} add constraint picky check (entity_id <> 'J-1')")
    move(database, "done")
    delays = []
    instant = "2030-01-01T00:00:00Z"
    for _ in range(4):
        match(database, instant)
        row = database.one(
            "select match_after, extract(epoch from match_after - %s::timestamptz)::float as delay"
            " from automation_events",
            instant,
        )
        delays.append(row["delay"])
        assert match(database, instant)["matched"] == 0  # not yet
        assert events(database)[0]["match_attempts"] == len(delays)
        instant = row["match_after"]
    assert all(later > 1.5 * sooner for sooner, later in itertools.pairwise(delays))


NONSENSE: list[Any] = [
    7,
    True,
    "completed",
    [1, "two", None, []],
    {"conditions": 7},
    {"conditions": {"field": ["status"]}},
    {"conditions": [{"field": "status", "operator": "starts_withh", "value": "d"}]},
    {"conditions": [{"field": "revenue", "operator": "greater_than", "value": {"a": 1}}]},
    {"conditions": [{"field": "status", "value": "x" * 1_000_000}]},
    {"conditions": [{"field": "status", "value": "x"}] * 20_000},
]


@pytest.mark.parametrize("config", NONSENSE, ids=range(len(NONSENSE)))
def test_a_workflow_of_nonsense_does_not_fire_and_hurts_nobody(database: Database, config: Any) -> None:
    watched_jobs(database, count=10)
    workflow(database, "sane")
    database.sql(
        "insert into automation_workflows (name, organization_id, trigger_type, trigger_config, steps, created_at)"
        " values ('nonsense', 'north', 'job_status_changed', %s, %s, '2020-01-01')",
        psycopg.types.json.Jsonb(config),
        psycopg.types.json.Jsonb([{"type": "stop"}]),
    )
    with notices(database) as heard:
        database.sql("update jobs set status = 'done'")
    assert heard == []
    assert fired(database) == ["sane"] * 10
    (problem,) = [
        w["problem"] for w in database.call("automation_metrics", p_facts=True)["workflows"] if w["name"] == "nonsense"
    ]
    assert problem


def test_past_its_budget_the_trigger_leaves_events_to_the_tick(database: Database) -> None:
    watched_jobs(database, count=100)
    workflow(database)
    database.sql("set minutehand.match_budget = '50 ms'")
    # A slow evaluator, as a huge number of conditions is: 30 ms a row.
    database.sql(
        "alter function minutehand.conditions_met rename to fast_verdict;"
        "create function minutehand.conditions_met(a jsonb, b jsonb, c jsonb, d text, e bigint) returns boolean"
        " language plpgsql as $$ begin perform pg_sleep(0.03); return minutehand.fast_verdict(a, b, c, d, e); end $$"
    )
    database.sql("update jobs set status = 'done'")
    all_events, unmatched, made = counts(database)
    assert all_events == 100
    assert made == 100 - unmatched
    assert 0 < unmatched < 100
    assert all(event["error"] is None for event in events(database))
    database.sql(
        "drop function minutehand.conditions_met; alter function minutehand.fast_verdict rename to conditions_met"
    )
    assert match(database)["matched"] == unmatched
    assert counts(database) == (100, 0, 100)


def test_one_slow_row_stops_at_its_own_budget(database: Database) -> None:
    watched_jobs(database)
    for number in range(5):
        workflow(database, f"w{number}")
    database.sql("set minutehand.match_budget = '50 ms'")
    database.sql(
        "alter function minutehand.conditions_met rename to fast_verdict;"
        "create function minutehand.conditions_met(a jsonb, b jsonb, c jsonb, d text, e bigint) returns boolean"
        " language plpgsql as $$ begin perform pg_sleep(0.03); return minutehand.fast_verdict(a, b, c, d, e); end $$"
    )
    move(database, "done")
    decided = fired(database)
    assert 0 < len(decided) < 5
    assert match(database)["matched"] == 1
    assert fired(database) == ["w0", "w1", "w2", "w3", "w4"]  # what was decided stays


def test_serializable_transactions_of_the_app_do_not_meet_in_our_tables(database: Database) -> None:
    watched_jobs(database, count=2)
    workflow(database)
    with session(database, autocommit=False) as one, session(database, autocommit=False) as two:
        for app, job in ((one, "J-1"), (two, "J-2")):
            app.connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
            move(app, "done", job)
        one.connection.commit()
        two.connection.commit()
    assert match(database)["executions"] == 2


def test_what_another_unique_index_refuses_does_not_vanish(database: Database) -> None:
    watched_jobs(database)
    workflow(database, settings={"rate_limit": None})
    database.sql(f"create unique index theirs on {LOGS} (workflow_id, entity_id)")
    move(database, "a")
    move(database, "b")
    assert [event["error"] and "theirs" in event["error"] for event in events(database)] == [None, True]


def test_conditions_of_a_json_column_that_jsonb_refuses_cost_nobody_else(database: Database) -> None:
    watched_jobs(database)
    database.sql("alter table automation_workflows alter trigger_config drop default, alter trigger_config type json")
    workflow(database, "sane", trigger_config=when("status", "done"))
    workflow(database, "poison", trigger_config={})
    nul = r'{"conditions": "\u0000"}'
    database.sql("update automation_workflows set trigger_config = %s where name = 'poison'", nul)
    move(database, "done")
    assert fired(database) == ["sane"]
    problems = {w["name"]: w["problem"] for w in database.call("automation_metrics", p_facts=True)["workflows"]}
    assert problems["sane"] is None
    assert "Unicode" in problems["poison"]


def test_a_slow_match_ends_in_time_and_the_next_goes_on(database: Database) -> None:
    """A statement that takes 8 s is ended by the platform, and the next would begin at the same place."""
    watched_jobs(database, count=3)
    database.sql("update jobs set status = 'done'")
    database.sql("update automation_events set matched_at = null")
    workflow(database)
    database.sql("update automation_workflows set created_at = '2020-01-01'")
    database.sql(f"alter table {LOGS} add constraint slow check (pg_sleep(1.7) is not null)")
    first = match(database)
    assert (first["matched"], counts(database)) == (2, (3, 1, 2))
    assert [event["match_attempts"] for event in events(database)] == [0, 0, 0]
    assert match(database)["matched"] == 1
    assert len(executions(database)) == 3
