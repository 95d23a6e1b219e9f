"""`serve --with-worker`: one process that answers and works; /readyz tells one that is stuck from one that is idle."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from minutehand.dashboard import query_cache
from minutehand.dashboard.api.executor_endpoint import ExecutorEndpoint
from minutehand.dashboard.api.tokens import ServeTokens
from minutehand.dashboard.app import make_app
from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.cli.commands.serve import look
from minutehand.scheduler.config import LogSettings, RunSettings
from minutehand.scheduler.demo.receivers import Answer, HttpReceiver
from minutehand.scheduler.engine.worker import Worker
from minutehand.scheduler.process import liveness
from minutehand.store import Store
from minutehand.store.embedded import Embedded
from tests.dashboard.served import TOKENS, Serve, completed, problem
from tests.journeys.app import App, Gate, Minutehand, wait_until
from tests.journeys.test_start import complete_one
from tests.logs import forget_log
from tests.servers import SETTINGS


def test_serve_with_worker_answers_and_works_and_a_signal_ends_both(app: App, shop: HttpReceiver, serve: Serve) -> None:
    gate = Gate()
    shop.then(Answer(after=gate))
    with serve("--with-worker", "--poll-seconds", "1h") as served:
        wait_until(lambda: app.database.sql("select 1 from automation_workers where listens"), "the worker")
        (one,) = completed(app, shop)
        wait_until(gate.reached.is_set, "its step")
        assert problem(served.call(one), 409)["detail"]
        assert served.get("/readyz").json() == {"status": "ready"}
        served.running.kill(signal.SIGTERM)
        gate.set()
        assert served.running.end()[0] == 0
    assert app.execution()["status"] == "completed"


def test_readyz_reports_an_unreachable_database_and_its_return(
    own_server: Embedded, minutehand: Minutehand, serve: Serve, shop: HttpReceiver
) -> None:
    minutehand.environment["DATABASE_URL"] = own_server.start(SETTINGS)
    assert minutehand("migrate").returncode == 0
    with serve("--with-worker", "--poll-seconds", "0.2") as served:
        wait_until(lambda: served.get("/readyz").status_code == 200, "the worker")
        own_server.stop()
        wait_until(lambda: served.get("/readyz").status_code == 503, "its absence")
        assert problem(served.get("/readyz"), 503)["failed"] == "database"
        complete_one(own_server.start(SETTINGS), shop.url)
        wait_until(lambda: shop.requests and served.get("/readyz").status_code == 200, "its return")


def test_a_schema_that_changes_ends_serve_with_worker(app: App, serve: Serve) -> None:
    with serve("--with-worker", "--poll-seconds", "0.2") as served:
        wait_until(lambda: app.database.sql("select 1 from automation_workers"), "the worker")
        app.database.sql(NEWER)
        code, _, said = served.running.end()
    assert (code, "upgrade minutehand" in said) == (78, True)


NEWER = "insert into automation_migrations (name, checksum) values ('9999_later', '')"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A beat is late soon, and a look is never old."""
    monkeypatch.setattr(liveness, "SLACK_SECONDS", 1.5)
    monkeypatch.setattr(query_cache, "FRESH_SECONDS", 0.0)
    yield
    forget_log()


def test_readyz_tells_a_stuck_worker_from_an_idle_one(app: App, quick: None) -> None:
    async def go() -> None:
        store = Store.postgres(app.database.url)
        worker = Worker(store, RunSettings(), ExecutorSettings(), LogSettings(), poll_seconds=0.1)
        tokens = ServeTokens.parse(api_token=TOKENS, direct_token=None, metrics_token=None)

        async def nothing(*_: Any) -> Any:
            raise AssertionError("nobody asks for it")

        page = make_app(ExecutorEndpoint(nothing, tokens, "1"), lambda: look(store, worker), nothing, tokens.metrics)
        working = asyncio.ensure_future(worker.work())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(page), base_url="http://test") as client:

            async def until(answer: tuple[int, str | None]) -> None:
                async with asyncio.timeout(60):
                    while True:
                        reply = await client.get("/readyz")
                        if (reply.status_code, reply.json().get("failed")) == answer:
                            return
                        await asyncio.sleep(0.02)

            await asyncio.sleep(4)  # longer than what is allowed
            assert (await client.get("/readyz")).status_code == 200, "idle"
            with psycopg.connect(app.database.url) as other:
                other.execute("lock table automation_workers in access exclusive mode")
                await until((503, "worker"))
            await until((200, None))
        worker.stop()
        await working
        await store.close()

    asyncio.run(go())
