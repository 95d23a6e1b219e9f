"""automation_retry and automation_cancel: what a person may press."""

from __future__ import annotations

from typing import Any

import pytest

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
    settle,
    success,
    together,
    token,
    while_open,
    workflow,
)

pytestmark = on_both_servers


def retry(database: Database, *wanted: str) -> dict[str, Any]:
    return {answer["id"]: answer for answer in database.call("automation_retry", p_ids=list(wanted), p_now=NOW)}


def cancel(database: Database, *wanted: str, **said: Any) -> dict[str, Any]:
    return {
        answer["id"]: answer for answer in database.call("automation_cancel", p_ids=list(wanted), p_now=NOW, **said)
    }


def ended(database: Database, ended: str = "done", **said: Any) -> str:
    lease = token()
    (one,) = pending(database, workflow(database))
    claim(database, p_token=lease)
    settle(database, {"id": one, "token": lease, "ended": ended, **said})
    return one


def test_a_retry_runs_again_only_what_failed(database: Database) -> None:
    one = ended(database, steps=[success("1"), failure("2"), success("3"), failure("4")])
    change(database, one, lost_leases=2)
    assert retry(database, one) == {one: {"id": one, "answer": "retried"}}
    stored = row(database, one)
    assert (stored["status"], stored["attempt"], stored["lost_leases"]) == ("pending", 0, 0)
    assert (stored["code"], stored["reason"], stored["error_message"], stored["completed_at"]) == (None,) * 4
    (execution,) = claim(database)["executions"]
    assert execution["recorded"] == [success("1"), success("3")]
    assert execution["attempt"] == 1


def test_a_skipped_one_runs_when_a_person_says_so(database: Database) -> None:
    mine = workflow(database)
    foreign(database, mine, {"job_id": "J-7"})
    over = foreign(database, mine, {"job_id": "J-7"}, created_at=NOW - seconds(30))
    assert [end["id"] for end in claim(database)["ended"]] == [over]
    retry(database, over)
    assert claimed(database) == [over], "its limit was decided, and a person overruled it"


def test_an_uncertain_send_is_refused(database: Database) -> None:
    one = ended(database, "unknown", on_uncertain="hold", steps=[failure("1")])
    before = row(database, one)
    assert retry(database, one)[one] == {
        "id": one,
        "answer": "refused",
        "reason": "its send may have arrived: find out first, then run `executions resolve`",
    }
    assert row(database, one) == before


@pytest.mark.parametrize("status", ["pending", "processing", "running", "completed", "cancelled"])
def test_only_what_failed_or_was_skipped_is_retried(database: Database, status: str) -> None:
    (one,) = pending(database, workflow(database), status=status)
    answer = retry(database, one)[one]
    assert (answer["answer"], answer["reason"]) == (
        "refused",
        f"it is {status}; only failed and skipped ones can be retried",
    )
    assert row(database, one)["status"] == status


def test_what_a_callee_called_failed_is_not_retried_while_its_worker_holds_it(database: Database) -> None:
    (one,) = pending(database, workflow(database))
    claim(database)
    change(database, one, status="failed")
    assert retry(database, one)[one]["reason"] == "it is running"


def test_what_does_not_exist_is_missing(database: Database) -> None:
    unknown = token()
    for press in (retry, cancel):
        answers = press(database, unknown, "no-uuid")
        assert {answer["answer"] for answer in answers.values()} == {"missing"}
        assert set(answers) == {unknown, "no-uuid"}


@pytest.mark.parametrize("recorded", ["{}", "null", '"text"', "[3, null]"])
def test_an_apps_own_list_of_another_shape_is_no_obstacle(database: Database, recorded: str) -> None:
    (one,) = pending(database, workflow(database), status="failed")
    database.sql("update automation_execution_logs set actions_executed = %s::text::jsonb", recorded)
    assert retry(database, one)[one]["answer"] == "retried"
    assert claimed(database) == [one]


def test_two_persons_at_once_retry_it_once(database: Database) -> None:
    one = ended(database, "failed", code="bad_workflow")
    first, second = while_open(database, *[lambda mine: retry(mine, one)] * 2)
    assert (first[one]["answer"], second[one]["answer"]) == ("retried", "refused")


def test_what_waits_is_cancelled(database: Database) -> None:
    (one,) = pending(database, workflow(database))
    assert cancel(database, one, p_reason="a duplicate")[one]["answer"] == "cancelled"
    stored = row(database, one)
    assert (stored["status"], stored["code"], stored["reason"]) == ("cancelled", "cancelled", "a duplicate")
    assert stored["completed_at"] == NOW
    assert claimed(database) == []


@pytest.mark.parametrize("status", ["processing", "running"])
def test_what_runs_loses_its_lease(database: Database, status: str) -> None:
    lease = token()
    (one,) = pending(database, workflow(database))
    claim(database, p_token=lease)
    change(database, one, status=status)
    assert cancel(database, one)[one]["answer"] == "cancelled"
    assert database.call("automation_renew", p_tokens=[lease]) == []
    (context,) = database.call("automation_context", p_items=[{"id": one, "token": lease}])
    assert context["held"] is False


@pytest.mark.parametrize("status", ["processing", "running"])
@pytest.mark.parametrize("stale", [None, token()], ids=["none", "a-token"])
def test_another_processors_row_is_not_cancelled(database: Database, status: str, stale: str | None) -> None:
    one = foreign(database, workflow(database), {"job_id": "J-7"}, status=status, lease_token=stale)
    assert cancel(database, one)[one] == {"id": one, "answer": "refused", "reason": "another processor runs it"}
    assert row(database, one)["status"] == status


@pytest.mark.parametrize("status", ["completed", "failed", "skipped", "cancelled"])
def test_what_has_ended_is_not_cancelled(database: Database, status: str) -> None:
    (one,) = pending(database, workflow(database), status=status)
    assert cancel(database, one)[one]["reason"] == f"it is already {status}"
    assert row(database, one)["status"] == status


def test_a_cancel_waits_for_a_settle_and_comes_too_late(database: Database) -> None:
    lease = token()
    (one,) = pending(database, workflow(database))
    claim(database, p_token=lease)
    _, answers = while_open(
        database,
        lambda mine: settle(mine, {"id": one, "token": lease, "ended": "done"}),
        lambda mine: cancel(mine, one),
    )
    assert answers[one]["reason"] == "it is already completed"


def test_a_claim_passes_over_what_is_just_being_cancelled(database: Database) -> None:
    one, other = pending(database, workflow(database), 2)
    database.sql("begin")
    cancel(database, one)
    (answer,) = together(database, claim)
    database.sql("commit")
    assert ids(answer) == [other]
