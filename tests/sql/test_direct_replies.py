"""What the executor replied to direct mode's calls: counted from pg_net's responses, and shown with each execution."""

from __future__ import annotations

from typing import Any

import pytest

from tests import servers
from tests.servers import Database
from tests.sql.direct import install, on
from tests.sql.jobs import executions, move

pytestmark = servers.on_both_servers


@pytest.fixture
def app(database: Database) -> Database:
    """An app whose direct mode is on, with nothing called so far."""
    install(database)
    on(database)
    return database


def reply(
    database: Database, status: int | None, *, timed_out: bool = False, error: str | None = None, ago: str = "0 s"
) -> str:
    """Make a change whose call gets this reply; return the id of its execution."""
    move(database, "warm", "J-1")
    move(database, "done", "J-1")
    newest = str(executions(database)[-1]["id"])
    request = "(select max(request_id) from minutehand.direct_calls)"
    database.sql(
        f"update minutehand.direct_calls set called_at = called_at - %s::interval where request_id = {request}", ago
    )
    database.sql(
        "insert into net._http_response (id, status_code, timed_out, error_msg, content, created)"
        f" values ({request}, %s, %s, %s, 'a secret', clock_timestamp() - %s::interval)",
        status, timed_out, error, ago,
    )  # fmt: skip
    database.sql("delete from net.http_request_queue")
    return newest


def status_of(database: Database) -> Any:
    status = database.call("automation_direct_status", p_now=database.one("select clock_timestamp() as t")["t"])
    assert "a secret" not in str(status)
    return status


def counts(database: Database) -> dict[str, int]:
    return {kind: n for kind, n in status_of(database)["replies"].items() if kind != "last" and n}


REPLIES = {
    "ran": (200, False, None, "accepted", None),
    "not now": (409, False, None, "accepted", None),
    "no token": (401, False, None, "refused", "refused the call (401)"),
    "closed": (403, False, None, "refused", "refused the call (403)"),
    "wrong path": (404, False, None, "failed", "was not reached (404)"),
    "redirect": (301, False, None, "failed", "was not reached (301)"),
    "gateway": (502, False, None, "failed", "was not reached (502)"),
    "nobody": (None, False, "Couldn't connect to server", "failed", "was not reached (Couldn't connect to server)"),
    "error with a URL": (None, False, "bad http://u:p@x.example/y", "failed", "was not reached (bad …)"),
    "slow": (None, True, "Timeout of 5000 ms reached.", "unanswered", None),
}


@pytest.mark.parametrize(("code", "timed_out", "error", "kind", "line"), REPLIES.values(), ids=REPLIES)
def test_each_reply_is_counted_and_shown_with_its_execution(
    app: Database, code: int | None, timed_out: bool, error: str | None, kind: str, line: str | None
) -> None:
    execution = reply(app, code, timed_out=timed_out, error=error)
    assert counts(app) == {kind: 1}
    waits = app.call("automation_execution", p_id=execution)["waits_for"]
    assert (waits is None) == (line is None)
    assert waits is None or line in waits
    problems = status_of(app)["problems"]
    assert [kind in ("refused", "failed")] == [bool(problems)]
    assert "u:p" not in str(problems) + str(waits)


def test_a_refusal_is_a_problem_until_a_call_is_accepted(app: Database) -> None:
    reply(app, 200)
    reply(app, 401)
    reply(app, 401)
    (problem,) = status_of(app)["problems"]
    assert problem.startswith(
        "the executor refuses its calls: 2 of 3 in the last hour, the last with 401: set MINUTEHAND_"
    )
    assert status_of(app)["replies"]["last"]["answer"] == "401"
    reply(app, 200)
    assert (status_of(app)["problems"], counts(app)) == ([], {"accepted": 2, "refused": 2})


def test_an_hour_later_and_of_other_requests_nothing_is_counted(app: Database) -> None:
    reply(app, 401, ago="2 hours")
    app.sql("insert into net._http_response (id, status_code) values (987654, 401)")
    assert (counts(app), status_of(app)["problems"]) == ({}, [])


def test_an_execution_that_ended_or_is_not_due_says_nothing_of_the_call(app: Database) -> None:
    ended, later = reply(app, 401), reply(app, 401)
    app.sql("update automation_execution_logs set status = 'completed' where id = %s", ended)
    app.sql("update automation_execution_logs set scheduled_at = now() + interval '1 day' where id = %s", later)
    assert app.call("automation_execution", p_id=ended)["waits_for"] is None
    assert app.call("automation_execution", p_id=later)["waits_for"].startswith("it is not due before")


@pytest.mark.parametrize(
    "harm",
    [
        "drop schema net cascade",
        "drop table net._http_response",
        "alter table net._http_response rename column status_code to status",
        "truncate net._http_response",
    ],
)
def test_without_pg_net_or_its_responses_nothing_is_known(app: Database, harm: str) -> None:
    execution = reply(app, 401)
    app.sql(harm)
    assert counts(app) == {}
    assert app.call("automation_execution", p_id=execution)["waits_for"] is None
    assert app.call("automation_doctor")["direct"]["status"]["replies"]["last"] is None


def test_calls_are_kept_as_long_as_the_responses_and_deleted_in_bounded_batches(app: Database) -> None:
    app.sql(
        "insert into minutehand.direct_calls select -n, gen_random_uuid(), now() - interval '7 hours'"
        " from generate_series(1, 7000) n"
    )
    reply(app, 200)
    kept = []
    for _ in range(3):
        app.call("automation_tick")
        kept.append(app.one("select count(*) as n from minutehand.direct_calls")["n"])
    assert kept == [2002, 2, 2], "the two calls of this test stay"
