"""automation_bulk_start, _step, _stop, _get: an action on all executions that match, step by step, by any server."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, pending, seconds, session, together, workflow

pytestmark = on_both_servers
FAILED = {"status": "failed"}


def failed(database: Database, count: int = 1, **columns: Any) -> list[str]:
    """Insert executions that failed; return their ids."""
    values = {"status": "failed", "code": "refused", "completed_at": NOW, **columns}
    return pending(database, workflow(database), count, **values)


def start(database: Database, filters: dict[str, Any] = FAILED, action: str = "retry", **more: Any) -> dict[str, Any]:
    bulk: dict[str, Any] = database.call(
        "automation_bulk_start", p_action=action, p_filter=filters, **{"p_now": NOW, **more}
    )
    return bulk


def step(database: Database, bulk: dict[str, Any] | None = None, after: float = 0, **more: Any) -> Any:
    id_ = None if bulk is None else bulk["id"]
    return database.call("automation_bulk_step", p_id=id_, p_now=NOW + seconds(after), **more)


def statuses(database: Database) -> dict[str, int]:
    rows = database.sql("select status, count(*) as n from automation_execution_logs group by status")
    return {row["status"]: row["n"] for row in rows}


def test_it_is_counted_first_and_done_in_steps(database: Database) -> None:
    failed(database, 5)
    bulk = start(database, p_actor={"name": "ops"}, p_note="what is broken")
    assert (bulk["total"], bulk["done"], bulk["status"], bulk["wait_seconds"]) == (5, 0, "running", 0)
    assert (bulk["actor"], bulk["note"], bulk["filter"]) == ({"name": "ops"}, "what is broken", FAILED)
    progress = [(row["done"], row["status"]) for row in (step(database, bulk, p_limit=2) for _ in range(3))]
    assert progress == [(2, "running"), (4, "running"), (5, "finished")]
    assert statuses(database) == {"pending": 5}
    again = step(database, bulk)
    assert (again["done"], again["status"], again["wait_seconds"]) == (5, "finished", None)


def test_an_action_on_nothing_has_finished(database: Database) -> None:
    bulk = start(database)
    assert (bulk["total"], bulk["status"]) == (0, "finished")
    assert step(database) is None


def test_it_cancels_what_waits(database: Database) -> None:
    pending(database, workflow(database), 3)
    assert step(database, start(database, {"status": "pending"}, "cancel"))["done"] == 3
    assert statuses(database) == {"cancelled": 3}


def test_what_is_refused_is_counted_and_passed_over(database: Database) -> None:
    failed(database, 2)
    failed(database, 2, code="uncertain_send")
    bulk = start(database)
    rows = [step(database, bulk, p_limit=1) for _ in range(4)]
    assert (rows[-1]["done"], rows[-1]["failed"], rows[-1]["status"]) == (2, 2, "finished")
    assert statuses(database) == {"pending": 2, "failed": 2}


def test_its_spread_is_kept_by_whoever_does_the_steps(database: Database) -> None:
    failed(database, 10)
    bulk = start(database, p_spread_seconds=100)
    assert (step(database, bulk)["done"], step(database, bulk)["done"]) == (1, 1)
    assert step(database) is None, "none is due"
    assert step(database, bulk, after=1)["wait_seconds"] == 9
    assert step(database, bulk, after=10)["done"] == 2
    assert step(database, after=45)["done"] == 5, "a server that was away catches up with the plan and no further"
    assert step(database, after=200)["status"] == "finished"


def test_any_server_goes_on_with_the_one_that_waits_longest(database: Database) -> None:
    failed(database, 2)
    failed(database, 2, code="unreachable")
    first = start(database, {"code": "refused"})
    second = start(database, {"code": "unreachable"}, p_now=NOW + seconds(1))
    assert [step(database, after=5)["id"] for _ in range(2)] == [first["id"], second["id"]]
    assert step(database, after=5) is None


def test_it_is_stopped_by_anybody_and_the_rest_stays(database: Database) -> None:
    failed(database, 3)
    bulk = start(database)
    step(database, bulk, p_limit=1)
    assert database.call("automation_bulk_stop", p_id=bulk["id"])["status"] == "stopped"
    assert step(database, bulk)["done"] == 1
    assert database.call("automation_bulk_stop", p_id=bulk["id"])["status"] == "stopped"
    assert statuses(database) == {"pending": 1, "failed": 2}


def test_two_servers_at_once_do_each_execution_once(database: Database) -> None:
    failed(database, 40)
    bulk = start(database)

    def work(session: Database) -> None:
        while step(session, bulk, p_limit=3)["status"] == "running":
            pass

    together(database, *[work] * 4)
    row = database.call("automation_bulk_get", p_id=bulk["id"])
    assert (row["done"], row["failed"], row["status"]) == (40, 0, "finished")
    histories = database.sql("select jsonb_array_length(past) as n from automation_execution_logs")
    assert {history["n"] for history in histories} == {1}


def test_a_step_of_another_server_is_not_waited_for(database: Database) -> None:
    failed(database, 2)
    bulk = start(database)
    with session(database) as other:
        other.sql("begin")
        assert step(other, bulk)["done"] == 2
        assert step(database, bulk)["done"] == 0
        assert step(database) is None
        other.sql("commit")


def test_the_tick_says_how_many_run(database: Database) -> None:
    failed(database)
    assert database.call("automation_tick", p_now=NOW)["bulk_actions"] == 0
    start(database)
    assert database.call("automation_tick", p_now=NOW)["bulk_actions"] == 1


def test_the_audit_keeps_who_started_and_stopped_it(database: Database) -> None:
    (first, _) = failed(database, 2)
    bulk = start(database, p_actor={"via": "dashboard", "name": "ops"})
    step(database, bulk, p_limit=1)
    database.call("automation_bulk_stop", p_id=bulk["id"], p_actor={"via": "dashboard", "name": "ann"})
    rows = database.sql("select action, target, actor ->> 'name' as name from automation_audit order by id")
    assert [(row["action"], row["name"]) for row in rows] == [
        ("bulk_retry", "ops"),
        ("retry", "ops"),
        ("bulk_stop", "ann"),
    ]
    assert (rows[0]["target"], rows[2]["target"]) == (bulk["id"], bulk["id"])
    assert rows[1]["target"] != first, "the newest comes first"


def test_an_error_stops_it(database: Database) -> None:
    failed(database)
    bulk = start(database, p_note="all")
    database.sql("""update automation_bulk_actions set filter = '{"since": "noon"}'""")
    row = step(database, bulk)
    assert (row["status"], row["done"]) == ("stopped", 0)
    assert row["note"].startswith("all; stopped by an error: invalid input syntax")


def test_ten_run_at_once(database: Database) -> None:
    failed(database, 2)
    bulks = [start(database) for _ in range(10)]
    with pytest.raises(psycopg.DatabaseError, match="ten bulk actions are running"):
        start(database)
    database.call("automation_bulk_stop", p_id=bulks[0]["id"])
    start(database)


def test_old_ones_are_forgotten(database: Database) -> None:
    failed(database)
    old, running = start(database), start(database)
    database.call("automation_bulk_stop", p_id=old["id"], p_now=NOW)
    start(database, p_now=NOW + seconds(31 * 86_400))
    kept = {str(row["id"]) for row in database.sql("select id from automation_bulk_actions")}
    assert (old["id"] in kept, running["id"] in kept) == (False, True)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        ("automation_bulk_start", {"p_action": "delete", "p_filter": {}}, "delete is not a bulk action"),
        ("automation_bulk_start", {"p_action": "retry", "p_filter": {"since": "noon"}}, "invalid input syntax"),
        ("automation_bulk_step", {"p_id": "nothing"}, "there is no bulk action nothing"),
        ("automation_bulk_stop", {"p_id": "nothing"}, "there is no bulk action nothing"),
        ("automation_bulk_get", {"p_id": "nothing"}, "there is no bulk action nothing"),
    ],
)
def test_what_cannot_be_done_is_refused(
    database: Database, function: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(psycopg.DatabaseError, match=message):
        database.call(function, **arguments)
