"""Queries of the dashboard: limited in time, shared, and never older than the change that a page is notified of."""

from __future__ import annotations

import asyncio
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from freezegun import freeze_time

from minutehand.dashboard.query_cache import FRESH_SECONDS, QueryCache
from minutehand.dashboard.server import listen
from minutehand.store.errors import Unreachable
from tests.dashboard.served import Served
from tests.journeys.app import App, wait_until
from tests.servers import Database


def active(database: Database) -> int:
    """Return how many statements of the dashboard are running."""
    query = (
        "select count(*) as n from pg_stat_activity where datname = current_database() "
        "and application_name = 'minutehand' and state = 'active'"
    )
    return int(database.one(query)["n"])


def test_a_query_that_takes_too_long_is_cancelled_and_the_page_says_so(served: Served, app: App) -> None:
    assert served.get("/executions").status_code == 200
    app.database.connection.autocommit = False
    app.database.sql("lock table automation_execution_logs in access exclusive mode")
    with ThreadPoolExecutor() as pool:
        pages = list(pool.map(served.get, ("/executions?q=status:failed", "/", "/failures")))
    for page in pages:
        assert page.status_code == 503
        assert "The database took too long" in page.text
        assert "cancelled after 5 s" in page.text
    wait_until(lambda: active(app.database) == 0, "the end of its statements")
    app.database.connection.rollback()
    app.database.connection.autocommit = True
    wait_until(lambda: served.get("/executions?q=status:failed").status_code == 200, "the page")


def test_a_page_shows_the_change_that_it_was_notified_of(served: Served, app: App) -> None:
    with served.client.stream("GET", served.url + "/live") as stream:
        lines = stream.iter_lines()
        next(line for line in lines if line.startswith("retry"))
        for number in range(4):
            time.sleep(0.6)  # out of step with the server's query, one a second
            served.get("/executions")
            app.database.sql(
                "insert into automation_execution_logs (status, entity_id) values ('completed', %s)",
                f"seen-{number}",
            )
            next(line for line in lines if line == "event: changed")
            assert f"seen-{number}" in served.get("/executions").text


def test_twenty_pages_cost_as_many_queries_as_one(served: Served, app: App) -> None:
    name = app.database.one("select current_database() as name")["name"]
    app.database.sql(f"alter database {name} set track_functions = 'pl'")
    app.database.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and application_name = 'minutehand'"
    )
    with ThreadPoolExecutor(20) as pool:
        pages = list(pool.map(lambda _: served.get("/"), range(20)))
    assert {page.status_code for page in pages} == {200}
    query = (
        "select coalesce(sum(calls), 0) as n from pg_stat_clear_snapshot(), pg_stat_user_functions "
        "where funcname = 'automation_overview'"
    )
    wait_until(lambda: app.database.one(query)["n"] > 0, "the statistics")
    assert app.database.one(query)["n"] <= 2


def test_a_response_does_not_wait_for_a_delayed_ack() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


class CountedQuery:
    """A query that counts its calls, and can fail or wait."""

    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None

    async def __call__(self) -> int:
        self.count += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.count


def test_a_hundred_callers_at_once_share_one_query_and_its_result_is_fresh_for_a_second() -> None:
    async def run() -> None:
        query, queries = CountedQuery(), QueryCache()
        assert await asyncio.gather(*(queries("key", query) for _ in range(100))) == [1] * 100
        frozen.tick(FRESH_SECONDS * 0.9)
        assert await queries("key", query) == 1
        frozen.tick(FRESH_SECONDS * 0.1 + 0.001)
        assert await queries("key", query) == 2
        assert await queries("another key", query) == 3

    with freeze_time(real_asyncio=True) as frozen:
        asyncio.run(run())


def test_an_error_is_fresh_for_a_second_too() -> None:
    async def run() -> None:
        query, queries = CountedQuery(), QueryCache()
        query.error = Unreachable("away")
        for _ in range(3):
            with pytest.raises(Unreachable):
                await queries("key", query)
        assert query.count == 1
        query.error = None
        frozen.tick(FRESH_SECONDS)
        assert await queries("key", query) == 2

    with freeze_time(real_asyncio=True) as frozen:
        asyncio.run(run())


def test_a_query_ends_at_its_limit() -> None:
    async def run() -> None:
        query = CountedQuery()
        query.gate = asyncio.Event()
        with pytest.raises(TimeoutError):
            await QueryCache(limit_seconds=0.01)("key", query)

    asyncio.run(run())


def test_a_caller_that_is_cancelled_does_not_cancel_the_others() -> None:
    async def run() -> None:
        query, queries = CountedQuery(), QueryCache()
        query.gate = asyncio.Event()
        leaving, staying = (asyncio.ensure_future(queries("key", query)) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        query.gate.set()
        assert await staying == 1
        assert leaving.cancelled()

    asyncio.run(run())
