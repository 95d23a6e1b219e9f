"""`executions retry` and `cancel` of all that match a search."""

from __future__ import annotations

import json

import pytest

from tests.journeys.app import App, email
from tests.unit.conftest import Call

#: Status, code and how many.
HISTORY = [
    ("failed", "http_error", 230), ("failed", "uncertain_send", 3), ("skipped", "rate_limited", 4),
    ("skipped", "opted_out", 2), ("pending", None, 5), ("completed", None, 6), ("cancelled", "cancelled", 7),
]  # fmt: skip


@pytest.fixture
def at(call, database) -> Call:
    """Call it on the test's database, with a history."""
    App(database).workflow(email(), name="Thanks")
    for status, code, n in HISTORY:
        database.sql(
            "insert into automation_execution_logs (workflow_id, organization_id, trigger_type, status, code, reason)"
            " select id, 'north', 'x', %s, %s, 'y' from automation_workflows, generate_series(1, %s)",
            status, code, n,
        )  # fmt: skip
    return lambda *arguments, **environment: call(*arguments, DATABASE_URL=database.url, **environment)


#: The search, and the lines of its preview; or what is wrong with it.
PREVIEWS = [
    (("retry", "workflow:Thanks"), ["230 executions would be retried",
     "3 left alone, unconfirmed: executions resolve", "6 left alone, skipped: name them with status:skipped"]),
    (("retry", "status:failed", "code:http_error"), ["230 executions would be retried"]),
    (("retry", "code:rate_limited"), ["4 executions would be retried"]),
    (("retry", "status:skipped"), ["6 executions would be retried"]),
    (("retry", "code:uncertain_send"), ["0 executions would be retried",
     "3 left alone, unconfirmed: executions resolve"]),
    (("retry", "until:2020-01-01"), ["0 executions would be retried"]),
    (("cancel", "workflow:Thanks"), ["5 executions would be cancelled"]),
    (("retry", "status:completed"), "completed executions can't be retried, only failed and skipped ones"),
    (("cancel", "status:failed"), "failed executions can't be cancelled, only pending and processing ones"),
    (("retry", "state:failed"), "Can't read 'state:failed'"),
    (("retry", "status:failed", "01a209d4"), "give ids or search terms, not both"),
    (("retry", "01a209d4"), "--spread and --dry-run go with search terms"),
    (("retry", "status:failed", "--spread", "2d"), "--spread may be at most 1d"),
    (("cancel", "status:pending", "--reason", "x"), "--reason goes with ids"),
]  # fmt: skip


def test_a_dry_run_says_how_many_and_what_is_left_alone(at, database):
    for arguments, expected in PREVIEWS:
        done = at("executions", *arguments, "--dry-run")
        if isinstance(expected, str):
            assert (done.code, done.out) == (2, ""), arguments
            assert expected in done.err, arguments
        else:
            assert (done.code, done.out.splitlines()) == (0, expected), (arguments, done.err)
    found = json.loads(at("executions", "retry", "workflow:Thanks", "--dry-run", "-o", "json").out)
    assert (found["count"], found["left_alone"]) == (233, {"uncertain_send": 3, "skipped": 6})
    assert database.sql("select * from automation_bulk_actions") == []


def test_without_a_terminal_it_needs_a_yes(at, database):
    done = at("executions", "retry", "status:failed")
    assert (done.code, done.out) == (2, "")
    assert "say --yes" in done.err
    assert database.sql("select * from automation_bulk_actions") == []


def test_it_is_done_in_steps_and_kept_with_who_did_it(at, database):
    assert at("executions", "retry", "workflow:Thanks", "--yes").out == "230 retried, 3 left alone\n"
    count = "select count(*) from automation_execution_logs where status = %s"
    assert database.one(count, "pending")["count"] == 235
    assert database.one(count, "skipped")["count"] == 6
    (bulk,) = database.sql("select * from automation_bulk_actions")
    assert (bulk["status"], bulk["total"], bulk["note"]) == ("finished", 233, "workflow:Thanks")
    assert bulk["actor"]["via"] == "cli"
    cancelled = json.loads(at("executions", "cancel", "status:pending", "--yes", "-o", "json").out)
    assert (cancelled["done"], cancelled["left_alone"], cancelled["status"]) == (235, 0, "finished")
    audited = database.sql("select action, actor from automation_audit where action like 'bulk%%' order by id")
    assert [(row["action"], row["actor"]["via"]) for row in audited] == [("bulk_retry", "cli"), ("bulk_cancel", "cli")]
    assert at("executions", "retry", "code:nothing", "--yes").out == "0 retried\n"
