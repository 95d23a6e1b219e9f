"""The Postgres backend: psycopg 3, async, over a small pool."""

from __future__ import annotations

import asyncio
import logging
import re
import select
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import psycopg
from psycopg.types.json import Jsonb, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from minutehand.store.drivers.places import OpenPlaces
from minutehand.store.drivers.pooler import is_foreign_statement, is_own, is_own_process, receives_notifications
from minutehand.store.drivers.postgres_errors import explain
from minutehand.store.errors import StoreError, Unreachable, at, unwritable
from minutehand.store.json import Unwritable, dumps, loads, text_problem
from minutehand.store.place import POOLER_HOST, postgres_place, url_parts, where
from minutehand.store.project import project_reference

#: Supabase's port for transaction poolers; on its shared pooler's other port (5432) each client has its own session.
#: Any other pooler is found by a test (pooler.py).
TRANSACTION_POOLER_PORT = "6543"
#: libpq closes a connection whose packets get lost after about 30 s, idle or in a call.
_NOTICED_SILENCE = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
#: Our calls are short.  One that takes longer waits for a lock, or its connection is dead behind a proxy that keeps
#: our end open, which TCP cannot detect.
CALL_SECONDS = 30.0
#: Connections of a pool.
MAX_CONNECTIONS = 4
#: What keeps the queue going.  One connection is theirs alone, whatever the other calls wait for.
_QUEUE_CALLS = frozenset({"automation_tick", "automation_claim", "automation_renew", "automation_settle"})
#: What compares or writes what users of the app wrote, and may wait for their locks: it has half of the pool.
_SLOW_CALLS = frozenset({"automation_evaluate", "automation_match", "automation_write_record", "automation_dry_run"})
#: How often an idle listener checks its connection, and how long the answer may take.
LISTENER_CHECK_SECONDS, LISTENER_ANSWER_SECONDS = 60.0, 10.0
# The driver and its pool log each failed attempt; we report once, with what to do.
logging.getLogger("psycopg").setLevel(logging.ERROR)
_NAME = re.compile(r"[a-z_][a-z0-9_]*")


