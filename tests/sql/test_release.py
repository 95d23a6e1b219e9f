"""automation_release: a person lets run what was held as stale."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import (
    NOW,
    backlog,
    change,
    claimed,
    foreign,
    pending,
    row,
    seconds,
    tick,
    together,
    token,
    workflow,
)
from tests.sql.test_plans import reads

pytestmark = on_both_servers


def held(database: Database, count: int) -> list[str]:
    made = pending(database, workflow(database), count, created_at=NOW - timedelta(days=3))
    assert tick(database, p_hold_seconds=3600)["held"] == count
    return made


def release(database: Database, ids: list[str] | None = None, **more: Any) -> Any:
    return database.call("automation_release", p_ids=ids, p_now=NOW, **more)


def test_what_is_released_is_due_now_and_not_late_again(database: Database) -> None:
    first, second = held(database, 2)
    answer = release(database, [first])
    assert answer == {"released": 1, "more": False, "answers": [{"id": first, "answer": "released"}]}
    stored = row(database, first)
    assert (stored["status"], stored["code"], stored["reason"], stored["completed_at"]) == ("pending", None, None, None)
    assert stored["scheduled_at"] == NOW
    assert tick(database, NOW + seconds(60), p_hold_seconds=3600)["held"] == 0
    assert claimed(database) == [first]
    assert row(database, second)["code"] == "stale"


@pytest.mark.parametrize("status", ["pending", "completed", "failed", "skipped", "cancelled"])
def test_only_what_is_held_can_be_released(database: Database, status: str) -> None:
    (one,) = held(database, 1)
    change(database, one, status=status, code="rate_limited")
    (answer,) = release(database, [one])["answers"]
    assert (answer["answer"], answer["reason"].startswith(f"it is {status}: rate_limited")) == ("refused", True)
    assert row(database, one)["status"] == status
    assert release(database)["released"] == 0


def test_what_is_not_there_is_told_and_its_neighbours_are_released(database: Database) -> None:
    (one,) = held(database, 1)
    gone = token()
    answers = release(database, [one, gone, "no id", one])["answers"]
    assert {answer["id"]: answer["answer"] for answer in answers} == {
        one: "released",
        gone: "missing",
        "no id": "missing",
    }


def test_all_that_are_held_are_released_in_bites(database: Database) -> None:
    held(database, 25)
    answers = [release(database, p_limit=10) for _ in range(3)]
    assert [(answer["released"], answer["more"]) for answer in answers] == [(10, True), (10, True), (5, False)]
    assert all(answer["answers"] == [] for answer in answers)
    assert len(claimed(database, 100)) == 25


def test_a_row_of_the_apps_own_is_adopted_when_it_runs(database: Database) -> None:
    one = foreign(database, workflow(database), {"job_id": "J-7"}, created_at=NOW - timedelta(days=3))
    tick(database, p_hold_seconds=3600)
    release(database)
    assert claimed(database) == [one]
    assert row(database, one)["entity_id"] == "J-7"


def test_two_at_once_release_each_once(database: Database) -> None:
    made = held(database, 50)
    answers = together(database, *[lambda mine, ids=ids: release(mine, ids) for ids in (made, made[::-1])])
    assert sum(answer["released"] for answer in answers) == 50


def test_a_bite_reads_no_history(database: Database) -> None:
    database.sql("alter table automation_execution_logs set (autovacuum_enabled = off)")
    mine = workflow(database)
    backlog(database, mine, 20_000, status="completed")
    backlog(database, mine, 100, status="skipped")
    database.sql("update automation_execution_logs set code = 'stale' where status = 'skipped'")
    read = reads(database, lambda mine: release(mine, p_limit=10))
    assert read.seq_scans == 0
    assert read.rows <= 100
