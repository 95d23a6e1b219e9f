"""The app of `test_explain.py`: each situation has a tenant of its own in one database."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from minutehand.executor.schedules import look_at
from minutehand.store import Json
from tests.servers import Database

TABLES = """
create table clients (id text primary key, organization_id text, email text);
create table jobs (
  id text primary key, organization_id text, user_id text, client_id text references clients, status text, title text,
  amount numeric, search text, photo text);
create table invoices (id integer primary key, organization_id text, status text);
create table orders (id integer primary key, organization_id text, status text);
create table loose (id text primary key, organization_id text, status text);
create table silent (id text primary key, organization_id text, status text);
create table swapped (id text primary key, organization_id text, status text);
create table notes (id text primary key, organization_id text, status text, deleted_at timestamptz);
create table visits (id text primary key, organization_id text, status text, starts timestamptz);
create index on visits (starts, id);
create table moved (id text primary key, organization_id text, status text);
create table closed (id text primary key, organization_id text, status text);
create function app_trigger() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger minutehand_capture after update on swapped for each row execute function app_trigger();
"""
WEBHOOK = {"type": "webhook", "config": {"url": "http://127.0.0.1:9/hook"}}
COMPLETED = {"trigger_type": "job_completed"}


@dataclass
class ExplainWorld:
    """The app's tables, as its own code and its operator use them.  `admin` is a superuser's session."""

    database: Database
    admin: Database
    #: When the questions are asked; None: now.
    asked_at: datetime | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.database.sql(TABLES)
        self.watch("jobs", p_exclude=["search"])
        for table in ("invoices", "orders", "visits", "silent", "moved", "closed"):
            self.watch(table)
        self.watch("notes", p_soft_delete="deleted_at")
        self.database.sql("alter table silent disable trigger user")

    def watch(self, table: str, **options: Any) -> None:
        """Watch a table."""
        self.database.call("automation_trigger_add", p_table=table, **options)

    def now(self) -> datetime:
        """When a question is asked."""
        return self.asked_at or datetime.now(UTC)

    def tenant(self) -> str:
        """The id of a new organisation."""
        return f"t-{next(self._numbers)}"

    def job(self, tenant: str | None, status: str | None = "scheduled", **columns: Any) -> str:
        """Create a job."""
        job = f"J-{next(self._numbers)}"
        row = {"id": job, "organization_id": tenant, "status": status, **columns}
        self.database.sql(f"insert into jobs ({', '.join(row)}) values ({', '.join(['%s'] * len(row))})", *row.values())
        return job

    def move(self, job: str, status: str | None = "completed") -> None:
        """Change its status."""
        self.database.sql("update jobs set status = %s where id = %s", status, job)

    def workflow(self, tenant: str | None, *steps: Json, name: str = "Thank", **columns: Any) -> str:
        """Save a workflow that a completed job starts, unless `columns` say else."""
        row = {"name": name, "organization_id": tenant, **COMPLETED, "steps": list(steps or [WEBHOOK])} | columns
        query = (
            f"insert into automation_workflows ({', '.join(row)}) values ({', '.join(['%s'] * len(row))}) returning id"
        )
        values = (Jsonb(value) if isinstance(value, dict | list) else value for value in row.values())
        return str(self.database.one(query, *values)["id"])

    def completed(self, *steps: Json, **columns: Any) -> str:
        """Complete a job of a new tenant with one workflow; returns the job."""
        tenant = self.tenant()
        self.workflow(tenant, *steps, **columns)
        job = self.job(tenant)
        self.move(job)
        return job

    def execution(self, job: str) -> str:
        """The id of its only execution."""
        row = self.database.one("select id from automation_execution_logs where entity_id = %s", job)
        return str(row["id"])

    def claim(self, job: str) -> tuple[str, str]:
        """Claim a job's execution; returns its id and the lease."""
        one = self.execution(job)
        token = self.database.one("select gen_random_uuid()::text as token")["token"]
        self.database.call("automation_claim", p_token=token, p_worker="app-1", p_ids=[one], p_alone=True)
        self.database.call("automation_claim", p_token=token, p_worker="app-1", p_ids=[one])
        return one, token

    def settle(self, job: str, ended: str, **outcome: Any) -> str:
        """Run a job's execution to this end, as a processor does; returns the job."""
        one, token = self.claim(job)
        answer = self.database.call(
            "automation_settle", p_outcomes=[{"id": one, "token": token, "ended": ended, **outcome}]
        )
        assert answer[0]["answer"] == "settled", answer
        return job

    def tick(self, **later: float) -> None:
        """Let a processor look at what times start, now or so much later."""
        now = datetime.now(UTC) + timedelta(**later)
        found = self.database.call("automation_tick", p_now=now)
        looks = [look_at(one, now) for one in found["schedules"]]
        while self.database.call("automation_fire", p_looks=looks, p_now=now)["more"]:
            looks = []

    def late(self, seconds: float) -> None:
        """Let the questions be asked so much later."""
        self.asked_at = datetime.now(UTC) + timedelta(seconds=seconds)

    def unmatched(self, statement: str, *values: Any) -> None:
        """Make a change that the trigger leaves to the tick."""
        with self.database.connection.transaction():
            self.database.sql("set local minutehand.blocked = 'matching'")
            self.database.sql(statement, *values)

    @contextmanager
    def unseen(self) -> Iterator[Database]:
        """A session whose changes fire no trigger."""
        self.admin.sql("set session_replication_role = replica")
        try:
            yield self.admin
        finally:
            self.admin.sql("reset session_replication_role")
