"""What a pooler before the server may take away: a session of one's own, and so prepared statements and LISTEN.

It is tested, never read off an address: a pooler may listen on any port.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg

#: SQLSTATEs of a prepared statement that is not there, or is there already: another client's session.
_FOREIGN_STATEMENT = frozenset({"26000", "42P05"})
#: How long a notification to oneself may take.  It needs one way to the server and back.
NOTIFICATION_SECONDS = 3.0


async def is_own_process(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Run a transaction, and return whether its server process is the one that this connection was told of.

    A pooler tells each client a number of its own.  It takes two round trips.
    Errors: `psycopg.Error`, from a pooler that refuses transactions.
    """
    cursor = await connection.execute("begin; select pg_backend_pid()")
    cursor.nextset()
    row = await cursor.fetchone()
    await connection.execute("commit")
    return row is not None and is_own(connection, row[0])


def is_own(connection: psycopg.AsyncConnection[Any], process_id: int) -> bool:
    """Return whether the server process of an answer is the one that this connection was told of."""
    return connection.info.backend_pid == process_id


def is_foreign_statement(error: psycopg.Error) -> bool:
    """Return whether a prepared statement was missing, or another one.  Nothing was executed: it may be repeated."""
    if error.sqlstate == "08P01":  # the same name, with another number of parameters
        return error.diag.source_function == "exec_bind_message"
    return error.sqlstate in _FOREIGN_STATEMENT


async def receives_notifications(
    connection: psycopg.AsyncConnection[Any], notify: Callable[[str], Awaitable[object]]
) -> bool:
    """Return whether a notification that `notify(channel)` sends over another connection arrives on this one."""
    channel = f"minutehand_{uuid.uuid4().hex}"
    await connection.execute(f"listen {channel}".encode())
    await notify(channel)
    # This connection must be idle: a pooler gives an idle one no session that could receive.
    async for _ in connection.notifies(timeout=NOTIFICATION_SECONDS, stop_after=1):
        return True
    return False
