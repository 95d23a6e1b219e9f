"""automation_resolve: a person's word on a send whose fate was unknown."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, claim, failure, pending, row, seconds, settle, success, token, workflow

pytestmark = on_both_servers


def uncertain(database: Database, step: str | None = "2") -> tuple[str, str]:
    """An execution whose second step reserved a send, and was held."""
    lease = token()
    (one,) = pending(database, workflow(database))
    claim(database, p_token=lease)
    reserve(database, one, lease)
    confirm = {"key": "key-1", "status": "uncertain", "error": "timed out after DATA"}
    outcome = {"id": one, "token": lease, "ended": "unknown", "on_uncertain": "hold", "earlier": [success("1")]}
    answer = settle(database, outcome | {"confirm": confirm, "resume_step": step, "steps": [failure("2")]})[one]
    assert (answer["status"], answer["code"]) == ("failed", "uncertain_send")
    assert sent(database)["status"] == "uncertain"
    return one, lease


def reserve(database: Database, one: str, lease: str, key: str = "key-1", **more: Any) -> str:
    send = {"id": one, "token": lease, "step": "2", "channel": "email", "recipient": "a@example.com", "key": key}
    (answer,) = database.call("automation_reserve_sends", p_sends=[send | more], p_now=NOW + seconds(60))
    return str(answer["answer"])


def sent(database: Database) -> dict[str, Any]:
    return database.one("select * from communication_logs where idempotency_key = 'key-1'")


def resolve(database: Database, one: str, as_: str) -> list[dict[str, Any]]:
    return list(database.call("automation_resolve", p_ids=[one], p_as=as_, p_now=NOW + seconds(60)))


def test_sent_makes_the_step_done_and_what_follows_runs(database: Database) -> None:
    one, _ = uncertain(database)
    assert resolve(database, one, "sent") == [{"id": one, "answer": "resolved"}]
    stored = row(database, one)
    assert (stored["status"], stored["code"], stored["scheduled_at"], stored["attempt"]) == (
        "pending", None, NOW + seconds(60), 0)  # fmt: skip
    assert [(s["stepId"], s["status"]) for s in stored["actions_executed"]] == [("1", "success"), ("2", "success")]
    assert (sent(database)["status"], sent(database)["sent_at"], sent(database)["error_message"]) == (
        "sent", NOW + seconds(60), None)  # fmt: skip


def test_drop_makes_the_step_failed(database: Database) -> None:
    one, _ = uncertain(database)
    resolve(database, one, "drop")
    lease = token()
    assert [e["id"] for e in claim(database, p_token=lease, p_now=NOW + seconds(60))["executions"]] == [one]
    done = settle(database, {"id": one, "token": lease, "ended": "done"})[one]
    assert (done["status"], done["code"]) == ("failed", "partial")
    assert row(database, one)["actions_executed"][1]["code"] == "dropped"
    assert sent(database)["status"] == "failed"


def test_resend_runs_the_step_again_under_another_key(database: Database) -> None:
    one, _ = uncertain(database)
    resolve(database, one, "resend")
    lease = token()
    (again,) = claim(database, p_token=lease, p_now=NOW + seconds(60))["executions"]
    assert (again["id"], again["resends"]) == (one, {"2": 1})
    assert [step["stepId"] for step in again["recorded"]] == ["1"]
    assert sent(database)["status"] == "failed"
    assert reserve(database, one, lease, "key-2") == "go"
    settle(database, {"id": one, "token": lease, "ended": "unknown", "on_uncertain": "hold", "resume_step": "2"})
    resolve(database, one, "resend")
    assert row(database, one)["resends"] == {"2": 2}


def test_a_call_that_was_handed_over_as_a_whole_is_one_step(database: Database) -> None:
    one, _ = uncertain(database, step=None)
    resolve(database, one, "sent")
    assert row(database, one)["actions_executed"][-1]["stepId"] == "(call)"


@pytest.mark.parametrize("as_", ["sent", "resend", "drop"])
def test_what_is_not_uncertain_is_refused_and_stays_as_it_is(database: Database, as_: str) -> None:
    (waiting,) = pending(database, workflow(database))
    before = row(database, waiting)
    (answer,) = resolve(database, waiting, as_)
    assert answer == {
        "id": waiting, "answer": "refused", "reason": "it is pending; only failed: uncertain_send can be resolved"
    }  # fmt: skip
    assert row(database, waiting) == before
    missing = token()
    assert resolve(database, missing, as_)[0]["answer"] == "missing"


def test_a_second_word_is_refused(database: Database) -> None:
    one, _ = uncertain(database)
    resolve(database, one, "sent")
    assert resolve(database, one, "resend")[0]["answer"] == "refused"
    assert sent(database)["status"] == "sent"


def test_where_the_receiver_dedupes_what_may_have_left_leaves_again_under_its_key(database: Database) -> None:
    lease = token()
    (one,) = pending(database, workflow(database))
    claim(database, p_token=lease)
    assert reserve(database, one, lease) == "go"
    later = token()
    database.sql("update automation_execution_logs set lease_token = %s", later)
    assert reserve(database, one, later) == "uncertain"
    assert reserve(database, one, lease, on_uncertain="resend") == "lost"
    assert reserve(database, one, later, on_uncertain="resend") == "go"
    assert (sent(database)["status"], str(sent(database)["lease_token"])) == ("reserved", later)
