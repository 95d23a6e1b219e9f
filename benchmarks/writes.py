"""The cost of the trigger: UPDATEs of a table that is not watched, and of three that are."""

from __future__ import annotations

import time
from statistics import median

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from benchmarks.database import new_database, watch

#: The watched tables, and how many workflows each change of theirs matches.
MATCHES = {"free": None, "none": 0, "one": 1, "ten": 10}
TABLE = """
create table {table} (
  id bigint generated always as identity primary key, organization_id text, user_id text, client_id text, kind text,
  status text, title text, notes text);
insert into {table} (organization_id, user_id, client_id, kind, status, title, notes)
select 'organization', 'user', 'client-' || i % 100, 'kind', 'scheduled', 'Row ' || i, repeat('Bring a ladder. ', 10)
from generate_series(1, {rows}) i;
"""
WORKFLOW = """
insert into automation_workflows (name, organization_id, trigger_type, trigger_config, steps)
values ('Every change', 'organization', %s, %s, %s)
"""


def new_tables(server: str, rows: int) -> str:
    """Create the database `writes` and return its URL."""
    url = new_database(server, "writes")
    condition = {"field": "kind", "operator": "equals", "value": "kind"}
    step = {"type": "webhook", "config": {"url": "https://example.com/"}}
    with psycopg.connect(url, autocommit=True) as connection:
        for table, matches in MATCHES.items():
            name = sql.Identifier(table)
            connection.execute(sql.SQL(TABLE).format(table=name, rows=sql.Literal(rows)))
            for _ in range(matches or 0):
                workflow = [f"{table}_status_changed", Jsonb({"conditions": [condition]}), Jsonb([step])]
                connection.execute(WORKFLOW, workflow)
        connection.execute("vacuum (analyze)")
    for table, matches in MATCHES.items():
        if matches is not None:
            watch(url, table, type=table)
    return url


def single_us(url: str, round_: int, count: int) -> dict[str, float]:
    """Return the median of one row's UPDATE with its commit, in µs; the tables take turns."""
    took: dict[str, list[float]] = {table: [] for table in MATCHES}
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(1, count + 1):
            for table in MATCHES:
                query = sql.SQL("update {} set status = %s where id = %s").format(sql.Identifier(table))
                started = time.perf_counter()
                connection.execute(query, [f"single {round_}.{number}", number])
                took[table].append((time.perf_counter() - started) * 1e6)
    return {table: median(times) for table, times in took.items()}


def bulk_us(url: str, round_: int) -> dict[str, float]:
    """Return the time of one UPDATE of all rows, in µs a row; each table is vacuumed before."""
    took = {}
    with psycopg.connect(url, autocommit=True) as connection:
        for table in MATCHES:
            connection.execute("truncate automation_execution_logs, automation_events")
            connection.execute(f"vacuum (analyze) {table}".encode())
            connection.execute("checkpoint")
            started = time.perf_counter()
            query = sql.SQL("update {} set status = %s").format(sql.Identifier(table))
            done = connection.execute(query, [f"bulk {round_}"])
            took[table] = (time.perf_counter() - started) * 1e6 / done.rowcount
    return took


def left_over(url: str) -> float:
    """Return the share of the last table's events that exceeded the trigger's budget and wait for the next tick."""
    with psycopg.connect(url) as connection:
        query = "select avg((matched_at is null)::integer) from automation_events"
        row = connection.execute(query).fetchone()
        return float(row[0] or 0) if row else 0.0
