"""automation_settle: the fence, and what cannot be stored."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import (
    NOW,
    claim,
    failure,
    ids,
    pending,
    row,
    session,
    settle,
    success,
    together,
    token,
    while_open,
    workflow,
)

pytestmark = on_both_servers


def held(database: Database, count: int = 1) -> tuple[str, list[str]]:
    """Claim `count` executions; returns the lease and the ids."""
    lease = token()
    pending(database, workflow(database), count)
    return lease, ids(claim(database, count, p_token=lease))


def test_a_repeat_changes_nothing_and_is_answered_already(database: Database) -> None:
    lease, (one,) = held(database)
    outcome = {"id": one, "token": lease, "ended": "retry", "steps": [failure("1")], "code": "busy"}
    settle(database, outcome)
    before = row(database, one)
    answer = settle(database, outcome)[one]
    assert (answer["answer"], answer["status"], answer["code"]) == ("already", "pending", "busy")
    assert row(database, one) == before


def test_who_does_not_hold_the_lease_writes_nothing(database: Database) -> None:
    lease, (one,) = held(database)
    (waiting,) = pending(database, workflow(database))
    unknown = token()
    before = [row(database, one), row(database, waiting)]
    answers = settle(
        database,
        {"id": one, "token": token(), "ended": "done", "steps": [success("1", send={"key": "k", "channel": "email"})]},
        {"id": waiting, "token": lease, "ended": "done"},
        {"id": unknown, "token": lease, "ended": "done"},
    )
    assert {answer["answer"] for answer in answers.values()} == {"lost"}
    assert [row(database, one), row(database, waiting)] == before
    assert database.sql("select * from communication_logs") == []


def test_a_settle_after_a_cancel_is_lost(database: Database) -> None:
    lease, (one,) = held(database)
    database.call("automation_cancel", p_ids=[one], p_now=NOW)
    assert settle(database, {"id": one, "token": lease, "ended": "done"})[one]["answer"] == "lost"
    assert row(database, one)["status"] == "cancelled"


def test_a_settle_that_waits_for_a_cancel_is_lost(database: Database) -> None:
    lease, (one,) = held(database)
    _, answers = while_open(
        database,
        lambda mine: mine.call("automation_cancel", p_ids=[one], p_now=NOW),
        lambda mine: settle(mine, {"id": one, "token": lease, "ended": "done"}),
    )
    assert (answers[one]["answer"], row(database, one)["status"]) == ("lost", "cancelled")


def test_of_two_settles_at_the_same_instant_one_is_already(database: Database) -> None:
    lease, (one,) = held(database)
    outcome = {"id": one, "token": lease, "ended": "done", "steps": [success("1")]}
    first, second = while_open(database, *[lambda mine: settle(mine, outcome)] * 2)
    assert (first[one]["answer"], second[one]["answer"]) == ("settled", "already")
    assert row(database, one)["actions_executed"] == [success("1")]


def test_settles_and_renewals_in_any_order_never_wait_in_a_circle(database: Database) -> None:
    lease, many = held(database, 60)

    def settling(order: int) -> Any:
        outcomes = [{"id": one, "token": lease, "ended": "done"} for one in sorted(many, reverse=order % 2 == 0)]
        return lambda mine: [settle(mine, *outcomes) for _ in range(5)]

    def renewing(mine: Database) -> None:
        for _ in range(5):
            mine.call("automation_renew", p_tokens=[lease], p_now=NOW)

    together(database, *[settling(number) for number in range(4)], renewing, renewing)
    assert {row(database, one)["status"] for one in many} == {"completed"}


# --- what cannot be stored --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        {"ended": "nonsense"},
        {"ended": "done", "steps": "no list"},
        {"ended": "waiting", "due_in_seconds": 1e300},
        {"ended": "unknown"},
    ],
    ids=["word", "steps", "overflow", "no policy"],
)
def test_one_that_cannot_be_stored_ends_alone_and_its_neighbours_settle(
    database: Database, bad: dict[str, Any]
) -> None:
    lease, (first, second, third) = held(database, 3)
    answers = settle(
        database,
        {"id": first, "token": lease, "ended": "done", "steps": [success("1")]},
        {"id": second, "token": lease, **bad},
        {"id": third, "token": lease, "ended": "skipped", "code": "row_gone"},
    )
    assert [answers[one]["answer"] for one in (first, second, third)] == ["settled", "failed", "settled"]
    stored = row(database, second)
    assert (stored["status"], stored["code"], stored["lease_expires_at"]) == ("failed", "unrecordable", None)
    assert stored["reason"].startswith("the result could not be stored: ")
    assert [row(database, one)["status"] for one in (first, third)] == ["completed", "skipped"]


def test_a_send_that_cannot_be_logged_does_not_fail_its_execution(database: Database) -> None:
    lease, (one,) = held(database, 1)
    too_long_for_an_index = "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(9000))  # compression does not help
    send = {"channel": "email", "key": too_long_for_an_index}
    answers = settle(database, {"id": one, "token": lease, "ended": "done", "steps": [success("1", send=send)]})
    assert (answers[one]["answer"], row(database, one)["status"]) == ("settled", "completed")
    assert database.sql("select * from communication_logs") == []


def test_a_lock_is_nobodys_outcome(database: Database) -> None:
    lease, (one,) = held(database)
    with session(database) as other:
        other.sql("begin")
        row_of = "select from automation_execution_logs where id = %s for update"
        other.sql(row_of, one)
        database.sql("set lock_timeout = '50ms'")
        with pytest.raises(Exception, match="lock timeout"):
            settle(database, {"id": one, "token": lease, "ended": "done"})
        other.sql("rollback")
    assert row(database, one)["status"] == "processing"


def test_an_empty_call_answers_nothing(database: Database) -> None:
    assert settle(database) == {}


@pytest.mark.parametrize("recorded", ["{}", "null", "3", '[3, null, "x"]'])
def test_an_apps_own_list_of_another_shape_is_settled(database: Database, recorded: str) -> None:
    lease, (one,) = held(database)
    database.sql("update automation_execution_logs set actions_executed = %s::text::jsonb", recorded)
    outcome = {"id": one, "token": lease, "ended": "done", "steps": [failure("1")]}
    assert settle(database, outcome)[one]["code"] == "no_recipient"


def test_the_last_steps_send_is_logged_with_the_settle(database: Database) -> None:
    lease, many = held(database, 2)
    send = {"channel": "webhook", "recipient": "https://example.com/hook", "key": "same key", "external_id": None}
    outcomes = [{"id": one, "token": lease, "ended": "done", "steps": [success("1", send=send)]} for one in many]
    settle(database, *outcomes)
    assert {row(database, one)["status"] for one in many} == {"completed"}
    (logged,) = database.sql("select * from communication_logs")
    assert (logged["idempotency_key"], logged["status"]) == ("same key", "sent")
    assert row(database, many[0])["actions_executed"] == [success("1")]
