"""automation_settle when the callee has written the log itself, under our token."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

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
    tick,
    token,
    workflow,
)

pytestmark = on_both_servers

HELD = {"on_uncertain": "hold", "code": "uncertain_send", "reason": "no reply in time"}


def held(database: Database, count: int = 1) -> tuple[str, list[str]]:
    lease = token()
    pending(database, workflow(database), count)
    return lease, ids(claim(database, count, p_token=lease))


def end(database: Database, ended: str, said: dict[str, Any] | None = None, **wrote: Any) -> tuple[Any, Any, Any]:
    """Let the callee write, then settle; gives status, code and reason."""
    lease, (one,) = held(database)
    if wrote:
        change(database, one, **wrote)
    answer = settle(database, {"id": one, "token": lease, "ended": ended, **(said or {})})[one]
    stored = row(database, one)
    assert (answer["answer"], stored["lease_expires_at"]) == ("settled", None)
    return stored["status"], stored["code"], stored["reason"]


def test_after_a_timeout_a_log_that_was_marked_completed_is_completed(database: Database) -> None:
    assert end(database, "unknown", HELD, status="completed", actions_executed=[success("1")])[0] == "completed"
    assert end(database, "unknown", HELD)[:2] == ("failed", "uncertain_send")


def test_after_a_timeout_a_completed_log_with_a_failed_item_is_failed(database: Database) -> None:
    wrote: dict[str, Any] = {"status": "completed", "actions_executed": [success("1"), failure("2")]}
    assert end(database, "unknown", HELD, **wrote) == ("failed", "partial", "step step 2: no e-mail")


@pytest.mark.parametrize("status", ["skipped", "cancelled"])
def test_skipped_and_cancelled_stand_whatever_an_item_says(database: Database, status: str) -> None:
    wrote: dict[str, Any] = {
        "status": status,
        "actions_executed": [failure("1")],
        "error_message": "the client moved away",
    }
    assert end(database, "done", **wrote) == (status, None, "the client moved away")


def test_failed_keeps_its_own_words_over_those_of_an_item(database: Database) -> None:
    wrote: dict[str, Any] = {
        "status": "failed",
        "actions_executed": [success("1"), failure("2")],
        "error_message": "the quota is spent",
    }
    assert end(database, "done", **wrote) == ("failed", "partial", "the quota is spent")


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"status": "skipped"}, "step Text: skipped"),
        ({"status": "success", "result": {"status": "skipped", "message": "Dear client"}}, "step Text: skipped"),
        ({"status": "success", "result": {"status": "deferred"}}, "step Text: deferred"),
        ({"status": "success", "result": {"status": "failed"}, "error": "no phone"}, "step Text: no phone"),
    ],
)
def test_completed_with_an_item_that_did_not_send_is_failed(
    database: Database, item: dict[str, Any], reason: str
) -> None:
    said = {"stepId": "2", "name": "Text", **item}
    assert end(database, "done", status="completed", actions_executed=[said]) == ("failed", "step_failed", reason)
    both = [success("1", result={"status": "sent"}), said]
    assert end(database, "done", status="completed", actions_executed=both) == ("failed", "partial", reason)


@pytest.mark.parametrize("odd", [{"note": "two mails"}, "two mails", [1, "x", None, []], 7])
def test_completed_with_a_list_of_no_shape_is_completed(database: Database, odd: Any) -> None:
    lease, (one,) = held(database)
    database.sql(
        "update automation_execution_logs set status = 'completed', actions_executed = to_jsonb(%s::jsonb)",
        Jsonb(odd),
    )
    settle(database, {"id": one, "token": lease, "ended": "done"})
    assert row(database, one)["status"] == "completed"


def test_what_a_callee_wrote_as_unreadable_json_ends_alone(database: Database) -> None:
    database.sql("alter table automation_execution_logs alter actions_executed type json using actions_executed::json")
    lease, (bad, good) = held(database, 2)
    database.sql(
        "update automation_execution_logs set status = 'completed', actions_executed = %s::json where id = %s",
        '[{"stepId": "1", "status": "success", "result": {"message": "a\\u0000b"}}]',
        bad,
    )
    settle(database, *({"id": one, "token": lease, "ended": "done"} for one in (bad, good)))
    assert row(database, good)["status"] == "completed"
    stored = row(database, bad)
    assert (stored["status"], stored["code"]) == ("failed", "unrecordable")
    assert stored["reason"] == "step actions_executed: what the executor recorded is not valid JSON"


def test_a_late_worker_is_told_lost_whatever_the_row_holds_by_then(database: Database) -> None:
    database.sql("alter table automation_execution_logs alter actions_executed type json using actions_executed::json")
    _, (one,) = held(database)
    unreadable = '["\\u0000"]'
    database.sql("update automation_execution_logs set actions_executed = %s::json", unreadable)
    assert settle(database, {"id": one, "token": token(), "ended": "done"})[one]["answer"] == "lost"
    kept = database.one("select actions_executed::text as said from automation_execution_logs where id = %s", one)
    assert kept["said"] == unreadable


def test_what_a_callee_marked_is_settled_when_its_worker_has_vanished(database: Database) -> None:
    _, (marked, silent) = held(database, 2)
    change(database, marked, status="completed", actions_executed=[success("1")])
    tick(database, NOW + seconds(500))
    assert (row(database, marked)["status"], row(database, marked)["code"]) == ("completed", None)
    stored = row(database, silent)
    assert (stored["status"], stored["code"]) == ("pending", "lost_lease")
    assert stored["scheduled_at"] > NOW + timedelta(seconds=500)
