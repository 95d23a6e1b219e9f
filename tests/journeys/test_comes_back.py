"""Whatever befalls the way to the database, the worker says it once, waits, and goes on by itself."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from psycopg.conninfo import conninfo_to_dict

from minutehand.scheduler.demo.receivers import Answer, HttpReceiver
from minutehand.store.drivers.postgres import PostgresDriver
from minutehand.store.embedded import Embedded
from minutehand.store.errors import Unreachable
from tests import servers
from tests.chaos.line import Line
from tests.journeys.app import App, Minutehand, wait_until, webhook
from tests.servers import SETTINGS, Database

QUICK = ("worker", "--poll-seconds", "0.3")


@pytest.fixture
def line(database: Database, minutehand: Minutehand) -> Iterator[Line]:
    """The way to the app's database."""
    with Line(database.url) as made:
        minutehand.environment["DATABASE_URL"] = made.url
        yield made


@pytest.fixture
def another(own_server: Embedded, database: Database, minutehand: Minutehand) -> Iterator[App]:
    """The app once more, in a database of the same name on another server."""
    (name,) = database.one("select current_database()").values()
    server = own_server.start(SETTINGS)
    with servers.temporary_database(server, name) as made:
        assert minutehand("migrate", DATABASE_URL=made.url).returncode == 0
        yield App(made)


def test_a_pooler_that_drops_all_connections_costs_nothing(
    app: App, line: Line, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    app.workflow(webhook(shop.url))
    listens = "select pid from pg_stat_activity where query = 'listen minutehand' and datname = current_database()"
    with minutehand.running(*QUICK) as worker:
        wait_until(lambda: app.database.sql(listens), "the listener")
        before = app.database.sql(listens)
        line.cut()
        app.complete()
        wait_until(lambda: shop.requests, "the message")
        wait_until(lambda: app.database.sql(listens) not in ([], before), "the new listener")
        assert worker.end(signal.SIGTERM)[0] == 0


def test_an_address_that_leads_to_another_server_is_followed(
    app: App, another: App, line: Line, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    for one in (app, another):
        one.workflow(webhook(shop.url))
    with minutehand.running(*QUICK) as worker:
        app.complete()
        wait_until(lambda: len(shop.requests) == 1, "the first message")
        line.refuse()
        wait_until(lambda: worker.events("database_unreachable"), "the word of it")
        line.lead_to(another.database.url)
        line.heal()
        another.complete()
        wait_until(lambda: len(shop.requests) == 2, "the second message")
        wait_until(lambda: worker.events("database_reachable"), "the word that it is back")
        wait_until(worker.said_each_outage_once, "one word of each outage")
        assert worker.end(signal.SIGTERM)[0] == 0


def test_of_several_hosts_it_finds_the_one_that_is_primary_now(
    app: App, another: App, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    """The first becomes read-only, as a primary that was demoted; its connections stay open."""
    for one in (app, another):
        one.workflow(webhook(shop.url))
    first, second = (conninfo_to_dict(one.database.url) for one in (another, app))
    hosts = quote(f"{first['host']},{second['host']}", safe="")
    url = f"postgresql://postgres@/{first['dbname']}?host={hosts}&port=5432,5432&target_session_attrs=read-write"
    with minutehand.running(*QUICK, DATABASE_URL=url) as worker:
        another.complete()
        wait_until(lambda: len(shop.requests) == 1, "the message of the first")
        another.database.sql("alter system set default_transaction_read_only = on")
        another.database.sql("select pg_reload_conf()")
        app.complete()
        wait_until(lambda: len(shop.requests) == 2, "the message of the second")
        assert worker.end(signal.SIGTERM)[0] == 0
    another.database.sql("set default_transaction_read_only = off")
    another.database.sql("alter system reset default_transaction_read_only")
    another.database.sql("select pg_reload_conf()")


FULL = """
create function full_disk() returns trigger language plpgsql as $$
begin
  raise 'could not extend file "base/5/16384": No space left on device' using errcode = '53100';
end
$$;
create trigger full_disk before insert or update on automation_workers execute function full_disk();
create trigger full_disk before update on automation_execution_logs execute function full_disk();
"""
ROOM = "drop function full_disk cascade"


def test_a_server_whose_disk_is_full_is_waited_for(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    """A trigger plays it: it refuses what we write with the SQLSTATE of a full disk."""
    app.workflow(webhook(shop.url))
    with minutehand.running(*QUICK) as worker:
        wait_until(lambda: app.database.sql("select 1 from automation_workers"), "the worker")
        app.database.sql(FULL)
        wait_until(lambda: worker.events("database_unreachable"), "the word of it")
        app.complete()
        app.database.sql(ROOM)
        wait_until(lambda: shop.requests, "the message")
        assert "No space left" in worker.events("database_unreachable")[0]["reason"]
        wait_until(worker.said_each_outage_once, "one word of each outage")
        assert worker.end(signal.SIGTERM)[0] == 0
    assert app.execution()["status"] == "completed"


def test_a_project_that_answers_503_is_waited_for(project: Any, shop: HttpReceiver, tmp_path: Path) -> None:
    app = App(project.owner)
    app.workflow(webhook(shop.url))
    with Line(project.url) as line, HttpReceiver() as down:
        down.answers.extend([Answer(status=503, body=b"upstream connect error")] * 1000)
        given = {
            "SUPABASE_URL": line.url,
            "SUPABASE_SERVICE_ROLE_KEY": project.secret_key,
            "MINUTEHAND_ALLOW_PRIVATE_ADDRESSES": f"127.0.0.1:{shop.port}",
        }
        with Minutehand(tmp_path, given).running(*QUICK) as worker:
            wait_until(lambda: app.database.sql("select 1 from automation_workers"), "the worker")
            line.lead_to(down.url)
            line.cut()
            wait_until(lambda: worker.events("database_unreachable"), "the word of it")
            app.complete()
            line.lead_to(project.url)
            line.cut()
            wait_until(lambda: shop.requests, "the message")
            assert "503" in worker.events("database_unreachable")[0]["reason"]
            assert worker.end(signal.SIGTERM)[0] == 0


def test_a_name_that_resolves_to_nothing_may_resolve_later() -> None:
    async def ask() -> None:
        driver = PostgresDriver("postgresql://u@db.invalid/app")
        try:
            await driver.call("automation_schema_version")
        finally:
            await driver.close()

    with pytest.raises(Unreachable):
        asyncio.run(ask())
