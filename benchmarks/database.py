"""The benchmark's own PostgreSQL, with durable defaults, and the executions that wait in it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from minutehand.store import Store, schema
from minutehand.store.embedded import Embedded

#: Rows of one INSERT: few enough that the trigger matches all of them within its budget (2 s a transaction).
CHUNK = 250

TABLES = """
create table clients (id text primary key, organization_id text, name text, email text, phone text);
create table jobs (
  id bigint generated always as identity primary key, organization_id text, user_id text,
  client_id text references clients, kind text, status text, title text, notes text);
insert into clients
select 'client-' || i, 'organization', 'Client ' || i, 'client' || i || '@example.com',
       '+1202555' || lpad(i::text, 4, '0')
from generate_series(0, 99) i;
"""
JOBS = """
insert into jobs (organization_id, user_id, client_id, kind, status, title, notes)
select 'organization', 'user', 'client-' || i %% 100, %s, 'scheduled', 'Job ' || i, repeat('Bring a ladder. ', 10)
from generate_series(1, %s) i
"""
WORKFLOW = """
insert into automation_workflows (name, organization_id, trigger_type, trigger_config, steps, settings)
values (%s, 'organization', 'job_created', %s, %s, '{"breaker": null}')
"""


@contextmanager
def running_server() -> Iterator[str]:
    """Run a server in a folder of its own, removed afterwards; yields its URL."""
    with tempfile.TemporaryDirectory(prefix="mh-bench-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)  # for the server's own account, when we are root
        server = Embedded(folder / "home")
        try:
            yield server.start()
        finally:
            server.stop()


def new_database(server: str, name: str) -> str:
    """Create a migrated database and return its URL."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    url = server.replace("@/postgres?", f"@/{name}?")
    asyncio.run(schema.migrate(url))
    return url


def watch(url: str, table: str, **settings: str) -> None:
    """Watch a table, as `trigger add` does."""

    async def add() -> None:
        store = Store.postgres(url)
        await store.add_trigger(table, **settings)
        await store.close()

    asyncio.run(add())


def three_steps(port: int) -> list[dict[str, Any]]:
    """Return an e-mail and a text to the client, and a webhook to the receiver."""
    text = "Dear {{ client.name }}, {{ job.title }} is done."
    return [
        {"type": "email", "config": {"subject": "{{ job.title }}: done", "message": text}},
        {"type": "sms", "config": {"message": text}},
        {"type": "webhook", "config": {"url": f"http://127.0.0.1:{port}/hook"}},
    ]


def new_queue(server: str, port: int) -> str:
    """Create the database `queue`, in which a new row of `jobs` starts the workflow named by its `kind`.

    The breaker is off: it would stop a benchmark.
    """
    url = new_database(server, "queue")
    add_queue(url, port)
    return url


def add_queue(url: str, port: int) -> None:
    """Create the tables, the workflows and the trigger of a queue in a migrated database."""
    three = three_steps(port)
    steps = {
        "noop": [{"type": "noop", "config": {}}],
        "reserved": [{"type": "reserved", "config": {}}],
        "unreserved": [{"type": "unreserved", "config": {}}],
        "webhook": three[2:],
        "three": three,
    }
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLES)
        for kind, kind_steps in steps.items():
            condition = {"field": "kind", "operator": "equals", "value": kind}
            connection.execute(WORKFLOW, [kind, Jsonb({"conditions": [condition]}), Jsonb(kind_steps)])
    watch(url, "jobs")


def fill(url: str, kind: str, count: int) -> None:
    """Empty the tables, and let the trigger create exactly `count` pending executions of a kind."""
    tables = "automation_execution_logs, automation_events, communication_logs, jobs"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"truncate {tables}".encode())
        for begin in range(0, count, CHUNK):
            connection.execute(JOBS, [kind, min(CHUNK, count - begin)])
        connection.execute(f"vacuum (analyze) {tables}".encode())
        connection.execute("checkpoint")
        expect(connection, "pending", count)


def expect(connection: psycopg.Connection, status: str, count: int) -> None:
    """Stop the benchmark unless there are exactly `count` executions, all of this status."""
    query = "select status, count(*) from automation_execution_logs group by 1"
    counts: dict[str, int] = dict(connection.execute(query).fetchall())
    if counts != {status: count}:
        raise SystemExit(f"expected {count} executions {status}, found {counts}")
