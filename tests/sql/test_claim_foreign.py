"""automation_claim of rows that others inserted: adopted once, and limited there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import (
    NOW,
    change,
    claim,
    claimed,
    foreign,
    ids,
    row,
    seconds,
    together,
    token,
    while_open,
    workflow,
)

pytestmark = on_both_servers


@pytest.mark.parametrize(
    "data",
    [
        {"job_id": "J-7", "new_status": "completed"},
        {"jobId": "J-7", "newStatus": "completed"},
        {"record_id": "J-7", "table_name": "jobs", "new_record": {"id": "J-7", "status": "completed"}},
        {"new_record": {"id": "J-7", "status": "completed"}},
    ],
)
def test_rows_inserted_by_others_get_their_entity_tenant_and_version(database: Database, data: dict[str, Any]) -> None:
    mine = workflow(database, user="user-1", organization="org-1")
    one = foreign(database, mine, data)
    (execution,) = claim(database)["executions"]
    assert (execution["id"], execution["entity_id"], execution["workflow_version"]) == (one, "J-7", 1)
    stored = row(database, one)
    assert (stored["organization_id"], stored["user_id"]) == ("org-1", "user-1")
    assert stored["trigger_data"] == data | {"new_status": "completed"}


@pytest.mark.parametrize("data", ["null", "[]", '""', '"text"', "7", "{}", '{"job_id": {"deep": 1}, "new_record": 3}'])
def test_trigger_data_of_any_shape_is_claimed(database: Database, data: str) -> None:
    """What is neither an object nor empty cannot be read, and ends."""
    one = foreign(database, workflow(database), None)
    database.sql("update automation_execution_logs set trigger_data = %s::text::jsonb", data)
    answer = claim(database)
    assert [*ids(answer), *(ended["id"] for ended in answer["ended"])] == [one]
    assert [ended["code"] for ended in answer["ended"]] == (["unreadable"] if data in ('"text"', "7") else [])


@pytest.mark.parametrize("named", [{}, {"entity_id": "J-7"}])
def test_of_two_for_the_same_row_and_status_in_one_claim_the_first_runs(
    database: Database, named: dict[str, Any]
) -> None:
    mine = workflow(database)
    first = foreign(database, mine, {"job_id": "J-7", "new_status": "completed"}, **named)
    second = foreign(database, mine, {"jobId": "J-7", "newStatus": "Completed"}, created_at=NOW - seconds(30), **named)
    other_row = foreign(database, mine, {"job_id": "J-8", "new_status": "completed"}, created_at=NOW - seconds(20))
    other_status = foreign(database, mine, {"job_id": "J-7", "new_status": "paid"}, created_at=NOW - seconds(10))
    answer = claim(database)
    assert ids(answer) == [first, other_row, other_status]
    assert [(ended["id"], ended["status"], ended["code"]) for ended in answer["ended"]] == [
        (second, "skipped", "rate_limited")
    ]
    stored = row(database, second)
    assert stored["reason"].startswith("already started once within 1 hour")
    assert (stored["completed_at"], stored["lease_expires_at"], stored["attempt"]) == (NOW, None, 0)


def test_one_claimed_later_is_limited_too_until_the_window_has_passed(database: Database) -> None:
    mine = workflow(database)
    data = {"job_id": "J-7", "new_status": "completed"}
    first = foreign(database, mine, data)
    assert claimed(database) == [first]
    foreign(database, mine, data, created_at=NOW)
    assert [ended["code"] for ended in claim(database)["ended"]] == ["rate_limited"]
    later = NOW + timedelta(hours=1)
    third = foreign(database, mine, data, created_at=later)
    assert claimed(database, p_now=later) == [third]


def test_the_limit_can_be_off_or_delay(database: Database) -> None:
    free = workflow(database, settings={"rate_limit": None})
    data = {"job_id": "J-7", "new_status": "completed"}
    assert len([foreign(database, free, data) for _ in range(3)]) == len(claimed(database))
    delaying = workflow(database, settings={"rate_limit": {"n": 1, "per": "1 hour", "on_exceed": "delay"}})
    first = foreign(database, delaying, data)
    second = foreign(database, delaying, data, created_at=NOW - seconds(10))
    answer = claim(database)
    assert (ids(answer), answer["ended"]) == ([first], [])
    stored = row(database, second)
    assert (stored["status"], stored["attempt"], stored["lease_expires_at"]) == ("pending", 0, None)
    assert stored["scheduled_at"] == NOW + timedelta(hours=1)
    assert claimed(database, p_now=NOW + timedelta(hours=2)) == [second], (
        "it is decided once, and runs when its time comes"
    )


def test_it_is_decided_once_and_not_again_after_a_wait(database: Database) -> None:
    mine = workflow(database)
    data = {"job_id": "J-7", "new_status": "completed"}
    lease = token()
    first = foreign(database, mine, data)
    claim(database, p_token=lease)
    wait = {"id": first, "token": lease, "ended": "waiting", "due_in_seconds": 172800}
    database.call("automation_settle", p_outcomes=[wait], p_now=NOW)
    later = NOW + timedelta(days=2)
    foreign(database, mine, data, created_at=later - seconds(60))
    assert len(claim(database, 1, p_now=later - seconds(30))["executions"]) == 1
    assert claimed(database, p_now=later) == [first]


def test_two_processors_at_the_same_instant_admit_just_one(database: Database) -> None:
    mine = workflow(database)
    for number in range(10):
        pair = [foreign(database, mine, {"job_id": f"J-{number}", "new_status": "completed"}) for _ in range(2)]
        answers = together(database, *[lambda who, one=one: claim(who, p_ids=[one]) for one in pair])
        assert sorted(len(answer["executions"]) for answer in answers) == [0, 1]


def test_the_second_processor_waits_for_the_first_ones_decision(database: Database) -> None:
    mine = workflow(database)
    first, second = [foreign(database, mine, {"job_id": "J-7", "new_status": "completed"}) for _ in range(2)]
    before, after = while_open(database, lambda who: claim(who, p_ids=[first]), lambda who: claim(who, p_ids=[second]))
    assert ids(before) == [first]
    assert (ids(after), [ended["code"] for ended in after["ended"]]) == ([], ["rate_limited"])


def test_an_execution_that_names_another_tenant_than_its_workflow_fails(database: Database) -> None:
    mine = workflow(database, user="user-1", organization="org-1")
    one = foreign(database, mine, {"job_id": "J-7"}, organization_id="org-2")
    answer = claim(database)
    assert [(ended["id"], ended["code"]) for ended in answer["ended"]] == [(one, "other_tenant")]


@pytest.mark.parametrize("status", ["processing", "running"])
def test_another_processors_row_is_never_claimed(database: Database, status: str) -> None:
    mine = workflow(database)
    one = foreign(database, mine, {"job_id": "J-7"}, status=status)
    assert claimed(database) == claimed(database, p_ids=[one]) == []
    # Not even when a lease of ours has left its token on it.
    change(database, one, lease_token=token())
    lease = str(row(database, one)["lease_token"])
    assert claimed(database, p_token=lease) == []
    assert row(database, one)["status"] == status
