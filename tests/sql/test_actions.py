"""What a person may do to an execution in its state, and who did what (automation_audit)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, change, claim, pending, row, tick, token, workflow

pytestmark = on_both_servers
ANN = {"via": "cli", "name": "ann@app-1"}
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "retry": ("automation_retry", {}),
    "resolve": ("automation_resolve", {"p_as": "sent"}),
    "release": ("automation_release", {}),
    "cancel": ("automation_cancel", {}),
}


def answer_of(database: Database, action: str, execution: str, **more: Any) -> dict[str, Any]:
    function, arguments = CALLS[action]
    result = database.call(function, p_ids=[execution], p_now=NOW, **arguments, **more)
    (answer,) = result["answers"] if action == "release" else result
    return dict(answer)


@pytest.mark.parametrize(
    ("state", "allowed"),
    [
        ({"status": "pending"}, {"cancel"}),
        ({"status": "completed"}, set()),
        ({"status": "cancelled"}, set()),
        ({"status": "processing"}, set()),  # another processor's: it has no lease of ours
        ({"status": "failed", "code": "step_failed"}, {"retry"}),
        ({"status": "failed", "code": "uncertain_send"}, {"resolve"}),
        ({"status": "skipped", "code": "rate_limited"}, {"retry"}),
        ({"status": "skipped", "code": "stale"}, {"retry", "release"}),
        ({"status": "processing", "lease_token": token(), "lease_expires_at": NOW}, {"cancel"}),
        ({"status": "failed", "code": "x", "lease_token": token(), "lease_expires_at": NOW}, {"cancel"}),
    ],
)
def test_each_function_does_what_the_row_says_is_allowed_and_nothing_else(
    database: Database, state: dict[str, Any], allowed: set[str]
) -> None:
    mine = workflow(database)
    for action in CALLS:
        (one,) = pending(database, mine)
        change(database, one, **state)
        assert set(database.call("automation_execution", p_id=one)["allowed"]) == allowed
        answer = answer_of(database, action, one)
        assert (answer["answer"] != "refused", "reason" in answer) == (action in allowed, action not in allowed), action


def test_what_a_person_does_is_kept_with_who_it_was(database: Database) -> None:
    mine = workflow(database)
    states = {
        "retry": {"status": "failed"},
        "resolve": {"status": "failed", "code": "uncertain_send"},
        "release": {"status": "skipped", "code": "stale"},
        "cancel": {},
    }
    for action, state in states.items():
        (one,) = pending(database, mine)
        if state:
            change(database, one, **state)
        answer_of(database, action, one, p_actor=ANN)
        audited = database.one("select * from automation_audit order by id desc limit 1")
        assert (audited["actor"], audited["action"], audited["target"], audited["at"]) == (ANN, action, one, NOW)
        if action == "cancel":
            assert row(database, one)["reason"] == "cancelled by ann@app-1"
        else:
            assert row(database, one)["past"][-1]["actor"] == "ann@app-1"
    (one,) = pending(database, mine)
    answer_of(database, "retry", one, p_actor=ANN)  # refused: nothing was done
    assert database.one("select count(*) as n from automation_audit")["n"] == 4


def test_without_an_actor_nothing_is_audited(database: Database) -> None:
    (one,) = pending(database, workflow(database))
    change(database, one, status="failed")
    assert answer_of(database, "retry", one)["answer"] == "retried"
    assert database.sql("select * from automation_audit") == []
    assert "actor" not in row(database, one)["past"][-1]


def test_an_actor_of_another_shape_is_kept_as_it_is(database: Database) -> None:
    (one,) = pending(database, workflow(database))
    answer_of(database, "cancel", one, p_actor={"user": 7})
    audited = database.one("select actor from automation_audit")
    assert audited["actor"] == {"via": "unknown", "name": '{"user": 7}'}


def test_the_tick_prunes_the_audit_after_90_days(database: Database) -> None:
    database.call("automation_pause", p_scope="all", p_actor=ANN, p_now=NOW - timedelta(days=91))
    database.call("automation_resume", p_scope="all", p_actor=ANN, p_now=NOW - timedelta(days=89))
    tick(database)
    assert [row["action"] for row in database.sql("select action from automation_audit")] == ["resume"]
    assert claim(database)["executions"] == []
