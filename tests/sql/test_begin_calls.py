"""automation_begin_calls: that an execution was handed over is written down before it is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, claim, ids, pending, row, seconds, settle, tick, token, workflow

pytestmark = on_both_servers


def held(database: Database, count: int = 1) -> tuple[str, list[str]]:
    lease = token()
    pending(database, workflow(database), count)
    return lease, ids(claim(database, count, p_token=lease))


def begin(database: Database, lease: str, *many: str) -> dict[str, Any]:
    """Begin the calls; gives the answers by id."""
    items = [{"id": one, "token": lease} for one in many]
    return {answer["id"]: answer for answer in database.call("automation_begin_calls", p_items=items, p_now=NOW)}


def again(database: Database, one: str, *, alone: bool = False) -> str:
    """Let it be due and claim it anew; gives the lease."""
    database.sql("update automation_execution_logs set scheduled_at = %s", NOW)
    lease = token()
    assert ids(claim(database, p_token=lease, p_alone=alone)) == [one]
    return lease


def vanish(database: Database, one: str, *, alone: bool = False) -> str:
    """The worker vanishes; another claims the row, and its lease is given."""
    tick(database, NOW + seconds(500))
    return again(database, one, alone=alone)


def test_it_answers_as_the_context_does_and_no_earlier_call_is_known(database: Database) -> None:
    lease, many = held(database, 2)
    answers = begin(database, lease, *many)
    assert [(answers[one]["held"], answers[one]["called"]) for one in many] == [(True, False)] * 2
    items = [{"id": one, "token": lease} for one in many]
    contexts = {c["id"]: c for c in database.call("automation_context", p_items=items, p_now=NOW)}
    assert answers == {one: {**contexts[one], "called": False} for one in many}


def test_a_repeat_under_the_same_lease_is_no_earlier_call(database: Database) -> None:
    lease, (one,) = held(database)
    begin(database, lease, one)
    assert begin(database, lease, one)[one]["called"] is False


def test_after_a_vanished_worker_the_earlier_call_is_known_as_often_as_asked(database: Database) -> None:
    lease, (one,) = held(database)
    begin(database, lease, one)
    lease = vanish(database, one)
    assert begin(database, lease, one)[one]["called"] is True
    assert begin(database, lease, one)[one]["called"] is True
    lease = vanish(database, one, alone=True)
    assert begin(database, lease, one)[one]["called"] is True


def test_a_worker_that_vanished_before_its_call_leaves_no_trace_of_one(database: Database) -> None:
    _, (one,) = held(database)
    assert begin(database, vanish(database, one), one)[one]["called"] is False


@pytest.mark.parametrize("ended", ["retry", "released", "waiting"])
def test_a_settled_call_is_no_earlier_one(database: Database, ended: str) -> None:
    lease, (one,) = held(database)
    begin(database, lease, one)
    settle(database, {"id": one, "token": lease, "ended": ended, "due_in_seconds": 1})
    assert begin(database, again(database, one), one)[one]["called"] is False


def test_after_a_persons_retry_it_is_called_again(database: Database) -> None:
    lease, (one,) = held(database)
    begin(database, lease, one)
    settle(database, {"id": one, "token": lease, "ended": "failed", "code": "executor_failed", "reason": "no"})
    database.call("automation_retry", p_ids=[one], p_now=NOW)
    assert begin(database, again(database, one), one)[one]["called"] is False


def test_who_lost_the_lease_is_told_and_writes_nothing(database: Database) -> None:
    _, (one,) = held(database)
    answer = begin(database, token(), one)[one]
    assert (answer["held"], answer["called"]) == (False, False)
    assert row(database, one)["resume_step"] is None


def test_a_stop_is_told(database: Database) -> None:
    lease, (one,) = held(database)
    database.sql("update automation_workflows set is_active = false")
    assert begin(database, lease, one)[one]["stop"]["code"] == "workflow_off"
