"""The stale backlog: what came due while no processor looked is held, in bites, and nothing of it is sent unasked."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import (
    NOW,
    backlog,
    change,
    claim,
    claimed,
    foreign,
    pending,
    row,
    seconds,
    session,
    settle,
    tick,
    together,
    token,
    workflow,
)

pytestmark = on_both_servers
HOUR = 3600
OLD = NOW - timedelta(days=3)
WORKER = {"id": "host:1", "mode": "run-once", "host": "host", "version": "1"}


def beat(database: Database, now: datetime = NOW, *, worker: str = "host:1", hold: int | None = HOUR) -> Any:
    return tick(database, now, p_worker=WORKER | {"id": worker}, p_hold_seconds=hold)


def old(database: Database, count: int = 1, **columns: Any) -> list[str]:
    return pending(database, workflow(database), count, **{"created_at": OLD, **columns})


def statuses(database: Database) -> dict[str, int]:
    rows = database.sql("select status, count(*) as n from automation_execution_logs group by 1")
    return {found["status"]: found["n"] for found in rows}


def test_the_first_processor_holds_what_is_late_and_runs_what_is_not(database: Database) -> None:
    (late,) = old(database)
    (fresh,) = old(database, created_at=NOW - timedelta(minutes=59))
    answer = beat(database)
    assert (answer["held"], answer["holding"], answer["due"]) == (1, False, 1)
    stored = row(database, late)
    assert (stored["status"], stored["code"], stored["completed_at"]) == ("skipped", "stale", NOW)
    assert stored["reason"] == "it was due at 2030-05-14 12:00:00 UTC, when no processor ran; release it to run it now"
    assert (stored["started_at"], stored["attempt"]) == (None, 0)
    assert claimed(database) == [fresh]


def test_rows_that_others_inserted_are_held_too(database: Database) -> None:
    one = foreign(database, workflow(database), {"job_id": "J-7"}, created_at=OLD)
    assert beat(database)["held"] == 1
    assert row(database, one)["code"] == "stale"


def test_lateness_counts_from_when_it_is_due(database: Database) -> None:
    made = old(database, scheduled_at=NOW - timedelta(minutes=5))
    made += old(database, scheduled_at=NOW + timedelta(days=2))
    assert beat(database)["held"] == 0
    assert [row(database, one)["status"] for one in made] == ["pending", "pending"]


def test_what_began_is_never_late(database: Database) -> None:
    (one,) = old(database)
    lease = token()
    claim(database, p_token=lease, p_now=OLD)
    settle(database, {"id": one, "token": lease, "ended": "waiting", "due_in_seconds": 3600}, now=OLD)
    assert beat(database)["held"] == 0
    assert claimed(database) == [one]


def test_while_processors_look_nothing_is_late_however_long_the_queue(database: Database) -> None:
    beat(database, NOW - timedelta(minutes=59))
    (one,) = old(database)
    assert beat(database, worker="host:2")["held"] == 0
    assert claimed(database) == [one]


def test_a_run_that_is_still_at_work_counts_as_looking(database: Database) -> None:
    both = old(database, 2)
    beat(database, OLD)
    (running,) = claimed(database, 1, p_token=token(), p_worker="host:1", p_now=NOW - timedelta(minutes=1))
    (waiting,) = set(both) - {running}
    assert beat(database, worker="host:2")["held"] == 0
    assert row(database, waiting)["status"] == "pending"


def test_a_lease_without_a_worker_is_no_sign_of_a_processor(database: Database) -> None:
    old(database)
    foreign(
        database,
        None,
        {},
        status="processing",
        lease_token=token(),
        lease_expires_at=NOW + seconds(400),
        started_at=NOW,
    )
    assert beat(database)["held"] == 1


def test_after_a_silence_of_more_than_the_threshold_it_is_held(database: Database) -> None:
    beat(database, NOW - timedelta(minutes=61))
    old(database)
    assert beat(database)["held"] == 1


def test_null_never_holds(database: Database) -> None:
    (one,) = old(database)
    assert beat(database, hold=None)["held"] == 0
    assert claimed(database) == [one]


def test_what_is_paused_is_held_too_or_it_would_go_out_when_the_pause_ends(database: Database) -> None:
    old(database)
    database.sql("insert into automation_control (scope) values ('all')")
    assert beat(database)["held"] == 1


def test_old_changes_that_were_not_matched_are_held_once_they_are(database: Database) -> None:
    workflow(database, trigger_type="job_updated", user="user-1")
    database.sql("update automation_workflows set created_at = %s", OLD - timedelta(days=1))
    database.sql(
        """
        insert into automation_events (occurred_at, table_name, operation, types, entity_id, user_id, old, new)
        select %s, 'jobs', 'UPDATE', '{job_updated}', n::text, 'user-1', '{}', '{}' from generate_series(1, 700) n
        """,
        OLD,
    )
    answers: list[Any] = []
    while not answers or answers[-1]["holding"]:
        assert claimed(database, 1000) == []
        answers.append(beat(database))
        assert len(answers) < 10
    assert sum(answer["held"] for answer in answers) == 700
    assert statuses(database) == {"skipped": 700}


def test_many_are_held_in_bites_well_within_the_platforms_8_seconds_and_none_is_claimed_meanwhile(
    database: Database,
) -> None:
    mine = workflow(database)
    backlog(database, mine, 100_000)
    pending(database, mine, created_at=NOW)
    database.sql("set statement_timeout = '8s'")
    took, held = [], 0
    while True:
        started = time.monotonic()
        answer = beat(database)
        took.append(time.monotonic() - started)
        held += answer["held"]
        if not answer["holding"]:
            break
        assert claimed(database) == []
        assert beat(database, worker="host:2")["held"] == 5000, "whoever comes helps"
        held += 5000
    assert held == 100_000
    assert max(took) < 4
    assert len(claimed(database)) == 1


def test_the_cutoff_stays_as_it_was_when_the_first_processor_looked(database: Database) -> None:
    mine = workflow(database)
    backlog(database, mine, 5001)
    assert beat(database)["holding"]
    (one,) = pending(database, mine, created_at=NOW - timedelta(minutes=50))
    answer = beat(database, NOW + timedelta(minutes=30))
    assert (answer["held"], answer["holding"]) == (1, False)
    assert claimed(database, p_now=NOW + timedelta(minutes=30)) == [one]


def test_one_that_never_holds_finishes_what_another_began(database: Database) -> None:
    backlog(database, workflow(database), 5001)
    assert beat(database)["holding"]
    answer = beat(database, worker="host:2", hold=None)
    assert (answer["held"], answer["holding"]) == (1, False)


def test_processors_that_start_at_the_same_instant_hold_each_once_and_claim_none(database: Database) -> None:
    backlog(database, workflow(database), 12_000)

    def work(number: int) -> Any:
        def go(mine: Database) -> tuple[int, int]:
            held = 0
            while True:
                answer = beat(mine, worker=f"host:{number}")
                held += answer["held"]
                got = len(claimed(mine))
                if not answer["holding"]:
                    return held, got

        return go

    results = together(database, *[work(number) for number in range(4)])
    assert sum(held for held, _ in results) == 12_000
    assert sum(got for _, got in results) == 0
    assert statuses(database) == {"skipped": 12_000}


def test_a_row_that_is_locked_is_waited_for_and_not_forgotten(database: Database) -> None:
    one, other = old(database, 2)
    with session(database) as app:
        app.sql("begin")
        app.sql("update automation_execution_logs set trigger_type = 'x' where id = %s", one)
        database.sql("set statement_timeout = '200ms'")
        with pytest.raises(Exception, match="statement timeout"):
            beat(database)
        database.sql("reset statement_timeout")
        app.sql("commit")
    assert beat(database)["held"] == 2
    assert {row(database, each)["code"] for each in (one, other)} == {"stale"}


def test_a_row_that_was_cancelled_meanwhile_stays_cancelled(database: Database) -> None:
    (one,) = old(database)
    change(database, one, status="cancelled")
    assert beat(database)["held"] == 0
    assert row(database, one)["status"] == "cancelled"
