"""automation_settle, `deferred`: what is in the way may pass.  No attempt is spent, and the delay grows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, claim, failure, ids, pending, row, settle, success, token, workflow

pytestmark = on_both_servers

LOCKED = {"code": "table_locked", "reason": "table jobs is locked"}


def one_pending(database: Database, **columns: Any) -> str:
    return pending(database, workflow(database), 1, **columns)[0]


def defer(database: Database, one: str, after: float = 0, **said: Any) -> dict[str, Any]:
    """Claim it so many seconds after NOW, defer it, and return it as it stands."""
    lease, at = token(), NOW + timedelta(seconds=after)
    assert ids(claim(database, p_token=lease, p_ids=[one], p_now=at)) == [one]
    outcome = {"id": one, "token": lease, "ended": "deferred", **LOCKED, **said}
    assert settle(database, outcome, now=at)[one]["answer"] == "settled"
    return row(database, one)


def delay(stored: dict[str, Any], after: float = 0) -> float:
    return float((stored["scheduled_at"] - NOW).total_seconds() - after)


def test_it_is_pending_again_with_its_attempt_and_never_at_once(database: Database) -> None:
    stored = defer(database, one_pending(database, attempt=2), resume_step="3", steps=[failure("3")])
    assert (stored["status"], stored["attempt"], stored["resume_step"]) == ("pending", 2, "3")
    assert (stored["code"], stored["reason"], stored["deferred_since"]) == (*LOCKED.values(), NOW)
    assert 0.75 <= delay(stored) <= 1.25
    assert stored["actions_executed"] in (None, []), "a step that will run again has no record"


@pytest.mark.parametrize(("waited", "base"), [(2, 2), (40, 40), (200, 200), (300, 300), (40_000, 300)])
def test_each_delay_is_about_as_long_as_it_has_waited_up_to_five_minutes(
    database: Database, waited: float, base: float
) -> None:
    one = one_pending(database)
    defer(database, one)
    assert base * 0.75 <= delay(defer(database, one, waited), waited) <= base * 1.25


def test_it_never_comes_back_sooner_than_the_receiver_asked(database: Database) -> None:
    assert delay(defer(database, one_pending(database), retry_after_seconds=90)) == 90


def test_a_short_retry_after_does_not_stop_the_delay_from_growing(database: Database) -> None:
    one = one_pending(database)
    defer(database, one, retry_after_seconds=1)
    assert delay(defer(database, one, 100, retry_after_seconds=1), 100) >= 75


@pytest.mark.parametrize(("give_up", "last"), [(None, 86_400), (600, 600), (0, 0)])
def test_after_a_day_or_its_own_time_it_fails_with_what_was_in_the_way(
    database: Database, give_up: float | None, last: float
) -> None:
    said = {} if give_up is None else {"give_up_seconds": give_up}
    one = one_pending(database)
    if last:
        defer(database, one, **said)
        assert defer(database, one, last - 1, **said)["status"] == "pending"
    stored = defer(database, one, last + 400, **said)
    assert (stored["status"], stored["code"], stored["deferred_since"]) == ("failed", "table_locked", None)
    assert stored["reason"].startswith("table jobs is locked (given up after ")


def test_a_step_that_gives_up_has_failed_and_the_rest_runs_at_once(database: Database) -> None:
    stored = defer(database, one_pending(database), give_up_seconds=0, steps=[failure("1")], more=True)
    assert (stored["status"], stored["attempt"], stored["scheduled_at"]) == ("pending", 0, NOW)
    (record,) = stored["actions_executed"]
    assert record == failure("1") | {"error": f"{failure('1')['error']} (given up after 0)"}


@pytest.mark.parametrize(
    "between",
    [
        {"ended": "retry", "code": "busy", "steps": [failure("1")]},
        {"ended": "waiting", "code": "waiting", "due_in_seconds": 0, "steps": [success("1")]},
        {"ended": "deferred", "code": "slow_down", "reason": "the provider answered 429"},
        {"ended": "deferred", **LOCKED, "earlier": [success("1")]},
    ],
)
def test_progress_or_another_cause_begins_the_time_anew(database: Database, between: dict[str, Any]) -> None:
    one, lease, later = one_pending(database), token(), NOW + timedelta(seconds=50_000)
    defer(database, one)
    claim(database, p_token=lease, p_ids=[one], p_now=later)
    settle(database, {"id": one, "token": lease, **between}, now=later)
    stored = defer(database, one, 100_000)
    assert stored["status"] == "pending"
    assert stored["deferred_since"] == (NOW + timedelta(seconds=100_000) if "earlier" not in between else later)


def test_a_recorded_step_begins_the_time_anew(database: Database) -> None:
    one, lease, later = one_pending(database), token(), NOW + timedelta(seconds=50_000)
    defer(database, one)
    claim(database, p_token=lease, p_ids=[one], p_now=later)
    database.call("automation_record_step", p_steps=[{"id": one, "token": lease, "step": success("1")}], p_now=later)
    settle(database, {"id": one, "token": lease, "ended": "deferred", **LOCKED}, now=later)
    assert row(database, one)["deferred_since"] == later


@pytest.mark.parametrize("ended", ["released", "deferred"])
def test_the_note_of_an_earlier_workers_call_stays_and_ones_own_goes(database: Database, ended: str) -> None:
    lease = token()
    of_another, own = (one_pending(database) for _ in range(2))
    database.sql("update automation_execution_logs set resume_step = 'call:gone' where id = %s", of_another)
    assert len(ids(claim(database, p_token=lease))) == 2
    database.call("automation_begin_calls", p_items=[{"id": own, "token": lease}], p_now=NOW)
    settle(database, *({"id": one, "token": lease, "ended": ended, **LOCKED} for one in (of_another, own)))
    assert [row(database, one)["resume_step"] for one in (of_another, own)] == ["call:gone", None]
