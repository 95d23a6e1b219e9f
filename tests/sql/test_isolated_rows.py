"""An execution whose row cannot be stored ends alone; the tick, the claim and the pages go on (R6, R17)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from minutehand.store.schema import migrate
from tests.adopted import NORTH, old_app
from tests.adopted import workflow as old_workflow
from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, claim, ids, pending, row, seconds, settle, tick, token, workflow

pytestmark = on_both_servers

#: A rule of an app's that a user's row may break as soon as we write it.
RULE = "alter table automation_execution_logs add constraint in_order check (completed_at >= started_at)"
TIMES = ("infinity", "-infinity", "4713-01-01 BC", "294276-12-31")
PAGES: dict[str, dict[str, Any]] = {
    "automation_overview": {"p_from": (NOW - seconds(3600)).isoformat()},
    "automation_failures": {},
    "automation_metrics": {"p_facts": True},
    "automation_alerts_claim": {"p_token": "6f4d1a52-7d0e-4a0b-9d0e-000000000001"},
}


def write(database: Database, one: str, **columns: Any) -> None:
    """Write an execution's columns, as the table's owner."""
    settings = ", ".join(f"{name} = %s" for name in columns)
    database.sql(f"update automation_execution_logs set {settings} where id = %s", *columns.values(), one)


def claimed(database: Database, count: int = 2) -> tuple[str, list[str]]:
    """Claim so many executions; gives the lease and their ids."""
    lease = token()
    made = pending(database, workflow(database), count)
    claim(database, count, p_token=lease)
    return lease, made


@pytest.mark.parametrize(
    "columns",
    [
        {"attempt": -2147483648},
        {"attempt": 2147483647, "lost_leases": 2147483647},
        {"lost_leases": -2147483648},
        {"past": "5"},
        {"past": '{"what": "wait"}'},
        {"past": '[{"what": "wait", "times": "many"}]'},
        {"created_at": "infinity"},
        {"created_at": "-infinity", "scheduled_at": "-infinity"},
        {"lease_expires_at": "infinity"},
        {"lease_expires_at": "-infinity"},
    ],
    ids=str,
)
def test_a_lost_lease_is_returned_whatever_the_row_says(database: Database, columns: dict[str, Any]) -> None:
    _, (bad, good) = claimed(database)
    write(database, bad, **columns)
    tick(database, NOW + seconds(500))
    assert row(database, good)["code"] == "lost_lease"
    ended = database.one("select lease_token, code from automation_execution_logs where id = %s", bad)
    assert (ended["lease_token"], ended["code"] in ("lost_lease", "poisoned")) == (None, True)


def test_a_row_of_another_processor_stays_whatever_its_times_say(database: Database) -> None:
    (one,) = pending(database, workflow(database), status="processing", workflow_version=None)
    for time in (*TIMES, None):
        write(database, one, lease_expires_at=time, lease_token=None)
        tick(database, NOW + seconds(500))
        assert claim(database)["executions"] == []
        assert database.one("select status from automation_execution_logs")["status"] == "processing"


def test_a_claim_that_a_rule_refuses_ends_that_row_alone(database: Database) -> None:
    bad, good = pending(database, workflow(database), 2)
    database.sql(RULE)
    write(database, bad, completed_at="2000-01-01")
    answer = claim(database)
    assert ids(answer) == [good]
    assert [(one["id"], one["code"]) for one in answer["ended"]] == [(bad, "unrecordable")]
    assert "in_order" in row(database, bad)["reason"]


def test_an_end_that_a_rule_refuses_is_stored_without_its_time(database: Database) -> None:
    lease, (bad, good) = claimed(database)
    database.sql(RULE)
    write(database, bad, started_at="9000-01-01")
    answers = settle(database, *({"id": one, "token": lease, "ended": "done"} for one in (bad, good)))
    assert (answers[bad]["answer"], answers[bad]["code"]) == ("failed", "unrecordable")
    assert (answers[good]["answer"], answers[good]["status"]) == ("settled", "completed")
    stored = row(database, bad)
    assert (stored["status"], stored["completed_at"], stored["lease_expires_at"]) == ("failed", None, None)
    again = settle(database, {"id": bad, "token": lease, "ended": "done"})
    assert again[bad]["answer"] == "already"


def test_who_does_not_hold_the_lease_ends_nothing_by_a_bad_outcome(database: Database) -> None:
    _, (one, _) = claimed(database)
    answers = settle(database, {"id": one, "token": token(), "ended": "retry", "due_in_seconds": 1e300, "steps": 5})
    assert (answers[one]["answer"], row(database, one)["status"]) == ("lost", "processing")


def test_what_refuses_every_end_is_put_off_for_an_hour(database: Database) -> None:
    _, (bad, good) = claimed(database)
    write(database, bad, error_message="keep me")
    database.sql(
        """
        alter table automation_execution_logs
          add constraint kept check (error_message <> 'keep me' or status = 'processing');
        create function no_end() returns trigger language plpgsql as $$ begin
          if old.error_message = 'keep me' and new.status <> 'processing' then raise exception 'no'; end if; return new;
        end $$;
        create trigger no_end before update on automation_execution_logs for each row execute function no_end();
        """
    )
    tick(database, NOW + seconds(500))
    assert row(database, good)["code"] == "lost_lease"
    assert row(database, bad)["lease_expires_at"] == NOW + seconds(500 + 3600)


def test_a_stale_row_that_a_rule_refuses_keeps_nobody_in_the_backlog(database: Database) -> None:
    bad, good = pending(database, workflow(database), 2)
    database.sql(
        "alter table automation_execution_logs add constraint never check (code <> 'stale' or entity_id <> 'job-0')"
    )
    result = database.call("automation_tick", p_hold_seconds=60, p_now=NOW)
    assert result["holding"] is False
    assert (row(database, bad)["code"], row(database, good)["code"]) == ("unrecordable", "stale")


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("column", ["created_at", "started_at", "completed_at", "claimed_at", "scheduled_at"])
def test_the_figures_are_total(database: Database, column: str, time: str) -> None:
    for status in ("completed", "failed", "pending", "skipped"):
        (one,) = pending(database, workflow(database), status=status, started_at=NOW, completed_at=NOW)
        write(database, one, **{column: time})
    for page, arguments in PAGES.items():
        database.call(page, p_now=NOW, **arguments)


def test_rows_of_the_future_displace_nobody_from_the_figures(database: Database) -> None:
    pending(database, workflow(database), status="completed", started_at=NOW, completed_at=NOW)
    before = database.call("automation_metrics", p_now=NOW)["ended_last_hour"]
    database.sql(
        "insert into automation_execution_logs (status, created_at)"
        " select 'completed', case when n % 2 = 0 then 'infinity'::timestamptz else now() + interval '20 years' end"
        " from generate_series(1, 20001) n"
    )
    assert database.call("automation_metrics", p_now=NOW)["ended_last_hour"] == before == {"completed": 1}


@pytest.fixture
def adopted(empty_database: Database) -> Database:
    """An adopted app, whose json columns take what jsonb refuses."""
    old_app(empty_database)
    asyncio.run(migrate(empty_database.url))
    return empty_database


BROKEN = '{"a": "\\u0000"}'


@pytest.mark.parametrize("column", ["steps", "trigger_config", "settings"])
def test_a_workflow_that_jsonb_refuses_stops_no_claim_and_no_tick(adopted: Database, column: str) -> None:
    good, bad = old_workflow(adopted, "Good"), old_workflow(adopted, "Bad")
    adopted.sql(f"update automation_workflows set {column} = %s where id = %s", BROKEN, bad)
    adopted.sql("delete from automation_workflow_versions where workflow_id = %s", bad)
    for one in (good, bad):
        adopted.sql(
            "insert into automation_execution_logs (workflow_id, organization_id, trigger_type, trigger_data, status)"
            " values (%s, %s, 'x', '{}', 'pending')",
            one,
            NORTH,
        )
    adopted.call("automation_tick")
    answer = adopted.call("automation_claim", p_token=token())
    assert good in {one["workflow_id"] for one in answer["executions"]}
    asyncio.run(migrate(adopted.url))  # keeps the versions of workflows that have none


def test_an_execution_that_jsonb_refuses_is_shown_as_it_is(adopted: Database) -> None:
    made = old_workflow(adopted, "Good")
    one = adopted.one(
        "insert into automation_execution_logs (workflow_id, organization_id, trigger_type, trigger_data, status,"
        " actions_executed, past) values (%s, %s, 'x', %s, 'failed', %s, '7') returning id::text",
        made,
        NORTH,
        BROKEN,
        BROKEN,
    )["id"]
    for verb in ("automation_execution", "automation_execution_detail"):
        shown = adopted.call(verb, p_id=one)
        assert (shown["trigger_data"], shown["steps"], shown["attempt_history"]) == (BROKEN, [], [])


def test_a_lease_whose_workflow_was_deleted_runs_out(adopted: Database) -> None:
    lease, made = token(), old_workflow(adopted, "Good")
    for _ in range(2):
        adopted.sql(
            "insert into automation_execution_logs (workflow_id, organization_id, trigger_type, trigger_data, status)"
            " values (%s, %s, 'x', '{}', 'pending')",
            made,
            NORTH,
        )
    first, second = adopted.call("automation_claim", p_token=lease)["executions"]
    adopted.sql("update automation_execution_logs set workflow_id = null where id = %s", first["id"])
    again = adopted.call("automation_claim", p_token=lease)
    assert ids(again) == [second["id"]]
