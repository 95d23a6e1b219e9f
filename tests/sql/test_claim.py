"""automation_claim: who gets which rows, once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import (
    NOW,
    backlog,
    change,
    claim,
    claimed,
    foreign,
    ids,
    pending,
    row,
    seconds,
    session,
    together,
    token,
    wait_until_blocked,
    workflow,
)

pytestmark = on_both_servers


def test_twenty_five_pending_come_as_ten_ten_and_five(database: Database) -> None:
    made = pending(database, workflow(database), 25)
    batches = [claimed(database) for _ in range(4)]
    assert batches == [made[:10], made[10:20], made[20:], []]


def test_a_claimed_row_is_processing_under_the_callers_lease(database: Database) -> None:
    (one,) = pending(database, workflow(database))
    lease = token()
    answer = claim(database, p_token=lease, p_worker="worker-1", p_lease_seconds=90, p_max_attempts=3)
    (execution,) = answer["executions"]
    assert execution == {
        "id": one,
        "workflow_id": execution["workflow_id"],
        "workflow_version": 1,
        "entity_id": "job-0",
        "attempt": 1,
        "max_attempts": 3,
        "trigger_data": {"table_name": "jobs", "record_id": "job-0", "new_status": "completed"},
        "recorded": [],
        "alone": False,
    }
    assert answer["workflows"][f"{execution['workflow_id']}:1"]["definition"]["name"] == "Tell the client"
    stored = row(database, one)
    assert (stored["status"], str(stored["lease_token"]), stored["worker"]) == ("processing", lease, "worker-1")
    assert (stored["lease_expires_at"], stored["started_at"]) == (NOW + seconds(90), NOW)


def test_the_same_call_repeated_returns_the_same_rows_and_spends_nothing(database: Database) -> None:
    pending(database, workflow(database), 15)
    lease = token()
    first = claim(database, p_token=lease)
    again = claim(database, p_token=lease, p_now=NOW + seconds(5))
    assert again["executions"] == first["executions"]
    assert len(again["executions"]) == 10
    assert {execution["attempt"] for execution in again["executions"]} == {1}
    assert database.one("select count(*) as n from automation_execution_logs where status = 'pending'")["n"] == 5


def test_a_repeat_while_the_lost_call_still_runs_returns_its_rows(database: Database) -> None:
    made = pending(database, workflow(database), 15)
    lease = token()
    with session(database) as first, first.connection.transaction():
        answer = claim(first, p_token=lease)

        def let_go(mine: Database) -> Any:
            wait_until_blocked(mine)
            first.connection.commit()

        repeated, _ = together(database, lambda mine: claim(mine, p_token=lease), let_go)
    assert ids(repeated) == ids(answer) == made[:10]


def test_eight_at_the_same_instant_never_share_a_row_and_lose_none(database: Database) -> None:
    made = pending(database, workflow(database), 203)

    def drain(mine: Database) -> list[str]:
        taken: list[str] = []
        while mine.one("select count(*) as n from automation_execution_logs where status = 'pending'")["n"]:
            taken += claimed(mine, 7)
        return taken

    parts = together(database, *[drain] * 8)
    assert sorted(one for part in parts for one in part) == sorted(made)


def test_the_oldest_due_come_first_and_nothing_before_its_time(database: Database) -> None:
    mine = workflow(database)
    (late,) = pending(database, mine, scheduled_at=NOW - seconds(10))
    (early,) = pending(database, mine, scheduled_at=NOW - seconds(20))
    (unplanned,) = pending(database, mine, created_at=NOW - seconds(15))
    pending(database, mine, scheduled_at=NOW + seconds(30))
    answer = claim(database)
    assert ids(answer) == [early, unplanned, late]
    assert answer["next_seconds"] == 30


def test_next_seconds_is_zero_while_one_is_due_and_null_when_none_waits(database: Database) -> None:
    assert claim(database)["next_seconds"] is None
    pending(database, workflow(database), 2)
    assert claim(database, 1)["next_seconds"] == 0
    assert claim(database, 1)["next_seconds"] is None


def test_tenants_take_turns(database: Database) -> None:
    mine = workflow(database)
    many = pending(database, mine, 30, user_id="busy")
    few = pending(database, mine, 2, user_id="quiet", created_at=NOW - seconds(1))
    organisation = pending(database, mine, 1, user_id="busy", organization_id="org-1", created_at=NOW - seconds(1))
    assert set(claimed(database)) == {*many[:7], *few, *organisation}


def test_a_hundred_thousand_rows_of_one_tenant_do_not_hold_up_another(database: Database) -> None:
    mine = workflow(database)
    backlog(database, mine, 100_000, user="busy")
    (one,) = pending(database, mine, user_id="quiet", created_at=NOW - seconds(1))
    taken = claimed(database)
    assert one in taken
    assert len(taken) == 10


def test_backlogs_of_more_tenants_than_fit_do_not_hold_up_a_newcomer(database: Database) -> None:
    mine = workflow(database)
    for number in range(4):
        backlog(database, mine, 300, user=f"busy-{number}")
    (one,) = pending(database, mine, user_id="quiet", created_at=NOW - seconds(1))
    # Drawn by lot: of 200 claims of two, each brings it with one chance in four.
    assert any(one in claimed(database, 2) for _ in range(200))


def test_asked_for_by_id_only_those_are_claimed(database: Database) -> None:
    made = pending(database, workflow(database), 5)
    wanted = [made[3], made[1], "no-uuid", token()]
    assert claimed(database, p_ids=wanted) == [made[1], made[3]]
    assert claimed(database, p_ids=[]) == []


@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize("scope", ["all", "tenant", "workflow"])
def test_what_is_paused_is_held(database: Database, scope: str, by_id: bool) -> None:
    held, other = workflow(database), workflow(database)
    made = pending(database, held, 12, user_id="user-1")
    free = pending(database, other, 1, user_id="user-2")
    target = {"all": "", "tenant": "user-1", "workflow": held}[scope]
    database.sql("insert into automation_control (scope, target) values (%s, %s)", scope, target)
    asked = {"p_ids": made + free} if by_id else {}
    answer = claim(database, **asked)
    assert ids(answer) == ([] if scope == "all" else free)
    assert answer["next_seconds"] is None, "what is held must not wake a worker again and again"
    database.sql("delete from automation_control")
    assert claimed(database, **asked) == (free + made if scope == "all" else made)[:10] or scope == "all"
    assert {row(database, one)["status"] for one in made[:9]} == {"processing"}


def test_behind_the_paused_rows_of_a_tenant_its_others_are_found(database: Database) -> None:
    held, other = workflow(database), workflow(database)
    pending(database, held, 3)
    (free,) = pending(database, other, created_at=NOW - seconds(5))
    database.sql("insert into automation_control (scope, target) values ('workflow', %s), ('workflow', 'no-uuid')", held)
    assert claimed(database) == [free]


def test_suspects_are_left_out_told_and_claimed_alone(database: Database) -> None:
    mine = workflow(database)
    suspects = pending(database, mine, 2, lost_leases=2)
    others = pending(database, mine, 2, lost_leases=1, created_at=NOW - seconds(1))
    answer = claim(database)
    assert (ids(answer), answer["suspects"]) == (others, True)
    assert {execution["alone"] for execution in answer["executions"]} == {False}
    answer = claim(database, p_alone=True)
    assert (ids(answer), answer["suspects"]) == (suspects[:1], True)
    assert answer["executions"][0]["alone"] is True
    assert claimed(database, p_ids=suspects) == []
    answer = claim(database, p_ids=suspects, p_alone=True)
    assert (ids(answer), answer["suspects"]) == (suspects[1:], False)


def test_an_execution_runs_the_version_that_it_matched(database: Database) -> None:
    mine = workflow(database)
    pending(database, mine)
    database.sql("update automation_workflows set name = 'Changed since'")
    pending(database, mine, workflow_version=2)
    answer = claim(database)
    names = {key: entry["definition"]["name"] for key, entry in answer["workflows"].items()}
    assert names == {f"{mine}:1": "Tell the client", f"{mine}:2": "Changed since"}


@pytest.mark.parametrize("gone", [token(), None])
def test_a_row_whose_workflow_is_gone_ends_as_unreadable(database: Database, gone: str | None) -> None:
    one = foreign(database, gone, {"job_id": "job-1"})
    others = pending(database, workflow(database), 2)
    answer = claim(database)
    assert ids(answer) == others
    (ended,) = answer["ended"]
    assert (ended["id"], ended["status"], ended["code"]) == (one, "failed", "unreadable")
    stored = row(database, one)
    assert (stored["status"], stored["attempt"], stored["completed_at"]) == ("failed", 0, NOW)
    assert "does not exist" in stored["error_message"]


def test_json_that_jsonb_cannot_hold_ends_its_row_and_no_other(database: Database) -> None:
    database.sql("drop index automation_execution_logs_entity")
    database.sql("alter table automation_execution_logs alter trigger_data type json")
    mine = workflow(database)
    good = [*pending(database, mine), foreign(database, mine, {"job_id": "job-7"})]
    bad = foreign(database, mine, None)
    database.sql(r"""update automation_execution_logs set trigger_data = '{"job_id": "\u0000"}' where id = %s""", bad)
    answer = claim(database)
    assert ids(answer) == good
    assert [(ended["id"], ended["code"]) for ended in answer["ended"]] == [(bad, "unreadable")]


# --- rows that others inserted ----------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("data", [None, [], "text", 7, {}])
def test_trigger_data_of_any_shape_is_claimed(database: Database, data: Any) -> None:
    one = foreign(database, workflow(database), data)
    if isinstance(data, str | int):
        database.sql("update automation_execution_logs set trigger_data = to_jsonb(%s::text)", str(data))
    (execution,) = claim(database)["executions"]
    assert (execution["id"], execution["entity_id"]) == (one, None)


@pytest.mark.parametrize("named", [{}, {"entity_id": "J-7"}])
def test_of_two_for_the_same_row_and_status_in_one_claim_the_first_runs(
    database: Database, named: dict[str, Any]
) -> None:
    mine = workflow(database)
    first = foreign(database, mine, {"job_id": "J-7", "new_status": "completed"}, **named)
    second = foreign(
        database, mine, {"jobId": "J-7", "newStatus": "Completed"}, created_at=NOW - seconds(30), **named
    )
    other_row = foreign(database, mine, {"job_id": "J-8", "new_status": "completed"}, created_at=NOW - seconds(20))
    other_status = foreign(database, mine, {"job_id": "J-7", "new_status": "paid"}, created_at=NOW - seconds(10))
    answer = claim(database)
    assert ids(answer) == [first, other_row, other_status]
    assert [(ended["id"], ended["status"], ended["code"]) for ended in answer["ended"]] == [
        (second, "skipped", "rate_limited")
    ]
    stored = row(database, second)
    assert stored["reason"].startswith("fired once already within 01:00:00")
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
    assert claimed(database, p_now=NOW + timedelta(hours=2)) == [second], "it is decided once, and runs when its time comes"


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
    with session(database) as other, other.connection.transaction():
        assert claimed(other, p_ids=[first]) == [first]

        def let_go(mine: Database) -> None:
            wait_until_blocked(mine)
            other.connection.commit()

        answer, _ = together(database, lambda who: claim(who, p_ids=[second]), let_go)
    assert (ids(answer), [ended["code"] for ended in answer["ended"]]) == ([], ["rate_limited"])


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


def test_a_limit_below_one_claims_nothing(database: Database) -> None:
    pending(database, workflow(database))
    assert claimed(database, 0) == claimed(database, -1) == []
