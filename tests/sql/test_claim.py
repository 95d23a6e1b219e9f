"""automation_claim: who gets which rows, once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import (
    NOW,
    backlog,
    claim,
    claimed,
    foreign,
    ids,
    pending,
    row,
    seconds,
    together,
    token,
    while_open,
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
        "resends": {},
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
    first, repeated = while_open(database, *[lambda who: claim(who, p_token=lease)] * 2)
    assert ids(repeated) == ids(first) == made[:10]


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
    asked: dict[str, Any] = {"p_ids": made + free} if by_id else {}
    answer = claim(database, **asked)
    assert ids(answer) == ([] if scope == "all" else free)
    assert answer["next_seconds"] is None, "what is held must not wake a worker again and again"
    database.sql("delete from automation_control")
    assert set(claimed(database, 20, **asked)) == {*made, *(free if scope == "all" else [])}


def test_behind_the_paused_rows_of_a_tenant_its_others_are_found(database: Database) -> None:
    held, other = workflow(database), workflow(database)
    pending(database, held, 3)
    (free,) = pending(database, other, created_at=NOW - seconds(5))
    database.sql(
        "insert into automation_control (scope, target) values ('workflow', %s), ('workflow', 'no-uuid')", held
    )
    assert claimed(database) == [free]


def test_suspects_are_left_out_told_and_claimed_alone(database: Database) -> None:
    mine = workflow(database)
    suspects = pending(database, mine, 2, lost_leases=2)
    others = pending(database, mine, 2, lost_leases=1)
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


@pytest.mark.parametrize("gone", [token(), None], ids=["unknown", "null"])
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


def test_a_limit_below_one_claims_nothing(database: Database) -> None:
    pending(database, workflow(database))
    assert claimed(database, 0) == claimed(database, -1) == []
