"""A table that cannot be used delays its own executions alone: no hot loop, nobody else waits, and nothing is lost."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from minutehand.scheduler.demo.receivers import HttpReceiver
from tests.journeys.app import Minutehand, wait_until, webhook
from tests.journeys.world import World
from tests.servers import on_both_servers
from tests.sql.jobs import session
from tests.sql.unusable import LINKED, WATCHED, App, Fault, app_on

BREAKS = [fault for fault in (*WATCHED, *LINKED) if fault.name not in ("it is not watched any more",)]
#: What three executions that wait log or cost in some seconds, with delays that double from one second.
FEW = 40


@pytest.fixture
def app(server: str, shop: HttpReceiver) -> Iterator[App]:
    """An app whose invoices call a webhook, and whose jobs call it with their client's address."""
    with app_on(server) as made:
        for kind, body in (("invoice", {"id": "{{ invoice.id }}"}), ("job", {"to": "{{ client.email }}"})):
            steps = Jsonb([webhook(f"{shop.url}/{kind}", body=body)])
            made.admin.sql("update automation_workflows set steps = %s where name = %s", steps, kind)
        made.change()
        yield made


@pytest.fixture
def command(app: App, shop: HttpReceiver, tmp_path: Path) -> Minutehand:
    """The command, as the role that owns Minutehand."""
    return Minutehand(
        tmp_path, {"DATABASE_URL": app.ours.url, "MINUTEHAND_ALLOW_PRIVATE_ADDRESSES": f"127.0.0.1:{shop.port}"}
    )


def statuses(app: App) -> Counter[tuple[str, str, str | None]]:
    rows = app.admin.sql("select left(entity_id, 1) as kind, status, code from automation_execution_logs")
    return Counter((row["kind"], row["status"], row["code"]) for row in rows)


@pytest.mark.parametrize("fault", BREAKS, ids=str)
def test_a_drain_ends_after_few_claims_and_sends_everything_else(
    app: App, command: Minutehand, shop: HttpReceiver, fault: Fault
) -> None:
    with app.broken(fault):
        for _ in range(5):  # on a busy machine four seconds may not reach each of them
            done = command("run-once", "--drain", "--max-time", "4s", "-o", "json", MINUTEHAND_LOG_FORMAT="json")
            assert done.returncode == 0, done.stderr
            assert len(done.stderr.splitlines()) < FEW, done.stderr
            if statuses(app)["J", "pending", fault.code] == 3:
                break
        assert Counter(request.path for request in shop.requests) == {"/invoice": 3}
        waiting = app.admin.sql("select attempt from automation_execution_logs where status = 'pending'")
        assert [row["attempt"] for row in waiting] == [0, 0, 0]
        assert statuses(app)["J", "pending", fault.code] == 3
    app.admin.sql("update automation_execution_logs set scheduled_at = now() where status = 'pending'")
    command.run_once("--drain")
    assert statuses(app).total() == 6
    if fault.name != "the table is dropped":  # it came back without its link
        assert Counter(request.path for request in shop.requests) == {"/invoice": 3, "/job": 3}


@on_both_servers
def test_a_step_that_does_not_use_the_link_runs_while_its_table_is_locked(
    app: App, command: Minutehand, shop: HttpReceiver
) -> None:
    first = webhook(shop.url + "/first", body={"id": "{{ job.id }}"})
    steps = [first, webhook(shop.url + "/job", body="{{ client.email }}")]
    app.admin.sql("update automation_workflows set steps = %s where name = 'job'", Jsonb(steps))
    app.change("late")
    with session(app.admin, autocommit=False) as holder:
        holder.sql("lock table clients in access exclusive mode")
        command.drain_until(lambda: len(shop.requests) >= 9, "all that needs no link")
        assert Counter(request.path for request in shop.requests) == {"/invoice": 6, "/first": 3}
        holder.connection.rollback()


