"""Order per entity: of one workflow and row one execution runs at a time, in the order of the changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.in_line import PARKED, due, end, ended_by_the_app, in_line, parked, take, wait
from tests.sql.queue_rows import NOW, change, claim, ids, pending, row, seconds, tick, token, workflow

pytestmark = on_both_servers


def test_they_run_one_at_a_time_in_their_order_and_who_ends_calls_the_next(database: Database) -> None:
    made = in_line(database, 4)
    for number, one in enumerate(made):
        held = take(database)
        assert list(held) == [one]
        assert parked(database) == made[number + 1 :]
        assert claim(database)["executions"] == []
        end(database, held)
    assert {row(database, one)["attempt"] for one in made} == {1}


def test_what_is_parked_says_for_whom_it_waits_and_spent_nothing(database: Database) -> None:
    first, second, third = in_line(database)
    answer = claim(database)
    assert (ids(answer), answer["ended"], answer["suspects"]) == ([first], [], False)
    assert answer["next_seconds"] == 3598
    for one in second, third:
        stored = row(database, one)
        assert (stored["status"], stored["code"], stored["attempt"], stored["started_at"]) == (
            "pending",
            PARKED,
            0,
            None,
        )
        assert stored["reason"] == f"waits for execution {first} of the same row"
    (shown,) = database.call("automation_executions", p_filter={"code": PARKED, "ids": [second]})
    assert (shown["status"], shown["reason"]) == ("pending", row(database, second)["reason"])


def test_other_rows_workflows_and_those_without_order_go_on(database: Database) -> None:
    mine, free = workflow(database), workflow(database)
    first, _ = in_line(database, 2, workflow_id=mine)
    others = [
        *in_line(database, 1, workflow_id=mine, entity="J-2"),
        *in_line(database, 1, workflow_id=workflow(database)),
    ]
    others += pending(database, free, 2, entity_id="J-1") + pending(database, mine, 2, entity_id="J-1")
    assert set(take(database, p_limit=20)) == {first, *others}


ENDS: dict[str, Any] = {
    "completed": {"ended": "done"},
    "failed": {"ended": "failed", "code": "bad_step"},
    "skipped": {"ended": "skipped", "code": "row_gone"},
    "uncertain": {"ended": "unknown", "on_uncertain": "hold"},
}


@pytest.mark.parametrize("how", [*ENDS, "cancelled", "unstorable", "poisoned", "workflow gone"])
def test_each_end_makes_the_next_due_at_once(database: Database, how: str) -> None:
    first, second, third = in_line(database, lost_leases=1)
    change(database, first, lost_leases=2 if how == "poisoned" else 0)
    if how == "workflow gone":
        database.sql("delete from automation_workflows; delete from automation_workflow_versions")
    held = take(database, p_alone=how == "poisoned")
    later = NOW + seconds(600)
    if how == "cancelled":
        database.call("automation_cancel", p_ids=[first, "no-uuid"], p_now=NOW)
    elif how == "poisoned":
        tick(database, later)
    elif how == "unstorable":
        end_unstorable(database, held)
    elif how != "workflow gone":
        end(database, held, **ENDS[how])
    assert row(database, first)["status"] in ("completed", "failed", "skipped", "cancelled")
    stored = row(database, second)
    assert (stored["status"], stored["code"], stored["reason"]) == ("pending", None, None)
    assert stored["scheduled_at"] == (later if how == "poisoned" else NOW)
    assert parked(database) == [third]
    assert list(take(database, later)) == ([] if how == "workflow gone" else [second])


def end_unstorable(database: Database, held: dict[str, str]) -> None:
    (one,) = held
    said = {"id": one, "token": held[one], "ended": "done", "steps": [{"stepId": "1", "status": "success"}]}
    database.sql("alter table automation_execution_logs add check (actions_executed::text not like '%1%')")
    (answer,) = database.call("automation_settle", p_outcomes=[said], p_now=NOW)
    assert answer["answer"] == "failed"


@pytest.mark.parametrize(
    "how",
    [
        {"ended": "retry", "code": "busy"},
        {"ended": "released"},
        {"ended": "waiting", "code": "recipient_limit", "due_in_seconds": 60},
        {"ended": "waiting", "code": "waiting", "due_in_seconds": 86_400},
    ],
    ids=lambda how: how.get("code", "released"),
)
def test_what_comes_back_keeps_those_behind_it_waiting(database: Database, how: dict[str, Any]) -> None:
    waits = "block" if how.get("code") == "waiting" else "step_aside"
    first, *others = in_line(database, waits=waits)
    end(database, take(database), **how)
    assert parked(database) == others
    assert set(take(database, p_limit=1)) <= {first}
    assert list(take(database, NOW + seconds(3000))) in ([], [first])


def test_a_wait_may_step_aside_and_returns_before_those_behind_it(database: Database) -> None:
    first, second, third, fourth = in_line(database, 4, waits="step_aside")
    wait(database, take(database), 60)
    held = take(database)
    assert list(held) == [second]
    over = NOW + seconds(61)
    assert take(database, over) == {}, "one runs"
    assert parked(database) == [first, third, fourth]
    end(database, held, now=over)
    held = take(database, over)
    assert list(held) == [first]
    end(database, held, now=over)
    assert list(take(database, over)) == [third]


def test_of_two_whose_waits_are_over_the_earlier_goes_on(database: Database) -> None:
    first, second, third = in_line(database, waits="step_aside")
    for _ in range(2):
        wait(database, take(database), 60)
    over = NOW + seconds(61)
    assert list(take(database, over)) == [first]
    assert parked(database) == [second, third]


def test_what_a_claim_has_taken_in_one_round_counts_in_the_next(database: Database) -> None:
    """The shares of two tenants: what the second leaves, the first one's line is asked for."""
    first, second = in_line(database, 2, waits="step_aside")
    for _ in range(2):
        wait(database, take(database), 60)
    over = NOW + seconds(61)
    change(database, second, scheduled_at=over)
    mine = workflow(database)
    others = pending(database, mine, 1) + pending(database, mine, 1, user_id="other")
    assert set(take(database, over, p_limit=4)) == {first, *others}
    assert parked(database) == [second]


