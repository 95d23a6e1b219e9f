"""Leases: automation_renew, and what automation_tick does with those that nobody renews."""

from __future__ import annotations

from datetime import timedelta

import pytest

from minutehand.store import schema
from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import (
    NOW,
    change,
    claim,
    claimed,
    failure,
    foreign,
    ids,
    pending,
    row,
    seconds,
    session,
    settle,
    success,
    tick,
    token,
    workflow,
)

pytestmark = on_both_servers
LATE = NOW + seconds(600)


def test_one_call_renews_all_of_a_workers_leases(database: Database) -> None:
    mine = workflow(database)
    first, second, other = token(), token(), token()
    held = [*pending(database, mine, 2), *pending(database, mine, 1, created_at=NOW - seconds(1))]
    claim(database, 2, p_token=first)
    claim(database, 1, p_token=second)
    pending(database, mine)
    claim(database, p_token=other)
    renewed = database.call("automation_renew", p_tokens=[first, second, token()], p_lease_seconds=60, p_now=LATE)
    assert sorted(renewed) == sorted(held)
    assert {row(database, one)["lease_expires_at"] for one in held} == {LATE + seconds(60)}


def test_an_expired_lease_that_nobody_took_is_still_renewed_and_settled(database: Database) -> None:
    lease = token()
    (one,) = pending(database, workflow(database))
    claim(database, p_token=lease, p_lease_seconds=30)
    assert database.call("automation_renew", p_tokens=[lease], p_now=LATE) == [one]
    late = LATE + timedelta(days=1)
    assert settle(database, {"id": one, "token": lease, "ended": "done"}, now=late)[one]["answer"] == "settled"


@pytest.mark.parametrize("status", ["running", "completed", "failed", "pending"])
def test_what_a_callee_wrote_under_our_token_still_counts_as_in_flight(database: Database, status: str) -> None:
    lease = token()
    (one,) = pending(database, workflow(database))
    claim(database, p_token=lease)
    change(database, one, status=status)
    assert database.call("automation_renew", p_tokens=[lease], p_now=LATE) == [one]


def test_what_was_settled_is_not_renewed(database: Database) -> None:
    lease = token()
    done, waits = pending(database, workflow(database), 2)
    claim(database, p_token=lease)
    settle(
        database,
        {"id": done, "token": lease, "ended": "done"},
        {"id": waits, "token": lease, "ended": "waiting", "due_in_seconds": 60},
    )
    assert database.call("automation_renew", p_tokens=[lease], p_now=NOW) == []


def test_a_lost_lease_returns_the_row_with_backoff_and_its_attempt(database: Database) -> None:
    (one,) = pending(database, workflow(database))
    claim(database, p_worker="worker-1", p_lease_seconds=30)
    assert tick(database, NOW + seconds(30))["lost_leases"] == 0
    swept = NOW + seconds(31)
    assert tick(database, swept)["lost_leases"] == 1
    stored = row(database, one)
    assert (stored["status"], stored["code"], stored["attempt"], stored["lost_leases"]) == (
        "pending",
        "lost_lease",
        0,
        1,
    )
    assert stored["reason"] == "its worker worker-1 vanished while running it"
    assert (stored["lease_token"], stored["lease_expires_at"]) == (None, None)
    assert seconds(11.25) <= stored["scheduled_at"] - swept <= seconds(18.75)
    assert claimed(database, p_now=swept) == []
    assert claimed(database, p_now=swept + seconds(19)) == [one]


def test_the_third_loss_ends_it_as_poisoned_and_from_the_second_on_it_runs_alone(database: Database) -> None:
    (one,) = pending(database, workflow(database))
    for loss in range(3):
        now = NOW + timedelta(hours=loss)
        answer = claim(database, p_now=now, p_alone=loss == 2)
        assert [(e["id"], e["alone"], e["attempt"]) for e in answer["executions"]] == [(one, loss == 2, 1)]
        assert tick(database, now + seconds(121))["lost_leases"] == 1
    stored = row(database, one)
    assert (stored["status"], stored["code"], stored["lost_leases"]) == ("failed", "poisoned", 3)
    assert stored["error_message"] == "its worker vanished 3 times while running it"
    assert stored["completed_at"] == now + seconds(121)


def test_after_the_sweep_the_late_worker_writes_nothing(database: Database) -> None:
    lease = token()
    (one,) = pending(database, workflow(database))
    claim(database, p_token=lease)
    tick(database, LATE)
    before = row(database, one)
    assert settle(database, {"id": one, "token": lease, "ended": "done"}, now=LATE)[one] == {
        "id": one,
        "answer": "lost",
    }
    (answer,) = database.call(
        "automation_record_step", p_steps=[{"id": one, "token": lease, "step": success("1")}], p_now=LATE
    )
    assert answer["held"] is False
    assert database.call("automation_renew", p_tokens=[lease], p_now=LATE) == []
    assert row(database, one) == before


def test_nor_does_it_once_another_has_claimed_the_row(database: Database) -> None:
    late_worker, worker = token(), token()
    (one,) = pending(database, workflow(database))
    claim(database, p_token=late_worker)
    tick(database, LATE)
    later = LATE + seconds(60)
    assert ids(claim(database, p_token=worker, p_now=later)) == [one]
    before = row(database, one)
    assert settle(database, {"id": one, "token": late_worker, "ended": "done"}, now=later)[one]["answer"] == "lost"
    database.call("automation_record_step", p_steps=[{"id": one, "token": late_worker, "step": success("1")}])
    assert row(database, one) == before
    assert settle(database, {"id": one, "token": worker, "ended": "done"}, now=later)[one]["answer"] == "settled"


