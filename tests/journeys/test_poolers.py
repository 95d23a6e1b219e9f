"""Through a real PgBouncer: each message once, in transaction and session mode; statement mode is refused."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import psycopg
import pytest

from minutehand.scheduler.demo.receivers import HttpReceiver, SmtpReceiver
from minutehand.store.drivers.postgres import PostgresDriver
from minutehand.store.embedded import Embedded
from minutehand.store.errors import AccessDenied, BadConfiguration, StoreError, Unreachable
from tests.journeys.app import App, Minutehand, email, wait_until, webhook
from tests.poolers import Pooler, running_pooler
from tests.servers import SETTINGS, Database

T = TypeVar("T")

MANY = 300
QUICK = ("worker", "--poll-seconds", "0.3")
VERSION = "automation_schema_version"


def name_of(database: Database) -> str:
    return str(database.one("select current_database() as name")["name"])


@contextmanager
def pooled(database: Database, minutehand: Minutehand, **settings: str) -> Iterator[Pooler]:
    """A PgBouncer between the command and the app's database."""
    with running_pooler(database.url, **settings) as pooler:
        minutehand.environment["DATABASE_URL"] = pooler.url(name_of(database))
        yield pooler


@pytest.fixture
def pooler(database: Database, minutehand: Minutehand) -> Iterator[Pooler]:
    """The PgBouncer of most: transaction mode, with fewer sessions than clients, and no prepared statements."""
    with pooled(database, minutehand, pool_mode="transaction", default_pool_size="2") as made:
        yield made


def ask(url: str, verb: Callable[[PostgresDriver], Awaitable[T]], **settings: Any) -> T:
    """Do something with a driver, and close it."""

    async def go() -> T:
        driver = PostgresDriver(url, **settings)
        try:
            return await verb(driver)
        finally:
            await driver.close()

    return asyncio.run(go())