class PostgresDriver:
    """A pool of connections to one database.  The first call opens it."""

    def __init__(
        self,
        url: str,
        *,
        backend: str = "postgres",
        location: str | None = None,
        max_connections: int = MAX_CONNECTIONS,
        connect_timeout_seconds: float = 10,
    ) -> None:
        self.backend = backend
        self.location = location or postgres_place(url)
        self.project = project_of(url)
        self._where = where(url)
        self._kind_by_url = kind_of(url)
        #: Whether the session may be another client's tomorrow.  Then nothing is prepared.
        self._is_shared = self._kind_by_url == "transaction"
        self._receives_notifications = False
        self.linger_seconds = 0.0
        self._timeout = connect_timeout_seconds
        self._opening: asyncio.Future[None] | None = None
        self._refusal: asyncio.Future[psycopg.Error] | None = None
        self._url = url
        self._slow_places = asyncio.Semaphore(max(1, max_connections // 2))
        self._other_places = asyncio.Semaphore(max(1, max_connections - 1))
        self._open_places = OpenPlaces(max_connections)
        self._options: dict[str, Any] = {
            "autocommit": True,
            "prepare_threshold": 2,
            "connect_timeout": max(2, int(connect_timeout_seconds)),
            "application_name": "minutehand",
            **_NOTICED_SILENCE,
        }
        self._new_pool = partial(
            AsyncConnectionPool,
            url,
            connection_class=self._connection_class(),
            min_size=1,
            max_size=max_connections,
            open=False,
            timeout=connect_timeout_seconds,
            # The pool tries less and less often; stopped early, it begins again with the next call.
            reconnect_timeout=connect_timeout_seconds,
            check=_notice_goodbye,
            kwargs=self._options,
        )
        self._pool: AsyncConnectionPool[Any] = self._new_pool()

    @property
    def kind(self) -> str:
        """See `Driver.kind`."""
        if self._is_shared:
            return "session" if self._receives_notifications else "transaction"
        return self._kind_by_url

    async def call(self, function: str, /, **arguments: Any) -> Any:
        """See `Driver.call`."""
        await self._open()
        query, values = statement(function, arguments)
        async with self._explained():
            try:
                return await self._answer(function, query, values)
            except psycopg.Error as error:
                if not is_foreign_statement(error):
                    raise
            self._is_shared = True
            await self._pool.drain()
            return await self._answer(function, query, values)

    async def _answer(self, function: str, query: bytes, values: dict[str, Any]) -> Any:
        async with (
            self._place_for(function),
            asyncio.timeout(CALL_SECONDS),
            self._open_places.one(),
            self._pool.connection() as connection,
        ):
            prepare = False if self._is_shared else None
            try:
                process_id, answer = await _ask(connection, query, values, prepare=prepare)
            except psycopg.errors.InsufficientPrivilege as error:
                from minutehand.store.rights import refusal

                if "row-level security" in str(error):
                    raise
                raise at(self._where, await refusal(connection, function, error)) from error
            # A statement is prepared when it comes for the third time, so that the first answer tells in time.
            self._is_shared = self._is_shared or not is_own(connection, process_id)
            return answer

    @asynccontextmanager
    async def _explained(self) -> AsyncIterator[None]:
        """Raise what psycopg raises as a `StoreError`."""
        try:
            yield
        except PoolTimeout as error:
            raise Unreachable(f"{self._where}: no connection within {self._timeout:g} s") from error
        except psycopg.Error as error:
            raise explain(self._where, error) from error
        except TimeoutError as error:
            await self._pool.drain()  # the other connections are probably dead, too
            raise Unreachable(f"{self._where} did not answer within {CALL_SECONDS:g} s") from error

    @asynccontextmanager
    async def _place_for(self, function: str) -> AsyncIterator[None]:
        """Wait until this call may take a connection of the pool."""
        async with AsyncExitStack() as places:
            if function in _SLOW_CALLS:
                await places.enter_async_context(self._slow_places)
            if function not in _QUEUE_CALLS:
                await places.enter_async_context(self._other_places)
            yield

    async def can_listen(self) -> bool:
        """See `Driver.can_listen`."""
        await self._open()
        async with self._explained(), asyncio.timeout(CALL_SECONDS), await self._listener() as connection:
            self._receives_notifications = await receives_notifications(connection, self._notify)
            return self._receives_notifications

    async def hints(self) -> AsyncIterator[None]:
        """See `Driver.hints`.  It has its own connection."""
        try:
            async with await self._listener() as connection:
                await asyncio.wait_for(connection.execute("listen minutehand"), LISTENER_ANSWER_SECONDS)
                yield None
                while True:
                    async for _ in connection.notifies(timeout=LISTENER_CHECK_SECONDS):
                        yield None
                    # Repeating it changes nothing; a standby that was the primary refuses it.
                    await asyncio.wait_for(connection.execute("listen minutehand"), LISTENER_ANSWER_SECONDS)
        except psycopg.Error as error:
            raise explain(self._where, error) from error
        except TimeoutError as error:
            raise Unreachable(f"{self._where}: the listener's connection is dead") from error

    async def _listener(self) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(self._url, **self._options | {"prepare_threshold": None})

    async def _notify(self, channel: str) -> None:
        async with self._place_for("pg_notify"), self._pool.connection() as connection:
            await connection.execute("select pg_notify(%s, '')", [channel], prepare=False)

    async def close(self) -> None:
        """See `Driver.close`."""
        await self._pool.close()

    async def _open(self) -> None:
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open_once())
        opening = self._opening
        try:
            await asyncio.shield(opening)
        except StoreError:
            if self._opening is opening:  # the next call tries again
                self._opening, self._pool = None, self._new_pool()
            raise

    async def _open_once(self) -> None:
        """Open the pool, and test whether its sessions are our own.

        A refused connection raises at once; the pool alone would try until its timeout.
        """
        self._refusal = asyncio.get_running_loop().create_future()
        try:
            await self._pool.open()
            ready: asyncio.Future[Any] = asyncio.ensure_future(self._pool.wait(self._timeout))
            await asyncio.wait([ready, self._refusal], return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                ready.cancel()
                raise self._refusal.result()
            ready.result()
            async with asyncio.timeout(self._timeout), self._pool.connection() as connection:
                self._is_shared = self._is_shared or not await is_own_process(connection)
        except (PoolTimeout, TimeoutError) as error:
            await self._pool.close()
            raise Unreachable(f"{self._where} did not answer within {self._timeout:g} s") from error
        except psycopg.Error as error:
            await self._pool.close()
            raise explain(self._where, error) from error

    def _connection_class(self) -> type[psycopg.AsyncConnection[Any]]:
        driver = self

        class Connection(psycopg.AsyncConnection[Any]):
            @classmethod
            async def connect(cls, *args: Any, **kwargs: Any) -> Any:
                try:
                    connection = await super().connect(*args, **kwargs)
                except psycopg.Error as error:
                    if driver._refusal is not None and not driver._refusal.done():
                        driver._refusal.set_result(error)
                    raise
                set_json_loads(loads, connection)
                return connection

        return Connection


async def _ask(
    connection: psycopg.AsyncConnection[Any], query: bytes, values: dict[str, Any], *, prepare: bool | None
) -> Any:
    """Run a query.  When cancelled, it cancels the statement, or closes the connection."""
    try:
        return await (await connection.execute(query, values, prepare=prepare)).fetchone()
    except psycopg.errors.ReadOnlySqlTransaction:
        await connection.close()  # its server is not the primary any more; a new connection may reach the one that is
        raise


async def _notice_goodbye(connection: psycopg.AsyncConnection[Any]) -> None:
    """Check an idle connection, but only when there is unread data: usually the server has closed it."""
    unread = select.poll()
    unread.register(connection.fileno(), select.POLLIN)
    if unread.poll(0):
        await AsyncConnectionPool.check_connection(connection)


def statement(function: str, arguments: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """Build the statement that calls a function and names the server process.  Objects and lists travel as jsonb.

    >>> statement("automation_renew", {"p_tokens": []})[0]
    b'select pg_backend_pid(), public.automation_renew(p_tokens => %(p_tokens)s)'
    """
    for name in (function, *arguments):
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a name: {name!r}")
    named = ", ".join(f"{name} => %({name})s" for name in arguments)
    values = {name: _parameter(name, value) for name, value in arguments.items()}
    return f"select pg_backend_pid(), public.{function}({named})".encode(), values


def _parameter(name: str, value: Any) -> Any:
    """Return an argument as psycopg sends it.  Errors: `BadRequest` where PostgreSQL cannot hold it."""
    try:
        if isinstance(value, dict | list):
            return Jsonb(dumps(value), dumps=str)
        if isinstance(value, str) and (problem := text_problem(value)):
            raise Unwritable(problem)
    except Unwritable as error:
        raise unwritable(Unwritable(error.why, name, *error.path)) from None
    return value


def project_of(url: str) -> str | None:
    """Return the Supabase project that a connection URL names, by its host or its user."""
    parts = url_parts(url)
    return project_reference(str(parts.get("host") or ""), str(parts.get("user") or ""))


def kind_of(url: str) -> str:
    """Return what the URL says of the kind of connection: `direct`, or Supabase's `session` or `transaction` pooler.

    >>> kind_of("postgresql://u@aws-0-eu.pooler.supabase.com:6543/postgres"), kind_of("postgresql://u@db.example.com/app")
    ('transaction', 'direct')
    """
    parts = url_parts(url)
    if parts.get("port") == TRANSACTION_POOLER_PORT:
        return "transaction"
    return "session" if str(parts.get("host") or "").endswith(POOLER_HOST) else "direct"
