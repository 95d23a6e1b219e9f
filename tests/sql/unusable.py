"""An app whose tables a migration, a lock or a missing right makes unusable for us, and the ways in which that happens.

Minutehand belongs to a role of its own that is no superuser, so that rights and row level security apply to it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from minutehand.store.schema import migrate
from tests.servers import CLOCK, Database, temporary_database
from tests.sql.jobs import session, workflow
from tests.sql.queue_rows import token

TABLES = """
create table clients (id text primary key, organization_id text, email text);
create table jobs (
  id text primary key, organization_id text, status text, client_id text references clients, title text);
create table invoices (id text primary key, organization_id text, status text);
insert into clients select 'C-' || n, 'north', 'c' || n || '@example.com' from generate_series(1, 3) n;
insert into jobs select 'J-' || n, 'north', 'open', 'C-' || n, 'Boiler' from generate_series(1, 3) n;
insert into invoices select 'I-' || n, 'north', 'open' from generate_series(1, 3) n;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A way in which a table becomes unusable; `{owner}` is our role."""

    name: str
    break_it: str
    mend_it: str
    code: str
    #: What the reason names.
    words: tuple[str, ...]
    #: Another session does it and holds its transaction open; then nothing else is needed to mend it.
    holds: bool = False

    def __str__(self) -> str:
        return self.name


WATCHED = (
    Fault(
        name="the key is renamed",
        break_it="alter table jobs rename id to job_no",
        mend_it="select automation_trigger_add('jobs', p_id => 'job_no', p_writable => true)",
        code="column_missing",
        words=("jobs", "id", "minutehand trigger add jobs --id COLUMN"),
    ),
    Fault(
        name="the key is renamed and renamed back",
        break_it="alter table jobs rename id to job_no",
        mend_it="alter table jobs rename job_no to id",
        code="column_missing",
        words=("jobs", "id"),
    ),
    Fault(
        name="the status column is dropped",
        break_it="alter table jobs drop column status",
        mend_it="alter table jobs add status text",
        code="column_missing",
        words=("jobs", "status", "--status COLUMN"),
    ),
    Fault(
        name="the tenant's column is renamed",
        break_it="alter table jobs rename organization_id to org",
        mend_it="alter table jobs rename org to organization_id",
        code="column_missing",
        words=("jobs", "organization_id", "--tenant COLUMN"),
    ),
    Fault(
        name="the table is renamed",
        break_it="alter table jobs rename to work_orders",
        mend_it="alter table work_orders rename to jobs",
        code="table_missing",
        words=("jobs", "renamed to work_orders"),
    ),
    Fault(
        name="the table is dropped",
        break_it="create table kept as table jobs; drop table jobs",
        mend_it="alter table kept rename to jobs; alter table jobs add primary key (id), owner to {owner};"
        " select automation_trigger_add('jobs', p_writable => true)",
        code="table_missing",
        words=("jobs", "does not exist"),
    ),
    Fault(
        name="the table moves to another schema",
        break_it="create schema app; alter table jobs set schema app",
        mend_it="alter table app.jobs set schema public",
        code="table_missing",
        words=("jobs",),
    ),
    Fault(
        name="it is not watched any more",
        break_it='drop trigger "!minutehand_capture" on jobs',
        mend_it="select automation_trigger_add('jobs')",
        code="table_missing",
        words=("jobs", "minutehand trigger add jobs"),
    ),
    Fault(
        name="the right to read is revoked",
        break_it="revoke select on jobs from {owner}",
        mend_it="grant select on jobs to {owner}",
        code="no_permission",
        words=("jobs", "{owner}", "grant select"),
    ),
    Fault(
        name="row level security hides its rows",
        break_it="alter table jobs enable row level security, force row level security",
        mend_it="alter table jobs disable row level security",
        code="rows_hidden",
        words=("jobs", "{owner}"),
    ),
    Fault(
        name="it is locked",
        break_it="lock table jobs in access exclusive mode",
        mend_it="select 1",
        code="table_locked",
        words=("jobs", "locked"),
        holds=True,
    ),
)

LINKED = (
    Fault(
        name="the right to read the linked table is revoked",
        break_it="revoke select on clients from {owner}",
        mend_it="grant select on clients to {owner}",
        code="no_permission",
        words=("clients", "{owner}"),
    ),
    Fault(
        name="the linked table is locked",
        break_it="lock table clients in access exclusive mode",
        mend_it="select 1",
        code="table_locked",
        words=("clients",),
        holds=True,
    ),
    Fault(
        name="the linked table has another owner and policies",
        break_it="alter table clients owner to {other}, enable row level security",
        mend_it="alter table clients owner to postgres, disable row level security",
        code="no_permission",
        words=("clients", "{other}"),
    ),
    Fault(
        name="row level security hides the linked rows",
        break_it="alter table clients owner to {owner}, enable row level security, force row level security",
        mend_it="alter table clients disable row level security",
        code="rows_hidden",
        words=("clients", "{owner}"),
    ),
    Fault(
        name="the link is to a view whose owner may not read",
        break_it="alter table jobs drop constraint jobs_client_id_fkey; create view people as table clients;"
        " alter view people owner to {owner}; revoke select on clients from {owner};"
        """ select automation_trigger_add('jobs', p_links => '{{"client_id": "people"}}')""",
        mend_it="grant select on clients to {owner}",
        code="no_permission",
        words=("view people", "{owner}"),
    ),
    Fault(
        name="the table that the trigger links is dropped",
        break_it="alter table jobs drop constraint jobs_client_id_fkey;"
        """ select automation_trigger_add('jobs', p_links => '{{"client_id": "clients"}}');"""
        " alter table clients rename to people",
        mend_it="alter table people rename to clients",
        code="table_missing",
        words=("clients", "client_id"),
    ),
    Fault(
        name="the column that the trigger links is renamed",
        break_it="alter table jobs drop constraint jobs_client_id_fkey;"
        """ select automation_trigger_add('jobs', p_links => '{{"client_id": "clients"}}');"""
        " alter table clients rename id to client_no",
        mend_it="alter table clients rename client_no to id",
        code="column_missing",
        words=("clients", "column id"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The app's database: `admin` is its superuser's session, `ours` that of the role that owns Minutehand."""

    admin: Database
    ours: Database
    owner: str

    @property
    def other(self) -> str:
        """A role of the app's."""
        return f"{self.owner}_other"

    def say(self, text: str) -> str:
        """Fill in the names of the roles."""
        return text.format(owner=self.owner, other=self.other)

    @contextmanager
    def broken(self, fault: Fault) -> Iterator[None]:
        """Break the table; mend it at the end."""
        if fault.holds:
            with session(self.admin, autocommit=False) as holder:
                holder.sql(self.say(fault.break_it))
                yield
                holder.connection.rollback()
        else:
            self.admin.sql(self.say(fault.break_it))
            yield
        self.admin.sql(self.say(fault.mend_it))

    def change(self, status: str = "done") -> None:
        """Change the status of all jobs and invoices, as the app does."""
        for table in ("jobs", "invoices"):
            self.admin.sql(f"update {table} set status = '{status}'")


