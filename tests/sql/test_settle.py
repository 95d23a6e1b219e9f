"""automation_settle: every end, with an answer for each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import (
    NOW,
    change,
    claim,
    failure,
    ids,
    pending,
    row,
    seconds,
    settle,
    success,
    token,
    workflow,
)

pytestmark = on_both_servers


def held(database: Database, count: int = 1, **columns: Any) -> tuple[str, list[str]]:
    """Claim `count` executions; returns the lease and the ids."""
    lease = token()
    pending(database, workflow(database), count, **columns)
    return lease, ids(claim(database, count, p_token=lease))


def end(database: Database, ended: str, *, columns: dict[str, Any] | None = None, **said: Any) -> dict[str, Any]:
    """Claim one, end it so, and return it as it stands."""
    lease, (one,) = held(database, **(columns or {}))
    answer = settle(database, {"id": one, "token": lease, "ended": ended, **said})[one]
    stored = row(database, one)
    assert answer["answer"] == "settled"
    assert (answer["status"], answer["code"], answer["reason"]) == (stored["status"], stored["code"], stored["reason"])
    assert (stored["lease_expires_at"], stored["completed_at"]) == (
        None,
        None if stored["status"] == "pending" else NOW,
    )
    assert stored["error_message"] == (stored["reason"] if stored["status"] == "failed" else None)
    due = None if stored["status"] != "pending" else max(0.0, (_due(stored) - NOW).total_seconds())
    assert answer["due_seconds"] == (due if due is None else pytest.approx(due, abs=0.001))
    return stored


def _due(stored: dict[str, Any]) -> Any:
    return stored["scheduled_at"] or stored["created_at"]


def test_done_is_completed_when_every_step_did_what_it_says(database: Database) -> None:
    stored = end(database, "done", steps=[success("1"), success("2")])
    assert (stored["status"], stored["code"], stored["reason"]) == ("completed", None, None)
    assert stored["actions_executed"] == [success("1"), success("2")]


def test_done_without_a_step_is_completed(database: Database) -> None:
    assert end(database, "done")["status"] == "completed"


def test_done_with_some_failed_steps_is_partial_and_with_all_failed_says_why(database: Database) -> None:
    stored = end(database, "done", columns={"actions_executed": [success("1")]}, steps=[failure("2")])
    assert (stored["status"], stored["code"], stored["reason"]) == ("failed", "partial", "step step 2: no e-mail")
    stored = end(database, "done", steps=[failure("1"), failure("2")])
    assert (stored["status"], stored["code"]) == ("failed", "no_recipient")
    assert stored["reason"] == "step step 1: no e-mail (and 1 more failed)"


@pytest.mark.parametrize("ended", ["failed", "skipped", "cancelled"])
def test_what_cannot_or_must_not_run_ends_with_its_code(database: Database, ended: str) -> None:
    stored = end(database, ended, code="bad_workflow", reason="step 1 has no type", steps=[success("1")])
    assert (stored["status"], stored["code"], stored["reason"]) == (ended, "bad_workflow", "step 1 has no type")
    assert stored["actions_executed"] == [success("1")]


def test_released_gives_the_attempt_back_and_keeps_its_place(database: Database) -> None:
    stored = end(database, "released", columns={"attempt": 2}, code="paused", reason="paused", resume_step="2")
    assert (stored["status"], stored["attempt"], stored["resume_step"]) == ("pending", 2, "2")
    assert _due(stored) == NOW - seconds(3600)
    stored = end(database, "released", due_in_seconds=20)
    assert _due(stored) == NOW + seconds(20)


def test_released_after_a_recorded_step_does_not_go_below_nothing(database: Database) -> None:
    lease, (one,) = held(database)
    database.call("automation_record_step", p_steps=[{"id": one, "token": lease, "step": success("1")}], p_now=NOW)
    settle(database, {"id": one, "token": lease, "ended": "released"})
    assert row(database, one)["attempt"] == 0


def test_waiting_spends_no_attempt(database: Database) -> None:
    wait = {"code": "waiting", "reason": "until Monday", "due_in_seconds": 86400, "resume_step": "3"}
    stored = end(database, "waiting", columns={"attempt": 3}, steps=[success("2")], **wait)
    assert (stored["status"], stored["attempt"], _due(stored)) == ("pending", 0, NOW + timedelta(days=1))
    assert (stored["code"], stored["reason"], stored["resume_step"]) == ("waiting", "until Monday", "3")
    assert stored["actions_executed"] == [success("2")]


# --- retries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "base"), [(0, 15), (1, 45), (2, 135), (3, 405)])
def test_retry_backs_off_three_times_as_long_each_time_within_a_quarter(
    database: Database, before: int, base: int
) -> None:
    stored = end(database, "retry", columns={"attempt": before}, steps=[failure("1")], code="busy", reason="429")
    assert (stored["status"], stored["attempt"], stored["code"]) == ("pending", before + 1, "busy")
    assert base * 0.75 <= (_due(stored) - NOW).total_seconds() <= base * 1.25
    assert stored["actions_executed"] in (None, []), "a step that will run again has no record"


def test_backoff_is_capped_at_an_hour_and_jittered(database: Database) -> None:
    lease, many = held(database, 40, attempt=18, max_attempts=99)
    settle(database, *[{"id": one, "token": lease, "ended": "retry", "steps": [failure("1")]} for one in many])
    waits = [(_due(row(database, one)) - NOW).total_seconds() for one in many]
    assert all(2700 <= wait <= 4500 for wait in waits)
    assert max(waits) - min(waits) > 300


@pytest.mark.parametrize(("asked", "wait"), [(0, 0), (7, 7), (90000, 90000), (-5, 0), (1e12, 604800)])
def test_retry_after_wins_over_the_backoff(database: Database, asked: float, wait: float) -> None:
    stored = end(database, "retry", retry_after_seconds=asked, steps=[failure("1")])
    assert (_due(stored) - NOW).total_seconds() == wait


def test_used_up_with_more_to_do_the_step_has_failed_and_the_rest_runs_at_once(database: Database) -> None:
    stored = end(database, "retry", columns={"attempt": 4}, steps=[failure("1")], more=True, resume_step="2")
    assert (stored["status"], stored["attempt"], _due(stored)) == ("pending", 0, NOW)
    assert (stored["actions_executed"], stored["resume_step"]) == ([failure("1")], "2")
    again = token()
    (execution,) = claim(database, p_token=again)["executions"]
    assert execution["recorded"] == [failure("1")]
    outcome = {"id": execution["id"], "token": again, "ended": "done", "steps": [success("2")]}
    assert settle(database, outcome)[execution["id"]]["code"] == "partial"


def test_used_up_with_nothing_more_it_ends(database: Database) -> None:
    stored = end(database, "retry", columns={"attempt": 4}, steps=[failure("1")], code="busy")
    assert (stored["status"], stored["code"]) == ("failed", "no_recipient")
    earlier = {"attempt": 4, "actions_executed": [success("1")]}
    stored = end(database, "retry", columns=earlier, steps=[failure("2")], code="busy")
    assert (stored["status"], stored["code"]) == ("failed", "partial")


def test_used_up_outside_of_any_step_it_fails(database: Database) -> None:
    stored = end(database, "retry", columns={"attempt": 4}, code="unreachable", reason="no route", more=True)
    assert (stored["status"], stored["code"], stored["reason"]) == ("failed", "unreachable", "no route")


def test_attempts_count_since_the_last_progress(database: Database) -> None:
    lease, (one,) = held(database, attempt=4)
    database.call("automation_record_step", p_steps=[{"id": one, "token": lease, "step": success("1")}], p_now=NOW)
    settle(database, {"id": one, "token": lease, "ended": "retry", "steps": [failure("2")]})
    stored = row(database, one)
    assert (stored["status"], stored["attempt"]) == ("pending", 1)
    assert 11.25 <= (_due(stored) - NOW).total_seconds() <= 18.75


# --- what may have arrived --------------------------------------------------------------------------------------------


def test_unknown_with_resend_is_tried_again_until_it_is_used_up(database: Database) -> None:
    unknown: dict[str, Any] = {
        "steps": [failure("1")],
        "on_uncertain": "resend",
        "code": "uncertain_send",
        "reason": "no answer",
    }
    stored = end(database, "unknown", **unknown)
    assert (stored["status"], stored["attempt"]) == ("pending", 1)
    assert _due(stored) >= NOW + seconds(11.25)
    stored = end(database, "unknown", columns={"attempt": 4}, more=True, **unknown)
    assert (stored["status"], stored["code"], stored["reason"]) == ("failed", "uncertain_send", "no answer")


def test_unknown_with_hold_waits_for_a_person(database: Database) -> None:
    stored = end(database, "unknown", steps=[failure("1")], on_uncertain="hold", reason="no answer", more=True)
    assert (stored["status"], stored["code"], stored["reason"]) == ("failed", "uncertain_send", "no answer")


def test_unknown_with_drop_has_failed_and_the_rest_runs(database: Database) -> None:
    stored = end(database, "unknown", steps=[failure("1")], on_uncertain="drop", more=True)
    assert (stored["status"], stored["actions_executed"], _due(stored)) == ("pending", [failure("1")], NOW)
    stored = end(database, "unknown", steps=[failure("1")], on_uncertain="drop")
    assert stored["status"] == "failed"


# --- what a callee wrote itself ---------------------------------------------------------------------------------------


def callee(database: Database, ended: str, said: dict[str, Any] | None = None, **wrote: Any) -> dict[str, Any]:
    lease, (one,) = held(database)
    change(database, one, **wrote)
    assert settle(database, {"id": one, "token": lease, "ended": ended, **(said or {})})[one]["answer"] == "settled"
    return row(database, one)


@pytest.mark.parametrize("ended", ["done", "retry", "failed", "released"])
def test_a_callees_own_completed_stands_whatever_became_of_the_call(database: Database, ended: str) -> None:
    stored = callee(database, ended, status="completed", actions_executed=[success("1")])
    assert (stored["status"], stored["code"], stored["actions_executed"]) == ("completed", None, [success("1")])


def test_a_callees_completed_stands_over_an_unknown_end(database: Database) -> None:
    said = {"on_uncertain": "resend", "steps": [failure("1")]}
    assert callee(database, "unknown", said, status="completed")["status"] == "completed"


def test_a_callees_completed_with_failed_items_is_failed(database: Database) -> None:
    stored = callee(database, "done", status="completed", actions_executed=[success("1"), failure("2")])
    assert (stored["status"], stored["code"], stored["reason"]) == ("failed", "partial", "step step 2: no e-mail")


def test_a_callees_failed_keeps_its_words(database: Database) -> None:
    stored = callee(database, "done", status="failed", error_message="the client has no phone")
    assert (stored["status"], stored["code"]) == ("failed", "executor_failed")
    assert stored["reason"] == stored["error_message"] == "the client has no phone"


@pytest.mark.parametrize("status", ["skipped", "cancelled"])
def test_a_callees_other_ends_stand_too(database: Database, status: str) -> None:
    assert callee(database, "done", status=status)["status"] == status


@pytest.mark.parametrize("status", ["running", "pending"])
def test_what_is_no_end_counts_as_processing(database: Database, status: str) -> None:
    assert callee(database, "done", {"steps": [success("1")]}, status=status)["status"] == "completed"
