"""Incidents: what is wrong is opened once, told once, again each hour, and recovers once, whoever looks."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.jobs import watched_jobs
from tests.sql.queue_rows import NOW, pending, seconds, workflow

pytestmark = on_both_servers

MINUTE = 60


def take(database: Database, now: datetime = NOW, token: str | None = None, **more: Any) -> list[dict[str, Any]]:
    """Look, and take what is to be told."""
    taken: list[dict[str, Any]] = database.call(
        "automation_alerts_claim", p_token=token or str(uuid4()), p_now=now, **more
    )
    return taken


def look(database: Database, now: datetime = NOW, **more: Any) -> list[tuple[str, str]]:
    """Look, tell what is to be told, and say what that was: `(kind, what)`."""
    token = str(uuid4())
    taken = take(database, now, token, **more)
    told = {incident["id"]: incident["what"] for incident in taken}
    database.call("automation_alerts_notified", p_token=token, p_notified=told, p_now=now)
    return [(incident["kind"], incident["what"]) for incident in taken]


def ended(
    database: Database, workflow_id: str | None, count: int, status: str = "failed", code: str | None = None,
    at: datetime = NOW,
) -> None:  # fmt: skip
    """Executions that ended at this moment."""
    database.sql(
        """
        insert into automation_execution_logs (
          workflow_id, workflow_version, status, code, reason, trigger_data, entity_id, user_id, created_at,
          completed_at)
        select %s, 1, %s, %s, 'no luck with ' || n, '{}', 'job-' || n, 'user-1', %s, %s
        from generate_series(1, %s) as n
        """,
        workflow_id, status, code, at - seconds(1), at, count,
    )  # fmt: skip


def test_nothing_is_wrong_with_an_empty_database(database: Database) -> None:
    assert look(database) == []


def test_ten_thousand_failures_are_one_incident_with_their_count(database: Database) -> None:
    ended(database, workflow(database, name="Thank the client"), 10_000, code="refused")
    (incident,) = take(database)
    assert (incident["kind"], incident["code"], incident["what"], incident["count"]) == (
        "failures", "refused", "opened", 10_000,
    )  # fmt: skip
    assert incident["summary"] == '"Thank the client": 10000 of 10000 failed in 15 min: refused'
    assert incident["sample"].startswith("no luck with ")


def test_failures_are_grouped_by_workflow_and_code(database: Database) -> None:
    first, second = workflow(database, name="one"), workflow(database, name="two")
    ended(database, first, 3, code="refused")
    ended(database, first, 2, code="timeout")
    ended(database, second, 1, code="refused")
    found = {(incident["subject"], incident["code"], incident["count"]) for incident in take(database)}
    assert found == {(first, "refused", 3), (first, "timeout", 2), (second, "refused", 1)}


@pytest.mark.parametrize(("worked", "opens"), [(4, True), (5, False), (0, True)])
def test_a_share_decides_how_much_may_fail(database: Database, worked: int, opens: bool) -> None:
    busy = workflow(database)
    ended(database, busy, 1, code="refused")
    ended(database, busy, worked, "completed")
    assert bool(look(database)) is opens


def test_it_is_told_once_again_each_hour_and_when_it_is_over(database: Database) -> None:
    rare = workflow(database)
    ended(database, rare, 1, code="refused")
    assert look(database) == [("failures", "opened")]
    for minutes in range(1, 130):
        now = NOW + seconds(minutes * MINUTE)
        ended(database, rare, 1, code="refused", at=now)
        assert look(database, now) == ([("failures", "updated")] if minutes in (60, 120) else []), minutes
    for minutes in range(130, 165):  # the window of 15 minutes, and the 5 for what comes and goes
        now = NOW + seconds(minutes * MINUTE)
        assert look(database, now) == ([("failures", "recovered")] if minutes == 149 else []), minutes
    (row,) = database.sql("select * from automation_incidents")
    assert (row["notified"], row["recovered_at"] - row["opened_at"]) == ("recovered", seconds(149 * MINUTE))


def test_two_who_ask_at_once_do_not_tell_the_same(database: Database) -> None:
    ended(database, workflow(database), 1)
    mine = str(uuid4())
    assert [incident["what"] for incident in take(database, token=mine)] == ["opened"]
    assert take(database, NOW + seconds(40)) == []
    assert [incident["what"] for incident in take(database, token=mine)] == ["opened"], "the reply was lost"


def test_what_was_not_told_is_handed_out_again(database: Database) -> None:
    ended(database, workflow(database), 1)
    late = str(uuid4())
    (incident,) = take(database, token=late)
    (again,) = take(database, NOW + seconds(121))
    assert again["id"] == incident["id"]
    told = database.call("automation_alerts_notified", p_token=late, p_notified={incident["id"]: "opened"}, p_now=NOW)
    assert told == {"notified": 0}, "another tells it now"


def test_who_looks_twice_within_30_seconds_judges_once(database: Database) -> None:
    assert look(database) == []
    ended(database, workflow(database), 1)
    assert look(database, NOW + seconds(29)) == []
    assert look(database, NOW + seconds(30)) == [("failures", "opened")]


def test_the_oldest_due_one_waits_too_long(database: Database) -> None:
    pending(database, workflow(database), created_at=NOW - seconds(601))
    assert look(database) == [("backlog", "opened")]


def test_what_is_paused_is_no_backlog(database: Database) -> None:
    held = workflow(database)
    pending(database, held, created_at=NOW - seconds(7200))
    database.call("automation_pause", p_scope="workflow", p_target=held)
    assert look(database) == []
    database.call("automation_pause", p_scope="all")
    assert look(database, NOW + seconds(40)) == []


def heartbeat(database: Database, at: datetime, started: datetime | None = None, id_: str = "h:1") -> None:
    database.sql(
        "insert into automation_workers (id, mode, started_at, heartbeat_at) values (%s, 'run-once', %s, %s) "
        "on conflict (id) do update set heartbeat_at = excluded.heartbeat_at",
        id_, started or at, at,
    )  # fmt: skip


def test_who_is_no_processor_sees_that_none_is_there(database: Database) -> None:
    heartbeat(database, NOW - seconds(601))
    assert look(database) == [("silence", "opened")]
    heartbeat(database, NOW + seconds(60), id_="h:2")
    assert look(database, NOW + seconds(61)) == [("silence", "recovered")]


def test_the_first_after_a_silence_tells_of_it(database: Database) -> None:
    heartbeat(database, NOW)
    assert look(database) == []
    back = NOW + seconds(7200)
    heartbeat(database, back, id_="h:2")
    (incident,) = take(database, back)
    assert (incident["kind"], incident["what"], incident["summary"]) == (
        "silence", "recovered", "no processor has run for 2 hours",
    )  # fmt: skip


def test_who_worked_without_anybody_to_tell_was_not_silent(database: Database) -> None:
    assert look(database) == []
    heartbeat(database, NOW + seconds(3600))
    heartbeat(database, NOW + seconds(7200), id_="h:2")
    assert look(database, NOW + seconds(7200)) == []


def test_no_success_though_executions_are_made(database: Database) -> None:
    ended(database, None, 10, "skipped", "rate_limited", at=NOW - seconds(1800))
    assert look(database) == [("no_success", "opened")]
    ended(database, None, 1, "completed", at=NOW + seconds(30))
    assert look(database, NOW + seconds(360)) == [("no_success", "recovered")]


def test_a_tripped_breaker_and_its_end(database: Database) -> None:
    loop = workflow(database, name="loop")
    database.call("automation_pause", p_scope="workflow", p_target=loop, p_reason="breaker: 301 changes")
    assert look(database) == [("breaker", "opened")]
    database.call("automation_resume", p_scope="workflow", p_target=loop)
    assert look(database, NOW + seconds(30)) == [("breaker", "recovered")]


def test_uncertain_sends_are_an_incident_of_their_own(database: Database) -> None:
    ended(database, workflow(database), 2, code="uncertain_send", at=NOW - seconds(86_400))
    (incident,) = take(database)
    assert (incident["kind"], incident["summary"]) == ("uncertain", "2 sends unconfirmed")


def test_a_trigger_that_is_off_or_gone(database: Database) -> None:
    watched_jobs(database)
    database.sql("update jobs set status = 'completed' where id = (select min(id) from jobs)")
    assert database.sql("select id from automation_events"), "a change was recorded"
    now = datetime.fromisoformat(str(database.one("select now() as now")["now"]))
    assert look(database, now) == []
    database.sql('alter table jobs disable trigger "!minutehand_capture"')
    assert look(database, now + seconds(60)) == [("trigger", "opened")]
    database.sql('drop trigger "!minutehand_capture" on jobs')
    assert look(database, now + seconds(120)) == [], "the same incident"
    assert "its trigger is gone" in database.one("select summary from automation_incidents")["summary"]


def test_changes_that_were_lost_and_set_aside(database: Database) -> None:
    database.sql("select nextval('minutehand.lost_events')")
    database.sql(
        "insert into automation_events (occurred_at, table_name, operation, types, match_attempts, error) "
        "values (%s, 'jobs', 'UPDATE', '{job_completed}', 5, 'a bad one')",
        NOW,
    )
    found = {kind for kind, _ in look(database)}
    assert {"lost", "set_aside"} <= found
    database.sql("delete from automation_events")
    told = look(database, NOW + seconds(3700))
    assert ("lost", "recovered") in told
    assert ("set_aside", "recovered") in told


def test_incidents_are_listed_and_forgotten_after_90_days(database: Database) -> None:
    ended(database, workflow(database, name="Thank"), 1, code="refused")
    look(database)
    (row,) = database.call("automation_incidents")
    assert (row["workflow"], row["notified"], row["recovered_at"]) == ("Thank", "opened", None)
    assert "notifier" not in row
    look(database, NOW + seconds(3600))
    assert database.call("automation_incidents") == []
    assert [row["kind"] for row in database.call("automation_incidents", p_all=True)] == ["silence", "failures"]
    look(database, NOW + seconds(91 * 86_400))
    kinds = {row["kind"] for row in database.call("automation_incidents", p_all=True)}
    assert "failures" not in kinds


def test_a_million_executions_cost_a_look_no_scan(database: Database) -> None:
    """The judge reads 20,000 rows by index at most: seen by the pages that it touches."""
    busy = workflow(database)
    ended(database, busy, 30_000, "completed", at=NOW - seconds(40 * 86_400))
    database.sql("analyze automation_execution_logs")
    query = "select * from minutehand.detect_incidents(0.2, interval '10 minutes', %s)"
    database.sql("set enable_seqscan = off")
    (plan,) = database.sql(f"explain (analyze, buffers, format json) {query}", NOW)
    touched = json.dumps(plan, default=str)
    assert "Seq Scan on automation_execution_logs" not in touched