@contextmanager
def app_on(server: str) -> Iterator[App]:
    """Make the app, with a workflow on the changes of jobs and one on those of invoices."""
    owner = f"mh_{uuid.uuid4().hex[:12]}"
    with temporary_database(server, f"test_{owner}") as admin:
        admin.sql(
            f"create role {owner} login nosuperuser; create role {owner}_other;"
            f" grant create, temporary on database test_{owner} to {owner}; grant create on schema public to {owner}"
        )
        url = admin.url.replace("//postgres@", f"//{owner}@")
        asyncio.run(migrate(url))
        admin.sql(CLOCK)
        admin.sql(TABLES)
        for table in ("clients", "jobs", "invoices"):
            admin.sql(f"grant all on {table} to {owner}")
        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
            ours = Database(url, connection)
            for table in ("jobs", "invoices"):
                ours.call("automation_trigger_add", p_table=table, p_writable=True)
            for kind in ("job", "invoice"):
                workflow(admin, kind, trigger_type=f"{kind}_status_changed")
            yield App(admin=admin, ours=ours, owner=owner)


def claim(app: App, at: str | None = None) -> tuple[str, dict[str, str]]:
    """Claim all that is due; returns the lease and which row each execution is about."""
    lease = token()
    answer = app.ours.call("automation_claim", p_token=lease, p_limit=50, p_now=at)
    return lease, {execution["id"]: execution["entity_id"] for execution in answer["executions"]}


def ask(app: App, verb: str, lease: str, rows: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Ask for the context of each execution, in one call; returns the answers by row."""
    items = [{"id": one, "token": lease} for one in rows]
    argument = "p_steps" if verb == "automation_record_step" else "p_items"
    return {rows[answer["id"]]: answer for answer in app.ours.call(verb, **{argument: items})}


def settle(app: App, lease: str, rows: dict[str, str], answers: dict[str, dict[str, Any]]) -> None:
    """Settle each as its answer's stop says, and what nothing stops as done."""
    app.ours.call(
        "automation_settle",
        p_outcomes=[
            {"id": one, "token": lease, **(answers[row]["stop"] or {"ended": "done", "steps": []})}
            for one, row in rows.items()
        ],
    )
