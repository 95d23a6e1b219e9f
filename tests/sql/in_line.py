"""What the tests of ordered workflows share: executions in a line, and who of them may run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.servers import Database
from tests.sql.queue_rows import NOW, change, claim, ids, pending, row, settle, token, workflow

PARKED = "earlier_unfinished"


def in_line(
    database: Database, count: int = 3, *, waits: str = "block", entity: str = "J-1", **columns: Any
) -> list[str]:
    """Executions of one row in the order of its changes, a second apart; by default of a workflow of their own."""
    mine = columns.pop("workflow_id", None) or workflow(database)
    return pending(database, mine, count, **{"entity_id": entity, "entity_order": waits, **columns})


def take(database: Database, now: datetime = NOW, **arguments: Any) -> dict[str, str]:
    """Claim; gives the token of each execution that was claimed."""
    lease = token()
    return dict.fromkeys(ids(claim(database, p_token=lease, p_now=now, **arguments)), lease)


def end(database: Database, held: dict[str, str], ended: str = "done", now: datetime = NOW, **said: Any) -> None:
    """Settle all that is held."""
    outcomes = [{"id": one, "token": lease, "ended": ended, **said} for one, lease in held.items()]
    assert {answer["answer"] for answer in settle(database, *outcomes, now=now).values()} <= {"settled"}


def wait(database: Database, held: dict[str, str], seconds: int = 86_400) -> None:
    """Let all that is held begin a wait."""
    end(database, held, "waiting", code="waiting", due_in_seconds=seconds)


def parked(database: Database) -> list[str]:
    """What stands in line, foremost first."""
    rows = database.sql(
        "select id from automation_execution_logs where status = 'pending' and code = %s order by event_id", PARKED
    )
    return [str(found["id"]) for found in rows]


def due(database: Database, execution_id: str) -> timedelta:
    """How long until it is due."""
    stored = row(database, execution_id)
    at: datetime = stored["scheduled_at"] or stored["created_at"]
    return at - NOW


def ended_by_the_app(database: Database, execution_id: str) -> None:
    """End it as the app's own code does: nobody is told."""
    change(database, execution_id, status="cancelled", lease_expires_at=None)
