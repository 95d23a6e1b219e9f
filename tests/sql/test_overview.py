"""What the dashboard's functions share: alike messages, since when the queue is behind, what is one tenant's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, backlog, change, claim, pending, seconds, workflow

pytestmark = on_both_servers


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("step Thanks: answered 503, 17 in line", "step Thanks: answered 503, # in line"),
        ("the receiver refused the request with 404", "the receiver refused the request with 404"),
        ("J-404 has no address", "J-# has no address"),
        ("took 503.5 s, 12:03:44", "took # s, #"),
        ("mail to a.b@example.com failed", "mail to … failed"),
        ("row 01a2120a-d49d-70d1-aac4-8aea6379252e is gone", "row … is gone"),
        (None, ""),
    ],
    ids=["status", "end", "row", "times", "address", "id", "none"],
)
def test_alike_messages_are_one_and_answers_stay_apart(database: Database, reason: str | None, message: str) -> None:
    assert database.one("select minutehand.error_pattern(%s) as said", reason)["said"] == message


def beats(database: Database, *due: int | None) -> Any:
    """Make a beat a minute up to NOW, of so many due (None: nobody looked); gives the minutes that it is behind."""
    for number, count in enumerate(reversed(due)):
        if count is not None:
            at = NOW - seconds(60 * number)
            database.sql("insert into minutehand.tick_log (minute, first_at, due) values (%s, %s, %s)", at, at, count)
    since = database.one("select minutehand.behind_since(%s) as since", NOW)["since"]
    return None if since is None else (NOW - since).total_seconds() / 60


@pytest.mark.parametrize(
    ("due", "minutes"),
    [
        ((0, 3, 10), None),
        ((40, 0, 12), 0),
        ((0, 11, 30, 400), 2),
        ((0, 30, None, None, 31), 3),
        ((400, 400, 2), None),
        ((400, *[None] * 20), None),
    ],
    ids=["kept up", "just now", "since", "over a silence", "caught up", "long ago"],
)
def test_the_queue_is_behind_since_its_first_look_that_found_too_much(
    database: Database, due: tuple[int | None, ...], minutes: float | None
) -> None:
    assert beats(database, *due) == minutes


def heartbeat(database: Database, mode: str, *, ago: float = 0, **columns: Any) -> None:
    """Record a heartbeat as a processor does; `columns`: its batch_size and tick_seconds."""
    worker = {"id": f"{mode}-{ago}-{columns}", "mode": mode, "host": "app-1", **columns}
    database.call("automation_tick", p_worker=worker, p_now=NOW - seconds(ago))


@pytest.mark.parametrize(
    ("seen", "pace"),
    [
        ([], (False, 10, 60)),
        ([("run-once", 5, 10, 60)], (False, 10, 60)),
        ([("run-once", 5, 25, 60)], (False, 25, 60)),
        ([("run-once", 65, 10, 60), ("run-once", 5, 50, 60)], (False, 50, 60)),
        ([("start", 5, 10, 30)], (False, 10, 30)),
        ([("run-once", 5, 10, 60), ("worker", 30, None, None)], (True, 10, 60)),
        ([("run-once", 5, 10, 60), ("worker", 200, None, None)], (False, 10, 60)),
        ([("run-once", 60, None, 60)], (True, 10, 60)),
        ([("sweep", 20, 40, 60)], (False, 40, 60)),
        ([("run-once", 7200, 25, 60)], (False, 25, 60)),
    ],
    ids=[
        "nobody", "cron", "its own size", "last size", "every 30 s", "beside a worker", "worker is gone", "drain",
        "pg_cron", "long ago",
    ],
)  # fmt: skip
def test_the_pace_is_that_of_the_processors_that_were_seen(
    database: Database, seen: list[tuple[str, float, int | None, float | None]], pace: tuple[bool, int, float]
) -> None:
    for mode, ago, size, every in sorted(seen, key=lambda one: -one[1]):
        heartbeat(database, mode, ago=ago, batch_size=size, tick_seconds=every)
    found = database.one("select minutehand.tick_pace(%s) as pace", NOW)["pace"]
    assert (found["continuous"], found["per_tick"], found["tick_seconds"]) == pace
    assert database.call("automation_metrics", p_now=NOW)["pace"] == found
    assert database.call("automation_overview", p_now=NOW)["figures"]["pace"] == found
    assert "pace" not in database.call("automation_overview", p_tenant="user-1", p_now=NOW)["figures"]


def test_behind_is_measured_by_the_size_of_the_batch_that_runs(database: Database) -> None:
    heartbeat(database, "run-once", ago=30, batch_size=50, tick_seconds=60)
    database.sql("delete from minutehand.tick_log")
    assert beats(database, 30, 40, 50) is None
    heartbeat(database, "run-once", ago=20, batch_size=20, tick_seconds=60)
    assert database.one("select minutehand.behind_since(%s) as since", NOW)["since"] == NOW - seconds(120)


def test_the_overview_shows_a_tenant_its_own_figures_alone(database: Database) -> None:
    ours, theirs = workflow(database, user="user-1"), workflow(database, user="user-2")
    backlog(database, ours, 3)
    backlog(database, theirs, 5, user="user-2")
    (failed, *_) = pending(database, ours, 2, created_at=NOW - seconds(60))
    change(database, failed, status="failed", code="uncertain_send", completed_at=NOW, scheduled_at=NOW - seconds(50))
    claim(database, 1, p_ids=[pending(database, theirs, user_id="user-2")[0]])
    seen = database.call("automation_overview", p_tenant="user-1", p_now=NOW, p_from=NOW - seconds(3600))
    figures = seen["figures"]
    assert (figures["pending"], figures["due"], figures["processing"], figures["uncertain"]) == (4, 4, 0, 1)
    assert figures["last_hour"] == {"failed": 1, "pending": 1}
    assert [one["id"] for one in seen["workflows"]] == [ours]
    assert (seen["incidents"], seen["behind_since"], figures["workers"]) == ([], None, [])
    assert [group["code"] for group in seen["groups"]] == ["uncertain_send"]
    assert sum(count for bar in seen["bars"] for status, count in bar.items() if status != "at") == 2
    everybody = database.call("automation_overview", p_now=NOW)
    assert (everybody["figures"]["pending"], everybody["figures"]["processing"]) == (9, 1)


def test_the_overview_brings_the_facts_of_each_workflow(database: Database) -> None:
    unknown = workflow(database, trigger_type="invoice_paid")
    by_hand = workflow(database, trigger_type="manual")
    workflows = database.call("automation_overview", p_now=NOW)["workflows"]
    assert {one["id"]: one["emitted"] for one in workflows} == {unknown: False, by_hand: True}
    assert [one["definition"]["steps"] is None for one in workflows] == [False, False]
