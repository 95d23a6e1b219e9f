"""What the tests of the queue share: a moment, workflows, pending rows, claims, and sessions that act at once."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tests.servers import Database

#: The tests' present.
NOW = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
_numbers = itertools.count()
ONE_EMAIL = [{"type": "email", "config": {"subject": "Done", "message": "Your job is done"}}]


def seconds(count: float) -> timedelta:
    """A short way to say it."""
    return timedelta(seconds=count)


def workflow(
    database: Database, *, user: str | None = "user-1", organization: str | None = None, **columns: Any
) -> str:
    """Save a workflow and return its id."""
    columns = {"name": "Tell the client", "trigger_type": "job_completed", "steps": ONE_EMAIL, **columns}
    columns |= {"user_id": user, "organization_id": organization, "created_at": NOW - timedelta(days=1)}
    return str(_insert(database, "automation_workflows", columns)["id"])


def pending(database: Database, workflow_id: str, count: int = 1, **columns: Any) -> list[str]:
    """Insert executions as a match makes them, one second apart, the first the oldest; return their ids."""
    made = []
    for number in range(count):
        row = {
            "workflow_id": workflow_id,
            "workflow_version": 1,
            "status": "pending",
            "trigger_data": {"table_name": "jobs", "record_id": f"job-{number}", "new_status": "completed"},
            "entity_id": f"job-{number}",
            "user_id": "user-1",
            "created_at": NOW - seconds(3600 - number),
            "event_id": database.one("select nextval('public.automation_events_id_seq') as id")["id"],
        }
        made.append(str(_insert(database, "automation_execution_logs", row | columns)["id"]))
    return made


def foreign(database: Database, workflow_id: str | None, trigger_data: Any, **columns: Any) -> str:
    """Insert an execution as an app's own code does: only what the plan's table has.  Each is younger than the last."""
    row = {
        "workflow_id": workflow_id,
        "status": "pending",
        "trigger_data": trigger_data,
        "created_at": NOW - seconds(60) + timedelta(microseconds=next(_numbers)),
    }
    return str(_insert(database, "automation_execution_logs", row | columns)["id"])


def backlog(database: Database, workflow_id: str, count: int, *, status: str = "pending", user: str = "user-1") -> None:
    """Insert `count` rows at once."""
    database.sql(
        """
        insert into automation_execution_logs (
          workflow_id, workflow_version, status, trigger_data, entity_id, user_id, created_at, event_id)
        select %s, 1, %s, '{}', 'job-' || n, %s, %s - interval '1 day' + n * interval '1 millisecond',
               nextval('public.automation_events_id_seq')
        from generate_series(1, %s) as n
        """,
        workflow_id,
        status,
        user,
        NOW,
        count,
    )


def _insert(database: Database, table: str, columns: dict[str, Any]) -> dict[str, Any]:
    names = ", ".join(columns)
    places = ", ".join(["%s"] * len(columns))
    values = [Jsonb(value) if isinstance(value, dict | list) else value for value in columns.values()]
    return database.one(f"insert into {table} ({names}) values ({places}) returning *", *values)


def token() -> str:
    """A new lease token."""
    return str(uuid.uuid4())


def claim(database: Database, limit: int = 10, **arguments: Any) -> Any:
    """Claim at NOW; returns the whole answer."""
    arguments = {"p_token": token(), "p_limit": limit, "p_now": NOW, **arguments}
    return database.call("automation_claim", **arguments)


def claimed(database: Database, limit: int = 10, **arguments: Any) -> list[str]:
    """Claim at NOW; returns the ids."""
    return ids(claim(database, limit, **arguments))


def ids(answer: Any) -> list[str]:
    """The ids of a claim's executions."""
    return [execution["id"] for execution in answer["executions"]]


def row(database: Database, execution_id: str) -> dict[str, Any]:
    """An execution as it stands."""
    return database.one("select * from automation_execution_logs where id = %s", execution_id)


def change(database: Database, execution_id: str, **columns: Any) -> None:
    """Write columns of an execution, as the app or a callee does."""
    names = ", ".join(f"{name} = %s" for name in columns)
    values = [Jsonb(value) if isinstance(value, dict | list) else value for value in columns.values()]
    database.sql(f"update automation_execution_logs set {names} where id = %s", *values, execution_id)


def settle(database: Database, *outcomes: dict[str, Any], now: datetime = NOW) -> dict[str, Any]:
    """Settle at NOW; returns the answers by id."""
    answers = database.call("automation_settle", p_outcomes=list(outcomes), p_now=now)
    return {answer["id"]: answer for answer in answers}


def success(step: str, **more: Any) -> dict[str, Any]:
    """The record of a step that worked."""
    return {"stepId": step, "name": f"step {step}", "status": "success", "result": {}, **more}


def failure(step: str, **more: Any) -> dict[str, Any]:
    """The record of a step that did not."""
    return {
        "stepId": step,
        "name": f"step {step}",
        "status": "failed",
        "code": "no_recipient",
        "error": "no e-mail",
        **more,
    }


def tick(database: Database, now: datetime = NOW, **arguments: Any) -> Any:
    """The housekeeping of one tick, and what follows it: matching the events that it picked."""
    answer = database.call("automation_tick", p_now=now, **arguments)
    if answer["to_match"]:
        database.call("automation_match", p_ids=answer["to_match"], p_now=now)
    return answer


@contextmanager
def session(database: Database) -> Iterator[Database]:
    """Another connection to the same database."""
    with psycopg.connect(database.url, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("set statement_timeout = '60s'")  # a test that blocks itself fails, and does not hang
        yield Database(database.url, connection)


def together(database: Database, *acts: Callable[[Database], Any]) -> list[Any]:
    """Run each act in a session and thread of its own, all let go at the same instant; returns what they returned."""
    barrier = threading.Barrier(len(acts), timeout=60)

    def run(act: Callable[[Database], Any]) -> Any:
        with session(database) as mine:
            barrier.wait()
            return act(mine)

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result(timeout=120) for future in [pool.submit(run, act) for act in acts]]


def while_open(
    database: Database, act: Callable[[Database], Any], blocked: Callable[[Database], Any]
) -> tuple[Any, Any]:
    """Do `act` in a transaction, commit it once `blocked` waits for it in another session; return both results."""
    with session(database) as first, ThreadPoolExecutor(1) as pool, session(database) as second:
        first.sql("begin")
        done = act(first)
        waiting = pool.submit(blocked, second)
        _wait_until_blocked(database)
        first.sql("commit")
        return done, waiting.result(timeout=120)


def _wait_until_blocked(database: Database) -> None:
    deadline = datetime.now(UTC) + timedelta(seconds=60)
    query = """
        select count(*) as n from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and state = 'active'
    """
    while database.one(query)["n"] < 1:
        assert datetime.now(UTC) < deadline, "nobody waits for a lock"