@pytest.mark.parametrize("is_restarted", [False, True], ids=["undisturbed", "restarted"])
def test_two_workers_send_each_message_once(
    app: App, pooler: Pooler, minutehand: Minutehand, post: SmtpReceiver, is_restarted: bool
) -> None:
    app.workflow(email(subject="{{job.id}}"))
    with ExitStack() as workers:
        for _ in range(2):
            workers.enter_context(minutehand.running(*QUICK))
        wait_until(lambda: len(app.database.sql("select 1 from automation_workers")) == 2, "the workers")
        app.complete_many(MANY)
        if is_restarted:
            wait_until(lambda: len(post.messages) >= MANY // 4, "some messages", 60)
            pooler.stop()
            pooler.start()
            wait_until(lambda: len(post.messages) >= MANY // 2, "more messages", 60)
            pooler.stop()
            pooler.start()
        undone = "select 1 from automation_execution_logs where status <> 'completed'"
        wait_until(lambda: not app.database.sql(undone), "all to be done", 120)
    sent = Counter(str(mail.message["subject"]) for mail in post.messages)
    assert (len(sent), max(sent.values())) == (MANY, 1)
    assert Counter(send["status"] for send in app.sends()) == {"sent": MANY}


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_every_command_works(empty_database: Database, minutehand: Minutehand, post: SmtpReceiver, mode: str) -> None:
    with pooled(empty_database, minutehand, pool_mode=mode, default_pool_size="8"):
        assert [minutehand("migrate").returncode for _ in range(2)] == [0, 0]
        app = App(empty_database)
        assert minutehand("trigger", "add", "clients").returncode == 0
        app.workflow(email(subject="{{job.id}}"))
        app.complete_many(30)
        assert minutehand.run_once("--drain")["completed"] == 30
        assert minutehand("status").returncode == 0
        found = json.loads(minutehand("doctor", "-o", "json").stdout)
    assert len(post.messages) == 30
    assert (found["kind"], found["listens"]) == (mode, mode == "session"), "LISTEN is tried, not guessed"


def test_a_worker_behind_a_transaction_pooler_polls_and_says_it_once(
    app: App, pooler: Pooler, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    app.workflow(webhook(shop.url))
    with minutehand.running(*QUICK) as worker:
        wait_until(lambda: worker.events("worker_polls"), "the word of it")
        app.complete()
        wait_until(lambda: shop.requests, "the message")
        assert not app.database.sql("select 1 from automation_workers where listens")
        assert len(worker.events("worker_polls")) == 1


def test_a_worker_behind_a_session_pooler_listens(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    app.workflow(webhook(shop.url))
    settings = {"pool_mode": "session", "default_pool_size": "8"}
    with pooled(app.database, minutehand, **settings), minutehand.running("worker", "--poll-seconds", "1h") as worker:
        wait_until(lambda: app.database.sql("select 1 from automation_workers where listens"), "the listener")
        app.complete()
        wait_until(lambda: shop.requests, "the message")
        assert worker.events("worker_polls") == []


def test_a_pooler_in_statement_mode_is_refused(app: App, minutehand: Minutehand) -> None:
    with pooled(app.database, minutehand, pool_mode="statement"):
        for command in (("run-once",), ("worker",), ("serve",), ("status",), ("migrate",), ("doctor",)):
            done = minutehand(*command)
            assert (done.returncode, "Set pool_mode = transaction" in done.stderr) == (78, True), (command, done)


@pytest.mark.parametrize("size", ["1", "2"])
def test_of_one_session_for_all_no_notification_is_taken_for_ours(app: App, minutehand: Minutehand, size: str) -> None:
    """Who listens may get the very session that is notified: what arrives then proves nothing."""

    async def listen(driver: PostgresDriver) -> tuple[bool, str]:
        return await driver.can_listen(), driver.kind

    with pooled(app.database, minutehand, pool_mode="transaction", default_pool_size=size):
        assert ask(minutehand.environment["DATABASE_URL"], listen) == (False, "transaction")
    assert ask(app.database.url, listen) == (True, "direct")


#: What another client of a session may leave there, for a statement of ours that is prepared as `_pg3_0`.
LEFT = {
    "no statement": "deallocate all",
    "another statement": "deallocate all; prepare _pg3_0 (int, int) as select $1 + $2",
    "a statement of the next name": "prepare _pg3_1 as select 1",
}


@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT)
def test_a_session_that_others_use_costs_one_more_attempt(database: Database, left: str) -> None:
    """A pooler that told its clients the truth would be found by what others leave in their sessions."""
    database.sql(
        "create sequence called; create function automation_leave(p_left text) returns jsonb language plpgsql as "
        "$$ begin perform nextval('called'); if p_left <> '' then execute p_left; end if; return '1'; end $$"
    )

    async def go(driver: PostgresDriver) -> str:
        for _ in range(3):  # from the third time on it is prepared
            await driver.call("automation_leave", p_left="")
        await driver.call("automation_leave", p_left=left)
        for _ in range(3):
            assert await driver.call("automation_leave", p_left="") == 1
            assert await driver.call(VERSION)
        return driver.kind

    assert ask(database.url, go, max_connections=1) == "transaction"
    assert database.one("select last_value from called") == {"last_value": 7}


def test_a_pooler_without_a_place_is_waited_for(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    app.workflow(webhook(shop.url))
    app.complete()
    with pooled(app.database, minutehand, pool_mode="transaction", max_client_conn="8") as pooler:
        url = pooler.url(name_of(app.database))
        held = [psycopg.connect(url) for _ in range(8)]
        with minutehand.running(*QUICK) as worker:
            wait_until(lambda: worker.events("database_unreachable"), "the word of it")
            for connection in held:
                connection.close()
            wait_until(lambda: shop.requests, "the message")
            assert "max_client_conn" in worker.events("database_unreachable")[0]["reason"]


def test_a_pooler_whose_sessions_are_taken_is_unreachable(app: App, minutehand: Minutehand) -> None:
    settings = {"pool_mode": "transaction", "default_pool_size": "1", "query_wait_timeout": "1"}
    with pooled(app.database, minutehand, **settings) as pooler:
        url = pooler.url(name_of(app.database))

        async def go(driver: PostgresDriver) -> None:
            await driver.call(VERSION)
            with psycopg.connect(url) as other:
                other.execute("select 1")
                with pytest.raises(Unreachable, match="query_wait_timeout"):
                    await driver.call(VERSION)
            assert await driver.call(VERSION)

        ask(url, go)


def test_a_pooler_whose_server_is_away_is_unreachable(own_server: Embedded) -> None:
    url = own_server.start(SETTINGS)
    with running_pooler(url, pool_mode="transaction", query_wait_timeout="1", server_login_retry="1") as pooler:

        async def go(driver: PostgresDriver) -> None:
            with pytest.raises(StoreError, match="run `minutehand migrate`"):
                await driver.call(VERSION)
            own_server.stop()
            for _ in range(3):
                with pytest.raises(Unreachable):
                    await driver.call(VERSION)

        ask(pooler.url("postgres"), go)


REFUSALS = [
    ("Tenant or user not found", BadConfiguration, "postgres.<project-ref>"),
    ("(ENOTFOUND) tenant/user postgres.abc not found", BadConfiguration, "postgres.<project-ref>"),
    ("unsupported startup parameter: options", BadConfiguration, "ignore_startup_parameters"),
    ("no such database: shop", BadConfiguration, "Check DATABASE_URL"),
    ("no such user: app", AccessDenied, "Check DATABASE_URL"),
    ("SASL authentication failed", AccessDenied, "Check DATABASE_URL"),
    ("no more connections allowed (max_client_conn)", Unreachable, "may work later"),
    ("pgbouncer cannot connect to server", Unreachable, ""),
    ("server login has been failing, try again later (server_login_retry)", Unreachable, "may work later"),
]


@pytest.mark.parametrize(("text", "kind", "advice"), REFUSALS, ids=[text for text, _, _ in REFUSALS])
def test_each_refusal_of_a_pooler_is_of_its_class(text: str, kind: type[StoreError], advice: str) -> None:
    with refusing(text) as url, pytest.raises(kind) as caught:
        ask(url, lambda driver: driver.call(VERSION))
    assert type(caught.value) is kind
    assert text in str(caught.value)
    assert advice in str(caught.value)
    assert caught.value.passing is ("may work later" in advice)


@contextmanager
def refusing(text: str) -> Iterator[str]:
    """A server that answers each greeting with this FATAL error."""
    fields = b"SFATAL\0VFATAL\0C08P01\0M" + text.encode() + b"\0\0"

    def refuse() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.recv(4096)
                client.sendall(b"E" + struct.pack("!i", len(fields) + 4) + fields)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=refuse, daemon=True).start()
        port = listener.getsockname()[1]
        yield f"postgresql://app@127.0.0.1:{port}/shop?sslmode=disable&gssencmode=disable"
        listener.shutdown(socket.SHUT_RDWR)
