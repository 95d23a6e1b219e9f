"""The cost of the trigger: UPDATEs of a table that is not watched, and of those that are, by their workflows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from benchmarks.database import new_database, watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A watched table, with a tenant and workflows of its own."""

    name: str
    workflows: int
    #: Whether each change of the table matches all of its workflows, or none.
    match: bool = False

    @property
    def label(self) -> str:
        """What its figures are called."""
        if self.match:
            return f"{self.workflows} of {self.workflows} workflows match"
        return f"none of {self.workflows:,} workflows matches" if self.workflows else "no workflow"


#: The table without our trigger; each figure is beside it.
BARE = "free"
TABLES = (
    Table(name="none", workflows=0),
    Table(name="other1", workflows=1),
    Table(name="other10", workflows=10),
    Table(name="other100", workflows=100),
    Table(name="other1000", workflows=1000),
    Table(name="one", workflows=1, match=True),
    Table(name="ten", workflows=10, match=True),
)
NAMES = (BARE, *(table.name for table in TABLES))
DDL = """
create table {table} (
  id bigint generated always as identity primary key, organization_id text, user_id text, client_id text, kind text,
  status text, title text, notes text);
insert into {table} (organization_id, user_id, client_id, kind, status, title, notes)
select {tenant}, 'user', 'client-' || i % 100, 'kind', 'scheduled', 'Row ' || i, repeat('Bring a ladder. ', 10)
from generate_series(1, {rows}) i;
"""
WORKFLOWS = """
insert into automation_workflows (name, organization_id, trigger_type, trigger_config, steps)
select 'Workflow ' || n, %s, %s, %s, %s from generate_series(1, %s) n
"""


def new_tables(server: str, rows: int) -> str:
    """Create the database `writes` and return its URL."""
    url = new_database(server, "writes")
    step = {"type": "webhook", "config": {"url": "https://example.com/"}}
    with psycopg.connect(url, autocommit=True) as connection:
        for name in NAMES:
            ddl = sql.SQL(DDL).format(table=sql.Identifier(name), tenant=sql.Literal(name), rows=sql.Literal(rows))
            connection.execute(ddl)
        for table in TABLES:
            condition = {"field": "kind", "operator": "equals", "value": "kind" if table.match else "other"}
            config = Jsonb({"conditions": [condition]})
            values = [table.name, f"{table.name}_status_changed", config, Jsonb([step]), table.workflows]
            connection.execute(WORKFLOWS, values)
        connection.execute("vacuum (analyze)")
    for table in TABLES:
        watch(url, table.name, type=table.name)
    return url


def single_us(url: str, round_: int, count: int) -> dict[str, float]:
    """Return the median of one row's UPDATE with its commit, in µs; the tables take turns."""
    took: dict[str, list[float]] = {name: [] for name in NAMES}
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(1, count + 1):
            for name in NAMES:
                query = sql.SQL("update {} set status = %s where id = %s").format(sql.Identifier(name))
                started = time.perf_counter()
                connection.execute(query, [f"single {round_}.{number}", number])
                took[name].append((time.perf_counter() - started) * 1e6)
    return {name: median(times) for name, times in took.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """One UPDATE of all rows of a table."""

    us_a_row: float
    #: The share of the events that exceeded the trigger's budget, and wait for the next tick.
    late: float


def bulk(url: str, round_: int) -> dict[str, Bulk]:
    """Change all rows of each table in one UPDATE; each table is vacuumed before."""
    took = {}
    with psycopg.connect(url, autocommit=True) as connection:
        for name in NAMES:
            connection.execute("truncate automation_execution_logs, automation_events")
            connection.execute(f"vacuum (analyze) {name}".encode())
            connection.execute("checkpoint")
            started = time.perf_counter()
            query = sql.SQL("update {} set status = %s").format(sql.Identifier(name))
            done = connection.execute(query, [f"bulk {round_}"])
            us_a_row = (time.perf_counter() - started) * 1e6 / done.rowcount
            row = connection.execute("select avg((matched_at is null)::integer) from automation_events").fetchone()
            took[name] = Bulk(us_a_row=us_a_row, late=float(row[0] or 0) if row else 0.0)
    return took