@pytest.mark.parametrize("arguments", [("worker", "--poll-seconds", "1s")])
def test_a_worker_sends_the_others_at_once_while_a_table_is_locked(
    server: str, app: App, command: Minutehand, shop: HttpReceiver, arguments: tuple[str, ...]
) -> None:
    with session(app.admin, autocommit=False) as holder:
        holder.sql("lock table jobs in access exclusive mode")
        with command.running(*arguments, MINUTEHAND_LOG_FORMAT="json") as worker:
            wait_until(lambda: len(shop.requests) == 3, "the invoices")
            wait_until(lambda: statuses(app)["J", "pending", "table_locked"] == 3, "the jobs to wait")
            app.admin.sql("update invoices set status = 'late'")
            wait_until(lambda: len(shop.requests) == 6, "the next invoices")
            assert len(worker.heard().splitlines()) < FEW
            holder.connection.rollback()
            wait_until(lambda: len(shop.requests) == 9, "the jobs, when the lock is gone")
            assert worker.end(signal.SIGTERM)[0] == 0
    rows = app.admin.sql("select status, lost_leases, attempt from automation_execution_logs")
    assert {(row["status"], row["lost_leases"], row["attempt"]) for row in rows} == {("completed", 0, 1)}


def test_locked_rows_of_a_record_action_leave_the_others_their_connections(
    server: str, app: App, command: Minutehand, shop: HttpReceiver
) -> None:
    step: dict[str, Any] = {"type": "update_record", "config": {"table": "jobs", "values": {"title": "done"}}}
    app.admin.sql("update automation_workflows set steps = %s where name = 'job'", Jsonb([step]))
    app.admin.sql("delete from automation_execution_logs")
    app.change("late")
    with session(app.admin, autocommit=False) as holder:
        holder.sql("update jobs set title = 'held'")
        with command.running("worker", "--poll-seconds", "1s") as worker:
            wait_until(lambda: len(shop.requests) == 3, "the invoices")
            wait_until(lambda: statuses(app)["J", "pending", "table_locked"] == 3, "the jobs to wait")
            holder.connection.rollback()
            wait_until(lambda: statuses(app)["J", "completed", None] == 3, "the jobs")
            assert worker.end(signal.SIGTERM)[0] == 0


def test_on_every_backend_a_locked_or_renamed_table_stops_nothing_else(world: World) -> None:
    jobs = world.app.workflow(webhook(world.shop.url + "/job"))
    other = world.app.workflow(webhook(world.shop.url + "/other"), trigger_type="manual")
    world.job()
    assert jobs != other
    world.minutehand("status")
    with session(world.app.database, autocommit=False) as holder:
        holder.sql("lock table jobs in access exclusive mode")
        world.minutehand("enqueue", other, "--payload", "{}")
        world.minutehand.drain_until(
            lambda: world.hooks() and world.ends()["pending", "table_locked"] == 1,
            "the one to be sent, the other to wait",
        )
        assert world.hooks() == ["/other"]
        holder.connection.rollback()
    world.app.database.sql("alter table jobs rename id to job_no")
    world.app.database.sql("update automation_execution_logs set scheduled_at = now() where status = 'pending'")
    world.minutehand.drain_until(lambda: world.ends()["pending", "column_missing"] == 1, "it to wait for its column")
    world.app.database.sql("alter table jobs rename job_no to id")
    world.app.database.sql("update automation_execution_logs set scheduled_at = now() where status = 'pending'")
    world.drain()
    assert world.hooks() == ["/other", "/job"]


@on_both_servers
def test_rows_of_our_own_that_are_hidden_are_no_empty_queue(app: App, command: Minutehand) -> None:
    """Else a run says "nothing due", `status` "switched off", and a list "none yet"."""
    for table in ("automation_execution_logs", "automation_workers"):
        app.admin.sql(f"alter table {table} enable row level security, force row level security")
        for words in ("run-once", "status", "executions ls", "workflows ls", "trigger ls"):
            said = command(*words.split())
            assert (said.returncode, said.stdout) == (78, "")
            assert [word for word in (table, "row", "minutehand doctor") if word not in said.stderr] == [], said.stderr
        app.admin.sql(f"alter table {table} no force row level security")
    assert command("run-once").returncode == 0