@pytest.mark.parametrize("status", ["processing", "running"])
def test_another_processors_row_is_never_expired(database: Database, status: str) -> None:
    mine = workflow(database)
    one = foreign(database, mine, {"job_id": "J-1"}, status=status, started_at=NOW - timedelta(days=3))
    stale = foreign(database, mine, {"job_id": "J-2"}, status=status, lease_token=token())
    before = [row(database, one), row(database, stale)]
    assert tick(database, LATE + timedelta(days=9))["lost_leases"] == 0
    assert [row(database, one), row(database, stale)] == before


def test_a_callee_that_said_running_and_vanished_is_lost_like_any_other(database: Database) -> None:
    (one,) = pending(database, workflow(database))
    claim(database)
    change(database, one, status="running")
    assert tick(database, LATE)["lost_leases"] == 1
    assert (row(database, one)["status"], row(database, one)["lost_leases"]) == ("pending", 1)


def test_what_a_callee_ended_before_its_worker_vanished_has_ended(database: Database) -> None:
    done, failed = pending(database, workflow(database), 2)
    claim(database)
    change(database, done, status="completed", actions_executed=[success("1")])
    change(database, failed, status="completed", actions_executed=[success("1"), failure("2")])
    tick(database, LATE)
    assert (row(database, done)["status"], row(database, failed)["status"]) == ("completed", "failed")
    assert (row(database, failed)["code"], row(database, failed)["lease_expires_at"]) == ("partial", None)
    assert tick(database, LATE)["lost_leases"] == 0


def test_a_sweep_passes_over_rows_that_their_worker_is_just_settling(database: Database) -> None:
    lease = token()
    busy, lost = pending(database, workflow(database), 2)
    claim(database, p_token=lease)
    with session(database) as worker:
        worker.sql("begin")
        settle(worker, {"id": busy, "token": lease, "ended": "done"}, now=LATE)
        assert tick(database, LATE)["lost_leases"] == 1
        worker.sql("commit")
    assert (row(database, busy)["status"], row(database, lost)["status"]) == ("completed", "pending")


# --- the rest of the beat ---------------------------------------------------------------------------------------------


def test_the_beat_says_what_is_due_and_when_the_next_is(database: Database) -> None:
    mine = workflow(database)
    pending(database, mine, 2)
    pending(database, mine, scheduled_at=NOW + seconds(90))
    pending(database, mine, user_id="user-2", scheduled_at=NOW + seconds(40))
    answer = tick(database)
    assert (answer["due"], answer["due_capped"], answer["next_seconds"], answer["paused"]) == (2, False, 0, False)
    claimed(database)
    answer = tick(database)
    assert (answer["due"], answer["next_seconds"], answer["schema_version"]) == (0, 40, schema.version())
    database.sql("insert into automation_control (scope) values ('all')")
    answer = tick(database, LATE)
    assert (answer["due"], answer["next_seconds"], answer["paused"]) == (0, None, True)


@pytest.mark.parametrize(("scope", "target"), [("tenant", "user-1"), ("workflow", None)])
def test_what_is_held_is_not_due(database: Database, scope: str, target: str | None) -> None:
    mine = workflow(database)
    pending(database, mine, 3)
    pending(database, workflow(database), user_id="user-2")
    database.sql("insert into automation_control (scope, target) values (%s, %s)", scope, target or mine)
    assert tick(database)["due"] == 1


def test_suspects_are_due_too(database: Database) -> None:
    pending(database, workflow(database), lost_leases=2)
    assert tick(database)["due"] == 1


def test_a_beat_keeps_the_workers_heartbeat_and_forgets_the_silent(database: Database) -> None:
    worker = {"id": "worker-1", "mode": "worker", "host": "host-1", "version": "1", "listens": True}
    tick(database, p_worker=worker)
    tick(database, NOW + seconds(10), p_worker=worker | {"id": "worker-2"})
    tick(database, NOW + seconds(20), p_worker=worker)
    (stored,) = database.sql("select * from automation_workers where id = 'worker-1'")
    assert (stored["started_at"], stored["heartbeat_at"], stored["listens"]) == (NOW, NOW + seconds(20), True)
    tick(database, NOW + timedelta(days=1, seconds=15))
    assert [left["id"] for left in database.sql("select id from automation_workers")] == ["worker-1"]


def test_events_older_than_thirty_days_go_but_those_of_unfinished_executions(database: Database) -> None:
    database.sql(
        """
        insert into automation_events (occurred_at, table_name, operation, types, matched_at)
        select %s - interval '40 days' + n * interval '1 minute', 'jobs', 'UPDATE', '{}', %s
        from generate_series(1, 1500) as n
        """,
        NOW,
        NOW,
    )
    database.sql("update automation_events set occurred_at = %s where id > 1400", NOW - timedelta(days=29))
    mine = workflow(database)
    for event in (*range(1, 700), 1000):
        database.sql(
            """
            insert into automation_execution_logs (workflow_id, event_id, status, scheduled_at)
            values (%s, %s, 'pending', %s)
            """,
            mine,
            event,
            NOW + timedelta(days=90),
        )
    for _ in range(3):
        tick(database)
    left = {event["id"] for event in database.sql("select id from automation_events")}
    assert left == {*range(1, 700), 1000, *range(1401, 1501)}