def test_an_earlier_one_that_a_person_retries_does_not_run_beside_a_later_one(database: Database) -> None:
    first, second, third = in_line(database)
    end(database, take(database), "failed", code="bad_step")
    held = take(database)
    assert list(held) == [second]
    database.call("automation_retry", p_ids=[first], p_now=NOW)
    assert take(database) == {}
    assert parked(database) == [first, third]
    end(database, held)
    assert list(take(database)) == [first]
    assert parked(database) == [third]


def test_the_order_is_that_of_the_changes_not_of_when_their_transactions_began(database: Database) -> None:
    later, earlier = in_line(database, 2)
    change(database, later, event_id=1000, created_at=NOW - seconds(10))
    change(database, earlier, event_id=999, created_at=NOW - seconds(5))
    assert list(take(database, p_limit=1)) == [earlier]


def test_a_change_that_is_not_matched_yet_is_waited_for(database: Database) -> None:
    (one,) = in_line(database, 1)
    (other,) = in_line(database, 1, entity="J-2")
    event = database.one(
        "insert into automation_events (occurred_at, table_name, operation, types, entity_id)"
        " values (now(), 'jobs', 'UPDATE', '{job_updated,job_completed}', 'J-1') returning id"
    )["id"]
    change(database, one, event_id=1_000_000)
    change(database, other, event_id=1_000_001)
    assert list(take(database)) == [other]
    assert row(database, one)["reason"] == f"waits until an earlier change of its row is matched (event {event})"
    database.sql("update automation_events set types = '{job_updated}'")
    later = NOW + timedelta(hours=1)
    assert list(take(database, later)) == [one], "no change of the kind that it waits for"


def test_behind_a_hundred_unmatched_changes_nobody_can_tell(database: Database) -> None:
    (one,) = in_line(database, 1, event_id=1_000_000)
    database.sql(
        "insert into automation_events (occurred_at, table_name, operation, types, entity_id, match_attempts)"
        " select now(), 'jobs', 'UPDATE', '{job_updated}', 'J-' || n, 0 from generate_series(2, 101) n"
    )
    assert take(database) == {}
    database.sql("update automation_events set match_attempts = 5 where entity_id = 'J-50'")
    assert list(take(database, NOW + timedelta(hours=1))) == [one], "what was set aside starts nothing"


@pytest.mark.parametrize(("age", "looks_after"), [(1, 60), (600, 600), (90_000, 3600)])
def test_the_foremost_looks_again_by_its_age_if_nobody_calls_it(database: Database, age: int, looks_after: int) -> None:
    first, second, third = in_line(database)
    change(database, second, created_at=NOW - seconds(age))
    change(database, third, created_at=NOW - seconds(age), scheduled_at=NOW)
    assert list(take(database, p_ids=[first, second])) == [first]
    assert (due(database, second), due(database, third)) == (seconds(looks_after), seconds(3600))
    ended_by_the_app(database, first)
    assert take(database) == {}
    assert list(take(database, NOW + seconds(looks_after))) == [second]
    assert row(database, second)["code"] is None


def test_those_who_wait_take_nobodys_place(database: Database) -> None:
    mine = workflow(database)
    held = [in_line(database, 2, workflow_id=mine, entity=f"J-{number}") for number in range(120)]
    for first, _ in held:
        change(database, first, scheduled_at=NOW + timedelta(days=1))
    free = pending(database, mine, 3, created_at=NOW - seconds(1))
    (one,) = take(database, p_limit=1)
    assert {one, *take(database, p_limit=10)} == set(free)


def test_where_all_of_the_tenants_wait_the_next_get_their_turn(database: Database) -> None:
    mine = workflow(database)
    for number in range(3):
        first, _ = in_line(database, 2, workflow_id=mine, entity=f"J-{number}", user_id=f"tenant-{number}")
        change(database, first, scheduled_at=NOW + timedelta(days=1))
    (free,) = pending(database, mine, user_id="tenant-9", created_at=NOW - seconds(1))
    assert list(take(database, p_limit=1)) == [free]


def test_by_id_and_alone_the_line_holds_too(database: Database) -> None:
    first, second, third = in_line(database)
    change(database, third, lost_leases=2)
    assert take(database, p_ids=[second]) == {}
    answer = claim(database, p_alone=True)
    assert (ids(answer), answer["suspects"]) == ([], False)
    assert list(take(database, p_ids=[first, second, third])) == [first]


def test_a_suspect_keeps_its_place_and_is_called_when_its_turn_comes(database: Database) -> None:
    _, second, third = in_line(database)
    change(database, second, lost_leases=2)
    end(database, take(database))
    answer = claim(database)
    assert (ids(answer), answer["suspects"]) == ([], True)
    assert list(take(database, p_alone=True)) == [second]
    assert parked(database) == [third]


def test_a_repeat_of_a_claim_answers_the_same(database: Database) -> None:
    first, *others = in_line(database)
    lease = token()
    assert ids(claim(database, p_token=lease)) == ids(claim(database, p_token=lease)) == [first]
    assert parked(database) == others
