"""Loops end (R11): a change knows the execution that caused it, and a chain of causes has an end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import servers
from tests.servers import Database
from tests.sql.jobs import TABLE, events, executions, fired, match, move, watched_jobs, workflow

pytestmark = servers.on_both_servers


def caused(database: Database, cause: Any, status: str, job: str = "J-1", *, by: str = "setting") -> None:
    """Change a job as an execution does: by a setting of the transaction, or through the API with a header."""
    name, value = ("minutehand.cause", str(cause))
    if by == "header":
        name, value = ("request.headers", json.dumps({"host": "example.com", "x-minutehand-cause": str(cause)}))
    with database.connection.transaction():
        database.sql("select set_config(%s, %s, true)", name, value)
        move(database, status, job)


def newest(database: Database) -> dict[str, Any]:
    """The newest execution."""
    return executions(database)[-1]


@pytest.mark.parametrize("by", ["setting", "header"])
@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
def test_a_workflow_does_not_start_itself_again_on_its_own_row(database: Database, by: str, late: bool) -> None:
    watched_jobs(database, count=2)
    workflow(database, settings={"rate_limit": None})
    move(database, "a")
    first = newest(database)
    if late:
        database.sql("set minutehand.blocked = 'matching'")
    caused(database, first["id"], "b", by=by)
    match(database)
    log = newest(database)
    assert (log["status"], log["code"], log["caused_by"], log["chain_depth"]) == ("skipped", "loop", first["id"], 1)
    assert str(first["id"]) in log["reason"]
    caused(database, first["id"], "b", "J-2", by=by)
    match(database)
    other = newest(database)
    assert (other["status"], other["caused_by"], other["chain_depth"]) == ("pending", first["id"], 1)


def test_two_workflows_that_start_each_other_end(database: Database) -> None:
    watched_jobs(database)
    workflow(database, "ping", trigger_type="job_ping", settings={"rate_limit": None})
    workflow(database, "pong", trigger_type="job_pong", settings={"rate_limit": None})
    move(database, "ping")
    caused(database, newest(database)["id"], "pong")
    caused(database, newest(database)["id"], "ping")
    assert fired(database) == ["ping", "pong", "ping: loop"]


def test_a_chain_of_new_rows_ends_at_the_limit(database: Database) -> None:
    watched_jobs(database, count=8)
    workflow(database)
    move(database, "a")
    for number in range(2, 8):
        caused(database, newest(database)["id"], "a", f"J-{number}")
    logs = executions(database)
    assert [log["chain_depth"] for log in logs] == [0, 1, 2, 3, 4, 5, 6]
    assert [log["code"] for log in logs] == [None] * 6 + ["loop"]
    assert logs[-1]["reason"] == "a chain of 6 executions caused each other; the limit is 5"


def test_a_loop_is_told_before_a_rate_limit(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    move(database, "a")
    first = newest(database)["id"]
    caused(database, first, "b")
    caused(database, first, "a")
    assert fired(database) == ["tell", "tell: loop", "tell: loop"]


def test_another_tenants_cause_is_not_believed(database: Database) -> None:
    watched_jobs(database)
    database.sql("insert into jobs (id, organization_id) values ('S-1', 'south')")
    workflow(database)
    workflow(database, "southern", organization_id="south")
    move(database, "a", "S-1")
    caused(database, newest(database)["id"], "a")
    log = newest(database)
    assert (log["name"], log["status"], log["caused_by"], log["chain_depth"]) == ("tell", "pending", None, 0)


def test_a_users_rows_believe_their_own_causes(database: Database) -> None:
    database.sql("create table jobs (id text primary key, user_id text, status text)")
    database.call("automation_trigger_add", p_table="jobs")
    workflow(database, user_id="u-1", organization_id="north")
    database.sql("insert into jobs values ('J-1', 'u-1', 'new')")
    move(database, "a")
    caused(database, newest(database)["id"], "b")
    assert fired(database) == ["tell", "tell: loop"]


def test_an_app_of_one_tenant_believes_its_own_causes(database: Database) -> None:
    database.sql(TABLE)
    database.call("automation_trigger_add", p_table="jobs", p_tenant="none")
    workflow(database, organization_id=None, user_id="u-1")
    database.sql("insert into jobs (id) values ('J-1')")
    move(database, "a")
    caused(database, newest(database)["id"], "b")
    assert fired(database) == ["tell", "tell: loop"]


@pytest.mark.parametrize("by", ["setting", "header"])
@pytest.mark.parametrize("cause", ["garbage", "0189d5f5-0000-7000-8000-000000000001", "'; drop table jobs; --", "{}"])
def test_garbage_for_a_cause_is_ignored(database: Database, cause: str, by: str) -> None:
    watched_jobs(database)
    workflow(database)
    caused(database, cause, "a", by=by)
    log = newest(database)
    assert (log["status"], log["caused_by"], log["chain_depth"]) == ("pending", None, 0)


@pytest.mark.parametrize(
    "headers",
    ["x-minutehand-cause", '["x-minutehand-cause"]', '{"x-minutehand-cause": 7}', '"x-minutehand-cause"', "{"],
)
def test_headers_that_cannot_be_read_are_ignored(database: Database, headers: str) -> None:
    watched_jobs(database)
    workflow(database)
    with database.connection.transaction():
        database.sql("select set_config('request.headers', %s, true)", headers)
        move(database, "a")
    assert events(database)[0]["cause"] is None
    assert fired(database) == ["tell"]


def test_the_setting_wins_over_the_header_and_lasts_for_its_transaction(database: Database) -> None:
    watched_jobs(database)
    ours, theirs = "0189d5f5-0000-7000-8000-000000000001", "0189d5f5-0000-7000-8000-000000000002"
    with database.connection.transaction():
        database.sql("select set_config('request.headers', %s, true)", json.dumps({"x-minutehand-cause": theirs}))
        move(database, "a")
        database.sql("select set_config('minutehand.cause', %s, true)", ours)
        move(database, "b")
    move(database, "c")
    assert [event["cause"] and str(event["cause"]) for event in events(database)] == [theirs, ours, None]


LISTENER = {"id": "worker-1", "mode": "worker", "listens": True}


def heard(database: Database, worker: dict[str, Any] | None, statements: list[str], *, beat: str | None = None) -> Any:
    """The notifications of one transaction with these statements, beside this worker."""
    watched_jobs(database, count=3)
    workflow(database)
    if worker:
        database.call("automation_tick", p_worker=worker, p_now=beat)
    database.sql("listen minutehand")
    with database.connection.transaction():
        for statement in statements:
            database.sql(statement)
    return [(n.channel, n.payload) for n in database.connection.notifies(timeout=0.05)]


MANY = ["update jobs set status = 'a'", "update jobs set status = 'b'", "update jobs set title = 'x', status = 'c'"]


def test_a_listening_worker_is_woken_once_a_transaction_with_nothing_to_read(database: Database) -> None:
    assert heard(database, LISTENER, MANY) == [("minutehand", "")]
    assert len(executions(database)) == 9


def test_nobody_listening_is_nobody_told(database: Database) -> None:
    assert heard(database, None, MANY) == []


def test_a_worker_that_polls_is_not_told(database: Database) -> None:
    assert heard(database, LISTENER | {"listens": False}, MANY) == []


def test_a_worker_that_fell_silent_is_not_told(database: Database) -> None:
    assert heard(database, LISTENER, MANY, beat="2021-01-01T00:00:00Z") == []


def test_a_change_that_starts_nothing_tells_nobody(database: Database) -> None:
    assert heard(database, LISTENER, ["update jobs set title = 'Roof'"]) == []
