"""automation_dry_run: what a run of a workflow would see."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from tests import servers
from tests.servers import Database
from tests.sql.jobs import STEPS, counts, move, watched_jobs, when, workflow

pytestmark = servers.on_both_servers


def preview(database: Database, **arguments: Any) -> Any:
    before = counts(database)
    found = database.call("automation_dry_run", **{"p_workflow": "tell", **arguments})
    assert counts(database) == before
    return found


def codes(found: Any) -> list[str]:
    return [stop["code"] for stop in found["stops"]]


def test_the_newest_change_of_the_row_is_played(database: Database) -> None:
    watched_jobs(database)
    move(database, "planned")
    made = workflow(database, trigger_config=when("status", ["planned"], "changed_to"), settings={"rate_limit": None})
    database.sql("update jobs set title = 'Another' where id = 'J-1'")
    found = preview(database, p_row="J-1")
    assert (found["workflow"]["id"], found["type"], found["entity_id"]) == (made, "job", "J-1")
    assert (found["row"]["title"], found["old"]["title"], found["old"]["status"]) == (
        "Another",
        "Boiler repair",
        "scheduled",
    )
    assert found["trigger_data"] == {
        "table_name": "jobs",
        "operation": "UPDATE",
        "record_id": "J-1",
        "old_status": "scheduled",
        "new_status": "planned",
    }
    assert (found["conditions"]["held"], found["stops"]) == (True, [])
    assert found["since"] is not None


def test_a_row_without_such_a_change_has_no_old(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    found = preview(database, p_row="J-1")
    assert (found["old"], found["since"], found["trigger_data"]["operation"]) == (None, None, "ENQUEUE")


def test_a_payload_alone_plays_an_enqueue(database: Database) -> None:
    workflow(database, trigger_type="manual")
    found = preview(database, p_payload={"amount": 7})
    assert found["trigger_data"] == {"operation": "ENQUEUE", "payload": {"amount": 7}}
    assert (found["row"], found["conditions"], found["stops"]) == (None, None, [])


def test_all_that_would_stop_it_is_told(database: Database) -> None:
    watched_jobs(database)
    made = workflow(database)
    move(database, "done")
    started = preview(database, p_row="J-1")
    assert (codes(started), started["execution"]["status"]) == ([], "pending"), "it does not count against itself"
    database.sql("update automation_workflows set trigger_config = %s::jsonb", '{"conditions": {"status": "open"}}')
    database.sql("update automation_workflows set is_active = false")
    database.sql("insert into automation_control (scope, target) values ('workflow', %s)", made)
    found = preview(database, p_row="J-1")
    assert [(stop["as_of"], stop["code"]) for stop in found["stops"]] == [
        ("now", "workflow_off"), ("now", "paused"), ("now", "bad_workflow"), ("now", "conditions"),
    ]  # fmt: skip


def test_what_may_be_written_is_told(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    assert preview(database, p_row="J-1")["writable"] == []
    database.call("automation_trigger_add", p_table="jobs", p_writable=True)
    assert preview(database, p_row="J-1")["writable"] == ["jobs"]


def test_what_is_not_there_or_anothers_is_refused(database: Database) -> None:
    watched_jobs(database)
    workflow(database, organization_id="south")
    for arguments, state in (({"p_row": "J-1"}, "MH400"), ({"p_row": "J-9"}, "MH404"), ({}, "MH400")):
        with pytest.raises(psycopg.Error) as caught:
            preview(database, **arguments)
        assert caught.value.sqlstate == state


MOVED = "update jobs set status = 'done' where id = 'J-1'"
TURN = "update automation_workflows set "
OPEN = f"{TURN} trigger_config = '{json.dumps(when('status', 'open'))}'"
#: What happens (`{}` is the change) -> what keeps the change from starting the workflow, and as of when.
CASES: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "it starts": ("{}", []),
    "switched off since": (f"{{}}; {TURN} is_active = false", [("now", "workflow_off")]),
    "off then, on since": (f"{TURN} is_active = false; {{}}; {TURN} is_active = true", [("then", "workflow_off")]),
    "draft then": (f"{TURN} status = 'draft'; {{}}; {TURN} status = 'active'", [("then", "workflow_off")]),
    "created later": (f"{{}}; {TURN} created_at = clock_timestamp()", []),
    "created after the change": (f"{TURN} is_active = false, created_at = now() + interval '1 day'; {{}}",
                                 [("then", "created_later"), ("then", "workflow_off"), ("now", "workflow_off")]),
    "conditions not met": (f"{OPEN}; {{}}", [("then", "conditions")]),
    "conditions others since": (f"{{}}; {OPEN}", [("now", "conditions")]),
    "conditions met since": (
        f"{OPEN}; {{}}; {TURN} trigger_config = jsonb_build_object()",
        [("then", "conditions")],
    ),
    "the row moved on": (
        f"{TURN} trigger_type = 'job_done', trigger_config = '{json.dumps(when('status', 'done'))}'; {{}};"
        " update jobs set status = 'open'", [],
    ),
    "an excluded column": (
        f"{TURN} trigger_config = '{json.dumps(when('search', 'x'))}'; {{}}", [("then", "conditions")],
    ),
    "another type": (f"{TURN} trigger_type = 'job_lost'; {{}}", [("then", "other_type")]),
    "another type then": (
        f"{TURN} trigger_type = 'job_lost'; {{}}; {TURN} trigger_type = 'job_done'", [("then", "other_type")],
    ),
    "no steps then": (f"{TURN} steps = '[]'; {{}}; {TURN} steps = '{json.dumps(STEPS)}'", [("then", "bad_workflow")]),
    "steps gone since": (f"{{}}; {TURN} steps = '[]'", [("now", "bad_workflow")]),
    "not matched yet": ("{}; delete from automation_execution_logs; update automation_events set matched_at = null",
                        [("then", "not_matched_yet")]),
    "set aside": ("{}; delete from automation_execution_logs;"
                  " update automation_events set matched_at = null, match_attempts = 5, error = 'x'",
                  [("then", "match_set_aside")]),
    "not matched, and limited": (
        "{}; update automation_execution_logs set event_id = null; update automation_events set matched_at = null",
        [("then", "not_matched_yet"), ("then", "rate_limited")],
    ),
    "limited": ("update jobs set status = 'done'; update jobs set status = 'open'; {}", [("then", "rate_limited")]),
    "imported quietly": ("set minutehand.quiet = 'on'; {}; reset minutehand.quiet", [("then", "imported_quietly")]),
    "paused": ("{}; insert into automation_control (scope) values ('all')", [("now", "paused")]),
    "gone": ("{}; delete from jobs", [("now", "row_gone")]),
    "by hand": (f"{TURN} trigger_type = 'manual', trigger_config = '{json.dumps(when('status', 'open'))}'; {{}}", []),
    "spelling": ("update jobs set status = 'Scheduled'", [("then", "other_type")]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_it_judges_the_change_as_of_then_and_the_run_as_of_now(database: Database, name: str) -> None:
    watched_jobs(database, p_exclude=["search"])
    workflow(database)
    script, expected = CASES[name]
    for statement in script.replace("{}", MOVED).split("; "):
        database.sql(statement)
    found = preview(database, p_row="J-1")
    assert [(stop["as_of"], stop["code"]) for stop in found["stops"]] == expected, found["stops"]
    started = database.sql("select id from automation_execution_logs where event_id is not null and status = 'pending'")
    if name not in ("limited", "gone"):
        assert (found["execution"] is not None) == bool(started)
    if name == "an excluded column":
        assert "excluded" in json.dumps(found["conditions"])
    if name == "the row moved on":
        assert (found["row"]["status"], found["trigger_data"]["new_status"]) == ("open", "done")
        assert found["conditions"]["held"] is True
    if name == "gone":
        assert found["row"]["title"] == "Boiler repair"


def test_a_row_that_names_no_tenant_is_not_of_another_one(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    database.sql(
        "insert into jobs (id, status) values ('J-0', 'open'); update jobs set status = 'done' where id = 'J-0'"
    )
    for function in ("automation_dry_run", "automation_enqueue"):
        with pytest.raises(psycopg.Error, match="names no tenant: organization_id is null") as caught:
            database.call(function, p_workflow="tell", p_row="J-0")
        assert caught.value.sqlstate == "MH400"
    move(database, "done")
    database.sql("update jobs set organization_id = null where id = 'J-1'")
    with pytest.raises(psycopg.Error, match="names no tenant"):
        preview(database, p_row="J-1")


def test_the_table_of_another_type_is_not_the_only_one_that_is_watched(database: Database) -> None:
    watched_jobs(database)
    workflow(database, trigger_type="invoice_paid")
    with pytest.raises(psycopg.Error, match='no watched table has the trigger type "invoice_paid"') as caught:
        preview(database, p_row="J-1")
    assert caught.value.sqlstate == "MH404"
    workflow(database, "by hand", trigger_type="manual")
    assert preview(database, p_workflow="by hand", p_row="J-1")["row"]["title"] == "Boiler repair"


@pytest.mark.parametrize(
    ("prepare", "recipient", "expected"),
    [
        ("", "ann@example.com", ("go", None)),
        ("insert into automation_opt_outs (channel, address) values ('email', 'ann@example.com')", "Ann@Example.com",
         ("refused", "opted_out")),
        ("insert into automation_opt_outs (tenant, channel, address) values ('south', 'email', 'ann@example.com')",
         "ann@example.com", ("go", None)),
        ("insert into automation_opt_outs (channel, address) values ('sms', '+12025550123')", "ann@example.com",
         ("go", None)),
        ("insert into automation_limits (scope, n, per) values ('recipient', 0, interval '1 day')", "ann@example.com",
         ("refused", None)),
        ("insert into automation_control (scope) values ('all')", "ann@example.com", ("go", None)),
    ],
)  # fmt: skip
def test_opt_outs_and_limits_are_asked_as_a_reservation_asks_them(
    database: Database, prepare: str, recipient: str, expected: tuple[str, str | None]
) -> None:
    made = workflow(database)
    if prepare:
        database.sql(prepare)
    answer = database.call(
        "automation_may_send", p_workflow=made, p_tenant={"organization_id": "north"}, p_channel="email",
        p_recipient=recipient,
    )  # fmt: skip
    assert answer["answer"] == expected[0]
    assert expected[1] is None or answer["code"] == expected[1]
    assert database.sql("select from communication_logs") == []
